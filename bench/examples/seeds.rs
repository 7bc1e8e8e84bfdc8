//! What running many seeds costs: how two processors share them, from a plan to the first polls of ten devices, whether
//! memory stays flat, and how long it takes to shrink a failure. Rows of a table in Markdown; `cargo xtask seeds` writes them.
//!
//! With scenario files as arguments, each of them is explored with 10,000 seeds instead.

use std::error::Error;
use std::ops::ControlFlow;
use std::process::{self, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wavetank_scenarios::explore::pool::{self, News, Order};
use wavetank_scenarios::explore::wire::Task;
use wavetank_scenarios::explore::{Groups, Heart, Limits, Untested, run_seed, threads, worker};
use wavetank_scenarios::shrink::{Case, Shrunk, shrink};
use wavetank_scenarios::{Plan, Registry, RunOptions, start};

const FIRST_LIGHT: &str = include_str!("../../scenarios/gallery/first-light.toml");
/// How often each measurement is made; the median counts.
const ROUNDS: usize = 5;
/// How many seeds a round of exploring runs.
const SEEDS: u64 = 1_000;
/// How many worlds are begun for the time to the first polls.
const WORLDS: usize = 2_000;
/// How many seeds are run in one process to see what memory does.
const MANY: u64 = 1_000_000;
/// The world that they run: small, with all that a world has.
const SMALL: &str = r#"
version = 1
name = "A hub and a thermostat"
duration = "1s"
[profile.home]
latency = "1ms"
jitter = "200us"
loss = "1 %"
[node.hub]
kind = "telemetry-hub"
address = "10.0.0.2/24"
[node.thermostat]
kind = "thermostat"
address = "10.0.0.11/24"
config = { hub = "10.0.0.2:8080", period = "200ms" }
[network.lan]
kind = "switch"
members = ["hub", "thermostat"]
profile = "home"
"#;
/// What is added to the first light to have a failure that hundreds of faults were recorded before.
const TOO_MUCH_ASKED: &str = r#"
[[expect]]
name = "nothing ever waits"
always = 'max("thermostat-*", "backlog") <= 1'
"#;
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
    let linear = 50.0 * two / one;
    println!(
        "| the first light, 1 and 2 worker processes | {one:.0} and {two:.0} seeds a second: {linear:.0} % of linear | ≥ 95 % |"
    );
    println!(
        "| from a plan of ten devices to the first polls of all, median of {WORLDS} | {:?} | ≤ 200 µs |",
        begun()?
    );
    let [before, after] = remembered()?;
    let tenth = MANY / 10;
    println!("| resident after {tenth} and after {MANY} seeds in one process | {before} and {after} KiB | flat |");
    let (shrunk, took) = shrunk()?;
    let ([all, left], runs, s) = (shrunk.faults, shrunk.runs, took.as_secs_f64());
    println!(
        "| shrinking a failure with {all} recorded faults | {left} left after {runs} runs, {s:.1} s | 500 to ≤ 3, < 60 s |"
    );
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
        Arc::new(Plan::read("small.toml", SMALL, &Registry::builtin()).map_err(|problems| format!("{problems:?}"))?);
    let run = |seed| run_seed(&plan, seed, &Limits::default(), &Heart::default());
    let rest = MANY / 10;
    let mut resident = [0; 2];
    for (slot, row) in resident.iter_mut().zip([(0, rest), (rest, MANY - rest)]) {
        let flow = threads::in_order(row, threads::jobs(), run, |_, ran| match ran {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        });
        if let ControlFlow::Break(error) = flow {
            return Err(error.into());
        }
        *slot = resident_kib()?;
    }
    Ok(resident)
}

/// The first light with too much asked of it, shrunk, and how long that took.
fn shrunk() -> Result<(Shrunk, Duration), Box<dyn Error>> {
    let (text, registry) = (FIRST_LIGHT.to_owned() + TOO_MUCH_ASKED, Registry::builtin());
    let (limits, jobs) = (Limits::default(), threads::jobs());
    let case = Case { name: "asking.toml", text: &text, registry: &registry, seed: 42, limits, jobs };
    let began = Instant::now();
    let shrunk = shrink(&case, |_| ControlFlow::Continue(()))?;
    Ok((shrunk, began.elapsed()))
}

fn resident_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
