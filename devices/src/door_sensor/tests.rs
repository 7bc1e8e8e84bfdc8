//! The whole sensor, from the contact to a server on another stack, through power cuts and a cable that is pulled.

extern crate std;

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::pending;
use core::pin::pin;
use std::println;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use embedded_hal::digital::ErrorType;
use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
use wavetank_stack::coap::{Answer, Asked, Code, Message, PORT, Resource, Server, serve};
use wavetank_stack::{Config as StackConfig, Stack};

use super::*;
use crate::testing::{Cells, ManualClock, Noise, Notebook, Port, cable, run_until};

/// A door that moves at these milliseconds, closed at first.
#[derive(Clone)]
struct Hinge {
    clock: ManualClock,
    moves_ms: Rc<[u64]>,
}

impl Hinge {
    fn is_open(&self) -> bool {
        self.moves_ms.iter().filter(|at| **at <= self.clock.now().as_millis()).count() % 2 == 1
    }

    async fn wait_for(&self, open: bool) {
        while self.is_open() != open {
            let now = self.clock.now().as_millis();
            match self.moves_ms.iter().find(|at| **at > now) {
                Some(at) => sleep_until(&self.clock, Instant::from_millis(*at)).await,
                None => pending().await,
            }
        }
    }
}

impl ErrorType for Hinge {
    type Error = Infallible;
}

impl InputPin for Hinge {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.is_open())
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(!self.is_open())
    }
}

impl Wait for Hinge {
    async fn wait_for_high(&mut self) -> Result<(), Infallible> {
        self.wait_for(true).await;
        Ok(())
    }

    async fn wait_for_low(&mut self) -> Result<(), Infallible> {
        self.wait_for(false).await;
        Ok(())
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), Infallible> {
        unreachable!("an edge can be missed")
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), Infallible> {
        unreachable!("an edge can be missed")
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), Infallible> {
        unreachable!("an edge can be missed")
    }
}

/// Where events are told: it keeps each that it did not have.
#[derive(Clone, Default)]
struct Desk {
    events: Rc<RefCell<Vec<(u64, bool)>>>,
    again: Rc<Cell<u64>>,
    health: Rc<RefCell<Vec<String>>>,
    refuses: Rc<Cell<bool>>,
}

