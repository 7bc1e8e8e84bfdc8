//! The camera: takes pictures, and brings them to a server over a link that may be slower than they come.
//!
//! - A frame is read from the sensor in pieces and is on flash, with its SHA-256, before anything else is done with it; no
//!   more than a piece of it is ever in memory.
//! - Frames are brought by HTTP, oldest first, each as `POST /images/NAME/NUMBER` with its digest (RFC 9530), in pieces as the
//!   network takes them. TCP holds back the reading of flash, and nothing else. A frame leaves when the server said that it has
//!   it, whole; its number stays its own through retries and power cuts.
//! - While the link does not bear what is taken, the oldest frames are dropped, counted, and named ([`metrics`]); the one
//!   under way is not, so that a link that bears little still brings something.
//! - It takes updates and reports its health, or only reports it, if it is given what that needs ([`run_kept`]), beside its other
//!   work.

mod frames;
pub mod metrics;
mod upload;

#[cfg(test)]
mod tests;

use core::cell::{Cell, RefCell};
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
use embedded_io_async::Read;
use embedded_storage_async::nor_flash::NorFlash;
use rand_core::Rng;
use sha2::{Digest as _, Sha256};
use wavetank_stack::time::{sleep, sleep_until, timeout};
use wavetank_stack::{Cidr, Clock, Duration, FlowId, Limits, Probe, Resources, Route, Stack};

use self::frames::{Frame, Frames, PIECE};
pub use self::frames::{RoomError, SLOTS_MAX};
use crate::updates::{Host, Keep, NoUpdates, Vitals};
use crate::{Backoff, DeviceId, Exit, ResetCause, SharedRng};

/// A TCP connection's buffers, one way.
const STREAM_BYTES: usize = 4_096;
const PACKET_BYTES: usize = 128;
/// The head of the server's longest answer.
const HEAD_BYTES: usize = 512;
/// How long the last connection may take to be gone.
const LINGER: Duration = Duration::from_secs(2);
/// How long to leave a flash alone that failed.
const RETRY: Duration = Duration::from_secs(1);

/// What a camera that is well has shown: it has taken a frame, and brought one.
const SENSOR_WELL: u8 = 1;
const SERVER_WELL: u8 = 2;

/// One connection, and one for updates where there are any.
type Memory<'r, const CONNECTIONS: usize> = Resources<'r, CONNECTIONS, 0, STREAM_BYTES, PACKET_BYTES, 0, 4>;

/// What a camera is made of.
#[derive(Clone, Debug)]
pub struct Parts<S, F, N, C, R, P> {
    /// The sensor: a stream of frames, each [`Config::frame_bytes`] long, of which the next is taken when the last was read.
    pub sensor: S,
    /// The flash that keeps frames.
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

/// What a camera is told once.
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
    /// How long a frame is.
    pub frame_bytes: u32,
    /// Which pages of the flash hold frames: at least three, each with a page of its own; at most [`SLOTS_MAX`].
    pub room: Range<u32>,
    /// From one frame to the next; what reading it takes is the least.
    pub period: Duration,
    /// How long the sensor may take for a frame.
    pub exposure: Duration,
    /// How long a connection may take to open, and the network to take anything at all.
    pub patience: Duration,
    /// How long the last bytes of a frame and the server's answer may take.
    pub drain: Duration,
    /// Waits between attempts to reach the server.
    pub backoff: Backoff,
    /// Who says that it has less room than its memory is. Default: nobody.
    pub limits: Limits,
}

impl Config {
    /// The usual settings: a server in the same network, frames of 64 KiB, one in ten seconds.
    pub fn new(id: DeviceId, address: Cidr, server: SocketAddr, room: Range<u32>) -> Self {
        Config {
            id,
            address,
            route: None,
            server,
            frame_bytes: 65_536,
            room,
            period: Duration::from_secs(10),
            exposure: Duration::from_secs(10),
            patience: Duration::from_secs(10),
            drain: Duration::from_secs(20),
            backoff: Backoff::default(),
            limits: Limits::default(),
        }
    }
}

