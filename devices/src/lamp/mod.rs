//! The lamp: is told to be on or off, by MQTT and by CoAP, and tells by both what it is.
//!
//! - Commands come as messages to `lamps/NAME/set`, and as `PUT lamp`; its state is kept at the broker under
//!   `lamps/NAME/state`, and is at `lamp` for whoever asks or wants to be told (RFC 7641). All of these are [`Command`]s as
//!   JSON; `on` and `off` will do as well.
//! - Where the two ways contradict each other, the newer command counts, and which one that is does not depend on which
//!   came first: see [`Command`]. So the broker may say an old command again, as it does of a kept one at each subscription,
//!   and a request may arrive late. Whoever commands without numbers is taken to know all that was before; not so what the
//!   broker kept of such a one, of which nobody knows how old it is.
//! - What it obeys is on flash ([`KeyValue`]) before it is acknowledged or told to anybody, and is what the lamp does when the
//!   power is back. A flash that fails is counted; the lamp goes on without: light is worth more than the memory of it.
//! - It takes updates and reports its health, or only reports it, if it is given what that needs ([`run_kept`]), beside its other
//!   work. The light is off from the reset into the new image until that has read what it was.

mod broker;
mod command;
pub mod metrics;
mod server;
mod shared;

#[cfg(test)]
mod tests;

use core::cell::RefCell;
use core::convert::Infallible;
use core::fmt::Debug;
use core::net::SocketAddr;
use core::ops::Range;
use core::pin::pin;
use core::slice;

use embassy_futures::join::join3;
use embassy_futures::select::{Either, select};
use embassy_net_driver::Driver;
use embedded_hal::digital::OutputPin;
use embedded_storage_async::nor_flash::NorFlash;
use rand_core::Rng;
use wavetank_stack::coap::{Server, serve};
use wavetank_stack::mqtt::Client;
use wavetank_stack::storage::{Key, KeyValue, LayoutError};
use wavetank_stack::time::sleep;
use wavetank_stack::{Cidr, Clock, Duration, Limits, Probe, Resources, Route, Stack};

use self::broker::{Publisher, RECEIVED_BYTES, TO_SEND_BYTES, WINDOW};
use self::command::COMMAND_LEN;
pub use self::command::{Command, JSON_MAX, Said};
use self::server::{BODY_MAX, Face};
use self::shared::{Shared, Waiter};
use crate::updates::{Host, Keep, NoUpdates, Vitals};
use crate::{Backoff, DeviceId, Exit, ResetCause, SharedRng};

/// A TCP connection's buffers, one way.
const STREAM_BYTES: usize = 512;
/// A datagram with a command, or with the state.
const DATAGRAM_BYTES: usize = 256;
/// How long the last connection may take to be gone.
const LINGER: Duration = Duration::from_secs(2);
/// How long to wait for a socket where there is none.
const WANTING: Duration = Duration::from_secs(1);
/// Where the state is on the flash.
const STATE: Key = Key(1);

/// What a lamp that is well has shown: it has reached its broker.
const BROKER_WELL: u8 = 1;

/// One connection, to the broker, and one for updates where there are any; one socket, for CoAP.
type Memory<'r, const CONNECTIONS: usize> = Resources<'r, CONNECTIONS, 1, STREAM_BYTES, DATAGRAM_BYTES, 0, 4>;

/// What a lamp is made of.
#[derive(Clone, Debug)]
pub struct Parts<O, F, N, C, R, P> {
    /// The pin that the light is on while it is high.
    pub output: O,
    /// The flash that keeps its state.
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

/// What a lamp is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, at the broker and in its topics.
    pub id: DeviceId,
    /// Its own address, and with it the network that it is in.
    pub address: Cidr,
    /// The way to a broker that is not in that network.
    pub route: Option<Route>,
    /// Where the broker listens.
    pub broker: SocketAddr,
    /// Which pages of the flash hold its state; at least two.
    pub store: Range<u32>,
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
    /// The usual settings: a broker in the same network.
    pub fn new(id: DeviceId, address: Cidr, broker: SocketAddr, store: Range<u32>) -> Self {
        Config {
            id,
            address,
            route: None,
            broker,
            store,
            backoff: Backoff::default(),
            patience: Duration::from_secs(5),
            keep_alive: Duration::from_secs(30),
            limits: Limits::default(),
        }
    }
}

