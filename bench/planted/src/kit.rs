//! What the systems share: a node with a stack, and datagrams and connections of numbers.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use embedded_io_async::{Read, Write};
use futures::future::{Either, select};
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_scenarios::registry::{Flow, Metric, TypedKind};
use wavetank_scenarios::runtime::{Network, TankClock};
use wavetank_scenarios::site::Site;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::{Stack, tcp, udp};

use crate::Build;

/// Nothing to configure.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A node that has booted, with its stack, and `P`: its hardware, or whatever else outlives its reboots.
#[derive(Clone)]
pub(crate) struct Host<P = ()> {
    pub(crate) node: Node,
    pub(crate) stack: Stack<'static>,
    pub(crate) build: Build,
    pub(crate) parts: P,
}

/// What scenarios ask of a kind.
#[derive(Clone, Copy)]
pub(crate) struct Reports {
    pub(crate) metrics: &'static [Metric],
    pub(crate) flows: &'static [Flow],
}

pub(crate) const NOTHING: Reports = Reports { metrics: &[], flows: &[] };

/// A kind whose nodes run `main`, with no hardware of their own.
pub(crate) fn kind<F>(name: &'static str, build: Build, reports: Reports, main: fn(Host) -> F) -> TypedKind<Nothing>
where
    F: Future<Output = Exit> + 'static,
{
    kind_with(name, build, reports, |_| (), main)
}

/// A kind whose nodes run `main`, with what `install` makes for each of them once a world.
pub(crate) fn kind_with<P, F>(
    name: &'static str,
    build: Build,
    reports: Reports,
    install: fn(&mut Site<'_>) -> P,
    main: fn(Host<P>) -> F,
) -> TypedKind<Nothing>
where
    P: Clone + 'static,
    F: Future<Output = Exit> + 'static,
{
    TypedKind::new(name, "Of a system with a planted bug.").metrics(reports.metrics).flows(reports.flows).program(
        move |_, site: &mut Site<'_>| {
            let (network, parts) = (Network::of(site), install(site));
            move |node: Node| {
                let (network, parts) = (network.clone(), parts.clone());
                async move {
                    let nic = node.nic(0).expect("a plan's nodes are plugged in");
                    let clock = TankClock(node.clock());
                    let (stack, mut runner) = Stack::shared(nic, clock, &network.config(), network.seed(&node));
                    runner.run_with(main(Host { node, stack, build, parts })).await
                }
            }
        },
    )
}

impl<P> Host<P> {
    pub(crate) async fn sleep_ms(&self, ms: u64) {
        self.node.clock().sleep(Duration::from_millis(ms)).await;
    }

    /// Milliseconds since it booted.
    pub(crate) fn now_ms(&self) -> u64 {
        self.node.clock().now().as_nanos() / 1_000_000
    }

    /// The future's output, if it comes in time.
    pub(crate) async fn within_ms<F: Future>(&self, ms: u64, future: F) -> Option<F::Output> {
        match select(Box::pin(future), self.node.clock().sleep(Duration::from_millis(ms))).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }

    /// A socket on this port; 0 takes a free one.
    pub(crate) fn socket(&self, port: u16) -> Socket {
        let socket = udp::Socket::bind(&self.stack, port, udp::Options::default());
        Socket(socket.expect("a system takes each port once"))
    }
}

/// An address of the scenario.
pub(crate) fn at(address: &str) -> SocketAddr {
    address.parse().expect("it is written as one")
}

/// A datagram or frame: a few numbers.
pub(crate) type Words<const N: usize> = [u64; N];

/// Sends and receives numbers.
pub(crate) struct Socket(udp::Socket<'static>);

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

impl Socket {
    pub(crate) async fn send<const N: usize>(&self, words: Words<N>, to: SocketAddr) {
        // A datagram that cannot be sent is a lost one.
        let _ = self.0.send_to(&words.map(u64::to_le_bytes).concat(), to).await;
    }

    /// The next datagram that has the right size.
    pub(crate) async fn receive<const N: usize>(&self) -> (Words<N>, SocketAddr) {
        let mut buffer = [0; 128];
        loop {
            if let Ok((len, from)) = self.0.recv_from(&mut buffer).await
                && len == N * 8
            {
                return (words(&buffer), from);
            }
        }
    }

    pub(crate) async fn send_bytes(&self, bytes: &[u8], to: SocketAddr) {
        let _ = self.0.send_to(bytes, to).await;
    }

    pub(crate) async fn receive_bytes<'b>(&self, buffer: &'b mut [u8]) -> (&'b [u8], SocketAddr) {
        loop {
            if let Ok((len, from)) = self.0.recv_from(buffer).await {
                return (&buffer[..len], from);
            }
        }
    }
}

fn words<const N: usize>(bytes: &[u8]) -> Words<N> {
    std::array::from_fn(|n| u64::from_le_bytes(bytes[n * 8..n * 8 + 8].try_into().expect("eight bytes are eight")))
}

/// Writes numbers to a connection. Whether it is still there.
pub(crate) async fn write<const N: usize>(stream: &mut tcp::Stream<'static>, words: Words<N>) -> bool {
    stream.write_all(&words.map(u64::to_le_bytes).concat()).await.is_ok()
}

/// Reads numbers from a connection; `None` at its end.
pub(crate) async fn read<const N: usize>(stream: &mut tcp::Stream<'static>) -> Option<Words<N>> {
    let mut buffer = [0; 128];
    stream.read_exact(&mut buffer[..N * 8]).await.ok()?;
    Some(words(&buffer))
}
