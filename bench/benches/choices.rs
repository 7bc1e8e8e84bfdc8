//! What the kernel is made of, beside what it could have been made of: `cargo bench -p wavetank-bench --bench choices`.
//!
//! The paragraphs that go with it are in bench/README.md, "Why the kernel is made as it is".

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::hash::{DefaultHasher, Hasher};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration as WallDuration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use dary_heap::QuaternaryHeap;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;
use wavetank_bench::queue::{Events, Heap, hold};
use wavetank_sim::node::{Exit, Node, NodeSpec};
use wavetank_sim::queue::Queue;
use wavetank_sim::random::Stream;
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{World, WorldConfig};

fn quick<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(WallDuration::from_millis(300)).measurement_time(WallDuration::from_secs(1));
    group
}

/// A heap of four children a node.
#[derive(Default)]
struct Quaternary {
    heap: QuaternaryHeap<Reverse<(u64, u64, u64)>>,
    sequence: u64,
}

impl Events for Quaternary {
    fn push(&mut self, at: u64, payload: u64) {
        self.heap.push(Reverse((at, self.sequence, payload)));
        self.sequence += 1;
    }

    fn pop(&mut self) -> Option<(u64, u64)> {
        self.heap.pop().map(|Reverse((at, _, payload))| (at, payload))
    }
}

/// Brown's calendar queue: a year of days, each with a sorted list. It never changes the length of its days, which are as
/// long as is best for the pending events that it is tried with: so it is no slower than one that finds that out.
struct Calendar<const DAYS: usize, const DAY_NS: u64> {
    days: Vec<VecDeque<(u64, u64)>>,
    today: usize,
    /// When the day of today ends, this year.
    until: u64,
    len: usize,
}

impl<const DAYS: usize, const DAY_NS: u64> Default for Calendar<DAYS, DAY_NS> {
    fn default() -> Self {
        Self { days: vec![VecDeque::new(); DAYS], today: 0, until: DAY_NS, len: 0 }
    }
}

impl<const DAYS: usize, const DAY_NS: u64> Events for Calendar<DAYS, DAY_NS> {
    fn push(&mut self, at: u64, payload: u64) {
        let day = &mut self.days[(at / DAY_NS) as usize % DAYS];
        let place = day.iter().rposition(|entry| entry.0 <= at).map_or(0, |before| before + 1);
        day.insert(place, (at, payload));
        self.len += 1;
    }

    fn pop(&mut self) -> Option<(u64, u64)> {
        if self.len == 0 {
            return None;
        }
        loop {
            let day = &mut self.days[self.today];
            if day.front().is_some_and(|entry| entry.0 < self.until) {
                self.len -= 1;
                return day.pop_front();
            }
            self.today = (self.today + 1) % DAYS;
            self.until += DAY_NS;
        }
    }
}

fn queues(criterion: &mut Criterion) {
    const COUNT: u64 = 100_000;
    fn with<E: Events>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, pending: u64, delay: (u64, u64)) {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| hold::<E>(pending, delay, COUNT).cpu).sum());
        });
    }
    for (name, pending, delay) in [
        ("1k", 1_000, (100, 1_000)),
        ("100k", 100_000, (100, 1_000)),
        ("100k-far", 100_000, (10_000_000, 1_000_000_000)),
    ] {
        let mut group = quick(criterion, &format!("event queue, {name} pending"));
        group.sample_size(10).throughput(Throughput::Elements(COUNT));
        with::<Queue>(&mut group, "timing wheel", pending, delay);
        with::<Heap>(&mut group, "binary heap", pending, delay);
        with::<Quaternary>(&mut group, "4-ary heap", pending, delay);
        match name {
            "1k" => with::<Calendar<1_024, 1>>(&mut group, "calendar", pending, delay),
            // A hundred of an instant: no day is short enough.
            "100k" => with::<Calendar<1_024, 1>>(&mut group, "calendar", pending, delay),
            _ => with::<Calendar<131_072, 8_192>>(&mut group, "calendar", pending, delay),
        }
        group.finish();
    }
}

/// As long as a frame of the kernel's.
type Frame = Box<[u8; 1_600]>;

/// Where frames come from and go to.
trait Frames: Default {
    fn take(&mut self) -> Frame;
    fn put(&mut self, frame: Frame);
}

/// The last one used is used first.
#[derive(Default)]
struct LastFirst(Vec<Frame>);

impl Frames for LastFirst {
    fn take(&mut self) -> Frame {
        self.0.pop().unwrap_or_else(|| Box::new([0; 1_600]))
    }

    fn put(&mut self, frame: Frame) {
        self.0.push(frame);
    }
}

/// All are used in turn.
#[derive(Default)]
struct InTurn(VecDeque<Frame>);

impl Frames for InTurn {
    fn take(&mut self) -> Frame {
        self.0.pop_front().unwrap_or_else(|| Box::new([0; 1_600]))
    }

    fn put(&mut self, frame: Frame) {
        self.0.push_back(frame);
    }
}

/// None is kept.
#[derive(Default)]
struct Allocated;

impl Frames for Allocated {
    fn take(&mut self) -> Frame {
        Box::new([0; 1_600])
    }

    fn put(&mut self, _: Frame) {}
}

