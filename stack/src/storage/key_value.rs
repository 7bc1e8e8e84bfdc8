//! The newest value of each key.
//!
//! A value is appended to the newest page, and a key is forgotten by a record that says so. One page is always free: when
//! it has to be taken into use, what still counts in the oldest page is copied into it, and a mark behind the copies says
//! that the oldest page is free from then on. Without that mark the copies are none: the originals are all there.

use core::fmt::Debug;
use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;

use super::ring::{CARRIED, Found, Place, Ring};
use super::{Error, LayoutError};

const MARK: u8 = b'K';
const PAGES_MIN: u32 = 2;
/// A key and its value.
const VALUE: u8 = 1;
/// A key that has no value any more.
const REMOVED: u8 = 2;
/// All that counted in the oldest page was copied.
const MOVED: u8 = 3;
/// A key on the flash.
const KEY: usize = 2;

/// What a value is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u16);

/// The store. Finding a value reads the pages from the newest to the one that has it: this is for a few dozen keys.
#[derive(Debug)]
pub struct KeyValue<F> {
    ring: Ring<F>,
}

/// The newest record of a key.
enum Newest {
    Value(Place),
    Removed,
    Never,
}

impl<F: NorFlash> KeyValue<F>
where
    F::Error: Debug,
{
    /// The store in that range of the flash, empty or as it was left. Nothing is read or written yet.
    ///
    /// # Errors
    /// [`LayoutError`] if it cannot be there; it takes two pages.
    pub fn new(flash: F, range: Range<u32>) -> Result<Self, LayoutError> {
        Ok(KeyValue { ring: Ring::new(flash, range, MARK, PAGES_MIN)? })
    }

    /// Reads the value of `key` into `buffer`, and answers with its length; `None` if it has none.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub async fn get(&mut self, key: Key, buffer: &mut [u8]) -> Result<Option<usize>, Error<F::Error>> {
        self.settle().await?;
        let Newest::Value(place) = self.newest(key).await? else {
            return Ok(None);
        };
        match self.ring.look_behind(place, KEY, buffer).await? {
            Found::Record { len, .. } if len - KEY <= buffer.len() => Ok(Some(len - KEY)),
            Found::Record { len, .. } => Err(Error::BufferTooSmall { needed: len - KEY }),
            Found::Blank | Found::End => Ok(None),
        }
    }

    /// Keeps `value` as that of `key`. Until this returns the old one counts; should it be dropped, either may.
    ///
    /// # Errors
    /// [`Error::Full`] if the values of all keys do not leave the room; [`Error::TooLong`].
    pub async fn set(&mut self, key: Key, value: &[u8]) -> Result<(), Error<F::Error>> {
        self.settle().await?;
        if KEY + value.len() > self.ring.payload_max(1, Ring::<F>::record_len(0)) {
            return Err(Error::TooLong);
        }
        self.append(VALUE, key, value).await
    }

    /// Forgets `key`.
    ///
    /// # Errors
    /// [`Error::Full`] if there is not even room to say so.
    pub async fn remove(&mut self, key: Key) -> Result<(), Error<F::Error>> {
        self.settle().await?;
        match self.newest(key).await? {
            Newest::Value(_) => self.append(REMOVED, key, &[]).await,
            Newest::Removed | Newest::Never => Ok(()),
        }
    }

    async fn append(&mut self, kind: u8, key: Key, value: &[u8]) -> Result<(), Error<F::Error>> {
        let mark = Ring::<F>::record_len(0);
        let mut turns = 0;
        while self.ring.is_empty() || !self.ring.fits(KEY + value.len(), mark) {
            if turns == self.ring.pages() {
                return Err(Error::Full);
            }
            self.turn().await?;
            turns += 1;
        }
        self.ring.append(kind, [&key.0.to_le_bytes(), value]).await?;
        Ok(())
    }

    /// Takes the free page into use, and sees to it that another one is.
    async fn turn(&mut self) -> Result<(), Error<F::Error>> {
        self.ring.turn([0; CARRIED]).await?;
        if !self.ring.is_full() {
            return Ok(());
        }
        // Not known for certain before the mark is there.
        let Some(mut place) = self.ring.first_place(0) else {
            return Ok(());
        };
        let mut key = [0; KEY];
        loop {
            self.ring.doubtful = true;
            match self.ring.look(place, &mut key).await? {
                Found::Record { kind, len, next } => {
                    if kind == VALUE && len >= KEY && self.counts(Key(u16::from_le_bytes(key)), place).await? {
                        // No page of ours is as full; what somebody else has written is not to harm the next page.
                        if !self.ring.fits(len, Ring::<F>::record_len(0)) {
                            return Err(Error::Full);
                        }
                        self.ring.copy(place, VALUE).await?;
                    }
                    place = next;
                }
                Found::Blank | Found::End => break,
            }
        }
        self.ring.append(MOVED, [&[], &[]]).await?;
        self.ring.release_oldest();
        Ok(())
    }

    /// Whether the record at `place`, in the oldest page, is the newest of its key.
    async fn counts(&mut self, key: Key, place: Place) -> Result<bool, Error<F::Error>> {
        Ok(matches!(self.newest(key).await?, Newest::Value(newest) if newest == place))
    }

    /// The newest record of that key: of the newest page that has one, the last.
    async fn newest(&mut self, key: Key) -> Result<Newest, Error<F::Error>> {
        for nth in (0..self.ring.live()).rev() {
            let mut newest = Newest::Never;
            let mut next_place = self.ring.first_place(nth);
            let mut found = [0; KEY];
            while let Some(place) = next_place.take() {
                let Found::Record { kind, len, next } = self.ring.look(place, &mut found).await? else {
                    break;
                };
                match kind {
                    _ if len < KEY || Key(u16::from_le_bytes(found)) != key => {}
                    VALUE => newest = Newest::Value(place),
                    REMOVED => newest = Newest::Removed,
                    _ => {}
                }
                next_place = Some(next);
            }
            if !matches!(newest, Newest::Never) {
                return Ok(newest);
            }
        }
        Ok(Newest::Never)
    }

    /// Looks what is there, if that is not known for certain.
    async fn settle(&mut self) -> Result<(), Error<F::Error>> {
        if !self.ring.doubtful {
            return Ok(());
        }
        self.ring.mount().await?;
        if !self.ring.is_full() {
            return Ok(());
        }
        let mut moved = false;
        if let Some(mut place) = self.ring.newest_page() {
            self.ring.doubtful = true;
            while let Found::Record { kind, next, .. } = self.ring.look(place, &mut []).await? {
                moved |= kind == MOVED;
                place = next;
            }
        }
        match moved {
            true => self.ring.release_oldest(),
            false => self.ring.release_newest(),
        }
        self.ring.doubtful = false;
        Ok(())
    }
}
