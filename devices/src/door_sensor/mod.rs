//! The door sensor: tells a server of every opening and closing of a door, once and in their order, and sleeps in between.
//!
//! - A contact at a pin is high while the door is open. A change counts when its level has held for [`Config::debounce`]. It
//!   is a level that is waited for, and no edge: what the door did while the sensor was busy is seen afterwards.
//! - Each change is an event, with a number, on flash ([`Spool`]) before anything else is done with it. There the sensor
//!   reads, too, what the door was before: a change that came while the power was off is an event when it is back.
//! - Events go to a server by CoAP, confirmable, one after the other, as `POST events/NAME`, and leave the flash when it said
//!   that it has them. An event keeps its number over power cuts and retries: a server that remembers the highest that it
//!   has of each sensor hears of every one once, and in their order.
//! - In between there is no network: the stack is made when there is something to say, and dropped when it was said, or
//!   nobody answered. All that runs then is the wait at the pin, and one timer: for the next attempt, or the next report of
//!   the sensor's health (`POST health/NAME`, a [`Health`] as JSON). That goes out once, is not tried again before the next is due, and is broken
//!   off when the door moves.
//! - It takes updates and reports its health to a hub, or only reports it, if it is given what that needs ([`run_kept`]): it calls
//!   with its heartbeat, and stays in the network for as long as fetching takes, or proving itself. The door is watched meanwhile.
//! - While the flash is full no change is noted; when there is room again, then it is whether the door is open by then.

mod event;
pub mod metrics;

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
use embedded_hal::digital::InputPin;
use embedded_hal_async::digital::Wait;
use embedded_storage_async::nor_flash::NorFlash;
use heapless::String;
use rand_core::Rng;
use wavetank_health::Health;
use wavetank_stack::coap::{Client, Options, Request};
use wavetank_stack::storage::{Error as StorageError, LayoutError, Spool};
use wavetank_stack::time::{sleep, sleep_until};
use wavetank_stack::{Cidr, Clock, Duration, FlowId, Instant, Limits, Probe, Resources, Route, Stack};

use self::event::{EVENT_LEN, Event, JSON_MAX};
use crate::updates::{Host, Keep, NoUpdates, Vitals};
use crate::{Backoff, DeviceId, Exit, ResetCause, SharedRng};

/// A datagram with an event or a block of a report, and what the server answers.
const DATAGRAM_BYTES: usize = 256;
/// What is longer goes in blocks: a report of a sensor that is not well.
const BLOCK_BYTES: usize = 128;
/// `events/` or `health/`, and an id.
const PATH_MAX: usize = 7 + DeviceId::LEN_MAX;
/// The format of JSON (RFC 7252, section 12.3).
const JSON: u16 = 50;
/// What a server says beside how it went is not looked at.
const ANSWER_MAX: usize = 64;
/// How long to leave a contact or a flash alone that failed.
const RETRY: Duration = Duration::from_secs(1);

/// What a sensor that is well has shown: the server has heard it.
const SERVER_WELL: u8 = 1;
/// A TCP connection's buffers, one way, of one that takes updates.
const STREAM_BYTES: usize = 512;
/// How often an image that has to prove itself, or is fetched, leaves time for events.
const PAUSE: Duration = Duration::from_secs(2);

/// One UDP socket, and a connection for updates where there are any.
type Memory<'r, const CONNECTIONS: usize> = Resources<'r, CONNECTIONS, 1, STREAM_BYTES, DATAGRAM_BYTES, 0, 2>;

/// What a door sensor is made of.
#[derive(Clone, Debug)]
pub struct Parts<D, B, F, N, C, R, P> {
    /// The pin at the contact, high while the door is open.
    pub contact: D,
    /// What measures the battery, in millivolts; `None` if it cannot be told.
    pub battery: B,
    /// The flash that keeps its events.
    pub flash: F,
    /// The network interface.
    pub net: N,
    /// The monotonic clock.
    pub clock: C,
    /// Entropy: the network's and CoAP's numbers and the jitter of retries come from it.
    pub rng: R,
    /// Who is told what the device does, under the names of [`metrics`].
    pub probe: P,
}

/// What a door sensor is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name at the server.
    pub id: DeviceId,
    /// Its own address, and with it the network that it is in.
    pub address: Cidr,
    /// The way to a server that is not in that network.
    pub route: Option<Route>,
    /// Where the server listens.
    pub server: SocketAddr,
    /// Which pages of the flash hold its events; at least three.
    pub spool: Range<u32>,
    /// How long a level has to hold before it counts.
    pub debounce: Duration,
    /// From one report of its health to the next.
    pub heartbeat: Duration,
    /// The shortest wait for an acknowledgement; CoAP doubles it four times before it gives up.
    pub ack_timeout: Duration,
    /// Waits between attempts to reach the server.
    pub backoff: Backoff,
    /// Who says that it has less room than its memory is. Default: nobody.
    pub limits: Limits,
}

