//! Frames on flash: a few slots, each a frame with what it has to come to.
//!
//! A slot's first page says what is in the others: the frame's number, its length and its SHA-256, written last, so that a
//! frame that power broke off is none. One word more says that the frame was brought. A slot is used again when it is the
//! oldest that can be spared: a frame that was brought, or else one that was not, which is then lost. The newest frame stays,
//! so that numbers go on over power cuts.

use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;
use sha2::{Digest as _, Sha256};

/// Slots at most.
pub const SLOTS_MAX: usize = 8;
/// So many bytes are read or written at a time.
pub(super) const PIECE: usize = 512;

const HEADER_LEN: usize = 64;
const MAGIC: u32 = u32::from_le_bytes(*b"frm1");
/// Where the word is that says that a frame was brought.
const BROUGHT_AT: u32 = HEADER_LEN as u32;

/// A frame, as its slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) number: u64,
    pub(super) length: u32,
    pub(super) sha256: [u8; 32],
    pub(super) brought: bool,
}

/// What is wrong with where frames are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// The range is not of whole pages, or not on the flash.
    #[error("frames lie in whole pages of the flash")]
    Pages,
    /// There is no room for three frames.
    #[error("there has to be room for 3 frames of that length, each with a page of its own")]
    Small,
    /// The flash is written in larger words than 64 bytes, or pages are smaller than two of them.
    #[error("the flash's words have to divide 64 bytes, and its pages the length of a piece")]
    Words,
}

/// The slots.
pub(super) struct Frames<F> {
    flash: F,
    start: u32,
    slot_bytes: u32,
    pub(super) slots: [Option<Frame>; SLOTS_MAX],
    count: usize,
}

impl<F: NorFlash> Frames<F> {
    pub(super) fn new(flash: F, range: Range<u32>, frame_bytes: u32) -> Result<Self, RoomError> {
        let page = F::ERASE_SIZE as u32;
        if !range.start.is_multiple_of(page) || !range.end.is_multiple_of(page) || range.end as usize > flash.capacity()
        {
            return Err(RoomError::Pages);
        }
        if !HEADER_LEN.is_multiple_of(F::WRITE_SIZE)
            || !PIECE.is_multiple_of(F::WRITE_SIZE)
            || F::ERASE_SIZE < 2 * HEADER_LEN
        {
            return Err(RoomError::Words);
        }
        let slot_bytes = frame_bytes.checked_next_multiple_of(page).and_then(|bytes| bytes.checked_add(page));
        let count = slot_bytes.map_or(0, |slot| (range.end.saturating_sub(range.start) / slot) as usize).min(SLOTS_MAX);
        match slot_bytes {
            Some(slot_bytes) if count >= 3 => {
                Ok(Self { flash, start: range.start, slot_bytes, slots: [None; SLOTS_MAX], count })
            }
            _ => Err(RoomError::Small),
        }
    }

    fn place(&self, slot: usize) -> u32 {
        self.start + slot as u32 * self.slot_bytes
    }

    /// Reads what all slots say.
    pub(super) async fn look(&mut self) -> Result<(), F::Error> {
        for slot in 0..self.count {
            let mut bytes = [0; HEADER_LEN + 64];
            let place = self.place(slot);
            self.flash.read(place, &mut bytes).await?;
            let (header, brought) = bytes.split_at(HEADER_LEN);
            let room = self.slot_bytes - F::ERASE_SIZE as u32;
            self.slots[slot] = decode(header).filter(|frame| frame.length <= room).map(|frame| Frame {
                // One that was not written whole was written because the frame had been brought.
                brought: brought[..F::WRITE_SIZE].iter().any(|byte| *byte != 0xff),
                ..frame
            });
        }
        Ok(())
    }

    fn known(&self) -> impl Iterator<Item = &Frame> {
        self.slots[..self.count].iter().flatten()
    }

    fn newest(&self) -> u64 {
        self.known().map(|frame| frame.number).max().unwrap_or(0)
    }

    pub(super) fn waiting(&self) -> usize {
        self.known().filter(|frame| !frame.brought).count()
    }

    /// The oldest frame that was not brought, and its slot.
    pub(super) fn oldest(&self) -> Option<(usize, Frame)> {
        let frames = (0..self.count).filter_map(|slot| Some((slot, self.slots[slot]?)));
        frames.filter(|(_, frame)| !frame.brought).min_by_key(|(_, frame)| frame.number)
    }

    /// The slot for the next frame, made empty, and the unsent frame that had to go for it. The one under way stays.
    pub(super) async fn clear(&mut self, under_way: Option<u64>) -> Result<(usize, Option<Frame>), F::Error> {
        let newest = self.newest();
        let spared = |frame: &Frame| Some(frame.number) == under_way || frame.number == newest;
        let slot = (0..self.count)
            .filter(|slot| !self.slots[*slot].as_ref().is_some_and(spared))
            .min_by_key(|slot| self.slots[*slot].map(|frame| (!frame.brought, frame.number)))
            .expect("of three slots two can be spared");
        let gone = self.slots[slot].take().filter(|frame| !frame.brought);
        let place = self.place(slot);
        // What says that there is a frame goes first.
        self.flash.erase(place, place + F::ERASE_SIZE as u32).await?;
        self.flash.erase(place + F::ERASE_SIZE as u32, place + self.slot_bytes).await?;
        Ok((slot, gone))
    }

