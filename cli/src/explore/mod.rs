//! `wavetank explore`: many seeds of one scenario, and what broke with which of them.

mod guided;
mod report;
mod results;
mod verify;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use wavetank_scenarios::Registry;
use wavetank_scenarios::explore::pool::{self, News, Order};
use wavetank_scenarios::explore::wire::Task;
use wavetank_scenarios::explore::{FailureKind, Group, Groups, Limits, Outcome, Untested, threads};

use self::report::Report;
use self::results::Results;
pub(crate) use self::results::meant;
use crate::arguments::Explore;
use crate::command::{Trouble, program};
use crate::exit::Exit;
use crate::human::{count, per_second, plural, rough_time};
use crate::interrupt::Interrupt;
use crate::progress::Line;
use crate::values::Seed;
use crate::{input, workers};

/// How many seeds are run unless somebody says otherwise.
const SEEDS: u64 = 1_000;
/// How many groups' first seeds are run once more at the end.
const CONFIRMED_MAX: usize = 16;

/// Runs the seeds, prints the summary or the JSON object.
pub(crate) fn run(arguments: &Explore, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    let text = input::text(&arguments.file)?;
    let plan = input::plan_of(&arguments.file, &text, registry)?;
    let order = Order {
        first: Seed::or_own(arguments.from, plan.seed)?,
        count: arguments.seeds.or(if arguments.lasts.is_some() { None } else { Some(SEEDS) }),
        jobs: arguments.jobs.map_or_else(threads::jobs, usize::from),
    };
    let limits = Limits { events_max: arguments.events_max, stall_s: arguments.stall, ..Limits::default() };
    if let Some(folder) = &arguments.guided {
        return guided::run(arguments, folder, &text, plan, order, &limits, out);
    }
    let task = Task { name: input::name(&arguments.file), text, limits };
    let mut results = arguments.results.as_deref().map(|to| Results::create(to, &arguments.file, &plan)).transpose()?;

    let interrupt = Interrupt::heard();
    let mut search = Search::new(order, arguments.lasts.map(|lasts| Duration::from_nanos(lasts.as_nanos())));
    let command = workers::command().map_err(|error| Trouble::Input(format!("cannot find this program: {error}")))?;
    let mut line = Line::new();
    let flow = pool::explore(&task, order, &command, |news| {
        if let News::Outcome(outcome) = news {
            if arguments.verify {
                search.fingerprints.push(outcome.fingerprint.clone());
            }
            if let Some(group) = search.take(&outcome) {
                line.above(&found_line(outcome.seed, group));
            }
            if let Some(Err(error)) = results.as_mut().map(|results| results.write(&outcome)) {
                return ControlFlow::Break(Some(error));
            }
        }
        line.draw(|| search.line());
        if interrupt.was_pressed() || search.time_is_up() {
            ControlFlow::Break(None)
        } else {
            ControlFlow::Continue(())
        }
    });
    line.clear();
    if let ControlFlow::Break(Some(error)) = flow? {
        return Err(Trouble::Input(error));
    }
    if let Some(results) = results {
        results.finish().map_err(Trouble::Input)?;
    }
    let interrupted = interrupt.was_pressed();
    if arguments.verify && !interrupted {
        verify::run(&task, &mut search, &command, &mut line, &interrupt)?;
    }
    let interrupted = interrupt.was_pressed();
    let wandering = if interrupted { Vec::new() } else { wandering(&task, &search.groups, &command)? };
    let replay = |group: &Group| replay_line(&arguments.file, group.first_seed);
    let report = Report::new(arguments, &plan, &search, &wandering, interrupted, replay);
    print(&report, arguments.json, out)?;
    Ok(match (interrupted, search.groups.failures()) {
        (true, _) => Exit::Interrupted,
        (false, 0) if search.untested.unmet().is_empty() => Exit::Pass,
        (false, _) => Exit::Fail,
    })
}

