//! How many devices are how far with each version, counted as they report it: no roll-out is looked at device by device.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::firmware::{Rollout, Update, UpdateState};
use crate::{Hub, Shelf, StoreError, updates};

/// How many devices are how far with a roll-out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Progress {
    pub(crate) offered: u32,
    pub(crate) downloading: u32,
    pub(crate) trying: u32,
    pub(crate) installed: u32,
    pub(crate) failed: u32,
}

impl Progress {
    pub(crate) fn of(hub: &Hub, name: &str, rollout: &Rollout) -> Result<Self, StoreError> {
        let key = (name.to_owned(), rollout.version.to_string());
        hub.tally().read(hub, |counts| counts.get(&key).copied().unwrap_or_default())
    }

    /// Whether so many have failed that nobody else is to try.
    pub(crate) fn is_halted(&self, rollout: &Rollout) -> bool {
        self.failed > rollout.failures_max
    }

    fn count(&mut self, state: UpdateState) -> &mut u32 {
        match state {
            UpdateState::Offered => &mut self.offered,
            UpdateState::Downloading => &mut self.downloading,
            UpdateState::Trying => &mut self.trying,
            UpdateState::Installed => &mut self.installed,
            UpdateState::Failed | UpdateState::RolledBack => &mut self.failed,
        }
    }
}

/// By name and version.
type Counts = BTreeMap<(String, String), Progress>;

/// The counts of all roll-outs. They are read from the store when they are first asked for.
#[derive(Default)]
pub(crate) struct Tally(RefCell<Option<Counts>>);

impl Tally {
    fn read<T>(&self, hub: &Hub, read: impl FnOnce(&Counts) -> T) -> Result<T, StoreError> {
        if let Some(counts) = &*self.0.borrow() {
            return Ok(read(counts));
        }
        let mut counts = Counts::new();
        for (_, update) in updates::all::<Update>(hub, Shelf::Updates)? {
            *counts.entry(key(&update)).or_default().count(update.state) += 1;
        }
        let result = read(&counts);
        *self.0.borrow_mut() = Some(counts);
        Ok(result)
    }

    /// A device is at another place now. What nobody is at any more is forgotten.
    pub(crate) fn note(&self, before: Option<&Update>, now: &Update) {
        let mut counts = self.0.borrow_mut();
        let Some(counts) = &mut *counts else {
            return;
        };
        if let Some(before) = before
            && let Some(progress) = counts.get_mut(&key(before))
        {
            let count = progress.count(before.state);
            *count = count.saturating_sub(1);
            if *progress == Progress::default() {
                counts.remove(&key(before));
            }
        }
        *counts.entry(key(now)).or_default().count(now.state) += 1;
    }
}

fn key(update: &Update) -> (String, String) {
    (update.name.to_string(), update.version.to_string())
}
