//! `wavetank shrink`: the least that still fails, as a scenario of its own.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use wavetank_scenarios::Registry;
use wavetank_scenarios::explore::pool::{self, News, Order};
use wavetank_scenarios::explore::wire::Task;
use wavetank_scenarios::explore::{Limits, Outcome, Panics, listen, threads};
use wavetank_scenarios::shrink::{Case, ShrinkError, Shrunk, shrink};

use crate::arguments::Shrink;
use crate::command::{Trouble, program};
use crate::exit::Exit;
use crate::explore::meant;
use crate::human::{count, plural, rough_time};
use crate::interrupt::Interrupt;
use crate::progress::Line;
use crate::report::quoted;
use crate::values::Seed;
use crate::{input, workers};

/// How often what is left is run again, each time in a process of its own, before it is handed out.
const CHECKED: u64 = 2;

/// Shrinks, checks that what is left fails in processes of their own, and writes it.
pub(crate) fn run(arguments: &Shrink, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    let (file, seed) = meant(&arguments.file, arguments.seed)?;
    let text = input::text(&file)?;
    let plan = input::plan_of(&file, &text, registry)?;
    let seed = Seed::or_own(seed, plan.seed)?;
    let name = input::name(&file);
    let jobs = arguments.jobs.map_or_else(threads::jobs, usize::from);
    let case = Case { name: &name, text: &text, registry, seed, limits: Limits::default(), jobs };
    listen(Panics::Silent);
    let (interrupt, mut line, began) = (Interrupt::heard(), Line::new(), Instant::now());
    let shrunk = shrink(&case, |step| {
        line.draw(|| {
            format!("{} left, {}; trying: {}", plural(step.left as u64, "fault"), plural(step.runs, "run"), step.what)
        });
        if interrupt.was_pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    line.clear();
    let shrunk = match shrunk {
        Ok(shrunk) => shrunk,
        Err(ShrinkError::Interrupted) => {
            writeln!(anstream::stderr(), "ended by Ctrl-C; nothing was written")?;
            return Ok(Exit::Interrupted);
        }
        Err(error @ ShrinkError::NotRepeated { .. }) => {
            writeln!(anstream::stderr(), "{error}")?;
            return Ok(Exit::Disorder);
        }
        Err(error) => return Err(Trouble::Input(error.to_string())),
    };
    let small = format!("{}{}", head(&shrunk, &file, seed), shrunk.text);
    if !repeats(&small, &shrunk, seed)? {
        writeln!(anstream::stderr(), "what is left fails here, but not in a process of its own: nothing was written")?;
        return Ok(Exit::Disorder);
    }
    match &arguments.output {
        Some(path) => {
            std::fs::write(path, &small)
                .map_err(|error| Trouble::Input(format!("cannot write {}: {error}", path.display())))?;
            let [all, left] = shrunk.faults;
            let took = rough_time(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
            writeln!(out, "{}", shrunk.signature)?;
            writeln!(out, "faults       {} of {} are left", count(left as u64), count(all as u64))?;
            writeln!(out, "time         {} in {took}", plural(shrunk.runs, "run"))?;
            writeln!(out, "replay       {} run {}", quoted(&program()), quoted(&path.display().to_string()))?;
        }
        None => write!(out, "{small}")?,
    }
    Ok(Exit::Pass)
}

/// What the file says of itself.
fn head(shrunk: &Shrunk, file: &Path, seed: u64) -> String {
    let [all, left] = shrunk.faults;
    format!(
        "# {}\n#\n# Shrunk from {} with seed {seed}: {} of {} are left, and nothing is drawn any more.\n",
        shrunk.signature,
        input::name(file),
        count(left as u64),
        plural(all as u64, "fault"),
    )
}

/// Whether it fails in the same way, to the bit, each time that it is run in a process of its own.
fn repeats(small: &str, shrunk: &Shrunk, seed: u64) -> Result<bool, Trouble> {
    let task = Task { name: "small.toml".to_owned(), text: small.to_owned(), limits: Limits::default() };
    let command = workers::command().map_err(|error| Trouble::Input(format!("cannot find this program: {error}")))?;
    let mut outcomes: Vec<Outcome> = Vec::new();
    for _ in 0..CHECKED {
        let order = Order { first: seed, count: Some(1), jobs: 1 };
        let _: ControlFlow<()> = pool::explore(&task, order, &command, |news| {
            if let News::Outcome(outcome) = news {
                outcomes.push(outcome);
            }
            ControlFlow::Continue(())
        })?;
    }
    let fails =
        |outcome: &Outcome| outcome.failure.as_ref().is_some_and(|failure| failure.signature == shrunk.signature);
    Ok(outcomes.len() as u64 == CHECKED
        && outcomes.iter().all(fails)
        && outcomes.windows(2).all(|two| two[0] == two[1]))
}
