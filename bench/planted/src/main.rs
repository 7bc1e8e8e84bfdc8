//! Looks for all planted bugs, or those that are named, and prints what it took as a table in Markdown.

use std::error::Error;
use std::time::{Duration, Instant};

use wavetank_planted::measure::{find, shrunk};
use wavetank_planted::{Build, System, all};
use wavetank_scenarios::explore::{Panics, listen, threads};

/// How many seeds of each twin are run.
const TWIN_SEEDS: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    listen(Panics::Silent);
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

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