impl Resource for Desk {
    fn answer(&mut self, asked: &Asked<'_>, _: &mut [u8]) -> Answer {
        let text = core::str::from_utf8(asked.payload).expect("JSON is text");
        if self.refuses.get() {
            return Answer::just(Code::INTERNAL_ERROR);
        }
        if asked.message.is_at("health/door-1") {
            self.health.borrow_mut().push(text.to_string());
            return Answer::just(Code::CHANGED);
        }
        assert!(asked.message.is_at("events/door-1") && asked.method == Code::POST);
        let id: u64 =
            text.strip_prefix(r#"{"id":"#).and_then(|rest| rest.split_once(',')?.0.parse().ok()).expect("a number");
        let mut events = self.events.borrow_mut();
        match events.last() {
            Some((last, _)) if id <= *last => self.again.set(self.again.get() + 1),
            _ => events.push((id, text.contains(r#""open":true"#))),
        }
        Answer::just(Code::CHANGED)
    }

    fn is_idempotent(&self, _: &Message<'_>) -> bool {
        true
    }
}

async fn server(port: Port, clock: ManualClock, desk: Desk) -> Infallible {
    let addresses = ["10.0.0.1/24".parse().expect("an address")];
    let (stack, mut runner) = Stack::shared(port, clock.clone(), &StackConfig::new(&addresses, &[]), 1);
    let mut server = Server::<_, 256>::new(desk, 7);
    let serving = pin!(serve(&stack, &clock, &mut server, pending::<()>));
    runner.run_with(serving).await.expect("a free port")
}

fn config(flash: &Cells) -> Config {
    let id = DeviceId::new("door-1").expect("a name");
    let address = "10.0.0.2/24".parse().expect("an address");
    let mut config = Config::new(id, address, ([10, 0, 0, 1], PORT).into(), flash.range());
    config.backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(1) };
    config.ack_timeout = Duration::from_millis(50);
    config
}

/// Runs a sensor for some lives of so many milliseconds each, at a door that moves at these.
fn lives(lives: &[u64], moves_ms: &[u64], mut between: impl FnMut(usize, &Desk, &Cell<bool>)) -> (Desk, Notebook) {
    let (clock, flash, desk, notebook) = (ManualClock::default(), Cells::new(4), Desk::default(), Notebook::default());
    let (mut port, there, unplugged) = cable();
    let mut serving = pin!(server(there, clock.clone(), desk.clone()));
    for (life, millis) in lives.iter().enumerate() {
        between(life, &desk, &unplugged);
        let parts = Parts {
            contact: Hinge { clock: clock.clone(), moves_ms: moves_ms.into() },
            battery: async || Some(2_900),
            flash: flash.clone(),
            net: &mut port,
            clock: clock.clone(),
            rng: Noise(life as u64),
            probe: &notebook,
        };
        let end = clock.now() + Duration::from_millis(*millis);
        let sensor = pin!(run(parts, config(&flash), ResetCause::PowerOn));
        let both = pin!(select(sensor, serving.as_mut()));
        assert!(run_until(&clock, end, both).is_none(), "neither ends by itself");
    }
    (desk, notebook)
}

/// The door's first moves, numbered, as they must be heard.
fn moves(count: u64) -> Vec<(u64, bool)> {
    (1..=count).map(|id| (id, id % 2 == 1)).collect()
}

#[test]
fn every_move_is_heard_once_and_in_between_there_is_no_network() {
    let (desk, notebook) = lives(&[60_000], &[5_000, 9_000, 9_005, 9_010, 30_000, 41_000], |_, _, _| {});
    assert_eq!(*desk.events.borrow(), moves(4), "what lasted 5 ms was no opening");
    assert_eq!(desk.again.get(), 0);
    assert_eq!(notebook.counted(metrics::CONTACT_BOUNCES), 1);
    assert_eq!(notebook.counted(metrics::NETWORK_STARTS), 5, "for the first report of its health, and each event");
    assert_eq!(notebook.flowed(metrics::FLOW_NOTED), [1, 2, 3, 4]);
    assert_eq!(notebook.flowed(metrics::FLOW_DELIVERED), [1, 2, 3, 4]);
    let health = desk.health.borrow();
    assert!(health.len() == 1 && health[0].contains(r#""cause":"power-on","up_ms":"#), "{health:?}");
    assert!(health[0].ends_with(r#","every_s":3600,"battery_mv":2900}"#), "{health:?}");
}

#[test]
fn power_cuts_lose_nothing_and_double_nothing() {
    let moves_ms: Vec<u64> = (1..=60).map(|number| 400 * number + number * number * 37 % 300).collect();
    for salt in [37, 53, 71] {
        let cuts: Vec<u64> = (1..120).map(|life| 20 + life * life * salt % 390).chain([20_000]).collect();
        let (desk, _) = lives(&cuts, &moves_ms, |_, _, _| {});
        assert_eq!(*desk.events.borrow(), moves(60), "cut by {salt}");
    }
}

#[test]
fn what_happens_while_nobody_answers_is_told_in_order_afterwards() {
    let moves_ms: Vec<u64> = (1..=20).map(|number| 1_000 * number).collect();
    let (desk, notebook) = lives(&[500, 15_000, 30_000], &moves_ms, |life, _, unplugged| unplugged.set(life == 1));
    assert_eq!(*desk.events.borrow(), moves(20));
    assert!(notebook.counted(metrics::EVENTS_FAILED) > 0);
    assert_eq!(notebook.gauged(metrics::BACKLOG), Some(0));
}

#[test]
fn a_server_that_refuses_is_asked_again() {
    let (desk, notebook) = lives(&[5_000, 5_000], &[1_000, 2_000], |life, desk, _| desk.refuses.set(life == 0));
    assert_eq!(*desk.events.borrow(), moves(2));
    assert!(notebook.counted(metrics::EVENTS_FAILED) > 1);
}

#[test]
fn a_sensor_that_is_not_well_says_so_in_as_many_blocks_as_it_takes() {
    let (clock, flash, desk, notebook) = (ManualClock::default(), Cells::new(4), Desk::default(), Notebook::default());
    let (mut port, there, _) = cable();
    let parts = Parts {
        contact: Hinge { clock: clock.clone(), moves_ms: [2_000].into() },
        battery: async || Some(2_900),
        flash: flash.clone(),
        net: &mut port,
        clock: clock.clone(),
        rng: Noise(1),
        probe: &notebook,
    };
    let mut config = config(&flash);
    config.heartbeat = Duration::from_secs(10);
    let sensor = run(parts, config, ResetCause::BrownOut);
    let mut both = pin!(select(sensor, server(there, clock.clone(), desk.clone())));
    let mut until = |ms| assert!(run_until(&clock, Instant::from_millis(ms), both.as_mut()).is_none());
    desk.refuses.set(true);
    until(4_000);
    flash.fails.set(true);
    until(8_000);
    flash.fails.set(false);
    desk.refuses.set(false);
    until(20_000);
    let health = desk.health.borrow();
    let said = health.last().expect("a report");
    assert!(said.len() > BLOCK_BYTES && said.ends_with('}'), "{said}");
    for what in [r#""cause":"brown-out""#, r#""link_failures":"#, r#""flash_errors":"#, r#""reports_failed":1"#] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert!(!said.contains("cut_off"), "it is heard again: {said}");
    assert_eq!(notebook.counted(metrics::HEALTH_TOLD), health.len() as u64);
}

#[test]
fn a_full_flash_notes_what_the_door_is_when_there_is_room_again() {
    let moves_ms: Vec<u64> = (1..=401).map(|number| 100 * number).collect();
    let (desk, notebook) = lives(&[60_000, 20_000], &moves_ms, |life, _, unplugged| unplugged.set(life == 0));
    assert!(notebook.counted(metrics::SPOOL_FULL) > 0);
    let events = desk.events.borrow();
    assert_eq!(*events, moves(events.len() as u64), "in their order, none twice");
    assert!(events.len() < 401 && events.last().is_some_and(|(_, open)| *open), "it is open in the end: {events:?}");
}

#[test]
fn a_contact_is_debounced_and_read_again_when_it_fails() {
    let high = || Transaction::wait_for_state(State::High);
    let low = || Transaction::wait_for_state(State::Low);
    let broken = || high().with_error(MockError::Io(std::io::ErrorKind::BrokenPipe));
    let mut contact = Mock::new(&[broken(), high(), low(), high(), low(), broken()]);
    let (clock, flash, notebook) = (ManualClock::default(), Cells::new(4), Notebook::default());
    let (mut port, ..) = cable();
    let parts = Parts {
        contact: contact.clone(),
        battery: async || None,
        flash: flash.clone(),
        net: &mut port,
        clock: clock.clone(),
        rng: Noise(1),
        probe: &notebook,
    };
    let mut config = config(&flash);
    config.backoff = Backoff { base: Duration::from_secs(9), cap: Duration::from_secs(9) };
    let sensor = run(parts, config, ResetCause::PowerOn);
    println!("the whole device, its stack and buffers: {} bytes", size_of_val(&sensor));
    // With what is optional on boards: a stack that misses what is lost, and whom it asks what it may have.
    assert!(size_of_val(&sensor) <= 8 * 1_024 + 128);
    assert!(run_until(&clock, Instant::from_millis(1_900), pin!(sensor)).is_none());
    contact.done();
    assert_eq!((notebook.counted(metrics::CONTACT_ERRORS), notebook.counted(metrics::CONTACT_BOUNCES)), (2, 2));
    assert_eq!(notebook.counted(metrics::EVENTS_NOTED), 0);
}
