//! The whole meter, from the counter's registers to a broker, through power cuts and a cable that is pulled.

extern crate std;

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::pin::pin;
use std::format;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use embassy_futures::select::select;
use embedded_hal_async::i2c::{ErrorKind, ErrorType, Operation};
use wavetank_stack::mqtt::PORT;
use wavetank_stack::{Config as StackConfig, Stack};

use super::*;
use crate::testing::inn::{Inn, serve};
use crate::testing::{Cells, ManualClock, Notebook, Port, Words, cable, run_until};

/// A pulse every 70 ms, and a part that counts them on its own cell.
#[derive(Clone)]
struct Dial {
    clock: ManualClock,
    registers: Rc<Cell<(u8, u64)>>,
    stuck: Rc<Cell<bool>>,
}

impl Dial {
    fn new(clock: &ManualClock) -> Self {
        Dial { clock: clock.clone(), registers: Rc::default(), stuck: Rc::default() }
    }

    fn pulses(&self) -> u64 {
        self.clock.now().as_millis() / 70
    }
}

impl ErrorType for Dial {
    type Error = ErrorKind;
}

impl I2c for Dial {
    async fn transaction(&mut self, _: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        if self.stuck.get() {
            return Err(ErrorKind::Bus);
        }
        let (control, base) = self.registers.get();
        for operation in operations {
            match operation {
                Operation::Write([0, control]) => self.registers.set((*control, base)),
                Operation::Write([1, ..]) => self.registers.set((control, self.pulses())),
                Operation::Write(_) => {}
                Operation::Read(registers) => {
                    let count = self.pulses() - base;
                    let pair = |unit: u64| (((count / unit % 100 / 10) << 4) | (count / unit % 10)) as u8;
                    registers.copy_from_slice(&[control, pair(1), pair(100), pair(10_000)]);
                }
            }
        }
        Ok(())
    }
}

async fn house(port: Port, clock: ManualClock, inn: &RefCell<Inn>) -> Infallible {
    let addresses = ["10.0.0.1/24".parse().expect("an address")];
    let (stack, mut runner) = Stack::shared(port, clock.clone(), &StackConfig::new(&addresses, &[]), 1);
    runner.run_with(pin!(serve(&stack, &clock, inn))).await
}

/// Runs a meter for some lives of so many milliseconds each, and says what the broker heard of it.
fn lives(lives: &[u64], mut between: impl FnMut(usize, &Dial, &Cell<bool>)) -> (Vec<String>, Notebook, Dial) {
    let clock = ManualClock::default();
    let dial = Dial::new(&clock);
    let flash = Cells::new(4);
    let (mut port, there, unplugged) = cable();
    let inn = RefCell::new(Inn::new(clock.now(), "meters/+/pulses"));
    let notebook = Notebook::default();
    let mut serving = pin!(house(there, clock.clone(), &inn));
    for (life, millis) in lives.iter().enumerate() {
        between(life, &dial, &unplugged);
        let parts = Parts {
            i2c: dial.clone(),
            flash: flash.clone(),
            net: &mut port,
            clock: clock.clone(),
            rng: Words::new(&[7, 11, 0x8000_0000]),
            probe: &notebook,
        };
        let id = DeviceId::new("meter-1").expect("a name");
        let address = "10.0.0.2/24".parse().expect("an address");
        let mut config = Config::new(id, address, ([10, 0, 0, 1], PORT).into(), flash.range());
        config.period = Duration::from_millis(200);
        config.backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(1) };
        config.patience = Duration::from_secs(1);
        config.keep_alive = Duration::from_secs(2);
        let end = clock.now() + Duration::from_millis(*millis);
        let meter = pin!(run(parts, config, ResetCause::PowerOn));
        let both = pin!(select(meter, serving.as_mut()));
        assert!(run_until(&clock, end, both).is_none(), "neither ends by itself");
    }
    let heard = core::mem::take(&mut inn.borrow_mut().heard);
    assert!(heard.iter().all(|(topic, _)| topic == "meters/meter-1/pulses"));
    (heard.into_iter().map(|(_, record)| record).collect(), notebook, dial)
}

/// Every pulse is in the records, each record is told as often as it likes and always the same, and the pulses add up.
fn bill(heard: &[String]) -> u64 {
    let number = |record: &str, name: &str| -> u64 {
        let (_, rest) = record.split_once(&format!("\"{name}\":")).expect("a member");
        rest.split([',', '}']).next().and_then(|number| number.parse().ok()).expect("a number")
    };
    let (mut last, mut register) = (0, 0);
    for record in heard {
        let id = number(record, "id");
        if id <= last {
            continue;
        }
        assert_eq!(id, last + 1, "no record is left out");
        register += number(record, "pulses");
        assert_eq!(number(record, "register"), register, "no pulse is counted twice or lost: {record}");
        last = id;
    }
    register
}

#[test]
fn every_pulse_arrives_once() {
    let (heard, notebook, dial) = lives(&[10_000], |_, _, _| {});
    assert!(dial.pulses() - bill(&heard) < 10, "{} of {}", bill(&heard), dial.pulses());
    assert_eq!(notebook.counted(metrics::COUNTER_STARTS), 1);
    assert_eq!(notebook.counted(metrics::RECORDS_DELIVERED), heard.len() as u64);
    assert!(notebook.gauged(metrics::BACKLOG) <= Some(1));
    let counted = notebook.flowed(metrics::FLOW_COUNTED);
    assert!(counted.iter().copied().eq(1..=counted.len() as u64));
}

#[test]
fn power_cuts_cost_nothing_and_double_nothing() {
    let cuts: Vec<u64> = (1..40).map(|life| 150 + life * life * 37 % 900).chain([5_000]).collect();
    let (heard, _, dial) = lives(&cuts, |_, _, _| {});
    assert!(dial.pulses() - bill(&heard) < 10, "{} of {}", bill(&heard), dial.pulses());
}

#[test]
fn without_a_broker_records_wait_and_then_pulses_do() {
    let (heard, notebook, dial) = lives(&[3_000, 60_000, 20_000], |life, _, unplugged| unplugged.set(life == 1));
    assert!(notebook.counted(metrics::SPOOL_FULL) > 0, "a minute is more than the flash holds");
    assert!(notebook.counted(metrics::CONNECTS_FAILED) > 0);
    assert!(dial.pulses() - bill(&heard) < 10, "{} of {}", bill(&heard), dial.pulses());
}

#[test]
fn a_counter_that_does_not_answer_is_asked_again() {
    let (heard, notebook, dial) = lives(&[2_000, 2_000, 4_000], |life, dial, _| dial.stuck.set(life == 1));
    assert!(notebook.counted(metrics::COUNTER_ERRORS) > 5);
    assert!(dial.pulses() - bill(&heard) < 10);
}

#[test]
fn a_counter_that_lost_its_cell_begins_anew_and_the_register_goes_on() {
    let (heard, notebook, _) = lives(&[3_000, 3_000], |life, dial, _| {
        if life == 1 {
            dial.registers.set((0, 0));
        }
    });
    assert_eq!(notebook.counted(metrics::COUNTER_STARTS), 2);
    assert!((70..90).contains(&bill(&heard)), "{}", bill(&heard));
}
