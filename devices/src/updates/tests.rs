//! What is said to the hub, and when a device counts as well.

extern crate std;

use core::convert::Infallible;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::string::String;
use std::vec::Vec;

use embedded_io_async::{ErrorType, Read, Write};
use wavetank_stack::Duration;
use wavetank_stack::http::Connection;
use wavetank_stack::update::{Manifest, Name, Version};

use super::call::{Hub, Said, Trouble, image};
use super::health::Health;
use crate::DeviceId;
use crate::testing::{ManualClock, now};

/// A hub that has one answer.
struct Scripted {
    answer: Vec<u8>,
    heard: String,
}

impl ErrorType for Scripted {
    type Error = Infallible;
}

impl Read for Scripted {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        let count = out.len().min(self.answer.len());
        out[..count].copy_from_slice(&self.answer[..count]);
        self.answer.drain(..count);
        Ok(count)
    }
}

impl Write for Scripted {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.heard += core::str::from_utf8(bytes).expect("requests here are text");
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn longest() -> (DeviceId, Name, Version) {
    let id = DeviceId::new(&"d".repeat(DeviceId::LEN_MAX)).expect("a plain name");
    let name = "n".repeat(Name::LEN_MAX).parse().expect("a name");
    (id, name, Version::new(65_535, 65_535, 65_535))
}

fn manifest(image: &[u8]) -> Manifest {
    let (_, name, version) = longest();
    Manifest::of(name, version, version, image).expect("an image")
}

fn with<T>(
    answer: &str,
    call: impl AsyncFnOnce(&Hub<'_, ManualClock>, &mut Connection<'_, &mut Scripted>) -> T,
) -> (T, String) {
    let (id, name, _) = longest();
    let (clock, mut buffer) = (ManualClock::default(), [0; 512]);
    let mut scripted = Scripted { answer: answer.into(), heard: String::new() };
    let hub = Hub { host: "10.0.0.1:80", device: &id, name: &name, patience: Duration::from_secs(1), clock: &clock };
    let outcome = now(call(&hub, &mut Connection::new(&mut scripted, &mut buffer)));
    (outcome, scripted.heard)
}

#[test]
fn the_longest_of_everything_has_room() {
    let (_, _, version) = longest();
    let (said, heard) = with("HTTP/1.1 204 N\r\n\r\n", async |hub, connection| {
        hub.say(connection, version, Said::RolledBack, &"w".repeat(500)).await
    });
    assert_eq!(said, Ok(()));
    let (head, body) = heard.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("POST /devices/dddd") && head.contains("\r\nHost: 10.0.0.1:80\r\n"), "{head}");
    assert!(body.starts_with(r#"{"firmware":"nnn"#) && body.ends_with(r#"w"}"#), "{body}");
    assert!(body.contains(r#""version":"65535.65535.65535","state":"rolled-back","detail":"w"#), "{body}");
    assert!(image(&manifest(b"code")).ends_with("/65535.65535.65535"));
}

#[test]
fn a_hub_is_taken_at_its_word_only_if_it_makes_sense() {
    let text = std::format!("{}", manifest(b"code"));
    let ask = |status: &str, body: &str| {
        let answer = std::format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        with(&answer, async |hub, connection| hub.ask(connection, Version::new(1, 0, 0)).await)
    };
    let (offered, heard) = ask("200", &text);
    assert_eq!(offered, Ok(Some(manifest(b"code"))));
    assert!(heard.contains("&running=1.0.0 HTTP/1.1\r\n") && heard.contains("\r\nAccept: text/plain\r\n"), "{heard}");
    let nothing = with("HTTP/1.1 204 N\r\n\r\n", async |hub, connection| hub.ask(connection, Version::default()).await);
    assert_eq!(nothing.0, Ok(None));
    let broken = Trouble::Broken { moved: false };
    for (status, body) in [("200", "no manifest"), ("404", ""), ("500", ""), ("200", &*text.repeat(2))] {
        assert_eq!(ask(status, body).0, Err(broken), "{status} {body}");
    }
    let (said, _) = with("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", async |hub, connection| {
        hub.say(connection, Version::default(), Said::Trying, &"").await
    });
    assert_eq!(said, Err(broken));
}

#[test]
fn a_device_is_well_once_it_has_shown_everything() {
    let health = Health::needing(3);
    let mut well = pin!(health.until_well());
    let mut poll = || well.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(poll(), Poll::Pending);
    health.show(2);
    health.show(2);
    assert_eq!(poll(), Poll::Pending);
    health.show(1);
    assert_eq!(poll(), Poll::Ready(()));
}
