//! The whole device, from the sensor's registers to TCP, against a hub on a stack of its own.

extern crate std;

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::pin::pin;
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;
use std::{format, println};

use embassy_futures::select::select;
use embedded_hal_async::i2c::{ErrorKind, ErrorType, I2c, Operation};
use embedded_io_async::{Read, Write};
use wavetank_stack::tcp::{self, Listener};
use wavetank_stack::{Cidr, Config as StackConfig, Duration, Instant, Stack};

use super::{Seen, config};
use crate::testing::{ManualClock, Notebook, Port, Words, cable, run_until};
use crate::thermostat::{Config, Parts, metrics, run};
use crate::{Backoff, ResetCause};

/// A sensor that always answers the same.
pub(super) struct Steady;

impl ErrorType for Steady {
    type Error = ErrorKind;
}

impl I2c for Steady {
    async fn transaction(&mut self, _: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        for operation in operations {
            if let Operation::Read(answer) = operation {
                answer.copy_from_slice(&[0xbe, 0xef, 0x92, 0x80, 0x00, 0xa2]);
            }
        }
        Ok(())
    }
}

/// What a hub remembers: readings by number, and how often it was told something that it had.
#[derive(Default)]
struct Memory {
    readings: RefCell<BTreeMap<u64, String>>,
    duplicates: Cell<u64>,
    conflicts: Cell<u64>,
}

