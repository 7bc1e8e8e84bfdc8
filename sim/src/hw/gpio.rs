//! Pins: inputs whose level is a function of time, and outputs that keep what they were set to.
//!
//! What drives an input is a [`Source`]: it says which level there is at any instant, and when it changes next. Nothing
//! runs while nobody waits; an edge that comes while nobody waits is missed, as on a pin without a latch.
//!
//! [`Input`] speaks embedded-hal's `InputPin` and embedded-hal-async's `Wait`, [`Output`] `OutputPin` and
//! `StatefulOutputPin`.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;

use embedded_hal::digital::{ErrorType, InputPin, OutputPin, StatefulOutputPin};
use embedded_hal_async::digital::Wait;
use rand_core::Rng;
use twox_hash::XxHash3_128;

use super::ailment::{Ailment, Case, Faulty, Ills, Onset};
use super::bench::{Bench, Cost};
use crate::random::below;

/// What drives a line: a level for every instant, low or high.
pub trait Source {
    /// Whether it is high at `now_ns`.
    fn is_high(&self, now_ns: u64) -> bool;

    /// When the level next changes after `now_ns`; `None` if it never does.
    fn next_change_ns(&self, now_ns: u64) -> Option<u64>;
}

/// A level that changes at given instants.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    starts_high: bool,
    at_ns: Vec<u64>,
}

impl Changes {
    /// The level at first, and when it changes. Instants are put in their order; of two that are the same neither counts.
    #[must_use]
    pub fn new(starts_high: bool, mut at_ns: Vec<u64>) -> Self {
        at_ns.sort_unstable();
        Self { starts_high, at_ns }
    }

    fn passed(&self, now_ns: u64) -> usize {
        self.at_ns.partition_point(|at_ns| *at_ns <= now_ns)
    }
}

impl Source for Changes {
    fn is_high(&self, now_ns: u64) -> bool {
        self.starts_high ^ (self.passed(now_ns) % 2 == 1)
    }

    fn next_change_ns(&self, now_ns: u64) -> Option<u64> {
        let rest = &self.at_ns[self.passed(now_ns)..];
        let twins = rest.windows(2).step_by(2).take_while(|pair| pair[0] == pair[1]).count();
        rest.get(2 * twins).copied()
    }
}

/// Pulses at a steady pace, such as those of a meter's light.
#[derive(Clone, Copy, Debug)]
pub struct Pulses {
    /// When the first begins.
    pub first_ns: u64,
    /// From the beginning of one to that of the next; above zero.
    pub period_ns: u64,
    /// How long one is high; below the period.
    pub width_ns: u64,
}

impl Source for Pulses {
    fn is_high(&self, now_ns: u64) -> bool {
        now_ns.checked_sub(self.first_ns).is_some_and(|passed_ns| passed_ns % self.period_ns.max(1) < self.width_ns)
    }

    fn next_change_ns(&self, now_ns: u64) -> Option<u64> {
        let Some(passed_ns) = now_ns.checked_sub(self.first_ns) else { return Some(self.first_ns) };
        let period_ns = self.period_ns.max(1);
        if self.width_ns == 0 || self.width_ns >= period_ns {
            return None;
        }
        let phase_ns = passed_ns % period_ns;
        let to_ns = if phase_ns < self.width_ns { self.width_ns } else { period_ns };
        now_ns.checked_add(to_ns - phase_ns)
    }
}

/// A mechanical contact: after each change of what drives it, the level jumps to and fro for a while.
///
/// Where it jumps is a hash of the seed and the change's instant, so that any instant can be asked for.
#[derive(Clone, Debug)]
pub struct Bouncing<S> {
    source: S,
    seed: u64,
    /// How many times it jumps back at most.
    bounces_max: u8,
    lasts_ns: u64,
}

impl<S: Source> Bouncing<S> {
    /// A contact that settles within `lasts_ns`, which is less than the time between two changes, after `bounces_max`
    /// jumps back at most. Takes one word of `stream`.
    pub fn new(source: S, bounces_max: u8, lasts_ns: u64, stream: &mut impl Rng) -> Self {
        Self { source, seed: stream.next_u64(), bounces_max, lasts_ns }
    }

