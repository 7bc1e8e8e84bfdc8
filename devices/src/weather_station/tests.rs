//! The whole station, from a bus with one part on it to whoever keeps its readings, by each protocol, through power cuts.

extern crate std;

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::pending;
use std::format;
use std::println;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use embedded_hal_async::i2c::{ErrorKind, ErrorType, NoAcknowledgeSource, Operation};
use embedded_io_async::Write as _;
use wavetank_stack::coap::{Answer, Asked, Code, Resource, Server, serve};
use wavetank_stack::tcp::{Listener, Options as TcpOptions, Stream};
use wavetank_stack::{Config as StackConfig, Instant};

use super::*;
use crate::report::{Coap, Mqtt};
use crate::testing::inn::{self, Inn};
use crate::testing::{Cells, ManualClock, Noise, Notebook, Port, cable, run_until};

/// A bus with a TMP117 at 21.25 °C, and nobody else.
#[derive(Clone, Default)]
struct Wires {
    is_stuck: Rc<Cell<bool>>,
}

impl ErrorType for Wires {
    type Error = ErrorKind;
}

impl I2c for Wires {
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        if self.is_stuck.get() {
            return pending().await;
        }
        if address != 0x48 {
            return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
        }
        let mut pointer = 0;
        for operation in operations {
            match operation {
                Operation::Write(bytes) => pointer = bytes[0],
                // A conversion is always ready (SNOSD82, section 7.6.1.2), and 128 steps are a degree.
                Operation::Read(word) if pointer == 1 => word.copy_from_slice(&[0x20, 0]),
                Operation::Read(word) => word.copy_from_slice(&2_720_u16.to_be_bytes()),
            }
        }
        Ok(())
    }
}

/// What outlives a station's lives.
struct Place {
    clock: ManualClock,
    wires: Wires,
    flash: Cells,
    notebook: Notebook,
}

impl Place {
    fn new() -> Self {
        let (wires, flash) = (Wires::default(), Cells::new(3));
        Place { clock: ManualClock::default(), wires, flash, notebook: Notebook::default() }
    }

    fn station<'a, U: Report + 'a>(
        &'a self,
        port: &'a mut Port,
        report: U,
        life: u64,
    ) -> impl Future<Output = Result<Exit, LayoutError>> + use<'a, U> {
        let parts = Parts {
            i2c: self.wires.clone(),
            battery: async || Some(3_012),
            flash: self.flash.clone(),
            net: port,
            clock: self.clock.clone(),
            rng: Noise(life),
            probe: &self.notebook,
        };
        let id = DeviceId::new("station-1").expect("a name");
        let address = "10.0.0.2/24".parse().expect("an address");
        let mut config = Config::by(report, id, address, self.flash.range());
        config.period = Duration::from_secs(1);
        config.backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(1) };
        run(parts, config, ResetCause::PowerOn)
    }

    async fn house(&self, port: Port, doing: impl AsyncFnOnce(&Stack<'static>) -> Infallible) -> Infallible {
        let addresses = ["10.0.0.1/24".parse().expect("an address")];
        let (stack, mut runner) = Stack::shared(port, self.clock.clone(), &StackConfig::new(&addresses, &[]), 1);
        runner.run_with(pin!(doing(&stack))).await
    }

    /// Lets a station report into a house, in a life for each of these spans in seconds.
    fn run<U: Report + Clone>(
        &self,
        report: &U,
        lives_s: &[u64],
        doing: impl AsyncFnOnce(&Stack<'static>) -> Infallible,
    ) {
        let (mut port, there, _) = cable();
        let mut house = pin!(self.house(there, doing));
        let mut end_s = 0;
        for (life, span_s) in (1..).zip(lives_s) {
            end_s += span_s;
            let both = pin!(select(self.station(&mut port, report.clone(), life), house.as_mut()));
            assert!(run_until(&self.clock, Instant::from_secs(end_s), both).is_none());
        }
    }
}

/// The sequences in what was told, and that each is a whole reading.
fn sequences(told: &[String]) -> Vec<u64> {
    let sequence = |json: &String| {
        let rest = json.strip_prefix(r#"{"device":"station-1","sequence":"#).expect("a reading");
        let (sequence, rest) = rest.split_once(',').expect("more");
        assert!(rest.starts_with(r#""celsius_milli":21250,"quantities":{"battery_volt":3012},"at_ms":"#), "{json}");
        sequence.parse().expect("a number")
    };
    told.iter().map(sequence).collect()
}

/// Takes what is posted. Whoever calls again has forgotten the last connection.
async fn hub(stack: &Stack<'static>, told: &RefCell<Vec<String>>, refuses: &Cell<bool>) -> Infallible {
    let listener = Listener::bind(stack, 8080, 4, TcpOptions::default()).expect("a free port");
    let mut next = listener.accept().await;
    loop {
        let talk = async {
            while let Some(body) = request(&mut next).await {
                told.borrow_mut().push(body);
                let status = if refuses.get() { "409 Conflict" } else { "201 Created" };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
                if next.write_all(answer.as_bytes()).await.is_err() || next.flush().await.is_err() {
                    break;
                }
            }
            pending::<Infallible>().await
        };
        next = match select(listener.accept(), talk).await {
            Either::First(called) => called,
            Either::Second(never) => match never {},
        };
    }
}

/// The body of the next request.
async fn request(stream: &mut Stream<'static>) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8(bytes.clone()).ok()?;
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            assert!(head.starts_with("POST /readings HTTP/1.1\r\n"), "{head}");
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if length == Some(body.len()) {
                return Some(body.to_string());
            }
        }
        let mut some = [0; 128];
        match embedded_io_async::Read::read(stream, &mut some).await {
            Ok(len @ 1..) => bytes.extend_from_slice(&some[..len]),
            _ => return None,
        }
    }
}

#[test]
fn by_http_each_reading_is_posted_through_a_power_cut() {
    let (place, told, refuses) = (Place::new(), RefCell::default(), Cell::new(false));
    let http = Http { hub: ([10, 0, 0, 1], 8080).into(), patience: Duration::from_secs(1) };
    place.run(&http, &[5, 5], async |stack| hub(stack, &told, &refuses).await);
    let mut sequences = sequences(&told.borrow());
    assert!(sequences.is_sorted());
    sequences.dedup();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    assert!((9..=12).contains(&sequences.len()), "{sequences:?}");
    assert_eq!(
        place.notebook.counted(metrics::READINGS_ACKNOWLEDGED),
        place.notebook.flowed(metrics::FLOW_ACKNOWLEDGED).len() as u64
    );
    assert_eq!(place.notebook.counted(metrics::MAST_ERRORS), place.notebook.counted(metrics::READINGS_KEPT));
    assert_eq!(place.notebook.counted(metrics::BAROMETER_ERRORS), place.notebook.counted(metrics::READINGS_KEPT));
}

#[test]
fn what_is_refused_is_set_aside_and_the_next_comes_after_it() {
    let (place, told, refuses) = (Place::new(), RefCell::default(), Cell::new(true));
    let http = Http { hub: ([10, 0, 0, 1], 8080).into(), patience: Duration::from_secs(1) };
    place.run(&http, &[4], async |stack| hub(stack, &told, &refuses).await);
    assert!(sequences(&told.borrow()).len() >= 3);
    assert_eq!(place.notebook.counted(metrics::READINGS_REJECTED), told.borrow().len() as u64);
    assert_eq!(place.notebook.counted(metrics::READINGS_ACKNOWLEDGED), 0);
}

/// Where events are told.
struct Desk<'a>(&'a RefCell<Vec<String>>);

impl Resource for Desk<'_> {
    fn answer(&mut self, asked: &Asked<'_>, _: &mut [u8]) -> Answer {
        assert!(asked.message.is_at("events/station-1") && asked.method == Code::POST);
        self.0.borrow_mut().push(String::from_utf8_lossy(asked.payload).to_string());
        Answer::just(Code::CHANGED)
    }
}

