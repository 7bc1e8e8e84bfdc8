//! The same futures in every order: whose turn it is, is drawn from a seed.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use wavetank::sim::random::Stream;

/// Lets others have a turn.
async fn others() {
    let mut had_a_turn = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut had_a_turn, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls the futures in an order drawn from the seed, until all have ended. For futures that are
/// always ready to go on.
fn interleave(seed: u64, mut futures: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    let mut dice = Stream::new(seed, "turns");
    while !futures.is_empty() {
        let turn = dice.below(futures.len() as u64) as usize;
        if futures[turn].as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            drop(futures.remove(turn));
        }
    }
}

/// Adds one, in two steps. WRONG: what was read is old after the await.
async fn count(total: &Cell<u32>) {
    let before = total.get();
    others().await;
    total.set(before + 1);
}

/// What two of them come to.
fn counted_twice(seed: u64) -> u32 {
    let total = Cell::new(0);
    interleave(seed, vec![Box::pin(count(&total)), Box::pin(count(&total))]);
    total.get()
}

#[test]
fn some_seed_finds_it_and_finds_it_again() {
    let found =
        (0..100).find(|seed| counted_twice(*seed) != 2).expect("a count is lost with some order");
    for _ in 0..3 {
        assert_eq!(counted_twice(found), 1);
    }
    assert!((0..100).any(|seed| counted_twice(seed) == 2), "and with some order all is well");
}