/// A search that is under way.
struct Search {
    order: Order,
    /// For how long.
    lasts: Option<Duration>,
    began: Instant,
    seeds: u64,
    events: u64,
    groups: Groups,
    untested: Untested,
    /// What each seed came to, in their order.
    fingerprints: Vec<String>,
}

impl Search {
    fn new(order: Order, lasts: Option<Duration>) -> Self {
        Self {
            order,
            lasts,
            began: Instant::now(),
            seeds: 0,
            events: 0,
            groups: Groups::default(),
            untested: Untested::default(),
            fingerprints: Vec::new(),
        }
    }

    /// Counts an outcome. Returns its group, if it is a new one.
    fn take(&mut self, outcome: &Outcome) -> Option<&Group> {
        self.seeds += 1;
        self.events += outcome.events;
        self.untested.take(outcome);
        self.groups.add(outcome)
    }

    fn time_is_up(&self) -> bool {
        self.lasts.is_some_and(|lasts| self.began.elapsed() >= lasts)
    }

    /// How far it has come.
    fn line(&self) -> String {
        let elapsed = self.began.elapsed();
        let of = self.order.count.map(|total| format!(" of {}", count(total))).unwrap_or_default();
        let mut line = format!("{}{of} seeds  {} a second", count(self.seeds), per_second(self.seeds, elapsed));
        match self.groups.failures() {
            0 => line.push_str("  no failure"),
            failures => {
                let groups = plural(self.groups.all().len() as u64, "group");
                line.push_str(&format!("  {} in {groups}", plural(failures, "failure")));
            }
        }
        if let Some(left) = self.left(elapsed) {
            line.push_str(&format!("  {} s left", count(left.as_secs() + 1)));
        }
        line
    }

    /// How long it will take, as far as one can tell.
    fn left(&self, elapsed: Duration) -> Option<Duration> {
        let by_time = self.lasts.map(|lasts| lasts.saturating_sub(elapsed));
        let by_count = match (self.order.count, self.seeds) {
            (Some(total), seeds @ 1..) => Some(elapsed.mul_f64((total - seeds) as f64 / seeds as f64)),
            _ => None,
        };
        by_time.into_iter().chain(by_count).min()
    }
}

/// A new kind of failure, as soon as it is found.
fn found_line(seed: u64, group: &Group) -> String {
    format!("seed {seed}: {}", group.signature)
}

/// The groups whose first seed does not fail in the same way when it is run once more.
fn wandering(
    task: &Task,
    groups: &Groups,
    command: &(impl Fn() -> std::process::Command + Sync),
) -> Result<Vec<usize>, Trouble> {
    let mut wandering = Vec::new();
    // A hang takes its time again, and what time it takes is no matter of the seed.
    let fit = groups.all().iter().enumerate().filter(|(_, group)| group.kind != FailureKind::Hang);
    for (index, group) in fit.take(CONFIRMED_MAX) {
        let order = Order { first: group.first_seed, count: Some(1), jobs: 1 };
        let mut same = false;
        let _: ControlFlow<()> = pool::explore(task, order, command, |news| {
            if let News::Outcome(again) = news {
                same = again.fingerprint == group.fingerprint
                    && again.failure.is_some_and(|failure| failure.signature == group.signature);
            }
            ControlFlow::Continue(())
        })?;
        if !same {
            wandering.push(index);
        }
    }
    Ok(wandering)
}

fn print(report: &Report<'_>, json: bool, out: &mut impl Write) -> Result<(), Trouble> {
    if json {
        let object = serde_json::to_string_pretty(report).expect("a report has only strings as keys");
        writeln!(out, "{object}")?;
    } else {
        write!(out, "{}", report.text())?;
    }
    Ok(())
}

/// The line that has a seed's run again.
pub(crate) fn replay_line(file: &Path, seed: u64) -> String {
    let (program, file) = (program(), file.display().to_string());
    format!("{} replay {} --seed {seed}", crate::report::quoted(&program), crate::report::quoted(&file))
}

/// How long something took, for people.
fn took(elapsed: Duration) -> String {
    rough_time(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
}
