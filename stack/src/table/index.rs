//! Finding an item by its key: by hashing with an allocator, by looking at each of a few fixed slots without.

#[cfg(feature = "alloc")]
use alloc::{vec, vec::Vec};
#[cfg(feature = "alloc")]
use core::num::NonZeroU32;

/// Mixes a key into a hash, by folded multiplication. `seed` differs from stack to stack, so that nobody
/// outside can choose keys that collide; with one seed it is one fixed function.
#[inline]
pub(crate) fn mix(seed: u64, key: [u64; 4]) -> u64 {
    let low = fold(key[0] ^ seed, key[1] ^ 0x9e37_79b9_7f4a_7c15);
    let high = fold(key[2] ^ 0xd1b5_4a32_d192_ed03, key[3] ^ !seed.rotate_left(32));
    fold(low ^ 0x8bb8_4b93_962e_acc9, high ^ 0x2d35_8dcc_aa6c_78a5)
}

/// [`mix`] for a short key.
#[inline]
pub(crate) fn mix_two(seed: u64, a: u64, b: u64) -> u64 {
    fold(a ^ seed, b ^ 0x9e37_79b9_7f4a_7c15)
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// So few items are looked at one by one, whatever else there is: they are wanted anyway, and a table of hashes is not.
#[cfg(feature = "alloc")]
const FEW: usize = 4;

/// The items of one table by key. Never iterated.
pub(crate) struct Index {
    #[cfg(feature = "alloc")]
    table: Option<Hashed>,
}

impl Index {
    /// For a fixed table: no memory of its own, every look-up scans the slots.
    pub(crate) const fn scanning() -> Self {
        Self {
            #[cfg(feature = "alloc")]
            table: None,
        }
    }

    /// For a growing table.
    #[cfg(feature = "alloc")]
    pub(crate) const fn hashing() -> Self {
        Self { table: Some(Hashed::new()) }
    }

    /// The item for which `matches` holds, among those that were inserted. `hash` is only called if needed.
    #[inline]
    pub(crate) fn find<T>(&self, items: &[T], hash: impl FnOnce() -> u64, matches: impl Fn(&T) -> bool) -> Option<u32> {
        #[cfg(feature = "alloc")]
        if let Some(table) = &self.table
            && items.len() > FEW
        {
            return table.find(tag(hash()), |item| matches(&items[item as usize]));
        }
        let _ = hash;
        let found = items.iter().position(matches)?;
        Some(found as u32)
    }

    /// Where an item of that hash is looked for first, if it is looked for by hash.
    #[cfg(feature = "alloc")]
    pub(crate) fn place(&self, hash: u64) -> Option<*const u8> {
        let table = self.table.as_ref()?;
        table.places.get(table.home(tag(hash))).map(|place| core::ptr::from_ref(place).cast())
    }

    /// The first item whose hash is that one, or nearly.
    #[cfg(feature = "alloc")]
    pub(crate) fn likely(&self, hash: u64) -> Option<u32> {
        self.table.as_ref()?.find(tag(hash), |_| true)
    }

    /// Adds `item`, whose key no other item has.
    #[inline]
    pub(crate) fn insert<T>(&mut self, items: &[T], item: u32, hash: impl Fn(&T) -> u64) {
        #[cfg(feature = "alloc")]
        if let Some(table) = &mut self.table {
            table.insert(tag(hash(&items[item as usize])), item);
        }
        let _ = (items, item, hash);
    }

    /// Removes `item`, if it is there.
    #[inline]
    pub(crate) fn remove<T>(&mut self, items: &[T], item: u32, hash: impl Fn(&T) -> u64) {
        #[cfg(feature = "alloc")]
        if let Some(table) = &mut self.table {
            table.remove(tag(hash(&items[item as usize])), item);
        }
        let _ = (items, item, hash);
    }
}

/// So much of a hash is kept.
#[cfg(feature = "alloc")]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Items by their hashes, each at the first free place from where its hash says: with thousands of items it is memory that a
/// look-up waits for, and so it takes one line of it, hash and item together.
#[cfg(feature = "alloc")]
struct Hashed {
    /// As many as a power of two, or none. Two thirds of them are taken at most.
    places: Vec<Option<Hash>>,
    len: usize,
}

#[cfg(feature = "alloc")]
#[derive(Clone, Copy)]
struct Hash {
    tag: u32,
    /// One more than the item, so that nothing takes no place of its own.
    item: NonZeroU32,
}

#[cfg(feature = "alloc")]
impl Hashed {
    /// How many places there are at first.
    const FIRST: usize = 8;

    const fn new() -> Self {
        Self { places: Vec::new(), len: 0 }
    }

    /// The place after another.
    #[inline]
    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    /// Where what has this tag would be put if it were alone.
    #[inline]
    fn home(&self, tag: u32) -> usize {
        tag as usize & self.places.len().wrapping_sub(1)
    }

    #[inline]
    fn find(&self, tag: u32, matches: impl Fn(u32) -> bool) -> Option<u32> {
        let mut place = self.home(tag);
        while let Some(Some(hash)) = self.places.get(place) {
            let item = hash.item.get() - 1;
            if hash.tag == tag && matches(item) {
                return Some(item);
            }
            place = self.after(place);
        }
        None
    }

    fn insert(&mut self, tag: u32, item: u32) {
        if (self.len + 1) * 3 > self.places.len() * 2 {
            let longer = vec![None; (2 * self.places.len()).max(Self::FIRST)];
            let shorter = core::mem::replace(&mut self.places, longer);
            shorter.into_iter().flatten().for_each(|hash| self.put(hash));
        }
        self.len += 1;
        self.put(Hash { tag, item: NonZeroU32::MIN.saturating_add(item) });
    }

    fn put(&mut self, hash: Hash) {
        let mut place = self.home(hash.tag);
        while self.places[place].is_some() {
            place = self.after(place);
        }
        self.places[place] = Some(hash);
    }

    fn remove(&mut self, tag: u32, item: u32) {
        let mut free = self.home(tag);
        while let Some(Some(hash)) = self.places.get(free) {
            if hash.item.get() - 1 == item {
                self.len -= 1;
                break;
            }
            free = self.after(free);
        }
        // What could not be put where it is free now, because something was there, moves up.
        let mut place = free;
        while let Some(Some(hash)) = self.places.get(place).copied() {
            if place != free && !self.is_between(free, self.home(hash.tag), place) {
                self.places[free] = Some(hash);
                free = place;
            }
            place = self.after(place);
        }
        if let Some(place) = self.places.get_mut(free) {
            *place = None;
        }
    }

    /// Whether one comes to `home` on the way from `free`, which itself does not count, to `place`, going around at the end.
    fn is_between(&self, free: usize, home: usize, place: usize) -> bool {
        let far = |to: usize| to.wrapping_sub(free) & (self.places.len() - 1);
        far(home) != 0 && far(home) <= far(place)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Of few tags, so that many items want the same places.
        #[test]
        fn what_is_in_it_is_found_and_nothing_else(
            steps in proptest::collection::vec((0_u32..40, any::<bool>()), 0..400),
            tags in proptest::collection::vec(0_u32..64, 40),
        ) {
            let mut table = Hashed::new();
            let mut model = [false; 40];
            for (item, is_added) in steps {
                let tag = tags[item as usize];
                match (is_added, model[item as usize]) {
                    (true, false) => table.insert(tag, item),
                    (false, _) => table.remove(tag, item),
                    (true, true) => continue,
                }
                model[item as usize] = is_added;
                for item in 0..40 {
                    let found = table.find(tags[item as usize], |found| found == item);
                    prop_assert_eq!(found, model[item as usize].then_some(item));
                }
                prop_assert_eq!(table.len, model.iter().filter(|is_in| **is_in).count());
                prop_assert_eq!(table.places.iter().flatten().count(), table.len);
            }
        }
    }
}
