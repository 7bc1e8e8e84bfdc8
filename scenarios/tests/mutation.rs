//! What happens to first light when the hub's idempotency is taken out: the expectations must notice.

use std::cell::RefCell;
use std::fs;
use std::sync::Arc;

use wavetank_hub::{Device, Reading, RecordError, Recorded, Store, StoreError, StoredReading};
use wavetank_scenarios::{Plan, Registry, RunOptions, kinds, start};
use wavetank_sim::check::Verdict;
use wavetank_sim::time::Instant;

/// A store that appends whatever comes, and never looks whether it has it: rows of (device, reading).
#[derive(Default)]
struct Appending(RefCell<Vec<(String, StoredReading)>>);

impl Appending {
    fn of(&self, device: &str) -> Vec<StoredReading> {
        self.0.borrow().iter().filter(|(name, _)| name == device).map(|(_, row)| row.clone()).collect()
    }
}

impl Store for Appending {
    fn record(&self, batch: &[Reading], heard_ms: u64) -> Result<Vec<Recorded>, RecordError> {
        let rows = batch.iter().map(|reading| {
            let row = StoredReading {
                sequence: reading.sequence,
                celsius_milli: reading.celsius_milli,
                quantities: reading.quantities.clone(),
                at_ms: reading.at_ms,
                received_ms: heard_ms,
            };
            (reading.device.clone(), row)
        });
        self.0.borrow_mut().extend(rows);
        Ok(vec![Recorded::Stored; batch.len()])
    }

    fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let mut names: Vec<_> = self.0.borrow().iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        names.iter().filter_map(|name| self.device(name).transpose()).collect()
    }

    fn device(&self, device: &str) -> Result<Option<Device>, StoreError> {
        let rows = self.of(device);
        Ok(rows.iter().max_by_key(|row| row.sequence).map(|last| Device {
            device: device.to_owned(),
            last_sequence: last.sequence,
            last_heard_ms: rows.iter().map(|row| row.received_ms).max().unwrap_or_default(),
            count: rows.len() as u64,
        }))
    }

    fn reading(&self, device: &str, sequence: u64) -> Result<Option<StoredReading>, StoreError> {
        Ok(self.of(device).into_iter().find(|row| row.sequence == sequence))
    }

    fn readings(&self, device: &str, from: u64, limit: usize) -> Result<Vec<StoredReading>, StoreError> {
        Ok(self.of(device).into_iter().filter(|row| row.sequence >= from).take(limit).collect())
    }
}

/// Whether “no reading is stored twice” breaks in first light with this seed.
fn breaks(registry: &Registry, seed: u64) -> bool {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/gallery/first-light.toml");
    let text = fs::read_to_string(path).expect("readable");
    let plan = Arc::new(Plan::read(path, &text, registry).expect("a plan"));
    let session = start(&plan, &RunOptions { seed: Some(seed), ..RunOptions::default() }).expect("starts");
    session.run_until(Instant::from_nanos(plan.duration_ns)).expect("runs");
    let snapshot = session.finish().expect("ends");
    let twice = snapshot.expectations.iter().find(|report| report.name == "no reading is stored twice");
    twice.expect("first light expects it").verdict == Verdict::Broken
}

#[test]
fn a_hub_that_stores_what_it_has_is_found_out_within_a_few_seeds() {
    let mut mutant = Registry::builtin();
    mutant.add(kinds::hub::kind_over(|_| Ok(Appending::default())));
    let found = (1..=20).find(|seed| breaks(&mutant, *seed));
    let seed = found.expect("a retry after a lost answer is stored twice, and the expectation sees it");
    assert!(!breaks(&Registry::builtin(), seed), "the true hub holds with the same seed");
}
