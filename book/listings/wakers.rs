//! An event that somebody waits for, with its waker kept in a wrong way and in the right one.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use wavetank_contract::{Law, polls};

/// Something that happens once. For one waiter.
#[derive(Clone, Default)]
pub struct Event(Rc<Inner>);

#[derive(Default)]
struct Inner {
    has_happened: Cell<bool>,
    waiter: Cell<Option<Waker>>,
}

impl Event {
    pub fn happen(&self) {
        self.0.has_happened.set(true);
        // Taken out first: what is woken may come back here.
        if let Some(waiter) = self.0.waiter.take() {
            waiter.wake();
        }
    }

    /// Keeps the waker of the last poll: the only one that counts.
    pub async fn happened(self) {
        poll_fn(|cx| {
            if self.0.has_happened.get() {
                return Poll::Ready(());
            }
            let mut waiter = self.0.waiter.take().unwrap_or_else(|| cx.waker().clone());
            // Clones nothing where the waker is the same as before, as it mostly is.
            waiter.clone_from(cx.waker());
            self.0.waiter.set(Some(waiter));
            Poll::Pending
        })
        .await;
    }

    /// Keeps the waker of the first poll. WRONG: the task may have moved to another executor since.
    pub async fn happened_once(self) {
        poll_fn(|cx| {
            if self.0.has_happened.get() {
                return Poll::Ready(());
            }
            let first = self.0.waiter.take().unwrap_or_else(|| cx.waker().clone());
            self.0.waiter.set(Some(first));
            Poll::Pending
        })
        .await;
    }

    /// Takes every poll for a wake. WRONG: a future may be polled for no reason at all.
    pub async fn happened_believing(self) {
        let mut was_polled = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut was_polled, true) {
                return Poll::Ready(());
            }
            self.0.waiter.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
        assert!(self.0.has_happened.get(), "woken for nothing");
    }
}

/// What the contract says of a way to wait. The event happens when nothing else does.
fn verdict<F: Future<Output = ()>>(wait: fn(Event) -> F) -> Result<(), Law> {
    let kept = polls(|_| {
        let event = Event::default();
        let happens = event.clone();
        let once = move || {
            !happens.0.has_happened.get() && {
                happens.happen();
                true
            }
        };
        (wait(event), once)
    });
    kept.map_err(|broken| broken.law)
}

#[test]
fn the_last_waker_is_the_one_to_keep() {
    assert_eq!(verdict(Event::happened), Ok(()));
    assert_eq!(verdict(Event::happened_once), Err(Law::NeverWoken));
}

#[test]
#[should_panic(expected = "woken for nothing")]
fn a_poll_is_not_a_wake() {
    let _ = verdict(Event::happened_believing);
}
