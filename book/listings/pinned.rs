//! A future made of others, and what pinning asks of it.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::clock::Clock;
use crate::executor::block_on;

pin_project! {
    /// Polls a future and counts how often.
    pub struct Counted<F> {
        #[pin]
        future: F,
        polls: u32,
    }
}

impl<F> Counted<F> {
    pub fn new(future: F) -> Self {
        Self { future, polls: 0 }
    }
}

impl<F: Future> Future for Counted<F> {
    type Output = (F::Output, u32);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        *this.polls += 1;
        this.future.poll(cx).map(|output| (output, *this.polls))
    }
}

#[test]
fn polls_are_counted() {
    let clock = Clock::default();
    let naps = async {
        clock.sleep(1).await;
        clock.sleep(1).await;
    };
    assert_eq!(block_on(&clock, Counted::new(naps)), Some(((), 3)));
}

#[test]
fn an_async_block_may_borrow_from_itself() {
    let clock = Clock::default();
    let output = block_on(&clock, async {
        let frame = [1, 2, 3];
        let head = &frame[..2]; // a reference into the very future that holds it
        clock.sleep(1).await; // here that future rests, wherever it lies
        head.len()
    });
    assert_eq!(output, Some(2));
}

#[test]
fn a_future_on_the_heap_can_be_handed_around() {
    let clock = Clock::default();
    let waits = clock.clone();
    // The box moves; what is in it does not. So `Pin<Box<_>>` is `Unpin`, whatever it holds.
    let future: Pin<Box<dyn Future<Output = u8>>> = Box::pin(async move {
        waits.sleep(5).await;
        7
    });
    let moved = future;
    assert_eq!(block_on(&clock, moved), Some(7));
}
