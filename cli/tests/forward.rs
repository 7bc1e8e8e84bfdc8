//! `wavetank run --forward` as a client on the host sees it, and its run again without the client.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../web/hub/tests/support/browser.rs"]
mod browser;
mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use browser::Browser;
use common::{err, out, wavetank};

const SCENARIO: &str = "scenarios/gallery/first-light.toml";

/// What the hub in the tank answers.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A run in paced real time, and where its hub is had.
fn start(arguments: &[&str]) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(["run", SCENARIO, "--pace", "1x", "--forward", "127.0.0.1:0=hub:8080"])
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    while !line.contains(" leads to hub:8080") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "it says where it listens");
    }
    let address = line.trim().strip_prefix("http://").unwrap().split(' ').next().unwrap();
    (child, address.to_owned())
}

/// What happens in the tank is seen on the page as it happens.
#[test]
fn a_browser_on_the_host_sees_the_hub_live() {
    if !browser::is_here() {
        println!("there is no chromium here: nothing was tested");
        return;
    }
    let (mut child, address) = start(&[]);
    let profile = tempfile::tempdir().unwrap();
    let mut browser = Browser::open(profile.path(), &format!("http://{address}/"));
    browser.wait_for("document.getElementById('state')?.textContent === 'Live'");
    let readings = "Number(document.querySelectorAll('dd')[2].textContent)";
    let seen = browser.evaluate(readings);
    browser.wait_for(&format!("{readings} > {seen} + 3"));
    drop(browser);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_client_on_the_host_talks_to_the_hub_and_the_run_can_be_had_again_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (inputs, live, again) = (path("inputs"), path("live"), path("again"));
    let (mut child, address) = start(&["--json", "--record-inputs", &inputs, "--trace", &live]);
    let address = address.as_str();
    let reading = r#"{"device":"visitor","sequence":1,"celsius_milli":20000,"at_ms":1}"#;
    let post = format!(
        "POST /readings HTTP/1.1\r\nhost: hub\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{reading}",
        reading.len()
    );
    assert!(ask(address, &post).starts_with("HTTP/1.1 201 Created\r\n"));
    let devices = ask(address, "GET /devices/visitor HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n");
    assert!(devices.contains(r#""device":"visitor","online":true"#), "{devices}");
    // Ctrl-C: the run ends where it stands.
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let lived: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(lived["replay"].as_str().unwrap().ends_with(&format!("{SCENARIO} --inputs {inputs}")), "{lived}");

    let output = wavetank(&["run", SCENARIO, "--inputs", &inputs, "--json", "--trace", &again]);
    let replayed: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(replayed["fingerprint"], lived["fingerprint"]);
    assert_eq!(std::fs::read(&live).unwrap(), std::fs::read(&again).unwrap(), "event by event");
}

#[test]
fn what_cannot_be_reached_is_said() {
    let refused = |arguments: &[&str]| {
        let output = wavetank(&[&["run", SCENARIO][..], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        err(&output).to_owned()
    };
    let unknown = refused(&["--forward", "127.0.0.1:0=hubb:8080"]);
    assert!(unknown.contains("no node is called \"hubb\""), "{unknown}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let busy = refused(&["--forward", &format!("{address}=hub:8080")]);
    assert!(busy.contains(&format!("cannot listen at {address}")), "{busy}");
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("none").display().to_string();
    assert!(refused(&["--inputs", &absent]).contains(&absent));
}
