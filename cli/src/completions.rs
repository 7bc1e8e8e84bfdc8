//! `wavetank completions`: what a shell needs to complete the command line.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory;

use crate::arguments::{Arguments, Completions};
use crate::command::{Trouble, program};
use crate::exit::Exit;

/// Prints the shell's script.
pub(crate) fn run(arguments: &Completions, out: &mut impl Write) -> Result<Exit, Trouble> {
    let mut script = Vec::new();
    let program = program();
    let name = Path::new(&program).file_stem().map_or(program.as_str().into(), |name| name.to_string_lossy());
    clap_complete::generate(arguments.shell, &mut Arguments::command(), name, &mut script);
    out.write_all(&script)?;
    Ok(Exit::Pass)
}
