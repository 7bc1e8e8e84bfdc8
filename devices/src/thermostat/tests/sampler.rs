//! The sampler against a mocked bus.

extern crate std;

use core::pin::pin;
use std::vec;

use embedded_hal_async::i2c::{ErrorKind, NoAcknowledgeSource};
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use wavetank_stack::time::Delay;
use wavetank_stack::{Clock as _, Instant, Stats};

use super::config;
use crate::ResetCause;
use crate::sht4x::{ADDRESS, Sht4x};
use crate::testing::{ManualClock, Notebook, now, run_until};
use crate::thermostat::shared::{Errand, Shared};
use crate::thermostat::{SENSOR_WELL, metrics, sampler};
use crate::updates::Vitals;

#[test]
fn the_sampler_keeps_its_pace_and_counts_what_the_sensor_denies() {
    let answer = |raw: [u8; 2], crc| Transaction::read(ADDRESS, vec![raw[0], raw[1], crc, 0x80, 0x00, 0xa2]);
    let measure = || Transaction::write(ADDRESS, vec![0xfd]);
    let nack = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);
    let mut bus = Mock::new(&[
        measure(),
        answer([0xbe, 0xef], 0x92),
        measure().with_error(nack),
        measure(),
        answer([0xbe, 0xef], 0x93),
        measure(),
        answer([0x00, 0x00], 0x81),
    ]);
    let (config, notebook, clock) = (config(), Notebook::default(), ManualClock::default());
    let vitals = Vitals::new(7, SENSOR_WELL, ResetCause::PowerOn, clock.now());
    let shared = Shared::<_, 8>::new(&config.id, &notebook, Some(&vitals));
    let mut sensor = Sht4x::new(bus.clone(), Delay::new(&clock));
    let sample = pin!(sampler::sample(&mut sensor, &clock, config.period, &shared));
    assert_eq!(run_until(&clock, Instant::from_millis(3_900), sample), None);
    bus.done();
    now(vitals.until_well());
    now(vitals.until_news());
    let health = vitals.report(clock.now(), &Stats::default());
    assert_eq!((health.sensor_errors, health.waiting, health.lost, health.up_ms), (2, 2, 0, 3_900));
    assert_eq!(notebook.counted(metrics::READINGS_TAKEN), 2);
    assert_eq!(notebook.counted(metrics::SENSOR_ERRORS), 2);
    assert_eq!(notebook.gauged(metrics::BACKLOG), Some(2));
    shared.resume(0);
    let Errand::Post(sequence, first) = now(shared.errand()) else {
        panic!("there is a reading to bring");
    };
    assert_eq!((sequence.get(), first.celsius_milli), (1, 85_523));
    assert_eq!(first.at, Instant::from_millis(1), "when it was due, after the sensor's power-up");
}
