//! The weather station: looks at several instruments on one bus, and reports what they say, by whatever protocol.
//!
//! - A thermometer (TMP117), a barometer that feels humidity, too (BME280), and an accelerometer that says how the mast stands
//!   (LIS3DH) share an I2C bus. One that is gone, hangs or sends nonsense is counted and left out; the others are in the
//!   reading all the same.
//! - Two of them measure a temperature. None can be told to lie by itself, but that they differ is counted.
//! - A reading is on flash ([`Spool`]) with a number of its own before anything else is done with it, and leaves it when
//!   whoever keeps readings said that they have it: it arrives through power cuts, under its number, in order.
//! - How it travels is the type of [`Config::report`]: [`Http`], [`Coap`](crate::report::Coap) or
//!   [`Mqtt`](crate::report::Mqtt). What the network is made of is the type of [`Parts::net`].
//! - It takes updates and reports its health, or only reports it, if it is given what that needs ([`run_kept`]), beside its other
//!   work.
//! - When the flash is full, what is new is dropped and counted, until there is room again.

mod instruments;
pub mod metrics;
mod record;

#[cfg(test)]
mod tests;

use core::cell::RefCell;
use core::convert::Infallible;
use core::fmt::Debug;
use core::net::SocketAddr;
use core::ops::Range;
use core::pin::pin;
use core::slice;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_net_driver::Driver;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_sync::signal::Signal;
use embedded_hal_async::i2c::I2c;
use embedded_storage_async::nor_flash::NorFlash;
use rand_core::Rng;
use wavetank_stack::storage::{Error as StorageError, LayoutError, Spool};
use wavetank_stack::time::{sleep, sleep_until, timeout};
use wavetank_stack::{Cidr, Clock, Duration, FlowId, Limits, Probe, Resources, Route, Stack};

use self::record::{RECORD_LEN, Record};
use crate::report::{Body, Http, Line, Outbox, Report, Verdict};
use crate::updates::{Host, Keep, NoUpdates, Vitals};
use crate::{Backoff, DeviceId, Exit, ResetCause, SharedRng};

/// A TCP connection's buffers, one way: a reading with its head.
const STREAM_BYTES: usize = 1_024;
/// A datagram with a reading.
const DATAGRAM_BYTES: usize = 768;
/// How long an instrument may take before it counts as stuck.
const MEASURE_TIMEOUT: Duration = Duration::from_millis(250);
/// Shorter periods count as this: it is what three instruments that are stuck take.
const PERIOD_MIN: Duration = Duration::from_millis(750);
/// How long the last connection may take to be gone.
const LINGER: Duration = Duration::from_secs(2);
/// How long to leave a flash alone that failed.
const RETRY: Duration = Duration::from_secs(1);

/// What a station that is well has shown: an instrument has measured, and somebody has taken a reading.
const INSTRUMENT_WELL: u8 = 1;
const REPORT_WELL: u8 = 2;

/// One connection or one socket for readings; one more connection for updates where there are any.
type Memory<'r, const CONNECTIONS: usize> = Resources<'r, CONNECTIONS, 1, STREAM_BYTES, DATAGRAM_BYTES, 0, 4>;

/// What a weather station is made of.
#[derive(Clone, Debug)]
pub struct Parts<I, B, F, N, C, R, P> {
    /// The bus with the TMP117, the BME280 and the LIS3DH, each at its first address.
    pub i2c: I,
    /// What measures the battery, in millivolts; `None` if it cannot be told.
    pub battery: B,
    /// The flash that keeps its readings.
    pub flash: F,
    /// The network interface: Ethernet, or 802.15.4 behind [`lowpan`](wavetank_stack), or any other driver.
    pub net: N,
    /// The monotonic clock.
    pub clock: C,
    /// Entropy: the network's and protocols' numbers and the jitter of retries come from it.
    pub rng: R,
    /// Who is told what the device does, under the names of [`metrics`].
    pub probe: P,
}

