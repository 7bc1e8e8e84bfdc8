//! Side-by-side measurements: the works that wavetank and its peers are measured by, each saying what it did.
//!
//! Every work builds and warms up what it needs, then measures the rest; [`WORKS`] names them all.

pub mod crowd;
pub mod first_light;
pub mod fleet;
pub mod frames;
pub mod growth;
pub mod hosts;
pub mod http;
mod measured;
pub mod queue;
pub mod raw;
mod tank;
pub mod tcp;
pub mod timers;
pub mod udp;

use crowd::Load::{Concurrent, RoundRobin};
use frames::Sea;
use queue::Heap;
use wavetank_sim::queue::Queue;

pub use measured::{Done, Measured, Tally};

/// The command's own allocator.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A work to measure.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// What it is called.
    pub name: &'static str,
    /// What it counts.
    pub item: &'static str,
    run: fn(u32) -> Measured,
}

impl Work {
    /// Does it once. The measured part is `scale` times as long as it usually is; the preparation stays as it is.
    #[must_use]
    pub fn run(&self, scale: u32) -> Measured {
        (self.run)(scale)
    }
}

/// How far ahead events lie, in nanoseconds: at least, and up to how much more. The first is that of ns-3's own benchmark.
const NEAR: (u64, u64) = (100, 1_000);
const FAR: (u64, u64) = (10_000_000, 1_000_000_000);

/// Links that lose and delay.
const ROUGH: Sea = Sea { is_rough: true, is_apart: false, bystanders: 0, faults: 0 };
const APART: Sea = Sea { is_rough: false, is_apart: true, bystanders: 0, faults: 0 };
const APART_ROUGH: Sea = Sea { is_rough: true, ..APART };
/// Nodes that do nothing, and what befalls them and others.
const CROWD: Sea = Sea { is_rough: false, is_apart: false, bystanders: 250, faults: 0 };
const FAULTY: Sea = Sea { faults: 1_000, ..CROWD };

/// All works.
pub const WORKS: &[Work] = &[
    work("queue-1k", "events", |scale| queue::hold::<Queue>(1_000, NEAR, 3_000_000 * u64::from(scale))),
    work("queue-100k", "events", |scale| queue::hold::<Queue>(100_000, NEAR, 3_000_000 * u64::from(scale))),
    work("queue-100k-far", "events", |scale| queue::hold::<Queue>(100_000, FAR, 3_000_000 * u64::from(scale))),
    work("heap-1k", "events", |scale| queue::hold::<Heap>(1_000, NEAR, 3_000_000 * u64::from(scale))),
    work("heap-100k", "events", |scale| queue::hold::<Heap>(100_000, NEAR, 3_000_000 * u64::from(scale))),
    work("heap-100k-far", "events", |scale| queue::hold::<Heap>(100_000, FAR, 3_000_000 * u64::from(scale))),
    work("timers", "wake-ups", |scale| timers::sleepers(1_000, 600 * u64::from(scale))),
    work("timers-100", "wake-ups", |scale| timers::sleepers(100, 6_000 * u64::from(scale))),
    work("frames", "frames", |scale| frames::star(100, 106, 1_000 * u64::from(scale), Sea::default())),
    work("frames-rough", "frames", |scale| frames::star(100, 106, 1_000 * u64::from(scale), ROUGH)),
    work("frames-apart", "frames", |scale| frames::star(100, 106, 1_000 * u64::from(scale), APART)),
    work("frames-apart-rough", "frames", |scale| frames::star(100, 106, 1_000 * u64::from(scale), APART_ROUGH)),
    work("frames-crowd", "frames", |scale| frames::star(100, 106, 1_000 * u64::from(scale), CROWD)),
    work("frames-faults-1000", "frames", |scale| frames::star(100, 106, 1_000 * u64::from(scale), FAULTY)),
    work("udp-star", "datagrams", |scale| udp::star(100, 1_000 * u64::from(scale))),
    work("udp-ring", "runs", |scale| udp::rings(20 * u64::from(scale))),
    work("udp-line-1", "datagrams", |scale| udp::line(1, 10_000 * u64::from(scale))),
    work("udp-line-100", "datagrams", |scale| udp::line(100, 100 * u64::from(scale))),
    work("tcp-ping-pong", "round trips", |scale| tcp::ping_pong(50_000 * u64::from(scale))),
    work("tcp-bulk-1", "segments", |scale| tcp::bulk(1, 10_000 * u64::from(scale))),
    work("tcp-bulk-50", "segments", |scale| tcp::bulk(50, 200 * u64::from(scale))),
    work("http-1", "requests", |scale| http::keep_alive(20_000 * u64::from(scale))),
    work("http-concurrent-10", "requests", |scale| http::growth(Concurrent, 10, 20_000 * u64::from(scale))),
    work("http-concurrent-1000", "requests", |scale| http::growth(Concurrent, 1_000, 20_000 * u64::from(scale))),
    work("http-concurrent-4000", "requests", |scale| http::growth(Concurrent, 4_000, 20_000 * u64::from(scale))),
    work("http-round-robin-10", "requests", |scale| http::growth(RoundRobin, 10, 20_000 * u64::from(scale))),
    work("http-round-robin-1000", "requests", |scale| http::growth(RoundRobin, 1_000, 20_000 * u64::from(scale))),
    work("http-round-robin-4000", "requests", |scale| http::growth(RoundRobin, 4_000, 20_000 * u64::from(scale))),
    work("echo-concurrent-10", "exchanges", |scale| tcp::echo(Concurrent, 10, 20_000 * u64::from(scale))),
    work("echo-concurrent-10000", "exchanges", |scale| tcp::echo(Concurrent, 10_000, 20_000 * u64::from(scale))),
    work("echo-round-robin-10", "exchanges", |scale| tcp::echo(RoundRobin, 10, 20_000 * u64::from(scale))),
    work("echo-round-robin-10000", "exchanges", |scale| tcp::echo(RoundRobin, 10_000, 20_000 * u64::from(scale))),
    work("fleet", "reports", |scale| fleet::reports(10_000, scale)),
    work("first-light", "runs", |scale| first_light::runs(10 * u64::from(scale))),
    work("raw-ping-pong", "round trips", |scale| raw::ping_pong(100_000 * u64::from(scale))),
    work("raw-bulk", "segments", |scale| raw::bulk(100_000 * u64::from(scale))),
];

const fn work(name: &'static str, item: &'static str, run: fn(u32) -> Measured) -> Work {
    Work { name, item, run }
}
