//! Expectations and their verdicts.

use std::mem;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::Serialize;

use super::flow::{Flows, Passed};
use super::history::{Finding, Histories, Told};
use crate::kernel::{Action, Kernel, Operation};
use crate::metric::Metrics;
use crate::node::NodeId;
use crate::time::{Duration, Instant};
use crate::trace::{Event, Symbol, Trace};

/// Something that must hold in a run.
#[derive(Clone)]
pub struct Expectation {
    /// What it says, in the user's words.
    pub name: String,
    /// When it holds.
    pub rule: Rule,
}

/// When an expectation holds.
#[derive(Clone)]
pub enum Rule {
    /// A predicate over metrics.
    Metrics {
        /// How truth over time becomes a verdict.
        mode: Mode,
        /// From when on it is looked at.
        from: Instant,
        /// Until when: the end of `Always` and `Never`, the deadline of `Eventually` and `Stable`.
        until: Instant,
        /// What the predicate sees.
        cells: Vec<Cell>,
        /// True or false.
        predicate: Predicate,
    },
    /// Every id that passes one point has passed, or passes within a time, another one: it is delivered at least once.
    FlowReaches {
        /// The point that obliges.
        from: String,
        /// The point that fulfils.
        to: String,
        /// How much later that may be.
        within: Duration,
        /// From when until when, both inclusive, a passing id obliges.
        window: RangeInclusive<Instant>,
        /// Whether it passes the other point exactly once: not twice, and not without having passed the first one.
        once: bool,
    },
    /// No id passes a point twice: it is delivered at most once.
    FlowUnique {
        /// The point.
        at: String,
        /// From when until when, both inclusive, a passing id counts.
        window: RangeInclusive<Instant>,
    },
    /// What nodes were told by a shared object can be explained by one that does one thing after the other. It is decided
    /// as the run ends.
    Linearizable {
        /// The history, as nodes name it.
        history: String,
    },
}

/// How truth over time becomes a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// True all the time.
    Always,
    /// False all the time.
    Never,
    /// True at some time.
    Eventually,
    /// True by the deadline at the latest, and from then on until the end of the run.
    Stable,
    /// True at some time of some run: many runs together tell.
    Sometimes,
}

/// One integer that a predicate sees: a metric of one node, or of several taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Whose metric. A node that has not set it counts as 0.
    pub nodes: Vec<NodeId>,
    /// The metric's name.
    pub metric: String,
    /// How several become one.
    pub aggregate: Aggregate,
}

/// How the metrics of several nodes become one integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Their sum, which saturates.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// How many are not 0.
    Count,
}

/// A predicate over cells, in the order in which they are listed.
pub type Predicate = Arc<dyn Fn(&[i64]) -> Result<bool, Overflow> + Send + Sync>;

/// A predicate's arithmetic left the range of `i64` or divided by zero: the expectation is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the expression overflowed")]
pub struct Overflow;

/// What has become of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Verdict {
    /// It held.
    Held,
    /// It broke.
    Broken,
    /// The run ended before it could be decided.
    Open,
    /// It needs to hold in some run only, and did not in this one.
    Unseen,
}

/// An expectation's verdict and what decided it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictReport {
    /// The expectation.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// When it was decided, in nanoseconds: when it broke, came true, or (`always`, `never`) the run ended.
    #[serde(rename = "at_ns")]
    pub at: Instant,
    /// The index of the next trace event when it was decided: what came before may have broken it.
    pub event: u64,
    /// Why, if it is not plain.
    pub detail: Option<String>,
}

impl Serialize for Instant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.as_nanos())
    }
}

enum State {
    /// Its time has not come.
    Waiting,
    /// Not decided; for `Stable`, since when it has been true, or until when it last was.
    Undecided {
        true_since: Option<Instant>,
        true_until: Option<Instant>,
    },
    Decided {
        verdict: Verdict,
        at: Instant,
        event: u64,
        detail: Option<String>,
    },
}

const UNDECIDED: State = State::Undecided { true_since: None, true_until: None };

pub(super) struct Monitor {
    pub(super) expectation: Expectation,
    pub(super) cells: Vec<u32>,
    state: State,
    dirty: bool,
}

