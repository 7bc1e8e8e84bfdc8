//! Proof at run time that the hooks are in place, and the birth of a world's thread under them.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "what is disallowed is what the guard answers")]

use std::cell::Cell;
use std::hash::RandomState;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use super::platform::entropy_by_every_way;
use super::stand_in::StandIn;
use super::{SUPPORT, Support, refusal};
use crate::current::{Oracle, polled};

/// Why the process is not guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Off {
    /// The platform has no hooks.
    #[error("guard off: {0}")]
    Unsupported(&'static str),
    /// The hooks exist, but the linker or a preloaded library put another definition before this one.
    #[error("guard off: {0} does not answer from the world")]
    Unhooked(&'static str),
}

/// Whether node code's clocks, entropy and threads are answered by the world in this process.
#[must_use]
pub fn is_active() -> bool {
    probe().is_ok()
}

/// Asks for time, entropy and a thread as node code would, and names the first that the world did not answer.
pub fn probe() -> Result<(), Off> {
    if let Support::Unsupported(reason) = SUPPORT {
        return Err(Off::Unsupported(reason));
    }
    // Node code may ask too: then the wall clock speaks for the rest, because reading it changes nothing.
    if let Some(realtime_ns) = polled(|world| world.realtime_ns()) {
        return answered("the wall clock", wall_clock_reads(realtime_ns));
    }
    let oracle = Rc::new(Probe::default());
    let _scope = StandIn::enter(oracle.clone());

    let before = Instant::now();
    oracle.monotonic_ns.set(Probe::LATER_NS);
    let elapsed = Instant::now().checked_duration_since(before);
    answered("the monotonic clock", elapsed == Some(Duration::from_nanos(Probe::LATER_NS)))?;
    answered("the wall clock", wall_clock_reads(Probe::REALTIME_NS))?;
    for (way, bytes) in entropy_by_every_way() {
        answered(way, bytes == [Probe::ENTROPY; 16])?;
    }
    let thread = std::thread::Builder::new().spawn(|| ());
    answered("thread spawn", thread.is_err() && oracle.refused.get() == Some(refusal::THREAD_SPAWN))
}

fn answered(what: &'static str, by_the_world: bool) -> Result<(), Off> {
    if by_the_world { Ok(()) } else { Err(Off::Unhooked(what)) }
}

fn wall_clock_reads(realtime_ns: u64) -> bool {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(realtime_ns)) == Some(SystemTime::now())
}

/// A world that exists to be recognized by what it answers.
#[derive(Default)]
struct Probe {
    monotonic_ns: Cell<u64>,
    refused: Cell<Option<&'static str>>,
}

impl Probe {
    const LATER_NS: u64 = 0x5EA_CA1F;
    const REALTIME_NS: u64 = 1_234_567_890_123_456_789;
    const ENTROPY: u8 = 0xA7;
}

impl Oracle for Probe {
    fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns.get()
    }
    fn realtime_ns(&self) -> u64 {
        Self::REALTIME_NS
    }
    fn fill_entropy(&self, bytes: &mut [u8]) {
        bytes.fill(Self::ENTROPY);
    }
    fn refuse(&self, what: &'static str) {
        self.refused.set(Some(what));
    }
}

/// The thread drew its hash keys before the world could give them: what ran on it would show in the order of
/// every `HashMap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a world must be born on a fresh thread: this one has made hash maps before")]
pub(crate) struct UsedThread;

/// Gives a world's new thread the keys of its hash maps, out of the world's own entropy.
///
/// The standard library draws two keys the first time that a thread makes a `RandomState` and adds one to the
/// first for every later one. So each world runs on a thread of its own, this call is the first thing on it,
/// and no code on that thread may make a number of hash maps that differs between two runs of the same world.
/// It is called outside a poll. Where the guard is off it does nothing.
pub(crate) fn prepare_thread(keys: [u8; 16]) -> Result<(), UsedThread> {
    if !matches!(SUPPORT, Support::Hooked) {
        return Ok(());
    }
    let birth = Rc::new(Birth { keys, drawn: Cell::new(false) });
    let scope = StandIn::enter(birth.clone());
    std::hint::black_box(RandomState::new());
    drop(scope);
    if birth.drawn.get() || !is_active() { Ok(()) } else { Err(UsedThread) }
}

/// The moment before the first poll, when only hash keys can be had.
struct Birth {
    keys: [u8; 16],
    drawn: Cell<bool>,
}

impl Oracle for Birth {
    fn monotonic_ns(&self) -> u64 {
        0
    }
    fn realtime_ns(&self) -> u64 {
        0
    }
    fn fill_entropy(&self, bytes: &mut [u8]) {
        self.drawn.set(true);
        for (byte, key) in bytes.iter_mut().zip(self.keys.iter().cycle()) {
            *byte = *key;
        }
    }
    fn refuse(&self, _: &'static str) {}
}
