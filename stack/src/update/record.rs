//! What is kept of trials and downloads, in the key-value store of the state's pages.

use core::fmt::{self, Debug};

use embedded_storage_async::nor_flash::NorFlash;
use heapless::String;
use wavetank_manifest::{Digest, Manifest, Version};

use super::{Error, Layout, Slot};
use crate::storage::{self, Key, KeyValue};

/// Which image is good, which is tried, and what is forbidden.
const RECORD: Key = Key(1);
/// How far a download came.
const PROGRESS: Key = Key(2);

const FORMAT: u8 = 1;
/// Format, good slot, trial, minimum, given up.
const RECORD_LEN: usize = 1 + 1 + ATTEMPT_LEN + VERSION_LEN + GIVEN_UP_LEN;
/// Whether there is one, tries, version, hash.
const ATTEMPT_LEN: usize = 1 + 1 + VERSION_LEN + 32;
/// Whether there is one, why, told, version, hash.
const GIVEN_UP_LEN: usize = 1 + 1 + 1 + VERSION_LEN + 32;
const VERSION_LEN: usize = 6;
/// The longest entity tag that is remembered: a SHA-256 in hex digits, its quotes, and some more.
pub(super) const TAG_MAX: usize = 72;
/// Format, hash, how far, how often damaged, the tag.
const PROGRESS_MAX: usize = 1 + 32 + 4 + 1 + TAG_MAX;

/// Why an image was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// It does not verify where it lies.
    Invalid,
    /// A watchdog, a panic or its own wish ended it before it was confirmed.
    Faulted,
    /// It was tried as often as an image may be, and the power went each time.
    Unsettled,
    /// Its self-test failed.
    SelfTest,
    /// What came was not the image of the manifest, again and again.
    Damaged,
}

impl Why {
    const ALL: [Why; 5] = [Why::Invalid, Why::Faulted, Why::Unsettled, Why::SelfTest, Why::Damaged];

    /// Whether it ever ran.
    #[must_use]
    pub const fn has_run(self) -> bool {
        matches!(self, Why::Faulted | Why::Unsettled | Why::SelfTest)
    }
}

/// As a hub is told it.
impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Invalid => "it does not verify on the flash",
            Why::Faulted => "it was ended before it was confirmed",
            Why::Unsettled => "the power went in every try",
            Why::SelfTest => "its self-test failed",
            Why::Damaged => "what came was not what was signed",
        })
    }
}

/// An image that was given up. It is not fetched again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Its version.
    pub version: Version,
    /// Its hash.
    pub sha256: Digest,
    /// Why.
    pub why: Why,
    /// Whether somebody was told, by [`Updater::told`](super::Updater::told).
    pub told: bool,
}

/// The image on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) version: Version,
    pub(super) sha256: Digest,
    /// How often it was started.
    pub(super) tries: u8,
}

/// All that the boot loader goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Whose image was confirmed, or came from the factory. The one on trial is in the other.
    pub(super) good: Slot,
    pub(super) trial: Option<Attempt>,
    pub(super) minimum: Version,
    pub(super) given_up: Option<GivenUp>,
}

impl Record {
    /// The trial is over, and it did not go well.
    pub(super) fn give_up(&mut self, why: Why) {
        if let Some(Attempt { version, sha256, .. }) = self.trial.take() {
            self.given_up = Some(GivenUp { version, sha256, why, told: false });
        }
    }

    /// Whether that image was given up last.
    pub(super) fn has_given_up(&self, manifest: &Manifest) -> bool {
        self.given_up.is_some_and(|given_up| given_up.sha256 == manifest.sha256)
    }

