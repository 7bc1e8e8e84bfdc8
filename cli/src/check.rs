//! `wavetank check`: everything that is wrong with scenario files.

use std::io::{self, Write};

use wavetank_scenarios::{Plan, Registry};

use crate::arguments::Check;
use crate::command::Trouble;
use crate::exit::Exit;
use crate::human::{exact_seconds, plural};
use crate::input;

/// Checks every file, whatever is wrong with the others. A line for each that is well; all mistakes of each that is not.
pub(crate) fn run(arguments: &Check, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    let mut wrong = Vec::new();
    for argument in &arguments.files {
        let files = match input::files(argument) {
            Ok(files) => files,
            Err(error) => {
                wrong.push(error);
                continue;
            }
        };
        for file in files {
            match input::plan(&file, registry) {
                Ok(plan) => well(&input::name(&file), &plan, out)?,
                Err(error) => wrong.push(error),
            }
        }
    }
    if wrong.is_empty() {
        return Ok(Exit::Pass);
    }
    out.flush()?;
    Err(Trouble::Input(wrong.join("\n")))
}

fn well(file: &str, plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{file}: {}; {}, {}, {}, {}",
        plan.name,
        exact_seconds(plan.duration_ns),
        plural(plan.nodes.len() as u64, "node"),
        plural(plan.faults.len() as u64, "fault"),
        plural(plan.expectations.len() as u64, "expectation"),
    )
}
