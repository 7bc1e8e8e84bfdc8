//! Flows: sets of (source, sequence) ids that pass named points, so that a loss and a duplicate cannot cancel out.

use std::collections::VecDeque;
use std::mem;
use std::ops::RangeInclusive;

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
    /// The ids that passed it, if some expectation waits for ids to get here.
    passed: Option<Map<Id, ()>>,
    /// Expectations that allow an id to pass once.
    unique: Vec<usize>,
    /// Expectations whose debts begin here.
    obliges: Vec<usize>,
    /// Expectations whose ids get here exactly once.
    once: Vec<usize>,
}

/// From when until when, both inclusive, a passing id counts.
pub(crate) type Window = RangeInclusive<Instant>;

struct Unique {
    expectation: u32,
    window: Window,
    seen: Map<Id, ()>,
}

struct Reaches {
    expectation: u32,
    to: Symbol,
    within: Duration,
    window: Window,
    /// Ids that have passed the first point, oldest first; those that got there are skipped when they come up.
    waiting: VecDeque<(Id, Instant)>,
    /// Whether an event will look at the oldest debt when it is due.
    armed: bool,
    once: Option<Once>,
}

/// Ids that get there exactly once.
struct Once {
    from: Symbol,
    arrived: Map<Id, ()>,
}

/// What an id did that it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Twice,
    FromNowhere,
}

impl Wrong {
    pub(crate) fn told(self) -> &'static str {
        match self {
            Self::Twice => "passed twice",
            Self::FromNowhere => "came from nowhere",
        }
    }
}

/// The ids that passed the points which expectations name.
#[derive(Default)]
pub(crate) struct Flows {
    points: Map<Symbol, Point>,
    unique: Vec<Unique>,
    reaches: Vec<Reaches>,
}

/// What an id's passing has led to: expectations that broke, and debts to be looked at when they are due.
#[derive(Default)]
pub(crate) struct Passed {
    pub(crate) broken: Vec<(u32, Id, Wrong)>,
    pub(crate) due: Vec<(u32, Instant)>,
}

impl Flows {
    pub(crate) fn expect_reaches(
        &mut self,
        expectation: u32,
        [from, to]: [Symbol; 2],
        within: Duration,
        window: Window,
        once: bool,
    ) {
        let index = self.reaches.len();
        self.points.entry(to).or_default().passed.get_or_insert_default();
        self.points.entry(from).or_default().obliges.push(index);
        if once {
            self.points.entry(from).or_default().passed.get_or_insert_default();
            self.points.entry(to).or_default().once.push(index);
        }
        let once = once.then(|| Once { from, arrived: Map::default() });
        self.reaches.push(Reaches { expectation, to, within, window, waiting: VecDeque::new(), armed: false, once });
    }

    pub(crate) fn expect_unique(&mut self, expectation: u32, at: Symbol, window: Window) {
        self.points.entry(at).or_default().unique.push(self.unique.len());
        self.unique.push(Unique { expectation, window, seen: Map::default() });
    }

    pub(crate) fn pass(&mut self, now: Instant, kind: Symbol, source: Symbol, sequence: u64) -> Passed {
        let mut led_to = Passed::default();
        let Some(point) = self.points.get_mut(&kind) else { return led_to };
        let id = Id { source, sequence };
        if let Some(passed) = &mut point.passed {
            passed.insert(id, ());
        }
        for &index in &point.unique {
            let rule = &mut self.unique[index];
            if rule.window.contains(&now) && rule.seen.insert(id, ()).is_some() {
                led_to.broken.push((rule.expectation, id, Wrong::Twice));
            }
        }
        let (once, obliges) = (point.once.clone(), point.obliges.clone());
        for index in once {
            let rule = &mut self.reaches[index];
            let Some(once) = rule.once.as_mut().filter(|_| rule.window.contains(&now)) else { continue };
            if !has_passed(&self.points, once.from, id) {
                led_to.broken.push((rule.expectation, id, Wrong::FromNowhere));
            } else if once.arrived.insert(id, ()).is_some() {
                led_to.broken.push((rule.expectation, id, Wrong::Twice));
            }
        }
        for index in obliges {
            let rule = &mut self.reaches[index];
            if rule.window.contains(&now) && !has_passed(&self.points, rule.to, id) {
                let until = now + rule.within;
                if !mem::replace(&mut rule.armed, true) {
                    led_to.due.push((rule.expectation, until));
                }
                rule.waiting.push_back((id, until));
            }
        }
        led_to
    }

    /// The oldest id that an expectation still waits for, and until when.
    pub(crate) fn waiting(&mut self, expectation: u32) -> Option<(Id, Instant)> {
        let rule = self.reaches.iter_mut().find(|rule| rule.expectation == expectation)?;
        while rule.waiting.front().is_some_and(|(id, _)| has_passed(&self.points, rule.to, *id)) {
            rule.waiting.pop_front();
        }
        rule.waiting.front().copied()
    }

    /// When a debt is due that is not due yet, if there is one. The caller looks again then.
    pub(crate) fn next_due(&mut self, expectation: u32, now: Instant) -> Option<Instant> {
        let rule = self.reaches.iter_mut().find(|rule| rule.expectation == expectation)?;
        let next = rule.waiting.iter().find(|(id, due)| *due > now && !has_passed(&self.points, rule.to, *id));
        rule.armed = next.is_some();
        next.map(|(_, due)| *due)
    }
}

fn has_passed(points: &Map<Symbol, Point>, point: Symbol, id: Id) -> bool {
    points.get(&point).and_then(|point| point.passed.as_ref()).is_some_and(|passed| passed.contains_key(&id))
}
