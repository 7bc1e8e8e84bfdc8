//! Where events go besides the fingerprint.

use std::collections::VecDeque;
use std::io;

use super::{Names, Record};

/// Receives every event of a world as it happens. A sink only looks: it has no way to reach the world.
pub trait Sink {
    /// An event happened.
    fn record(&mut self, record: &Record, names: &Names);

    /// The run has ended.
    ///
    /// # Errors
    ///
    /// The first error met while writing, if the sink writes anywhere.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the last events.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    records: VecDeque<Record>,
    capacity: usize,
}

impl Recent {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { records: VecDeque::with_capacity(capacity), capacity }
    }

    /// The kept events, oldest first.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    pub(crate) fn record(&mut self, record: &Record) {
        if self.records.len() == self.capacity {
            self.records.pop_front();
        }
        self.records.push_back(*record);
    }
}
