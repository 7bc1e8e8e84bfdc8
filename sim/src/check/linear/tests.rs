//! Histories of which the literature says what they are, and small ones of which all orders can be tried.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::check::history::{Answer, Call, Register};

/// A history as papers draw it: who calls what, and what answers whom.
#[derive(Default)]
struct Drawn<C, A> {
    operations: Vec<Operation<C, A>>,
    open: Vec<(char, usize)>,
    at: u64,
}

impl<C, A> Drawn<C, A> {
    fn call(mut self, who: char, call: C) -> Self {
        self.open.push((who, self.operations.len()));
        self.operations.push(Operation { call, called: self.at, answer: None });
        self.at += 1;
        self
    }

    fn ok(mut self, who: char, answer: A) -> Self {
        let place = self.open.iter().position(|(caller, _)| *caller == who).expect("it has called");
        let (_, operation) = self.open.swap_remove(place);
        self.operations[operation].answer = Some((answer, self.at));
        self.at += 1;
        self
    }
}

/// A queue, as in Herlihy and Wing.
struct Queue;

enum Asked {
    Enqueue(char),
    Dequeue,
}

impl Model for Queue {
    type State = VecDeque<char>;
    type Call = Asked;
    type Answer = Option<char>;

    fn initial(&self) -> VecDeque<char> {
        VecDeque::new()
    }

    fn step(&self, state: &VecDeque<char>, call: &Asked, answer: Option<&Option<char>>) -> Option<VecDeque<char>> {
        let mut state = state.clone();
        let said = match call {
            Asked::Enqueue(what) => {
                state.push_back(*what);
                None
            }
            Asked::Dequeue => Some(state.pop_front()?),
        };
        answer.is_none_or(|answer| *answer == said).then_some(state)
    }
}

fn queue() -> Drawn<Asked, Option<char>> {
    Drawn { operations: Vec::new(), open: Vec::new(), at: 0 }
}

/// Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", ACM Transactions on Programming
/// Languages and Systems 12(3), 1990, section 1.2: the histories H1 to H4.
#[test]
fn the_queue_histories_of_herlihy_and_wing() {
    use Asked::{Dequeue, Enqueue};
    let h1 = queue()
        .call('A', Enqueue('x'))
        .call('B', Enqueue('y'))
        .ok('B', None)
        .ok('A', None)
        .call('B', Dequeue)
        .ok('B', Some('x'))
        .call('A', Dequeue)
        .ok('A', Some('y'))
        .call('A', Enqueue('z'));
    assert_eq!(check(&Queue, &h1.operations), Linearity::Linearizable);
    let h2 = queue()
        .call('A', Enqueue('x'))
        .ok('A', None)
        .call('B', Enqueue('y'))
        .call('A', Dequeue)
        .ok('B', None)
        .ok('A', Some('y'));
    assert_eq!(check(&Queue, &h2.operations), Linearity::Broken(2), "x was there before y");
    let h3 = queue().call('A', Enqueue('x')).call('B', Dequeue).ok('B', Some('x'));
    assert_eq!(check(&Queue, &h3.operations), Linearity::Linearizable, "what is not answered may have happened");
    let h4 = queue()
        .call('A', Enqueue('x'))
        .call('B', Enqueue('y'))
        .ok('A', None)
        .ok('B', None)
        .call('A', Dequeue)
        .call('C', Dequeue)
        .ok('A', Some('y'))
        .ok('C', Some('y'));
    assert_eq!(check(&Queue, &h4.operations), Linearity::Broken(3), "y is dequeued twice");
}

fn register() -> Drawn<Call, Answer> {
    Drawn { operations: Vec::new(), open: Vec::new(), at: 0 }
}

const W1: Call = Call::Write(Some(1));
const W2: Call = Call::Write(Some(2));

fn read(value: u64) -> Answer {
    Answer::Read(Some(value))
}

/// Lamport, "On interprocess communication", Distributed Computing 1, 1986: a register is regular, and not atomic, if two
/// reads while a value is written see first the new and then the old one.
#[test]
fn a_regular_register_is_not_atomic() {
    let begun = || register().call('W', W1).ok('W', Answer::Written).call('W', W2).call('R', Call::Read);
    let old_then_new = begun().ok('R', read(1)).call('R', Call::Read).ok('R', read(2)).ok('W', Answer::Written);
    assert_eq!(check(&Register, &old_then_new.operations), Linearity::Linearizable);
    let new_then_old = begun().ok('R', read(2)).call('R', Call::Read).ok('R', read(1)).ok('W', Answer::Written);
    assert_eq!(check(&Register, &new_then_old.operations), Linearity::Broken(3));
}

/// Attiya, Bar-Noy and Dolev, "Sharing memory robustly in message-passing systems", Journal of the ACM 42(1), 1995: a
/// reader that does not write back what it read lets another reader see the older value after it, while the write is
/// under way or its writer has died.
#[test]
fn readers_that_do_not_write_back_break_it() {
    let died = register()
        .call('W', W1)
        .ok('W', Answer::Written)
        .call('W', W2)
        .call('A', Call::Read)
        .ok('A', read(2))
        .call('B', Call::Read)
        .ok('B', read(1));
    assert_eq!(check(&Register, &died.operations), Linearity::Broken(3));
}

