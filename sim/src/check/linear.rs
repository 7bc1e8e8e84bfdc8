//! Linearizability: whether operations that overlapped in time can have taken effect one after the other, each at a
//! moment between its call and its answer.
//!
//! The algorithm is that of Wing and Gong ("Testing and verifying concurrent objects", Journal of Parallel and Distributed
//! Computing 17, 1993) as Lowe improved it ("Testing for linearizability", Concurrency and Computation: Practice and
//! Experience 29(4), 2017): a depth-first search over the orders in which operations can have taken effect, which never
//! looks at the same set of operations with the same state twice.
//!
//! What it deliberately does not know: clocks and nodes. An operation's call and answer have places in one total order.

use std::hash::Hash;

use crate::hash::Map;

/// What an object does when nothing overlaps.
pub trait Model {
    /// What it remembers.
    type State: Clone + Eq + Hash;
    /// What is asked of it.
    type Call;
    /// What it says to that.
    type Answer;

    /// What it remembers at first.
    fn initial(&self) -> Self::State;

    /// What it remembers after `call`, if `answer` is what it says to that; any answer fits where none has come.
    fn step(&self, state: &Self::State, call: &Self::Call, answer: Option<&Self::Answer>) -> Option<Self::State>;
}

/// One operation of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<C, A> {
    /// What was asked.
    pub call: C,
    /// When, as a place in the history: unlike that of any other call or answer.
    pub called: u64,
    /// What came back and when. Without an answer it may have taken effect at any time since, or never.
    pub answer: Option<(A, u64)>,
}

/// What a history has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linearity {
    /// There is an order that explains every answer.
    Linearizable,
    /// There is none. The answer of the operation at this index of the history is the first that nothing explains.
    Broken(usize),
    /// It was given up: too many operations overlap.
    Unknown,
}

/// How many (set of operations, state) are looked at before a history is given up.
const LOOKED_AT_MAX: usize = 4_000_000;

/// Whether the history is linearizable, and if not, where it ceases to be.
///
/// # Panics
///
/// If an answer stands before its call.
pub fn check<M: Model>(model: &M, history: &[Operation<M::Call, M::Answer>]) -> Linearity {
    assert!(
        history.iter().all(|one| one.answer.as_ref().is_none_or(|(_, at)| *at > one.called)),
        "answers follow calls"
    );
    match is_linearizable(model, history, u64::MAX) {
        Some(true) => return Linearity::Linearizable,
        None => return Linearity::Unknown,
        Some(false) => {}
    }
    // A beginning of a linearizable history is linearizable itself, so the first answer that breaks it can be bisected.
    let answered = |index: &usize| history[*index].answer.as_ref().map_or(u64::MAX, |(_, at)| *at);
    let mut answers: Vec<usize> = (0..history.len()).filter(|index| history[*index].answer.is_some()).collect();
    answers.sort_unstable_by_key(answered);
    let broken = answers.partition_point(|index| is_linearizable(model, history, answered(index)) == Some(true));
    answers.get(broken).map_or(Linearity::Unknown, |index| Linearity::Broken(*index))
}

