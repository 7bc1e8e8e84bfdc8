//! What is said to the hub, what becomes of what it offers, and when a device counts as well.

extern crate std;

use core::convert::Infallible;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::string::String;
use std::vec::Vec;

use embedded_io_async::{ErrorType, Read, Write};
use wavetank_stack::http::Connection;
use wavetank_stack::update::{Layout, Manifest, Name, Slot, Trust, Updater, Version};
use wavetank_stack::{Clock as _, Config as StackConfig, Duration, Instant, Stack, Stats};

use super::call::{Hub, Said, Trouble, image};
use super::vitals::Vitals;
use super::{Host, Keeper, Settings, Visit, metrics};
use crate::testing::{Cells, ManualClock, Notebook, Words, cable, now, run_until};
use crate::{DeviceId, ResetCause};

/// A hub that has an answer to each of so many requests, whatever they are.
struct Scripted {
    answers: VecDeque<Vec<u8>>,
    answer: Vec<u8>,
    heard: String,
}

impl Scripted {
    fn of(answers: &[&str]) -> Self {
        let answers = answers.iter().map(|answer| answer.as_bytes().to_vec()).collect();
        Scripted { answers, answer: Vec::new(), heard: String::new() }
    }
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
        self.answer = self.answers.pop_front().unwrap_or_default();
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
    let (id, ..) = longest();
    let (clock, mut buffer) = (ManualClock::default(), [0; 512]);
    let mut scripted = Scripted::of(&[answer]);
    let hub = Hub { host: "10.0.0.1:80", device: &id, patience: Duration::from_secs(1), clock: &clock };
    let outcome = now(call(&hub, &mut Connection::new(&mut scripted, &mut buffer)));
    (outcome, scripted.heard)
}

/// An image of four bytes that was signed, as whoever writes another implementation has to come to, and the key.
const SIGNED: &str = "wavetank firmware 2\n\
    thermostat\n\
    1.2.0\n\
    1.0.0\n\
    4\n\
    5694d08a2e53ffcae0c3103e5ad6f6076abd960eb1f8a56577040bc1028f702b\n\
    a1a903e3b32441b1bce8f43328db840a26c8354530921e82ae636741aeb08bcb4121094676b0f594c3f93c20c4468c7614adc556595ea58ab83d6ab47d443a01\n";
const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// Answers to what is said: it is heard, the last of this connection, and not heard.
const HEARD: &str = "HTTP/1.1 204 X\r\n\r\n";
const FAREWELL: &str = "HTTP/1.1 204 X\r\nConnection: close\r\n\r\n";
const LOST: &str = "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n";

