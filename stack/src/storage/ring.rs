//! A ring of pages that records are appended to: the log below both stores.
//!
//! A page in use begins with a header: a magic number, its place in the sequence of pages ever used, 16 bytes that the
//! store above has it carry, and a checksum. Records follow, each a header of 8 bytes and its payload, padded to write
//! units. Pages are taken in the order in which they lie, so those in use are neighbours with consecutive sequence numbers.
//!
//! All numbers are little-endian.

use core::ops::Range;

use crc::{CRC_32_ISCSI, Crc, Table};
use embedded_storage_async::nor_flash::NorFlash;

use super::{Error, LayoutError};

/// How checksums are computed on boards: bit by bit, since a record is short, and a table is a kilobyte of flash.
#[cfg(not(feature = "std"))]
type Steps = Table<0>;
/// And where memory is plenty, and hundreds of devices look through their flash: sixteen bytes a step.
#[cfg(feature = "std")]
type Steps = Table<16>;

/// Castagnoli's polynomial.
static CRC: Crc<u32, Steps> = Crc::<u32, Steps>::new(&CRC_32_ISCSI);

const MAGIC: [u8; 3] = *b"wt\x01";
/// Magic number, the store's mark, sequence, what is carried, checksum.
const PAGE_HEADER: usize = 4 + 4 + CARRIED + 4;
/// Length, kind, a spare byte, checksum.
const RECORD_HEADER: usize = 8;
/// What a page carries for the store above.
pub(super) const CARRIED: usize = 16;
/// The flash is read and written in pieces of at most this, each in memory that is aligned as some controllers want it.
const CHUNK: usize = 64;
const PAGE_MIN: usize = 256;
/// More pages than any flash lives to have erased: behind them the numbers would begin anew.
const SEQUENCE_MAX: u32 = 1 << 31;
const ERASED: u8 = 0xff;

/// One piece on its way.
#[repr(align(4))]
struct Chunk([u8; CHUNK]);

/// A page in use, and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Which of the region's pages.
    pub(super) index: u32,
    pub(super) sequence: u32,
    pub(super) carried: [u8; CARRIED],
}

/// A place in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: u32,
    pub(super) sequence: u32,
    /// From the page's start.
    pub(super) offset: u32,
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole record; as much of its payload as there was room for is in the buffer.
    Record { kind: u8, len: usize, next: Place },
    /// Nothing was ever written here.
    Blank,
    /// Something that is not whole, or the page's end.
    End,
}

/// The ring. Nothing is known of it before [`mount`](Ring::mount).
#[derive(Debug)]
pub(super) struct Ring<F> {
    flash: F,
    start: u32,
    pages: u32,
    mark: u8,
    /// Pages in use, the newest of which is `newest`.
    live: u32,
    newest: Place,
    /// A write began that did not end well, or nobody has looked yet: what is known here may be wrong.
    pub(super) doubtful: bool,
}

impl<F: NorFlash> Ring<F> {
    /// A ring in that range, whose pages bear the store's `mark`.
    pub(super) fn new(flash: F, range: Range<u32>, mark: u8, pages_min: u32) -> Result<Self, LayoutError> {
        let page = F::ERASE_SIZE as u32;
        let units = F::WRITE_SIZE <= CHUNK && CHUNK.is_multiple_of(F::WRITE_SIZE);
        let reads = F::WRITE_SIZE.is_multiple_of(F::READ_SIZE);
        if !units || !reads || F::ERASE_SIZE < PAGE_MIN || !F::ERASE_SIZE.is_multiple_of(CHUNK) {
            return Err(LayoutError::Units);
        }
        let whole = range.start.is_multiple_of(page) && range.end.is_multiple_of(page) && range.start <= range.end;
        if !whole || range.end as usize > flash.capacity() {
            return Err(LayoutError::NotPages);
        }
        let pages = (range.end - range.start) / page;
        if pages < pages_min {
            return Err(LayoutError::TooFewPages { needed: pages_min });
        }
        let newest = Place { index: pages - 1, sequence: 0, offset: page };
        Ok(Ring { flash, start: range.start, pages, mark, live: 0, newest, doubtful: true })
    }

    /// Finds the pages in use, and the place behind the newest record.
    pub(super) async fn mount(&mut self) -> Result<(), Error<F::Error>> {
        self.doubtful = true;
        self.live = 0;
        self.newest = Place { index: self.pages - 1, sequence: 0, offset: self.page_len() };
        for index in 0..self.pages {
            if let Some(page) = self.header(index).await?
                && (self.live == 0 || page.sequence > self.newest.sequence)
            {
                self.newest = Place { index, sequence: page.sequence, offset: self.page_len() };
                self.live = 1;
            }
        }
        while self.live > 0 && self.live < self.pages {
            let (index, sequence) = (self.behind(self.live), self.newest.sequence.wrapping_sub(self.live));
            match self.header(index).await? {
                Some(page) if page.sequence == sequence => self.live += 1,
                _ => break,
            }
        }
        if self.live > 0 {
            self.newest.offset = self.end_of(self.newest).await?;
        }
        self.doubtful = false;
        Ok(())
    }

