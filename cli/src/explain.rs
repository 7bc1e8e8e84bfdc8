//! `wavetank explain`: which faults caused a failure, and what happened in between.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use wavetank_scenarios::Registry;
use wavetank_scenarios::explain::{ExplainError, Explained, Mishap, explain};
use wavetank_scenarios::explore::{Limits, Panics, listen, threads};

use crate::arguments::Explain;
use crate::command::Trouble;
use crate::exit::Exit;
use crate::explore::meant;
use crate::human::{count, plural};
use crate::input;
use crate::interrupt::Interrupt;
use crate::progress::Line;
use crate::summary::{BAD, FAINT, styled};
use crate::values::Seed;

/// Explains the seed's failure, and prints it.
pub(crate) fn run(arguments: &Explain, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    let (file, seed) = meant(&arguments.file, arguments.seed)?;
    let plan = Arc::new(input::plan(&file, registry)?);
    let seed = Seed::or_own(seed, plan.seed)?;
    listen(Panics::Silent);
    let (interrupt, mut line) = (Interrupt::heard(), Line::new());
    let explained = explain(&plan, seed, &Limits::default(), threads::jobs(), |done, all| {
        line.draw(|| format!("{} of {} left out in turn", count(done as u64), plural(all as u64, "fault")));
        if interrupt.was_pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    line.clear();
    let explained = match explained {
        Ok(explained) => explained,
        Err(ExplainError::Interrupted) => return Ok(Exit::Interrupted),
        Err(error) => return Err(Trouble::Input(format!("{}: {error}", input::name(&file)))),
    };
    if arguments.json {
        let object = serde_json::to_string_pretty(&explained).expect("only strings are keys");
        writeln!(out, "{object}")?;
    } else if arguments.svg {
        write!(out, "{}", explained.svg(&plan))?;
    } else if arguments.mermaid {
        write!(out, "{}", explained.mermaid(&plan))?;
    } else {
        print(&explained, out)?;
    }
    Ok(Exit::Pass)
}

fn print(explained: &Explained, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", styled(BAD, explained.failure.signature.as_str()))?;
    writeln!(out, "{}", explained.failure.message)?;
    let is_cause = |mishap: &&Mishap| mishap.causal || mishap.together;
    let (causes, others): (Vec<_>, Vec<_>) = explained.mishaps.iter().partition(is_cause);
    match (causes.len(), others.len()) {
        _ if explained.mishaps.iter().any(|mishap| mishap.together) => {
            let left_out = plural(causes.len() as u64, "fault");
            writeln!(out, "\nit fails without any single fault, but not without these {left_out} together")?;
        }
        (0, 0) => writeln!(out, "\nnothing went wrong before: it fails by itself")?,
        (0, _) => writeln!(
            out,
            "\nit fails without all of {}: they have nothing to do with it",
            plural(others.len() as u64, "fault")
        )?,
        _ => writeln!(out, "\ncauses")?,
    }
    for mishap in &causes {
        writeln!(out, "  {}", mishap.what)?;
        if let Some(without) = &mishap.without {
            writeln!(out, "    {}", styled(FAINT, &format!("without it: {without}")))?;
        }
    }
    if !causes.is_empty() && !others.is_empty() {
        writeln!(out, "  and {} that can each be left out", plural(others.len() as u64, "fault"))?;
    }
    writeln!(out, "\nfrom there to the failure")?;
    for (place, entry) in explained.path.iter().enumerate() {
        if place == explained.gap {
            writeln!(out, "        {}", styled(FAINT, &format!("… {} …", plural(explained.left_out as u64, "event"))))?;
        }
        writeln!(out, "{entry}")?;
    }
    Ok(())
}
