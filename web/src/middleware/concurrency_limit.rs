//! How many requests are handled at a time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use crate::{Error, IntoResponse, Middleware, Next, Request, Response};

/// Lets so many requests further in at a time; so many more wait, first come first served, and the rest are answered
/// with 503 and `Retry-After`. A request is in until its response begins; a body that streams after that is not counted.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    gate: Rc<RefCell<Gate>>,
    waiting_max: usize,
}

#[derive(Debug)]
struct Gate {
    free: usize,
    next: u64,
    waiting: BTreeMap<u64, Option<Waker>>,
}

impl ConcurrencyLimit {
    /// Lets `at_once` in, and as many wait as come.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        let gate = Gate { free: at_once.max(1), next: 0, waiting: BTreeMap::new() };
        Self { gate: Rc::new(RefCell::new(gate)), waiting_max: usize::MAX }
    }

    /// Lets no more than so many wait: with 0, whoever cannot be let in at once is turned away.
    #[must_use]
    pub fn waiting_max(mut self, waiting_max: usize) -> Self {
        self.waiting_max = waiting_max;
        self
    }
}

impl<State: 'static> Middleware<State> for ConcurrencyLimit {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        let ticket = {
            let mut gate = self.gate.borrow_mut();
            let must_wait = gate.free == 0 || !gate.waiting.is_empty();
            if must_wait && gate.waiting.len() >= self.waiting_max {
                return Error::new(StatusCode::SERVICE_UNAVAILABLE)
                    .detail("too many requests are being handled")
                    .header(RETRY_AFTER, HeaderValue::from_static("1"))
                    .into_response();
            }
            let number = gate.next;
            gate.next += 1;
            gate.waiting.insert(number, None);
            Ticket { gate: Rc::clone(&self.gate), number, inside: false }
        };
        let _inside = ticket.await;
        next.run(request).await
    }
}

/// A place in the queue, and then inside.
struct Ticket {
    gate: Rc<RefCell<Gate>>,
    number: u64,
    inside: bool,
}

impl Future for Ticket {
    type Output = Ticket;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ticket> {
        let this = &mut *self;
        let mut gate = this.gate.borrow_mut();
        let is_first = gate.waiting.first_key_value().is_some_and(|(first, _)| *first == this.number);
        if gate.free == 0 || !is_first {
            gate.waiting.insert(this.number, Some(cx.waker().clone()));
            return Poll::Pending;
        }
        gate.free -= 1;
        gate.waiting.remove(&this.number);
        gate.call_next();
        drop(gate);
        // The ticket that was waited with is spent: the one that is handed out leaves when it is dropped.
        let inside = Ticket { gate: Rc::clone(&this.gate), number: this.number, inside: true };
        Poll::Ready(inside)
    }
}

impl Gate {
    fn call_next(&mut self) {
        if self.free > 0
            && let Some(mut first) = self.waiting.first_entry()
            && let Some(waker) = first.get_mut().take()
        {
            waker.wake();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut gate = self.gate.borrow_mut();
        if self.inside {
            gate.free += 1;
        } else if gate.waiting.remove(&self.number).is_none() {
            return;
        }
        gate.call_next();
    }
}
