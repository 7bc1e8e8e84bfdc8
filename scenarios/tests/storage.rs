//! The stack's stores on the tank's flash: the power fails at every instant of a day's work, and what was promised is there.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod desk;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use proptest::prelude::*;
use wavetank_sim::hw::Flash;
use wavetank_sim::hw::flash::Memory;
use wavetank_stack::storage::{Error, Key, KeyValue, Spool};

use desk::{Desk, STEP, TEARS, Tear};

/// What a day's work came to.
enum Day {
    Done,
    PowerFailed,
}

/// Something that is done to a store, and what must be so whenever it is opened again.
trait Work {
    /// Does what is left of the work, after looking whether all is there.
    async fn day<const W: usize, const E: usize>(&self, flash: Flash<Desk, W, E>);
}

/// Has the power fail at every instant, and once more at every `again`th instant after it; then the work is finished.
fn fail_everywhere<const W: usize, const E: usize>(
    pages: usize,
    again: u64,
    work: impl Fn() -> Box<dyn DynWork<W, E>>,
) {
    let undisturbed = Desk::new(0, u64::MAX);
    let memory = Memory::<W, E>::new(pages, STEP);
    assert!(matches!(work().run(&undisturbed, &memory), Day::Done));
    let end_ns = undisturbed.now_ns.get();
    assert!(memory.wear().iter().all(|times| *times > 1), "every page is used again: {:?}", memory.wear());

    for fails_ns in 1..end_ns {
        for mut tear in TEARS {
            let twice = matches!(tear, Tear::Chance(_)).then_some(Some(fails_ns % again + 1));
            for second in [None].into_iter().chain(twice) {
                let memory = Memory::<W, E>::new(pages, STEP);
                let work = work();
                let first_life = Desk::new(0, fails_ns);
                assert!(matches!(work.run(&first_life, &memory), Day::PowerFailed));
                memory.cut(fails_ns, &mut tear);
                let mut now_ns = fails_ns;
                if let Some(after_ns) = second {
                    let second_life = Desk::new(now_ns, now_ns + after_ns);
                    if matches!(work.run(&second_life, &memory), Day::PowerFailed) {
                        now_ns += after_ns;
                        memory.cut(now_ns, &mut tear);
                    }
                }
                let last_life = Desk::new(now_ns, u64::MAX);
                assert!(matches!(work.run(&last_life, &memory), Day::Done), "{fails_ns} {tear:?} {second:?}");
                assert_eq!(memory.lost_bits(), 0, "nothing is written where something is: {fails_ns} {tear:?}");
            }
        }
    }
}

/// [`Work`] on a flash of one shape.
trait DynWork<const W: usize, const E: usize> {
    fn run(&self, desk: &Desk, memory: &Memory<W, E>) -> Day;
}

impl<T: Work, const W: usize, const E: usize> DynWork<W, E> for T {
    fn run(&self, desk: &Desk, memory: &Memory<W, E>) -> Day {
        let flash = Flash::new(memory.clone(), desk.clone());
        desk.run(self.day(flash)).map_or(Day::PowerFailed, |()| Day::Done)
    }
}

/// Payloads of all lengths, none like another.
fn payload(number: u64) -> Vec<u8> {
    let len = [12, 0, 31, 7, 44, 8, 3][(number % 7) as usize];
    (0..len).map(|at| (number as u8).wrapping_mul(31) ^ at).collect()
}

/// A queue that is filled and emptied, and what was promised of it.
#[derive(Default)]
struct Queueing {
    /// The number that the work ends with.
    records: u64,
    /// The number of the last record that was answered for; the next one may be there.
    pushed: Cell<u64>,
    /// What was said to be acknowledged.
    acknowledged: Cell<u64>,
    /// What was being said.
    acknowledging: Cell<u64>,
}

