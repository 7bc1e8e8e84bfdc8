//! What the next events will read, fetched before they come.
//!
//! In a world of many thousands of nodes hardly anything that an event touches is in a near cache, and it lies one behind
//! the other: a frame names its link, a link its interface, an interface its task, a task its node and its future. An event
//! that waits for each of them waits longer than it works. But the queue knows a while ahead which events come, and memory
//! answers many questions at once: so events let those that come after them go one pointer further. Nothing depends on it,
//! and a world of few nodes and few frames does without.

use crate::executor::TaskId;
use crate::kernel::{Action, Kernel};

/// From how many nodes on it is worth its price (bench/README.md, "A million devices").
pub(crate) const NODES_MIN: usize = 16_384;
/// From how many frames in flight on it is, for what is in flight and what its receiver's program will read for it
/// (bench/README.md, "Thousands of connections").
pub(crate) const FLIGHTS_MIN: usize = 8_192;
/// With how many events to come is begun at a time.
const BEGUN: usize = 6;
/// How many are on their way at most; with others is not begun.
const AHEAD_MAX: usize = 64;

/// How far what an event to come will read has been fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// As far as is known.
    Done,
    /// The frame that lands, and whether its receiver's program has more to foresee of it, and what that keeps.
    Frame { flight: u32, step: u8, foresees: bool, memo: u64 },
    /// The task that is polled.
    Task { slot: u32, step: u8 },
}

/// Events to come, each as far as it has been looked through.
#[derive(Debug)]
pub(crate) struct Lookout {
    ahead: [Ahead; AHEAD_MAX],
    len: usize,
    /// Whether what was asked for last is given the time of another event.
    waits: bool,
    /// Whether there are many nodes, so that they and what lies between them are far away, too.
    pub(crate) nodes_are_many: bool,
}

impl Lookout {
    pub(crate) const fn new() -> Self {
        Self { ahead: [Ahead::Done; AHEAD_MAX], len: 0, waits: false, nodes_are_many: false }
    }

    #[inline]
    fn add(&mut self, ahead: Ahead) {
        if ahead != Ahead::Done
            && let Some(place) = self.ahead.get_mut(self.len)
        {
            *place = ahead;
            self.len += 1;
        }
    }
}

impl Kernel {
    /// Lets events that come soon go one step further, and begins with others.
    #[inline(never)]
    pub(crate) fn look_out(&self, lookout: &mut Lookout) {
        lookout.waits = !lookout.waits;
        if lookout.waits {
            return;
        }
        let (net, tasks, nodes) = (self.net.borrow(), self.tasks.borrow(), self.nodes.borrow());
        let many = lookout.nodes_are_many;
        if !many && net.in_flight() < FLIGHTS_MIN / 2 {
            lookout.len = 0;
            return self.end_lookout();
        }
        for place in 0..std::mem::take(&mut lookout.len) {
            let further = match lookout.ahead[place] {
                Ahead::Done => Ahead::Done,
                Ahead::Frame { flight, step, memo, .. } if !many => net.fetch_foreseen(flight, step, memo),
                Ahead::Frame { flight, step, foresees, memo } => {
                    net.fetch(flight, step, (foresees, memo), &tasks, &nodes)
                }
                Ahead::Task { slot, step } => tasks.fetch(slot, step, &nodes, &net),
            };
            lookout.add(further);
        }
        let mut queue = self.queue.borrow_mut();
        for _ in 0..BEGUN {
            let Some(payload) = queue.announced() else { return };
            lookout.add(match Action::of(payload) {
                Action::Frame(flight) => net.fetch_flight(flight),
                Action::Wake(TaskId { slot, .. }) if many => tasks.fetch_slot(slot),
                _ => Ahead::Done,
            });
        }
    }
}
