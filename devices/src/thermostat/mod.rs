//! The thermostat: measures the temperature once a period and reports it to a hub by HTTP.
//!
//! - Each reading is numbered and kept in a bounded backlog until the hub has said that it has it. The hub
//!   knows device and number, so a reading that is sent twice is stored once.
//! - Measuring goes on while the hub is away. A backlog that is full lets the oldest readings go that were
//!   never sent, and counts them.
//! - After a restart the device asks the hub for the last number it has and goes on from there. Until the
//!   hub has answered, readings wait without a number: none is ever used for two readings.
//! - A reading that the hub refuses for good (409, 422) is counted and set aside; any other trouble costs
//!   the connection and some patience (see [`Backoff`]).
//! - A sensor that fails is asked again at the next period.
//! - It takes updates and reports its health, or only reports it, if it is given what that needs ([`run_kept`]), beside its other
//!   work.
//! - It has a fixed place on the network ([`run`]), or gets one by DHCP and finds its hub by name ([`run_by_dhcp`]).
//!
//! What it does not do yet: keep readings or numbers over a power cut (no flash), or tell the calendar time.

mod backlog;
mod by_name;
mod dial;
pub mod metrics;
mod reading;
mod sampler;
mod shared;
mod uplink;

#[cfg(test)]
mod tests;

use core::cell::RefCell;
use core::fmt;
use core::net::SocketAddr;
use core::pin::pin;
use core::slice;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_net_driver::Driver;
use embedded_hal_async::i2c::I2c;
use rand_core::Rng;
use wavetank_stack::time::Delay;
use wavetank_stack::{Cidr, Clock, Duration, Limits, Probe, Resources, Route, Runner, Stack};

pub use self::by_name::{Hub, run_by_dhcp, run_by_dhcp_kept};
use self::dial::HubDial;
use self::shared::Shared;
use self::uplink::Uplink;
use crate::sht4x::Sht4x;
use crate::updates::{Host, Keep};
use crate::{Backoff, DeviceId, Exit, ResetCause, SharedRng};

/// Readings that are kept for a hub that is away.
const BACKLOG_MAX: usize = 40;
/// A TCP connection's buffers, one way: a reading is 250 bytes with its head.
const STREAM_BYTES: usize = 512;
/// The longest packet that waits for a neighbour: nothing larger than an echo reply has to.
const PACKET_BYTES: usize = 128;
/// The head of the hub's longest answer.
const HEAD_BYTES: usize = 512;

/// How long the last connection may take to be gone.
const LINGER: Duration = Duration::from_secs(2);

/// What a thermostat that is well has shown: its sensor has measured.
const SENSOR_WELL: u8 = 1;

/// One connection, the next of which waits until the last is gone; and one for updates where there are any.
type Memory<'r, const CONNECTIONS: usize> = Resources<'r, CONNECTIONS, 0, STREAM_BYTES, PACKET_BYTES, 0, 4>;

/// What a thermostat is made of.
#[derive(Clone, Debug)]
pub struct Parts<I, N, C, R, P> {
    /// The bus with the SHT4x sensor.
    pub i2c: I,
    /// The network interface. A driver with large buffers is better lent than moved in: `&mut` is a driver too.
    pub net: N,
    /// The monotonic clock.
    pub clock: C,
    /// Entropy: the network's sequence numbers and the jitter of retries come from it.
    pub rng: R,
    /// Who is told what the device does, under the names of [`metrics`].
    pub probe: P,
}

/// A place on the network that somebody chose for the thermostat.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// Its own address, and with it the network that it is in.
    pub address: Cidr,
    /// The way to a hub that is not in that network.
    pub route: Option<Route>,
    /// Where the hub listens.
    pub hub: SocketAddr,
}

/// Displays the hub.
impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hub.fmt(f)
    }
}

/// What a thermostat is told once.
#[derive(Clone, Debug)]
pub struct Config<N = Fixed> {
    /// Its name at the hub.
    pub id: DeviceId,
    /// How it reaches the hub: from a [`Fixed`] place, or just the [`Hub`], for one that finds the rest itself.
    pub network: N,
    /// From one reading to the next; at least 20 ms.
    pub period: Duration,
    /// Waits between attempts to reach the hub.
    pub backoff: Backoff,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// How long the hub may take to answer one request.
    pub exchange_timeout: Duration,
    /// Who says that it has less room than its memory is. Default: nobody.
    pub limits: Limits,
}