    /// Pages that are not in use.
    pub(super) fn free(&self) -> u32 {
        self.pages - self.live
    }

    /// Whether no page is in use.
    pub(super) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Pages in use.
    pub(super) fn live(&self) -> u32 {
        self.live
    }

    /// Whether every page is in use.
    pub(super) fn is_full(&self) -> bool {
        self.live == self.pages
    }

    /// The most pages that there can be.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// The pages in use, the oldest being the 0th.
    pub(super) async fn page(&mut self, nth: u32) -> Result<Option<Page>, Error<F::Error>> {
        if nth >= self.live {
            return Ok(None);
        }
        let back = self.live - 1 - nth;
        self.header(self.behind(back)).await
    }

    /// Where the first record of the `nth` page in use is.
    pub(super) fn first_place(&self, nth: u32) -> Option<Place> {
        let back = self.live.checked_sub(1)?.checked_sub(nth)?;
        let sequence = self.newest.sequence.wrapping_sub(back);
        Some(Place { index: self.behind(back), sequence, offset: self.header_len() })
    }

    /// Whether that place is in a page in use still.
    pub(super) fn holds(&self, place: Place) -> bool {
        self.newest.sequence.wrapping_sub(place.sequence) < self.live
    }

    /// Which page in use comes behind that of `place`, and the place of its first record.
    pub(super) fn next_page(&self, place: Place) -> Option<(u32, Place)> {
        let back = self.newest.sequence.wrapping_sub(place.sequence);
        let nth = self.live.checked_sub(back)?;
        Some((nth, self.first_place(nth)?))
    }

    /// Where the first record of the newest page is.
    pub(super) fn newest_page(&self) -> Option<Place> {
        self.first_place(self.live.checked_sub(1)?)
    }

    /// The oldest page is no longer in use.
    pub(super) fn release_oldest(&mut self) {
        self.live -= 1;
    }

    /// The newest page is no longer in use, and nothing is added to the one before it.
    pub(super) fn release_newest(&mut self) {
        let index = self.behind(1);
        self.live -= 1;
        self.newest = Place { index, sequence: self.newest.sequence.wrapping_sub(1), offset: self.page_len() };
    }

    /// Takes the next page into use.
    ///
    /// The caller has seen to it that one is free.
    pub(super) async fn turn(&mut self, carried: [u8; CARRIED]) -> Result<(), Error<F::Error>> {
        debug_assert!(self.live < self.pages, "a page is free");
        let index = (self.newest.index + 1) % self.pages;
        let sequence = self.newest.sequence.wrapping_add(1);
        self.doubtful = true;
        let start = self.address(index);
        self.flash.erase(start, start + self.page_len()).await.map_err(Error::Flash)?;
        let mut header = [0; PAGE_HEADER];
        header[..3].copy_from_slice(&MAGIC);
        header[3] = self.mark;
        header[4..8].copy_from_slice(&sequence.to_le_bytes());
        header[8..8 + CARRIED].copy_from_slice(&carried);
        let sum = CRC.checksum(&header[..PAGE_HEADER - 4]);
        header[PAGE_HEADER - 4..].copy_from_slice(&sum.to_le_bytes());
        self.write(start, &[&header]).await?;
        self.newest = Place { index, sequence, offset: self.header_len() };
        self.live += 1;
        self.doubtful = false;
        Ok(())
    }

    /// What a record of that payload takes, with its header and padding.
    pub(super) fn record_len(payload: usize) -> u32 {
        (RECORD_HEADER + payload).next_multiple_of(F::WRITE_SIZE) as u32
    }

    /// The longest payload if so many of them are to fit an empty page beside `reserve` bytes.
    pub(super) fn payload_max(&self, records: u32, reserve: u32) -> usize {
        let share = (self.page_len() - self.header_len()).saturating_sub(reserve) / records;
        let whole = share as usize - share as usize % F::WRITE_SIZE;
        whole.saturating_sub(RECORD_HEADER).min(usize::from(u16::MAX - 1))
    }

    /// Whether a record of that payload fits the newest page and leaves `reserve` bytes of it.
    pub(super) fn fits(&self, payload: usize, reserve: u32) -> bool {
        let end = u64::from(self.newest.offset) + u64::from(Self::record_len(payload)) + u64::from(reserve);
        end <= u64::from(self.page_len())
    }

