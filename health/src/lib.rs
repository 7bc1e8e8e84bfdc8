//! What a device says of how it is: the one definition for devices, which say it, and for whoever keeps it.
//!
//! A report is a JSON object of at most [`Health::JSON_MAX`] bytes. A member whose value is 0, `false` or not known is left
//! out, and one that a reader does not know is passed over, so that firmware and hub may be of different ages.
//!
//! | member | what | unit or form |
//! |---|---|---|
//! | `life` | drawn when the device started; another one means that it has started anew | 0 to 2³² − 1; always there |
//! | `cause` | what it was started by | `power-on`, `brown-out`, `watchdog`, `pin`, `software`, `panic`, `wake`; always there |
//! | `up_ms` | how long it has run, by its own clock | milliseconds; always there |
//! | `every_s` | the next report comes in so long at the latest, if it can | seconds |
//! | `version` | the firmware that runs, of a device that takes updates | `"1.2.0"` |
//! | `battery_mv` | what its battery has, if it can tell | millivolts |
//! | `cut_off` | whether its last attempt came to nothing to reach whom it works for | `true` |
//! | `waiting` | readings, records, events or frames that wait to be brought | |
//! | `lost` | such as were lost in this life: there was no room for them, or nobody took them | |
//! | `sensor_errors` | times in this life that a sensor, or a part that it drives, failed | |
//! | `flash_errors` | times in this life that its flash failed | |
//! | `link_failures` | attempts in this life to reach whom it works for that came to nothing | |
//! | `reports_failed` | attempts in this life to report its health that came to nothing | |
//! | `network` | an object with what its network stacks have counted in this life, if that is anything | |
//! | `network.retransmissions` | segments (TCP) that were sent again | |
//! | `network.resets_received`, `network.resets_sent` | connections that were reset from either side | |
//! | `network.timeouts` | connections that ended because the other side owed an answer for too long | |
//! | `network.slots_wanting` | connections and sockets that were not to be had, as every slot was taken | |
//! | `network.dropped` | packets that were dropped, but for those that were meant for somebody else | |
//!
//! All counts have 32 bits and stay at the highest. How a report travels is not said here.
#![no_std]
#![forbid(unsafe_code)]

mod cause;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use wavetank_manifest::Version;

pub use cause::ResetCause;

/// How a device is, by its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Drawn when the device started: another one means that it has started anew.
    pub life: u32,
    /// What it was started by.
    pub cause: ResetCause,
    /// Milliseconds that it has run, by its own clock.
    pub up_ms: u64,
    /// Seconds until the next report at the latest, if it can; 0 if it does not say.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub every_s: u32,
    /// The firmware that runs, of a device that takes updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// What its battery has, in millivolts, if it can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery_mv: Option<u16>,
    /// Whether its last attempt came to nothing to reach whom it works for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cut_off: bool,
    /// Readings, records, events or frames that wait to be brought.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting: u32,
    /// Such as were lost in this life: there was no room for them, or nobody took them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u32,
    /// Times in this life that a sensor, or a part that it drives, failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sensor_errors: u32,
    /// Times in this life that its flash failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flash_errors: u32,
    /// Attempts in this life to reach whom it works for that came to nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub link_failures: u32,
    /// Attempts in this life to report its health that came to nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reports_failed: u32,
    /// What its network stacks have counted in this life.
    #[serde(default, skip_serializing_if = "Network::is_quiet")]
    pub network: Network,
}

/// What the network stacks of a device have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// Segments (TCP) that were sent again.
    #[serde(skip_serializing_if = "is_zero")]
    pub retransmissions: u32,
    /// Connections that the other side reset or refused.
    #[serde(skip_serializing_if = "is_zero")]
    pub resets_received: u32,
    /// Connections that were reset by the device.
    #[serde(skip_serializing_if = "is_zero")]
    pub resets_sent: u32,
    /// Connections that ended because the other side owed an answer for too long.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeouts: u32,
    /// Connections and sockets that were not to be had, as every slot was taken.
    #[serde(skip_serializing_if = "is_zero")]
    pub slots_wanting: u32,
    /// Packets that were dropped, but for those that were meant for somebody else.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped: u32,
}

impl Health {
    /// Bytes of the longest report as JSON.
    pub const JSON_MAX: usize = 465;

    /// Of a device that has just started, with nothing to say yet.
    pub const fn new(life: u32, cause: ResetCause) -> Self {
        Self {
            life,
            cause,
            up_ms: 0,
            every_s: 0,
            version: None,
            battery_mv: None,
            cut_off: false,
            waiting: 0,
            lost: 0,
            sensor_errors: 0,
            flash_errors: 0,
            link_failures: 0,
            reports_failed: 0,
            network: Network::QUIET,
        }
    }

    /// Writes it into `out` as JSON; what of `out` that takes comes back.
    pub fn json<'o>(&self, out: &'o mut [u8; Self::JSON_MAX]) -> &'o [u8] {
        let len = serde_json_core::to_slice(self, out).expect("there is room for the longest of each");
        &out[..len]
    }
}

impl Network {
    const QUIET: Self =
        Self { retransmissions: 0, resets_received: 0, resets_sent: 0, timeouts: 0, slots_wanting: 0, dropped: 0 };

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        *self == Self::QUIET
    }

    /// What two stacks of a device have counted, one after the other.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            retransmissions: self.retransmissions.saturating_add(other.retransmissions),
            resets_received: self.resets_received.saturating_add(other.resets_received),
            resets_sent: self.resets_sent.saturating_add(other.resets_sent),
            timeouts: self.timeouts.saturating_add(other.timeouts),
            slots_wanting: self.slots_wanting.saturating_add(other.slots_wanting),
            dropped: self.dropped.saturating_add(other.dropped),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde lends what it asks about")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde lends what it asks about")]
const fn is_false(is: &bool) -> bool {
    !*is
}
