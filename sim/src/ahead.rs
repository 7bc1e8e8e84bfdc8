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
const BEGUN: usize = 3;
/// How many are on their way at most; with others is not begun.
const AHEAD_MAX: usize = 64;

/// An event to come, and how far what it will read has been fetched.
// It is changed where it lies: one that is made anew each time is read while its parts are still being written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    what: What,
    pub(crate) step: u8,
    /// Whether the program of a frame's receiver has more to foresee of it.
    pub(crate) foresees: bool,
    /// Of the frame, or of the task.
    pub(crate) place: u32,
    /// What that program keeps from step to step.
    pub(crate) memo: u64,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// A frame lands.
    Frame,
    /// A task is polled.
    Task,
}

/// Events to come, each as far as it has been looked through.
#[derive(Debug)]
pub(crate) struct Lookout {
    ahead: [Ahead; AHEAD_MAX],
    len: usize,
    /// Whether there are many nodes, so that they and what lies between them are far away, too.
    pub(crate) nodes_are_many: bool,
}

impl Lookout {
    pub(crate) const fn new() -> Self {
        let none = Ahead { what: What::Frame, step: 0, foresees: false, place: 0, memo: 0 };
        Self { ahead: [none; AHEAD_MAX], len: 0, nodes_are_many: false }
    }

    #[inline]
    fn begin(&mut self, what: What, place: u32) {
        if let Some(free) = self.ahead.get_mut(self.len) {
            *free = Ahead { what, step: 0, foresees: true, place, memo: 0 };
            self.len += 1;
        }
    }
}

impl Kernel {
    /// Lets events that come soon go one step further, and begins with others.
    #[inline(never)]
    pub(crate) fn look_out(&self, lookout: &mut Lookout) {
        let (net, tasks, nodes) = (self.net.borrow(), self.tasks.borrow(), self.nodes.borrow());
        let many = lookout.nodes_are_many;
        if !many && net.in_flight() < FLIGHTS_MIN / 2 {
            lookout.len = 0;
            return self.end_lookout();
        }
        let mut place = 0;
        while place < lookout.len {
            let ahead = &mut lookout.ahead[place];
            let is_on = match ahead.what {
                What::Frame if many => net.fetch(ahead, &tasks, &nodes),
                What::Frame => net.fetch_foreseen(ahead),
                What::Task => tasks.fetch(ahead.place, ahead.step, &nodes, &net),
            };
            if is_on {
                ahead.step += 1;
                place += 1;
            } else {
                lookout.len -= 1;
                lookout.ahead[place] = lookout.ahead[lookout.len];
            }
        }
        let mut queue = self.queue.borrow_mut();
        for _ in 0..BEGUN {
            let Some(payload) = queue.announced() else { return };
            match Action::of(payload) {
                Action::Frame(flight) => {
                    net.fetch_flight(flight);
                    lookout.begin(What::Frame, flight);
                }
                Action::Wake(TaskId { slot, .. }) if many => {
                    tasks.fetch_slot(slot);
                    lookout.begin(What::Task, slot);
                }
                _ => {}
            }
        }
    }
}