    /// Appends a record to the newest page; its payload is the parts one after the other.
    ///
    /// The caller has seen to it that it fits.
    pub(super) async fn append(&mut self, kind: u8, parts: [&[u8]; 2]) -> Result<Place, Error<F::Error>> {
        let len = parts[0].len() + parts[1].len();
        debug_assert!(self.fits(len, 0), "there is room");
        let place = self.newest;
        let mut header = head(len, kind);
        let mut sum = digest(place, &header);
        parts.iter().for_each(|part| sum.update(part));
        header[4..].copy_from_slice(&sum.finalize().to_le_bytes());
        self.doubtful = true;
        self.write(self.address(place.index) + place.offset, &[&header, parts[0], parts[1]]).await?;
        self.newest.offset += Self::record_len(len);
        self.doubtful = false;
        Ok(place)
    }

    /// Appends a copy of the record at `from`, under another kind; `None` if there is no whole record there.
    ///
    /// The caller has seen to it that it fits.
    pub(super) async fn copy(&mut self, from: Place, kind: u8) -> Result<Option<Place>, Error<F::Error>> {
        let Found::Record { len, .. } = self.look(from, &mut []).await? else {
            return Ok(None);
        };
        debug_assert!(self.fits(len, 0), "there is room");
        let (place, source) = (self.newest, self.address(from.index) + from.offset);
        let mut header = head(len, kind);
        let mut sum = digest(place, &header);
        self.read(source, RECORD_HEADER, len, |piece, _| sum.update(piece)).await?;
        header[4..].copy_from_slice(&sum.finalize().to_le_bytes());
        self.doubtful = true;
        let mut pen = Pen::at(self.address(place.index) + place.offset);
        pen.write(&mut self.flash, &header).await?;
        let mut piece = [0; CHUNK];
        for from in (0..len).step_by(CHUNK) {
            let piece = &mut piece[..CHUNK.min(len - from)];
            self.read(source, RECORD_HEADER + from, piece.len(), |read, at| {
                piece[at..][..read.len()].copy_from_slice(read);
            })
            .await?;
            pen.write(&mut self.flash, piece).await?;
        }
        pen.finish(&mut self.flash).await?;
        self.newest.offset += Self::record_len(len);
        self.doubtful = false;
        Ok(Some(place))
    }

    /// What stands at `place`. The payload's beginning goes into `buffer`.
    pub(super) async fn look(&mut self, place: Place, buffer: &mut [u8]) -> Result<Found, Error<F::Error>> {
        self.look_behind(place, 0, buffer).await
    }

    /// What stands at `place`. The payload goes into `buffer` as far as it fits, without its first `skip` bytes.
    pub(super) async fn look_behind(
        &mut self,
        place: Place,
        skip: usize,
        buffer: &mut [u8],
    ) -> Result<Found, Error<F::Error>> {
        let room = self.page_len() - place.offset;
        if room < Self::record_len(0) {
            return Ok(Found::End);
        }
        let at = self.address(place.index) + place.offset;
        let mut header = [0; RECORD_HEADER];
        self.read(at, 0, RECORD_HEADER, |piece, from| header[from..][..piece.len()].copy_from_slice(piece)).await?;
        if header == [ERASED; RECORD_HEADER] {
            return Ok(Found::Blank);
        }
        let len = usize::from(u16::from_le_bytes([header[0], header[1]]));
        if Self::record_len(len) > room {
            return Ok(Found::End);
        }
        let mut sum = digest(place, &header);
        self.read(at, RECORD_HEADER, len, |piece, from| {
            sum.update(piece);
            let piece = piece.get(skip.saturating_sub(from)..).unwrap_or_default();
            let target = buffer.get_mut(from.saturating_sub(skip)..).unwrap_or_default();
            let fits = piece.len().min(target.len());
            target[..fits].copy_from_slice(&piece[..fits]);
        })
        .await?;
        if sum.finalize().to_le_bytes() != header[4..] {
            return Ok(Found::End);
        }
        let next = Place { offset: place.offset + Self::record_len(len), ..place };
        Ok(Found::Record { kind: header[2], len, next })
    }

    /// Where to append in the newest page: its end if what comes behind the last whole record is not blank.
    async fn end_of(&mut self, page: Place) -> Result<u32, Error<F::Error>> {
        let mut place = Place { offset: self.header_len(), ..page };
        loop {
            match self.look(place, &mut []).await? {
                Found::Record { next, .. } => place = next,
                Found::End => return Ok(self.page_len()),
                Found::Blank => break,
            }
        }
        let rest = (self.page_len() - place.offset) as usize;
        let mut blank = true;
        self.read(self.address(place.index) + place.offset, 0, rest, |piece, _| {
            blank &= piece.iter().all(|byte| *byte == ERASED);
        })
        .await?;
        Ok(if blank { place.offset } else { self.page_len() })
    }

