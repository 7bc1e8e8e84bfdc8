//! A value that two futures of a device take turns with, over awaits.

use core::cell::{Cell, RefCell, RefMut};
use core::future::poll_fn;
use core::ops::{Deref, DerefMut};
use core::task::{Poll, Waker};

/// For two users: while one has the value, the other one waits.
pub(crate) struct Lock<T> {
    value: RefCell<T>,
    waiting: Cell<Option<Waker>>,
}

/// The value, until this is dropped.
pub(crate) struct Turn<'l, T> {
    value: RefMut<'l, T>,
    waiting: &'l Cell<Option<Waker>>,
}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { value: RefCell::new(value), waiting: Cell::new(None) }
    }

    /// Waits for the value. Nobody has it if this is dropped.
    pub(crate) async fn take(&self) -> Turn<'_, T> {
        poll_fn(|cx| match self.value.try_borrow_mut() {
            Ok(value) => Poll::Ready(Turn { value, waiting: &self.waiting }),
            Err(_) => {
                self.waiting.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

impl<T> Deref for Turn<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Turn<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        // Whoever is woken looks after this is gone: nothing is polled in here.
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
}
