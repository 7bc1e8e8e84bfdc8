//! Where on the flash what is.

use core::fmt::Debug;
use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;

use super::image::PIECE;
use crate::storage::{self, KeyValue};
use wavetank_manifest::Manifest;

/// One of the two places for images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The first; a device leaves its factory with an image in it.
    A,
    /// The second.
    B,
}

impl Slot {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }
}

/// Which pages of a flash hold what. Boot loader and firmware are built with the same.
///
/// A slot has the image at its beginning and the manifest's text in its last page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Slot A.
    pub a: Range<u32>,
    /// Slot B.
    pub b: Range<u32>,
    /// What is tried, confirmed and forbidden; at least two pages.
    pub state: Range<u32>,
}

/// Why a layout is of no use on a flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A slot does not begin and end where pages do, or ends beyond the flash.
    #[error("a slot is not made of whole pages of the flash")]
    NotPages,
    /// A slot has no room for an image beside its manifest.
    #[error("a slot has no room for an image")]
    TooSmall,
    /// Two of the ranges overlap.
    #[error("what is to be kept apart overlaps")]
    Overlap,
    /// The state cannot be there.
    #[error("the state: {0}")]
    State(#[from] storage::LayoutError),
}

impl Layout {
    /// Where that slot is.
    #[must_use]
    pub fn slot(&self, slot: Slot) -> Range<u32> {
        match slot {
            Slot::A => self.a.clone(),
            Slot::B => self.b.clone(),
        }
    }

    /// The longest image for that slot, in bytes.
    #[must_use]
    pub fn room<F: NorFlash>(&self, slot: Slot) -> u32 {
        let Range { start, end } = self.slot(slot);
        (end - start).saturating_sub(trailer_len::<F>())
    }

    /// Whether it can be used on that flash.
    ///
    /// # Errors
    /// [`LayoutError`]
    pub fn check<F: NorFlash<Error: Debug>>(&self, flash: &mut F) -> Result<(), LayoutError> {
        let page = F::ERASE_SIZE as u32;
        let capacity = flash.capacity();
        // This one sees to the units of reading and writing, too.
        KeyValue::new(flash, self.state.clone())?;
        if F::ERASE_SIZE < PAGE_MIN {
            return Err(LayoutError::State(storage::LayoutError::Units));
        }
        for slot in [&self.a, &self.b] {
            let whole = slot.start.is_multiple_of(page) && slot.end.is_multiple_of(page) && slot.start <= slot.end;
            if !whole || slot.end as usize > capacity || !PIECE.is_multiple_of(F::WRITE_SIZE) {
                return Err(LayoutError::NotPages);
            }
            if slot.end - slot.start <= trailer_len::<F>() {
                return Err(LayoutError::TooSmall);
            }
        }
        let ranges = [&self.a, &self.b, &self.state];
        let overlap = |one: &Range<u32>, other: &Range<u32>| one.start < other.end && other.start < one.end;
        let apart = (0..3).all(|n| !overlap(ranges[n], ranges[(n + 1) % 3]));
        if apart { Ok(()) } else { Err(LayoutError::Overlap) }
    }
}

/// A page of the state that both of its values fit, old and new.
const PAGE_MIN: usize = 512;

/// The pages at a slot's end that hold the manifest, in bytes.
pub(super) const fn trailer_len<F: NorFlash>() -> u32 {
    Manifest::TEXT_MAX.next_multiple_of(F::ERASE_SIZE) as u32
}

#[cfg(test)]
mod tests {
    use super::super::tests::Chip;
    use super::*;

    #[test]
    fn what_overlaps_or_is_too_small_is_refused() {
        let check =
            |a: Range<u32>, b: Range<u32>, state: Range<u32>| Layout { a, b, state }.check(&mut Chip::<8>::new(16));
        assert_eq!(check(0..2_048, 2_048..4_096, 4_096..5_120), Ok(()));
        assert_eq!(check(0..2_048, 1_536..4_096, 4_096..5_120), Err(LayoutError::Overlap));
        assert_eq!(check(0..2_048, 2_048..4_096, 1_024..2_048), Err(LayoutError::Overlap));
        assert_eq!(check(0..512, 2_048..4_096, 4_096..5_120), Err(LayoutError::TooSmall));
        assert_eq!(check(0..2_000, 2_048..4_096, 4_096..5_120), Err(LayoutError::NotPages));
        assert_eq!(check(0..2_048, 2_048..16_384, 4_096..5_120), Err(LayoutError::NotPages));
        let state = LayoutError::State(storage::LayoutError::TooFewPages { needed: 2 });
        assert_eq!(check(0..2_048, 2_048..4_096, 4_096..4_608), Err(state));
        let layout = Layout { a: 0..2_048, b: 2_048..4_096, state: 4_096..5_120 };
        assert_eq!(layout.room::<Chip<8>>(Slot::B), 1_536);
    }
}
