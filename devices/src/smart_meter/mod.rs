//! The smart meter: counts pulses, and tells a broker of each exactly what it needs to bill it once.
//!
//! - A counter part on a cell of its own ([`Pcf8583`]) counts while the meter is off. Once a period the meter reads it; what
//!   came since the newest record becomes the next one, on flash ([`Spool`]) before anything else is done with it. So a
//!   power cut at any instant costs no pulse and doubles none: a record is there or it is not, and if it is not, then its
//!   pulses are still in the counter.
//! - Records go to an MQTT broker with quality 1, at most [`WINDOW`] under way, and leave the flash when it has them. Each
//!   has a number that stays its own, so whoever reads them can tell one that comes twice.
//! - While the broker is away records wait; when the flash is full, pulses wait in the counter, up to a million.
//! - It takes updates and reports its health, or only reports it, if it is given what that needs ([`run_kept`]), beside its other
//!   work.
//! - A counter that is found not counting is started, at 0; what it did not count nobody knows.

pub mod metrics;
mod record;

#[cfg(test)]
mod tests;

use core::cell::RefCell;
use core::convert::Infallible;
use core::fmt::{Debug, Write as _};
use core::net::SocketAddr;
use core::ops::Range;
use core::pin::pin;
use core::slice;

use embassy_futures::select::{Either, select};
use embassy_net_driver::Driver;
use embedded_hal_async::i2c::I2c;
use embedded_io_async::{Read, Write};
use embedded_storage_async::nor_flash::NorFlash;
use heapless::{Deque, String};
use rand_core::Rng;
use wavetank_stack::mqtt::{Client, Connection, Event, Message, Options, PublishError, QoS};
use wavetank_stack::storage::{Error as StorageError, LayoutError, Spool};
use wavetank_stack::time::{sleep, sleep_until, timeout};
use wavetank_stack::{Cidr, Clock, Duration, FlowId, Instant, Limits, Probe, Resources, Route, Stack};

use self::record::{JSON_MAX, RECORD_LEN, Record};
use crate::dial::connect;
use crate::pcf8583::Pcf8583;
use crate::updates::{Host, Keep, NoUpdates, Vitals};
use crate::{Backoff, DeviceId, Exit, ResetCause, SharedRng};

/// Records that are under way at a time.
pub const WINDOW: usize = 4;
/// A TCP connection's buffers, one way.
const STREAM_BYTES: usize = 1_024;
const PACKET_BYTES: usize = 128;
/// What the broker says is short; what we say is a record and its topic.
const RECEIVED_BYTES: usize = 256;
const TO_SEND_BYTES: usize = WINDOW * 256;
/// `meters/`, an id, `/pulses`.
const TOPIC_MAX: usize = 14 + DeviceId::LEN_MAX;
/// How long the counter and its bus may take before they count as stuck.
const COUNTER_TIMEOUT: Duration = Duration::from_millis(50);
/// How long the last connection may take to be gone.
const LINGER: Duration = Duration::from_secs(2);

/// What a meter that is well has shown: it has read its counter and its flash, and it has reached its broker.
const COUNTER_WELL: u8 = 1;
const BROKER_WELL: u8 = 2;

/// One connection, the next of which waits until the last is gone; and one for updates where there are any.
type Memory<'r, const CONNECTIONS: usize> = Resources<'r, CONNECTIONS, 0, STREAM_BYTES, PACKET_BYTES, 0, 4>;

/// What a smart meter is made of.
#[derive(Clone, Debug)]
pub struct Parts<I, F, N, C, R, P> {
    /// The bus with the PCF8583 counter.
    pub i2c: I,
    /// The flash that keeps its records.
    pub flash: F,
    /// The network interface.
    pub net: N,
    /// The monotonic clock.
    pub clock: C,
    /// Entropy: the network's sequence numbers and the jitter of retries come from it.
    pub rng: R,
    /// Who is told what the device does, under the names of [`metrics`].
    pub probe: P,
}