/// What a weather station is told once.
#[derive(Clone, Debug)]
pub struct Config<U = Http> {
    /// Its name, where it reports.
    pub id: DeviceId,
    /// Its own address, and with it the network that it is in.
    pub address: Cidr,
    /// The way to whoever is not in that network.
    pub route: Option<Route>,
    /// By which protocol it reports, and where.
    pub report: U,
    /// Which pages of the flash hold its readings; at least three.
    pub spool: Range<u32>,
    /// From one look at the instruments to the next; at least 750 ms.
    pub period: Duration,
    /// By how many thousandths of a degree thermometer and barometer may differ.
    pub agreement: i32,
    /// Waits between attempts to report.
    pub backoff: Backoff,
    /// Who says that it has less room than its memory is. Default: nobody.
    pub limits: Limits,
}

impl Config {
    /// The usual settings: a hub in the same network, a look every ten seconds, two degrees between the temperatures.
    pub fn new(id: DeviceId, address: Cidr, hub: SocketAddr, spool: Range<u32>) -> Self {
        Self::by(Http { hub, patience: Duration::from_secs(5) }, id, address, spool)
    }
}

impl<U> Config<U> {
    /// The usual settings, by that protocol.
    pub fn by(report: U, id: DeviceId, address: Cidr, spool: Range<u32>) -> Self {
        Config {
            id,
            address,
            route: None,
            report,
            spool,
            period: Duration::from_secs(10),
            agreement: 2_000,
            backoff: Backoff::default(),
            limits: Limits::default(),
        }
    }
}

