//! Flows: sets of (source, sequence) ids that pass named points, so that a loss and a duplicate cannot cancel out.

use std::collections::VecDeque;
use std::mem;

use crate::hash::Map;
use crate::time::{Duration, Instant};
use crate::trace::{Symbol, Trace};

/// One thing that is counted on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    source: Symbol,
    sequence: u64,
}

impl Id {
    pub(crate) fn describe(self, trace: &Trace) -> String {
        format!("({}, {})", trace.names.symbol(self.source), self.sequence)
    }
}

/// A point that some expectation names.
#[derive(Default)]
struct Point {
    passed: Map<Id, ()>,
    unique: Vec<u32>,
    /// Expectations whose debts begin here.
    obliges: Vec<usize>,
}

struct Reaches {
    expectation: u32,
    to: Symbol,
    within: Duration,
    /// Ids that have passed the first point, oldest first; those that got there are skipped when they come up.
    waiting: VecDeque<(Id, Instant)>,
    /// Whether an event will look at the oldest debt when it is due.
    armed: bool,
}

/// The ids that passed the points which expectations name.
#[derive(Default)]
pub(crate) struct Flows {
    points: Map<Symbol, Point>,
    reaches: Vec<Reaches>,
}

/// What an id's passing has led to: expectations that broke, and debts to be looked at when they are due.
type Passed = (Vec<(u32, Id)>, Vec<(u32, Instant)>);

impl Flows {
    pub(crate) fn expect_reaches(&mut self, expectation: u32, from: Symbol, to: Symbol, within: Duration) {
        self.points.entry(to).or_default();
        self.points.entry(from).or_default().obliges.push(self.reaches.len());
        self.reaches.push(Reaches { expectation, to, within, waiting: VecDeque::new(), armed: false });
    }

    pub(crate) fn expect_unique(&mut self, expectation: u32, at: Symbol) {
        self.points.entry(at).or_default().unique.push(expectation);
    }

    pub(crate) fn pass(&mut self, now: Instant, kind: Symbol, source: Symbol, sequence: u64) -> Passed {
        let (mut broken, mut due) = (Vec::new(), Vec::new());
        let Some(point) = self.points.get_mut(&kind) else {
            return (broken, due);
        };
        let id = Id { source, sequence };
        if point.passed.insert(id, ()).is_some() {
            broken.extend(point.unique.iter().map(|expectation| (*expectation, id)));
            return (broken, due);
        }
        for index in point.obliges.clone() {
            let reaches = &mut self.reaches[index];
            if !self.points.get(&reaches.to).is_some_and(|to| to.passed.contains_key(&id)) {
                let until = now + reaches.within;
                if !mem::replace(&mut reaches.armed, true) {
                    due.push((reaches.expectation, until));
                }
                reaches.waiting.push_back((id, until));
            }
        }
        (broken, due)
    }

    /// The oldest id that an expectation still waits for, and until when.
    pub(crate) fn waiting(&mut self, expectation: u32) -> Option<(Id, Instant)> {
        let reaches = self.reaches.iter_mut().find(|reaches| reaches.expectation == expectation)?;
        let passed = &self.points.get(&reaches.to)?.passed;
        while let Some((id, _)) = reaches.waiting.front() {
            if !passed.contains_key(id) {
                break;
            }
            reaches.waiting.pop_front();
        }
        reaches.waiting.front().copied()
    }

    /// When a debt is due that is not due yet, if there is one. The caller looks again then.
    pub(crate) fn next_due(&mut self, expectation: u32, now: Instant) -> Option<Instant> {
        let reaches = self.reaches.iter_mut().find(|reaches| reaches.expectation == expectation)?;
        let passed = &self.points.get(&reaches.to)?.passed;
        let next = reaches.waiting.iter().find(|(id, due)| *due > now && !passed.contains_key(id));
        reaches.armed = next.is_some();
        next.map(|(_, due)| *due)
    }
}