/// All expectations of a world.
#[derive(Default)]
pub(crate) struct Checks {
    monitors: Vec<Monitor>,
    dirty: Vec<u32>,
    /// Expectations whose time ends with this instant.
    closing: Vec<u32>,
    flows: Flows,
    histories: Histories,
    inputs: Vec<i64>,
}

impl Checks {
    pub(crate) fn mark(&mut self, index: u32) {
        let monitor = &mut self.monitors[index as usize];
        if !monitor.dirty {
            monitor.dirty = true;
            self.dirty.push(index);
        }
    }

    /// Looks again at the expectations whose metrics have changed.
    fn judge_dirty(&mut self, trace: &mut Trace, metrics: &Metrics, now: Instant) {
        let mut dirty = mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            let monitor = &mut self.monitors[index as usize];
            monitor.dirty = false;
            if !matches!(monitor.state, State::Undecided { .. }) {
                continue;
            }
            let Rule::Metrics { predicate, .. } = &monitor.expectation.rule else { continue };
            self.inputs.clear();
            self.inputs.extend(monitor.cells.iter().map(|cell| metrics.cell(*cell)));
            let truth = predicate(&self.inputs);
            self.judge(trace, metrics, index, now, truth);
        }
        self.dirty = dirty;
    }

    /// An expectation's time ends with this instant.
    fn close(&mut self, trace: &mut Trace, metrics: &Metrics, index: u32, now: Instant) {
        let Rule::FlowReaches { within, .. } = self.monitors[index as usize].expectation.rule else {
            self.conclude(trace, metrics, index, now, false);
            return;
        };
        if let Some((id, due)) = self.flows.waiting(index)
            && due <= now
            && !self.is_decided(index)
        {
            let late =
                if within.is_zero() { "was not there by then: no time is given" } else { "did not get there in time" };
            let detail = format!("{} {late}", id.describe(trace));
            self.decide(trace, index, Verdict::Broken, now, Some(detail));
        }
    }

    fn decide(&mut self, trace: &mut Trace, index: u32, verdict: Verdict, at: Instant, detail: Option<String>) {
        let event = trace.count();
        self.monitors[index as usize].state = State::Decided { verdict, at, event, detail };
        trace.record(at, Event::Verdict { expectation: index, verdict });
    }

    fn is_decided(&self, index: u32) -> bool {
        matches!(self.monitors[index as usize].state, State::Decided { .. })
    }

    fn judge(&mut self, trace: &mut Trace, metrics: &Metrics, index: u32, now: Instant, truth: Result<bool, Overflow>) {
        let monitor = &mut self.monitors[index as usize];
        let Rule::Metrics { mode, until, .. } = monitor.expectation.rule else {
            return;
        };
        let truth = match truth {
            Ok(truth) => truth,
            Err(error) => {
                let detail = monitor.told(&error.to_string(), metrics, &trace.names);
                return self.decide(trace, index, Verdict::Broken, now, Some(detail));
            }
        };
        let State::Undecided { true_since, true_until } = &mut monitor.state else {
            return;
        };
        match (mode, truth) {
            (Mode::Always, false) | (Mode::Never, true) => {
                let detail = monitor.told("it saw", metrics, &trace.names);
                self.decide(trace, index, Verdict::Broken, now, Some(detail));
            }
            (Mode::Eventually | Mode::Sometimes, true) => self.decide(trace, index, Verdict::Held, now, None),
            (Mode::Stable, true) if true_since.is_none() => *true_since = Some(now),
            (Mode::Stable, false) if now > until => {
                let since = true_since.map(|since| format!(" at {}", since.exact())).unwrap_or_default();
                let what = format!("it had come true{since}, and did not stay so");
                let detail = monitor.told(&what, metrics, &trace.names);
                self.decide(trace, index, Verdict::Broken, now, Some(detail));
            }
            (Mode::Stable, false) => *true_until = true_since.take().map(|_| now).or(*true_until),
            _ => {}
        }
    }

    /// The end of an expectation's time, or of the run at `now`.
    fn conclude(&mut self, trace: &mut Trace, metrics: &Metrics, index: u32, now: Instant, run_ended: bool) {
        let monitor = &self.monitors[index as usize];
        let told = |what: &str| Some(monitor.told(what, metrics, &trace.names));
        let (verdict, detail) = match (&monitor.expectation.rule, &monitor.state) {
            (_, State::Decided { .. }) => return,
            (_, State::Waiting) => (Verdict::Open, Some("its time had not come".to_owned())),
            (Rule::Metrics { mode, until, .. }, State::Undecided { true_since, true_until }) => {
                match (mode, true_since) {
                    (Mode::Always | Mode::Never, _) => (Verdict::Held, None),
                    (Mode::Sometimes, _) => (Verdict::Unseen, None),
                    (Mode::Stable, Some(_)) if !run_ended => return,
                    (Mode::Stable, Some(since)) if now >= *until => {
                        return self.decide_since(trace, index, now, *since);
                    }
                    (Mode::Eventually | Mode::Stable, _) if now >= *until => {
                        let last = true_until.map(|at| format!(", and had last been so at {}", at.exact()));
                        let last = last.unwrap_or_else(|| ", and never had been".to_owned());
                        (Verdict::Broken, told(&format!("it was not true when its time was up{last}")))
                    }
                    (_, Some(since)) => {
                        let since = since.exact();
                        (Verdict::Open, Some(format!("true since {since}, but the run ended before its time was up")))
                    }
                    _ => (Verdict::Open, told("the run ended before its time was up")),
                }
            }
            (Rule::FlowReaches { .. }, _) => return self.conclude_reaches(trace, index, now),
            (Rule::FlowUnique { .. }, _) => (Verdict::Held, None),
            (Rule::Linearizable { history }, _) => {
                let history = history.clone();
                return self.conclude_history(trace, index, &history, now);
            }
        };
        self.decide(trace, index, verdict, now, detail);
    }

    fn decide_since(&mut self, trace: &mut Trace, index: u32, now: Instant, since: Instant) {
        self.decide(trace, index, Verdict::Held, now, Some(format!("since {}", since.exact())));
    }

    fn conclude_reaches(&mut self, trace: &mut Trace, index: u32, now: Instant) {
        match self.flows.waiting(index) {
            None => self.decide(trace, index, Verdict::Held, now, None),
            Some((id, _)) => {
                let detail = format!("{} was still on its way", id.describe(trace));
                self.decide(trace, index, Verdict::Open, now, Some(detail));
            }
        }
    }

    fn conclude_history(&mut self, trace: &mut Trace, index: u32, history: &str, now: Instant) {
        let history = trace.intern(history);
        match self.histories.judge(history, trace) {
            Finding::Held => self.decide(trace, index, Verdict::Held, now, None),
            Finding::Unknown => {
                let detail = "too many operations overlap to tell".to_owned();
                self.decide(trace, index, Verdict::Open, now, Some(detail));
            }
            Finding::Broken { at, event, detail } => {
                let verdict = Verdict::Broken;
                let state = State::Decided { verdict, at, event: event + 1, detail: Some(detail) };
                self.monitors[index as usize].state = state;
                trace.record(now, Event::Verdict { expectation: index, verdict });
            }
        }
    }

    fn report(&self) -> Vec<VerdictReport> {
        let reports = self.monitors.iter().map(|monitor| {
            let name = monitor.expectation.name.clone();
            match &monitor.state {
                State::Decided { verdict, at, event, detail } => {
                    VerdictReport { name, verdict: *verdict, at: *at, event: *event, detail: detail.clone() }
                }
                _ => VerdictReport { name, verdict: Verdict::Open, at: Instant::START, event: 0, detail: None },
            }
        });
        reports.collect()
    }
}

