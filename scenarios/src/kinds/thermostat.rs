//! `kind = "thermostat"`: measures the temperature and reports it to a telemetry hub.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::registry::{Flow, Metric, TypedKind};
use crate::schema::ConfigProblem;
use crate::units::{Probability, Time};

/// What a scenario tells a thermostat.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port of the hub that it reports to, such as "10.0.0.2:8080".
    pub hub: SocketAddr,
    /// Time from one measurement to the next; at least 20 ms.
    #[serde(default = "defaults::period")]
    pub period: Time,
    /// How long opening a connection may take.
    #[serde(default = "defaults::timeout")]
    pub connect_timeout: Time,
    /// How long the hub may take to answer one request.
    #[serde(default = "defaults::timeout")]
    pub exchange_timeout: Time,
    /// The longest wait before the first retry; doubled for each further one.
    #[serde(default = "defaults::backoff_base")]
    pub backoff_base: Time,
    /// The longest wait of all.
    #[serde(default = "defaults::backoff_cap")]
    pub backoff_cap: Time,
    /// The sensor on its I2C bus, and the temperature around it.
    #[serde(default)]
    pub sensor: Sensor,
}

/// The sensor, and the temperature that it measures: a slow swing around a mean, with noise.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sensor {
    /// The mean temperature, in thousandths of a degree Celsius.
    pub mean_millicelsius: i32,
    /// How far the temperature swings either way, in thousandths of a degree Celsius.
    pub swing_millicelsius: u32,
    /// How long one swing takes.
    pub swing_period: Time,
    /// The most that noise adds or takes away, in thousandths of a degree Celsius.
    pub noise_millicelsius: u32,
    /// The probability that the sensor does not acknowledge a transfer.
    pub nack: Probability,
}

impl Default for Sensor {
    fn default() -> Self {
        Self {
            mean_millicelsius: 21_000,
            swing_millicelsius: 2_000,
            swing_period: Time::from_secs(600),
            noise_millicelsius: 50,
            nack: Probability::default(),
        }
    }
}

mod defaults {
    use crate::units::Time;

    pub(super) fn period() -> Time {
        Time::from_secs(1)
    }

    pub(super) fn timeout() -> Time {
        Time::from_secs(5)
    }

    pub(super) fn backoff_base() -> Time {
        Time::from_millis(500)
    }

    pub(super) fn backoff_cap() -> Time {
        Time::from_secs(60)
    }
}

/// What a thermostat counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "readings.taken", doc: "readings measured, numbered or not" },
    Metric { name: "readings.acknowledged", doc: "readings that the hub said it has" },
    Metric { name: "readings.dropped", doc: "readings that went because the backlog was full" },
    Metric { name: "readings.rejected", doc: "readings that the hub refused for good" },
    Metric { name: "posts.sent", doc: "POST requests begun, retries included" },
    Metric { name: "posts.failed", doc: "POST requests without an answer, or with one that says to try again" },
    Metric { name: "connects.failed", doc: "connections to the hub that could not be opened" },
    Metric { name: "sensor.errors", doc: "measurements that the sensor or its bus did not give" },
    Metric { name: "backlog", doc: "readings that wait for the hub" },
];

/// The events with ids that a thermostat reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "reading.taken", doc: "a reading was measured and numbered" },
    Flow { name: "reading.acknowledged", doc: "the hub said that it has the reading" },
];

/// The kind, as far as it is data.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("thermostat", "Measures the temperature over I2C and reports it over HTTP.")
        .metrics(METRICS)
        .flows(FLOWS)
        .check(check)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    if config.period < Time::from_millis(20) {
        let problem = ConfigProblem::at("period", "`period` is at least 20ms");
        problems.push(problem.help("the sensor takes most of that to measure"));
    }
    for (key, time) in [("connect_timeout", config.connect_timeout), ("exchange_timeout", config.exchange_timeout)] {
        if time.as_nanos() == 0 {
            let problem = ConfigProblem::at(key, format!("`{key}` cannot be 0"));
            problems.push(problem.help("nothing could ever be reported: write \"5s\", for example"));
        }
    }
    if config.backoff_cap < config.backoff_base {
        let problem = ConfigProblem::at("backoff_cap", "`backoff_cap` is shorter than `backoff_base`");
        problems.push(problem.help(format!("make it at least {}", config.backoff_base)));
    }
    if config.hub.port() == 0 {
        let problem = ConfigProblem::at("hub", "port 0 is no port");
        problems.push(problem.help("name the hub's port, such as \"10.0.0.2:8080\""));
    }
    problems
}
