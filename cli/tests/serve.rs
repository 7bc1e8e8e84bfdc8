//! `wavetank serve` as a shell and a client see it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
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

/// Starts a hub, and gives the first line that it says.
fn started(command: &mut Command) -> (Child, BufReader<ChildStdout>, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    (child, out, line.trim().to_owned())
}

/// A hub in a process of its own.
struct Hub {
    child: Child,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Hub {
    fn start(data: Option<&Path>) -> Self {
        let (child, out, line) = started(&mut telemetry_hub("127.0.0.1:0", data));
        let address = line.strip_prefix("telemetry-hub listening on http://").unwrap().to_owned();
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

/// A hub started with these arguments by a shell, and how many lines it says first. The shell puts the socket that is its
/// standard input where systemd would.
fn start_activated(
    socket: impl Into<std::os::fd::OwnedFd>,
    arguments: &[&str],
) -> (Child, BufReader<ChildStdout>, String) {
    let hand_over = r#"export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@" 3<&0 0</dev/null"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", hand_over, "sh", env!("CARGO_BIN_EXE_wavetank"), "serve", "telemetry-hub"]);
    started(shell.args(arguments).stdin(socket.into()))
}

#[test]
fn sockets_that_it_is_started_with_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.sock");
    let socket = UnixListener::bind(&path).unwrap();
    // Whoever comes before it is started waits.
    let mut early = UnixStream::connect(&path).unwrap();
    early.write_all(b"GET /health HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n").unwrap();
    let (mut child, mut out, line) = start_activated(socket, &["--listen", "127.0.0.1:0"]);
    assert_eq!(line, format!("telemetry-hub listening on unix:{}", path.display()));
    let mut response = String::new();
    early.read_to_string(&mut response).unwrap();
    assert!(response.ends_with("\r\n\r\nok"), "{response}");
    let mut second = String::new();
    out.read_line(&mut second).unwrap();
    let address = second.trim().strip_prefix("telemetry-hub listening on http://").unwrap();
    let hub = Hub { address: address.to_owned(), child, out };
    assert_eq!(hub.ask("GET", "/health", ""), (200, "ok".to_owned()), "beside an address of its own");
    assert_eq!(hub.stop("TERM"), (Some(0), "served 2 connections, 0 of them broken off\n".to_owned()));
    assert!(path.exists(), "the socket is whose who made it");

    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let line;
    (child, out, line) = start_activated(socket, &[]);
    assert_eq!(line, format!("telemetry-hub listening on http://{address}"));
    let hub = Hub { address, child, out };
    assert_eq!(hub.ask("GET", "/health", ""), (200, "ok".to_owned()));
    assert_eq!(hub.stop("TERM").0, Some(0));

    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let others: [std::os::fd::OwnedFd; 3] = [
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into(),
        TcpStream::connect(server.local_addr().unwrap()).unwrap().into(),
        UnixStream::pair().unwrap().0.into(),
    ];
    for socket in others {
        let (mut child, _, line) = start_activated(socket, &[]);
        if !line.is_empty() {
            child.kill().unwrap();
        }
        assert_eq!((child.wait().unwrap().code(), &*line), (Some(2), ""));
    }
}

#[test]
fn a_unix_socket_is_for_its_user_unless_it_is_said_to_be_for_others() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.sock");
    let listen = format!("unix:{}", path.display());
    for (arguments, mode) in [(&[][..], 0o600), (&["--unix-mode", "660"], 0o660), (&["--unix-mode", "0666"], 0o666)] {
        // Whatever the umask says.
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 0007; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_wavetank"), "serve", "telemetry-hub"]);
        let (child, out, line) = started(shell.args(["--listen", &listen]).args(arguments));
        assert_eq!(line, format!("telemetry-hub listening on {listen}"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{arguments:?}");
        let mut connection = UnixStream::connect(&path).unwrap();
        connection.write_all(b"GET /health HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).unwrap();
        assert!(response.ends_with("\r\n\r\nok"), "{response}");
        assert_eq!(Hub { child, out, address: listen.clone() }.stop("TERM").0, Some(0));
        assert!(!path.exists());
    }
    for wrong in ["rw", "1000", "", "+7", "888"] {
        let output = telemetry_hub(&listen, None).args(["--unix-mode", wrong]).output().unwrap();
        assert!(error_of(&output).contains("a mode is three digits"), "{wrong}: {output:?}");
    }
}

#[test]
fn tls_is_served_by_files_and_what_they_lack_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (file("chain.pem", &cert.pem()), file("key.pem", &signing_key.serialize_pem()));
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    let mut child = telemetry_hub("127.0.0.1:0", None).args(tls).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("telemetry-hub listening on https://").unwrap().to_owned();
    let hub = Hub { child, out, address };
    let port = hub.address.rsplit_once(':').unwrap().1;
    let asked = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "10", "--noproxy", "*", "--http2", "--cacert", &cert])
        .args(["--resolve", &format!("localhost:{port}:127.0.0.1"), "--write-out", " %{http_version}"])
        .arg(format!("https://localhost:{port}/health"))
        .output();
    match asked {
        Ok(answer) => assert_eq!(String::from_utf8_lossy(&answer.stdout), "ok 2"),
        Err(error) => println!("there is no curl here ({error}): the hub was not asked"),
    }
    assert_eq!(hub.stop("TERM").0, Some(0));

    let output = telemetry_hub("127.0.0.1:0", None).args(["--tls-cert", &key, "--tls-key", &key]).output().unwrap();
    let error = error_of(&output);
    assert!(error.contains("key.pem holds no certificate in PEM"), "{error}");
    let output = telemetry_hub("127.0.0.1:0", None).args(["--tls-cert", &cert]).output().unwrap();
    assert!(error_of(&output).contains("--tls-key"), "{output:?}");
    let output = telemetry_hub("localhost", None).output().unwrap();
    assert!(error_of(&output).contains("an address and a port, as in 127.0.0.1:8080"), "{output:?}");
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
