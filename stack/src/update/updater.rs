//! What the running firmware does: it takes an image into the other slot, and says whether it is well itself.

use core::fmt::Debug;
use core::ops::Range;

use embedded_io_async::Read;
use embedded_storage_async::nor_flash::NorFlash;
use heapless::String;
use wavetank_manifest::{Manifest, SignatureError, Version};

use super::image::{PIECE, Piece, believe, hash, manifest, seal};
use super::record::{self, Attempt, Progress, Record, TAG_MAX};
use super::{Error, GivenUp, Layout, LayoutError, Slot, Trust, Unfit, Why};

/// How often all of an image may come and be another than the manifest's before it is given up.
const DAMAGED_MAX: u8 = 3;

/// The slots and their state, as the firmware that runs from one of them has them.
///
/// Dropping any of its futures at any await is a power cut, to it: whoever goes on afterwards begins with
/// [`start`](Updater::start) again.
#[derive(Debug)]
pub struct Updater<F> {
    flash: F,
    layout: Layout,
    running: Slot,
}

/// How things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which version runs; `None` if its slot holds no manifest, as when a debugger put it there.
    pub version: Option<Version>,
    /// Whether it has to be [confirmed](Updater::confirm) yet.
    pub on_trial: bool,
    /// The oldest version that may be run.
    pub minimum: Version,
    /// What was given up last.
    pub given_up: Option<GivenUp>,
}

/// An image that is being fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    manifest: Manifest,
    progress: Progress,
}

impl Download {
    /// What it is to become.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How many of its bytes are on the flash for good.
    pub fn done(&self) -> u32 {
        self.progress.done
    }

    /// Whether all of it is there, and can be [finished](Updater::finish).
    pub fn is_complete(&self) -> bool {
        self.progress.done == self.manifest.length
    }

    /// What the server calls the state of what it hands out, if it has told.
    pub(super) fn tag(&self) -> Option<&str> {
        Some(self.progress.tag.as_str()).filter(|tag| !tag.is_empty())
    }
}

/// Why an image is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody whom the device believes vouches for it.
    #[error("{0}")]
    Signature(SignatureError),
    /// It is for other devices.
    #[error("it is another firmware")]
    Name,
    /// It is older than the oldest that may be run.
    #[error("it is older than the oldest that may be run")]
    Old,
    /// The slot has no room for it.
    #[error("it is longer than a slot has room for")]
    TooLong,
    /// It runs already.
    #[error("it runs already")]
    Running,
    /// It was tried, or could not be had, and was given up.
    #[error("it was given up before")]
    GivenUp,
}

/// Why a download does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError<E: Debug> {
    /// The image is not for this device, or not any more.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// What runs is on trial itself, or was and was given up: the other slot is what there is to go back to.
    #[error("what runs has to be confirmed first")]
    OnTrial,
    /// The state cannot be kept.
    #[error("{0}")]
    Store(#[from] Error<E>),
}

/// Why an image is not to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError<E: Debug> {
    /// Some of it is missing.
    #[error("it is not all there")]
    Incomplete,
    /// It is not the image of its manifest. It is begun anew, or was given up after so many times.
    #[error("what came is not what was signed")]
    Damaged {
        /// Whether it was given up.
        given_up: bool,
    },
    /// What runs is on trial itself.
    #[error("what runs has to be confirmed first")]
    OnTrial,
    /// The flash cannot be written or read.
    #[error("{0}")]
    Store(#[from] Error<E>),
}

/// Why no more of an image was written.
pub(super) enum FillError<E: Debug, B> {
    Store(Error<E>),
    Body(B),
    Truncated,
}

impl<F: NorFlash<Error: Debug>> Updater<F> {
    /// The slots of firmware that runs from `running`, as its boot loader has told it or as it sees by its own address.
    ///
    /// # Errors
    /// [`LayoutError`]
    pub fn new(mut flash: F, layout: Layout, running: Slot) -> Result<Self, LayoutError> {
        layout.check(&mut flash)?;
        Ok(Self { flash, layout, running })
    }