fn offer(text: &str) -> String {
    std::format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

type TestKeeper<'a> = Keeper<'a, 'static, Cells, ManualClock, Notebook>;

/// A device that runs from slot A, with nothing on its flash.
fn keeping(flash: &Cells, test: impl FnOnce(&mut TestKeeper<'_>, &ManualClock, &Notebook)) {
    let layout = Layout { a: 0..1_536, b: 1_536..3_072, state: 3_072..4_096 };
    let (clock, probe) = (ManualClock::default(), Notebook::default());
    let vitals = Vitals::new(7, 0, ResetCause::Watchdog, clock.now());
    let (id, name) = (DeviceId::new("thermostat-1").expect("a name"), "thermostat".parse().expect("a name"));
    let trust = Trust { key: KEY.parse().expect("a key"), name };
    let settings = Settings::new(layout.clone(), Slot::A, trust, ([10, 0, 0, 1], 80).into());
    let (stack, _runner) = Stack::shared(cable().0, clock.clone(), &StackConfig::default(), 1);
    let host = Host { id: &id, stack: &stack, clock: &clock, probe: &probe, vitals: &vitals };
    let hub = Hub { host: "10.0.0.1:80", device: &id, patience: settings.patience, clock: &clock };
    let updater = Updater::new(flash.clone(), layout, Slot::A).expect("a good layout");
    test(&mut Keeper { hub, updater, host: &host, settings: &settings, refused: None, heard: true }, &clock, &probe);
}

/// One connection to a hub with these answers: what came of it, and what the hub heard.
fn visit(keeper: &mut TestKeeper<'_>, answers: &[&str]) -> (Result<Visit, Trouble>, String) {
    let (mut scripted, mut buffer) = (Scripted::of(answers), [0; 512]);
    let visit = now(keeper.errands(&mut Connection::new(&mut scripted, &mut buffer)));
    (visit, scripted.heard)
}

#[test]
fn the_hub_hears_of_each_manifest_once_that_it_is_refused() {
    keeping(&Cells::new(8), |keeper, _, probe| {
        let unsigned = Manifest { signature: None, ..Manifest::parse(SIGNED.as_bytes()).expect("a manifest") };
        let offered = offer(unsigned.text().as_str());
        let said = r#""state":"failed","detail":"it is not signed""#;
        let (lost, heard) = visit(keeper, &[&offered, LOST]);
        assert_eq!(lost, Err(Trouble::Broken { moved: false }));
        assert!(heard.contains(said), "{heard}");
        let (told, heard) = visit(keeper, &[&offered, HEARD]);
        assert_eq!(told, Ok(Visit::Done));
        assert!(heard.contains(said), "nobody has heard it so far: {heard}");
        let (known, heard) = visit(keeper, &[&offered]);
        assert_eq!((known, heard.contains("POST")), (Ok(Visit::Done), false));
        // Another manifest of the same image may be one to be believed.
        let (taken, heard) = visit(keeper, &[&offer(SIGNED), LOST]);
        assert_eq!(taken, Err(Trouble::Broken { moved: false }));
        assert!(heard.contains(r#""state":"downloading""#), "{heard}");
        assert_eq!(probe.counted(metrics::UPDATES_REFUSED), 2);
    });
}

#[test]
fn a_hub_that_closes_before_anything_came_is_left_alone_for_longer_each_time() {
    keeping(&Cells::new(8), |keeper, _, _| {
        let offered = offer(SIGNED);
        assert_eq!(visit(keeper, &[&offered, FAREWELL]).0, Ok(Visit::Failed));
        let piece =
            "HTTP/1.1 206 X\r\nContent-Range: bytes 0-3/4\r\nContent-Length: 4\r\nConnection: close\r\n\r\ncode";
        assert_eq!(visit(keeper, &[&offered, HEARD, piece]).0, Ok(Visit::Swap));
    });
}

#[test]
fn a_call_begins_with_how_the_device_is_until_the_hub_has_it() {
    const TOO_MUCH: &str = "HTTP/1.1 422 X\r\nContent-Length: 0\r\n\r\n";
    keeping(&Cells::new(8), |keeper, _, probe| {
        keeper.host.vitals.runs(Version::new(1, 2, 0));
        keeper.host.vitals.sensor_failed();
        for (answer, heard) in [(LOST, false), (TOO_MUCH, true), (HEARD, true)] {
            keeper.heard = false;
            let (visit, said) = visit(keeper, &[answer, HEARD]);
            assert_eq!((visit, keeper.heard), (Ok(Visit::Done), heard), "{answer}");
            let (told, asked) = said.split_once("GET ").expect("an update is asked for all the same");
            assert!(told.starts_with("POST /devices/thermostat-1/health HTTP/1.1\r\n"), "{told}");
            let body = r#"{"life":7,"cause":"watchdog","up_ms":0,"version":"1.2.0","sensor_errors":1"#;
            assert!(told.contains(body) && asked.starts_with("/devices/thermostat-1/update?"), "{said}");
        }
        assert_eq!(probe.counted(metrics::HEALTH_REPORTED), 1);
        let reports_failed = keeper.host.vitals.report(Instant::from_millis(0), &Stats::default()).reports_failed;
        assert_eq!(reports_failed, 1, "what is only put off is counted by the call");
        let (_, said) = visit(keeper, &[HEARD]);
        assert!(!said.contains("POST"), "it is said once a call: {said}");
        keeper.heard = false;
        let (broken, said) = visit(keeper, &[]);
        assert_eq!((broken, keeper.heard), (Err(Trouble::Broken { moved: false }), false));
        assert!(said.contains("/health"), "{said}");
    });
}

#[test]
fn what_is_wrong_for_the_first_time_in_a_life_is_news() {
    let vitals = Vitals::new(7, 0, ResetCause::PowerOn, Instant::from_millis(500));
    let tell = || vitals.report(Instant::from_millis(2_000), &Stats::default());
    let is_news = || pin!(vitals.until_news()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    let mut troubles: [(&str, &dyn Fn()); 4] = [
        ("sensor", &|| vitals.sensor_failed()),
        ("flash", &|| vitals.flash_failed()),
        ("link", &|| vitals.reached(false)),
        ("loss", &|| vitals.lost(3)),
    ];
    for (what, trouble) in &mut troubles {
        assert!(!is_news(), "{what}");
        trouble();
        assert!(is_news(), "{what}");
        tell();
        trouble();
        assert!(!is_news(), "{what}: it is told with the next report");
    }
    vitals.waiting(u64::MAX);
    vitals.lost(0);
    vitals.battery(Some(2_900));
    assert!(!is_news());
    let health = tell();
    assert_eq!((health.sensor_errors, health.flash_errors, health.link_failures, health.lost), (2, 2, 2, 6));
    assert_eq!((health.waiting, health.battery_mv, health.up_ms, health.cut_off), (u32::MAX, Some(2_900), 1_500, true));
    vitals.reached(true);
    assert!(!tell().cut_off && tell().link_failures == 2);
}

#[test]
fn nothing_goes_on_before_the_flash_says_what_is_on_trial() {
    let flash = Cells::new(8);
    keeping(&flash, |keeper, clock, probe| {
        let mut rng = Words::new(&[u32::MAX]);
        let mut running = pin!(keeper.run(&mut rng));
        flash.fails.set(true);
        assert_eq!(run_until(clock, Instant::from_millis(1_600), running.as_mut()), None);
        assert_eq!(probe.gauged(metrics::ON_TRIAL), None);
        flash.fails.set(false);
        assert_eq!(run_until(clock, Instant::from_millis(3_600), running), None);
        assert_eq!(probe.gauged(metrics::ON_TRIAL), Some(0));
        assert_eq!(probe.counted(metrics::FLASH_ERRORS), 3, "at 0, 500 and 1,500 ms");
    });
}

#[test]
fn the_longest_of_everything_has_room() {
    let (_, name, version) = longest();
    let (said, heard) = with("HTTP/1.1 204 N\r\n\r\n", async |hub, connection| {
        hub.say(connection, &name, version, Said::RolledBack, &"w".repeat(500)).await
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
        with(&answer, async |hub, connection| hub.ask(connection, &longest().1, Version::new(1, 0, 0)).await)
    };
    let (offered, heard) = ask("200", &text);
    assert_eq!(offered, Ok(Some(manifest(b"code"))));
    assert!(heard.contains("&running=1.0.0 HTTP/1.1\r\n") && heard.contains("\r\nAccept: text/plain\r\n"), "{heard}");
    let nothing = with("HTTP/1.1 204 N\r\n\r\n", async |hub, connection| {
        hub.ask(connection, &longest().1, Version::default()).await
    });
    assert_eq!(nothing.0, Ok(None));
    let broken = Trouble::Broken { moved: false };
    for (status, body) in [("200", "no manifest"), ("404", ""), ("500", ""), ("200", &*text.repeat(2))] {
        assert_eq!(ask(status, body).0, Err(broken), "{status} {body}");
    }
    let (said, _) = with("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", async |hub, connection| {
        hub.say(connection, &longest().1, Version::default(), Said::Trying, &"").await
    });
    assert_eq!(said, Err(broken));
}

#[test]
fn a_device_is_well_once_it_has_shown_everything() {
    let health = Vitals::new(7, 3, ResetCause::PowerOn, Instant::from_millis(0));
    let mut well = pin!(health.until_well());
    let mut poll = || well.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(poll(), Poll::Pending);
    health.show(2);
    health.show(2);
    assert_eq!(poll(), Poll::Pending);
    health.show(1);
    assert_eq!(poll(), Poll::Ready(()));
}
