//! `wavetank run`: runs a scenario and says what it came to.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant as WallInstant};

use wavetank_scenarios::forward::Inputs;
use wavetank_scenarios::{Plan, Registry, RunOptions, start};
use wavetank_sim::guard;
use wavetank_sim::session::Pace;
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

use crate::arguments::Run;
use crate::command::{Trouble, program};
use crate::exit::Exit;
use crate::forward::{self, Entrance};
use crate::human::short_time;
use crate::interrupt::Interrupt;
use crate::progress::{self, Point};
use crate::report::{Asked, Entered, Report, Verdict};
use crate::values::Seed;
use crate::verify::{self, Comparison};
use crate::{input, summary};

/// Somebody waits for answers.
const REAL_TIME: Pace = Pace::PerMille(1_000);

/// Runs the scenario, prints the summary or the JSON object.
pub(crate) fn run(arguments: &Run, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    let plan = input::plan(&arguments.file, registry)?;
    let seed = Seed::or_own(arguments.seed, plan.seed)?;
    let mut plan = Arc::unwrap_or_clone(input::settled(plan, seed)?);
    let entrance = Entrance::prepare(arguments, &mut plan)?;
    let plan = Arc::new(plan);
    let again = entrance.again();
    let seed = match again {
        Some((recorded, _)) if recorded != seed && !plan.settings.is_empty() => {
            let what = "the scenario leaves something to the seed, and these inputs were recorded with another one";
            return Err(Trouble::Input(format!("--inputs: {what}: add --seed {recorded}")));
        }
        Some((recorded, _)) => recorded,
        None => seed,
    };
    let duration = Instant::from_nanos(plan.duration_ns);
    let until = arguments.until.map(|until| Instant::from_nanos(until.as_nanos()));
    let until = again.map(|(_, end)| end).or(until);
    if until.is_some_and(|until| until > duration) {
        return Err(Trouble::Input(format!(
            "--until is later than the end of {}, which is at {}",
            input::name(&arguments.file),
            short_time(plan.duration_ns)
        )));
    }
    refuse_wrong_outputs(arguments)?;
    let program = program();
    let inputs = match arguments.inputs.as_deref().or(arguments.record_inputs.as_deref()) {
        Some(file) => Entered::Written(file),
        None if arguments.forward.is_empty() => Entered::Nothing,
        None => Entered::Unwritten,
    };
    let asked = Asked { program: &program, file: &arguments.file, seed, until, inputs };
    announce(arguments, seed);

    let scratch = if arguments.verify { Some(verify::scratch()?) } else { None };
    let trace = arguments.trace.clone().or_else(|| scratch.as_ref().map(|scratch| scratch.path().join("first.jsonl")));
    let options =
        RunOptions { seed: Some(seed), pcap: arguments.pcap.clone(), trace: trace.clone(), ..RunOptions::default() };
    let pace = match arguments.pace {
        Some(pace) => pace,
        None if arguments.forward.is_empty() => Pace::Free,
        None => REAL_TIME,
    };
    let interrupt = Interrupt::heard();
    let limit = until.unwrap_or(duration);
    let (snapshot, wall, entered) = to_its_end(&plan, &options, (limit, pace), &interrupt, entrance)?;
    if let (Some(inputs), Some(path)) = (entered, &arguments.record_inputs) {
        forward::record(&Inputs { seed, ..inputs }, path)?;
    }
    let mut report = Report::new(asked, &plan, &snapshot, wall);
    report.interrupted = interrupt.was_pressed() && snapshot.now < limit;
    if let (Some(scratch), Some(trace), false) = (&scratch, &trace, report.interrupted) {
        report.verified = Some(verify::again(asked, &report.fingerprint, trace, scratch)?);
    }
    print(&report, arguments.json, out)?;
    if let Some(what) = report.unwritten {
        return Err(Trouble::Input(format!("cannot write {what}")));
    }
    Ok(match (&report.verified, report.verdict) {
        _ if report.interrupted => Exit::Interrupted,
        (Some(Comparison::Differ(_)), _) => Exit::Disorder,
        (_, Verdict::Pass) => Exit::Pass,
        (_, Verdict::Fail) => Exit::Fail,
    })
}

/// What the system would say of these is hard to understand.
fn refuse_wrong_outputs(arguments: &Run) -> Result<(), String> {
    if let Some(folder) = arguments.pcap.as_deref().filter(|path| path.exists() && !path.is_dir()) {
        let folder = folder.display();
        return Err(format!("--pcap {folder}: a file; name a folder, which is made if it is not there"));
    }
    if let Some(file) = arguments.trace.as_deref().filter(|path| path.is_dir()) {
        return Err(format!("--trace {}: a folder; name the file to write", file.display()));
    }
    Ok(())
}

/// What is known before the run, for one that ends badly.
fn announce(arguments: &Run, seed: u64) {
    let mut err = anstream::stderr().lock();
    // Nobody is left to tell if this fails.
    if arguments.seed == Some(Seed::Random) {
        let _ = writeln!(err, "seed {seed}");
    }
    if let Err(off) = guard::probe() {
        let _ = writeln!(err, "{off}: a node that asks the system for time, entropy or threads does not repeat itself");
    }
}

fn to_its_end(
    plan: &Arc<Plan>,
    options: &RunOptions,
    (limit, pace): (Instant, Pace),
    interrupt: &Interrupt,
    entrance: Entrance,
) -> Result<(Snapshot, Duration, Option<Inputs>), Trouble> {
    let started = WallInstant::now();
    let session = start(plan, options)?;
    if !entrance.replay(&session)? {
        session.run(limit, pace)?;
    }
    let point = || {
        let progress = session.progress();
        Point { virtual_ns: progress.now().as_nanos(), events: progress.events() }
    };
    let stop = || {
        // If the world has ended, whoever waits for it is told.
        let _ = session.pause();
    };
    let wait = || interrupt.during(stop, || progress::shown(limit.as_nanos(), point, || session.wait()));
    let (waited, entered) = entrance.during(&session, wait)?;
    waited?;
    let snapshot = session.finish()?;
    Ok((snapshot, started.elapsed(), entered))
}

fn print(report: &Report, json: bool, out: &mut impl Write) -> Result<(), Trouble> {
    if json {
        let object = serde_json::to_string_pretty(report).expect("a report has only strings as keys");
        writeln!(out, "{object}")?;
    } else {
        write!(out, "{}", summary::text(report))?;
    }
    Ok(())
}
