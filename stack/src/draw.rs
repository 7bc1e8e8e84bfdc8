//! Drawing durations, so that stations do not do together what each does by itself.

use rand_core::Rng;

use crate::time::Duration;

/// A duration in those bounds.
pub(crate) fn between(rng: &mut impl Rng, shortest: Duration, longest: Duration) -> Duration {
    let range = longest.saturating_sub(shortest).as_micros() as u64;
    shortest + Duration::from_micros(((u128::from(rng.next_u64()) * u128::from(range + 1)) >> 64) as u64)
}