    /// The jumps after a change at `at_ns`: an even number of instants in their order.
    fn jumps(&self, at_ns: u64) -> Vec<u64> {
        let word = |number: u64| {
            let hash = XxHash3_128::oneshot_with_seed(self.seed ^ number, &at_ns.to_le_bytes());
            (hash >> 64) as u64
        };
        let count = 2 * below(word(0), u64::from(self.bounces_max) + 1);
        let mut jumps: Vec<u64> = (1..=count).map(|number| at_ns + 1 + below(word(number), self.lasts_ns)).collect();
        jumps.sort_unstable();
        jumps.dedup();
        jumps.truncate(jumps.len() & !1);
        jumps
    }

    /// When what drives it changed last before or at `now_ns`, if that may still be felt.
    fn last_change_ns(&self, now_ns: u64) -> Option<u64> {
        let from_ns = now_ns.saturating_sub(self.lasts_ns + 1);
        self.source.next_change_ns(from_ns).filter(|at_ns| *at_ns <= now_ns)
    }
}

impl<S: Source> Source for Bouncing<S> {
    fn is_high(&self, now_ns: u64) -> bool {
        let settled = self.source.is_high(now_ns);
        let jumped = self.last_change_ns(now_ns).map_or(0, |at_ns| {
            let jumps = self.jumps(at_ns);
            jumps.partition_point(|jump_ns| *jump_ns <= now_ns)
        });
        settled ^ (jumped % 2 == 1)
    }

    fn next_change_ns(&self, now_ns: u64) -> Option<u64> {
        let jump = self.last_change_ns(now_ns).and_then(|at_ns| {
            let jumps = self.jumps(at_ns);
            jumps.get(jumps.partition_point(|jump_ns| *jump_ns <= now_ns)).copied()
        });
        jump.or_else(|| self.source.next_change_ns(now_ns))
    }
}

/// What is soldered to an input; a cheap handle that outlives the node's restarts.
#[derive(Clone)]
pub struct Line {
    wire: Rc<RefCell<Wire>>,
}

struct Wire {
    source: Box<dyn Source>,
    ills: Ills,
}

impl Line {
    /// A line that `source` drives.
    pub fn new(source: impl Source + 'static) -> Self {
        Self { wire: Rc::new(RefCell::new(Wire { source: Box::new(source), ills: Ills::default() })) }
    }

    /// Whether it is high at `now_ns`.
    #[must_use]
    pub fn is_high(&self, now_ns: u64) -> bool {
        let wire = &mut *self.wire.borrow_mut();
        let high = wire.source.is_high(now_ns);
        if wire.ills.is_empty() {
            return high;
        }
        let Some((stuck, case)) = wire.stuck() else { return high };
        if stuck != high {
            case.felt(stuck.into());
        }
        stuck
    }

    /// When the level next changes; `None` if it never does. What a fault will do is not known before.
    fn next_change_ns(&self, now_ns: u64) -> Option<u64> {
        self.wire.borrow().source.next_change_ns(now_ns)
    }
}

impl Wire {
    fn stuck(&self) -> Option<(bool, Case)> {
        let stuck = self.ills.iter().filter_map(|ill| match ill.ailment {
            Ailment::PinStuck { high } => Some((high, ill.case)),
            _ => None,
        });
        stuck.last()
    }
}

impl Faulty for Line {
    fn begin(&self, ailment: Ailment, onset: Onset) {
        self.wire.borrow_mut().ills.begin(ailment, onset, 0);
    }

    fn end(&self, case: Case) {
        self.wire.borrow_mut().ills.end(case);
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

/// A node's input pin on a [`Line`].
#[derive(Clone, Debug)]
pub struct Input<B> {
    line: Line,
    bench: B,
}

impl<B: Cost> Input<B> {
    /// The pin of a node that has just booted.
    pub fn new(line: Line, bench: B) -> Self {
        Self { line, bench }
    }

    fn now_ns(&self) -> u64 {
        self.bench.now_ns() + self.bench.debt_ns()
    }
}

impl<B> ErrorType for Input<B> {
    type Error = Infallible;
}

impl<B: Cost> InputPin for Input<B> {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.line.is_high(self.now_ns()))
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(!self.line.is_high(self.now_ns()))
    }
}

