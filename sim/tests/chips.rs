//! Models of parts under published drivers that nobody here wrote.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use accelerometer::vector::F32x3;
use eeprom24x::{Eeprom24x, SlaveAddr};
use embedded_hal::delay::DelayNs;
use wavetank_sim::hw::i2c::{Bus, Controller, Error, Speed};
use wavetank_sim::hw::signal::{Shape, Signal};
use wavetank_sim::hw::{Bench, Cost, Sense, at24c, bme280, lis3dh, tmp117};
use wavetank_sim::random::Stream;

/// A node that does one thing after the other, and whose clock runs while it waits.
#[derive(Clone, Debug, Default)]
struct Desk(Rc<Cell<u64>>);

impl Cost for Desk {
    fn now_ns(&self) -> u64 {
        self.0.get()
    }

    fn debt_ns(&self) -> u64 {
        0
    }

    fn busy(&self, duration: Duration) {
        self.0.set(self.0.get() + u64::try_from(duration.as_nanos()).unwrap());
    }
}

impl Bench for Desk {
    fn sleep_until_ns(&self, at_ns: u64) -> impl Future<Output = ()> {
        self.0.set(self.0.get().max(at_ns));
        std::future::ready(())
    }
}

impl DelayNs for Desk {
    fn delay_ns(&mut self, ns: u32) {
        self.busy(Duration::from_nanos(ns.into()));
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("on this desk nothing is waited for"),
    }
}

fn stream() -> Stream {
    Stream::new(7, "chips")
}

fn sense(micro: i64) -> Sense {
    Sense::new(Signal::constant(micro))
}

fn board() -> (Desk, Bus, Controller<Desk>) {
    let (desk, bus) = (Desk::default(), Bus::new(Speed::Fast, stream()));
    let controller = Controller::new(bus.clone(), desk.clone());
    (desk, bus, controller)
}

#[test]
fn a_bme280_tells_the_weather() {
    for (celsius, hectopascal, percent) in [(21.37, 1_013.25, 45.2), (-31.5, 350.0, 3.0), (71.0, 1_090.0, 97.0)] {
        let (mut desk, bus, controller) = board();
        let micro = |value: f64| (value * 1e6).round() as i64;
        let part = bme280::bme280(sense(micro(celsius)), sense(micro(hectopascal * 100.0)), sense(micro(percent)));
        bus.attach(bme280::ADDRESS, part).unwrap();
        let mut driver = ::bme280::i2c::BME280::new_primary(controller);
        let once = ::bme280::Oversampling::Oversampling1X;
        let config = ::bme280::Configuration::default()
            .with_temperature_oversampling(once)
            .with_pressure_oversampling(once)
            .with_humidity_oversampling(once);
        driver.init_with_config(&mut desk, config).unwrap();
        let measured = driver.measure(&mut desk).unwrap();
        assert!((f64::from(measured.temperature) - celsius).abs() < 0.02, "{measured:?}");
        assert!((f64::from(measured.pressure) - hectopascal * 100.0).abs() < 10.0, "{measured:?}");
        assert!((f64::from(measured.humidity) - percent).abs() < 0.2, "{measured:?}");
    }
}

impl embedded_hal_async::delay::DelayNs for Desk {
    async fn delay_ns(&mut self, ns: u32) {
        self.busy(Duration::from_nanos(ns.into()));
    }
}

/// By a driver that asks another bit of the part whether it is done than the one that says so (section 5.4.4), and so never
/// waits: whoever uses it does.
#[test]
fn a_bme280_tells_the_weather_to_a_driver_that_does_not_wait() {
    let (desk, bus, controller) = board();
    let part = bme280::bme280(sense(21_370_000), sense(101_325_000_000), sense(45_200_000));
    bus.attach(bme280::ADDRESS, part).unwrap();
    let once = bme280_rs::Oversampling::Oversample1;
    let configuration = bme280_rs::Configuration::default()
        .with_temperature_oversampling(once)
        .with_pressure_oversampling(once)
        .with_humidity_oversampling(once)
        .with_sensor_mode(bme280_rs::SensorMode::Forced);
    let measured = run(async {
        let mut driver = bme280_rs::AsyncBme280::new(controller, desk.clone());
        assert_eq!(driver.chip_id().await.unwrap(), bme280_rs::CHIP_ID);
        driver.init().await.unwrap();
        driver.set_sampling_configuration(configuration).await.unwrap();
        driver.take_forced_measurement().await.unwrap();
        assert!(driver.read_sample().await.unwrap().temperature.is_none(), "it does not wait");
        desk.busy(Duration::from_micros(9_300));
        driver.read_sample().await.unwrap()
    });
    assert!((measured.temperature.unwrap() - 21.37).abs() < 0.02, "{measured:?}");
    assert!((measured.pressure.unwrap() - 101_325.0).abs() < 10.0, "{measured:?}");
    assert!((measured.humidity.unwrap() - 45.2).abs() < 0.2, "{measured:?}");
}