/// What a smart meter is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, at the broker and in the topic `meters/NAME/pulses`.
    pub id: DeviceId,
    /// Its own address, and with it the network that it is in.
    pub address: Cidr,
    /// The way to a broker that is not in that network.
    pub route: Option<Route>,
    /// Where the broker listens.
    pub broker: SocketAddr,
    /// Which pages of the flash hold its records; at least three.
    pub spool: Range<u32>,
    /// From one look at the counter to the next.
    pub period: Duration,
    /// Waits between attempts to reach the broker.
    pub backoff: Backoff,
    /// How long the broker may take to answer, and a connection to open.
    pub patience: Duration,
    /// After how long a silence to ask whether the broker is still there; whole seconds.
    pub keep_alive: Duration,
    /// Who says that it has less room than its memory is. Default: nobody.
    pub limits: Limits,
}

impl Config {
    /// The usual settings: a broker in the same network, a look a second.
    pub fn new(id: DeviceId, address: Cidr, broker: SocketAddr, spool: Range<u32>) -> Self {
        Config {
            id,
            address,
            route: None,
            broker,
            spool,
            period: Duration::from_secs(1),
            backoff: Backoff::default(),
            patience: Duration::from_secs(5),
            keep_alive: Duration::from_secs(30),
            limits: Limits::default(),
        }
    }
}

