//! A thermostat that nobody has told an address: it gets its network from a DHCP server, and finds its hub by name.

use core::cell::RefCell;
use core::fmt;
use core::net::SocketAddr;
use core::pin::pin;

use embassy_futures::join::join3;
use embassy_futures::select::{Either, select};
use embassy_net_driver::Driver;
use embedded_hal_async::i2c::I2c;
use rand_core::Rng;
use wavetank_stack::dhcp::{Client, Event, Options as DhcpOptions};
use wavetank_stack::dns::{Family, Name, Options as DnsOptions, Resolver};
use wavetank_stack::time::{Delay, sleep};
use wavetank_stack::{Clock, Duration, Probe, Resources, Stack, tcp};

use super::shared::Shared;
use super::uplink::{Dial, Uplink};
use super::{BACKLOG_MAX, Config, HEAD_BYTES, LINGER, Parts, SENSOR_WELL, STREAM_BYTES, metrics, sampler};
use crate::dial::connect;
use crate::sht4x::Sht4x;
use crate::updates::{Host, Keep, NoUpdates};
use crate::{Exit, ResetCause, SharedRng};

/// A datagram of a DHCP or name server.
const DATAGRAM_BYTES: usize = 600;
/// Answers of name servers that are remembered.
const NAMES_MAX: usize = 2;
/// How long to wait for a socket where there is none.
const WANTING: Duration = Duration::from_secs(1);

/// One connection, and one for updates where there are any; a socket for the DHCP client, and one for the resolver.
type Memory<'r, const CONNECTIONS: usize> = Resources<'r, CONNECTIONS, 2, STREAM_BYTES, DATAGRAM_BYTES, 0, 4>;

/// Where the hub is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hub {
    /// At this address.
    At(SocketAddr),
    /// At whatever address the name servers know under this name.
    Named(Name, u16),
}

impl fmt::Display for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hub::At(address) => address.fmt(f),
            Hub::Named(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// Runs a thermostat that gets its address, router and name servers by DHCP. Otherwise as [`run`](super::run).
///
/// All its memory is in the future: some 16 KiB, and whatever the parts take.
pub fn run_by_dhcp<I, N, C, R, P>(
    parts: Parts<I, N, C, R, P>,
    config: Config<Hub>,
    cause: ResetCause,
) -> impl Future<Output = Exit>
where
    I: I2c,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
{
    run_with::<1, _, _, _, _, _, _>(parts, NoUpdates, config, cause)
}

/// Runs a thermostat that gets its address by DHCP, and is kept as by [`run_kept`](super::run_kept).
///
/// All its memory is in the future: some 20 KiB, and whatever the parts take.
pub fn run_by_dhcp_kept<I, N, C, R, P, K>(
    parts: Parts<I, N, C, R, P>,
    keep: K,
    config: Config<Hub>,
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
    run_with::<2, _, _, _, _, _, _>(parts, keep, config, cause)
}

/// Runs it with so many connections, and what keeps it.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
fn run_with<const CONNECTIONS: usize, I, N, C, R, P, U>(
    parts: Parts<I, N, C, R, P>,
    updates: U,
    config: Config<Hub>,
    cause: ResetCause,
) -> impl Future<Output = Exit>
where
    I: I2c,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
    U: Keep,
{
    async move {
        let Parts { i2c, net, clock, mut rng, probe } = parts;
        let (clock, probe) = (&clock, &probe);
        probe.count(cause.metric(), 1);

        let mut memory = Memory::<CONNECTIONS>::new();
        let mut network = wavetank_stack::Config::default();
        (network.linger, network.limits) = (LINGER, config.limits.clone());
        let (stack, mut runner) = Stack::new(&mut memory, net, clock, &network, rng.next_u64());

        let vitals = U::vitals(SENSOR_WELL, cause, clock.now(), &mut rng);
        let rng = RefCell::new(rng);
        let mut options = DhcpOptions::default();
        options.host_name = Some(config.id.as_str());
        let mut client = Client::new(&stack, clock, SharedRng::new(&rng), options);
        let resolver = Resolver::new(&stack, clock, SharedRng::new(&rng), DnsOptions::default());
        let mut dial = NamedDial { hub: &config.network, stack: &stack, clock, probe, resolver };

        let shared = Shared::<_, BACKLOG_MAX>::new(&config.id, probe, Some(&vitals));
        let mut sensor = Sht4x::new(i2c, Delay::new(clock));
        let uplink = Uplink { config: &config, clock, shared: &shared };
        let (mut head, mut jitter) = ([0; HEAD_BYTES], SharedRng::new(&rng));
        let host = Host { id: &config.id, stack: &stack, clock, probe, vitals: &vitals };
        let work = pin!(join3(
            sampler::sample(&mut sensor, clock, config.period, &shared),
            uplink.run(&mut dial, &mut jitter, &mut head),
            async {
                loop {
                    // It ends only where there is no socket for it.
                    let _ = client.run(|event| tell(probe, &event)).await;
                    sleep(clock, WANTING).await;
                }
            },
        ));
        let keeping = pin!(updates.keep(host, SharedRng::new(&rng)));
        match runner.run_with(stack.telling(probe, pin!(select(work, keeping)))).await {
            Either::First((never, ..)) => match never {},
            Either::Second(exit) => exit,
        }
    }
}

/// Tells what became of the address.
fn tell(probe: &impl Probe, event: &Event) {
    match event {
        Event::Bound(_) => {
            probe.count(metrics::LEASES_BOUND, 1);
            probe.gauge(metrics::LEASE, 1);
        }
        Event::Renewed(_) => probe.count(metrics::LEASES_RENEWED, 1),
        Event::Refused => {
            probe.count(metrics::LEASES_REFUSED, 1);
            probe.gauge(metrics::LEASE, 0);
        }
        Event::Conflict { .. } => {
            probe.count(metrics::LEASES_CONTESTED, 1);
            probe.gauge(metrics::LEASE, 0);
        }
        Event::Expired(_) => {
            probe.count(metrics::LEASES_EXPIRED, 1);
            probe.gauge(metrics::LEASE, 0);
        }
        _ => {}
    }
}

/// Calls the hub, wherever its name leads to by then.
struct NamedDial<'a, 'r, C, R, P> {
    hub: &'a Hub,
    stack: &'a Stack<'r>,
    clock: &'a C,
    probe: &'a P,
    resolver: Resolver<'r, &'a C, R, NAMES_MAX>,
}

impl<'r, C: Clock, R: Rng, P: Probe> Dial for NamedDial<'_, 'r, C, R, P> {
    type Stream = tcp::Stream<'r>;

    async fn dial(&mut self) -> Option<tcp::Stream<'r>> {
        self.stack.until_configured().await;
        let hub = match self.hub {
            Hub::At(address) => *address,
            Hub::Named(name, port) => {
                let found = self.resolver.resolve(name.as_str(), Family::Any).await;
                let Some(address) = found.ok().and_then(|addresses| addresses.first().copied()) else {
                    self.probe.count(metrics::NAMES_FAILED, 1);
                    return None;
                };
                SocketAddr::new(address, *port)
            }
        };
        connect(self.stack, self.clock, hub).await
    }

    fn abort(&mut self, stream: tcp::Stream<'r>) {
        stream.abort();
    }
}