    fn encode(&self) -> [u8; RECORD_LEN] {
        let mut out = Out::<RECORD_LEN>::new();
        out.put(&[FORMAT, u8::from(self.good == Slot::B)]);
        match self.trial {
            Some(Attempt { version, sha256, tries }) => {
                out.put(&[1, tries]);
                out.put(&encode(version));
                out.put(&sha256.0);
            }
            None => out.put(&[0; ATTEMPT_LEN]),
        }
        out.put(&encode(self.minimum));
        match self.given_up {
            Some(GivenUp { version, sha256, why, told }) => {
                let why = Why::ALL.iter().position(|known| *known == why).unwrap_or_default();
                out.put(&[1, why as u8, u8::from(told)]);
                out.put(&encode(version));
                out.put(&sha256.0);
            }
            None => out.put(&[0; GIVEN_UP_LEN]),
        }
        out.bytes
    }

    /// `None` of what is no record, or one of another format.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[format, good], rest) = bytes.split_first_chunk::<2>()?;
        let (&[attempted, tries], rest) = rest.split_first_chunk::<2>()?;
        let (version, rest) = decode(rest)?;
        let (&sha256, rest) = rest.split_first_chunk::<32>()?;
        let trial = flag(attempted)?.then_some(Attempt { version, sha256: Digest(sha256), tries });
        let (minimum, rest) = decode(rest)?;
        let (&[given_up, why, told], rest) = rest.split_first_chunk::<3>()?;
        let (version, rest) = decode(rest)?;
        let (&sha256, rest) = rest.split_first_chunk::<32>()?;
        let why = *Why::ALL.get(usize::from(why))?;
        let given_up = flag(given_up)?.then_some(GivenUp { version, sha256: Digest(sha256), why, told: flag(told)? });
        let good = if flag(good)? { Slot::B } else { Slot::A };
        (format == FORMAT && rest.is_empty()).then_some(Self { good, trial, minimum, given_up })
    }
}

/// How far a download came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Of which image.
    pub(super) sha256: Digest,
    /// Bytes that are on the flash; whole pages, or all of it.
    pub(super) done: u32,
    /// How often all of it was there, and was not what it should be.
    pub(super) damaged: u8,
    /// What the server calls the state of what it hands out; empty if it has no name for it.
    pub(super) tag: String<TAG_MAX>,
}

impl Progress {
    fn encode<'o>(&self, out: &'o mut [u8; PROGRESS_MAX]) -> &'o [u8] {
        let fixed = PROGRESS_MAX - TAG_MAX;
        out[0] = FORMAT;
        out[1..33].copy_from_slice(&self.sha256.0);
        out[33..37].copy_from_slice(&self.done.to_le_bytes());
        out[37] = self.damaged;
        out[fixed..][..self.tag.len()].copy_from_slice(self.tag.as_bytes());
        &out[..fixed + self.tag.len()]
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&format, rest) = bytes.split_first()?;
        let (&sha256, rest) = rest.split_first_chunk::<32>()?;
        let (&done, rest) = rest.split_first_chunk::<4>()?;
        let (&damaged, tag) = rest.split_first()?;
        let tag = String::try_from(core::str::from_utf8(tag).ok()?).ok()?;
        let progress = Self { sha256: Digest(sha256), done: u32::from_le_bytes(done), damaged, tag };
        (format == FORMAT).then_some(progress)
    }
}

/// The record, if there is one that can be read.
pub(super) async fn load<F: NorFlash<Error: Debug>>(
    flash: &mut F,
    layout: &Layout,
) -> Result<Option<Record>, Error<F::Error>> {
    let mut bytes = [0; RECORD_LEN];
    Ok(value(flash, layout, RECORD, &mut bytes).await?.and_then(Record::decode))
}

pub(super) async fn save<F: NorFlash<Error: Debug>>(
    flash: &mut F,
    layout: &Layout,
    record: &Record,
) -> Result<(), Error<F::Error>> {
    Ok(store(flash, layout)?.set(RECORD, &record.encode()).await?)
}

pub(super) async fn load_progress<F: NorFlash<Error: Debug>>(
    flash: &mut F,
    layout: &Layout,
) -> Result<Option<Progress>, Error<F::Error>> {
    let mut bytes = [0; PROGRESS_MAX];
    Ok(value(flash, layout, PROGRESS, &mut bytes).await?.and_then(Progress::decode))
}

