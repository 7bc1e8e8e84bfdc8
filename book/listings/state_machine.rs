//! A protocol without IO, and an async handle over it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};

use futures::future::{Either, select};

use crate::clock::Clock;
use crate::executor::block_on;
use crate::wakers::Event;

/// How long an answer may take before the question is asked again.
const PATIENCE_MS: u64 = 100;

/// Asks a peer one question at a time, until it is answered. It is told the time and handed
/// messages; it never waits.
#[derive(Default)]
pub struct Asker {
    number: u64,
    /// The question that is not answered yet, and when it is to be sent.
    open: Option<(u64, u64)>,
    answer: Option<u64>,
}

impl Asker {
    pub fn ask(&mut self, now_ms: u64) {
        self.number += 1;
        self.open = Some((self.number, now_ms));
        self.answer = None;
    }

    /// A message came: the number of a question, and its answer.
    pub fn handle(&mut self, (number, answer): (u64, u64)) {
        // An answer to an older question comes late, or twice.
        if self.open.is_some_and(|(open, _)| open == number) {
            self.open = None;
            self.answer = Some(answer);
        }
    }

    /// The message to be sent now, if there is one.
    pub fn transmit(&mut self, now_ms: u64) -> Option<u64> {
        let (number, at_ms) = self.open.as_mut().filter(|(_, at_ms)| *at_ms <= now_ms)?;
        *at_ms = now_ms + PATIENCE_MS;
        Some(*number)
    }

    /// When [`transmit`](Self::transmit) has something to say next, if nothing comes before.
    pub fn transmit_at_ms(&self) -> Option<u64> {
        self.open.map(|(_, at_ms)| at_ms)
    }
}

/// The handle: all that knows of wakers.
#[derive(Default)]
pub struct Handle {
    asker: RefCell<Asker>,
    /// Who waits for an answer.
    asking: Cell<Option<Waker>>,
    /// Who drives the machine, and must look at it again.
    runner: Cell<Option<Waker>>,
}

impl Handle {
    /// Asks, and waits for the answer.
    pub async fn ask(&self, clock: &Clock) -> u64 {
        self.asker.borrow_mut().ask(clock.now_ms());
        wake(&self.runner);
        poll_fn(|cx| {
            let answer = self.asker.borrow_mut().answer.take();
            if answer.is_none() {
                self.asking.set(Some(cx.waker().clone()));
            }
            answer.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Something came in.
    pub fn receive(&self, message: (u64, u64)) {
        self.asker.borrow_mut().handle(message);
        wake(&self.asking);
    }

    /// Drives the machine for ever: sends what is to be sent, when it is to be sent.
    pub async fn run(&self, clock: &Clock, mut send: impl FnMut(u64)) {
        loop {
            loop {
                // A statement of its own: the borrow ends with it, and `send` may come back here.
                let Some(number) = self.asker.borrow_mut().transmit(clock.now_ms()) else { break };
                send(number);
            }
            let at_ms = self.asker.borrow().transmit_at_ms();
            let asked = pin!(self.asked(at_ms));
            match at_ms {
                Some(at_ms) => drop(select(asked, clock.timer(at_ms)).await),
                None => asked.await,
            }
        }
    }

    /// Waits until the machine's deadline is another one.
    async fn asked(&self, at_ms: Option<u64>) {
        poll_fn(|cx| {
            if self.asker.borrow().transmit_at_ms() != at_ms {
                return Poll::Ready(());
            }
            self.runner.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

fn wake(waiter: &Cell<Option<Waker>>) {
    if let Some(waiter) = waiter.take() {
        waiter.wake();
    }
}

#[test]
fn the_machine_needs_no_clock_and_no_executor() {
    let mut asker = Asker::default();
    asker.ask(1_000);
    assert_eq!(asker.transmit(1_000), Some(1));
    assert_eq!(asker.transmit(1_050), None);
    assert_eq!(asker.transmit_at_ms(), Some(1_100));
    assert_eq!(asker.transmit(1_100), Some(1), "nobody answered");
    asker.handle((7, 0));
    assert_eq!(asker.answer, None, "that is no answer to it");
    asker.handle((1, 42));
    assert_eq!((asker.answer, asker.transmit_at_ms()), (Some(42), None));
}

#[test]
fn the_handle_waits_for_it() {
    let (clock, handle, served) = (Clock::default(), Handle::default(), Event::default());
    let sent = RefCell::new(Vec::new());
    // The peer never hears the first question.
    let send = |number| {
        sent.borrow_mut().push((number, clock.now_ms()));
        if sent.borrow().len() == 2 {
            served.happen();
        }
    };
    let peer = async {
        served.clone().happened().await;
        clock.sleep(20).await;
        handle.receive((1, 42));
        std::future::pending::<()>().await;
    };
    let world = futures::future::join(handle.run(&clock, send), peer);
    let asking = async {
        match select(pin!(handle.ask(&clock)), pin!(world)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => unreachable!("the world goes on for ever"),
        }
    };
    assert_eq!((block_on(&clock, asking), clock.now_ms()), (Some(42), 120));
    assert_eq!(*sent.borrow(), [(1, 0), (1, 100)]);
}