/// The driver's own configuration takes sixteen samples of the pressure, for which the part may take 46 ms; the driver
/// waits for 40 and reads what was there before.
#[test]
fn a_driver_that_waits_for_less_than_the_longest_reads_what_is_old() {
    let (mut desk, bus, controller) = board();
    let part = bme280::bme280(sense(30_000_000), sense(100_000_000_000), sense(50_000_000));
    bus.attach(bme280::ADDRESS, part).unwrap();
    let mut driver = ::bme280::i2c::BME280::new_primary(controller);
    driver.init(&mut desk).unwrap();
    let early = driver.measure(&mut desk).unwrap();
    assert!((early.temperature - 30.0).abs() > 1.0, "{early:?}");
}

#[test]
fn a_lis3dh_feels_which_way_is_down() {
    let (desk, bus, controller) = board();
    bus.attach(lis3dh::ADDRESS, lis3dh::lis3dh([sense(0), sense(-500_000), sense(1_000_000)])).unwrap();
    let felt = run(async {
        let mut driver = lis3dh_async::Lis3dh::new_i2c(controller, lis3dh_async::SlaveAddr::Default).await.unwrap();
        desk.busy(Duration::from_millis(20));
        driver.accel_norm().await.unwrap()
    });
    let near = |value: f32, wanted: f32| (value - wanted).abs() < 0.01;
    let F32x3 { x, y, z } = felt;
    assert!(near(x, 0.0) && near(y, -0.5) && near(z, 1.0), "{felt:?}");
}

#[test]
fn a_tmp117_averages_eight_and_follows() {
    let (desk, bus, controller) = board();
    let shape: Shape = toml::from_str("shape = 'ramp'\nfrom = -10\nto = 30\nstart_s = 1\nduration_s = 0").unwrap();
    let temperature = Signal::new(&shape, &mut stream()).unwrap();
    bus.attach(tmp117::ADDRESS, tmp117::Tmp117::new(temperature, stream())).unwrap();
    let mut driver = ::tmp117::Tmp117::<_, _, _>::new(controller, tmp117::ADDRESS, desk.clone());
    assert_eq!(driver.id().unwrap().device, 0x117);
    let before_ns = desk.now_ns();
    let cold = driver.oneshot(::tmp117::register::Average::Avg8).unwrap();
    assert!((cold + 10.0).abs() < 0.02, "{cold}");
    let took_ms = (desk.now_ns() - before_ns) / 1_000_000;
    assert!((124..140).contains(&took_ms), "{took_ms}");
    desk.busy(Duration::from_secs(2));
    let warm = driver.oneshot(::tmp117::register::Average::NoAverage).unwrap();
    assert!((warm - 30.0).abs() < 0.02, "{warm}");
}

#[test]
fn an_eeprom_wraps_in_its_page_is_silent_while_it_writes_and_is_torn_by_a_power_cut() {
    let (desk, bus, controller) = board();
    let part = Rc::new(RefCell::new(at24c::At24c::new()));
    bus.attach(at24c::ADDRESS, Rc::clone(&part)).unwrap();
    let mut driver = Eeprom24x::new_24x256(controller, SlaveAddr::Default);
    driver.write_page(64, &[7; 64]).unwrap();
    let refused = driver.read_byte(64).unwrap_err();
    assert!(matches!(refused, eeprom24x::Error::I2C(Error::NoAcknowledge(_))), "{refused:?}");
    desk.busy(Duration::from_millis(5));
    let mut read = [0; 66];
    driver.read_data(63, &mut read).unwrap();
    assert_eq!((read[0], read[1], read[64], read[65]), (0xff, 7, 7, 0xff));

    let torn = (0..50).filter(|seed| {
        driver.write_page(64, &[9; 64]).unwrap();
        let now_ns = desk.now_ns();
        part.borrow_mut().cut(now_ns + 1_000_000, &mut Stream::new(*seed, "cut"));
        bus.power_cycle(now_ns + 2_000_000);
        desk.busy(Duration::from_millis(10));
        let page = part.borrow().contents()[64..128].to_vec();
        driver.write_page(64, &[7; 64]).unwrap();
        desk.busy(Duration::from_millis(6));
        page.contains(&9) && page.contains(&7)
    });
    assert!(torn.count() > 40);
}
