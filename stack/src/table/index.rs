//! Finding an item by its key: by hashing with an allocator, by looking at each of a few fixed slots without.

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
    table: Option<hashbrown::HashTable<u32>>,
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
        Self { table: Some(hashbrown::HashTable::new()) }
    }

    /// The item for which `matches` holds, among those that were inserted. `hash` is only called if needed.
    #[inline]
    pub(crate) fn find<T>(&self, items: &[T], hash: impl FnOnce() -> u64, matches: impl Fn(&T) -> bool) -> Option<u32> {
        #[cfg(feature = "alloc")]
        if let Some(table) = &self.table
            && items.len() > FEW
        {
            return table.find(hash(), |&item| matches(&items[item as usize])).copied();
        }
        let _ = hash;
        let found = items.iter().position(matches)?;
        Some(found as u32)
    }

    /// Adds `item`, whose key no other item has.
    #[inline]
    pub(crate) fn insert<T>(&mut self, items: &[T], item: u32, hash: impl Fn(&T) -> u64) {
        #[cfg(feature = "alloc")]
        if let Some(table) = &mut self.table {
            table.insert_unique(hash(&items[item as usize]), item, |&item| hash(&items[item as usize]));
        }
        let _ = (items, item, hash);
    }

    /// Removes `item`, if it is there.
    #[inline]
    pub(crate) fn remove<T>(&mut self, items: &[T], item: u32, hash: impl Fn(&T) -> u64) {
        #[cfg(feature = "alloc")]
        if let Some(table) = &mut self.table
            && let Ok(entry) = table.find_entry(hash(&items[item as usize]), |&other| other == item)
        {
            entry.remove();
        }
        let _ = (items, item, hash);
    }
}
