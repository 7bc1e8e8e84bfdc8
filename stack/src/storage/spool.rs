//! Store and forward: records wait on flash until the other side has said that it has them.
//!
//! Each record has a number, 1, 2, 3 …, that is its own for good: over restarts, and whether or not it was sent before.
//! So whoever gets a record twice can tell. The newest record stays readable when it is acknowledged, too
//! ([`Spool::last`]): a device that wrote down in it how far it has got finds that again.
//!
//! A page carries the number of its first record, and up to which number all were acknowledged when it was taken into use.
//! It begins with a copy of the newest record, so that older pages are free as soon as all in them is acknowledged.

use core::fmt::Debug;
use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;

use super::ring::{CARRIED, Found, Page, Place, Ring};
use super::{Error, LayoutError};

const MARK: u8 = b'S';
const PAGES_MIN: u32 = 3;
/// A record.
const DATA: u8 = 1;
/// All records up to a number are acknowledged.
const ACKNOWLEDGED: u8 = 2;
/// A copy of the record before the page's first.
const COPY: u8 = 3;
/// What an acknowledgement says.
const NUMBER: usize = 8;
/// More records than are ever pushed.
const NUMBER_MAX: u64 = 1 << 62;

/// A record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub id: u64,
    /// How much of the buffer it fills.
    pub len: usize,
}

/// The queue. The first operation reads all its pages; from then on each costs what it reads and writes.
///
/// One page is kept for acknowledgements and one is about to be erased, so of *n* pages *n* − 1 hold records, whose
/// payloads may be half as long as a page.
#[derive(Debug)]
pub struct Spool<F> {
    ring: Ring<F>,
    /// The number of the next record.
    next: u64,
    /// All records up to this one are acknowledged.
    acknowledged: u64,
    /// Where reading goes on, and the number of the first record there or behind.
    cursor: Option<(Place, u64)>,
    /// Where the newest record is, or its copy.
    last: Option<Place>,
}

