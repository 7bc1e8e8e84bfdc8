//! What the world answers, in safe code. Outside a poll nothing here answers: ask the system.

use std::ffi::{c_int, c_long};

use libc::clockid_t;

use crate::guard::refusal;
use crate::guard::stand_in::asked;

/// The process id while node code is polled: above every id that Linux gives, so that no signal finds a target.
pub(super) const PROCESS_ID: libc::pid_t = 0x07EA_5EA5;

/// Whether node code is polled on this thread.
pub(super) fn is_polled() -> bool {
    asked(|_| ()).is_some()
}

/// Nanoseconds on the clock `id`, or the errno of a clock that there is not.
#[inline]
pub(super) fn clock_ns(id: clockid_t) -> Option<Result<u64, c_int>> {
    asked(|world| match id {
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_BOOTTIME
        | libc::CLOCK_BOOTTIME_ALARM
        // How much of the host's processor was used is the host's luck. The node's own clock is at least true.
        | libc::CLOCK_PROCESS_CPUTIME_ID
        | libc::CLOCK_THREAD_CPUTIME_ID => Ok(world.monotonic_ns()),
        libc::CLOCK_REALTIME
        | libc::CLOCK_REALTIME_COARSE
        | libc::CLOCK_REALTIME_ALARM
        | libc::CLOCK_TAI => Ok(world.realtime_ns()),
        _ => {
            world.refuse(refusal::UNKNOWN_CLOCK);
            Err(libc::EINVAL)
        }
    })
}

/// Nanoseconds since the Unix epoch.
pub(super) fn realtime_ns() -> Option<u64> {
    asked(|world| world.realtime_ns())
}

/// Seconds, and the nanoseconds beside them.
pub(super) fn split(ns: u64) -> (i64, c_long) {
    const SECOND: u64 = 1_000_000_000;
    ((ns / SECOND).cast_signed(), (ns % SECOND).cast_signed())
}

/// Fills `bytes` with entropy and says whether it did.
///
/// Asking for no bytes draws none: the `getrandom` crate asks so, once a process, whether there is entropy.
pub(super) fn entropy(bytes: &mut [u8]) -> bool {
    asked(|world| {
        if !bytes.is_empty() {
            world.fill_entropy(bytes);
        }
    })
    .is_some()
}

/// Refuses `what` if node code is polled, and says whether it did.
pub(super) fn refused(what: &'static str) -> bool {
    asked(|world| world.refuse(what)).is_some()
}

/// Whether `path` is one of the host's random devices.
pub(super) fn is_random_device(path: &[u8]) -> bool {
    matches!(path, b"/dev/urandom" | b"/dev/random")
}
