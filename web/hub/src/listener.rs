//! Who waits for something to change at the hub.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::future::select;

use crate::Hub;

/// What has changed, counted, and who is to be told.
#[derive(Default)]
pub(crate) struct Changes {
    count: Cell<u64>,
    ended: Cell<bool>,
    next: Cell<u64>,
    waiting: RefCell<BTreeMap<u64, Option<Waker>>>,
}

impl Changes {
    pub(crate) fn note(&self) {
        self.count.set(self.count.get().wrapping_add(1));
        self.wake();
    }

    /// Nobody is told of anything from here on.
    pub(crate) fn end(&self) {
        self.ended.set(true);
        self.wake();
    }

    fn wake(&self) {
        for waker in self.waiting.borrow_mut().values_mut().filter_map(Option::take) {
            waker.wake();
        }
    }
}

/// One who waits.
pub(crate) struct Listener {
    hub: Hub,
    number: u64,
    seen: u64,
}

impl Listener {
    /// One more, unless there are so many already.
    pub(crate) fn new(hub: Hub, listeners_max: usize) -> Option<Self> {
        let changes = hub.changes();
        let mut waiting = changes.waiting.borrow_mut();
        if waiting.len() >= listeners_max {
            return None;
        }
        let number = changes.next.replace(changes.next.get() + 1);
        waiting.insert(number, None);
        drop(waiting);
        let seen = changes.count.get();
        Some(Self { hub, number, seen })
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Lets this much time pass, unless the hub is stopped.
    pub(crate) async fn rest(&self, for_so_long: Duration) {
        self.wait(for_so_long, |_| false).await;
    }

    /// Waits until something has changed that was not seen yet, but no longer than this. False when the hub is stopped.
    pub(crate) async fn changed_within(&mut self, at_most: Duration) -> bool {
        let seen = self.seen;
        self.wait(at_most, |changes| changes.count.get() != seen).await;
        self.seen = self.hub.changes().count.get();
        !self.hub.changes().ended.get()
    }

    async fn wait(&self, at_most: Duration, until: impl Fn(&Changes) -> bool) {
        let happened = poll_fn(|cx| {
            let changes = self.hub.changes();
            if changes.ended.get() || until(changes) {
                return Poll::Ready(());
            }
            changes.waiting.borrow_mut().insert(self.number, Some(cx.waker().clone()));
            Poll::Pending
        });
        select(pin!(happened), self.hub.sleep(at_most)).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hub.changes().waiting.borrow_mut().remove(&self.number);
    }
}
