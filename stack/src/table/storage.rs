//! A slice that the caller lent, or a vector that grows.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::{
    ops::{Deref, DerefMut, Index, IndexMut},
    slice::SliceIndex,
};

/// Items under the indices from 0 on.
pub(crate) enum Storage<'r, T> {
    /// Lent by the caller: its length is its capacity, all of it in use from the start.
    Fixed(&'r mut [T]),
    /// Owned, growing.
    #[cfg(feature = "alloc")]
    Grown(Vec<T>),
}

impl<T> Storage<'_, T> {
    /// Adds an item at the end, if there may be more; answers its index.
    pub(crate) fn grow(&mut self, make: impl FnOnce() -> T) -> Option<u32> {
        match self {
            Storage::Fixed(_) => {
                let _ = make;
                None
            }
            #[cfg(feature = "alloc")]
            Storage::Grown(items) => {
                let index = u32::try_from(items.len()).ok()?;
                if items.len() == items.capacity() {
                    // Doubled, as a vector does by itself, but from one on: most devices have one or two of a kind.
                    items.reserve_exact(items.len().max(1));
                }
                items.push(make());
                Some(index)
            }
        }
    }
}

impl<T> Deref for Storage<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Storage::Fixed(items) => items,
            #[cfg(feature = "alloc")]
            Storage::Grown(items) => items,
        }
    }
}

impl<T> DerefMut for Storage<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Storage::Fixed(items) => items,
            #[cfg(feature = "alloc")]
            Storage::Grown(items) => items,
        }
    }
}

// Whoever indexes a slice looks whether the index is in it, each time. On boards that is worth its bytes once for each table.
impl<T, I: SliceIndex<[T]>> Index<I> for Storage<'_, T> {
    type Output = I::Output;

    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn index(&self, at: I) -> &I::Output {
        &(**self)[at]
    }
}

impl<T, I: SliceIndex<[T]>> IndexMut<I> for Storage<'_, T> {
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn index_mut(&mut self, at: I) -> &mut I::Output {
        &mut (**self)[at]
    }
}
