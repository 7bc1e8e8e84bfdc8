//! The whole lamp, between a broker and somebody with CoAP, through power cuts.

extern crate std;

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use std::format;
use std::println;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use embassy_futures::select::{Either, select};
use embedded_hal::digital::ErrorType;
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
use wavetank_stack::coap::{Client as CoapClient, Code, Options, Request};
use wavetank_stack::mqtt::PORT;
use wavetank_stack::time::sleep;
use wavetank_stack::{Config as StackConfig, Instant};

use super::*;
use crate::testing::inn::{self, Inn};
use crate::testing::{Cells, ManualClock, Noise, Notebook, Port, cable, run_until};

/// A light that anybody can see.
#[derive(Clone, Default)]
struct Light(Rc<Cell<bool>>);

impl ErrorType for Light {
    type Error = Infallible;
}

impl OutputPin for Light {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.set(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.set(true);
        Ok(())
    }
}

/// What outlives a lamp's lives, and the house that it is in.
struct Place {
    clock: ManualClock,
    light: Light,
    flash: Cells,
    inn: RefCell<Inn>,
    notebook: Notebook,
}

impl Place {
    fn new() -> Self {
        let clock = ManualClock::default();
        let inn = RefCell::new(Inn::new(clock.now(), "lamps/+/state"));
        Place { clock, light: Light::default(), flash: Cells::new(2), inn, notebook: Notebook::default() }
    }

    fn lamp<'a>(&'a self, port: &'a mut Port, life: u64) -> impl Future<Output = Result<Exit, LayoutError>> + use<'a> {
        let parts = Parts {
            output: self.light.clone(),
            flash: self.flash.clone(),
            net: port,
            clock: self.clock.clone(),
            rng: Noise(life),
            probe: &self.notebook,
        };
        run(parts, config(&self.flash), ResetCause::PowerOn)
    }

    /// The house, with somebody in it who does that.
    async fn house<T>(&self, port: Port, doing: impl AsyncFnOnce(&mut Person<'_>) -> T) -> T {
        let addresses = ["10.0.0.1/24".parse().expect("an address")];
        let (stack, mut runner) = Stack::shared(port, self.clock.clone(), &StackConfig::new(&addresses, &[]), 1);
        let mut options = Options::default();
        options.ack_timeout = Duration::from_millis(100);
        let client = CoapClient::new(&stack, self.clock.clone(), Noise(77), options).expect("a free socket");
        let mut person = Person { place: self, client };
        let serving = inn::serve(&stack, &self.clock, &self.inn);
        match runner.run_with(pin!(select(serving, doing(&mut person)))).await {
            Either::First(never) => match never {},
            Either::Second(done) => done,
        }
    }

    /// What the broker was told last.
    fn published(&self) -> Option<String> {
        self.inn.borrow().heard.last().map(|(_, state)| state.clone())
    }
}

struct Person<'p> {
    place: &'p Place,
    client: CoapClient<'static, ManualClock, Noise>,
}

impl Person<'_> {
    async fn put(&mut self, command: &str) -> (Code, String) {
        self.ask(&Request::put("lamp", 50, command.as_bytes())).await.expect("the lamp answers")
    }

    async fn ask(&mut self, request: &Request<'_>) -> Option<(Code, String)> {
        let mut buffer = [0; 64];
        let response = self.client.request(LAMP.into(), request, &mut buffer).await.ok()?;
        Some((response.code, String::from_utf8_lossy(&buffer[..response.len]).to_string()))
    }

    fn say(&self, command: &str, retain: bool) {
        self.place.inn.borrow_mut().say("lamps/lamp-1/set", command, retain, self.place.clock.now());
    }

    async fn pause(&self, millis: u64) {
        sleep(&self.place.clock, Duration::from_millis(millis)).await;
    }
}

const LAMP: ([u8; 4], u16) = ([10, 0, 0, 2], wavetank_stack::coap::PORT);

fn config(flash: &Cells) -> Config {
    let id = DeviceId::new("lamp-1").expect("a name");
    let address = "10.0.0.2/24".parse().expect("an address");
    let mut config = Config::new(id, address, ([10, 0, 0, 1], PORT).into(), flash.range());
    config.backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(1) };
    config.patience = Duration::from_secs(1);
    config.keep_alive = Duration::from_secs(2);
    config
}

