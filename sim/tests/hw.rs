//! Hardware models under a published driver that nobody here wrote, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod support;

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use embedded_hal::digital::InputPin as _;
use embedded_hal::i2c::{I2c as _, NoAcknowledgeSource, Operation};
use embedded_hal_async::digital::Wait as _;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use sht4x::{Measurement, Precision, Sht4x as Driver, Sht4xAsync as AsyncDriver};
use support::Desk;
use wavetank_sim::hw::gpio::{Changes, Input, Line};
use wavetank_sim::hw::i2c::{Ack, AttachError, Bus, Controller, Direction, Error, Fault, Speed, Target};
use wavetank_sim::hw::sht4x::{ADDRESS, Sht4x};
use wavetank_sim::hw::signal::Signal;
use wavetank_sim::hw::{Ailment, Bench, Case, Cost, Faulty, Flash, Meter, Odds, Onset, flash};

const MS_NS: u64 = 1_000_000;

/// The same desk for async drivers.
struct Patient(Desk);

impl embedded_hal_async::delay::DelayNs for Patient {
    async fn delay_ns(&mut self, ns: u32) {
        self.0.sleep_until_ns(self.0.now_ns() + u64::from(ns)).await;
    }
}

fn stream(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// A board with a sensor in a room of 21.5 °C and 40 %RH.
fn board(seed: u64) -> (Desk, Bus) {
    let bus = Bus::new(Speed::Fast, stream(seed));
    let (temperature, humidity) = (Signal::constant(21_500_000), Signal::constant(40_000_000));
    let sensor = Sht4x::new(temperature, humidity, 0x1234_5678, stream(seed + 1));
    bus.attach(ADDRESS, sensor).unwrap();
    (Desk::default(), bus)
}

fn assert_room(measured: Measurement, precision: Precision) {
    let off = |value: i32, room: i32| (value - room).abs();
    // Three sigma of the datasheet's repeatability, half a tick, and the tail beyond three sigma.
    let (celsius_off, percent_off) = match precision {
        Precision::High => (50, 100),
        Precision::Medium => (85, 180),
        Precision::Low => (120, 295),
    };
    assert!(off(measured.temperature_milli_celsius(), 21_500) <= celsius_off, "{measured:?}");
    assert!(off(measured.humidity_milli_percent(), 40_000) <= percent_off, "{measured:?}");
}

#[test]
fn a_published_async_driver_measures_the_room() {
    let (desk, bus) = board(1);
    let mut driver = AsyncDriver::new(Controller::new(bus, desk.clone()));
    desk.run(async {
        let delay = &mut Patient(desk.clone());
        assert_eq!(driver.serial_number(delay).await, Ok(0x1234_5678));
        for precision in [Precision::High, Precision::Medium, Precision::Low] {
            for _ in 0..300 {
                assert_room(driver.measure(precision, delay).await.unwrap(), precision);
            }
        }
    });
    // 300 rounds of 9, 5 and 2 ms and the bytes' time on the wire: two out and seven back.
    let wire_ns = 900 * (2 * 9 + 2 + 7 * 9 + 2) * 2_500;
    let serial_ns = MS_NS + (2 * 9 + 2 + 7 * 9 + 2) * 2_500;
    assert_eq!(desk.now_ns(), 300 * 16 * MS_NS + wire_ns + serial_ns);
}

#[test]
fn a_published_blocking_driver_keeps_the_node_busy() {
    let (mut desk, bus) = board(2);
    let mut driver = Driver::new(Controller::new(bus, desk.clone()));
    assert_room(driver.measure(Precision::High, &mut desk).unwrap(), Precision::High);
    driver.soft_reset(&mut desk).unwrap();
    assert_eq!(driver.serial_number(&mut desk), Ok(0x1234_5678));
    assert_eq!(desk.now_ns(), 0);
    assert_eq!(desk.debt_ns(), 11 * MS_NS + (3 * 20 + 2 * 65) * 2_500);
}

#[test]
fn too_early_a_read_is_refused_and_the_result_can_be_had_later() {
    let (desk, bus) = board(3);
    let mut controller = Controller::new(bus, desk.clone());
    let refused = Err(Error::NoAcknowledge(NoAcknowledgeSource::Address));
    let mut response = [0; 6];
    assert_eq!(controller.read(ADDRESS, &mut response), refused, "nothing was measured");
    controller.write(ADDRESS, &[0xfd]).unwrap();
    desk.busy(Duration::from_millis(6));
    assert_eq!(controller.read(ADDRESS, &mut response), refused);
    let busy = Err(Error::NoAcknowledge(NoAcknowledgeSource::Data));
    assert_eq!(controller.write(ADDRESS, &[0xe0]), busy, "it works on the first command");
    desk.busy(Duration::from_millis(3));
    controller.read(ADDRESS, &mut response).unwrap();
    assert_eq!(controller.read(ADDRESS, &mut response), refused, "a result is given once");
    assert_eq!(controller.write(ADDRESS, &[0x00]), busy, "there is no such command");
}

#[test]
fn a_driver_that_waits_for_the_typical_time_fails_at_times() {
    let (desk, bus) = board(4);
    let mut controller = Controller::new(bus, desk.clone());
    let in_time = |_: &u32| {
        controller.write(ADDRESS, &[0xfd]).unwrap();
        desk.busy(Duration::from_millis(7));
        let early = controller.read(ADDRESS, &mut [0; 6]);
        desk.busy(Duration::from_millis(2));
        early.is_ok()
    };
    let count = (0..200).filter(in_time).count();
    assert!((1..60).contains(&count), "{count}");
}

#[test]
fn a_power_cycle_forgets_the_measurement_and_takes_its_time() {
    let (desk, bus) = board(5);
    let mut controller = Controller::new(bus.clone(), desk.clone());
    controller.write(ADDRESS, &[0xfd]).unwrap();
    desk.busy(Duration::from_millis(10));
    bus.power_cycle(desk.debt_ns());
    let refused = Err(Error::NoAcknowledge(NoAcknowledgeSource::Address));
    assert_eq!(controller.write(ADDRESS, &[0xfd]), refused);
    desk.busy(Duration::from_millis(1));
    assert_eq!(controller.read(ADDRESS, &mut [0; 6]), refused);
    controller.write(ADDRESS, &[0xfd]).unwrap();
}

#[test]
fn faults_show_as_what_they_are_and_heal() {
    let (mut desk, bus) = board(6);
    let mut driver = Driver::new(Controller::new(bus.clone(), desk.clone()));
    let mut measure = || {
        let started_ns = desk.debt_ns();
        let outcome = driver.measure(Precision::High, &mut desk);
        desk.busy(Duration::from_millis(9));
        (outcome.map(drop), desk.debt_ns() - started_ns - 9 * MS_NS)
    };
    let i2c = |error| Err(sht4x::Error::I2c(error));
    let unanswered = i2c(Error::NoAcknowledge(NoAcknowledgeSource::Address));

    bus.inflict(Fault::Absent { address: ADDRESS });
    bus.inflict(Fault::Stuck);
    assert_eq!(measure(), (i2c(Error::Timeout), 25 * MS_NS));
    assert!(bus.lift(Fault::Stuck) && !bus.lift(Fault::Stuck));
    assert_eq!(measure(), (unanswered, 11 * 2_500));
    assert!(bus.lift(Fault::Absent { address: ADDRESS }));

    bus.inflict(Fault::Nack { address: ADDRESS, count: 2 });
    assert_eq!([measure().0, measure().0, measure().0], [unanswered, unanswered, Ok(())]);

    bus.inflict(Fault::FlipBit { address: ADDRESS, bit: 47 });
    assert_eq!([measure().0, measure().0], [Err(sht4x::Error::Crc), Ok(())]);

    let noisy = Fault::BitErrors { address: ADDRESS, per_million: 100_000 };
    bus.inflict(noisy);
    let garbled = (0..200).filter(|_| measure().0 == Err(sht4x::Error::Crc)).count();
    // 1 - 0.9⁶ is 47 %.
    assert!((70..120).contains(&garbled), "{garbled}");
    bus.lift(noisy);
    assert_eq!(measure().0, Ok(()));
}

/// Writes down what a target sees.
#[derive(Default)]
struct Witness {
    seen: Vec<(u64, String)>,
}

impl Target for Witness {
    fn start(&mut self, now_ns: u64, direction: Direction) -> Ack {
        self.seen.push((now_ns, format!("start {direction:?}")));
        Ack::Ack
    }

    fn write(&mut self, now_ns: u64, byte: u8) -> Ack {
        self.seen.push((now_ns, format!("write {byte}")));
        if byte == 0 { Ack::Nack } else { Ack::Ack }
    }

    fn read(&mut self, now_ns: u64) -> u8 {
        self.seen.push((now_ns, "read".to_owned()));
        7
    }

    fn stop(&mut self, now_ns: u64) {
        self.seen.push((now_ns, "stop".to_owned()));
    }

    fn power_cycle(&mut self, _: u64) {}
}

#[test]
fn a_transaction_on_the_wire() {
    let bus = Bus::new(Speed::Standard, stream(1));
    let witness = Rc::new(RefCell::new(Witness::default()));
    bus.attach(0x20, witness.clone()).unwrap();
    assert_eq!(bus.attach(0x20, Witness::default()), Err(AttachError::Taken { address: 0x20 }));
    assert_eq!(bus.attach(0x78, Witness::default()), Err(AttachError::Reserved { address: 0x78 }));

    let meter = Rc::new(Meter::new());
    let mut controller = Controller::new(bus, meter.clone());
    let (mut first, mut second) = ([0; 1], [0; 1]);
    let operations = &mut [
        Operation::Write(&[1]),
        Operation::Write(&[2]),
        Operation::Read(&mut first),
        Operation::Read(&mut second),
    ];
    controller.transaction(0x20, operations).unwrap();
    assert_eq!((first, second), ([7], [7]));
    let refused = controller.write(0x20, &[3, 0, 4]);
    assert_eq!(refused, Err(Error::NoAcknowledge(NoAcknowledgeSource::Data)));

    let seen: Vec<_> = witness.borrow().seen.iter().map(|(ns, what)| format!("{} {what}", ns / 10_000)).collect();
    assert_eq!(
        seen,
        [
            "10 start Write",
            "19 write 1",
            "28 write 2",
            "38 start Read",
            "47 read",
            "56 read",
            "57 stop",
            "67 start Write",
            "76 write 3",
            "85 write 0",
            "86 stop",
        ]
    );
    assert_eq!(meter.take_debt(), Duration::from_micros(860));
}

#[test]
fn a_transfer_that_nobody_waits_for_still_holds_the_bus() {
    use embedded_hal_async::i2c::I2c;

    let (desk, bus) = board(7);
    let mut controller = Controller::new(bus, desk.clone());
    desk.run(async {
        let dropped = poll_fn(|context| {
            let first_poll = pin!(I2c::write(&mut controller, ADDRESS, &[0xfd])).poll(context);
            assert!(first_poll.is_pending());
            Poll::Ready(())
        });
        dropped.await;
        I2c::write(&mut controller, ADDRESS, &[0x94]).await.unwrap();
    });
    assert_eq!(desk.now_ns(), 2 * 20 * 2_500);
}

#[test]
fn flash_is_waited_for() {
    use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};

    let desk = Desk::default();
    let memory = flash::Memory::<4, 4096>::new(2, flash::Timing::NRF52840);
    let mut flash = Flash::new(memory, desk.clone());
    desk.run(async {
        NorFlash::write(&mut flash, 8, b"boot").await.unwrap();
        assert_eq!(desk.now_ns(), 41_000);
        NorFlash::erase(&mut flash, 0, 8_192).await.unwrap();
        assert_eq!(desk.now_ns(), 41_000 + 170 * MS_NS);
        let mut read = [0; 4];
        ReadNorFlash::read(&mut flash, 8, &mut read).await.unwrap();
        assert_eq!(read, [0xff; 4]);
    });
}