impl Work for Queueing {
    async fn day<const W: usize, const E: usize>(&self, flash: Flash<Desk, W, E>) {
        let end = capacity(&flash);
        let mut spool = Spool::new(flash, 0..end).unwrap();
        let mut buffer = [0; 64];

        // Of what was under way when the power failed, all is there or nothing.
        let acknowledged = spool.acknowledged().await.unwrap();
        assert!([self.acknowledged.get(), self.acknowledging.get()].contains(&acknowledged), "{acknowledged}");
        self.acknowledged.set(acknowledged);
        self.acknowledging.set(acknowledged);
        let mut last = acknowledged;
        while let Some(record) = spool.next_after(last, &mut buffer).await.unwrap() {
            assert_eq!(record.id, last + 1, "the numbers have no gap");
            assert_eq!(buffer[..record.len], payload(record.id), "of {}", record.id);
            last = record.id;
        }
        let pushed = self.pushed.get();
        assert!([pushed, pushed + 1].contains(&last), "{pushed} were pushed, and {last} are there");
        self.pushed.set(last);
        let newest = spool.last(&mut buffer).await.unwrap();
        assert_eq!(newest.map(|record| record.id), (last > 0).then_some(last));
        if let Some(record) = newest {
            assert_eq!(buffer[..record.len], payload(record.id), "of the newest");
        }
        assert_eq!(spool.waiting().await.unwrap(), last - acknowledged);

        while self.pushed.get() < self.records {
            // Sometimes all is acknowledged, sometimes the queue is full.
            match spool.push(&payload(self.pushed.get() + 1)).await {
                Ok(id) => {
                    assert_eq!(id, self.pushed.get() + 1);
                    self.pushed.set(id);
                    if id % 9 != 8 {
                        continue;
                    }
                }
                Err(Error::Full) => {}
                Err(error) => panic!("{error}"),
            }
            let (from, to) = (self.acknowledged.get(), self.pushed.get());
            assert!(from < to, "a queue is not full of nothing");
            for id in [from + (to - from).div_ceil(2), to] {
                self.acknowledging.set(id);
                spool.acknowledge(id).await.unwrap();
                self.acknowledged.set(id);
            }
        }
    }
}

fn capacity<const W: usize, const E: usize>(flash: &Flash<Desk, W, E>) -> u32 {
    u32::try_from(embedded_storage::nor_flash::ReadNorFlash::capacity(flash)).unwrap()
}

/// Keys that are set and removed, and what was promised of them.
#[derive(Default)]
struct Setting {
    steps: u64,
    step: Cell<u64>,
    values: RefCell<BTreeMap<Key, Vec<u8>>>,
    /// The key that was being changed, and what to.
    under_way: RefCell<Option<(Key, Option<Vec<u8>>)>>,
}

const KEYS: u16 = 4;

impl Setting {
    fn promise(&self, key: Key, value: Option<Vec<u8>>) {
        let mut values = self.values.borrow_mut();
        match value {
            Some(value) => drop(values.insert(key, value)),
            None => drop(values.remove(&key)),
        }
    }
}

impl Work for Setting {
    async fn day<const W: usize, const E: usize>(&self, flash: Flash<Desk, W, E>) {
        let end = capacity(&flash);
        let mut store = KeyValue::new(flash, 0..end).unwrap();
        let mut buffer = [0; 64];
        for key in (0..KEYS).map(Key) {
            let found = store.get(key, &mut buffer).await.unwrap().map(|len| buffer[..len].to_vec());
            let promised = self.values.borrow().get(&key).cloned();
            let under_way = self.under_way.borrow().clone().filter(|(changing, _)| *changing == key);
            match under_way {
                Some((_, new)) if new == found => self.promise(key, new),
                _ => assert_eq!(found, promised, "of {key:?}"),
            }
        }
        // What failed is not tried again, so that what comes next differs from what was left half done.
        if self.under_way.take().is_some() {
            self.step.update(|step| step + 1);
        }
        while self.step.get() < self.steps {
            let step = self.step.get();
            let key = Key((step * step % u64::from(KEYS)) as u16 ^ (step % 3) as u16);
            let value = (step % 5 != 4).then(|| payload(step));
            self.under_way.replace(Some((key, value.clone())));
            match &value {
                Some(value) => store.set(key, value).await.unwrap(),
                None => store.remove(key).await.unwrap(),
            }
            self.promise(key, value);
            self.under_way.take();
            self.step.set(step + 1);
        }
    }
}