/// Runs the camera. Nothing makes it stop by itself; it is stopped by dropping the future.
///
/// All its memory is in the future: some 14 KiB, and whatever the parts take.
///
/// # Errors
/// [`RoomError`] if its frames cannot be in that range of the flash.
pub fn run<S, F, N, C, R, P>(
    parts: Parts<S, F, N, C, R, P>,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, RoomError>>
where
    S: Read,
    F: NorFlash<Error: Debug>,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
{
    run_with::<1, _, _, _, _, _, _, _>(parts, NoUpdates, config, cause)
}

/// Runs a camera that takes updates, or only reports its health: until it asks to be started with one, by [`Exit::SwapImage`].
/// An image on trial has to take a frame, to bring one, and to reach the hub that hands out images. Otherwise as [`run`].
///
/// All its memory is in the future: some 25 KiB, and whatever the parts take.
///
/// # Errors
/// As [`run`].
pub fn run_kept<S, F, N, C, R, P, K>(
    parts: Parts<S, F, N, C, R, P>,
    keep: K,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, RoomError>>
where
    S: Read,
    F: NorFlash<Error: Debug>,
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
fn run_with<const CONNECTIONS: usize, S, F, N, C, R, P, K>(
    parts: Parts<S, F, N, C, R, P>,
    updates: K,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, RoomError>>
where
    S: Read,
    F: NorFlash<Error: Debug>,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
    K: Keep,
{
    async move {
        let Parts { mut sensor, flash, net, clock, mut rng, probe } = parts;
        let (clock, probe) = (&clock, &probe);
        probe.count(cause.metric(), 1);
        let vitals = K::vitals(SENSOR_WELL | SERVER_WELL, cause, clock.now(), &mut rng);
        let frames = Frames::new(flash, config.room.clone(), config.frame_bytes)?;
        let shared = Shared {
            frames: Mutex::new(frames),
            under_way: Cell::new(None),
            came: Signal::new(),
            id: &config.id,
            clock,
            probe,
            vitals: &vitals,
        };
        shared.look().await;

        let mut memory = Memory::<CONNECTIONS>::new();
        let (stack, mut runner) = {
            let mut network = wavetank_stack::Config::new(slice::from_ref(&config.address), config.route.as_slice());
            network.limits = config.limits.clone();
            network.linger = LINGER;
            Stack::new(&mut memory, net, clock, &network, rng.next_u64())
        };
        let rng = RefCell::new(rng);
        let host = Host { id: &config.id, stack: &stack, clock, probe, vitals: &vitals };
        let mut jitter = SharedRng::new(&rng);
        let work = pin!(join(expose(&mut sensor, &shared, &config), tell(&stack, &shared, &config, &mut jitter)));
        let keeping = pin!(updates.keep(host, SharedRng::new(&rng)));
        match runner.run_with(stack.telling(probe, pin!(select(work, keeping)))).await {
            Either::First((never, _)) => match never {},
            Either::Second(exit) => Ok(exit),
        }
    }
}

/// Takes frames, for ever.
async fn expose<S: Read, F: NorFlash<Error: Debug>, C: Clock, P: Probe>(
    sensor: &mut S,
    shared: &Shared<'_, F, C, P>,
    config: &Config,
) -> Infallible {
    let clock = shared.clock;
    let mut due = clock.now();
    loop {
        sleep_until(clock, due).await;
        due = (due + config.period).max(clock.now());
        match shared.take(sensor, config).await {
            Ok(()) => shared.vitals.show(SENSOR_WELL),
            Err(Trouble::Sensor) => {
                shared.probe.count(metrics::SENSOR_ERRORS, 1);
                shared.vitals.sensor_failed();
            }
            Err(Trouble::Flash) => shared.ail().await,
        }
    }
}

/// Brings frames, for ever.
async fn tell<F: NorFlash<Error: Debug>, C: Clock, P: Probe>(
    stack: &Stack<'_>,
    shared: &Shared<'_, F, C, P>,
    config: &Config,
    rng: &mut impl Rng,
) -> Infallible {
    let mut failures = 0;
    loop {
        // Cameras that got their power back together need not call all at once.
        sleep(shared.clock, config.backoff.delay(failures, rng)).await;
        shared.oldest().await;
        if upload::visit(stack, shared, config).await {
            failures = 0;
        } else {
            failures = failures.saturating_add(1);
            shared.probe.count(metrics::UPLOADS_FAILED, 1);
            shared.vitals.reached(false);
        }
        shared.under_way.set(None);
    }
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Sensor,
    Flash,
}

/// The frames, as they are shared: one future writes them down, another one brings them.
struct Shared<'a, F, C, P> {
    frames: Mutex<NoopRawMutex, Frames<F>>,
    /// The number of the frame that is being brought.
    under_way: Cell<Option<u64>>,
    /// There may be one more to bring.
    came: Signal<NoopRawMutex, ()>,
    id: &'a DeviceId,
    clock: &'a C,
    probe: &'a P,
    vitals: &'a Vitals,
}

impl<F: NorFlash<Error: Debug>, C: Clock, P: Probe> Shared<'_, F, C, P> {
    /// Sees what an earlier life has left.
    async fn look(&self) {
        loop {
            let looked = self.frames.lock().await.look().await;
            if looked.is_ok() {
                return self.report_backlog().await;
            }
            self.ail().await;
        }
    }

    /// Takes a frame. The flash is lent for no longer than a piece takes.
    async fn take<S: Read>(&self, sensor: &mut S, config: &Config) -> Result<(), Trouble> {
        let flash = |_| Trouble::Flash;
        let cleared = self.frames.lock().await.clear(self.under_way.get()).await;
        let (slot, gone) = cleared.map_err(flash)?;
        if let Some(gone) = gone {
            self.probe.count(metrics::FRAMES_DROPPED, 1);
            self.vitals.lost(1);
            self.flow(metrics::FLOW_DROPPED, gone.number);
        }
        let end = self.clock.now() + config.exposure;
        let (mut hash, mut at) = (Sha256::new(), 0);
        while at < config.frame_bytes {
            let mut piece = [0; PIECE];
            let len = PIECE.min((config.frame_bytes - at) as usize);
            let left = end.saturating_duration_since(self.clock.now());
            let read = {
                let reading = pin!(sensor.read_exact(&mut piece[..len]));
                timeout(self.clock, left, reading).await
            };
            if !matches!(read, Ok(Ok(()))) {
                return Err(Trouble::Sensor);
            }
            hash.update(&piece[..len]);
            let written = self.frames.lock().await.write(slot, at, &mut piece, len).await;
            written.map_err(flash)?;
            at += len as u32;
        }
        let sealed = self.frames.lock().await.seal(slot, config.frame_bytes, hash.finalize().into()).await;
        let number = sealed.map_err(flash)?;
        self.probe.count(metrics::FRAMES_TAKEN, 1);
        self.flow(metrics::FLOW_TAKEN, number);
        self.report_backlog().await;
        self.came.signal(());
        Ok(())
    }

    /// Waits until there is a frame to bring; the oldest and its slot. For one waiter.
    async fn oldest(&self) -> (usize, Frame) {
        loop {
            if let Some(oldest) = self.frames.lock().await.oldest() {
                return oldest;
            }
            self.came.wait().await;
        }
    }

    async fn read(&self, slot: usize, at: u32, out: &mut [u8]) -> Result<(), ()> {
        let read = self.frames.lock().await.read(slot, at, out).await;
        read.map_err(|_| self.flash_failed())
    }

    fn acknowledged(&self, number: u64) {
        self.vitals.show(SERVER_WELL);
        self.probe.count(metrics::FRAMES_ACKNOWLEDGED, 1);
        self.probe.gauge(metrics::LATEST, i64::try_from(number).unwrap_or(i64::MAX));
        self.flow(metrics::FLOW_ACKNOWLEDGED, number);
    }

    async fn let_go(&self, slot: usize, number: u64) {
        let gone = self.frames.lock().await.let_go(slot, number).await;
        if gone.is_err() {
            // After a power cut it is brought again, under its number.
            self.ail().await;
        }
        self.report_backlog().await;
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
        let waiting = self.frames.lock().await.waiting();
        self.vitals.waiting(waiting as u64);
        self.probe.gauge(metrics::BACKLOG, i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    fn flow(&self, kind: &'static str, sequence: u64) {
        self.probe.flow(kind, FlowId { source: self.id.as_str(), sequence });
    }
}
