//! How the cost of one thing grows with how much there is of another.
//!
//! Each curve does the same number of things at every size, so that only what stands around them differs.

use crate::crowd::Load;
use crate::http;
use crate::measured::Measured;
use crate::{fleet, tcp, timers, udp};

/// A curve to measure.
#[derive(Clone, Copy, Debug)]
pub struct Curve {
    /// What it is called.
    pub name: &'static str,
    /// What is done, in words.
    pub what: &'static str,
    /// What it counts.
    pub item: &'static str,
    /// What there is more and more of.
    pub grows: &'static str,
    /// How much of it.
    pub sizes: &'static [u32],
    /// Whether each of it takes memory that is worth telling.
    pub weighs: bool,
    run: fn(u32) -> Measured,
}

impl Curve {
    /// Does it once at that size, which need not be one of [`sizes`](Curve::sizes).
    #[must_use]
    pub fn run(&self, size: u32) -> Measured {
        (self.run)(size)
    }
}

/// All curves.
pub const CURVES: &[Curve] = &[
    Curve {
        name: "event",
        what: "hosts sleep 1 s in a loop",
        item: "wake-up",
        grows: "hosts",
        sizes: &[10, 100, 1_000, 10_000, 100_000],
        weighs: true,
        run: |hosts| timers::sleepers(hosts, 1_000_000 / u64::from(hosts)),
    },
    Curve {
        name: "virtual-time",
        what: "100 hosts sleep 1 s in a loop",
        item: "wake-up",
        grows: "virtual seconds",
        sizes: &[100, 1_000, 10_000, 100_000],
        weighs: false,
        run: |seconds| timers::sleepers(100, seconds.into()),
    },
    Curve {
        name: "datagram",
        what: "ten hosts to a switch, each sends 64 bytes each ms to the next one",
        item: "datagram",
        grows: "hosts",
        sizes: &[10, 100, 1_000, 10_000, 100_000],
        weighs: true,
        run: |hosts| {
            udp::circles(udp::Circles { switches: hosts / 10, ..udp::Circles::ONE }, 1_000_000 / u64::from(hosts))
        },
    },
    Curve {
        name: "idle-hosts",
        what: "10 hosts on one switch send 64 bytes each ms to the next one, others wait for some",
        item: "datagram",
        grows: "hosts that wait",
        sizes: &[10, 100, 1_000, 10_000, 100_000],
        weighs: true,
        run: |idle| udp::circles(udp::Circles { idle, ..udp::Circles::ONE }, 20_000),
    },
    Curve {
        name: "trace-sinks",
        what: "10 hosts on one switch send 64 bytes each ms to the next one, and sinks count the events",
        item: "datagram",
        grows: "sinks",
        sizes: &[1, 2, 4, 8],
        weighs: false,
        run: |sinks| udp::circles(udp::Circles { sinks, ..udp::Circles::ONE }, 20_000),
    },
    Curve {
        name: "links",
        what: "pairs of hosts, each joined by 100 Mbit/s and 5 ms; in each, one sends 1,000 bytes at 90 Mbit/s",
        item: "datagram",
        grows: "links",
        sizes: &[1, 10, 100, 1_000],
        weighs: true,
        run: |pairs| udp::line(pairs, 10_000 / u64::from(pairs)),
    },
    Curve {
        name: "fleet",
        what: "devices behind translating routers report once a minute by CoAP",
        item: "report",
        grows: "devices",
        sizes: &[1_000, 10_000, 100_000],
        weighs: true,
        run: |devices| fleet::reports(devices, 100_000 / devices),
    },
    Curve {
        name: "echo-concurrent",
        what: "64 bytes there and back on kept connections of TCP, each again as soon as it has them",
        item: "exchange",
        grows: "connections",
        sizes: &[10, 100, 1_000, 4_000, 10_000],
        weighs: true,
        run: |connections| tcp::echo(Load::Concurrent, connections, 40_000),
    },
    Curve {
        name: "echo-round-robin",
        what: "64 bytes there and back on one kept connection of TCP after the other, all others idle",
        item: "exchange",
        grows: "connections",
        sizes: &[10, 100, 1_000, 4_000, 10_000],
        weighs: true,
        run: |connections| tcp::echo(Load::RoundRobin, connections, 40_000),
    },
    Curve {
        name: "connections-concurrent",
        what: "HTTP requests on kept connections, each asking again as soon as it is answered",
        item: "request",
        grows: "connections",
        sizes: &[10, 100, 1_000, 4_000, 10_000],
        weighs: true,
        run: |connections| http::growth(Load::Concurrent, connections, 40_000),
    },
    Curve {
        name: "connections-round-robin",
        what: "HTTP requests on one kept connection after the other, all others idle",
        item: "request",
        grows: "connections",
        sizes: &[10, 100, 1_000, 4_000, 10_000],
        weighs: true,
        run: |connections| http::growth(Load::RoundRobin, connections, 40_000),
    },
];
