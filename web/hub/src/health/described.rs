//! A device's health for the description: what devices write knows nothing of schemas. A test holds the two against each other.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a device says of how it is. What is left out is 0, false or not known.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    /// Drawn when the device started: another one means that it has started anew.
    life: u32,
    cause: Cause,
    /// Milliseconds that it has run, by its own clock.
    up_ms: u64,
    /// Seconds until the next report at the latest, if it can.
    #[serde(default, skip_serializing_if = "is_zero")]
    every_s: u32,
    /// The firmware that runs, of a device that takes updates: three numbers with dots.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// What its battery has, in millivolts, if it can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    battery_mv: Option<u16>,
    /// Whether its last attempt came to nothing to reach whom it works for.
    #[serde(default, skip_serializing_if = "is_false")]
    cut_off: bool,
    /// Readings, records, events or frames that wait to be brought.
    #[serde(default, skip_serializing_if = "is_zero")]
    waiting: u32,
    /// Such as were lost in this life.
    #[serde(default, skip_serializing_if = "is_zero")]
    lost: u32,
    /// Times in this life that a sensor, or a part that it drives, failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    sensor_errors: u32,
    /// Times in this life that its flash failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    flash_errors: u32,
    /// Attempts in this life to reach whom it works for that came to nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    link_failures: u32,
    /// Attempts in this life to report its health that came to nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    reports_failed: u32,
    /// What its network stacks have counted in this life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<Network>,
}

/// What the network stacks of a device have counted.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct Network {
    /// Segments (TCP) that were sent again.
    #[serde(skip_serializing_if = "is_zero")]
    retransmissions: u32,
    /// Connections that the other side reset or refused.
    #[serde(skip_serializing_if = "is_zero")]
    resets_received: u32,
    /// Connections that were reset by the device.
    #[serde(skip_serializing_if = "is_zero")]
    resets_sent: u32,
    /// Connections that ended because the other side owed an answer for too long.
    #[serde(skip_serializing_if = "is_zero")]
    timeouts: u32,
    /// Connections and sockets that were not to be had, as every slot was taken.
    #[serde(skip_serializing_if = "is_zero")]
    slots_wanting: u32,
    /// Packets that were dropped, but for those that were meant for somebody else.
    #[serde(skip_serializing_if = "is_zero")]
    dropped: u32,
}

/// What a device was started by.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cause {
    PowerOn,
    BrownOut,
    Watchdog,
    Pin,
    Software,
    Panic,
    Wake,
}

/// How a device is.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    device: String,
    /// When the report came, in milliseconds since 1970 by the hub's clock.
    heard_ms: u64,
    /// Whether it should have reported again by now.
    overdue: bool,
    /// How often it has started anew since the hub first heard of it, by what it was started by.
    restarts: BTreeMap<String, u32>,
    /// By how much its clock has gone ahead of the hub's in this life.
    clock_ahead_ms: i64,
    report: Report,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Conditions {
    devices: Vec<Condition>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde lends what it asks about")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde lends what it asks about")]
const fn is_false(is: &bool) -> bool {
    !*is
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, to_value};

    use super::Report;
    use crate::health::{Health, ResetCause};

    /// Members that one side has and the other does not are refused by `deny_unknown_fields`, or missing.
    #[test]
    fn what_is_described_is_what_is_there() {
        for cause in ResetCause::ALL {
            let plain = Health { up_ms: 12, ..Health::new(7, cause) };
            let mut full = plain;
            (full.every_s, full.battery_mv, full.cut_off) = (60, Some(2_900), true);
            full.version = Some("1.2.3".parse().unwrap());
            (full.waiting, full.lost, full.sensor_errors, full.flash_errors) = (1, 2, 3, 4);
            (full.link_failures, full.reports_failed) = (5, 6);
            let network = &mut full.network;
            (network.retransmissions, network.resets_received, network.resets_sent) = (7, 8, 9);
            (network.timeouts, network.slots_wanting, network.dropped) = (10, 11, 12);
            for health in [plain, full] {
                let written: Value = to_value(health).unwrap();
                let described: Report = from_value(written.clone()).unwrap();
                assert_eq!(to_value(described).unwrap(), written);
            }
        }
    }
}
