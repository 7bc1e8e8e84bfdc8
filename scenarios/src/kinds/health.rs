//! Reports of a device's health, from one that takes no updates.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_devices::Backoff;
use wavetank_devices::updates::Reports;

use super::check::Findings;
use super::defaults;
use crate::units::Time;

/// Reports of its health from a device that takes no updates, to a hub: after its start, again and again, and as soon as something
/// is wrong for the first time. A device that takes updates reports with each question for them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Address and port of the hub that hears of it, such as "10.0.0.2:8080"; if left out, that which the device reports to, if it
    /// reports to one.
    #[serde(default)]
    pub hub: Option<SocketAddr>,
    /// From one report to the next.
    #[serde(default = "defaults::secs::<60>")]
    pub every: Time,
}

impl Health {
    /// What is wrong with it, at the key `health`. `hub` is the one that the device reports to.
    pub(super) fn check(&self, hub: Option<SocketAddr>, takes_updates: bool, findings: &mut Findings) {
        const KEY: &str = "health";
        match self.hub.or(hub) {
            None => findings.refuse(KEY, "`hub` is missing in `health`", "write hub = \"10.0.0.2:8080\", for example"),
            Some(hub) => findings.port(KEY, hub.port(), "name the hub's port, such as \"10.0.0.2:8080\""),
        }
        if self.every < defaults::millis::<100>() {
            findings.refuse(KEY, "`every` is at least 100ms", "write \"60s\", for example");
        }
        if takes_updates {
            let help = "leave one of them out: who takes updates reports once a `period` of these";
            findings.refuse(KEY, "`health` is for a device without `updates`", help);
        }
    }

    /// What the device is given. `hub` is the one that it reports to.
    pub(super) fn reports(&self, hub: Option<SocketAddr>, backoff: Backoff) -> Reports {
        let mut reports = Reports::new(self.hub.or(hub).expect("`check` saw to it"));
        (reports.period, reports.backoff) = (self.every.as_duration(), backoff);
        reports
    }
}