    /// How things are.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn status(&mut self) -> Result<Status, Error<F::Error>> {
        let record = self.record().await?;
        let slot = self.layout.slot(self.running);
        let version = manifest(&mut self.flash, slot).await.map_err(Error::Flash)?.map(|manifest| manifest.version);
        let Record { minimum, given_up, .. } = record;
        Ok(Status { version, on_trial: self.is_on_trial(&record), minimum, given_up })
    }

    /// What runs has proved itself: from now on it is what is started, and nothing older than its manifest's minimum.
    /// Nothing changes if it is not on trial.
    ///
    /// # Errors
    /// [`Error`]; it is on trial still.
    pub async fn confirm(&mut self) -> Result<(), Error<F::Error>> {
        let record = self.record().await?;
        if !self.is_on_trial(&record) {
            return Ok(());
        }
        let slot = self.layout.slot(self.running);
        let minimum = manifest(&mut self.flash, slot).await.map_err(Error::Flash)?.map(|manifest| manifest.minimum);
        let minimum = record.minimum.max(minimum.unwrap_or_default());
        self.save(&Record { good: self.running, trial: None, minimum, ..record }).await
    }

    /// What runs has not proved itself: the other slot is started next. Nothing changes if it is not on trial.
    ///
    /// # Errors
    /// [`Error`]; the boot loader will come to the same.
    pub async fn give_up(&mut self, why: Why) -> Result<(), Error<F::Error>> {
        let mut record = self.record().await?;
        if !self.is_on_trial(&record) {
            return Ok(());
        }
        record.give_up(why);
        self.save(&record).await
    }

    /// Whoever was to be told of what was [given up](Status::given_up) was told.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn told(&mut self) -> Result<(), Error<F::Error>> {
        let record = self.record().await?;
        match record.given_up {
            Some(given_up) if !given_up.told => {
                self.save(&Record { given_up: Some(GivenUp { told: true, ..given_up }), ..record }).await
            }
            _ => Ok(()),
        }
    }

    /// Begins to take the image of that manifest into the other slot, or goes on with it where it broke off.
    ///
    /// # Errors
    /// [`StartError`]; nothing was touched.
    pub async fn start(&mut self, manifest: &Manifest, trust: &Trust) -> Result<Download, StartError<F::Error>> {
        let record = self.record().await?;
        if self.is_on_trial(&record) {
            return Err(StartError::OnTrial);
        }
        let room = self.layout.room::<F>(self.running.other());
        refuse(manifest, trust, &record, room)?;
        let own = self::manifest(&mut self.flash, self.layout.slot(self.running)).await.map_err(Error::Flash)?;
        if record.good != self.running && own.as_ref().is_some_and(|own| record.has_given_up(own)) {
            return Err(StartError::OnTrial);
        }
        if own.is_some_and(|own| own.sha256 == manifest.sha256 && own.version == manifest.version) {
            return Err(Refusal::Running.into());
        }
        if record.trial.is_some() || record.good != self.running {
            // What is to be overwritten is not tried any more.
            self.save(&Record { good: self.running, trial: None, ..record }).await?;
        }
        let kept = record::load_progress(&mut self.flash, &self.layout).await?;
        let progress = match kept {
            Some(kept) if kept.sha256 == manifest.sha256 && self.is_sound(&kept, manifest) => kept,
            _ => {
                let fresh = Progress { sha256: manifest.sha256, done: 0, damaged: 0, tag: String::new() };
                self.keep(&fresh).await?;
                fresh
            }
        };
        Ok(Download { manifest: manifest.clone(), progress })
    }

    /// Sees whether what lies in the other slot is the image. If so, it is what the boot loader tries next.
    ///
    /// # Errors
    /// [`FinishError`]
    pub async fn finish(&mut self, download: &mut Download) -> Result<(), FinishError<F::Error>> {
        let mut record = self.record().await?;
        if self.is_on_trial(&record) {
            return Err(FinishError::OnTrial);
        }
        if !download.is_complete() {
            return Err(FinishError::Incomplete);
        }
        let (slot, manifest) = (self.layout.slot(self.running.other()), &download.manifest);
        let sealed = self.sealed(slot, manifest).await.map_err(Error::Flash)?;
        let attempt = Attempt { version: manifest.version, sha256: manifest.sha256, tries: 0 };
        record.good = self.running;
        record.trial = Some(attempt);
        if !sealed {
            let damaged = download.progress.damaged.saturating_add(1);
            let given_up = damaged >= DAMAGED_MAX;
            if given_up {
                record.give_up(Why::Damaged);
                self.save(&record).await?;
            }
            download.progress.damaged = damaged;
            self.restart(download).await?;
            return Err(FinishError::Damaged { given_up });
        }
        self.save(&record).await?;
        Ok(record::save_progress(&mut self.flash, &self.layout, None).await?)
    }

    /// Whether the image of that manifest is in that slot; if so, its manifest is there, too.
    async fn sealed(&mut self, slot: Range<u32>, manifest: &Manifest) -> Result<bool, F::Error> {
        if hash(&mut self.flash, slot.start, manifest.length).await? != manifest.sha256 {
            return Ok(false);
        }
        seal(&mut self.flash, slot.clone(), manifest).await?;
        Ok(self::manifest(&mut self.flash, slot).await?.as_ref() == Some(manifest))
    }

    /// Begins anew: what the server hands out is another, or came out wrong.
    pub(super) async fn restart(&mut self, download: &mut Download) -> Result<(), Error<F::Error>> {
        download.progress.done = 0;
        download.progress.tag.clear();
        self.keep(&download.progress).await
    }

    /// The server's name for the state of what it hands out, once it is known.
    pub(super) fn tag(download: &mut Download, tag: Option<&str>) {
        download.progress.tag.clear();
        if let Some(tag) = tag.filter(|tag| is_strong(tag)) {
            // One that is too long is no help: the hash will tell.
            let _ = download.progress.tag.push_str(tag);
        }
    }

    /// Writes `len` more bytes of the image. What is whole pages of them, or its end, is kept.
    pub(super) async fn fill<B: Read>(
        &mut self,
        download: &mut Download,
        body: &mut B,
        len: u32,
    ) -> Result<(), FillError<F::Error, B::Error>> {
        let (page, slot) = (F::ERASE_SIZE as u32, self.layout.slot(self.running.other()));
        let (mut at, length) = (download.progress.done, download.manifest.length);
        let end = at.saturating_add(len).min(length);
        let mut piece = Piece::new();
        while at < end {
            if at.is_multiple_of(page) {
                let start = slot.start + at;
                self.flash.erase(start, start + page).await.map_err(|error| FillError::Store(Error::Flash(error)))?;
            }
            let page_end = (at - at % page).saturating_add(page).min(length);
            let len = (page_end.min(end) - at).min(PIECE as u32) as usize;
            read_exactly(body, &mut piece.0[..len]).await?;
            let write = self.flash.write(slot.start + at, piece.padded::<F>(len));
            write.await.map_err(|error| FillError::Store(Error::Flash(error)))?;
            at += len as u32;
            if at == page_end {
                download.progress.done = at;
                self.keep(&download.progress).await.map_err(FillError::Store)?;
            }
        }
        Ok(())
    }

    /// The bytes of a page of the flash: pieces of an image are best made of them.
    pub(super) fn page_len() -> u32 {
        F::ERASE_SIZE as u32
    }

    async fn record(&mut self) -> Result<Record, Error<F::Error>> {
        let found = record::load(&mut self.flash, &self.layout).await?;
        let first = Record { good: self.running, trial: None, minimum: Version::default(), given_up: None };
        let Some(record) = found else {
            // Straight from the factory: what came from there says what may follow.
            let slot = self.layout.slot(self.running);
            let own = manifest(&mut self.flash, slot).await.map_err(Error::Flash)?;
            return Ok(Record { minimum: own.map_or(first.minimum, |own| own.minimum), ..first });
        };
        Ok(record)
    }

    async fn save(&mut self, record: &Record) -> Result<(), Error<F::Error>> {
        record::save(&mut self.flash, &self.layout, record).await
    }

    async fn keep(&mut self, progress: &Progress) -> Result<(), Error<F::Error>> {
        record::save_progress(&mut self.flash, &self.layout, Some(progress)).await
    }

    /// Started, and from the slot that is tried: not one that waits for the next boot.
    fn is_on_trial(&self, record: &Record) -> bool {
        record.trial.is_some_and(|attempt| attempt.tries > 0) && self.running != record.good
    }

    /// Whether one can go on there.
    fn is_sound(&self, kept: &Progress, manifest: &Manifest) -> bool {
        let whole = kept.done.is_multiple_of(F::ERASE_SIZE as u32) && kept.done < manifest.length;
        whole || kept.done == manifest.length
    }
}

fn refuse(manifest: &Manifest, trust: &Trust, record: &Record, room: u32) -> Result<(), Refusal> {
    believe(manifest, trust, record.minimum).map_err(|unfit| match unfit {
        Unfit::Signature(error) => Refusal::Signature(error),
        Unfit::Name => Refusal::Name,
        _ => Refusal::Old,
    })?;
    if manifest.length > room {
        return Err(Refusal::TooLong);
    }
    if record.has_given_up(manifest) { Err(Refusal::GivenUp) } else { Ok(()) }
}

/// A weak tag names what means the same, not what is the same (RFC 9110, section 8.8.1).
fn is_strong(tag: &str) -> bool {
    tag.starts_with('"') && tag.len() <= TAG_MAX
}

async fn read_exactly<E: Debug, B: Read>(body: &mut B, mut out: &mut [u8]) -> Result<(), FillError<E, B::Error>> {
    while !out.is_empty() {
        match body.read(out).await.map_err(FillError::Body)? {
            0 => return Err(FillError::Truncated),
            count => out = &mut out[count..],
        }
    }
    Ok(())
}