/// What a stale replica, a lost update, a doubled compare-and-swap and a value from nowhere look like.
#[test]
fn known_faults_of_stores_are_found() {
    let stale = register()
        .call('A', W1)
        .ok('A', Answer::Written)
        .call('A', W2)
        .ok('A', Answer::Written)
        .call('B', Call::Read)
        .ok('B', read(1));
    assert_eq!(check(&Register, &stale.operations), Linearity::Broken(2));
    let swap = |old, new| Call::Swap { old: Some(old), new: Some(new) };
    let raced = |said| {
        register()
            .call('A', W1)
            .ok('A', Answer::Written)
            .call('A', swap(1, 2))
            .call('B', swap(1, 3))
            .ok('A', Answer::Swapped(true))
            .ok('B', Answer::Swapped(said))
    };
    assert_eq!(check(&Register, &raced(false).operations), Linearity::Linearizable);
    assert_eq!(check(&Register, &raced(true).operations), Linearity::Broken(2), "both cannot have won");
    let nowhere = register().call('A', Call::Read).ok('A', read(9));
    assert_eq!(check(&Register, &nowhere.operations), Linearity::Broken(0));
    let empty = register().call('A', Call::Read).ok('A', Answer::Read(None));
    assert_eq!(check(&Register, &empty.operations), Linearity::Linearizable);
}

#[test]
fn a_write_without_an_answer_may_take_effect_late_or_never() {
    let late = |value| {
        register()
            .call('A', W1)
            .ok('A', Answer::Written)
            .call('B', W2)
            .call('A', Call::Read)
            .ok('A', read(1))
            .call('A', Call::Read)
            .ok('A', read(value))
    };
    assert_eq!(check(&Register, &late(1).operations), Linearity::Linearizable);
    assert_eq!(check(&Register, &late(2).operations), Linearity::Linearizable);
}

#[test]
fn a_long_history_of_many_callers_is_quick() {
    // Eight callers that always overlap, 2,000 operations each served in the order of their answers.
    let (mut drawn, mut value) = (register(), None);
    for caller in 'a'..='h' {
        drawn = drawn.call(caller, Call::Write(Some(u64::from(caller))));
    }
    for turn in 0..2_000_u64 {
        let caller = char::from(b'a' + (turn * 5 % 8) as u8);
        let operation = drawn.open.iter().find(|(who, _)| *who == caller).expect("all call").1;
        let answer = match drawn.operations[operation].call {
            Call::Write(to) => {
                value = to;
                Answer::Written
            }
            _ => Answer::Read(value),
        };
        let call = if turn % 3 == 0 { Call::Write(Some(turn)) } else { Call::Read };
        drawn = drawn.ok(caller, answer).call(caller, call);
    }
    assert_eq!(check(&Register, &drawn.operations), Linearity::Linearizable);
}

/// Tries all orders.
fn by_force(history: &[Operation<Call, Answer>], state: Option<u64>, done: u32) -> bool {
    let left = |index: &usize| done & 1 << index == 0;
    if (0..history.len()).filter(left).all(|index| history[index].answer.is_none()) {
        return true;
    }
    (0..history.len()).filter(left).any(|index| {
        let answered_before =
            |other: usize| history[other].answer.as_ref().is_some_and(|(_, at)| *at < history[index].called);
        let may = (0..history.len()).filter(left).all(|other| !answered_before(other));
        let answer = history[index].answer.as_ref().map(|(answer, _)| answer);
        let next = Register.step(&state, &history[index].call, answer);
        may && next.is_some_and(|next| by_force(history, next, done | 1 << index))
    })
}

fn any_history() -> impl Strategy<Value = Vec<Operation<Call, Answer>>> {
    let value = || prop::option::of(0..3_u64);
    let operation = prop_oneof![
        value().prop_map(|read| (Call::Read, Answer::Read(read))),
        value().prop_map(|to| (Call::Write(to), Answer::Written)),
        (value(), value(), any::<bool>()).prop_map(|(old, new, won)| (Call::Swap { old, new }, Answer::Swapped(won))),
    ];
    let timed = (operation, 0..40_u64, 1..12_u64, prop::bool::weighted(0.85));
    prop::collection::vec(timed, 1..7).prop_map(|drawn| {
        let count = drawn.len() as u64;
        let place = |at: u64, index: usize, last: u64| (at * count + index as u64) * 2 + last;
        let operations =
            drawn.into_iter().enumerate().map(|(index, ((call, answer), at, lasts, answered))| Operation {
                call,
                called: place(at, index, 0),
                answer: answered.then(|| (answer, place(at + lasts, index, 1))),
            });
        operations.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn it_says_what_trying_all_orders_says(history in any_history()) {
        let expected = by_force(&history, None, 0);
        let found = check(&Register, &history);
        prop_assert_eq!(found == Linearity::Linearizable, expected);
        if let Linearity::Broken(index) = found {
            let (_, until) = history[index].answer.expect("it is an answer that breaks it");
            let up_to = |until: u64| -> Vec<_> {
                let begun = history.iter().filter(|one| one.called <= until).cloned();
                begun.map(|one| Operation { answer: one.answer.filter(|(_, at)| *at <= until), ..one }).collect()
            };
            prop_assert!(!by_force(&up_to(until), None, 0) && by_force(&up_to(until - 1), None, 0));
        }
    }
}
