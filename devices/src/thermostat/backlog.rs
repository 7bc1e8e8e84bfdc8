//! The readings that the hub has not acknowledged, in the order they were measured.
//!
//! This is the thermostat's memory, without time, network or bus: what is kept when there is no room, and
//! which number a reading gets.
//!
//! Numbers: nothing but the hub remembers them over a power cut, so until it has been asked a reading has
//! none. From then on each gets the next. A number belongs to the reading that got it for good. Should the
//! hub turn out to have it already, from an earlier life of the device that the hub did not yet know of
//! when it was asked, the numbering is [`doubt`](Backlog::doubt)ed: all readings that were never sent give
//! theirs up, and later ones are higher than any that was ever given.

use heapless::Deque;
use wavetank_stack::Instant;

use super::reading::{Reading, Sequence};

/// Bounded to `N` readings.
#[derive(Debug)]
pub(super) struct Backlog<const N: usize> {
    readings: Deque<Reading, N>,
    /// The highest number ever given or seen.
    last: u64,
    /// The hub's word on the numbering stands.
    numbering: bool,
}

/// What came of a new reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its number, if it got one at once.
    pub(super) sequence: Option<Sequence>,
    /// An older one had to go for it.
    pub(super) dropped: bool,
}

impl<const N: usize> Backlog<N> {
    pub(super) const fn new() -> Self {
        const { assert!(N >= 2, "room for the reading under way and a next one") };
        Backlog { readings: Deque::new(), last: 0, numbering: false }
    }

    pub(super) fn len(&self) -> usize {
        self.readings.len()
    }

    /// Whether the hub must be asked where the numbering stands.
    pub(super) fn needs_numbering(&self) -> bool {
        !self.numbering
    }

    /// Keeps a new reading. A full backlog lets go of the oldest that was never sent: of one that was,
    /// the hub may know already, and its acknowledgement costs nothing.
    pub(super) fn push(&mut self, at: Instant, celsius_milli: i32) -> Kept {
        let dropped = self.readings.is_full();
        if dropped {
            let sent = usize::from(self.readings.front().is_some_and(|front| front.attempted));
            // Only the front can have been sent, so the one to go is first or second; the order stays.
            let _oldest_unsent = self.readings.swap_remove_front(sent);
        }
        let sequence = if self.numbering { next(&mut self.last) } else { None };
        let reading = Reading { sequence, at, celsius_milli, attempted: false };
        self.readings.push_back(reading).expect("room was made");
        Kept { sequence, dropped }
    }

    /// Takes up the numbering behind `last`, the highest that the hub has; tells the numbers that the
    /// waiting readings get.
    pub(super) fn resume(&mut self, last: u64, mut numbered: impl FnMut(Sequence)) {
        self.numbering = true;
        self.last = self.last.max(last);
        for reading in self.readings.iter_mut().filter(|r| r.sequence.is_none()) {
            reading.sequence = next(&mut self.last);
            reading.sequence.into_iter().for_each(&mut numbered);
        }
    }

    /// The hub has a number that it cannot have: ask it again before anything is sent.
    pub(super) fn doubt(&mut self) {
        self.numbering = false;
        for reading in self.readings.iter_mut().filter(|r| !r.attempted) {
            reading.sequence = None;
        }
    }

    /// The oldest reading and its number, if it has one: the one to send.
    pub(super) fn front(&self) -> Option<(Sequence, Reading)> {
        let reading = self.readings.front()?;
        Some((reading.sequence?, *reading))
    }

    /// The front is about to go onto the wire.
    pub(super) fn attempt(&mut self) {
        if let Some(front) = self.readings.front_mut() {
            front.attempted = true;
        }
    }

    /// Done with that reading: acknowledged, or set aside.
    pub(super) fn settle(&mut self, sequence: Sequence) {
        let settled = self.readings.pop_front_if(|front| front.sequence == Some(sequence));
        debug_assert!(settled.is_some(), "only the front is ever under way, and it is never dropped");
    }
}