fn json(number: u32, by: u8, on: bool) -> String {
    format!(r#"{{"n":{number},"by":{by},"on":{on}}}"#)
}

#[test]
fn both_ways_command_it_and_the_newer_command_counts() {
    let place = Place::new();
    let (mut port, there, _) = cable();
    let doing = async |person: &mut Person<'_>| {
        person.pause(1_000).await;
        assert_eq!(place.published(), Some(json(0, 0, false)));
        person.say(&json(1, 1, true), true);
        person.pause(100).await;
        assert!(place.light.0.get());
        assert_eq!(place.published(), Some(json(1, 1, true)));
        assert_eq!(person.put(&json(1, 0, false)).await, (Code::new(4, 9), json(1, 1, true)), "of the lower rank");
        assert_eq!(person.put(&json(1, 2, false)).await, (Code::CHANGED, String::new()), "of the higher rank");
        assert_eq!(person.put(&json(1, 2, false)).await, (Code::CHANGED, String::new()), "again");
        assert!(!place.light.0.get());
        person.say(&json(1, 1, true), false);
        person.pause(100).await;
        assert!(!place.light.0.get(), "it was said before");
        assert_eq!(person.put(" on").await, (Code::CHANGED, String::new()));
        person.pause(100).await;
        assert_eq!(place.published(), Some(json(2, 0, true)));
        person.say("off", false);
        person.pause(100).await;
        assert_eq!(person.ask(&Request::get("lamp")).await, Some((Code::CONTENT, json(3, 0, false))));
        assert_eq!(person.put("dim").await.0, Code::BAD_REQUEST);
        assert_eq!(person.ask(&Request::get("lamps")).await.map(|(code, _)| code), Some(Code::NOT_FOUND));
        assert_eq!(
            person.ask(&Request::post("lamp", 0, b"on")).await.map(|(code, _)| code),
            Some(Code::METHOD_NOT_ALLOWED)
        );
    };
    let (lamp, house) = (pin!(place.lamp(&mut port, 1)), pin!(place.house(there, doing)));
    let ended = run_until(&place.clock, Instant::from_secs(20), pin!(select(lamp, house)));
    assert!(matches!(ended, Some(Either::Second(()))));
    let obeyed: Vec<u64> = [(1, 1, true), (1, 2, false), (2, 0, true), (3, 0, false)]
        .map(|(number, by, on)| Command { number, by, on }.id())
        .into();
    assert_eq!(place.notebook.flowed(metrics::FLOW_OBEYED), obeyed);
    assert_eq!(place.notebook.counted(metrics::COMMANDS_STALE), 2);
    assert_eq!(place.notebook.counted(metrics::COMMANDS_KNOWN), 1);
    assert_eq!(place.notebook.counted(metrics::COMMANDS_UNREADABLE), 1);
}

#[test]
fn whoever_observes_it_is_told_what_is_written_down() {
    let place = Place::new();
    let (mut port, there, _) = cable();
    let doing = async |person: &mut Person<'_>| {
        let mut buffer = [0; 64];
        let (mut observation, first) =
            person.client.observe(LAMP.into(), "lamp", &mut buffer).await.expect("it can be");
        assert_eq!(buffer[..first.len], *json(0, 0, false).as_bytes());
        person.pause(500).await;
        for number in 1..=3 {
            person.say(&json(number, 4, number % 2 == 1), false);
            let news = person.client.next(&mut observation, &mut buffer).await.expect("news");
            assert_eq!(buffer[..news.len], *json(number, 4, number % 2 == 1).as_bytes());
            assert!(place.notebook.flowed(metrics::FLOW_OBEYED).len() == number as usize);
        }
    };
    let (lamp, house) = (pin!(place.lamp(&mut port, 1)), pin!(place.house(there, doing)));
    let ended = run_until(&place.clock, Instant::from_secs(20), pin!(select(lamp, house)));
    assert!(matches!(ended, Some(Either::Second(()))));
}

