//! `wavetank serve` as a shell and a client see it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

const READING: &str = r#"{"device":"thermostat-1","sequence":17,"celsius_milli":21375,"at_ms":123456}"#;

fn telemetry_hub(listen: &str, data: Option<&Path>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command.args(["serve", "telemetry-hub", "--listen", listen]);
    if let Some(data) = data {
        command.arg("--data").arg(data);
    }
    command
}

/// A hub in a process of its own.
struct Hub {
    child: Child,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Hub {
    fn start(data: Option<&Path>) -> Self {
        let mut child = telemetry_hub("127.0.0.1:0", data).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("telemetry-hub listening on http://").unwrap().to_owned();
        Self { child, out, address }
    }

    /// A response's status, and its body.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Signals it, and gives the exit code and the rest of what it printed.
    fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Hub {
    /// A test that failed leaves no server behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn error_of(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(2));
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_reading_is_stored_once_and_kept_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hub.redb");
    let hub = Hub::start(Some(&data));
    assert_eq!(hub.ask("POST", "/readings", READING), (201, r#"{"stored":1,"duplicate":0}"#.to_owned()));
    assert_eq!(hub.ask("POST", "/readings", READING), (200, r#"{"stored":0,"duplicate":1}"#.to_owned()));
    assert_eq!(hub.stop("INT"), (Some(0), "served 2 connections, 0 of them broken off\n".to_owned()));

    let hub = Hub::start(Some(&data));
    let (status, devices) = hub.ask("GET", "/devices", "");
    assert_eq!(status, 200);
    assert!(devices.contains(r#""device":"thermostat-1","online":true,"last_sequence":17,"#), "{devices}");
    assert_eq!(hub.stop("TERM").0, Some(0));
}

#[test]
fn a_port_in_use_is_told_with_its_cause() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = telemetry_hub(&address, None).output().unwrap();
    let error = error_of(&output);
    assert!(error.starts_with(&format!("cannot listen at {address}: ")), "{error}");
    assert!(error.trim_end().len() > format!("cannot listen at {address}: ").len(), "{error}");
}

#[test]
fn a_data_file_that_is_none_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.md");
    std::fs::write(&notes, "not a database\n").unwrap();
    let output = telemetry_hub("127.0.0.1:0", Some(&notes)).output().unwrap();
    let error = error_of(&output);
    assert!(error.starts_with("cannot open the data file ") && error.contains("notes.md: "), "{error}");
    assert!(error.contains("Not a redb database"), "{error}");
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "not a database\n");
}