pub(super) async fn save_progress<F: NorFlash<Error: Debug>>(
    flash: &mut F,
    layout: &Layout,
    progress: Option<&Progress>,
) -> Result<(), Error<F::Error>> {
    let mut store = store(flash, layout)?;
    match progress {
        Some(progress) => store.set(PROGRESS, progress.encode(&mut [0; PROGRESS_MAX])).await?,
        None => store.remove(PROGRESS).await?,
    }
    Ok(())
}

async fn value<'b, F: NorFlash<Error: Debug>>(
    flash: &mut F,
    layout: &Layout,
    key: Key,
    buffer: &'b mut [u8],
) -> Result<Option<&'b [u8]>, Error<F::Error>> {
    match store(flash, layout)?.get(key, buffer).await {
        Ok(Some(len)) => Ok(Some(&buffer[..len])),
        // Longer than any that we write: another format.
        Ok(None) | Err(storage::Error::BufferTooSmall { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The store is opened each time: what it knows is on the flash.
fn store<'f, F: NorFlash<Error: Debug>>(
    flash: &'f mut F,
    layout: &Layout,
) -> Result<KeyValue<&'f mut F>, Error<F::Error>> {
    // Whoever made the updater or called the boot loader has had the layout checked.
    KeyValue::new(flash, layout.state.clone()).map_err(|_| Error::State(storage::Error::Full))
}

fn encode(Version { major, minor, patch }: Version) -> [u8; VERSION_LEN] {
    let ([a, b], [c, d], [e, f]) = (major.to_le_bytes(), minor.to_le_bytes(), patch.to_le_bytes());
    [a, b, c, d, e, f]
}

fn decode(bytes: &[u8]) -> Option<(Version, &[u8])> {
    let (&[a, b, c, d, e, f], rest) = bytes.split_first_chunk::<VERSION_LEN>()?;
    let number = |low, high| u16::from_le_bytes([low, high]);
    Some((Version::new(number(a, b), number(c, d), number(e, f)), rest))
}

fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Bytes one behind the other.
struct Out<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Out<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_version() -> impl Strategy<Value = Version> {
        any::<(u16, u16, u16)>().prop_map(|(major, minor, patch)| Version::new(major, minor, patch))
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let trial = (any_version(), any::<[u8; 32]>(), any::<u8>());
        let given_up = (any_version(), any::<[u8; 32]>(), 0..Why::ALL.len(), any::<bool>());
        (any::<bool>(), prop::option::of(trial), any_version(), prop::option::of(given_up)).prop_map(
            |(b, trial, minimum, given_up)| Record {
                good: if b { Slot::B } else { Slot::A },
                trial: trial.map(|(version, sha256, tries)| Attempt { version, sha256: Digest(sha256), tries }),
                minimum,
                given_up: given_up.map(|(version, sha256, why, told)| GivenUp {
                    version,
                    sha256: Digest(sha256),
                    why: Why::ALL[why],
                    told,
                }),
            },
        )
    }

    proptest! {
        #[test]
        fn records_are_read_as_they_were_written(record in any_record()) {
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        }

        #[test]
        fn progress_is_read_as_it_was_written(sha256: [u8; 32], done: u32, damaged: u8, tag in "[ -~]{0,72}") {
            let tag = String::try_from(tag.as_str()).unwrap();
            let progress = Progress { sha256: Digest(sha256), done, damaged, tag };
            prop_assert_eq!(Progress::decode(progress.encode(&mut [0; PROGRESS_MAX])), Some(progress));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), plausible: bool) {
            let mut bytes = bytes;
            if plausible {
                bytes.resize(RECORD_LEN, 0);
                bytes[0] = FORMAT;
                bytes[1] &= 1;
                bytes[2] &= 1;
            }
            if let Some(record) = Record::decode(&bytes) {
                prop_assert_eq!(Record::decode(&record.encode()), Some(record));
            }
            let _ = Progress::decode(&bytes);
        }
    }
}