impl Memory {
    fn answer(&self, seen: &Seen) -> String {
        let last = self.readings.borrow().keys().next_back().copied();
        let (status, body) = match (seen.is_get(), last) {
            (true, None) => (404, String::new()),
            (true, Some(last)) => (200, format!(r#"{{"last_sequence":{last}}}"#)),
            (false, _) => (self.store(&seen.body), String::new()),
        };
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn store(&self, reading: &str) -> u16 {
        let sequence = reading.split_once(r#""sequence":"#).expect("a number").1;
        let sequence = sequence.split_once(',').expect("more members").0;
        let sequence = sequence.parse().expect("a number");
        let mut readings = self.readings.borrow_mut();
        match readings.get(&sequence) {
            None => {
                readings.insert(sequence, reading.into());
                201
            }
            Some(stored) if stored == reading => {
                self.duplicates.set(self.duplicates.get() + 1);
                200
            }
            Some(_) => {
                self.conflicts.set(self.conflicts.get() + 1);
                409
            }
        }
    }

    fn numbers(&self) -> Vec<u64> {
        self.readings.borrow().keys().copied().collect()
    }
}

/// The hub: takes one connection after the other.
async fn hub(port: Port, clock: ManualClock, memory: &Memory) -> Infallible {
    let address: Cidr = "10.0.0.1/24".parse().expect("an address");
    let addresses = [address];
    let (stack, mut runner) = Stack::shared(port, clock, &StackConfig::new(&addresses, &[]), 1);
    let serve = async {
        let listener = Listener::bind(&stack, 8080, 4, tcp::Options::default()).expect("a free port");
        let mut next = listener.accept().await;
        loop {
            // A newer connection means that the device has given up on the older one.
            match select(listener.accept(), serve(&mut next, memory)).await {
                embassy_futures::select::Either::First(newer) => next = newer,
                embassy_futures::select::Either::Second(()) => next = listener.accept().await,
            }
        }
    };
    runner.run_with(serve).await
}

async fn serve(stream: &mut tcp::Stream<'_>, memory: &Memory) {
    let mut received = Vec::new();
    let mut bytes = [0; 256];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        received.extend_from_slice(&bytes[..count]);
        if let Some(seen) = Seen::parse(&received) {
            received.clear();
            let answer = memory.answer(&seen);
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

const ENTROPY: &[u32] = &[0x1234_5678, 0xdead_beef, 0x0bad_cafe];
/// Of a second life: the same would open the same connection as the first, down to its sequence numbers.
const OTHER_ENTROPY: &[u32] = &[0x8765_4321, 0xfeed_f00d, 0x1bad_cafe];

pub(super) fn settings() -> Config {
    let mut config = config();
    config.backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(2) };
    config
}

fn parts<'a>(
    port: &'a mut Port,
    clock: &ManualClock,
    notebook: &'a Notebook,
    entropy: &'static [u32],
) -> Parts<Steady, &'a mut Port, ManualClock, Words, &'a Notebook> {
    Parts { i2c: Steady, net: port, clock: clock.clone(), rng: Words::new(entropy), probe: notebook }
}

#[test]
fn readings_reach_the_hub_in_spite_of_a_cut_cable() {
    let (clock, notebook, memory) = (ManualClock::default(), Notebook::default(), Memory::default());
    let (mut device_port, hub_port, unplugged) = cable();
    let hub = hub(hub_port, clock.clone(), &memory);
    let device = run(parts(&mut device_port, &clock, &notebook, ENTROPY), settings(), ResetCause::PowerOn);
    let mut both = pin!(select(device, hub));
    let mut until = |ms| assert!(run_until(&clock, Instant::from_millis(ms), both.as_mut()).is_none());

    until(10_500);
    assert_eq!(memory.numbers(), Vec::from_iter(1..=11));
    unplugged.set(true);
    until(20_500);
    assert_eq!(memory.numbers().len(), 11, "measured, but not brought");
    assert_eq!(notebook.gauged(metrics::BACKLOG), Some(10));
    unplugged.set(false);
    until(40_500);
    assert_eq!(memory.numbers(), Vec::from_iter(1..=41));
    assert_eq!(notebook.flowed(metrics::FLOW_TAKEN), Vec::from_iter(1..=41));
    assert_eq!(notebook.flowed(metrics::FLOW_ACKNOWLEDGED), Vec::from_iter(1..=41));
    assert_eq!(notebook.counted(ResetCause::PowerOn.metric()), 1);
}

#[test]
fn a_power_cut_at_any_moment_costs_no_number_and_no_acknowledged_reading() {
    // Dense where the connection is being opened and the first readings go out, then sparse.
    for cut_us in (0..60_000).step_by(500).chain((60_000..3_000_000).step_by(33_333)) {
        let (clock, memory) = (ManualClock::default(), Memory::default());
        let (mut device_port, hub_port, _) = cable();
        let mut hub = pin!(hub(hub_port, clock.clone(), &memory));
        let lives = [Notebook::default(), Notebook::default()];
        for (life, entropy, cause, end_us) in [
            (&lives[0], ENTROPY, ResetCause::PowerOn, cut_us),
            (&lives[1], OTHER_ENTROPY, ResetCause::BrownOut, cut_us + 4_000_000),
        ] {
            let device = run(parts(&mut device_port, &clock, life, entropy), settings(), cause);
            let both = pin!(select(device, hub.as_mut()));
            assert!(run_until(&clock, Instant::from_micros(end_us), both).is_none());
        }
        let stored = memory.numbers();
        let acknowledged = lives.iter().flat_map(|life| life.flowed(metrics::FLOW_ACKNOWLEDGED));
        assert!(acknowledged.clone().is_sorted(), "cut at {cut_us} µs");
        assert!(acknowledged.into_iter().all(|number| stored.contains(&number)), "cut at {cut_us} µs");
        assert!(lives[1].counted(metrics::READINGS_ACKNOWLEDGED) >= 3, "cut at {cut_us} µs");
        assert_eq!(memory.conflicts.get(), 0, "cut at {cut_us} µs");
        assert_eq!(stored, Vec::from_iter(1..=stored.len() as u64), "cut at {cut_us} µs");
    }
}

#[test]
fn an_idle_device_is_small() {
    let (clock, notebook) = (ManualClock::default(), Notebook::default());
    let (mut port, ..) = cable();
    let device = run(parts(&mut port, &clock, &notebook, ENTROPY), settings(), ResetCause::PowerOn);
    let bytes = size_of_val(&device);
    println!("the whole device, its stack, buffers and backlog: {bytes} bytes");
    assert!(bytes <= 8 * 1024, "{bytes} bytes");
}
