//! An async function, and what the compiler makes of it, written out by hand.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::clock::{Clock, Timer};
use crate::executor::block_on;

/// Two naps, and how long they took.
async fn naps(clock: Clock) -> u64 {
    let began = clock.now_ms();
    clock.sleep(30).await;
    clock.sleep(70).await;
    clock.now_ms() - began
}

/// The same, as a state machine: a variant for each place where it can wait.
enum Naps {
    Start { clock: Clock },
    First { clock: Clock, began: u64, nap: Timer },
    Second { clock: Clock, began: u64, nap: Timer },
    Done,
}

impl Future for Naps {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        loop {
            match &mut *self {
                Self::Start { clock } => {
                    let (clock, began) = (clock.clone(), clock.now_ms());
                    let nap = clock.sleep(30);
                    *self = Self::First { clock, began, nap };
                }
                Self::First { clock, began, nap } => {
                    std::task::ready!(Pin::new(nap).poll(cx));
                    let (clock, began) = (clock.clone(), *began);
                    let nap = clock.sleep(70);
                    *self = Self::Second { clock, began, nap };
                }
                Self::Second { clock, began, nap } => {
                    std::task::ready!(Pin::new(nap).poll(cx));
                    let took = clock.now_ms() - *began;
                    *self = Self::Done;
                    return Poll::Ready(took);
                }
                Self::Done => panic!("polled after its end"),
            }
        }
    }
}

#[test]
fn both_come_to_the_same() {
    let clock = Clock::default();
    assert_eq!(block_on(&clock, naps(clock.clone())), Some(100));
    assert_eq!(block_on(&clock, Naps::Start { clock: clock.clone() }), Some(100));
}

#[test]
fn nothing_happens_before_the_first_poll() {
    let clock = Clock::default();
    drop(naps(clock.clone()));
    assert_eq!(clock.now_ms(), 0);
}

#[test]
fn what_lives_across_an_await_is_part_of_the_future() {
    async fn keeps(clock: Clock) -> u8 {
        let buffer = [0; 1024];
        clock.sleep(1).await;
        buffer[0]
    }
    async fn drops(clock: Clock) -> u8 {
        let first = {
            let buffer = [0; 1024];
            buffer[0]
        };
        clock.sleep(1).await;
        first
    }
    let clock = Clock::default();
    assert!(size_of_val(&keeps(clock.clone())) > 1024);
    assert!(size_of_val(&drops(clock)) < 200);
}