impl<F: NorFlash> Spool<F>
where
    F::Error: Debug,
{
    /// The spool in that range of the flash, empty or as it was left. Nothing is read or written yet.
    ///
    /// # Errors
    /// [`LayoutError`] if it cannot be there; it takes three pages.
    pub fn new(flash: F, range: Range<u32>) -> Result<Self, LayoutError> {
        let ring = Ring::new(flash, range, MARK, PAGES_MIN)?;
        Ok(Spool { ring, next: 1, acknowledged: 0, cursor: None, last: None })
    }

    /// Appends a record, and answers with its number once it is safe.
    ///
    /// Dropping the future leaves open whether it is kept. One that is has the number that would have been answered.
    ///
    /// # Errors
    /// [`Error::Full`] until more is acknowledged; [`Error::TooLong`].
    pub async fn push(&mut self, payload: &[u8]) -> Result<u64, Error<F::Error>> {
        self.settle().await?;
        let reserve = Ring::<F>::record_len(NUMBER);
        if payload.len() > self.payload_max() {
            return Err(Error::TooLong);
        }
        let fits = !self.ring.is_empty() && self.ring.fits(payload.len(), reserve);
        if !self.make_free(if fits { 1 } else { 2 }).await? {
            return Err(Error::Full);
        }
        if !fits {
            self.turn().await?;
        }
        self.last = Some(self.ring.append(DATA, [payload, &[]]).await?);
        let id = self.next;
        self.next = id.saturating_add(1);
        Ok(id)
    }

    /// The longest payload.
    pub fn payload_max(&self) -> usize {
        // A page has room for a copy of the last record, this one, and an acknowledgement.
        self.ring.payload_max(2, Ring::<F>::record_len(NUMBER))
    }

    /// Reads the oldest record that is not acknowledged and has a number higher than `after`; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub async fn next_after(&mut self, after: u64, buffer: &mut [u8]) -> Result<Option<Record>, Error<F::Error>> {
        self.settle().await?;
        let mut wanted = after.max(self.acknowledged).saturating_add(1);
        let cursor = self.cursor.filter(|(place, id)| *id <= wanted && self.ring.holds(*place));
        let (mut place, mut id) = match (cursor, self.ring.first_place(0)) {
            (Some(cursor), _) => cursor,
            (None, Some(place)) => (place, self.first_of(0).await?.unwrap_or(1)),
            (None, None) => return Ok(None),
        };
        while wanted < self.next {
            match self.ring.look(place, buffer).await? {
                Found::Record { kind: DATA, len, .. } if id == wanted => {
                    self.cursor = Some((place, id));
                    return match len <= buffer.len() {
                        true => Ok(Some(Record { id, len })),
                        false => Err(Error::BufferTooSmall { needed: len }),
                    };
                }
                Found::Record { kind, next, .. } => (place, id) = (next, id.saturating_add(u64::from(kind == DATA))),
                Found::Blank | Found::End => {
                    let Some((nth, next)) = self.ring.next_page(place) else {
                        return Ok(None);
                    };
                    // Should the page have rotted, then the numbers go on where the next one says; they never go back.
                    id = self.first_of(nth).await?.unwrap_or(id).max(id);
                    place = next;
                }
            }
            wanted = wanted.max(id);
        }
        Ok(None)
    }

    /// The newest record, acknowledged or not; `None` if there never was one.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub async fn last(&mut self, buffer: &mut [u8]) -> Result<Option<Record>, Error<F::Error>> {
        self.settle().await?;
        let Some(place) = self.last else {
            return Ok(None);
        };
        match self.ring.look(place, buffer).await? {
            Found::Record { len, .. } if len <= buffer.len() => Ok(Some(Record { id: self.next - 1, len })),
            Found::Record { len, .. } => Err(Error::BufferTooSmall { needed: len }),
            Found::Blank | Found::End => Ok(None),
        }
    }

    /// The other side has all records up to `id`: they are not read again.
    ///
    /// It is on the flash when this returns, unless torn writes have used up all pages: then the next page that comes free
    /// says it, and should the power go before, records are read again, under their own numbers.
    ///
    /// # Errors
    /// [`Error::Unknown`] if there is no such record.
    pub async fn acknowledge(&mut self, id: u64) -> Result<(), Error<F::Error>> {
        self.settle().await?;
        if id >= self.next {
            return Err(Error::Unknown);
        }
        if id <= self.acknowledged {
            return Ok(());
        }
        if self.ring.fits(NUMBER, 0) {
            self.ring.append(ACKNOWLEDGED, [&id.to_le_bytes(), &[]]).await?;
            self.acknowledged = id;
        } else {
            self.acknowledged = id;
            if self.make_free(1).await? {
                self.turn().await?;
            }
        }
        Ok(())
    }

    /// How many records wait.
    ///
    /// # Errors
    /// Those of the flash.
    pub async fn waiting(&mut self) -> Result<u64, Error<F::Error>> {
        self.settle().await?;
        Ok(self.next - 1 - self.acknowledged)
    }

    /// Up to which number all records are acknowledged; 0 if none is.
    ///
    /// # Errors
    /// Those of the flash.
    pub async fn acknowledged(&mut self) -> Result<u64, Error<F::Error>> {
        self.settle().await?;
        Ok(self.acknowledged)
    }

    /// Looks what is there, if that is not known for certain.
    async fn settle(&mut self) -> Result<(), Error<F::Error>> {
        if !self.ring.doubtful {
            return Ok(());
        }
        // What was acknowledged in this life and found no place to be written is true all the same.
        let acknowledged = self.acknowledged;
        self.ring.mount().await?;
        // If this future is dropped before its end, then the next looks again.
        self.ring.doubtful = true;
        if let Some(place) = self.ring.newest_page()
            && !matches!(self.ring.look(place, &mut []).await?, Found::Record { .. })
        {
            // The power went before its first record was whole, so nobody was told anything that it says.
            self.ring.release_newest();
        }
        (self.next, self.acknowledged, self.cursor, self.last) = (1, 0, None, None);
        let mut nth = 0;
        while let Some(mut place) = self.ring.first_place(nth) {
            let (first, known) = self.ring.page(nth).await?.as_ref().map_or((1, 0), numbers);
            self.next = self.next.max(first);
            self.acknowledged = self.acknowledged.max(known);
            let mut number = [0; NUMBER];
            while let Found::Record { kind, next, .. } = self.ring.look(place, &mut number).await? {
                match kind {
                    DATA => {
                        self.next = self.next.saturating_add(1);
                        self.last = Some(place);
                    }
                    // Nobody acknowledges what was not there yet.
                    ACKNOWLEDGED => {
                        self.acknowledged = self.acknowledged.max(u64::from_le_bytes(number).min(self.next - 1));
                    }
                    COPY => self.last = Some(place),
                    _ => {}
                }
                place = next;
            }
            nth += 1;
        }
        self.acknowledged = self.acknowledged.max(acknowledged.min(self.next - 1));
        self.ring.doubtful = false;
        Ok(())
    }

    /// The number of the first record of the `nth` page.
    async fn first_of(&mut self, nth: u32) -> Result<Option<u64>, Error<F::Error>> {
        Ok(self.ring.page(nth).await?.map(|page| numbers(&page).0))
    }

    /// Has that many pages free, if all records of those that are not are acknowledged.
    async fn make_free(&mut self, pages: u32) -> Result<bool, Error<F::Error>> {
        while self.ring.free() < pages {
            match self.first_of(1).await? {
                Some(next) if next <= self.acknowledged.saturating_add(1) => self.ring.release_oldest(),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn turn(&mut self) -> Result<(), Error<F::Error>> {
        let mut carried = [0; CARRIED];
        carried[..8].copy_from_slice(&self.next.to_le_bytes());
        carried[8..].copy_from_slice(&self.acknowledged.to_le_bytes());
        self.ring.turn(carried).await?;
        if let Some(last) = self.last {
            self.ring.doubtful = true;
            self.last = self.ring.copy(last, COPY).await?;
            self.ring.doubtful = false;
        }
        Ok(())
    }
}

/// A page's first number, and up to which all were acknowledged when it was taken into use. What no spool lives long enough to
/// write is brought into its range.
fn numbers(page: &Page) -> (u64, u64) {
    let number = |at: usize| u64::from_le_bytes(core::array::from_fn(|i| page.carried[at + i]));
    let first = number(0).clamp(1, NUMBER_MAX);
    (first, number(8).min(first - 1))
}
