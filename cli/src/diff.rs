//! `wavetank diff`: where two runs part.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;
use tempfile::TempDir;
use wavetank_scenarios::trace::diff::{Parting, Same, compare};
use wavetank_scenarios::trace::of_file;
use wavetank_scenarios::{Plan, Registry};

use crate::arguments::Diff;
use crate::command::Trouble;
use crate::exit::Exit;
use crate::human::{count, exact_seconds};
use crate::input;
use crate::summary::{BAD, FAINT, GOOD, styled};
use crate::values::Seed;

/// Compares, and prints where they part.
pub(crate) fn run(arguments: &Diff, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    let scratch =
        tempfile::tempdir().map_err(|error| Trouble::Input(format!("diff needs a temporary folder: {error}")))?;
    let (sides, twice) = sides(arguments, registry)?;
    let [here, there] = &sides;
    let traces = [here.trace(&scratch, "here")?, there.trace(&scratch, "there")?];
    let result = compare(of_file(&traces[0])?, of_file(&traces[1])?)?;
    if arguments.json {
        let object = match &result {
            Ok(same) => serde_json::to_string_pretty(&Told { same: true, events: Some(same.events), parting: None }),
            Err(parting) => serde_json::to_string_pretty(&Told { same: false, events: None, parting: Some(parting) }),
        };
        writeln!(out, "{}", object.expect("only strings are keys"))?;
    } else {
        match &result {
            Ok(Same { events }) => {
                writeln!(out, "{}  {} events, all of them the same", styled(GOOD, "SAME"), count(*events))?;
            }
            Err(parting) => print(parting, &sides, out)?,
        }
    }
    Ok(match (result, twice) {
        (Ok(_), _) => Exit::Pass,
        (Err(_), true) => Exit::Disorder,
        (Err(_), false) => Exit::Fail,
    })
}

/// What `--json` prints.
#[derive(Serialize)]
struct Told<'a> {
    same: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    #[serde(flatten)]
    parting: Option<&'a Parting>,
}

/// One of the two.
enum Side {
    Trace(PathBuf),
    Run { file: PathBuf, seed: u64 },
}

/// The two sides, and whether they are the same run twice.
fn sides(arguments: &Diff, registry: &Registry) -> Result<([Side; 2], bool), Trouble> {
    let is_trace = |file: &Path| file.extension().is_some_and(|extension| extension == "jsonl" || extension == "json");
    let seeds = &arguments.seeds[..];
    if seeds.len() > 2 {
        return Err(Trouble::Input("two runs have two seeds at most".to_owned()));
    }
    match &arguments.files[..] {
        [one] if is_trace(one) => {
            Err(Trouble::Input(format!("{}: compared with what? Name a second trace", one.display())))
        }
        [here, there] if is_trace(here) && is_trace(there) => {
            if !seeds.is_empty() {
                return Err(Trouble::Input("the traces are of runs that are over: leave --seed out".to_owned()));
            }
            Ok(([Side::Trace(here.clone()), Side::Trace(there.clone())], false))
        }
        [here, there] if is_trace(here) || is_trace(there) => {
            Err(Trouble::Input("a trace is compared with a trace: write the other with `wavetank trace`".to_owned()))
        }
        files => {
            let plans = files.iter().map(|file| input::plan(file, registry)).collect::<Result<Vec<Plan>, _>>()?;
            let side = |index: usize| -> Result<Side, Trouble> {
                let which = index.min(files.len() - 1);
                let seed = seeds.get(index).or(seeds.first()).copied();
                Ok(Side::Run { file: files[which].clone(), seed: Seed::or_own(seed, plans[which].seed)? })
            };
            let sides = [side(0)?, side(1)?];
            let twice =
                matches!(&sides, [Side::Run { file: a, seed: x }, Side::Run { file: b, seed: y }] if a == b && x == y);
            Ok((sides, twice))
        }
    }
}

impl Side {
    /// Its trace; a run is run in a process of its own.
    fn trace(&self, scratch: &TempDir, name: &str) -> Result<PathBuf, Trouble> {
        let (file, seed) = match self {
            Self::Trace(path) => return Ok(path.clone()),
            Self::Run { file, seed } => (file, seed),
        };
        let trace = scratch.path().join(format!("{name}.jsonl"));
        let failed = |what: &dyn std::fmt::Display| Trouble::Input(format!("{}: {what}", self.name()));
        let program = std::env::current_exe().map_err(|error| failed(&error))?;
        let mut command = Command::new(program);
        command.arg("trace").arg(file).args(["--seed", &seed.to_string(), "--format", "jsonl", "--output"]).arg(&trace);
        let output = input::output(&mut command, file).map_err(|error| failed(&error))?;
        if output.status.success() {
            Ok(trace)
        } else {
            Err(failed(&format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr))))
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Trace(path) => path.display().to_string(),
            Self::Run { file, seed } => format!("{} with seed {seed}", input::name(file)),
        }
    }
}

fn print(parting: &Parting, sides: &[Side; 2], out: &mut impl Write) -> std::io::Result<()> {
    let common = count(parting.common);
    writeln!(
        out,
        "{}  they part after {common} events, at {}",
        styled(BAD, "DIFFERENT"),
        exact_seconds(parting.at_ns)
    )?;
    if !parting.before.is_empty() {
        writeln!(out, "\nbefore, in both")?;
    }
    for (place, lines) in &parting.before {
        writeln!(out, "  {}", if place.is_empty() { "elsewhere" } else { place })?;
        for line in lines {
            writeln!(out, "  {}", styled(FAINT, line))?;
        }
    }
    for (lines, side) in [(&parting.here, &sides[0]), (&parting.there, &sides[1])] {
        writeln!(out, "\n{}", side.name())?;
        if lines.is_empty() {
            writeln!(out, "  the trace has ended")?;
        }
        for (index, line) in lines.iter().enumerate() {
            match index {
                0 => writeln!(out, "{}", styled(BAD, &format!("> {line}")))?,
                _ => writeln!(out, "  {line}")?,
            }
        }
    }
    Ok(())
}
