//! Prints what seeds of scenarios come to, for `cargo xtask builds` to hold one build of this against another.
//!
//! `wavetank-builds [--watched] SEEDS FILE…` prints a line for each of so many seeds, from the scenario's own upwards: the
//! file, the seed, and the fingerprint or why there is none. Each world has a thread of its own; where there are no
//! threads, they run on this one, one after the other.

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use wavetank_scenarios::explore::threads;
use wavetank_scenarios::run::{Record, RunError, here};
use wavetank_scenarios::{Plan, Registry, RunOptions, start};
use wavetank_sim::session::Pace;
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let looking = match arguments.first().map(String::as_str) {
        Some("--watched") => {
            arguments.remove(0);
            Looking::On
        }
        _ => Looking::Off,
    };
    let [seeds, files @ ..] = &arguments[..] else { return Err("usage: [--watched] SEEDS FILE...".into()) };
    let seeds = seeds.parse()?;
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let plan = Plan::read(file, &text, &Registry::builtin()).map_err(|problems| format!("{file}: {problems:?}"))?;
        print(file, &Arc::new(plan), seeds, looking);
    }
    Ok(())
}

/// Whether somebody looks at the worlds while they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looking {
    Off,
    On,
}

fn print(file: &str, plan: &Arc<Plan>, seeds: u64, looking: Looking) {
    let told = |seed, ran: Result<Snapshot, RunError>| match ran {
        Ok(end) => println!("{file} {seed} {}", end.fingerprint),
        Err(error) => println!("{file} {seed} {}", error.to_string().replace('\n', " ")),
    };
    if cfg!(target_family = "wasm") {
        for seed in (0..seeds).map(|index| plan.seed.wrapping_add(index)) {
            told(seed, here(plan, &RunOptions { seed: Some(seed), ..RunOptions::default() }));
        }
        return;
    }
    let ran = |seed| run(plan, seed, looking);
    let _: ControlFlow<()> = threads::in_order((plan.seed, seeds), threads::jobs(), ran, |seed, ran| {
        told(seed, ran);
        ControlFlow::Continue(())
    });
}

/// How many events a run that is watched takes between two looks.
const LOOK_EVENTS: u64 = 500;

fn run(plan: &Arc<Plan>, seed: u64, looking: Looking) -> Result<Snapshot, RunError> {
    let plan = plan.settled(seed)?;
    let end = Instant::from_nanos(plan.duration_ns);
    let options = RunOptions { seed: Some(seed), ..RunOptions::default() };
    if looking == Looking::Off {
        let session = start(&plan, &options)?;
        session.run_until(end)?;
        return Ok(session.finish()?);
    }
    // As the terminal's interface does, and then some: it steps, lets the world run, holds it, and looks each time.
    let session = start(&plan, &RunOptions { recent_events: 64, record: Record::On, ..options })?;
    let mut events = u64::MAX;
    while session.progress().events() != events {
        events = session.progress().events();
        session.step(LOOK_EVENTS, end)?;
        session.snapshot()?;
        session.run(end, Pace::PerMille(1_000_000))?;
        session.pause()?;
        session.snapshot()?;
    }
    session.run_until(end)?;
    Ok(session.finish()?)
}
