//! Flash in memory that insists on being erased before it is written, and that has something on it.

use embedded_storage_async::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};

use super::hand::Hand;

pub(super) const PAGE: usize = 512;

#[derive(Clone)]
pub(super) struct Chip {
    pub(super) bytes: Vec<u8>,
}

impl Chip {
    pub(super) fn new(pages: usize) -> Self {
        Self { bytes: vec![0xff; pages * PAGE] }
    }

    /// Puts pieces on it, each behind a word that says where, as long as there are some.
    pub(super) fn scribble(&mut self, hand: &mut Hand<'_>, count: u8) {
        for _ in 0..count {
            let (Some(at), Some(piece)) = (hand.word(), hand.piece()) else { return };
            let at = usize::from(at) % self.bytes.len();
            let len = piece.len().min(self.bytes.len() - at);
            self.bytes[at..at + len].copy_from_slice(&piece[..len]);
        }
    }

    /// Has the checksums of a page of a log be right, so that what it says is believed. The layout is that of
    /// `stack/src/storage/ring.rs`: a header of 28 bytes, records with headers of 8, both padded to 8.
    pub(super) fn vouch(&mut self, page: usize) {
        let page = &mut self.bytes[page * PAGE..(page + 1) * PAGE];
        let sum = crc(&[&page[..24]]);
        page[24..28].copy_from_slice(&sum);
        let sequence: [u8; 4] = page[4..8].try_into().unwrap();
        let mut at = 32;
        while at + 8 <= PAGE && page[at..at + 8] != [0xff; 8] {
            let len = usize::from(u16::from_le_bytes([page[at], page[at + 1]]));
            let end = at + 8 + len;
            if end > PAGE {
                return;
            }
            let place = (at as u32).to_le_bytes();
            let sum = crc(&[&sequence, &place, &page[at..at + 4], &page[at + 8..end]]);
            page[at + 4..at + 8].copy_from_slice(&sum);
            at = end.next_multiple_of(8);
        }
    }

    fn check(&self, at: u32, len: usize, unit: usize) -> Result<(), NorFlashErrorKind> {
        let at = at as usize;
        if !at.is_multiple_of(unit) || !len.is_multiple_of(unit) {
            return Err(NorFlashErrorKind::NotAligned);
        }
        if at + len > self.bytes.len() { Err(NorFlashErrorKind::OutOfBounds) } else { Ok(()) }
    }
}

fn crc(parts: &[&[u8]]) -> [u8; 4] {
    const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    let mut digest = CRC.digest();
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize().to_le_bytes()
}

impl ErrorType for Chip {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = 4;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        self.check(offset, bytes.len(), Self::READ_SIZE)?;
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = 8;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.check(from, (to - from) as usize, PAGE)?;
        self.bytes[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        self.check(offset, bytes.len(), Self::WRITE_SIZE)?;
        let cells = &mut self.bytes[offset as usize..][..bytes.len()];
        assert!(cells.iter().all(|cell| *cell == 0xff), "written twice at {offset}");
        cells.copy_from_slice(bytes);
        Ok(())
    }
}