impl<B: Bench> Input<B> {
    /// Waits until the level has changed to what `wanted` says, or at all.
    async fn edge(&mut self, wanted: Option<bool>) {
        let mut before = self.line.is_high(self.now_ns());
        loop {
            match self.line.next_change_ns(self.now_ns()) {
                Some(at_ns) => self.bench.sleep_until_ns(at_ns).await,
                None => std::future::pending().await,
            }
            let high = self.line.is_high(self.now_ns());
            if high != before && wanted.is_none_or(|wanted| wanted == high) {
                return;
            }
            before = high;
        }
    }

    async fn level(&mut self, wanted: bool) {
        while self.line.is_high(self.now_ns()) != wanted {
            self.edge(None).await;
        }
    }
}

impl<B: Bench> Wait for Input<B> {
    async fn wait_for_high(&mut self) -> Result<(), Infallible> {
        self.level(true).await;
        Ok(())
    }

    async fn wait_for_low(&mut self) -> Result<(), Infallible> {
        self.level(false).await;
        Ok(())
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), Infallible> {
        self.edge(Some(true)).await;
        Ok(())
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), Infallible> {
        self.edge(Some(false)).await;
        Ok(())
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), Infallible> {
        self.edge(None).await;
        Ok(())
    }
}

/// A node's output pin. Whoever holds a copy sees its level.
#[derive(Clone, Debug, Default)]
pub struct Output {
    state: Rc<RefCell<OutputState>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct OutputState {
    high: bool,
    changes: u64,
}

impl Output {
    /// A pin that is low.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often its level has changed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state.borrow().changes
    }

    fn set(&self, high: bool) {
        let state = &mut *self.state.borrow_mut();
        state.changes += u64::from(state.high != high);
        state.high = high;
    }
}

impl ErrorType for Output {
    type Error = Infallible;
}

impl OutputPin for Output {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.set(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.set(true);
        Ok(())
    }
}

impl StatefulOutputPin for Output {
    fn is_set_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.state.borrow().high)
    }

    fn is_set_low(&mut self) -> Result<bool, Infallible> {
        Ok(!self.state.borrow().high)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::Stream;

    /// Every change that a source has up to `end_ns`.
    fn changes(source: &impl Source, end_ns: u64) -> Vec<u64> {
        let next = |now_ns: &u64| source.next_change_ns(*now_ns).filter(|at_ns| *at_ns <= end_ns);
        std::iter::successors(next(&0), next).collect()
    }

    #[test]
    fn pulses_come_at_their_pace() {
        let pulses = Pulses { first_ns: 100, period_ns: 50, width_ns: 10 };
        assert_eq!(changes(&pulses, 210), [100, 110, 150, 160, 200, 210]);
        assert_eq!([99, 100, 109, 110, 155].map(|at_ns| pulses.is_high(at_ns)), [false, true, true, false, true]);
    }

    #[test]
    fn a_contact_bounces_and_settles() {
        let door = Changes::new(false, vec![1_000_000, 9_000_000]);
        let contact = Bouncing::new(door.clone(), 5, 500_000, &mut Stream::new(1, "door"));
        let all = changes(&contact, 20_000_000);
        assert!(all.len() > 2 && all.len().is_multiple_of(2), "{all:?}");
        assert!(all.iter().all(|at| (1_000_000..=1_500_001).contains(at) || (9_000_000..=9_500_001).contains(at)));
        for at_ns in [0, 1_600_000, 8_999_999, 9_600_000] {
            assert_eq!(contact.is_high(at_ns), door.is_high(at_ns), "{at_ns}");
        }
    }

    proptest! {
        #[test]
        fn a_level_changes_exactly_when_a_source_says_so(
            seed: u64, at in prop::collection::vec(1..4_000_u64, 0..12), bounces in 0..4_u8,
        ) {
            let at = at.into_iter().scan(0, |sum, gap| { *sum += gap + 200; Some(*sum) }).collect();
            let source = Bouncing::new(Changes::new(false, at), bounces, 100, &mut Stream::new(seed, "test"));
            let told = changes(&source, 60_000);
            let seen: Vec<u64> = (1..=60_000).filter(|at| source.is_high(*at) != source.is_high(at - 1)).collect();
            prop_assert_eq!(told, seen);
        }
    }
}
