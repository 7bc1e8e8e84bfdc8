//! What the screen costs: a look at a world, and a picture of it. Worlds are the first light with more and more thermostats.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wavetank_scenarios::{Plan, Registry, RunOptions, start};
use wavetank_sim::session::{Pace, Session};
use wavetank_sim::time::Instant;
use wavetank_tui::{Opening, Watch, picture};

const FIRST_LIGHT: &str = include_str!("../../scenarios/gallery/first-light.toml");
/// When the world is looked at: after the storm.
const AT: Instant = Instant::from_nanos(30_000_000_000);
const DEVICES: [u32; 3] = [3, 30, 200];

fn session(devices: u32) -> Session {
    let text = FIRST_LIGHT.replace("count = 3", &format!("count = {devices}"));
    let plan = Plan::read("first-light.toml", &text, &Registry::builtin()).expect("a gallery scenario");
    let session = start(&plan.into(), &RunOptions::default()).expect("starts");
    // As many events as the screen keeps.
    session.call(|world| world.keep_recent(10_000)).expect("lives");
    session.run_until(AT).expect("runs");
    session
}

fn watch() -> Watch {
    let (pace, end) = (Pace::PerMille(1_000), Instant::from_nanos(60_000_000_000));
    Watch { title: "First light".into(), seed: 42, end, pace, opening: Opening::Running }
}

fn screen(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tui");
    for devices in DEVICES {
        let session = session(devices);
        group.bench_function(BenchmarkId::new("look", devices), |bencher| {
            bencher.iter_custom(|rounds| {
                let looks = move |world: &mut wavetank_sim::world::World| {
                    let began = std::time::Instant::now();
                    (0..rounds).for_each(|_| drop(std::hint::black_box(world.snapshot())));
                    began.elapsed()
                };
                session.call(looks).expect("lives")
            });
        });
        let snapshot = session.snapshot().expect("lives");
        for (columns, rows) in [(100, 30), (300, 100)] {
            let name = BenchmarkId::new(format!("picture-{columns}x{rows}"), devices);
            group.bench_function(name, |bencher| {
                bencher.iter_batched(
                    || (watch(), snapshot.clone()),
                    |(watch, snapshot)| picture(watch, snapshot, columns, rows),
                    criterion::BatchSize::LargeInput,
                );
            });
        }
        session.finish().expect("ends");
    }
    group.finish();
}

criterion_group!(benches, screen);
criterion_main!(benches);
