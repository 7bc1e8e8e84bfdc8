//! A worker that is asked to stop, finishes what it has begun, and is dropped if that takes too
//! long.

use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use futures::future::{Either, join, select};

use crate::clock::Clock;
use crate::executor::block_on;
use crate::together::{TimedOut, within};

/// Does jobs, each of which takes so many milliseconds, until it is asked to stop or there are
/// none. Those that it did.
async fn work(
    clock: &Clock,
    mut jobs: mpsc::Receiver<u64>,
    mut stop: oneshot::Receiver<()>,
) -> Vec<u64> {
    let mut done = Vec::new();
    loop {
        // `&mut`: the same future is asked in each round, not a new one. First of the two: jobs
        // that keep coming cannot starve it. Whoever drops the other end wants us to stop, too.
        match select(&mut stop, jobs.next()).await {
            Either::Left(_) | Either::Right((None, _)) => return done,
            Either::Right((Some(job), _)) => {
                clock.sleep(job).await;
                done.push(job);
            }
        }
    }
}

/// Three jobs of 30 ms, a worker that is asked to stop at 40 ms, and at most `patience_ms` after
/// that.
fn stopped(patience_ms: u64) -> Option<Result<Vec<u64>, TimedOut>> {
    let clock = Clock::default();
    let (mut giver, jobs) = mpsc::channel(3);
    for _ in 0..3 {
        giver.try_send(30).expect("there is room for three");
    }
    let (asked, stop) = oneshot::channel();
    let asking = async {
        clock.sleep(40).await;
        asked.send(())
    };
    let ending = join(within(&clock, 40 + patience_ms, work(&clock, jobs, stop)), asking);
    block_on(&clock, ending).map(|(done, _)| done)
}

#[test]
fn what_is_begun_is_finished() {
    assert_eq!(stopped(100), Some(Ok(vec![30, 30])));
}

#[test]
fn patience_has_an_end() {
    assert_eq!(stopped(10), Some(Err(TimedOut)));
}