impl Config {
    /// The usual settings: a server in the same network, 20 ms for the contact, a report of its health an hour.
    pub fn new(id: DeviceId, address: Cidr, server: SocketAddr, spool: Range<u32>) -> Self {
        Config {
            id,
            address,
            route: None,
            server,
            spool,
            debounce: Duration::from_millis(20),
            heartbeat: Duration::from_secs(3_600),
            ack_timeout: Duration::from_secs(2),
            backoff: Backoff::default(),
            limits: Limits::default(),
        }
    }
}

/// Runs the door sensor. Nothing makes it stop by itself; it is stopped by dropping the future.
///
/// All its memory is in the future: some 8 KiB, and whatever the parts take.
///
/// # Errors
/// [`LayoutError`] if its events cannot be in that range of the flash.
pub fn run<D, B, F, N, C, R, P>(
    parts: Parts<D, B, F, N, C, R, P>,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    D: InputPin + Wait,
    B: AsyncFnMut() -> Option<u16>,
    F: NorFlash,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
{
    run_with::<0, _, _, _, _, _, _, _, _>(parts, NoUpdates, config, cause)
}

/// Runs a door sensor that takes updates, or only reports its health: until it asks to be started with one, by [`Exit::SwapImage`].
/// An image on trial has to be heard by the server, and to reach the hub that hands out images. Otherwise as [`run`].
///
/// All its memory is in the future: some 13 KiB, and whatever the parts take.
///
/// # Errors
/// As [`run`].
pub fn run_kept<D, B, F, N, C, R, P, K>(
    parts: Parts<D, B, F, N, C, R, P>,
    keep: K,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    D: InputPin + Wait,
    B: AsyncFnMut() -> Option<u16>,
    F: NorFlash,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
    K: Keep,
{
    run_with::<1, _, _, _, _, _, _, _, _>(parts, keep, config, cause)
}

/// Runs it with so many connections, and what keeps it.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
fn run_with<const CONNECTIONS: usize, D, B, F, N, C, R, P, K>(
    parts: Parts<D, B, F, N, C, R, P>,
    mut updates: K,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    D: InputPin + Wait,
    B: AsyncFnMut() -> Option<u16>,
    F: NorFlash,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
    K: Keep,
{
    async move {
        let Parts { contact, battery, flash, mut net, clock, mut rng, probe } = parts;
        let (clock, probe) = (&clock, &probe);
        probe.count(cause.metric(), 1);
        let spool = Spool::new(flash, config.spool.clone())?;
        let beat = clock.now();
        let vitals = Vitals::new(rng.next_u32(), SERVER_WELL, cause, clock.now());
        vitals.reports_every(config.heartbeat);
        let mut door =
            Door { contact, battery, spool, clock, probe, config: &config, beat, vitals: &vitals, is_full: false };
        // Sensors that got their power back together need not call all at once.
        let mut failures = 0;
        door.watching(sleep(clock, config.backoff.delay(failures, &mut rng))).await;
        loop {
            door.watch_until_due().await;
            probe.count(metrics::NETWORK_STARTS, 1);
            let (told, exit) = {
                let mut memory = Memory::<CONNECTIONS>::new();
                let mut network =
                    wavetank_stack::Config::new(slice::from_ref(&config.address), config.route.as_slice());
                network.limits = config.limits.clone();
                let (stack, mut runner) = Stack::new(&mut memory, &mut net, clock, &network, rng.next_u64());
                let asks = K::IS_KEPT && clock.now() >= door.beat;
                let telling = pin!(async {
                    let told = door.tell(&stack, &mut rng).await;
                    if !asks {
                        return (told, None);
                    }
                    let rng = RefCell::new(&mut rng);
                    let host = Host { id: &config.id, stack: &stack, clock, probe, vitals: &vitals };
                    let calling = pin!(updates.call(&host, SharedRng::new(&rng)));
                    let mut jitter = SharedRng::new(&rng);
                    match select(calling, door.go_on(&stack, &mut jitter)).await {
                        Either::First(exit) => (told, exit),
                        Either::Second(never) => match never {},
                    }
                });
                let (told, exit) = runner.run_with(stack.telling(probe, telling)).await;
                vitals.left_network(&stack.stats());
                (told, exit)
            };
            if let Some(exit) = exit {
                return Ok(exit);
            }
            failures = if told { 0 } else { failures + 1 };
            if failures > 0 {
                door.watching(sleep(clock, config.backoff.delay(failures - 1, &mut rng))).await;
            }
        }
    }
}

/// The sensor's own: who sees and who remembers. One task has them, so nothing needs a lock.
struct Door<'a, D, B, F, C, P> {
    contact: D,
    battery: B,
    spool: Spool<F>,
    clock: &'a C,
    probe: &'a P,
    config: &'a Config,
    /// When the next report of its health is due.
    beat: Instant,
    vitals: &'a Vitals,
    /// There was no room for the last event.
    is_full: bool,
}

impl<D, B, F, C, P> Door<'_, D, B, F, C, P>
where
    D: InputPin + Wait,
    B: AsyncFnMut() -> Option<u16>,
    F: NorFlash,
    C: Clock,
    P: Probe,
{
    /// Watches the door until there is something to say.
    async fn watch_until_due(&mut self) {
        loop {
            match self.spool.waiting().await {
                Ok(0) => {}
                Ok(_) => return,
                Err(error) => self.fail(error.into()).await,
            }
            let (clock, beat) = (self.clock, self.beat);
            match select(sleep_until(clock, beat), self.note()).await {
                Either::First(()) => return,
                Either::Second(Ok(())) => {}
                Either::Second(Err(trouble)) => self.fail(trouble).await,
            }
        }
    }

    /// Watches the door while something else is waited for.
    async fn watching<T>(&mut self, other: impl Future<Output = T>) -> T {
        let watch = async {
            loop {
                // Broken off, an event is noted or it is not: the next look begins at the flash.
                if let Err(trouble) = self.note().await {
                    self.fail(trouble).await;
                }
            }
        };
        match select(other, watch).await {
            Either::First(output) => output,
            Either::Second(never) => never,
        }
    }

    /// Waits for a change of the door, and writes it down.
    async fn note(&mut self) -> Result<(), Trouble> {
        let before = self.last().await?.open;
        self.changed_to(!before).await.map_err(|_| Trouble::Contact)?;
        let event = Event { open: !before, at_ms: self.clock.now().as_millis(), millivolts: self.millivolts().await };
        let pushed = self.spool.push(&event.encode()).await;
        let is_full = matches!(pushed, Err(StorageError::Full));
        // What the door does until there is room again nobody counts: it is one loss.
        self.vitals.lost((is_full && !self.is_full).into());
        self.is_full = is_full;
        let id = pushed?;
        self.probe.count(metrics::EVENTS_NOTED, 1);
        self.probe.gauge(metrics::DOOR, event.open.into());
        self.flow(metrics::FLOW_NOTED, id);
        self.report_backlog().await
    }

    /// Waits until the contact has been open, or closed, for as long as counts.
    async fn changed_to(&mut self, open: bool) -> Result<(), D::Error> {
        loop {
            match open {
                true => self.contact.wait_for_high().await?,
                false => self.contact.wait_for_low().await?,
            }
            let held = sleep(self.clock, self.config.debounce);
            let contact = &mut self.contact;
            let back = async move {
                match open {
                    true => contact.wait_for_low().await,
                    false => contact.wait_for_high().await,
                }
            };
            match select(back, held).await {
                Either::First(outcome) => outcome?,
                Either::Second(()) => return Ok(()),
            }
            self.probe.count(metrics::CONTACT_BOUNCES, 1);
        }
    }

    /// The newest event. Before the first one the door counts as closed.
    async fn last(&mut self) -> Result<Event, Trouble> {
        let mut bytes = [0; EVENT_LEN];
        let last = self.spool.last(&mut bytes).await?;
        Ok(last.and_then(|last| Event::decode(&bytes[..last.len])).unwrap_or_default())
    }

    async fn millivolts(&mut self) -> Option<u16> {
        let millivolts = (self.battery)().await?;
        self.probe.gauge(metrics::BATTERY_MILLIVOLTS, millivolts.into());
        self.vitals.battery(Some(millivolts));
        Some(millivolts)
    }

    /// Says all that there is to say; answers whether all of it was heard.
    async fn tell(&mut self, stack: &Stack<'_>, rng: &mut impl Rng) -> bool {
        let mut options = Options::default();
        options.ack_timeout = self.config.ack_timeout;
        options.block_bytes = BLOCK_BYTES;
        let Ok(mut client) = Client::new(stack, self.clock, rng, options) else {
            self.probe.count(metrics::EVENTS_FAILED, 1);
            return false;
        };
        let path = self.path("events");
        loop {
            let mut bytes = [0; EVENT_LEN];
            let record = match self.spool.next_after(0, &mut bytes).await {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => {
                    self.fail(error.into()).await;
                    return false;
                }
            };
            let id = record.id;
            if let Some(event) = Event::decode(&bytes[..record.len]) {
                if !self.post(&mut client, &path, event.json(id, &mut [0; JSON_MAX])).await {
                    self.probe.count(metrics::EVENTS_FAILED, 1);
                    self.vitals.reached(false);
                    return false;
                }
                self.vitals.reached(true);
                self.vitals.show(SERVER_WELL);
                self.probe.count(metrics::EVENTS_DELIVERED, 1);
                self.flow(metrics::FLOW_DELIVERED, id);
            } else {
                // Whole, and no event: another firmware's.
                self.probe.count(metrics::FLASH_ERRORS, 1);
                self.vitals.flash_failed();
            }
            // One whose acknowledgement does not get onto the flash is told again after a power cut, under its number.
            if let Err(error) = self.spool.acknowledge(id).await {
                self.fail(error.into()).await;
            }
            if let Err(trouble) = self.report_backlog().await {
                self.fail(trouble).await;
            }
        }
        if self.clock.now() >= self.beat {
            self.beat = self.clock.now() + self.config.heartbeat;
            return self.tell_health(stack, &mut client).await;
        }
        true
    }

    /// Goes on telling while it is in the network anyway.
    async fn go_on(&mut self, stack: &Stack<'_>, rng: &mut impl Rng) -> Infallible {
        loop {
            let clock = self.clock;
            self.watching(sleep(clock, PAUSE)).await;
            if self.spool.waiting().await.is_ok_and(|waiting| waiting == 0)
                && clock.now() < self.beat
                && self.vitals.is_well()
            {
                continue;
            }
            if !self.vitals.is_well() {
                // It has to be heard for that.
                self.beat = self.beat.min(clock.now());
            }
            self.tell(stack, rng).await;
        }
    }

    /// How the sensor is. That nobody heard it is no reason to call again before the next is due.
    async fn tell_health(&mut self, stack: &Stack<'_>, client: &mut Client<'_, &C, impl Rng>) -> bool {
        self.millivolts().await;
        let health = self.vitals.report(self.clock.now(), &stack.stats());
        let (path, server) = (self.path("health"), self.config.server);
        let (mut json, mut answer) = ([0; Health::JSON_MAX], [0; ANSWER_MAX]);
        let request = Request::post(&path, JSON, health.json(&mut json));
        let asking = pin!(client.request(server, &request, &mut answer));
        match select(asking, self.note()).await {
            Either::First(Ok(response)) if response.code.is_success() => {
                self.vitals.reached(true);
                self.vitals.show(SERVER_WELL);
                self.probe.count(metrics::HEALTH_TOLD, 1);
            }
            Either::First(_) => self.vitals.report_failed(),
            Either::Second(Ok(())) => {}
            Either::Second(Err(trouble)) => self.fail(trouble).await,
        }
        true
    }

    /// Whether the server has it. The door is watched meanwhile.
    async fn post(&mut self, client: &mut Client<'_, &C, impl Rng>, path: &str, json: &[u8]) -> bool {
        let (server, mut answer) = (self.config.server, [0; ANSWER_MAX]);
        let request = Request::post(path, JSON, json);
        let asking = pin!(client.request(server, &request, &mut answer));
        self.watching(asking).await.is_ok_and(|response| response.code.is_success())
    }

    fn path(&self, resource: &str) -> String<PATH_MAX> {
        let mut path = String::new();
        write!(path, "{resource}/{}", self.config.id).expect("there is room for any id");
        path
    }

    async fn report_backlog(&mut self) -> Result<(), Trouble> {
        let waiting = self.spool.waiting().await?;
        self.vitals.waiting(waiting);
        self.probe.gauge(metrics::BACKLOG, i64::try_from(waiting).unwrap_or(i64::MAX));
        Ok(())
    }

    fn flow(&self, kind: &'static str, sequence: u64) {
        self.probe.flow(kind, FlowId { source: self.config.id.as_str(), sequence });
    }

    /// Counts what is wrong, and leaves it alone for a while.
    async fn fail(&self, trouble: Trouble) {
        let metric = match trouble {
            Trouble::Contact => metrics::CONTACT_ERRORS,
            Trouble::Flash => metrics::FLASH_ERRORS,
            Trouble::Full => metrics::SPOOL_FULL,
        };
        self.probe.count(metric, 1);
        match trouble {
            Trouble::Contact => self.vitals.sensor_failed(),
            Trouble::Flash => self.vitals.flash_failed(),
            Trouble::Full => {}
        }
        sleep(self.clock, RETRY).await;
    }
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Contact,
    Flash,
    /// The flash has no room.
    Full,
}

impl<E: Debug> From<StorageError<E>> for Trouble {
    fn from(error: StorageError<E>) -> Self {
        match error {
            StorageError::Full => Trouble::Full,
            _ => Trouble::Flash,
        }
    }
}