impl Kernel {
    pub(crate) fn expect(&self, expectation: Expectation) {
        let (checks, trace) = (&mut *self.checks.borrow_mut(), &mut *self.trace.borrow_mut());
        let index = u32::try_from(checks.monitors.len()).expect("fewer than 2^32 expectations");
        let mut cells = Vec::new();
        let mut state = UNDECIDED;
        match &expectation.rule {
            Rule::Metrics { from, until, cells: specs, .. } => {
                let mut metrics = self.metrics.borrow_mut();
                cells.extend(specs.iter().map(|spec| metrics.add_cell(spec.clone(), index)));
                state = State::Waiting;
                let mut queue = self.queue.borrow_mut();
                queue.push(from.as_nanos(), Action::CheckOpens(index).payload());
                if *until < Instant::MAX {
                    queue.push(until.as_nanos(), Action::CheckCloses(index).payload());
                }
            }
            Rule::FlowReaches { from, to, within, window, once } => {
                let points = [trace.intern(from), trace.intern(to)];
                checks.flows.expect_reaches(index, points, *within, window.clone(), *once);
            }
            Rule::FlowUnique { at, window } => {
                checks.flows.expect_unique(index, trace.intern(at), window.clone());
            }
            Rule::Linearizable { history } => checks.histories.keep(trace.intern(history)),
        }
        trace.names.expectations.push(expectation.name.clone());
        checks.monitors.push(Monitor { expectation, cells, state, dirty: false });
    }