#[test]
fn a_queue_loses_nothing_that_it_has_and_keeps_nothing_by_halves() {
    fail_everywhere::<4, 256>(3, 23, || Box::new(Queueing { records: 50, ..Queueing::default() }));
}

#[test]
fn a_queue_on_flash_with_long_units() {
    fail_everywhere::<32, 512>(4, 5, || Box::new(Queueing { records: 70, ..Queueing::default() }));
}

#[test]
fn keys_have_their_old_value_or_their_new_one() {
    fail_everywhere::<4, 256>(2, 23, || Box::new(Setting { steps: 28, ..Setting::default() }));
}

#[test]
fn keys_on_more_pages() {
    fail_everywhere::<8, 256>(3, 11, || Box::new(Setting { steps: 50, ..Setting::default() }));
}

/// All that can be asked of both stores, whatever is on their flash.
async fn ask_everything(memory: &Memory<4, 256>, desk: &Desk) {
    let flash = || Flash::new(memory.clone(), desk.clone());
    let mut buffer = [0; 300];
    let mut spool = Spool::new(flash(), 0..1_024).unwrap();
    let mut last = 0;
    while let Ok(Some(record)) = spool.next_after(last, &mut buffer).await {
        assert!(record.id > last);
        last = record.id;
    }
    spool.last(&mut buffer).await.unwrap();
    let waiting = spool.waiting().await.unwrap();
    assert_eq!(spool.next_after(u64::MAX, &mut buffer).await, Ok(None));
    let pushed = spool.push(b"new").await;
    assert!(waiting > 0 || pushed.is_ok(), "an empty spool takes a record: {pushed:?}");
    if let Ok(id) = pushed {
        assert!(id > last);
        assert_eq!(spool.next_after(id - 1, &mut buffer).await.unwrap().map(|record| record.id), Some(id));
        assert_eq!(buffer[..3], *b"new");
        spool.acknowledge(id).await.unwrap();
        assert_eq!(spool.waiting().await, Ok(0));
    }
    let mut store = KeyValue::new(flash(), 1_024..2_048).unwrap();
    for key in (0..KEYS).map(Key) {
        store.get(key, &mut buffer).await.unwrap();
    }
    store.set(Key(1), b"new").await.unwrap();
    assert_eq!(store.get(Key(1), &mut buffer).await, Ok(Some(3)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rot_is_no_reason_to_panic_or_to_stop(
        records in 0..60_u64, rotten in prop::collection::vec((0..2_048_usize, any::<u8>()), 0..40), blank: bool,
    ) {
        let (memory, desk) = (Memory::<4, 256>::new(8, STEP), Desk::new(0, u64::MAX));
        if !blank {
            let flash = || Flash::new(memory.clone(), desk.clone());
            desk.run(async {
                let mut spool = Spool::new(flash(), 0..1_024).unwrap();
                for number in 1..=records {
                    if spool.push(&payload(number)).await == Err(Error::Full) {
                        spool.acknowledge(number - 3).await.unwrap();
                    }
                }
                let mut store = KeyValue::new(flash(), 1_024..2_048).unwrap();
                for number in 0..records {
                    store.set(Key((number % 4) as u16), &payload(number)).await.unwrap();
                }
            });
        }
        for (at, byte) in rotten {
            memory.burn(at, &[byte]);
        }
        desk.run(ask_everything(&memory, &desk));
    }
}