/// Runs the lamp. Nothing makes it stop by itself; it is stopped by dropping the future.
///
/// All its memory is in the future: some 13 KiB, and whatever the parts take.
///
/// # Errors
/// [`LayoutError`] if its state cannot be in that range of the flash.
pub fn run<O, F, N, C, R, P>(
    parts: Parts<O, F, N, C, R, P>,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    O: OutputPin,
    F: NorFlash,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
{
    run_with::<1, _, _, _, _, _, _, _>(parts, NoUpdates, config, cause)
}

/// Runs a lamp that takes updates, or only reports its health: until it asks to be started with one, by [`Exit::SwapImage`].
/// An image on trial has to reach the broker, and the hub that hands out images. Otherwise as [`run`].
///
/// All its memory is in the future: some 17 KiB, and whatever the parts take.
///
/// # Errors
/// As [`run`].
pub fn run_kept<O, F, N, C, R, P, K>(
    parts: Parts<O, F, N, C, R, P>,
    keep: K,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    O: OutputPin,
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
fn run_with<const CONNECTIONS: usize, O, F, N, C, R, P, K>(
    parts: Parts<O, F, N, C, R, P>,
    updates: K,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Result<Exit, LayoutError>>
where
    O: OutputPin,
    F: NorFlash,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
    K: Keep,
{
    async move {
        let Parts { output, flash, net, clock, mut rng, probe } = parts;
        let (clock, probe) = (&clock, &probe);
        probe.count(cause.metric(), 1);
        let vitals = K::vitals(BROKER_WELL, cause, clock.now(), &mut rng);
        let mut store = KeyValue::new(flash, config.store.clone())?;
        let shared = Shared::new(&config.id, probe, &vitals, output, remembered(&mut store, probe, &vitals).await);

        let mut memory = Memory::<CONNECTIONS>::new();
        let (stack, mut runner) = {
            let mut network = wavetank_stack::Config::new(slice::from_ref(&config.address), config.route.as_slice());
            network.limits = config.limits.clone();
            network.linger = LINGER;
            Stack::new(&mut memory, net, clock, &network, rng.next_u64())
        };
        let mut server = Server::<_, BODY_MAX>::new(Face::new(&shared), rng.next_u32() as u16);
        let (mut received, mut to_send) = ([0; RECEIVED_BYTES], [0; TO_SEND_BYTES]);
        let client = Client::<_, _, WINDOW>::new(clock, (), &mut received, &mut to_send);
        let mut publisher = Publisher::new(client, clock, probe, &config, &shared);
        let rng = RefCell::new(rng);
        let mut jitter = SharedRng::new(&rng);
        let host = Host { id: &config.id, stack: &stack, clock, probe, vitals: &vitals };
        let work = pin!(join3(keep(&mut store, &shared, probe, &vitals), publisher.run(&stack, &mut jitter), async {
            loop {
                // It ends only where there is no socket for it.
                let _ = serve(&stack, clock, &mut server, || async {
                    let _state = shared.changed(Waiter::Server, Some(shared.state())).await;
                })
                .await;
                sleep(clock, WANTING).await;
            }
        },));
        let keeping = pin!(updates.keep(host, SharedRng::new(&rng)));
        match runner.run_with(stack.telling(probe, pin!(select(work, keeping)))).await {
            Either::First((never, ..)) => match never {},
            Either::Second(exit) => Ok(exit),
        }
    }
}

/// What it obeyed when it was last written down; off, if it never was told anything.
async fn remembered<F: NorFlash>(store: &mut KeyValue<F>, probe: &impl Probe, vitals: &Vitals) -> Command
where
    F::Error: Debug,
{
    let mut bytes = [0; COMMAND_LEN];
    match store.get(STATE, &mut bytes).await {
        Ok(Some(len)) => Command::decode(&bytes[..len]).unwrap_or_default(),
        Ok(None) => Command::default(),
        Err(_) => {
            probe.count(metrics::FLASH_ERRORS, 1);
            vitals.flash_failed();
            Command::default()
        }
    }
}

/// Writes down what the lamp obeys.
async fn keep<F: NorFlash>(
    store: &mut KeyValue<F>,
    shared: &Shared<'_, impl OutputPin, impl Probe>,
    probe: &impl Probe,
    vitals: &Vitals,
) -> Infallible
where
    F::Error: Debug,
{
    loop {
        let command = shared.unkept().await;
        if store.set(STATE, &command.encode()).await.is_err() {
            probe.count(metrics::FLASH_ERRORS, 1);
            vitals.flash_failed();
        }
        shared.keep(command);
    }
}
