//! The gateway: a border router between a network of radios (IEEE 802.15.4 with 6LoWPAN) and an Ethernet.
//!
//! - It has a stack in each of the two networks, and passes packets of IPv6 between them ([`Forwarder`]). The radios' hosts hear
//!   that it is there, and which addresses they can have ([`advertise`]).
//! - It is a host itself: whoever is on the Ethernet can ping it, it fetches its updates there, and once a [`Config::beat`] it
//!   asks a station there, usually the hub, whether it answers: the uplink.
//! - Of its health it says whether the uplink answers, how often its light or its button failed, as what it lost how many
//!   packets it had to drop, and what both its stacks have counted, that among the radios as of the last beat.
//! - A light says how the uplink is: it burns while the uplink answers, and blinks while it does not. A button that is held for
//!   [`Config::hold`] starts the gateway anew; meanwhile the light blinks fast.
//! - What it forwards is nowhere but on its way: nothing of it outlives a power cut, and whoever sent it sends it again.
//! - It takes updates and reports its health, or only reports it, if it is given what that needs ([`run_kept`]), beside its other
//!   work. Packets are not forwarded from the reset into the new image until that runs.

pub mod metrics;
mod panel;

#[cfg(test)]
mod tests;

use core::cell::RefCell;
use core::convert::Infallible;
use core::fmt::Debug;
use core::net::{IpAddr, Ipv6Addr};
use core::pin::pin;
use core::slice;

use embassy_futures::join::join4;
use embassy_futures::select::{Either3, select3};
use embassy_net_driver::Driver;
use embedded_hal::digital::{InputPin, OutputPin};
use embedded_hal_async::digital::Wait;
use rand_core::Rng;
use wavetank_stack::forward::{Forwarder, OFFERED_CONTEXTS_MAX, Offer, PACKET_MAX, advertise};
use wavetank_stack::icmp::Pinger;
use wavetank_stack::lowpan::{self, Contexts, Counts, Lowpan};
use wavetank_stack::time::sleep;
use wavetank_stack::{Cidr, Clock, Duration, Limits, Probe, Resources, Route, Stack};

use self::panel::{Panel, Show, press};
use crate::updates::{Host, Keep, NoUpdates};
use crate::{DeviceId, Exit, ResetCause, SharedRng};

/// A TCP connection's buffers, one way, of one that takes updates.
const STREAM_BYTES: usize = 512;
/// How long the last connection may take to be gone.
const LINGER: Duration = Duration::from_secs(2);
/// After so many questions without an answer the uplink is down.
const MISSES: u32 = 3;
/// How long to wait for a socket where there is none.
const WANTING: Duration = Duration::from_secs(1);
/// Packets of the radios' that are put together at a time.
const REASSEMBLIES: usize = 4;

/// How many networks beyond can be shortened: the radios' own is a context, too.
pub const SHORTENS_MAX: usize = OFFERED_CONTEXTS_MAX - 1;

/// What a gateway that is well has shown: its uplink answers.
const UPLINK_WELL: u8 = 1;

/// On the Ethernet: a connection for updates where there are any; a socket for packets in transit, and one that asks whether the
/// uplink is there.
type LanMemory<'r, const CONNECTIONS: usize> = Resources<'r, CONNECTIONS, 2, STREAM_BYTES, { 2 * PACKET_MAX }, 0, 8>;
/// Among the radios: a socket for packets in transit, and one for what the router says. The link knows its neighbours.
type AirMemory<'r> = Resources<'r, 0, 2, 0, { 2 * lowpan::PACKET_MAX }, 0, 1>;

/// What a gateway is made of.
#[derive(Clone, Debug)]
pub struct Parts<E, W, O, B, C, R, P> {
    /// The Ethernet.
    pub lan: E,
    /// The radio: a driver of frames of IEEE 802.15.4, without their check sequence.
    pub radio: W,
    /// The pin that the light is on while it is high.
    pub light: O,
    /// The pin that is high while the button is pressed.
    pub button: B,
    /// The monotonic clock.
    pub clock: C,
    /// Entropy: the network's numbers and the jitter of what it says come from it.
    pub rng: R,
    /// Who is told what the device does, under the names of [`metrics`].
    pub probe: P,
}

