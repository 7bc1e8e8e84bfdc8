//! Why a device began to run, and why it stopped.

pub use wavetank_health::ResetCause;
use wavetank_stack::Instant;

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
