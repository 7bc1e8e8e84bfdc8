//! `wavetank watch`: a scenario's run in the terminal.

use std::io::Write;
use std::sync::Arc;

use wavetank_scenarios::{Registry, RunOptions, start};
use wavetank_sim::check;
use wavetank_sim::session::Pace;
use wavetank_sim::time::Instant;
use wavetank_tui::Opening;

use crate::arguments::Watch;
use crate::command::Trouble;
use crate::exit::Exit;
use crate::human::exact_seconds;
use crate::input;
use crate::values::{Seed, Sight};

/// Shows the run until the person quits, then says in a line where it stood.
pub(crate) fn run(arguments: &Watch, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    if arguments.picture.is_none() && input::is_standard(&arguments.file) {
        let what =
            "keys are read from standard input: name the scenario's file, or have one picture by --at and --picture";
        return Err(Trouble::Input(what.to_owned()));
    }
    let plan = input::plan(&arguments.file, registry)?;
    let seed = Seed::or_own(arguments.seed, plan.seed)?;
    let plan = input::settled(plan, seed)?;
    let options = RunOptions { seed: Some(seed), ..RunOptions::default() };
    let view = wavetank_tui::Watch {
        title: plan.name.to_string(),
        seed,
        end: Instant::from_nanos(plan.duration_ns),
        pace: arguments.pace.unwrap_or(Pace::PerMille(1_000)),
        opening: match arguments.at {
            None => Opening::Running,
            Some(Sight::Time(at)) => Opening::At(Instant::from_nanos(at.as_nanos())),
            Some(Sight::Failure) => Opening::Failure,
        },
    };
    let watched = Arc::clone(&plan);
    let start = move || start(&watched, &options).map_err(|error| error.to_string());
    let trouble = |error: wavetank_tui::Error| Trouble::Input(error.to_string());
    let snapshot = match arguments.picture {
        None => wavetank_tui::watch(Box::new(start), view).map_err(trouble)?,
        Some((columns, rows)) => {
            let (picture, snapshot) = wavetank_tui::still(Box::new(start), view, columns, rows).map_err(trouble)?;
            write!(out, "{picture}")?;
            snapshot
        }
    };
    let at = exact_seconds(snapshot.now.as_nanos());
    // What is open is decided at the end, and then belongs to the fingerprint, too.
    let so_far = if snapshot.now.as_nanos() < plan.duration_ns { " so far" } else { "" };
    writeln!(out, "{}, seed {seed}: at {at}, fingerprint{so_far} {}", plan.name, snapshot.fingerprint)?;
    let broken = snapshot.expectations.iter().any(|report| report.verdict == check::Verdict::Broken);
    Ok(if broken || !snapshot.failures.is_empty() { Exit::Fail } else { Exit::Pass })
}