/// What a gateway is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name at the hub.
    pub id: DeviceId,
    /// Its own address on the Ethernet, of IPv6, and with it the network there.
    pub address: Cidr,
    /// The way to what is in neither network.
    pub route: Option<Route>,
    /// The number of the radios' network (PAN).
    pub pan: u16,
    /// The first 64 bits of the radios' addresses, its own one included.
    pub prefix: Ipv6Addr,
    /// Networks beyond whose addresses are shortened by radio, too (RFC 6775, section 4.2): only where all the radios' hosts learn
    /// by what from what the gateway says. Default: none.
    pub shortens: [Option<Cidr>; SHORTENS_MAX],
    /// Who has to answer for the uplink to be well: a station on the Ethernet, or beyond.
    pub uplink: IpAddr,
    /// From one question whether the uplink is there to the next.
    pub beat: Duration,
    /// How long an answer may take.
    pub patience: Duration,
    /// How long the button has to be held.
    pub hold: Duration,
    /// For how long the radios' hosts may rely on it and on their addresses without hearing of it again.
    pub lifetime: Duration,
    /// Who says that it has less room than its memory is. Default: nobody.
    pub limits: Limits,
}

impl Config {
    /// The usual settings: a question every ten seconds, three seconds for the button, half an hour for the hosts.
    pub fn new(id: DeviceId, address: Cidr, pan: u16, prefix: Ipv6Addr, uplink: IpAddr) -> Self {
        Self {
            id,
            address,
            route: None,
            pan,
            prefix,
            shortens: [None; SHORTENS_MAX],
            uplink,
            beat: Duration::from_secs(10),
            patience: Duration::from_secs(2),
            hold: Duration::from_secs(3),
            lifetime: Duration::from_secs(1_800),
            limits: Limits::default(),
        }
    }

    fn offer(&self) -> Offer {
        let mut offer = Offer::new(self.prefix);
        (offer.lifetime, offer.interval) = (self.lifetime, self.lifetime / 3);
        offer.contexts = self.contexts();
        offer
    }

    /// By what addresses are shortened among the radios, by number.
    fn contexts(&self) -> [Option<lowpan::Context>; OFFERED_CONTEXTS_MAX] {
        let own = Some((IpAddr::V6(self.prefix), 64));
        let mut all = core::iter::once(own).chain(self.shortens.map(|it| it.map(|it| (it.address(), it.prefix()))));
        core::array::from_fn(|_| match all.next().flatten() {
            Some((IpAddr::V6(prefix), bits)) => Some(lowpan::Context::new(prefix, bits)),
            _ => None,
        })
    }
}

