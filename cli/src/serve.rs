//! `wavetank serve`: an application of the tank on real sockets.

use std::io::Write;

use crate::arguments::{Application, Serve};
use crate::command::Trouble;
use crate::exit::Exit;

pub(crate) fn run(arguments: &Serve, out: &mut impl Write) -> Result<Exit, Trouble> {
    let Application::TelemetryHub { listen, data } = &arguments.application;
    let served = wavetank_hub::run_tokio(*listen, data.as_deref()).map_err(Trouble::run)?;
    writeln!(out, "served {} connections, {} of them broken off", served.connections, served.failed)?;
    Ok(Exit::Pass)
}
