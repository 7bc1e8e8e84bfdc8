//! The fixtures of http_desync_guardian: requests whose end two programs may see in different places.
//!
//! Each is sent with a body as a server that takes it at its word would read it, and with a second request behind that. What
//! the guardian lets pass must be answered; what it calls severe must be refused; and nothing that is ambiguous may have its
//! connection used on.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::{Case, Ground};
use crate::{Outcome, metadata, shell};

#[derive(Deserialize)]
struct Fixture {
    name: String,
    uri: String,
    method: String,
    version: String,
    headers: Option<Vec<Field>>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    /// Text, or a number.
    value: serde_json::Value,
}

#[derive(Deserialize)]
struct Expected {
    tier: Tier,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Compliant,
    Acceptable,
    Ambiguous,
    Severe,
}

/// Python reads the YAML, so that nothing here need.
const TO_JSON: &str = "import glob, json, sys, yaml
print(json.dumps([case for path in sorted(glob.glob(sys.argv[1] + '/*.yaml')) for case in yaml.safe_load(open(path)) or []]))";

pub(super) fn run(ground: &Ground) -> Outcome<Vec<Case>> {
    let text = shell::read(Command::new(&ground.python).args(["-c", TO_JSON]).arg(fixtures()?))?;
    let fixtures: Vec<Fixture> = serde_json::from_str(&text)?;
    let mut cases = Vec::new();
    for fixture in &fixtures {
        let answer = ask(&ground.address, &fixture.bytes())?;
        cases.push(Case::new(&fixture.name, wrong(fixture.expected.tier, &answer)));
    }
    Ok(cases)
}

/// The crate's own tests lie in its package, which cargo fetches for a manifest that names it.
fn fixtures() -> Outcome<PathBuf> {
    let manifest = shell::root().join("xtask/conformance/Cargo.toml");
    let package = metadata::of(&manifest)?.packages.into_iter().find(|package| package.name == "http_desync_guardian");
    let package = package.ok_or("http_desync_guardian is not in xtask/conformance/Cargo.lock")?;
    Ok(package.manifest_path.with_file_name("tests"))
}

impl Fixture {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = latin1(&self.method);
        for part in [&self.uri, &self.version] {
            // A request of HTTP/0.9 has no version.
            if !part.is_empty() {
                bytes.push(b' ');
                bytes.extend(latin1(part));
            }
        }
        bytes.extend_from_slice(b"\r\n");
        let fields = self.headers.as_deref().unwrap_or_default();
        let is = |field: &Field, name: &str| field.name.trim().eq_ignore_ascii_case(name);
        if !fields.iter().any(|field| is(field, "host")) {
            bytes.extend_from_slice(b"host: hub\r\n");
        }
        for field in fields {
            bytes.extend(latin1(&field.name));
            bytes.extend_from_slice(b": ");
            bytes.extend(latin1(&field.text()));
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        let length = fields.iter().find(|field| is(field, "content-length"));
        let length = length.and_then(|field| field.text().trim().parse::<usize>().ok()).filter(|&n| n <= 1_000_000);
        if fields.iter().any(|field| is(field, "transfer-encoding")) {
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            bytes.resize(bytes.len() + length.unwrap_or(0), b'x');
        }
        bytes.extend_from_slice(b"GET /text HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n");
        bytes
    }
}

impl Field {
    fn text(&self) -> String {
        match &self.value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Null => String::new(),
            other => other.to_string(),
        }
    }
}

/// The fixtures write bytes as the characters of the same numbers.
fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .flat_map(|char| {
            u8::try_from(u32::from(char)).map_or_else(|_| char.to_string().into_bytes(), |byte| vec![byte])
        })
        .collect()
}

/// After how long a server that says nothing is told that nothing more comes. Sooner, and the end would race with what it
/// still has to answer.
const SILENCE: Duration = Duration::from_secs(1);
/// How long it may take then.
const PATIENCE: Duration = Duration::from_secs(5);

/// The statuses of what came back.
fn ask(address: &str, bytes: &[u8]) -> Outcome<Vec<u16>> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(SILENCE))?;
    // A server that refuses may have stopped listening before all is said.
    let said = connection.write_all(bytes);
    let mut answer = Vec::new();
    let mut heard = connection.read_to_end(&mut answer);
    if heard.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)) {
        connection.set_read_timeout(Some(PATIENCE))?;
        heard = connection.shutdown(Shutdown::Write).and_then(|()| connection.read_to_end(&mut answer));
    }
    if answer.is_empty() {
        said?;
        heard?;
    }
    let text = String::from_utf8_lossy(&answer);
    Ok(text.split("HTTP/1.").skip(1).filter_map(|rest| rest.get(2..5)?.parse().ok()).collect())
}

fn wrong(tier: Tier, statuses: &[u16]) -> Option<String> {
    let first = statuses.first().copied().unwrap_or(0);
    let refused = matches!(first, 400 | 501 | 505) && statuses.len() == 1;
    let fine = match tier {
        Tier::Compliant => first == 200,
        Tier::Acceptable => first == 200 || refused,
        // Alone: the second request was not taken for one.
        Tier::Ambiguous => statuses.len() == 1,
        Tier::Severe => refused,
    };
    (!fine).then(|| format!("answered with {statuses:?}"))
}
