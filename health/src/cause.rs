//! Why a device began to run.

use serde::{Deserialize, Serialize};

/// What reset the processor, as its reset controller or boot loader tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ResetCause {
    /// Power came (back) on.
    PowerOn,
    /// The supply sagged below what the processor needs.
    BrownOut,
    /// The watchdog was not fed in time.
    Watchdog,
    /// The reset pin, by a debugger or a finger.
    Pin,
    /// The device asked for it: for another image, or to start over.
    Software,
    /// The program panicked.
    Panic,
    /// The time came until which the device had asked to sleep.
    Wake,
}

impl ResetCause {
    /// Every cause.
    pub const ALL: [ResetCause; 7] = [
        ResetCause::PowerOn,
        ResetCause::BrownOut,
        ResetCause::Watchdog,
        ResetCause::Pin,
        ResetCause::Software,
        ResetCause::Panic,
        ResetCause::Wake,
    ];

    /// The counter that counts boots by this cause.
    pub const fn metric(self) -> &'static str {
        match self {
            ResetCause::PowerOn => "boots.power-on",
            ResetCause::BrownOut => "boots.brown-out",
            ResetCause::Watchdog => "boots.watchdog",
            ResetCause::Pin => "boots.pin",
            ResetCause::Software => "boots.software",
            ResetCause::Panic => "boots.panic",
            ResetCause::Wake => "boots.wake",
        }
    }
}
