//! Looks for all planted bugs, or those that are named, and prints what it took as a table in Markdown; with `--guided`,
//! how many runs the guided search takes beside plain seeds.

use std::error::Error;
use std::time::{Duration, Instant};

use wavetank_planted::measure::{Found, find, guidedly, plainly, plan, shrunk};
use wavetank_planted::{Build, System, all};
use wavetank_scenarios::explore::{Panics, listen, threads};
use wavetank_scenarios::run::RunError;

/// How many seeds of each twin are run.
const TWIN_SEEDS: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    listen(Panics::Silent);
    if wanted.first().is_some_and(|word| word == "--guided") {
        wanted.remove(0);
        return compare(&wanted);
    }
    println!("| system | seeds until it is found | time | faults in that run | left | runs to shrink | time | twin |");
    println!("|---|---:|---:|---:|---:|---:|---:|---|");
    let mut all_well = true;
    for system in all().iter().filter(|system| wanted.is_empty() || wanted.iter().any(|name| name == system.name)) {
        let (row, is_well) = row(system)?;
        println!("{row}");
        all_well &= is_well;
    }
    if all_well { Ok(()) } else { Err("not all is as it should be".into()) }
}

/// A system's row, and whether its bug was found in time and its twin is clean.
fn row(system: &System) -> Result<(String, bool), Box<dyn Error>> {
    let jobs = threads::jobs();
    let name = system.name;
    let Some(found) = find(system, Build::Planted, system.seeds_max, jobs)? else {
        return Ok((format!("| {name} | **not in {}** | | | | | | |", system.seeds_max), false));
    };
    let began = Instant::now();
    let small = shrunk(system, found.outcome.seed, jobs)?;
    let shrinking = began.elapsed();
    let began = Instant::now();
    let twin = find(system, Build::Fixed, TWIN_SEEDS, jobs)?;
    let told = match &twin {
        None => format!("{TWIN_SEEDS} seeds clean in {}", seconds(began.elapsed())),
        Some(broken) => format!(
            "**seed {}: {}**",
            broken.outcome.seed,
            broken.outcome.failure.as_ref().map_or("?", |failure| failure.signature.as_str())
        ),
    };
    let [all, left] = small.faults;
    let (seeds, took, runs) = (found.seeds, seconds(found.took), small.runs);
    let shrinking = seconds(shrinking);
    Ok((format!("| {name} | {seeds} | {took} | {all} | {left} | {runs} | {shrinking} | {told} |"), twin.is_none()))
}

/// How many searches of each kind are made, each from seeds of its own.
const SEARCHES: u64 = 24;
/// How many runs a search may take.
const RUNS_MAX: u64 = 4_000;

fn compare(wanted: &[String]) -> Result<(), Box<dyn Error>> {
    println!("| system | plain seeds: mean | median | guided: mean | median |");
    println!("|---|---:|---:|---:|---:|");
    for system in all().iter().filter(|system| wanted.is_empty() || wanted.iter().any(|name| name == system.name)) {
        let (plan, jobs) = (plan(system, Build::Planted), threads::jobs());
        let runs = |search: &dyn Fn(u64) -> Result<Option<Found>, RunError>| -> Result<(f64, u64), RunError> {
            let mut runs = Vec::new();
            for turn in 0..SEARCHES {
                runs.push(search(turn * 1_000_000)?.map_or(RUNS_MAX, |found| found.seeds));
            }
            runs.sort_unstable();
            Ok((runs.iter().sum::<u64>() as f64 / SEARCHES as f64, runs[runs.len() / 2]))
        };
        let plain = runs(&|first| plainly(&plan, first, RUNS_MAX, jobs))?;
        let guided = runs(&|first| guidedly(&plan, first, RUNS_MAX, jobs))?;
        println!("| {} | {:.1} | {} | {:.1} | {} |", system.name, plain.0, plain.1, guided.0, guided.1);
    }
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
