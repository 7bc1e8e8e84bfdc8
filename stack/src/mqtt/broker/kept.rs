//! Messages that are kept for those who come later, one a topic, and so many bytes of them at most.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;

use super::session::Stored;
use crate::mqtt::topic;

#[derive(Debug, Default)]
pub(super) struct Kept {
    by_topic: BTreeMap<String, Rc<Stored>>,
    bytes: usize,
}

impl Kept {
    /// Whether that message can be kept in so many bytes, in the place of the one that its topic has. One that takes no more
    /// than that one always can: a broker with more room may have kept what is too much for this one.
    pub(super) fn has_room(&self, stored: &Stored, bytes_max: usize) -> bool {
        let before = self.by_topic.get(&stored.topic).map_or(0, |before| footprint(before));
        let after = self.bytes - before + footprint(stored);
        after <= bytes_max.max(self.bytes)
    }

    /// Keeps a message; one without a payload takes away what its topic had.
    pub(super) fn put(&mut self, stored: &Rc<Stored>) {
        let before = match footprint(stored) {
            0 => self.by_topic.remove(&stored.topic),
            _ => self.by_topic.insert(stored.topic.clone(), Rc::clone(stored)),
        };
        self.bytes = self.bytes + footprint(stored) - before.map_or(0, |before| footprint(&before));
    }

    /// Those whose topics pass a filter.
    pub(super) fn passing<'k>(&'k self, filter: &'k str) -> impl Iterator<Item = &'k Rc<Stored>> {
        self.by_topic.values().filter(move |stored| topic::matches(filter, &stored.topic))
    }
}

fn footprint(stored: &Stored) -> usize {
    if stored.payload.is_empty() { 0 } else { stored.footprint() }
}