/// The numbers end after 2⁶⁴ readings; those beyond it stay unnumbered and unsent.
fn next(last: &mut u64) -> Option<Sequence> {
    let sequence = Sequence::new(last.checked_add(1)?)?;
    *last = sequence.get();
    Some(sequence)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeMap;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn sequence(number: u64) -> Option<Sequence> {
        Sequence::new(number)
    }

    fn push<const N: usize>(backlog: &mut Backlog<N>, celsius_milli: i32) -> Kept {
        backlog.push(Instant::ZERO, celsius_milli)
    }

    fn resume<const N: usize>(backlog: &mut Backlog<N>, last: u64) -> Vec<u64> {
        let mut numbers = Vec::new();
        backlog.resume(last, |sequence| numbers.push(sequence.get()));
        numbers
    }

    fn front<const N: usize>(backlog: &Backlog<N>) -> Option<(u64, i32)> {
        let (sequence, reading) = backlog.front()?;
        Some((sequence.get(), reading.celsius_milli))
    }

    #[test]
    fn readings_wait_for_their_numbers_and_leave_in_order() {
        let mut backlog = Backlog::<4>::new();
        assert_eq!(push(&mut backlog, 10), Kept { sequence: None, dropped: false });
        push(&mut backlog, 11);
        assert_eq!(front(&backlog), None);
        assert_eq!(resume(&mut backlog, 41), [42, 43]);
        assert_eq!(push(&mut backlog, 12).sequence, sequence(44));
        for expected in [(42, 10), (43, 11), (44, 12)] {
            assert_eq!(front(&backlog), Some(expected));
            backlog.attempt();
            backlog.settle(sequence(expected.0).expect("not zero"));
        }
        assert_eq!(backlog.len(), 0);
    }

    #[test]
    fn a_full_backlog_lets_the_oldest_unsent_go() {
        let mut backlog = Backlog::<3>::new();
        resume(&mut backlog, 0);
        for celsius in 0..3 {
            push(&mut backlog, celsius);
        }
        assert!(push(&mut backlog, 3).dropped);
        assert_eq!(front(&backlog), Some((2, 1)));
        backlog.attempt();
        assert!(push(&mut backlog, 4).dropped);
        assert_eq!(front(&backlog), Some((2, 1)), "it may be stored already");
        backlog.settle(sequence(2).expect("not zero"));
        assert_eq!(front(&backlog), Some((4, 3)));
    }

    #[test]
    fn a_doubted_numbering_begins_above_all_numbers() {
        let mut backlog = Backlog::<8>::new();
        resume(&mut backlog, 0);
        for celsius in 0..3 {
            push(&mut backlog, celsius);
        }
        backlog.attempt();
        backlog.settle(sequence(1).expect("not zero"));
        backlog.doubt();
        assert!(backlog.needs_numbering());
        assert_eq!(front(&backlog), None);
        assert_eq!(resume(&mut backlog, 1), [4, 5]);
        backlog.doubt();
        assert_eq!(resume(&mut backlog, 90), [91, 92]);
    }

    #[test]
    fn the_numbers_end_without_a_panic() {
        let mut backlog = Backlog::<2>::new();
        push(&mut backlog, 0);
        assert_eq!(resume(&mut backlog, u64::MAX), []);
        assert_eq!(front(&backlog), None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push,
        Attempt,
        Settle,
        Doubt,
        Resume(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Push),
            2 => Just(Step::Attempt),
            2 => Just(Step::Settle),
            1 => Just(Step::Doubt),
            1 => (0_u64..40).prop_map(Step::Resume),
        ];
        prop::collection::vec(step, 0..100)
    }

    proptest! {
        #[test]
        fn no_number_is_ever_sent_for_two_readings(steps in steps()) {
            let mut backlog = Backlog::<5>::new();
            let mut sent = BTreeMap::new();
            let mut last_sent = None;
            for (at, step) in (0..).zip(steps) {
                match step {
                    Step::Push => drop(push(&mut backlog, at)),
                    Step::Doubt => backlog.doubt(),
                    Step::Resume(last) => drop(resume(&mut backlog, last)),
                    Step::Settle => {
                        if let Some((sequence, _)) = backlog.front().filter(|(_, r)| r.attempted) {
                            backlog.settle(sequence);
                        }
                    }
                    Step::Attempt if backlog.needs_numbering() => {}
                    Step::Attempt => {
                        if let Some((sequence, celsius)) = front(&backlog) {
                            backlog.attempt();
                            prop_assert_eq!(*sent.entry(sequence).or_insert(celsius), celsius);
                            prop_assert!(last_sent <= Some(celsius), "in the order of measuring");
                            last_sent = Some(celsius);
                        }
                    }
                }
            }
        }
    }
}