/// Runs the gateway until its button is held, and asks to be started anew then.
///
/// All its memory is in the future: some 50 KiB, and whatever the parts take.
///
/// # Panics
/// If the drivers are not of Ethernet and of IEEE 802.15.4, or [`Config::address`] cannot be a station's.
pub fn run<E, W, O, B, C, R, P>(
    parts: Parts<E, W, O, B, C, R, P>,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Exit>
where
    E: Driver,
    W: Driver,
    O: OutputPin,
    B: InputPin + Wait,
    C: Clock,
    R: Rng,
    P: Probe,
{
    run_with::<0, _, _, _, _, _, _, _, _>(parts, NoUpdates, config, cause)
}

/// Runs a gateway that takes updates, or only reports its health: until its button is held, or it asks to be started with one, by
/// [`Exit::SwapImage`]. An image on trial has to hear from its uplink, and to reach the hub that hands out images. Otherwise as [`run`].
///
/// All its memory is in the future: some 54 KiB, and whatever the parts take.
///
/// # Panics
/// As [`run`].
pub fn run_kept<E, W, O, B, C, R, P, K>(
    parts: Parts<E, W, O, B, C, R, P>,
    keep: K,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Exit>
where
    E: Driver,
    W: Driver,
    O: OutputPin,
    B: InputPin + Wait,
    C: Clock,
    R: Rng,
    P: Probe,
    K: Keep,
{
    run_with::<1, _, _, _, _, _, _, _, _>(parts, keep, config, cause)
}

/// Runs it with so many connections, and what keeps it.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
fn run_with<const CONNECTIONS: usize, E, W, O, B, C, R, P, K>(
    parts: Parts<E, W, O, B, C, R, P>,
    updates: K,
    config: Config,
    cause: ResetCause,
) -> impl Future<Output = Exit>
where
    E: Driver,
    W: Driver,
    O: OutputPin,
    B: InputPin + Wait,
    C: Clock,
    R: Rng,
    P: Probe,
    K: Keep,
{
    async move {
        let Parts { lan, radio, light, mut button, clock, mut rng, probe } = parts;
        let (clock, probe) = (&clock, &probe);
        probe.count(cause.metric(), 1);
        let vitals = K::vitals(UPLINK_WELL, cause, clock.now(), &mut rng);
        let panel = Panel::new(light, probe, &vitals);

        let (mut packets, counts) = (lowpan::Memory::<REASSEMBLIES>::new(), Counts::new());
        let options = lowpan::Options::new(config.pan).with_prefix(config.prefix);
        let contexts = Contexts::new();
        (0..).zip(config.contexts()).for_each(|(number, context)| contexts.set(number, context));
        let link = Lowpan::new(radio, clock, &mut packets, &counts, options).learning(&contexts);
        let own = [link.address().link_local(), link.address().within(config.prefix)];
        let (mut lan_memory, mut air_memory) = (LanMemory::<CONNECTIONS>::new(), AirMemory::new());
        let (lan, mut by_cable) = {
            let mut network = wavetank_stack::Config::new(slice::from_ref(&config.address), config.route.as_slice());
            network.limits = config.limits.clone();
            network.linger = LINGER;
            Stack::new(&mut lan_memory, lan, clock, &network, rng.next_u64())
        };
        let (air, mut by_radio) = {
            let mut network = wavetank_stack::Config::new(&own, &[]);
            network.limits = config.limits.clone();
            Stack::new(&mut air_memory, link, clock, &network, rng.next_u64())
        };
        // A slot of each stack is meant for it: only where there is less than that, there is none.
        let Ok(forwarder) = Forwarder::new([&lan, &air], clock) else {
            sleep(clock, WANTING).await;
            return Exit::Reboot;
        };
        let rng = RefCell::new(rng);
        let host = Host { id: &config.id, stack: &lan, clock, probe, vitals: &vitals };
        let work = pin!(join4(
            forwarder.run(probe),
            announce(&air, clock, SharedRng::new(&rng), config.offer()),
            watch([&lan, &air], clock, &forwarder, &config, &panel),
            panel.run(clock),
        ));
        let keeping = pin!(updates.keep(host, SharedRng::new(&rng)));
        let pressing = pin!(press(&mut button, clock, config.hold, &panel));
        let all = pin!(select3(work, keeping, pressing));
        let among_radios = pin!(by_radio.run_with(air.telling(probe, all)));
        match by_cable.run_with(lan.telling(probe, among_radios)).await {
            Either3::First((never, ..)) => match never {},
            Either3::Second(exit) => exit,
            Either3::Third(()) => {
                probe.count(metrics::BUTTON_HELD, 1);
                Exit::Reboot
            }
        }
    }
}

/// Says to the radios' hosts that there is a router.
async fn announce(air: &Stack<'_>, clock: &impl Clock, mut rng: impl Rng, offer: Offer) -> Infallible {
    loop {
        // It ends only where there is no socket for it.
        let _ = advertise(air, clock, &mut rng, offer).await;
        sleep(clock, WANTING).await;
    }
}

/// Asks again and again whether the uplink is there, and notes what was lost on the way.
async fn watch<C: Clock>(
    [lan, air]: [&Stack<'_>; 2],
    clock: &C,
    forwarder: &Forwarder<'_, &C>,
    config: &Config,
    panel: &Panel<'_, impl OutputPin, impl Probe>,
) -> Infallible {
    let mut pinger = loop {
        match Pinger::new(lan) {
            Ok(pinger) => break pinger,
            Err(_) => sleep(clock, WANTING).await,
        }
    };
    let (mut missed, mut lost) = (0_u32, 0);
    loop {
        let answers = pinger.ping(clock, config.uplink, 0, config.patience).await.is_ok();
        panel.vitals.reached(answers);
        if answers {
            missed = 0;
            panel.vitals.show(UPLINK_WELL);
            panel.show(Show::Well);
        } else {
            missed = missed.saturating_add(1);
            panel.probe.count(metrics::UPLINK_MISSES, 1);
            if missed >= MISSES {
                panel.show(Show::CutOff);
            }
        }
        panel.vitals.beside(&air.stats());
        let dropped = forwarder.dropped();
        panel.vitals.lost(dropped.wrapping_sub(core::mem::replace(&mut lost, dropped)));
        sleep(clock, config.beat).await;
    }
}
