//! Those who are to be woken, once nobody borrows the core any more: a waker is foreign code.

use core::task::Waker;

/// The wakers that one step of the core can have woken: a reader, a writer, a listener, the runner.
const MOST: usize = 4;

#[derive(Default)]
pub(crate) struct Wakes {
    list: [Option<Waker>; MOST],
    len: usize,
}

impl Wakes {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(crate) fn push(&mut self, waker: Waker) {
        debug_assert!(self.len < MOST, "whoever steps the core takes the wakers after each step");
        match self.list.get_mut(self.len) {
            Some(place) => {
                *place = Some(waker);
                self.len += 1;
            }
            // Early is better than never.
            None => waker.wake(),
        }
    }

    #[inline]
    pub(crate) fn extend(&mut self, wakers: [Option<Waker>; 2]) {
        for waker in wakers.into_iter().flatten() {
            self.push(waker);
        }
    }

    /// The wakers so far; they are no longer this list's.
    #[inline]
    pub(crate) fn drain(&mut self) -> Wakes {
        core::mem::take(self)
    }
}

impl Iterator for Wakes {
    type Item = Waker;

    #[inline]
    fn next(&mut self) -> Option<Waker> {
        self.len = self.len.checked_sub(1)?;
        self.list[self.len].take()
    }
}
