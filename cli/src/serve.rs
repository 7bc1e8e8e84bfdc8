//! `wavetank serve`: an application of the tank on real sockets.

use std::error::Error;
use std::io::Write;

use wavetank_scenarios::hub;

use crate::arguments::{Application, Serve};
use crate::command::Trouble;
use crate::exit::Exit;
use crate::human::plural;

/// Serves until Ctrl-C, then says in a line what was served.
pub(crate) fn run(arguments: &Serve, out: &mut impl Write) -> Result<Exit, Trouble> {
    let Application::TelemetryHub { listen, data } = &arguments.application;
    let served = hub::run_tokio(*listen, data.as_deref()).map_err(|error| Trouble::Input(with_causes(&error)))?;
    writeln!(out, "served {}, {} of them broken off", plural(served.connections, "connection"), served.failed)?;
    Ok(Exit::Pass)
}

/// An error and what is behind it, down to the system's own words.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
