//! What was learnt, for as long as it holds, in a table of fixed size.

use core::net::IpAddr;

use heapless::Vec;

use super::{message::RecordType, name::Name, resolver::Addresses};
use crate::time::{Duration, Instant};

/// The longest that anything is kept, whatever its zone says (RFC 8767, section 4, has a week).
const TTL_MAX: Duration = Duration::from_secs(86_400);

struct Entry {
    name: Name,
    record_type: RecordType,
    /// None: there is no such record.
    addresses: Addresses,
    until: Instant,
    used_at: Instant,
}

pub(super) struct Cache<const ENTRIES: usize> {
    entries: Vec<Entry, ENTRIES>,
}

impl<const ENTRIES: usize> Cache<ENTRIES> {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// What is known of the name; no addresses if it is known that there are none.
    pub(super) fn find(&mut self, name: &Name, record_type: RecordType, now: Instant) -> Option<Addresses> {
        if ENTRIES == 0 {
            return None;
        }
        let known = |entry: &&mut Entry| entry.record_type == record_type && entry.name == *name && now < entry.until;
        let entry = self.entries.iter_mut().find(known)?;
        entry.used_at = now;
        Some(entry.addresses.clone())
    }

    /// Remembers an answer for `ttl` seconds among as many others as `room` says. The one that was not used for longest makes
    /// room.
    pub(super) fn remember(
        &mut self,
        (name, record_type): (&Name, RecordType),
        addresses: &[IpAddr],
        ttl: u32,
        now: Instant,
        room: impl FnOnce(usize) -> usize,
    ) {
        // Said here, that of a resolver without a memory nothing of this is left.
        if ENTRIES == 0 {
            return;
        }
        self.entries.retain(|entry| now < entry.until && (entry.record_type != record_type || entry.name != *name));
        if ttl == 0 {
            return;
        }
        let room = room(ENTRIES);
        while self.entries.len() >= room {
            let oldest = self.entries.iter().enumerate().min_by_key(|(_, entry)| entry.used_at);
            let Some((oldest, _)) = oldest else {
                return;
            };
            self.entries.swap_remove(oldest);
        }
        let until = now + Duration::from_secs(ttl.into()).min(TTL_MAX);
        let addresses = addresses.iter().copied().collect();
        let entry = Entry { name: name.clone(), record_type, addresses, until, used_at: now };
        let kept = self.entries.push(entry);
        debug_assert!(kept.is_ok(), "room was made");
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_end_with_their_time_and_the_least_used_goes_first() {
        let mut cache = Cache::<2>::new();
        let name = |text: &str| Name::new(text).unwrap();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let at = Instant::from_secs;
        cache.remember((&name("a"), RecordType::A), &[address], 60, at(0), |entries| entries);
        cache.remember((&name("b"), RecordType::A), &[], 10, at(1), |entries| entries);
        assert_eq!(cache.find(&name("a"), RecordType::A, at(2)).unwrap(), [address]);
        assert_eq!(cache.find(&name("a"), RecordType::Aaaa, at(2)), None);
        assert!(cache.find(&name("b"), RecordType::A, at(3)).unwrap().is_empty());
        assert_eq!(cache.find(&name("b"), RecordType::A, at(11)), None);
        cache.remember((&name("b"), RecordType::A), &[address], 100, at(12), |entries| entries);
        cache.find(&name("a"), RecordType::A, at(13)).unwrap();
        cache.remember((&name("c"), RecordType::A), &[address], 100, at(14), |entries| entries);
        assert_eq!(cache.find(&name("b"), RecordType::A, at(15)), None);
        assert!(cache.find(&name("a"), RecordType::A, at(15)).is_some());
        // Somebody says that there is less room: for one, and for none.
        cache.remember((&name("d"), RecordType::A), &[address], 100, at(16), |_| 1);
        let known =
            |cache: &mut Cache<2>| ["a", "c", "d"].map(|of| cache.find(&name(of), RecordType::A, at(17)).is_some());
        assert_eq!(known(&mut cache), [false, false, true]);
        cache.remember((&name("a"), RecordType::A), &[address], 100, at(18), |_| 0);
        assert_eq!(known(&mut cache), [false; 3]);
    }
}
