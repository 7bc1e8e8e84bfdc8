//! Several futures at once: all of them, the first of them, one with an end to its time, many as
//! they come.

use std::pin::pin;

use futures::StreamExt;
use futures::future::{Either, join, join_all, select};
use futures::stream::{self, FuturesUnordered};

use crate::clock::Clock;
use crate::executor::block_on;

/// The time ran out first.
#[derive(Debug, PartialEq, Eq)]
pub struct TimedOut;

/// The future's output, if it comes in time. A future that is ready at the very instant has made
/// it.
pub async fn within<T>(
    clock: &Clock,
    ms: u64,
    future: impl Future<Output = T>,
) -> Result<T, TimedOut> {
    match select(pin!(future), clock.sleep(ms)).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(((), _)) => Err(TimedOut),
    }
}

async fn answer_after(clock: &Clock, ms: u64) -> u64 {
    clock.sleep(ms).await;
    ms
}

#[test]
fn joined_futures_take_as_long_as_the_longest() {
    let clock = Clock::default();
    let both = block_on(&clock, join(answer_after(&clock, 30), answer_after(&clock, 50)));
    assert_eq!((both, clock.now_ms()), (Some((30, 50)), 50));
    let all = block_on(&clock, join_all([10, 20, 5].map(|ms| answer_after(&clock, ms))));
    assert_eq!((all, clock.now_ms()), (Some(vec![10, 20, 5]), 70));
}

#[test]
fn one_after_the_other_takes_the_sum() {
    let clock = Clock::default();
    block_on(&clock, async {
        answer_after(&clock, 30).await;
        answer_after(&clock, 50).await;
    });
    assert_eq!(clock.now_ms(), 80);
}

#[test]
fn a_timeout_drops_what_is_late() {
    let clock = Clock::default();
    assert_eq!(block_on(&clock, within(&clock, 100, answer_after(&clock, 30))), Some(Ok(30)));
    assert_eq!(
        block_on(&clock, within(&clock, 100, answer_after(&clock, 300))),
        Some(Err(TimedOut))
    );
    assert_eq!(clock.now_ms(), 130);
    assert_eq!(clock.waiting(), 0, "the late timer is gone, too");
}

#[test]
fn answers_come_as_they_are_ready() {
    let clock = Clock::default();
    let answers: FuturesUnordered<_> =
        [30, 10, 20].into_iter().map(|ms| answer_after(&clock, ms)).collect();
    assert_eq!(block_on(&clock, answers.collect::<Vec<_>>()), Some(vec![10, 20, 30]));
}

#[test]
fn a_stream_is_worked_on_with_so_many_at_a_time() {
    let clock = Clock::default();
    let work = stream::iter([40, 40, 40, 40, 40]).map(|ms| answer_after(&clock, ms));
    let done = block_on(&clock, work.buffer_unordered(2).count());
    // Five pieces of 40 ms, two at a time: three rounds.
    assert_eq!((done, clock.now_ms()), (Some(5), 120));
}
