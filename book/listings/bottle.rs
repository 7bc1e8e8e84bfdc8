//! A tank of a hundred lines: a wire that loses messages, a meter that retries, a tally that
//! counts, and seeds.

use std::cell::RefCell;
use std::rc::Rc;

use futures::StreamExt;
use futures::channel::mpsc;
use wavetank::sim::random::Stream;

use crate::clock::Clock;
use crate::executor::Executor;
use crate::together::within;

/// The end of a wire that sends.
struct Sender {
    clock: Clock,
    dice: RefCell<Stream>,
    wire: mpsc::UnboundedSender<(u64, u64)>,
}

/// The end of a wire that receives.
struct Receiver {
    clock: Clock,
    wire: mpsc::UnboundedReceiver<(u64, u64)>,
    /// A message that is still under way, and when it is there.
    arriving: Option<(u64, u64)>,
}

/// A wire in one direction. What it does to messages is drawn from a stream of its own.
fn wire(clock: &Clock, dice: Stream) -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::unbounded();
    let (here, there) = (clock.clone(), clock.clone());
    (
        Sender { clock: here, dice: RefCell::new(dice), wire: sender },
        Receiver { clock: there, wire: receiver, arriving: None },
    )
}

impl Sender {
    /// Loses one message in a hundred, and delays the others by 5 to 24 ms.
    fn send(&self, message: u64) {
        let mut dice = self.dice.borrow_mut();
        // Both are drawn, whatever comes of it: so a loss does not shift later draws.
        let (is_lost, delay_ms) = (dice.below(100) == 0, 5 + dice.below(20));
        if !is_lost {
            // Nobody may be there to hear it.
            let _ = self.wire.unbounded_send((self.clock.now_ms() + delay_ms, message));
        }
    }
}

impl Receiver {
    /// The next message; `None` after the last. Cancel-safe: what is under way stays in `self`.
    async fn receive(&mut self) -> Option<u64> {
        if self.arriving.is_none() {
            self.arriving = Some(self.wire.next().await?);
        }
        let (at_ms, message) = self.arriving?;
        self.clock.timer(at_ms).await;
        self.arriving = None;
        Some(message)
    }
}

const PULSES: u64 = 10;

/// Reports each pulse until it is acknowledged.
async fn meter(clock: Clock, tally: Sender, mut acknowledgements: Receiver) {
    for pulse in 1..=PULSES {
        let mut is_acknowledged = false;
        while !is_acknowledged {
            tally.send(pulse);
            let acknowledged = async {
                while acknowledgements.receive().await.is_some_and(|number| number != pulse) {}
            };
            is_acknowledged = within(&clock, 100, acknowledged).await.is_ok();
        }
    }
}

/// Counts pulses and acknowledges them, until there is no meter any more.
async fn tally(
    counts_once: bool,
    mut reports: Receiver,
    meter: Sender,
    counted: Rc<RefCell<Vec<u64>>>,
) {
    while let Some(pulse) = reports.receive().await {
        if !counts_once || !counted.borrow().contains(&pulse) {
            counted.borrow_mut().push(pulse);
        }
        meter.send(pulse);
    }
}

/// A whole run: what was counted, and when it ended.
fn run(seed: u64, counts_once: bool) -> (Vec<u64>, u64) {
    let (clock, counted) = (Clock::default(), Rc::default());
    let (to_tally, reports) = wire(&clock, Stream::new(seed, "reports"));
    let (to_meter, acknowledgements) = wire(&clock, Stream::new(seed, "acknowledgements"));
    let mut executor = Executor::default();
    executor.spawn(meter(clock.clone(), to_tally, acknowledgements));
    executor.spawn(tally(counts_once, reports, to_meter, Rc::clone(&counted)));
    assert_eq!(executor.run_to_end(&clock), 0, "somebody waits for what never comes");
    (counted.take(), clock.now_ms())
}

#[test]
fn the_first_run_looks_well() {
    assert_eq!(run(1, false).0, (1..=PULSES).collect::<Vec<_>>());
}

#[test]
fn some_seed_counts_a_pulse_twice_and_does_so_again() {
    let counts_twice = |seed: &u64| run(*seed, false).0.len() as u64 > PULSES;
    let seed = (1..1_000).find(counts_twice).expect("an acknowledgement is lost with some seed");
    assert_eq!(run(seed, false), run(seed, false));
    // The same weather, and a tally that remembers.
    assert_eq!(run(seed, true).0.len() as u64, PULSES);
}

#[test]
fn whoever_remembers_counts_each_pulse_once_in_any_weather() {
    for seed in 1..1_000 {
        assert_eq!(run(seed, true).0, (1..=PULSES).collect::<Vec<_>>(), "seed {seed}");
    }
}