/// Runs the smart meter. Nothing makes it stop by itself; it is stopped by dropping the future.
///
/// All its memory is in the future: some 10 KiB, and whatever the parts take.
///
/// # Errors
/// [`LayoutError`] if its records cannot be in that range of the flash.
pub fn run<I, F, N, C, R, P>(
    parts: Parts<I, F, N, C, R, P>,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    I: I2c,
    F: NorFlash,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
{
    run_with::<1, _, _, _, _, _, _, _>(parts, NoUpdates, config, cause)
}

/// Runs a smart meter that takes updates, or only reports its health: until it asks to be started with one, by [`Exit::SwapImage`].
/// An image on trial has to read the counter and the records, and to reach the broker and the hub that hands out images. Otherwise
/// as [`run`].
///
/// All its memory is in the future: some 14 KiB, and whatever the parts take.
///
/// # Errors
/// As [`run`].
pub fn run_kept<I, F, N, C, R, P, K>(
    parts: Parts<I, F, N, C, R, P>,
    keep: K,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    I: I2c,
    F: NorFlash,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
    K: Keep,
{
    run_with::<2, _, _, _, _, _, _, _>(parts, keep, config, cause)
}

/// Runs it with so many connections, and what keeps it.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
fn run_with<const CONNECTIONS: usize, I, F, N, C, R, P, U>(
    parts: Parts<I, F, N, C, R, P>,
    updates: U,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    I: I2c,
    F: NorFlash,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
    U: Keep,
{
    async move {
        let Parts { i2c, flash, net, clock, mut rng, probe } = parts;
        let (clock, probe) = (&clock, &probe);
        probe.count(cause.metric(), 1);

        let mut memory = Memory::<CONNECTIONS>::new();
        let (stack, mut runner) = {
            let mut network = wavetank_stack::Config::new(slice::from_ref(&config.address), config.route.as_slice());
            network.limits = config.limits.clone();
            network.linger = LINGER;
            Stack::new(&mut memory, net, clock, &network, rng.next_u64())
        };
        let vitals = U::vitals(COUNTER_WELL | BROKER_WELL, cause, clock.now(), &mut rng);
        let rng = RefCell::new(rng);
        let spool = Spool::new(flash, config.spool.clone())?;
        let (counter, due) = (Pcf8583::new(i2c), clock.now());
        let mut meter = Meter { counter, spool, clock, probe, config: &config, due, vitals: &vitals };
        let (mut received, mut to_send) = ([0; RECEIVED_BYTES], [0; TO_SEND_BYTES]);
        let mut client = Client::<_, _, WINDOW>::new(clock, (), &mut received, &mut to_send);
        let mut jitter = SharedRng::new(&rng);
        let host = Host { id: &config.id, stack: &stack, clock, probe, vitals: &vitals };
        let work = pin!(meter.run(&stack, &mut client, &mut jitter));
        let keeping = pin!(updates.keep(host, SharedRng::new(&rng)));
        match runner.run_with(stack.telling(probe, pin!(select(work, keeping)))).await {
            Either::First(never) => match never {},
            Either::Second(exit) => Ok(exit),
        }
    }
}

/// The meter's own: who counts and who remembers. One task has them, so nothing needs a lock.
struct Meter<'a, I, F, C, P> {
    counter: Pcf8583<I>,
    spool: Spool<F>,
    clock: &'a C,
    probe: &'a P,
    config: &'a Config,
    /// When the counter is to be looked at next.
    due: Instant,
    vitals: &'a Vitals,
}

impl<I: I2c, F: NorFlash, C: Clock, P: Probe> Meter<'_, I, F, C, P> {
    async fn run(
        &mut self,
        stack: &Stack<'_>,
        client: &mut Client<'_, &C, (), WINDOW>,
        rng: &mut impl Rng,
    ) -> Infallible {
        let mut options = Options::new(self.config.id.as_str());
        options.patience = self.config.patience;
        options.keep_alive = self.config.keep_alive;
        let mut failures = 0;
        loop {
            // Devices that got their power back together need not call all at once.
            let wait = self.config.backoff.delay(failures, rng);
            let clock = self.clock;
            self.count_until(sleep(clock, wait)).await;
            failures = failures.saturating_add(1);
            let dialled = {
                let dialling = connect(stack, clock, self.config.broker);
                self.count_until(timeout(clock, self.config.patience, dialling)).await
            };
            let connection = match dialled {
                Ok(Some(stream)) => self.count_until(client.connect(stream, &options)).await.ok(),
                _ => None,
            };
            let Some(mut connection) = connection else {
                self.probe.count(metrics::CONNECTS_FAILED, 1);
                self.vitals.reached(false);
                continue;
            };
            self.probe.gauge(metrics::CONNECTED, 1);
            self.vitals.reached(true);
            self.vitals.show(BROKER_WELL);
            if self.deliver(&mut connection).await {
                failures = 0;
            }
            self.probe.gauge(metrics::CONNECTED, 0);
            connection.into_stream().abort();
        }
    }

    /// Counts while something else is waited for.
    async fn count_until<T>(&mut self, other: impl Future<Output = T>) -> T {
        // A look at the counter that is broken off has happened or it has not: the next one begins at the flash.
        match select(other, self.count_for_ever()).await {
            Either::First(output) => output,
            Either::Second(never) => match never {},
        }
    }

    async fn count_for_ever(&mut self) -> Infallible {
        loop {
            sleep_until(self.clock, self.due).await;
            self.look().await;
        }
    }

    /// Looks at the counter, and writes down what came.
    async fn look(&mut self) {
        let now = self.clock.now();
        self.due = now.max(self.due + self.config.period);
        match self.count().await {
            Ok(()) => self.vitals.show(COUNTER_WELL),
            // Nothing is lost: the pulses wait in the counter.
            Err(Trouble::Full) => self.probe.count(metrics::SPOOL_FULL, 1),
            Err(Trouble::Counter) => {
                self.probe.count(metrics::COUNTER_ERRORS, 1);
                self.vitals.sensor_failed();
            }
            Err(Trouble::Flash | Trouble::Broker) => {
                self.probe.count(metrics::FLASH_ERRORS, 1);
                self.vitals.flash_failed();
            }
        }
    }

    async fn count(&mut self) -> Result<(), Trouble> {
        let count = {
            let counting = self.counter.count();
            timeout(self.clock, COUNTER_TIMEOUT, counting).await
        };
        let count = count.map_err(|_| Trouble::Counter)?.map_err(|_| Trouble::Counter)?;
        let mut bytes = [0; RECORD_LEN];
        let last = match self.spool.last(&mut bytes).await? {
            Some(kept) => Record::decode(&bytes[..kept.len]).unwrap_or_default(),
            None => Record::default(),
        };
        let at_ms = self.clock.now().as_millis();
        match count {
            Some(count) => match last.next(count, at_ms) {
                Some(record) => self.keep(&record).await,
                None => Ok(()),
            },
            None => {
                // Written down first: if the power goes in between, then it is not counting yet, and this is done again.
                self.keep(&last.restarted(at_ms)).await?;
                self.counter.start().await.map_err(|_| Trouble::Counter)?;
                self.probe.count(metrics::COUNTER_STARTS, 1);
                Ok(())
            }
        }
    }

    async fn keep(&mut self, record: &Record) -> Result<(), Trouble> {
        self.spool.push(&record.encode()).await?;
        self.probe.count(metrics::RECORDS_KEPT, 1);
        self.probe.count(metrics::PULSES_COUNTED, record.pulses);
        self.probe.gauge(metrics::REGISTER, i64::try_from(record.register).unwrap_or(i64::MAX));
        let source = self.config.id.as_str();
        for sequence in (record.register - record.pulses).saturating_add(1)..=record.register {
            self.probe.flow(metrics::FLOW_COUNTED, FlowId { source, sequence });
        }
        self.report_backlog().await
    }

    async fn report_backlog(&mut self) -> Result<(), Trouble> {
        let waiting = self.spool.waiting().await?;
        self.vitals.waiting(waiting);
        self.probe.gauge(metrics::BACKLOG, i64::try_from(waiting).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Brings records to the broker until the connection is of no more use; answers whether one arrived.
    async fn deliver<S: Read + Write>(&mut self, connection: &mut Connection<'_, '_, S, &C, (), WINDOW>) -> bool {
        let mut topic = String::<TOPIC_MAX>::new();
        write!(topic, "meters/{}/pulses", self.config.id).expect("there is room for any id");
        let mut delivered = false;
        let mut under_way = Deque::<(u64, bool), WINDOW>::new();
        loop {
            if self.publish(connection, &topic, &mut under_way).await.is_err() {
                return delivered;
            }
            let event = {
                let next = pin!(connection.next());
                select(next, sleep_until(self.clock, self.due)).await
            };
            match event {
                Either::First(Ok(Event::Delivered(id))) => {
                    if self.settle(id, &mut under_way).await.is_err() {
                        return delivered;
                    }
                    delivered = true;
                }
                Either::First(Ok(Event::Refused(..)) | Err(_)) => return delivered,
                Either::First(Ok(_)) => {}
                Either::Second(()) => self.look().await,
            }
        }
    }

    /// Puts records under way, as many as may be.
    async fn publish<S: Read + Write>(
        &mut self,
        connection: &mut Connection<'_, '_, S, &C, (), WINDOW>,
        topic: &str,
        under_way: &mut Deque<(u64, bool), WINDOW>,
    ) -> Result<(), Trouble> {
        let mut bytes = [0; RECORD_LEN];
        while !under_way.is_full() {
            let last = under_way.back().map_or(0, |(id, _)| *id);
            let Some(kept) = self.spool.next_after(last, &mut bytes).await? else {
                break;
            };
            let record = Record::decode(&bytes[..kept.len]).ok_or(Trouble::Flash)?;
            let mut json = [0; JSON_MAX];
            let payload = record.json(kept.id, &mut json).expect("there is room for any record");
            let message = Message { topic, payload, qos: QoS::AtLeastOnce, retain: false };
            match connection.publish(kept.id, &message) {
                Ok(()) => self.probe.count(metrics::RECORDS_SENT, 1),
                Err(PublishError::Busy) => break,
                Err(_) => return Err(Trouble::Broker),
            }
            under_way.push_back((kept.id, false)).expect("it is not full");
        }
        Ok(())
    }

    /// The broker has that record. They leave the flash in order.
    async fn settle(&mut self, id: u64, under_way: &mut Deque<(u64, bool), WINDOW>) -> Result<(), Trouble> {
        let known = under_way.iter_mut().find(|(other, _)| *other == id);
        let Some((_, arrived)) = known else {
            return Ok(());
        };
        *arrived = true;
        self.probe.count(metrics::RECORDS_DELIVERED, 1);
        let mut last = None;
        while let Some((id, _)) = under_way.pop_front_if(|(_, arrived)| *arrived) {
            last = Some(id);
        }
        if let Some(id) = last {
            self.spool.acknowledge(id).await?;
        }
        self.report_backlog().await
    }
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Counter,
    Flash,
    /// The flash has no room.
    Full,
    /// The broker does not take what a meter says.
    Broker,
}

impl<E: Debug> From<StorageError<E>> for Trouble {
    fn from(error: StorageError<E>) -> Self {
        match error {
            StorageError::Full => Trouble::Full,
            _ => Trouble::Flash,
        }
    }
}
