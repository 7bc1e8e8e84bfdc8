//! Measures once a period, whatever the hub does.

use core::convert::Infallible;
use core::pin::pin;

use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::I2c;
use wavetank_stack::time::{sleep_until, timeout};
use wavetank_stack::{Clock, Duration, Instant, Probe};

use super::shared::Shared;
use crate::sht4x::{self, Sht4x};

/// How long the sensor and its bus may take before they count as stuck.
const MEASURE_TIMEOUT: Duration = Duration::from_millis(100);
/// Shorter periods count as this: below it the sensor cannot follow.
const PERIOD_MIN: Duration = Duration::from_millis(20);

/// The grid of instants is fixed at the start, so that readings do not drift by what measuring takes;
/// a period that was missed altogether is left out.
pub(super) async fn sample<I, D, C, P, const N: usize>(
    sensor: &mut Sht4x<I, D>,
    clock: &C,
    period: Duration,
    shared: &Shared<'_, P, N>,
) -> Infallible
where
    I: I2c,
    D: DelayNs,
    C: Clock,
    P: Probe,
{
    let period = period.max(PERIOD_MIN);
    let mut due = clock.now() + sht4x::POWER_UP;
    loop {
        sleep_until(clock, due).await;
        let measurement = pin!(sensor.measure());
        match timeout(clock, MEASURE_TIMEOUT, measurement).await {
            Ok(Ok(measurement)) => shared.push(due, measurement.celsius_milli),
            Ok(Err(_)) | Err(_) => shared.sensor_failed(),
        }
        due = next(due, clock.now(), period);
    }
}

/// The first instant of the grid after `due` that is not before `now`.
fn next(due: Instant, now: Instant, period: Duration) -> Instant {
    let period_us = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
    let behind_us = now.as_micros().saturating_sub(due.as_micros());
    let periods = behind_us.div_ceil(period_us).max(1);
    Instant::from_micros(due.as_micros().saturating_add(period_us.saturating_mul(periods)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_instants_are_left_out_and_the_grid_stays() {
        let next_ms = |now| {
            let next = next(Instant::from_millis(1_000), Instant::from_millis(now), Duration::from_millis(100));
            next.as_millis()
        };
        assert_eq!(next_ms(1_000), 1_100);
        assert_eq!(next_ms(1_099), 1_100);
        assert_eq!(next_ms(1_100), 1_100);
        assert_eq!(next_ms(1_101), 1_200);
        assert_eq!(next_ms(9_950), 10_000);
        assert_eq!(next(Instant::MAX, Instant::MAX, Duration::MAX), Instant::MAX);
    }
}
