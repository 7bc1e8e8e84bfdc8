//! Timers: a waker each, while they are armed.

use std::task::Waker;

use crate::executor::Wakee;
use crate::kernel::{Action, Kernel};
use crate::queue::EntryId;

/// Names an armed timer. A key of a timer that has fired names nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimerKey {
    slot: u32,
    generation: u32,
}

struct Slot {
    generation: u32,
    wakee: Option<Wakee>,
    entry: EntryId,
}

#[derive(Default)]
pub(crate) struct Timers {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Timers {
    fn release(&mut self, slot: u32) -> Option<Wakee> {
        let timer = &mut self.slots[slot as usize];
        timer.generation = timer.generation.wrapping_add(1);
        self.free.push(slot);
        timer.wakee.take()
    }

    fn armed(&mut self, TimerKey { slot, generation }: TimerKey) -> Option<&mut Slot> {
        self.slots.get_mut(slot as usize).filter(|timer| timer.generation == generation)
    }
}

impl Kernel {
    #[inline]
    pub(crate) fn arm_timer(&self, at: u64, waker: &Waker) -> TimerKey {
        let timers = &mut *self.timers.borrow_mut();
        let slot = timers.free.pop().unwrap_or(timers.slots.len() as u32);
        let entry = self.queue.borrow_mut().push(at, Action::Timer(slot).payload());
        let wakee = Some(self.wakee(waker));
        if let Some(timer) = timers.slots.get_mut(slot as usize) {
            (timer.wakee, timer.entry) = (wakee, entry);
            return TimerKey { slot, generation: timer.generation };
        }
        timers.slots.push(Slot { generation: 0, wakee, entry });
        TimerKey { slot, generation: 0 }
    }

    pub(crate) fn rearm_timer(&self, key: TimerKey, waker: &Waker) {
        let mut timers = self.timers.borrow_mut();
        let Some(timer) = timers.armed(key) else {
            return;
        };
        if !timer.wakee.as_ref().is_some_and(|old| self.is_wakee(old, waker)) {
            let old = timer.wakee.replace(self.wakee(waker));
            drop(timers);
            drop(old);
        }
    }

    pub(crate) fn cancel_timer(&self, key: TimerKey) {
        let mut timers = self.timers.borrow_mut();
        let Some(timer) = timers.armed(key) else {
            return;
        };
        self.queue.borrow_mut().cancel(timer.entry);
        let wakee = timers.release(key.slot);
        drop(timers);
        drop(wakee);
    }

    #[inline]
    pub(crate) fn fire_timer(&self, slot: u32) {
        let wakee = self.timers.borrow_mut().release(slot);
        if let Some(wakee) = wakee {
            self.wake(wakee);
        }
    }
}