    /// Writes a piece of the frame that a slot is to hold; only the last one may be shorter than the others.
    pub(super) async fn write(
        &mut self,
        slot: usize,
        at: u32,
        piece: &mut [u8; PIECE],
        len: usize,
    ) -> Result<(), F::Error> {
        let whole = len.next_multiple_of(F::WRITE_SIZE);
        piece[len..whole].fill(0xff);
        let place = self.place(slot) + F::ERASE_SIZE as u32 + at;
        self.flash.write(place, &piece[..whole]).await
    }

    /// The slot holds a frame from now on; its number.
    pub(super) async fn seal(&mut self, slot: usize, length: u32, sha256: [u8; 32]) -> Result<u64, F::Error> {
        let frame = Frame { number: self.newest() + 1, length, sha256, brought: false };
        let place = self.place(slot);
        self.flash.write(place, &encode(&frame)).await?;
        self.slots[slot] = Some(frame);
        Ok(frame.number)
    }

    pub(super) async fn read(&mut self, slot: usize, at: u32, out: &mut [u8]) -> Result<(), F::Error> {
        self.flash.read(self.place(slot) + F::ERASE_SIZE as u32 + at, out).await
    }

    /// The frame of that slot and number was brought, or never will be.
    pub(super) async fn let_go(&mut self, slot: usize, number: u64) -> Result<(), F::Error> {
        let Some(frame) = self.slots[slot].as_mut().filter(|frame| frame.number == number) else { return Ok(()) };
        frame.brought = true;
        let word = [0; HEADER_LEN];
        let place = self.place(slot) + BROUGHT_AT;
        self.flash.write(place, &word[..F::WRITE_SIZE]).await
    }
}

fn encode(frame: &Frame) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
    bytes[4..8].copy_from_slice(&frame.length.to_le_bytes());
    bytes[8..16].copy_from_slice(&frame.number.to_le_bytes());
    bytes[16..48].copy_from_slice(&frame.sha256);
    let check = Sha256::digest(&bytes[..48]);
    bytes[48..].copy_from_slice(&check[..16]);
    bytes
}

/// `None` of bytes that say nothing of a frame.
fn decode(bytes: &[u8]) -> Option<Frame> {
    let bytes: &[u8; HEADER_LEN] = bytes.try_into().ok()?;
    let (said, check) = bytes.split_at(48);
    if said[..4] != MAGIC.to_le_bytes() || Sha256::digest(said)[..16] != *check {
        return None;
    }
    let length = u32::from_le_bytes(said[4..8].try_into().ok()?);
    let number = u64::from_le_bytes(said[8..16].try_into().ok()?);
    Some(Frame { number, length, sha256: said[16..48].try_into().ok()?, brought: false })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::{Cells, now};

    fn room(pages: usize) -> Frames<Cells> {
        let cells = Cells::new(pages);
        let range = cells.range();
        Frames::new(cells, range, 600).expect("room")
    }

    async fn take(frames: &mut Frames<Cells>, under_way: Option<u64>) -> (u64, Option<u64>) {
        let (slot, gone) = frames.clear(under_way).await.expect("it works");
        frames.write(slot, 0, &mut [7; PIECE], PIECE).await.expect("it works");
        frames.write(slot, 512, &mut [8; PIECE], 88).await.expect("it works");
        let number = frames.seal(slot, 600, [9; 32]).await.expect("it works");
        (number, gone.map(|frame| frame.number))
    }

    #[test]
    fn the_oldest_unsent_goes_and_neither_the_newest_nor_the_one_under_way() {
        now(async {
            let mut frames = room(9);
            for number in 1..=3 {
                assert_eq!(take(&mut frames, None).await, (number, None));
            }
            assert_eq!(take(&mut frames, Some(1)).await, (4, Some(2)));
            let (slot, oldest) = frames.oldest().expect("some wait");
            assert_eq!(oldest.number, 1);
            frames.let_go(slot, 1).await.expect("it works");
            assert_eq!(take(&mut frames, Some(3)).await, (5, None), "what was brought goes first");
            assert_eq!((frames.waiting(), frames.oldest().expect("some wait").1.number), (3, 3));
        });
    }

    #[test]
    fn numbers_and_what_was_brought_are_known_after_a_power_cut() {
        now(async {
            let mut frames = room(9);
            for _ in 0..4 {
                take(&mut frames, None).await;
            }
            let (slot, frame) = frames.oldest().expect("some wait");
            frames.let_go(slot, frame.number).await.expect("it works");
            let before = frames.slots;
            // Broken off: nothing says that there is a frame.
            let (slot, _) = frames.clear(None).await.expect("it works");
            frames.write(slot, 0, &mut [1; PIECE], PIECE).await.expect("it works");
            let mut again = room(9);
            again.flash = frames.flash.clone();
            again.look().await.expect("it works");
            assert_eq!(again.slots.iter().flatten().count(), 2);
            assert!(again.slots.iter().flatten().all(|frame| before.contains(&Some(*frame))));
            assert_eq!(take(&mut again, None).await.0, 5);
            let mut read = [0; 88];
            let (slot, _) = again.oldest().expect("some wait");
            again.read(slot, 512, &mut read).await.expect("it works");
            assert_eq!(read, [8; 88]);
        });
    }

    #[test]
    fn there_has_to_be_room_for_three() {
        let cells = Cells::new(8);
        let range = cells.range();
        assert_eq!(Frames::new(cells.clone(), range.clone(), 600).err(), Some(RoomError::Small));
        assert_eq!(Frames::new(cells.clone(), range.start..range.end - 1, 1).err(), Some(RoomError::Pages));
        assert_eq!(Frames::new(cells, range, u32::MAX).err(), Some(RoomError::Small));
    }
}