    /// The header of that page, if it is whole and ours.
    async fn header(&mut self, index: u32) -> Result<Option<Page>, Error<F::Error>> {
        let mut header = [0; PAGE_HEADER];
        let at = self.address(index);
        self.read(at, 0, PAGE_HEADER, |piece, from| header[from..][..piece.len()].copy_from_slice(piece)).await?;
        let (body, sum) = header.split_at(PAGE_HEADER - 4);
        if header[..3] != MAGIC || header[3] != self.mark || CRC.checksum(body).to_le_bytes() != sum {
            return Ok(None);
        }
        let sequence = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        if sequence > SEQUENCE_MAX {
            return Ok(None);
        }
        let mut carried = [0; CARRIED];
        carried.copy_from_slice(&header[8..8 + CARRIED]);
        Ok(Some(Page { index, sequence, carried }))
    }

    /// Reads `len` bytes that lie `skip` bytes behind `at`, which is aligned; each piece with its distance from the first.
    async fn read(
        &mut self,
        at: u32,
        skip: usize,
        len: usize,
        mut take: impl FnMut(&[u8], usize),
    ) -> Result<(), Error<F::Error>> {
        let mut chunk = Chunk([0; CHUNK]);
        let end = skip + len;
        let mut from = skip - skip % F::READ_SIZE;
        while from < end {
            let piece = (end - from).next_multiple_of(F::READ_SIZE).min(CHUNK);
            let piece = &mut chunk.0[..piece];
            self.flash.read(at + from as u32, piece).await.map_err(Error::Flash)?;
            let wanted = skip.saturating_sub(from)..piece.len().min(end - from);
            take(&piece[wanted.clone()], from + wanted.start - skip);
            from += piece.len();
        }
        Ok(())
    }

    /// Writes the parts one behind the other, and pads them to a write unit.
    async fn write(&mut self, at: u32, parts: &[&[u8]]) -> Result<(), Error<F::Error>> {
        let mut pen = Pen::at(at);
        for part in parts {
            pen.write(&mut self.flash, part).await?;
        }
        pen.finish(&mut self.flash).await
    }

    fn page_len(&self) -> u32 {
        F::ERASE_SIZE as u32
    }

    fn header_len(&self) -> u32 {
        PAGE_HEADER.next_multiple_of(F::WRITE_SIZE) as u32
    }

    fn address(&self, index: u32) -> u32 {
        self.start + index * self.page_len()
    }

    /// The page that was taken `back` pages before the newest.
    fn behind(&self, back: u32) -> u32 {
        (self.newest.index + self.pages - back % self.pages) % self.pages
    }
}

/// Writes bytes one behind the other, a chunk at a time.
struct Pen {
    chunk: Chunk,
    filled: usize,
    at: u32,
}

impl Pen {
    fn at(at: u32) -> Self {
        Pen { chunk: Chunk([ERASED; CHUNK]), filled: 0, at }
    }

    async fn write<F: NorFlash>(&mut self, flash: &mut F, mut bytes: &[u8]) -> Result<(), Error<F::Error>> {
        while !bytes.is_empty() {
            let (head, tail) = bytes.split_at(bytes.len().min(CHUNK - self.filled));
            self.chunk.0[self.filled..][..head.len()].copy_from_slice(head);
            self.filled += head.len();
            bytes = tail;
            if self.filled == CHUNK {
                flash.write(self.at, &self.chunk.0).await.map_err(Error::Flash)?;
                *self = Pen::at(self.at + CHUNK as u32);
            }
        }
        Ok(())
    }

    /// Writes what is left, padded to a write unit.
    async fn finish<F: NorFlash>(self, flash: &mut F) -> Result<(), Error<F::Error>> {
        let padded = self.filled.next_multiple_of(F::WRITE_SIZE);
        match padded {
            0 => Ok(()),
            _ => flash.write(self.at, &self.chunk.0[..padded]).await.map_err(Error::Flash),
        }
    }
}

/// A record's header without its checksum.
fn head(len: usize, kind: u8) -> [u8; RECORD_HEADER] {
    let [low, high] = (len as u16).to_le_bytes();
    [low, high, kind, 0, 0, 0, 0, 0]
}

/// The checksum of a record begins with its place: what was left there by another page's use is no record.
fn digest(place: Place, header: &[u8; RECORD_HEADER]) -> crc::Digest<'static, u32, Steps> {
    let mut digest = CRC.digest();
    digest.update(&place.sequence.to_le_bytes());
    digest.update(&place.offset.to_le_bytes());
    digest.update(&header[..4]);
    digest
}
