//! A quick producer and a slow consumer.

use std::cell::Cell;

use futures::channel::mpsc;
use futures::future::join;
use futures::{SinkExt, StreamExt};

use crate::clock::Clock;
use crate::executor::block_on;

const READINGS: u64 = 100;

/// A reading every millisecond, for a consumer that needs ten for each. When the producer was done,
/// and how many readings were under way at most.
fn measure_and_store(room: usize) -> Option<(u64, u64)> {
    let clock = Clock::default();
    let (mut sender, mut receiver) = mpsc::channel(room);
    let sent = Cell::new(0);
    let produce = async {
        for number in 1..=READINGS {
            clock.sleep(1).await;
            sent.set(number);
            // Waits while the channel is full: the consumer's pace reaches the producer.
            sender.send(number).await.ok()?;
        }
        drop(sender);
        Some(clock.now_ms())
    };
    let consume = async {
        let mut under_way_max = 0;
        while let Some(number) = receiver.next().await {
            clock.sleep(10).await;
            under_way_max = under_way_max.max(sent.get() - number + 1);
        }
        under_way_max
    };
    let (done_ms, under_way_max) = block_on(&clock, join(produce, consume))?;
    Some((done_ms?, under_way_max))
}

/// The same with a newest value instead of a queue: who is slow misses some, and nobody waits.
fn measure_and_show() -> Option<(Vec<u64>, u64)> {
    let clock = Clock::default();
    let newest = Cell::new(0);
    let produce = async {
        for number in 1..=READINGS {
            clock.sleep(1).await;
            newest.set(number);
        }
        clock.now_ms()
    };
    let consume = async {
        let mut shown = Vec::new();
        while shown.last() != Some(&READINGS) {
            clock.sleep(30).await;
            shown.push(newest.get());
        }
        shown
    };
    block_on(&clock, join(produce, consume)).map(|(done_ms, shown)| (shown, done_ms))
}

#[test]
fn a_full_channel_slows_its_producer() {
    let (done_ms, under_way_max) = measure_and_store(1).expect("nobody waits for ever");
    assert!(done_ms > 900 && under_way_max <= 4, "{done_ms} {under_way_max}");
    let (done_ms, under_way_max) = measure_and_store(1_000).expect("nobody waits for ever");
    assert!(done_ms == 100 && under_way_max > 80, "{done_ms} {under_way_max}");
}

#[test]
fn what_is_only_worth_something_while_it_is_new_needs_no_queue() {
    let (shown, done_ms) = measure_and_show().expect("nobody waits for ever");
    assert_eq!((shown, done_ms), (vec![30, 60, 90, 100], 100));
}
