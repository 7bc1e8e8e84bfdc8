//! Hash maps whose layout depends on nothing but their keys.
//!
//! The standard library's default keys its maps from the operating system. These maps are for lookup, not to be iterated
//! where the order could matter; their keys are not an enemy's: nothing here withstands keys that were chosen to collide.

#![expect(clippy::disallowed_types, reason = "the map of the standard library, with keys that are always the same")]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map with a fixed hash function.
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<FoldHasher>>;

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