/// Runs the weather station. Nothing makes it stop by itself; it is stopped by dropping the future.
///
/// All its memory is in the future: some 12 KiB, and whatever the parts take.
///
/// # Errors
/// [`LayoutError`] if its readings cannot be in that range of the flash.
pub fn run<I, B, F, N, C, R, P, U>(
    parts: Parts<I, B, F, N, C, R, P>,
    config: Config<U>,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    I: I2c,
    B: AsyncFnMut() -> Option<u16>,
    F: NorFlash,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
    U: Report,
{
    run_with::<1, _, _, _, _, _, _, _, _, _>(parts, NoUpdates, config, cause)
}

/// Runs a weather station that takes updates, or only reports its health: until it asks to be started with one, by [`Exit::SwapImage`].
/// An image on trial has to measure something, to bring a reading, and to reach the hub that hands out images. Otherwise as [`run`].
///
/// All its memory is in the future: some 17 KiB, and whatever the parts take.
///
/// # Errors
/// As [`run`].
pub fn run_kept<I, B, F, N, C, R, P, U, K>(
    parts: Parts<I, B, F, N, C, R, P>,
    keep: K,
    config: Config<U>,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    I: I2c,
    B: AsyncFnMut() -> Option<u16>,
    F: NorFlash,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
    K: Keep,
    U: Report,
{
    run_with::<2, _, _, _, _, _, _, _, _, _>(parts, keep, config, cause)
}

/// Runs it with so many connections, and what keeps it.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
fn run_with<const CONNECTIONS: usize, I, B, F, N, C, R, P, U, K>(
    parts: Parts<I, B, F, N, C, R, P>,
    updates: K,
    config: Config<U>,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    I: I2c,
    B: AsyncFnMut() -> Option<u16>,
    F: NorFlash,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
    U: Report,
    K: Keep,
{
    async move {
        let Parts { mut i2c, mut battery, flash, net, clock, mut rng, probe } = parts;
        let (clock, probe) = (&clock, &probe);
        probe.count(cause.metric(), 1);
        let vitals = K::vitals(INSTRUMENT_WELL | REPORT_WELL, cause, clock.now(), &mut rng);
        let readings = Readings::new(Spool::new(flash, config.spool.clone())?, &config.id, clock, probe, &vitals);

        let mut memory = Memory::<CONNECTIONS>::new();
        let (stack, mut runner) = {
            let mut network = wavetank_stack::Config::new(slice::from_ref(&config.address), config.route.as_slice());
            network.limits = config.limits.clone();
            network.linger = LINGER;
            Stack::new(&mut memory, net, clock, &network, rng.next_u64())
        };
        let rng = RefCell::new(rng);
        let host = Host { id: &config.id, stack: &stack, clock, probe, vitals: &vitals };
        let line = Line { id: &config.id, stack: &stack, clock };
        let mut jitter = SharedRng::new(&rng);
        let work = pin!(join(
            watch(&mut i2c, &mut battery, &config, &readings),
            tell(&line, &config, &readings, &mut jitter),
        ));
        let keeping = pin!(updates.keep(host, SharedRng::new(&rng)));
        match runner.run_with(stack.telling(probe, pin!(select(work, keeping)))).await {
            Either::First((never, _)) => match never {},
            Either::Second(exit) => Ok(exit),
        }
    }
}

/// Looks at the instruments, for ever.
async fn watch<I: I2c, U, F: NorFlash, C: Clock, P: Probe>(
    i2c: &mut I,
    battery: &mut impl AsyncFnMut() -> Option<u16>,
    config: &Config<U>,
    readings: &Readings<'_, F, C, P>,
) -> Infallible {
    let (clock, probe) = (readings.clock, readings.probe);
    let period = config.period.max(PERIOD_MIN);
    let mut due = clock.now();
    loop {
        sleep_until(clock, due).await;
        due = due.max(clock.now()) + period;
        let mut record = Record { at_ms: clock.now().as_millis(), ..Record::default() };
        record.celsius = {
            let measuring = pin!(instruments::temperature(i2c, clock));
            within(readings, metrics::THERMOMETER_ERRORS, measuring).await
        };
        record.barometer = {
            let measuring = pin!(instruments::air(i2c, clock));
            all(within(readings, metrics::BAROMETER_ERRORS, measuring).await)
        };
        record.mast = {
            let measuring = pin!(instruments::mast(i2c, clock));
            all(within(readings, metrics::MAST_ERRORS, measuring).await)
        };
        let millivolts = battery().await;
        readings.vitals.battery(millivolts);
        record.battery = millivolts.map(i32::from);
        show(probe, &record, config.agreement);
        if record.is_empty() {
            probe.count(metrics::READINGS_EMPTY, 1);
        } else {
            readings.vitals.show(INSTRUMENT_WELL);
            readings.keep(&record).await;
        }
    }
}

/// What an instrument measured, if it did so in time.
async fn within<T, F, C: Clock, P: Probe>(
    readings: &Readings<'_, F, C, P>,
    errors: &'static str,
    measuring: impl Future<Output = Option<T>>,
) -> Option<T> {
    let measured = timeout(readings.clock, MEASURE_TIMEOUT, measuring).await.ok().flatten();
    if measured.is_none() {
        readings.probe.count(errors, 1);
        readings.vitals.sensor_failed();
    }
    measured
}

fn all(values: Option<[i32; 3]>) -> [Option<i32>; 3] {
    values.map_or([None; 3], |values| values.map(Some))
}

fn show(probe: &impl Probe, record: &Record, agreement: i32) {
    let [case, pressure, humidity] = record.barometer;
    let gauges = [
        (metrics::TEMPERATURE, record.celsius),
        (metrics::PRESSURE, pressure),
        (metrics::HUMIDITY, humidity),
        (metrics::BATTERY_MILLIVOLTS, record.battery),
    ];
    for (name, value) in gauges {
        if let Some(value) = value {
            probe.gauge(name, value.into());
        }
    }
    if let (Some(air), Some(case)) = (record.celsius, case) {
        probe.count(metrics::DISAGREEMENTS, (air.abs_diff(case) > agreement.unsigned_abs()).into());
    }
}

/// Reports, for ever.
async fn tell<U: Report, F: NorFlash, C: Clock, P: Probe>(
    line: &Line<'_, '_, C>,
    config: &Config<U>,
    readings: &Readings<'_, F, C, P>,
    rng: &mut impl Rng,
) -> Infallible {
    let mut failures = 0;
    loop {
        // Stations that got their power back together need not call all at once.
        sleep(line.clock, config.backoff.delay(failures, rng)).await;
        // Nothing is opened before there is something to say.
        readings.oldest().await;
        if config.report.bring(line, rng, readings).await {
            failures = 0;
        } else {
            failures = failures.saturating_add(1);
            readings.probe.count(metrics::REPORTS_FAILED, 1);
            readings.vitals.reached(false);
        }
    }
}

/// The readings on the flash, as they are shared: one future writes them down, another one brings them.
struct Readings<'a, F, C, P> {
    spool: Mutex<NoopRawMutex, Spool<F>>,
    /// There may be one more to bring.
    came: Signal<NoopRawMutex, ()>,
    id: &'a DeviceId,
    clock: &'a C,
    probe: &'a P,
    vitals: &'a Vitals,
}

impl<'a, F: NorFlash, C: Clock, P: Probe> Readings<'a, F, C, P> {
    fn new(spool: Spool<F>, id: &'a DeviceId, clock: &'a C, probe: &'a P, vitals: &'a Vitals) -> Self {
        let spool = Mutex::new(spool);
        Self { spool, came: Signal::new(), id, clock, probe, vitals }
    }

    async fn keep(&self, record: &Record) {
        let pushed = self.spool.lock().await.push(&record.encode()).await;
        match pushed {
            Ok(number) => {
                self.probe.count(metrics::READINGS_KEPT, 1);
                self.flow(metrics::FLOW_KEPT, number);
            }
            Err(StorageError::Full) => {
                self.probe.count(metrics::READINGS_DROPPED, 1);
                self.vitals.lost(1);
            }
            Err(_) => self.flash_failed(),
        }
        self.report_backlog().await;
        self.came.signal(());
    }

    /// Waits until there is a reading; the oldest and its number. For one waiter.
    async fn oldest(&self) -> (u64, Record) {
        loop {
            if let Some(oldest) = self.kept().await {
                return oldest;
            }
            self.came.wait().await;
        }
    }

    /// The oldest reading on the flash.
    async fn kept(&self) -> Option<(u64, Record)> {
        let mut bytes = [0; RECORD_LEN];
        loop {
            let next = self.spool.lock().await.next_after(0, &mut bytes).await;
            match next {
                Ok(Some(kept)) => match Record::decode(&bytes[..kept.len]) {
                    Some(record) => return Some((kept.id, record)),
                    // Whole, and no reading: another firmware's.
                    None => self.let_go(kept.id).await,
                },
                Ok(None) => return None,
                Err(_) => self.ail().await,
            }
        }
    }

    async fn let_go(&self, number: u64) {
        let acknowledged = self.spool.lock().await.acknowledge(number).await;
        if acknowledged.is_err() {
            // It is brought again, under its number.
            self.ail().await;
        }
    }

    async fn ail(&self) {
        self.flash_failed();
        sleep(self.clock, RETRY).await;
    }

    fn flash_failed(&self) {
        self.probe.count(metrics::FLASH_ERRORS, 1);
        self.vitals.flash_failed();
    }

    async fn report_backlog(&self) {
        let waiting = self.spool.lock().await.waiting().await;
        if let Ok(waiting) = waiting {
            self.vitals.waiting(waiting);
            self.probe.gauge(metrics::BACKLOG, i64::try_from(waiting).unwrap_or(i64::MAX));
        }
    }

    fn flow(&self, kind: &'static str, sequence: u64) {
        self.probe.flow(kind, FlowId { source: self.id.as_str(), sequence });
    }
}

impl<F: NorFlash, C: Clock, P: Probe> Outbox for Readings<'_, F, C, P> {
    async fn next(&self, body: &mut Body) -> u64 {
        let (number, record) = self.oldest().await;
        record.json(self.id, number, body);
        number
    }

    async fn settle(&self, number: u64, verdict: Verdict) {
        self.vitals.reached(true);
        match verdict {
            Verdict::Kept => {
                self.vitals.show(REPORT_WELL);
                self.probe.count(metrics::READINGS_ACKNOWLEDGED, 1);
                self.flow(metrics::FLOW_ACKNOWLEDGED, number);
            }
            Verdict::Refused => {
                self.probe.count(metrics::READINGS_REJECTED, 1);
                self.vitals.lost(1);
            }
        }
        self.let_go(number).await;
        self.report_backlog().await;
    }
}