impl Config {
    /// The usual settings: a hub in the same network, a reading a second, 5 s for the hub to answer.
    pub fn new(id: DeviceId, address: Cidr, hub: SocketAddr) -> Self {
        Self::on(Fixed { address, route: None, hub }, id)
    }
}

impl<N> Config<N> {
    /// The usual settings on that network.
    pub fn on(network: N, id: DeviceId) -> Self {
        Config {
            id,
            network,
            period: Duration::from_secs(1),
            backoff: Backoff::default(),
            connect_timeout: Duration::from_secs(5),
            exchange_timeout: Duration::from_secs(5),
            limits: Limits::default(),
        }
    }
}

/// Runs the thermostat. Nothing makes it stop by itself; it is stopped by dropping the future.
///
/// All its memory is in the future: some 8 KiB, none of it for updates, and whatever the parts take.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
pub fn run<I, N, C, R, P>(parts: Parts<I, N, C, R, P>, config: Config, cause: ResetCause) -> impl Future<Output = Exit>
where
    I: I2c,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
{
    async move {
        let Parts { i2c, net, clock, mut rng, probe } = parts;
        let (clock, probe) = (&clock, &probe);
        probe.count(cause.metric(), 1);

        let mut memory = Memory::<1>::new();
        let (stack, mut runner) = plug_in(&mut memory, net, clock, &config, rng.next_u64());

        let shared = Shared::<_, BACKLOG_MAX>::new(&config.id, probe, None);
        let mut sensor = Sht4x::new(i2c, Delay::new(clock));
        let uplink = Uplink { config: &config, clock, shared: &shared };
        let mut dial = HubDial::new(&stack, clock, config.network.hub);
        let mut head = [0; HEAD_BYTES];
        // Pinned here, because a future that is handed on by value is stored twice.
        let device = pin!(join(
            sampler::sample(&mut sensor, clock, config.period, &shared),
            uplink.run(&mut dial, &mut rng, &mut head),
        ));
        let (never, _) = runner.run_with(stack.telling(probe, device)).await;
        match never {}
    }
}

/// Runs a thermostat that takes updates, or only reports its health: until it asks to be started with one, by [`Exit::SwapImage`].
/// An image on trial has to measure the temperature, and to reach the hub that hands out images. Otherwise as [`run`].
///
/// All its memory is in the future: some 12 KiB, and whatever the parts take.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
pub fn run_kept<I, N, C, R, P, K>(
    parts: Parts<I, N, C, R, P>,
    keep: K,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Exit>
where
    I: I2c,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
    K: Keep,
{
    async move {
        let Parts { i2c, net, clock, mut rng, probe } = parts;
        let (clock, probe) = (&clock, &probe);
        probe.count(cause.metric(), 1);

        let mut memory = Memory::<2>::new();
        let (stack, mut runner) = plug_in(&mut memory, net, clock, &config, rng.next_u64());

        let vitals = K::vitals(SENSOR_WELL, cause, clock.now(), &mut rng);
        let rng = RefCell::new(rng);
        let shared = Shared::<_, BACKLOG_MAX>::new(&config.id, probe, Some(&vitals));
        let mut sensor = Sht4x::new(i2c, Delay::new(clock));
        let uplink = Uplink { config: &config, clock, shared: &shared };
        let mut dial = HubDial::new(&stack, clock, config.network.hub);
        let (mut head, mut jitter) = ([0; HEAD_BYTES], SharedRng::new(&rng));
        let host = Host { id: &config.id, stack: &stack, clock, probe, vitals: &vitals };
        let work = pin!(join(
            sampler::sample(&mut sensor, clock, config.period, &shared),
            uplink.run(&mut dial, &mut jitter, &mut head),
        ));
        let keeping = pin!(keep.keep(host, SharedRng::new(&rng)));
        match runner.run_with(stack.telling(probe, pin!(select(work, keeping)))).await {
            Either::First((never, _)) => match never {},
            Either::Second(exit) => exit,
        }
    }
}

/// The stack at a fixed place on the network.
fn plug_in<'r, const CONNECTIONS: usize, N: Driver, C: Clock>(
    memory: &'r mut Memory<'r, CONNECTIONS>,
    net: N,
    clock: C,
    config: &Config,
    seed: u64,
) -> (Stack<'r>, Runner<'r, N, C>) {
    let address = slice::from_ref(&config.network.address);
    let mut network = wavetank_stack::Config::new(address, config.network.route.as_slice());
    (network.linger, network.limits) = (LINGER, config.limits.clone());
    Stack::new(memory, net, clock, &network, seed)
}
