//! Histories: what nodes asked of a shared object, and what they were told, so that the end of the run can tell whether it
//! behaved like one object.
//!
//! An object is a register that holds a number or nothing; a key-value store is a register a key. A node says what it
//! asks when it asks ([`Node::call`](crate::node::Node::call)) and what it was told; an answer that never came leaves the
//! operation open, and it may have taken effect or not. Objects of other kinds are checked by [`linear`]
//! with a model of their own, on histories that their users keep.

use std::fmt;

use super::linear::{self, Linearity, Model, Operation};
use crate::hash::Map;
use crate::kernel;
use crate::node::NodeId;
use crate::time::Instant;
use crate::trace::{Symbol, Trace};

/// What is asked of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// What it holds.
    Read,
    /// To hold this from now on.
    Write(Option<u64>),
    /// To hold `new` from now on if it holds `old`.
    Swap {
        /// What it must hold.
        old: Option<u64>,
        /// What it holds then.
        new: Option<u64>,
    },
}

/// What a register says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It holds this.
    Read(Option<u64>),
    /// It has been written.
    Written,
    /// Whether it held what it must.
    Swapped(bool),
}

struct Shown(Option<u64>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("nothing"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Read => f.write_str("read"),
            Self::Write(value) => write!(f, "write {}", Shown(value)),
            Self::Swap { old, new } => write!(f, "swap {} for {}", Shown(old), Shown(new)),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Read(value) => write!(f, "it holds {}", Shown(value)),
            Self::Written => f.write_str("written"),
            Self::Swapped(true) => f.write_str("swapped"),
            Self::Swapped(false) => f.write_str("not swapped"),
        }
    }
}

/// A register that holds nothing at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Register;

impl Model for Register {
    type State = Option<u64>;
    type Call = Call;
    type Answer = Answer;

    fn initial(&self) -> Option<u64> {
        None
    }

    fn step(&self, state: &Option<u64>, call: &Call, answer: Option<&Answer>) -> Option<Option<u64>> {
        let (said, next) = match *call {
            Call::Read => (Answer::Read(*state), *state),
            Call::Write(value) => (Answer::Written, value),
            Call::Swap { old, new } if *state == old => (Answer::Swapped(true), new),
            Call::Swap { .. } => (Answer::Swapped(false), *state),
        };
        answer.is_none_or(|answer| *answer == said).then_some(next)
    }
}

/// What a node said of an operation.
#[derive(Clone, Copy)]
pub(crate) enum Told {
    Called {
        key: Symbol,
        call: Call,
    },
    Answered(Answer),
    /// It certainly took no effect.
    Refused,
}

struct Kept {
    /// Grows from one to the next.
    id: u64,
    node: NodeId,
    key: Symbol,
    operation: Operation<Call, Answer>,
    answered_at: Instant,
}

/// The histories that expectations name.
#[derive(Default)]
pub(crate) struct Histories(Map<Symbol, Vec<Kept>>);

/// What a history has come to, and which event broke it.
pub(crate) enum Finding {
    Held,
    Broken { at: Instant, event: u64, detail: String },
    Unknown,
}

impl Histories {
    pub(crate) fn keep(&mut self, history: Symbol) {
        self.0.entry(history).or_default();
    }

    /// `event` is the index of the trace's event that says the same.
    pub(crate) fn take(&mut self, now: Instant, event: u64, operation: &kernel::Operation) {
        let kernel::Operation { node, history, id, told } = *operation;
        let Some(kept) = self.0.get_mut(&history) else { return };
        if let Told::Called { key, call } = told {
            let operation = Operation { call, called: event, answer: None };
            return kept.push(Kept { id, node, key, operation, answered_at: Instant::MAX });
        }
        // What was called in a poll whose effects were undone is not there.
        let Ok(place) = kept.binary_search_by_key(&id, |kept| kept.id) else { return };
        match told {
            Told::Answered(answer) => {
                kept[place].operation.answer = Some((answer, event));
                kept[place].answered_at = now;
            }
            _ => drop(kept.remove(place)),
        }
    }

    /// Registers are independent, so each is checked by itself; the first that broke is told.
    pub(crate) fn judge(&self, history: Symbol, trace: &Trace) -> Finding {
        let all = self.0.get(&history).map_or(&[][..], |kept| kept);
        let mut keys: Vec<Symbol> = all.iter().map(|kept| kept.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let (mut first, mut unknown) = (None, false);
        for key in keys {
            let of_key: Vec<&Kept> = all.iter().filter(|kept| kept.key == key).collect();
            let operations: Vec<_> = of_key.iter().map(|kept| kept.operation.clone()).collect();
            match linear::check(&Register, &operations) {
                Linearity::Linearizable => {}
                Linearity::Unknown => unknown = true,
                Linearity::Broken(index) => {
                    let event = |kept: &Kept| kept.operation.answer.as_ref().map_or(u64::MAX, |(_, event)| *event);
                    if first.is_none_or(|first| event(of_key[index]) < event(first)) {
                        first = Some(of_key[index]);
                    }
                }
            }
        }
        match first {
            Some(Kept {
                node,
                key,
                operation: Operation { call, answer: Some((answer, event)), .. },
                answered_at,
                ..
            }) => {
                let (node, key) = (trace.names.node(*node), trace.names.symbol(*key));
                let detail = format!("{node} called “{key}: {call}” and was told “{answer}”, which no order explains");
                Finding::Broken { at: *answered_at, event: *event, detail }
            }
            _ if unknown => Finding::Unknown,
            _ => Finding::Held,
        }
    }
}
