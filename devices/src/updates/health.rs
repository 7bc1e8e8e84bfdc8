//! Whether a device is well: what each part of it has to have shown at least once.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

/// What has to be shown, a bit each.
pub(crate) struct Health {
    missing: Cell<u8>,
    waiting: RefCell<Option<Waker>>,
}

impl Health {
    /// Of a device that is well once it has shown each of these.
    pub(crate) const fn needing(signs: u8) -> Self {
        Self { missing: Cell::new(signs), waiting: RefCell::new(None) }
    }

    /// One of them is there.
    pub(crate) fn show(&self, sign: u8) {
        let missing = self.missing.get() & !sign;
        self.missing.set(missing);
        if missing == 0
            && let Some(waker) = self.waiting.take()
        {
            waker.wake();
        }
    }

    /// Whether all are there.
    pub(crate) fn is_well(&self) -> bool {
        self.missing.get() == 0
    }

    /// Waits until all are there. For one waiter.
    pub(crate) async fn until_well(&self) {
        poll_fn(|context| {
            if self.missing.get() == 0 {
                return Poll::Ready(());
            }
            self.waiting.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
