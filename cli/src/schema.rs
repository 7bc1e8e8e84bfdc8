//! `wavetank schema`: the scenario language as a JSON Schema.

use std::io::Write;

use wavetank_scenarios::Registry;
use wavetank_scenarios::schema::json_schema;

use crate::command::Trouble;
use crate::exit::Exit;

/// Prints it, with the registry's kinds.
pub(crate) fn run(registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    writeln!(out, "{:#}", json_schema(registry))?;
    Ok(Exit::Pass)
}
