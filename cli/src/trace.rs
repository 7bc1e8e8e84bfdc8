//! `wavetank trace`: a run's events for other programs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use wavetank_scenarios::trace::{Entry, TraceError, of_run, perfetto};
use wavetank_scenarios::{Plan, Registry, RunOptions, start};
use wavetank_sim::time::Instant;

use crate::arguments::{Format, Trace};
use crate::command::Trouble;
use crate::exit::Exit;
use crate::input;
use crate::replay::{filter, limit};
use crate::values::Seed;

/// Runs it, and writes what is asked for.
pub(crate) fn run(arguments: &Trace, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    let plan = input::plan(&arguments.file, registry)?;
    let seed = Seed::or_own(arguments.seed, plan.seed)?;
    let plan = input::settled(plan, seed)?;
    let options = RunOptions { seed: Some(seed), ..RunOptions::default() };
    let limit = limit(&plan, arguments.to)?;
    if arguments.format == Format::Pcapng {
        return pcapng(arguments, &plan, options, limit);
    }
    match &arguments.output {
        Some(path) => {
            let file = File::create(path).map_err(|error| cannot(path, &error))?;
            events(arguments, &plan, &options, limit, BufWriter::new(file), |error| cannot(path, &error))?;
        }
        None => events(arguments, &plan, &options, limit, out, Trouble::Output)?,
    }
    Ok(Exit::Pass)
}

fn cannot(path: &Path, error: &io::Error) -> Trouble {
    Trouble::Input(format!("cannot write {}: {error}", path.display()))
}

fn pcapng(arguments: &Trace, plan: &Arc<Plan>, options: RunOptions, limit: Instant) -> Result<Exit, Trouble> {
    let shown = &arguments.shown;
    if shown.node.is_some() || shown.kind.is_some() || shown.grep.is_some() {
        let what = "a capture has all that the links carried: leave --node, --kind and --grep to Wireshark's filters";
        return Err(Trouble::Input(what.to_owned()));
    }
    let Some(path) = &arguments.output else {
        return Err(Trouble::Input("a capture is written to a file: name it with --output".to_owned()));
    };
    let session = start(plan, &RunOptions { pcap_file: Some(path.clone()), ..options })?;
    session.run_until(limit)?;
    session.finish()?;
    Ok(Exit::Pass)
}

/// Writes the events that pass.
fn events(
    arguments: &Trace,
    plan: &Arc<Plan>,
    options: &RunOptions,
    limit: Instant,
    mut to: impl Write,
    trouble: impl Fn(io::Error) -> Trouble,
) -> Result<(), Trouble> {
    let filter = filter(&arguments.shown);
    let each = |write: &mut dyn FnMut(&Entry) -> io::Result<()>| -> Result<io::Result<()>, TraceError> {
        let mut written = Ok(());
        of_run(plan, options, limit, |entry| {
            if filter.passes(&entry) {
                written = write(&entry);
            }
            if written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(written)
    };
    let written = match arguments.format {
        Format::Perfetto => match perfetto::Writer::new(to, plan) {
            Ok(mut writer) => each(&mut |entry| writer.entry(entry))?.and_then(|()| writer.finish()),
            Err(error) => Err(error),
        },
        Format::Jsonl | Format::Pcapng => each(&mut |entry| {
            serde_json::to_writer(&mut to, entry)?;
            to.write_all(b"\n")
        })?
        .and_then(|()| to.flush()),
    };
    written.map_err(trouble)
}