/// A frame is written, and travels while others are; before, a burst had so many in flight.
fn pools(criterion: &mut Criterion) {
    fn with<F: Frames>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, burst: usize) {
        let mut frames = F::default();
        let many: Vec<Frame> = (0..burst).map(|_| frames.take()).collect();
        many.into_iter().for_each(|frame| frames.put(frame));
        let mut flying = VecDeque::with_capacity(8);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut frame = frames.take();
                frame[..120].fill(black_box(7));
                flying.push_back(frame);
                if flying.len() > 4
                    && let Some(landed) = flying.pop_front()
                {
                    black_box(landed[60]);
                    frames.put(landed);
                }
            });
        });
    }
    let mut group = quick(criterion, "frame pool, after a burst of 10,000");
    with::<LastFirst>(&mut group, "last used first", 10_000);
    with::<InTurn>(&mut group, "in turn", 10_000);
    with::<Allocated>(&mut group, "allocated and zeroed", 10_000);
    group.finish();
}

/// Passes on to another waker, so that the kernel does not know whose it is.
struct Foreign(Waker);

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// 100 nodes that sleep for a second 100 times, by timers that know whose waker they have or do not.
fn sleepers(known: bool) -> World {
    let mut world = World::new(&WorldConfig { seed: 1, ..WorldConfig::default() });
    for index in 0..100 {
        world.add_node(NodeSpec::named(format!("sleeper-{index}")), move |node: Node| async move {
            let clock = node.clock();
            for _ in 0..100 {
                let mut timer = pin!(clock.sleep(Duration::from_secs(1)));
                poll_fn(|cx| {
                    if known {
                        return timer.as_mut().poll(cx);
                    }
                    let foreign = Waker::from(Arc::new(Foreign(cx.waker().clone())));
                    timer.as_mut().poll(&mut std::task::Context::from_waker(&foreign))
                })
                .await;
            }
            Exit::Halt
        });
    }
    world
}

fn wakers(criterion: &mut Criterion) {
    let mut group = quick(criterion, "waker, 10,000 wake-ups");
    group.sample_size(10).throughput(Throughput::Elements(10_000));
    for (name, known) in [("known by its address, kept as an id", true), ("cloned and called", false)] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || sleepers(known),
                |mut world| {
                    world.advance(Instant::START + Duration::from_secs(200), u64::MAX);
                    world
                },
                criterion::BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn streams(criterion: &mut Criterion) {
    let mut group = quick(criterion, "stream, derived and drawn from once");
    let label = "link/greenhouse/thermostat-17/tx/loss";
    group.bench_function("XXH3 of the label as ChaCha8's key", |bencher| {
        bencher.iter(|| Stream::new(black_box(42), black_box(label)).next_u64());
    });
    group.bench_function("SHA-256 of the label as ChaCha8's key", |bencher| {
        bencher.iter(|| ChaCha8Rng::from_seed(Sha256::digest(black_box(label)).into()).next_u64());
    });
    group.bench_function("SHA-256 of the label, a draw's number in it, and no generator", |bencher| {
        let mut draw = 0_u64;
        bencher.iter(|| {
            draw += 1;
            let mut hash = Sha256::new();
            hash.update(black_box(label));
            hash.update(draw.to_le_bytes());
            hash.finalize()[0]
        });
    });
    let mut kept = Stream::new(42, label);
    group.bench_function("one that is kept", |bencher| bencher.iter(|| kept.next_u64()));
    group.finish();
}

/// One event of three words, and a frame's bytes.
fn traces(criterion: &mut Criterion) {
    let words = [0x1234_5678_9abc_u64, 0x0002_0000_0003, 17];
    let mut group = quick(criterion, "trace, an event of three words");
    let mut state = 1_u128;
    group.bench_function("mixed into 128 bits by a product", |bencher| {
        bencher.iter(|| {
            let [at, subject, value] = black_box(words);
            let word = u128::from(at ^ subject.rotate_left(20)) << 64 | u128::from(value);
            let product = (state ^ word).wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645);
            state = product ^ product >> 61;
        });
    });
    let mut sip = DefaultHasher::new();
    group.bench_function("written to SipHash", |bencher| {
        bencher.iter(|| black_box(words).into_iter().for_each(|word| sip.write_u64(word)));
    });
    let mut xxh = twox_hash::xxhash3_128::Hasher::new();
    group.bench_function("written to XXH3", |bencher| {
        bencher.iter(|| black_box(words).into_iter().for_each(|word| xxh.write(&word.to_le_bytes())));
    });
    let mut text = String::new();
    group.bench_function("written as JSON", |bencher| {
        use std::fmt::Write as _;
        bencher.iter(|| {
            text.clear();
            let [at, link, ordinal] = black_box(words);
            write!(text, r#"{{"at":{at},"frame-delivered":{{"link":{link},"ordinal":{ordinal}}}}}"#)
        });
    });
    group.finish();
    for length in [106, 1_042] {
        let mut group = quick(criterion, &format!("trace, a frame of {length} bytes"));
        group.throughput(Throughput::Bytes(length));
        let bytes: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
        group.bench_function("XXH3", |bencher| bencher.iter(|| XxHash3_128::oneshot(black_box(&bytes))));
        group.bench_function("SipHash", |bencher| {
            bencher.iter(|| {
                let mut hash = DefaultHasher::new();
                hash.write(black_box(&bytes));
                hash.finish()
            });
        });
        group.bench_function("SHA-256", |bencher| bencher.iter(|| Sha256::digest(black_box(&bytes))));
        group.finish();
    }
}

criterion_group!(benches, queues, pools, wakers, streams, traces);
criterion_main!(benches);