    pub(crate) fn open_check(&self, index: u32) {
        let mut checks = self.checks.borrow_mut();
        checks.monitors[index as usize].state = UNDECIDED;
        checks.mark(index);
        self.unsettled.set(true);
    }

    /// A metric expectation's window ends with this instant.
    pub(crate) fn close_check(&self, index: u32) {
        self.checks.borrow_mut().closing.push(index);
        self.unsettled.set(true);
    }

    /// A flow expectation's oldest debt is due at the end of this instant.
    pub(crate) fn flow_due(&self, index: u32) {
        let checks = &mut *self.checks.borrow_mut();
        checks.closing.push(index);
        self.unsettled.set(true);
        if let Some(due) = checks.flows.next_due(index, self.world_now()) {
            self.queue.borrow_mut().push(due.as_nanos(), Action::FlowDue(index).payload());
        }
    }

    /// All that happens at this instant has happened: decides what can be decided.
    pub(crate) fn settle(&self) {
        self.unsettled.set(false);
        let (checks, trace) = (&mut *self.checks.borrow_mut(), &mut *self.trace.borrow_mut());
        let now = self.world_now();
        checks.judge_dirty(trace, &self.metrics.borrow(), now);
        while let Some(index) = checks.closing.pop() {
            checks.close(trace, &self.metrics.borrow(), index, now);
        }
    }

    pub(crate) fn flow_passed(&self, kind: Symbol, source: Symbol, sequence: u64) {
        let (checks, trace) = (&mut *self.checks.borrow_mut(), &mut *self.trace.borrow_mut());
        let now = self.world_now();
        let Passed { broken, due } = checks.flows.pass(now, kind, source, sequence);
        for (index, due) in due {
            self.queue.borrow_mut().push(due.as_nanos(), Action::FlowDue(index).payload());
        }
        for (index, id, wrong) in broken {
            if !checks.is_decided(index) {
                let detail = format!("{} {}", id.describe(trace), wrong.told());
                checks.decide(trace, index, Verdict::Broken, now, Some(detail));
            }
        }
    }

    pub(crate) fn operation_told(&self, told: &Operation) {
        let (checks, trace) = (&mut *self.checks.borrow_mut(), &mut *self.trace.borrow_mut());
        let (now, event) = (self.world_now(), trace.count());
        let Operation { node, history, id: operation, .. } = *told;
        let what = match told.told {
            Told::Called { key, call } => format!("{}: {call}", trace.names.symbol(key)),
            Told::Answered(answer) => answer.to_string(),
            Told::Refused => "refused".to_owned(),
        };
        let what = trace.intern(&what);
        let said = match told.told {
            Told::Called { .. } => Event::Called { node, history, operation, what },
            Told::Answered(_) | Told::Refused => Event::Answered { node, history, operation, what },
        };
        trace.record(now, said);
        checks.histories.take(now, event, told);
    }

    /// Decides what is still undecided, as the run ends.
    pub(crate) fn conclude_checks(&self) {
        self.settle();
        let (checks, trace) = (&mut *self.checks.borrow_mut(), &mut *self.trace.borrow_mut());
        let now = self.world_now();
        for index in 0..checks.monitors.len() as u32 {
            checks.conclude(trace, &self.metrics.borrow(), index, now, true);
        }
    }

    pub(crate) fn verdicts(&self) -> Vec<VerdictReport> {
        self.checks.borrow().report()
    }
}
