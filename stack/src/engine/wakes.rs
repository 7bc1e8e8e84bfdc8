//! Those who are to be woken, once nobody borrows the core any more: a waker is foreign code.
//!
//! One who waits inside the application that the runner polls, and has the runner's own waker, need not be
//! woken: the application is polled in the same turn, if need be once more.

use core::task::Waker;

/// The wakers that one step of the core can have woken: a reader, a writer, a listener, the runner.
const MOST: usize = 4;

/// Who waits for something.
pub(crate) struct Waiter {
    waker: Waker,
    /// Inside the application that the runner polls.
    inside: bool,
    /// Not called since. One who was called without being woken stays, so that to wait again costs nothing.
    waiting: bool,
}

impl Waiter {
    /// Whether it is the one with that waker.
    pub(crate) fn will_wake(&self, waker: &Waker) -> bool {
        self.waker.will_wake(waker)
    }

    /// Where what its waker refers to lies.
    #[cfg(feature = "alloc")]
    pub(crate) fn whereabouts(&self) -> *const u8 {
        self.waker.data().cast()
    }
}

/// Whether somebody waits there.
#[inline]
pub(crate) fn is_waited(place: &Option<Waiter>) -> bool {
    matches!(place, Some(Waiter { waiting: true, .. }))
}

#[derive(Default)]
pub(crate) struct Wakes {
    /// Who is to be woken outside: so many of them, from the first on.
    wakers: [Option<Waker>; MOST],
    called: u8,
    /// Who runs this stack.
    runner: Option<Waker>,
    /// The runner is about to look at what is to be sent without being woken.
    awake: bool,
    /// The runner has its turn.
    in_turn: bool,
    /// The runner polls the application.
    polling: bool,
    app_again: bool,
}

impl Wakes {
    /// The runner's turn begins. Answers whether its waker is another one than in its last turn, and with the last one, to be
    /// dropped outside.
    #[inline]
    pub(crate) fn begin_turn(&mut self, runner: &Waker) -> (bool, Option<Waker>) {
        self.awake = true;
        self.in_turn = true;
        match &self.runner {
            Some(known) if known.will_wake(runner) => (false, None),
            _ => (true, self.runner.replace(runner.clone())),
        }
    }

    /// The runner's turn ends.
    #[inline]
    pub(crate) fn end_turn(&mut self) {
        self.awake = false;
        self.in_turn = false;
    }

    /// The runner begins to poll the application.
    #[inline]
    pub(crate) fn begin_app(&mut self) {
        self.polling = true;
        self.app_again = false;
    }

    /// The runner has polled the application.
    #[inline]
    pub(crate) fn end_app(&mut self) {
        self.polling = false;
    }

    /// Whether the application is to be polled once more in this turn.
    #[inline]
    pub(crate) fn is_app_called(&self) -> bool {
        self.app_again
    }

    /// Whether somebody waits already, and is to go on waiting.
    #[inline]
    pub(crate) fn waits(&self, place: &mut Option<Waiter>, waker: &Waker) -> bool {
        match place {
            Some(known) if known.waiting && known.waker.will_wake(waker) => {
                known.inside = self.polling;
                true
            }
            _ => false,
        }
    }

    /// Lets somebody wait; answers with who waited there before, to be dropped outside.
    #[inline]
    pub(crate) fn wait(&self, place: &mut Option<Waiter>, waker: &Waker) -> Option<Waiter> {
        match place {
            Some(known) if known.waker.will_wake(waker) => {
                known.inside = self.polling;
                known.waiting = true;
                None
            }
            _ => place.replace(Waiter { waker: waker.clone(), inside: self.polling, waiting: true }),
        }
    }

    /// Has somebody woken who waits no longer.
    #[inline]
    pub(crate) fn wake(&mut self, place: &mut Option<Waiter>) {
        let Some(waiter) = place.as_mut().filter(|waiter| waiter.waiting) else {
            return;
        };
        let own = |runner: &Waker| runner.will_wake(&waiter.waker);
        if waiter.inside && self.in_turn && self.runner.as_ref().is_some_and(own) {
            waiter.waiting = false;
            self.app_again = true;
        } else if let Some(waiter) = place.take() {
            self.call(waiter.waker);
        }
    }

    /// Something is to be sent: has the runner woken, once.
    #[inline]
    pub(crate) fn rouse(&mut self) {
        if !self.awake
            && let Some(runner) = &self.runner
        {
            self.awake = true;
            self.call(runner.clone());
        }
    }

    /// Whether nobody is to be woken outside.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.called == 0
    }

    /// One who is to be woken outside, and no longer this list's. One at a time: to move the whole list just after it was
    /// written would wait until all that was stored before it, cold memory included, is where it belongs.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Waker> {
        self.called = self.called.checked_sub(1)?;
        self.wakers[usize::from(self.called)].take()
    }

    #[inline]
    fn call(&mut self, waker: Waker) {
        debug_assert!(usize::from(self.called) < MOST, "whoever steps the core takes the wakers after each step");
        match self.wakers.get_mut(usize::from(self.called)) {
            Some(place) => {
                *place = Some(waker);
                self.called += 1;
            }
            // Early is better than never.
            None => waker.wake(),
        }
    }
}
