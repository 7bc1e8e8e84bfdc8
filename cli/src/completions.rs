//! `wavetank completions`: what a shell needs to complete the command line.

use std::io::Write;

use clap::CommandFactory;

use crate::arguments::{Arguments, Completions};
use crate::command::Trouble;
use crate::exit::Exit;

/// Prints the shell's script.
pub(crate) fn run(arguments: &Completions, out: &mut impl Write) -> Result<Exit, Trouble> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "wavetank", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Pass)
}
