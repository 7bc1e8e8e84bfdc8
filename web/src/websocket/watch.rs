//! Whether the peer is still there.
//!
//! One timer a socket looks now and then whether anything was heard since it last looked, so that a message costs none.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};

/// Looks after a peer.
pub(super) struct Watch {
    sleep: Box<dyn Fn(Duration) -> Pin<Box<dyn Sleep>>>,
    interval: Duration,
    patience: Duration,
    next: Pin<Box<dyn Sleep>>,
    waits_for: WaitsFor,
    /// Whether anything has come since it last looked, and whether the connection has taken anything.
    heard: bool,
    taken: bool,
}

#[derive(Clone, Copy)]
enum WaitsFor {
    /// To look whether the peer is quiet.
    Quiet,
    /// Any sign of a peer that was asked for one.
    Sign,
    /// The peer's closing frame.
    End,
}

/// What is to be done about a peer that is quiet.
pub(super) enum Quiet {
    /// It is asked whether it is there.
    Ask,
    /// It is not there.
    Gone,
}

impl Watch {
    pub(super) fn new(timer: impl Timer + 'static, interval: Duration, patience: Duration) -> Self {
        let sleep = move |duration| timer.sleep(duration);
        Self {
            next: sleep(interval),
            sleep: Box::new(sleep),
            interval,
            patience,
            waits_for: WaitsFor::Quiet,
            heard: false,
            taken: false,
        }
    }

    pub(super) fn heard(&mut self) {
        self.heard = true;
    }

    pub(super) fn taken(&mut self) {
        self.taken = true;
    }

    /// From here on the peer has its time to close the socket, too, whatever else it says.
    pub(super) fn closing(&mut self) {
        self.wait_for(WaitsFor::End);
    }

    /// To be asked when nothing has come, and again whenever that is so. A peer that makes room for what it is sent is there, and
    /// one that does not is asked nothing more.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, is_blocked: bool) -> Poll<Quiet> {
        loop {
            ready!(self.next.as_mut().poll(cx));
            let is_there = std::mem::take(&mut self.heard) | (std::mem::take(&mut self.taken) && is_blocked);
            match self.waits_for {
                WaitsFor::End => return Poll::Ready(Quiet::Gone),
                WaitsFor::Quiet | WaitsFor::Sign if is_there => self.wait_for(WaitsFor::Quiet),
                WaitsFor::Sign => return Poll::Ready(Quiet::Gone),
                WaitsFor::Quiet => {
                    self.wait_for(WaitsFor::Sign);
                    if !is_blocked {
                        return Poll::Ready(Quiet::Ask);
                    }
                }
            }
        }
    }

    fn wait_for(&mut self, what: WaitsFor) {
        self.waits_for = what;
        let duration = if matches!(what, WaitsFor::Quiet) { self.interval } else { self.patience };
        self.next = (self.sleep)(duration);
    }
}
