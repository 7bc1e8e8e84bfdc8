//! `wavetank serve`: an application of the tank on real sockets.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

use wavetank_scenarios::hub;

use crate::arguments::{Application, Security, Serve, Sockets};
use crate::command::Trouble;
use crate::exit::Exit;
use crate::human::plural;

/// Where the hub listens if it is told nothing else.
const DEFAULT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8_080));

/// Serves until Ctrl-C, then says in a line what was served.
pub(crate) fn run(arguments: &Serve, out: &mut impl Write) -> Result<Exit, Trouble> {
    let Application::TelemetryHub { sockets, data, security } = &arguments.application;
    let sockets = open(sockets);
    let security = read(security)?;
    #[cfg(feature = "tls")]
    let security = hub::Security { over_tls: sockets.tls.is_some(), ..security };
    let config = hub::Config { security, ..hub::Config::default() };
    let served =
        hub::run_tokio(&sockets, data.as_deref(), config).map_err(|error| Trouble::Input(with_causes(&error)))?;
    writeln!(out, "{}", summary(served.connections, served.failed, served.cut))?;
    Ok(Exit::Pass)
}

/// What was served, in a line. That some were still busy is said where it is so.
fn summary(connections: u64, broken_off: u64, cut: u64) -> String {
    let served = format!("served {}, {broken_off} of them broken off", plural(connections, "connection"));
    match cut {
        0 => served,
        _ => format!("{served}, and {cut} cut when the time to stop was up"),
    }
}

/// The default address counts where nothing else is to be listened at.
fn open(sockets: &Sockets) -> hub::Sockets {
    let listen = &sockets.listen;
    let inherited = is_handed_sockets(|name| std::env::var(name).ok(), std::process::id());
    let default = (listen.is_empty() && !inherited).then_some(hub::Place::Tcp(DEFAULT));
    hub::Sockets {
        listen: listen.iter().cloned().chain(default).collect(),
        unix_mode: sockets.unix_mode,
        inherited,
        #[cfg(feature = "tls")]
        tls: files(&sockets.tls),
    }
}

/// Whether the program was started with sockets (`sd_listen_fds(3)`). What names another process was left behind by whoever
/// started this one, and means nothing here. An empty name is as good as none, as for whoever takes them (`listenfd`).
fn is_handed_sockets(variable: impl Fn(&str) -> Option<String>, process: u32) -> bool {
    let said = |name| variable(name).filter(|text| !text.is_empty());
    let number = |name| said(name).map(|text| text.parse::<u32>().ok());
    let is_meant = number("LISTEN_PID").is_none_or(|meant| meant == Some(process));
    is_meant && number("LISTEN_FDS").flatten().is_some_and(|count| count > 0)
}

#[cfg(feature = "tls")]
fn files(tls: &crate::arguments::Tls) -> Option<hub::TlsFiles> {
    let (certificates, key) = tls.tls_cert.clone().zip(tls.tls_key.clone())?;
    Some(hub::TlsFiles { certificates, key })
}

fn read(security: &Security) -> Result<hub::Security, Trouble> {
    let secret = |path: &Option<PathBuf>| path.as_deref().map(secret).transpose();
    Ok(hub::Security {
        admin_token: secret(&security.admin_token_file)?,
        device_secret: secret(&security.device_secret_file)?,
        firmware_key: security.firmware_key,
        over_tls: false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_still_busy_at_the_end_is_counted() {
        assert_eq!(summary(1, 0, 0), "served 1 connection, 0 of them broken off");
        assert_eq!(
            summary(5, 2, 1),
            "served 5 connections, 2 of them broken off, and 1 cut when the time to stop was up"
        );
    }

    #[test]
    fn sockets_are_taken_by_whom_they_are_meant_for() {
        let handed = |variables: &[(&str, &str)]| {
            let variable =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            is_handed_sockets(variable, 17)
        };
        assert!(handed(&[("LISTEN_FDS", "1"), ("LISTEN_PID", "17")]));
        assert!(handed(&[("LISTEN_FDS", "2")]));
        assert!(handed(&[("LISTEN_FDS", "2"), ("LISTEN_PID", "")]));
        assert!(!handed(&[("LISTEN_FDS", ""), ("LISTEN_PID", "17")]));
        assert!(!handed(&[]));
        assert!(!handed(&[("LISTEN_FDS", "1"), ("LISTEN_PID", "1")]), "another's");
        assert!(!handed(&[("LISTEN_FDS", "1"), ("LISTEN_PID", "one")]));
        assert!(!handed(&[("LISTEN_FDS", "abc"), ("LISTEN_PID", "17")]));
        assert!(!handed(&[("LISTEN_FDS", "0"), ("LISTEN_PID", "17")]), "none");
    }
}
