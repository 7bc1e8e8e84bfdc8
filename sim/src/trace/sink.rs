//! Where events go besides the fingerprint.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

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

/// A sink that its maker can still reach after handing it to a world.
pub struct Shared<S>(Rc<RefCell<S>>);

impl<S> Shared<S> {
    /// Shares `sink`.
    pub fn new(sink: S) -> Self {
        Self(Rc::new(RefCell::new(sink)))
    }

    /// Looks at the sink.
    pub fn with<R>(&self, look: impl FnOnce(&mut S) -> R) -> R {
        look(&mut self.0.borrow_mut())
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<S: Sink> Sink for Shared<S> {
    fn record(&mut self, record: &Record, names: &Names) {
        self.0.borrow_mut().record(record, names);
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.borrow_mut().finish()
    }
}

/// Keeps the last events.
#[derive(Debug)]
pub struct Recent {
    records: VecDeque<Record>,
    capacity: usize,
}

impl Recent {
    /// Keeps the last `capacity` events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { records: VecDeque::with_capacity(capacity), capacity }
    }

    /// The kept events, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }
}

impl Sink for Recent {
    fn record(&mut self, record: &Record, _: &Names) {
        if self.records.len() == self.capacity {
            self.records.pop_front();
        }
        self.records.push_back(*record);
    }
}
