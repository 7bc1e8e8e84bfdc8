//! Why a device began to run, and why it stopped.

use wavetank_stack::Instant;

/// What reset the processor, as its reset controller or boot loader tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// The device asked for it: [`Exit::Reboot`] or [`Exit::SwapImage`].
    Software,
    /// The program panicked.
    Panic,
    /// The time of [`Exit::SleepUntil`] came.
    Wake,
}

impl ResetCause {
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

/// What a device asks of its keeper when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// Start again, with the same image.
    Reboot,
    /// Start again, with the image in the other slot.
    SwapImage,
    /// Cut the power of all but the clock until then, and start again.
    SleepUntil(Instant),
}