/// Whether what had been called and answered up to and including `until` is linearizable; `None` if it was given up.
fn is_linearizable<M: Model>(model: &M, history: &[Operation<M::Call, M::Answer>], until: u64) -> Option<bool> {
    let answer_of =
        |index: usize| history[index].answer.as_ref().filter(|(_, at)| *at <= until).map(|(answer, _)| answer);
    let mut moments = Moments::of(history, until);
    let mut unexplained = history.iter().filter(|one| one.answer.as_ref().is_some_and(|(_, at)| *at <= until)).count();
    let mut state = model.initial();
    let mut done = Set::of(history.len());
    let mut looked_at: Map<(Set, M::State), ()> = Map::default();
    let mut order: Vec<(usize, M::State)> = Vec::new();
    let mut place = moments.first();
    while unexplained > 0 {
        match moments.call_at(place) {
            Some(operation) => {
                let next = model.step(&state, &history[operation].call, answer_of(operation));
                let next = next.filter(|next| looked_at.insert((done.with(operation), next.clone()), ()).is_none());
                match next {
                    Some(next) => {
                        done = done.with(operation);
                        unexplained -= usize::from(answer_of(operation).is_some());
                        order.push((operation, std::mem::replace(&mut state, next)));
                        moments.lift(operation);
                        place = moments.first();
                    }
                    None => place = moments.after(place),
                }
            }
            // An answer whose operation has not taken effect, or the end: what was done last is undone.
            None => {
                let Some((operation, before)) = order.pop() else { return Some(false) };
                state = before;
                done = done.without(operation);
                unexplained += usize::from(answer_of(operation).is_some());
                moments.put_back(operation);
                place = moments.after(moments.call_of(operation));
            }
        }
        if looked_at.len() > LOOKED_AT_MAX {
            return None;
        }
    }
    Some(true)
}

/// Operations by their index.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Set(Box<[u64]>);

impl Set {
    fn of(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)].into())
    }

    fn with(&self, index: usize) -> Self {
        let mut set = self.clone();
        set.0[index / 64] |= 1 << (index % 64);
        set
    }

    fn without(mut self, index: usize) -> Self {
        self.0[index / 64] &= !(1 << (index % 64));
        self
    }
}

/// Calls and answers in their order, as a list that parts can be taken out of and put back in the opposite order.
struct Moments {
    /// The operation, and whether it is its call; the last one is the end.
    what: Vec<Option<(usize, bool)>>,
    next: Vec<usize>,
    before: Vec<usize>,
    /// Where each operation is called and answered.
    places: Vec<(usize, Option<usize>)>,
}

impl Moments {
    fn of<C, A>(history: &[Operation<C, A>], until: u64) -> Self {
        let mut moments = Vec::new();
        for (index, operation) in history.iter().enumerate().filter(|(_, operation)| operation.called <= until) {
            moments.push((operation.called, index, true));
            moments.extend(operation.answer.iter().filter(|(_, at)| *at <= until).map(|(_, at)| (*at, index, false)));
        }
        moments.sort_unstable();
        // Place 0 stands before the first moment, and the last one after all.
        let mut what = vec![None];
        what.extend(moments.iter().map(|&(_, index, is_call)| Some((index, is_call))));
        what.push(None);
        let mut places = vec![(0, None); history.len()];
        for (place, moment) in what.iter().enumerate() {
            match *moment {
                Some((index, true)) => places[index].0 = place,
                Some((index, false)) => places[index].1 = Some(place),
                None => {}
            }
        }
        let count = what.len();
        let (next, before) = ((1..=count).collect(), (0..count).map(|place| place.saturating_sub(1)).collect());
        Self { what, next, before, places }
    }

    fn first(&self) -> usize {
        self.next[0]
    }

    fn after(&self, place: usize) -> usize {
        self.next[place]
    }

    fn call_of(&self, operation: usize) -> usize {
        self.places[operation].0
    }

    /// The operation that is called at this place.
    fn call_at(&self, place: usize) -> Option<usize> {
        self.what[place].filter(|(_, is_call)| *is_call).map(|(operation, _)| operation)
    }

    fn lift(&mut self, operation: usize) {
        let (call, answer) = self.places[operation];
        for place in std::iter::once(call).chain(answer) {
            let (before, next) = (self.before[place], self.next[place]);
            (self.next[before], self.before[next]) = (next, before);
        }
    }

    fn put_back(&mut self, operation: usize) {
        let (call, answer) = self.places[operation];
        for place in answer.into_iter().chain(std::iter::once(call)) {
            let (before, next) = (self.before[place], self.next[place]);
            (self.next[before], self.before[next]) = (place, place);
        }
    }
}

#[cfg(test)]
mod tests;