#[test]
fn a_power_cut_at_any_moment_costs_no_acknowledged_command() {
    for cut_us in (0..4_000).step_by(250).chain((4_000..400_000).step_by(13_337)) {
        let place = Place::new();
        let acknowledged = Cell::new(0);
        let (mut port, there, _) = cable();
        let doing = async |person: &mut Person<'_>| {
            for number in 1.. {
                if person.ask(&Request::put("lamp", 50, json(number, 1, number % 2 == 1).as_bytes())).await.is_some() {
                    acknowledged.set(number);
                }
                person.pause(1).await;
            }
        };
        let mut house = pin!(place.house(there, doing));
        let (mut known, mut told) = (0, 0);
        for (life, end_us) in [(1, cut_us), (2, cut_us + 1)] {
            known = acknowledged.get();
            told = place.notebook.flowed(metrics::FLOW_OBEYED).len();
            let both = pin!(select(place.lamp(&mut port, life), house.as_mut()));
            assert!(run_until(&place.clock, Instant::from_micros(end_us), both).is_none());
        }
        let lit = place.light.0.get();
        assert!(
            known == 0 || place.notebook.flowed(metrics::FLOW_OBEYED).len() > told,
            "cut at {cut_us} µs: it says again what it remembers"
        );
        assert!(
            known <= 1 || place.notebook.flowed(metrics::FLOW_OBEYED).len() >= known as usize,
            "cut at {cut_us} µs"
        );
        let last = place.notebook.flowed(metrics::FLOW_OBEYED).last().copied().unwrap_or_default();
        assert!(last >= Command { number: known, by: 1, on: false }.id(), "cut at {cut_us} µs");
        assert_eq!(lit, last & 1 == 1, "cut at {cut_us} µs: it is as it was written down");
    }
}

#[test]
fn what_the_broker_kept_of_one_who_does_not_number_is_not_obeyed() {
    let place = Place::new();
    let (mut port, there, _) = cable();
    place.inn.borrow_mut().say("lamps/lamp-1/set", "on", true, Instant::ZERO);
    let doing = async |person: &mut Person<'_>| {
        person.pause(2_000).await;
        assert!(!place.light.0.get());
        person.say("on", false);
        person.pause(100).await;
        assert!(place.light.0.get());
    };
    let (lamp, house) = (pin!(place.lamp(&mut port, 1)), pin!(place.house(there, doing)));
    assert!(run_until(&place.clock, Instant::from_secs(20), pin!(select(lamp, house))).is_some());
}

#[test]
fn a_lamp_whose_flash_fails_obeys_all_the_same() {
    let place = Place::new();
    let (mut port, there, _) = cable();
    place.flash.fails.set(true);
    let doing = async |person: &mut Person<'_>| assert_eq!(person.put("on").await.0, Code::CHANGED);
    let (lamp, house) = (pin!(place.lamp(&mut port, 1)), pin!(place.house(there, doing)));
    assert!(run_until(&place.clock, Instant::from_secs(20), pin!(select(lamp, house))).is_some());
    assert!(place.light.0.get());
    assert_eq!(place.notebook.counted(metrics::FLASH_ERRORS), 2, "when it is asked, and when it is told");
}

#[test]
fn its_pin_is_set_once_for_each_command() {
    let mut pin = Mock::new(&[Transaction::set(State::Low), Transaction::set(State::High)]);
    let notebook = Notebook::default();
    let id = DeviceId::new("lamp-1").expect("a name");
    let vitals = Vitals::new(7, 0, ResetCause::PowerOn, Instant::from_millis(0));
    let shared = Shared::new(&id, &notebook, &vitals, pin.clone(), Command::default());
    let on = Said::Numbered(Command { number: 1, by: 0, on: true });
    assert_eq!(shared.command(on), shared::Verdict::Obeyed);
    assert_eq!(shared.command(on), shared::Verdict::Obeyed);
    assert_eq!(shared.state(), Command::default(), "it is not written down yet");
    pin.done();
}

#[test]
fn an_idle_lamp_is_small() {
    let place = Place::new();
    let (mut port, ..) = cable();
    let bytes = size_of_val(&place.lamp(&mut port, 1));
    println!("the whole device, its stack and buffers: {bytes} bytes");
    assert!(bytes <= 16 * 1_024, "{bytes} bytes");
}
