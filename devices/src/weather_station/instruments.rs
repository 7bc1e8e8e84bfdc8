//! The instruments on the station's bus, by published drivers that nobody here wrote.
//!
//! The bus is lent to one driver after the other: each is made for one measurement, sets its part up, and is gone. So no
//! driver remembers what a part has forgotten with its power, and one that is broken off leaves nothing behind. (The shared
//! handles of `embedded-hal-bus` are for blocking drivers alone.)

use bme280_rs::{AsyncBme280, CHIP_ID, Configuration, Oversampling, SensorMode};
use embedded_hal_async::i2c::I2c;
use lis3dh_async::{Lis3dh, SlaveAddr};
use tmp117::asynchronous::Tmp117;
use tmp117::register::Average;
use wavetank_stack::time::{Delay, sleep};
use wavetank_stack::{Clock, Duration};

/// The TMP117 with ADD0 tied to ground (SNOSD82, table 7-1).
const TMP117: u8 = 0x48;
/// The LIS3DH's first sample at its driver's usual rate is there after that (DocID17530, table 4: 1/ODR + 1 ms, at 10 Hz and
/// above at most).
const MAST_SETTLES: Duration = Duration::from_millis(20);
/// The longest that a BME280 takes for one sample of each (BST-BME280-DS002, section 9.1: 9.3 ms). The driver looks at another
/// bit than the one that says that the part measures (section 5.4.4), and does not wait.
const AIR_TAKES: Duration = Duration::from_millis(10);

/// Thousandths of a degree Celsius, by a TMP117 (-55 to 150 °C).
pub(super) async fn temperature<I: I2c>(bus: &mut I, clock: &impl Clock) -> Option<i32> {
    let measured = Tmp117::new(bus, TMP117, Delay::new(clock)).oneshot(Average::NoAverage).await.ok()?;
    milli(measured, -55_000..=150_000)
}

/// Thousandths of a degree Celsius, of a pascal and of a per cent, by a BME280 (its operating range).
pub(super) async fn air<I: I2c>(bus: &mut I, clock: &impl Clock) -> Option<[i32; 3]> {
    let mut driver = AsyncBme280::new(bus, Delay::new(clock));
    if driver.chip_id().await.ok()? != CHIP_ID {
        return None;
    }
    driver.init().await.ok()?;
    let once = Oversampling::Oversample1;
    let configuration = Configuration::default()
        .with_temperature_oversampling(once)
        .with_pressure_oversampling(once)
        .with_humidity_oversampling(once)
        .with_sensor_mode(SensorMode::Forced);
    // That begins a measurement.
    driver.set_sampling_configuration(configuration).await.ok()?;
    sleep(clock, AIR_TAKES).await;
    let measured = driver.read_sample().await.ok()?;
    Some([
        milli(measured.temperature?, -40_000..=85_000)?,
        milli(measured.pressure?, 30_000_000..=110_000_000)?,
        milli(measured.humidity?, 0..=100_000)?,
    ])
}

/// Thousandths of g along three axes, by a LIS3DH (2 g).
pub(super) async fn mast<I: I2c>(bus: &mut I, clock: &impl Clock) -> Option<[i32; 3]> {
    let mut driver = Lis3dh::new_i2c(bus, SlaveAddr::Default).await.ok()?;
    sleep(clock, MAST_SETTLES).await;
    let felt = driver.accel_norm().await.ok()?;
    let axis = |value| milli(value, -2_100..=2_100);
    Some([axis(felt.x)?, axis(felt.y)?, axis(felt.z)?])
}

/// The nearest thousandth; `None` of what no part of that range measures.
fn milli(value: f32, range: core::ops::RangeInclusive<i32>) -> Option<i32> {
    if !value.is_finite() {
        return None;
    }
    let thousandths = (value * 1_000.0 + if value < 0.0 { -0.5 } else { 0.5 }) as i32;
    range.contains(&thousandths).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

    use super::*;
    use crate::testing::{ManualClock, now};

    #[test]
    fn a_thousandth_is_the_nearest_or_none() {
        assert_eq!(milli(21.3754, 0..=100_000), Some(21_375));
        assert_eq!(milli(-0.0006, -1_000..=0), Some(-1));
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 100.2] {
            assert_eq!(milli(value, -100_000..=100_000), None, "{value}");
        }
    }

    #[test]
    fn parts_that_do_not_answer_measure_nothing() {
        let nack = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);
        let refused =
            |address, register| [Transaction::write_read(address, [register].to_vec(), [0].to_vec()).with_error(nack)];
        let mut bus = Mock::new(&refused(0x76, 0xd0));
        assert_eq!(now(air(&mut bus, &ManualClock::default())), None);
        bus.done();
        let mut bus = Mock::new(&refused(0x18, 0x0f));
        assert_eq!(now(mast(&mut bus, &ManualClock::default())), None);
        bus.done();
        let configuration = Transaction::write_read(TMP117, [1].to_vec(), [0, 0].to_vec()).with_error(nack);
        let mut bus = Mock::new(&[configuration]);
        assert_eq!(now(temperature(&mut bus, &ManualClock::default())), None);
        bus.done();
    }

    #[test]
    fn a_stranger_at_the_address_is_no_barometer() {
        let mut bus = Mock::new(&[Transaction::write_read(0x76, [0xd0].to_vec(), [0x61].to_vec())]);
        assert_eq!(now(air(&mut bus, &ManualClock::default())), None);
        bus.done();
    }
}
