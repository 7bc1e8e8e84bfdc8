//! Tries again, later and later, until it works or the time is up.

use rand_core::Rng;
use wavetank::sim::random::Stream;

use crate::clock::Clock;
use crate::executor::block_on;
use crate::together::{TimedOut, within};

/// How long to wait between tries, in milliseconds.
pub struct Backoff {
    /// The longest wait before the first retry; it doubles with each further one.
    pub base_ms: u64,
    /// No wait is longer.
    pub cap_ms: u64,
}

impl Backoff {
    /// A wait before the retry of this number, from 0: anything from nothing to the longest.
    fn pause_ms(&self, retry: u32, rng: &mut impl Rng) -> u64 {
        let longest = self.base_ms.saturating_mul(1 << retry.min(30)).min(self.cap_ms);
        ((u128::from(rng.next_u64()) * u128::from(longest + 1)) >> 64) as u64
    }

    /// The first success. One deadline stands over all tries and the waits between them.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] if there was none by `deadline_ms`.
    pub async fn retry<T>(
        &self,
        clock: &Clock,
        rng: &mut impl Rng,
        deadline_ms: u64,
        mut attempt: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T, TimedOut> {
        let left_ms = deadline_ms.saturating_sub(clock.now_ms());
        let tries = async {
            for retry in 0.. {
                if let Some(output) = attempt().await {
                    return output;
                }
                clock.sleep(self.pause_ms(retry, rng)).await;
            }
            unreachable!("the numbers of retries do not end")
        };
        within(clock, left_ms, tries).await
    }
}

const BACKOFF: Backoff = Backoff { base_ms: 100, cap_ms: 5_000 };

#[test]
fn it_tries_until_it_works() {
    let (clock, mut rng) = (Clock::default(), Stream::new(1, "retries"));
    let mut tries = 0;
    let third = BACKOFF.retry(&clock, &mut rng, 60_000, async || {
        tries += 1;
        clock.sleep(20).await;
        (tries == 3).then_some("at last")
    });
    assert_eq!(block_on(&clock, third), Some(Ok("at last")));
    assert!((60..=60 + 100 + 200).contains(&clock.now_ms()));
}

#[test]
fn the_deadline_stands_over_all_tries() {
    let (clock, mut rng) = (Clock::default(), Stream::new(1, "retries"));
    let never = BACKOFF.retry(&clock, &mut rng, 2_000, async || {
        clock.sleep(300).await;
        None::<()>
    });
    assert_eq!(block_on(&clock, never), Some(Err(TimedOut)));
    assert_eq!(clock.now_ms(), 2_000);
}

#[test]
fn those_who_lost_the_same_server_do_not_come_back_all_at_once() {
    let pause = |client: u64| BACKOFF.pause_ms(4, &mut Stream::new(client, "retries"));
    let mut pauses: Vec<u64> = (0..100).map(pause).collect();
    pauses.sort_unstable();
    assert!(pauses[99] <= 1_600 && pauses[0] < 160 && pauses[50].abs_diff(800) < 300, "{pauses:?}");
}
