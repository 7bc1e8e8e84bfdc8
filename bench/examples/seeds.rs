//! What running many seeds costs: how two processors share them, from a plan to the first polls of ten devices, and
//! whether memory stays flat.
//!
//! `cargo run --release -p wavetank-bench --example seeds`; with scenario files as arguments, each of them is explored with
//! 10,000 seeds instead.

use std::error::Error;
use std::ops::ControlFlow;
use std::process::{self, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wavetank_scenarios::explore::pool::{self, News, Order};
use wavetank_scenarios::explore::wire::Task;
use wavetank_scenarios::explore::{Groups, Heart, Limits, Untested, run_seed, threads, worker};
use wavetank_scenarios::{Plan, Registry, RunOptions, start};

const FIRST_LIGHT: &str = include_str!("../../scenarios/gallery/first-light.toml");
/// How often each measurement is made; the median counts.
const ROUNDS: usize = 5;
/// How many seeds a round of exploring runs.
const SEEDS: u64 = 1_000;
/// How many worlds are begun for the time to the first polls.
const WORLDS: usize = 2_000;
/// How many seeds are run in one process to see what memory does.
const MANY: u64 = 20_000;
/// How many seeds of a scenario are explored.
const EXPLORED: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("worker") {
        worker::serve(std::io::stdin().lock(), std::io::stdout(), &Registry::builtin(), || process::exit(70))?;
        return Ok(());
    }
    let scenarios: Vec<String> = std::env::args().skip(1).collect();
    if !scenarios.is_empty() {
        return scenarios.iter().try_for_each(|scenario| explored(scenario));
    }
    let [one, two] = shared()?;
    println!(
        "first-light    {one:.0} seeds a second with 1 worker process, {two:.0} with 2: {:.0} % of linear",
        50.0 * two / one
    );
    println!(
        "first polls    {:?} from a plan of ten devices to the first polls of all, the median of {WORLDS}",
        begun()?
    );
    let [before, after] = remembered()?;
    println!("memory         {before} KiB resident after {} seeds in one process, {after} KiB after {MANY}", MANY / 10);
    Ok(())
}

/// Runs many seeds of a scenario, and says what broke.
fn explored(scenario: &str) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(scenario)?;
    let plan = Plan::read(scenario, &text, &Registry::builtin()).map_err(|problems| format!("{problems:?}"))?;
    let (program, task) = (std::env::current_exe()?, Task { name: scenario.into(), text, limits: Limits::default() });
    let (mut groups, mut untested, began) = (Groups::default(), Untested::default(), Instant::now());
    let order = Order { first: plan.seed, count: Some(EXPLORED), jobs: threads::jobs() };
    let command = || {
        let mut command = Command::new(&program);
        command.arg("worker").env("RUST_BACKTRACE", "0");
        command
    };
    let _: ControlFlow<()> = pool::explore(&task, order, command, |news| {
        if let News::Outcome(outcome) = news {
            groups.add(&outcome);
            untested.take(&outcome);
        }
        ControlFlow::Continue(())
    })?;
    println!("{scenario}: {} of {EXPLORED} seeds failed, {:.0} s", groups.failures(), began.elapsed().as_secs_f64());
    for group in groups.all() {
        println!("  {} × {}, first with seed {}: {}", group.count, group.signature, group.first_seed, group.message);
    }
    for index in untested.unmet() {
        println!("  untested: {}", plan.expectations[*index].name);
    }
    Ok(())
}

fn median<T: Copy + PartialOrd>(mut of: Vec<T>) -> T {
    of.sort_by(|a, b| a.partial_cmp(b).expect("times and rates can be compared"));
    of[of.len() / 2]
}

/// Seeds a second with one and with two worker processes, in turn.
fn shared() -> Result<[f64; 2], Box<dyn Error>> {
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (rates, jobs) in rates.iter_mut().zip([1, 2]) {
            rates.push(rate(jobs)?);
        }
    }
    Ok(rates.map(median))
}

fn rate(jobs: usize) -> Result<f64, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let command = || {
        let mut command = Command::new(&program);
        command.arg("worker").env("RUST_BACKTRACE", "0");
        command
    };
    let task = Task { name: "first-light.toml".into(), text: FIRST_LIGHT.into(), limits: Limits::default() };
    // What a worker needs to begin is not what is measured.
    let (mut seen, mut began) = (0, Instant::now());
    let order = Order { first: 0, count: Some(SEEDS + 100), jobs };
    let _: ControlFlow<()> = pool::explore(&task, order, command, |news| {
        if matches!(news, News::Outcome(_)) {
            seen += 1;
            if seen == 100 {
                began = Instant::now();
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(SEEDS as f64 / began.elapsed().as_secs_f64())
}

/// From a plan to a world on a thread of its own in which every one of ten devices has been polled.
fn begun() -> Result<Duration, Box<dyn Error>> {
    let ten = FIRST_LIGHT.replace("count = 3", "count = 9");
    let plan =
        Arc::new(Plan::read("ten.toml", &ten, &Registry::builtin()).map_err(|problems| format!("{problems:?}"))?);
    assert_eq!(plan.nodes.len(), 10, "a hub and nine thermostats");
    let mut times = Vec::new();
    for seed in 0..WORLDS as u64 {
        let began = Instant::now();
        let session = start(&plan, &RunOptions { seed: Some(seed), ..RunOptions::default() })?;
        session.run_until(wavetank_sim::time::Instant::START)?;
        times.push(began.elapsed());
        session.finish()?;
    }
    Ok(median(times))
}

/// What the process keeps in memory, in KiB, after a tenth of many seeds and after all of them.
fn remembered() -> Result<[u64; 2], Box<dyn Error>> {
    let plan =
        Arc::new(Plan::read("t.toml", FIRST_LIGHT, &Registry::builtin()).map_err(|problems| format!("{problems:?}"))?);
    let mut resident = [0; 2];
    for seed in 0..MANY {
        run_seed(&plan, seed, &Limits::default(), &Heart::default())?;
        if seed + 1 == MANY / 10 {
            resident[0] = resident_kib()?;
        }
    }
    resident[1] = resident_kib()?;
    Ok(resident)
}

fn resident_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
