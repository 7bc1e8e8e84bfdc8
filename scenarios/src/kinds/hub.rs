//! `kind = "telemetry-hub"`: keeps the readings of all devices, and says which of them are alive.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::registry::{Flow, Metric, TypedKind};
use crate::schema::ConfigProblem;
use crate::units::Time;

/// What a scenario tells a hub.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The TCP port that it serves HTTP on.
    pub port: u16,
    /// A device that has not been heard for longer than this is offline.
    pub online_window: Time,
    /// How long the disk takes to make one reading durable; the hub can do nothing else meanwhile.
    pub commit_cost: Time,
}

impl Default for Config {
    fn default() -> Self {
        Self { port: 8080, online_window: Time::from_secs(60), commit_cost: Time::from_millis(2) }
    }
}

/// What a hub counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "readings.stored", doc: "readings that were new and are now kept" },
    Metric { name: "readings.duplicate", doc: "readings that it had already" },
    Metric { name: "devices.known", doc: "devices ever heard" },
    Metric { name: "devices.online", doc: "devices heard within the online window" },
];

/// The events with ids that a hub reports.
pub static FLOWS: &[Flow] = &[Flow { name: "reading.stored", doc: "a reading was written that was not there before" }];

/// The kind, as far as it is data.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("telemetry-hub", "Keeps the readings of all devices; a web application over a database.")
        .metrics(METRICS)
        .flows(FLOWS)
        .check(check)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    if config.port == 0 {
        let problem = ConfigProblem::at("port", "port 0 is no port");
        problems.push(problem.help("write 8080, for example"));
    }
    if config.online_window.as_nanos() == 0 {
        let problem = ConfigProblem::at("online_window", "`online_window` cannot be 0");
        problems.push(problem.help("no device would ever be online: write \"5s\", for example"));
    }
    problems
}
