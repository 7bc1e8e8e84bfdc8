//! Hash maps whose layout depends on nothing but their keys.
//!
//! The standard library's default keys its maps from the operating system. These maps are for lookup, not to be iterated
//! where the order could matter; their keys are not an enemy's: nothing here withstands keys that were chosen to collide.

#![expect(clippy::disallowed_types, reason = "the map of the standard library, with keys that are always the same")]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::prefetch;

/// A map with a fixed hash function.
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<FoldHasher>>;

/// A map of small keys to small values, in which what is looked for lies in one line of the cache, nearly always, and can be
/// fetched before it is looked for: open addressing, with at least half of the places free.
#[derive(Clone, Debug)]
pub struct Flat<K, V> {
    /// A power of two, or none.
    places: Box<[Option<(K, V)>]>,
    len: usize,
}

impl<K, V> Default for Flat<K, V> {
    fn default() -> Self {
        Self { places: Box::default(), len: 0 }
    }
}

impl<K: Copy + Eq + Hash, V: Copy> Flat<K, V> {
    /// What `key` has.
    #[inline]
    #[must_use]
    pub fn get(&self, key: K) -> Option<V> {
        let (_, value) = self.places.get(self.find(key)?).copied().flatten()?;
        Some(value)
    }

    /// Gives it to `key`, and returns what it had before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.places.len() <= 2 * self.len {
            self.grow();
        }
        let place = &mut self.places[self.find(key).expect("half of the places are free")];
        let before = place.replace((key, value));
        self.len += usize::from(before.is_none());
        before.map(|(_, value)| value)
    }

    /// Takes it from `key`.
    pub fn remove(&mut self, key: K) -> Option<V> {
        let mut hole = self.find(key)?;
        let (_, value) = self.places[hole].take()?;
        self.len -= 1;
        // Whoever would be looked for across the hole moves into it.
        let mask = self.places.len() - 1;
        let mut place = hole;
        loop {
            place = (place + 1) & mask;
            let Some((other, _)) = self.places[place] else { return Some(value) };
            if place.wrapping_sub(self.home(other)) & mask >= place.wrapping_sub(hole) & mask {
                self.places.swap(hole, place);
                hole = place;
            }
        }
    }

    /// Takes everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// `key` is looked for soon.
    #[inline]
    pub fn fetch(&self, key: K) {
        if let Some(place) = self.places.get(self.home(key)) {
            prefetch::whole(place);
        }
    }

    /// Where a search begins.
    #[inline]
    fn home(&self, key: K) -> usize {
        let mut hasher = FoldHasher::default();
        key.hash(&mut hasher);
        hasher.finish() as usize & self.places.len().wrapping_sub(1)
    }

    /// The key's place, or the one that it would have; `None` where there are no places at all.
    #[inline]
    fn find(&self, key: K) -> Option<usize> {
        let mut place = self.home(key);
        while self.places.get(place)?.is_some_and(|(other, _)| other != key) {
            place = (place + 1) & (self.places.len() - 1);
        }
        Some(place)
    }

    #[cold]
    fn grow(&mut self) {
        let more = vec![None; (2 * self.places.len()).max(8)];
        let known = std::mem::replace(&mut self.places, more.into());
        for (key, value) in known.iter().flatten() {
            let place = self.find(*key).expect("half of the places are free");
            self.places[place] = Some((*key, *value));
        }
    }
}

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
const FINAL: u64 = 0xD6E8_FEB8_6659_FD93;

/// Folds the halves of a 64 × 64 bit product, a word at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct FoldHasher(u64);

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

impl Hasher for FoldHasher {
    fn finish(&self) -> u64 {
        fold(self.0, FINAL)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.write_u64(u64::from_le_bytes(word.try_into().expect("chunks of eight")));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        self.write_u64(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = fold(self.0 ^ value ^ FINAL, MULTIPLIER);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// It agrees with another map, whatever is put in and taken out, and in whichever order.
        #[test]
        fn a_flat_map_agrees_with_another(steps in prop::collection::vec((0..100_u64, any::<Option<u32>>()), 0..600)) {
            let (mut flat, mut model) = (Flat::default(), BTreeMap::new());
            for (key, value) in steps {
                match value {
                    Some(value) => prop_assert_eq!(flat.insert(key, value), model.insert(key, value)),
                    None => prop_assert_eq!(flat.remove(key), model.remove(&key)),
                }
                for key in 0..100 {
                    prop_assert_eq!(flat.get(key), model.get(&key).copied());
                }
            }
            flat.clear();
            prop_assert!((0..100).all(|key| flat.get(key).is_none()));
        }
    }
}
