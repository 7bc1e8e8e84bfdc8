//! `wavetank serve`: an application of the tank on real sockets.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use wavetank_scenarios::hub;

use crate::arguments::{Application, Security, Serve};
use crate::command::Trouble;
use crate::exit::Exit;
use crate::human::plural;

/// Serves until Ctrl-C, then says in a line what was served.
pub(crate) fn run(arguments: &Serve, out: &mut impl Write) -> Result<Exit, Trouble> {
    let Application::TelemetryHub { listen, data, security } = &arguments.application;
    let config = hub::Config { security: read(security)?, ..hub::Config::default() };
    let served =
        hub::run_tokio(*listen, data.as_deref(), config).map_err(|error| Trouble::Input(with_causes(&error)))?;
    writeln!(out, "served {}, {} of them broken off", plural(served.connections, "connection"), served.failed)?;
    Ok(Exit::Pass)
}

fn read(security: &Security) -> Result<hub::Security, Trouble> {
    let secret = |path: &Option<PathBuf>| path.as_deref().map(secret).transpose();
    Ok(hub::Security {
        admin_token: secret(&security.admin_token_file)?,
        device_secret: secret(&security.device_secret_file)?,
        firmware_key: security.firmware_key,
    })
}

/// The first line of a file: on a command line everybody would see it.
fn secret(path: &Path) -> Result<hub::Secret, Trouble> {
    let text = fs::read_to_string(path).map_err(|error| Trouble::Input(format!("{}: {error}", path.display())))?;
    match text.lines().next().map(str::trim) {
        Some(line) if line.len() >= 16 => Ok(hub::Secret::new(line)),
        _ => {
            Err(Trouble::Input(format!("{}: its first line must be a secret of 16 characters or more", path.display())))
        }
    }
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
