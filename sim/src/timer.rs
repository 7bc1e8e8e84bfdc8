//! Timers: entries of the event queue that say whom to wake.
//!
//! The timer of a task is nothing but its entry, whose payload is the task. The timer of any other waker, such as a
//! combinator's own, keeps that waker in a place that the payload names.

use std::task::Waker;

use crate::kernel::{Action, Kernel};
use crate::queue::EntryId;

/// Names an armed timer. A key of a timer that has fired names nothing.
pub(crate) type TimerKey = EntryId;

/// The wakers of armed timers that are not a task's.
#[derive(Default)]
pub(crate) struct Callees {
    wakers: Vec<Option<Waker>>,
    free: Vec<u32>,
}

impl Callees {
    fn insert(&mut self, waker: Waker) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() as u32 - 1
        });
        self.wakers[place as usize] = Some(waker);
        place
    }

    fn remove(&mut self, place: u32) -> Option<Waker> {
        self.free.push(place);
        self.wakers[place as usize].take()
    }

    fn wakes(&self, place: u32, other: &Waker) -> bool {
        self.wakers[place as usize].as_ref().is_some_and(|waker| waker.will_wake(other))
    }
}

impl Kernel {
    #[inline]
    pub(crate) fn arm_timer(&self, at: u64, waker: &Waker) -> TimerKey {
        let action = self.timer_action(waker);
        self.queue.borrow_mut().push(at, action.payload())
    }

    /// Lets an armed timer wake `waker` from now on.
    #[inline]
    pub(crate) fn rearm_timer(&self, key: TimerKey, waker: &Waker) {
        let Some(&mut armed) = self.queue.borrow_mut().payload_mut(key) else {
            return;
        };
        let polled = self.polled_wakee(waker);
        if polled.is_none_or(|polled| armed != Action::Wake(polled).payload()) {
            self.redirect_timer(key, Action::of(armed), waker);
        }
    }

    fn redirect_timer(&self, key: TimerKey, armed: Action, waker: &Waker) {
        let callee = match armed {
            Action::Call(place) if self.callees.borrow().wakes(place, waker) => return,
            Action::Call(place) => self.callees.borrow_mut().remove(place),
            _ => None,
        };
        let action = self.timer_action(waker);
        if let Some(payload) = self.queue.borrow_mut().payload_mut(key) {
            *payload = action.payload();
        }
        drop(callee);
    }

    #[inline]
    pub(crate) fn cancel_timer(&self, key: TimerKey) {
        let cancelled = self.queue.borrow_mut().cancel(key);
        if let Some(Action::Call(place)) = cancelled.map(Action::of) {
            drop(self.remove_callee(place));
        }
    }

    #[inline(never)]
    fn remove_callee(&self, place: u32) -> Option<Waker> {
        self.callees.borrow_mut().remove(place)
    }

    /// A timer that is not a task's has fired.
    pub(crate) fn call(&self, place: u32) {
        if let Some(waker) = self.remove_callee(place) {
            waker.wake();
        }
    }

    /// Whether a timer that is armed with this waker keeps a clone of it.
    #[inline]
    pub(crate) fn keeps(&self, waker: &Waker) -> bool {
        self.polled_wakee(waker).is_none()
    }

    #[inline]
    fn timer_action(&self, waker: &Waker) -> Action {
        self.polled_wakee(waker).map_or_else(|| self.call_action(waker), Action::Wake)
    }

    #[inline(never)]
    fn call_action(&self, waker: &Waker) -> Action {
        let waker = waker.clone();
        Action::Call(self.callees.borrow_mut().insert(waker))
    }
}