#[test]
fn ailments_of_a_bus_and_of_a_chip_show_and_heal() {
    let (desk, bus) = board(7);
    let mut controller = Controller::new(bus.clone(), desk.clone());
    let onset = |number| Onset {
        now_ns: 0,
        case: Case::detached(number),
        stream: wavetank_sim::random::Stream::new(1, "test"),
    };
    let mut outcome = || {
        // The serial number: a command, and its answer once it is there.
        controller.write(ADDRESS, &[0x89])?;
        desk.busy(Duration::from_millis(1));
        let mut answer = [0; 6];
        controller.read(ADDRESS, &mut answer).map(|()| answer)
    };
    let sound = outcome().unwrap();
    bus.begin(Ailment::I2cArbitration { odds: Odds::Next(1) }, onset(1));
    assert_eq!(outcome(), Err(Error::Arbitration));
    assert_eq!(outcome(), Ok(sound));
    bus.begin(Ailment::I2cStuck, onset(2));
    assert_eq!(outcome(), Err(Error::Timeout));
    bus.end(Case::detached(2));
    bus.chip(ADDRESS).begin(Ailment::SensorGone, onset(3));
    assert_eq!(outcome(), Err(Error::NoAcknowledge(NoAcknowledgeSource::Address)));
    bus.chip(ADDRESS).end(Case::detached(3));
    bus.chip(ADDRESS).begin(Ailment::I2cBitError { odds: Odds::Always }, onset(4));
    let wrong = outcome().unwrap().iter().zip(sound).map(|(read, sound)| (read ^ sound).count_ones()).sum::<u32>();
    assert_eq!(wrong, 6, "one bit of each byte");
    bus.chip(ADDRESS).end(Case::detached(4));

    let before_ns = desk.debt_ns();
    outcome().unwrap();
    let plain_ns = desk.debt_ns() - before_ns;
    bus.begin(Ailment::I2cStretch { odds: Odds::Always, extra_ns: 700_000 }, onset(5));
    outcome().unwrap();
    assert_eq!(desk.debt_ns() - before_ns, 2 * plain_ns + 2 * 700_000);
    bus.end(Case::detached(5));
    bus.begin(Ailment::I2cStretch { odds: Odds::Always, extra_ns: 30_000_000 }, onset(6));
    assert_eq!(outcome(), Err(Error::Timeout), "longer than SMBus allows");
}

#[test]
fn a_pin_waits_for_its_edges() {
    let desk = Desk::default();
    let line = Line::new(Changes::new(false, vec![10, 30, 70]));
    let mut pin = Input::new(line.clone(), desk.clone());
    let seen = desk.run(async {
        pin.wait_for_rising_edge().await.unwrap();
        let rose = desk.now_ns();
        pin.wait_for_high().await.unwrap();
        pin.wait_for_falling_edge().await.unwrap();
        let fell = desk.now_ns();
        pin.wait_for_any_edge().await.unwrap();
        [rose, fell, desk.now_ns()]
    });
    assert_eq!(seen, [10, 30, 70]);
    assert_eq!(pin.is_high(), Ok(true));
    let stream = wavetank_sim::random::Stream::new(1, "test");
    line.begin(Ailment::PinStuck { high: false }, Onset { now_ns: 0, case: Case::detached(1), stream });
    assert_eq!(pin.is_low(), Ok(true));
}