#[test]
fn by_coap_each_reading_is_told_through_a_power_cut() {
    let (place, told) = (Place::new(), RefCell::default());
    let server = ([10, 0, 0, 1], wavetank_stack::coap::PORT).into();
    let coap = Coap { server, ack_timeout: Duration::from_millis(200) };
    place.run(&coap, &[5, 5], async |stack| {
        let mut server = Server::<_, 512>::new(Desk(&told), 7);
        serve(stack, &place.clock, &mut server, pending::<()>).await.expect("a free port")
    });
    let mut sequences = sequences(&told.borrow());
    sequences.dedup();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    assert!((9..=12).contains(&sequences.len()), "{sequences:?}");
}

#[test]
fn by_mqtt_each_reading_is_published_through_a_power_cut() {
    let place = Place::new();
    let inn = RefCell::new(Inn::new(place.clock.now(), "readings/station-1"));
    let broker = ([10, 0, 0, 1], wavetank_stack::mqtt::PORT).into();
    let mqtt = Mqtt { broker, patience: Duration::from_secs(1), keep_alive: Duration::from_secs(5) };
    place.run(&mqtt, &[5, 5], async |stack| inn::serve(stack, &place.clock, &inn).await);
    let told: Vec<String> = inn.borrow().heard.iter().map(|(_, payload)| payload.clone()).collect();
    let mut sequences = sequences(&told);
    sequences.dedup();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    assert!((9..=12).contains(&sequences.len()), "{sequences:?}");
}

#[test]
fn a_bus_that_is_stuck_costs_readings_and_nothing_else() {
    let (place, told, refuses) = (Place::new(), RefCell::default(), Cell::new(false));
    let http = Http { hub: ([10, 0, 0, 1], 8080).into(), patience: Duration::from_secs(1) };
    place.wires.is_stuck.set(true);
    place.run(&http, &[4], async |stack| hub(stack, &told, &refuses).await);
    assert!(told.borrow().is_empty());
    assert!(place.notebook.counted(metrics::READINGS_EMPTY) >= 3);
    place.wires.is_stuck.set(false);
    let end = Instant::from_secs(8);
    let (mut port, there, _) = cable();
    let house = pin!(place.house(there, async |stack| hub(stack, &told, &refuses).await));
    let both = pin!(select(place.station(&mut port, http, 2), house));
    assert!(run_until(&place.clock, end, both).is_none());
    assert!(sequences(&told.borrow()).len() >= 3);
}

#[test]
fn an_idle_station_is_small() {
    let place = Place::new();
    let (mut port, ..) = cable();
    let http = Http { hub: ([10, 0, 0, 1], 8080).into(), patience: Duration::from_secs(1) };
    let bytes = size_of_val(&place.station(&mut port, http, 1));
    println!("the whole device, its stack and buffers: {bytes} bytes");
    assert!(bytes <= 16 * 1_024, "{bytes} bytes");
}
