//! What a boot loader does: it chooses a slot, and starts nothing that it has not verified.

use core::fmt::Debug;

use embedded_storage_async::nor_flash::NorFlash;
use wavetank_manifest::{Manifest, Version};

use super::image::{inspect, manifest};
use super::record::{Attempt, Record, Why, load, load_progress, save};
use super::{Error, Layout, LayoutError, Slot, Trust, Unfit};

/// What made the processor start, as far as an image on trial is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reset {
    /// The power came back, or somebody pulled the reset line: that says nothing about the image.
    Outside,
    /// A watchdog, a panic, or the image's own wish: it was not confirmed, and did not get so far.
    Program,
}

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booted {
    /// The slot.
    pub slot: Slot,
    /// What is in it.
    pub manifest: Manifest,
    /// Whether it has to prove itself.
    pub on_trial: bool,
}

/// Why there is nothing to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BootError<E: Debug> {
    /// The slots cannot be where they are said to be.
    #[error("{0}")]
    Layout(#[from] LayoutError),
    /// The flash cannot be read.
    #[error("{0}")]
    Flash(#[from] Error<E>),
    /// Neither slot holds what may be run.
    #[error("nothing can be run: slot A: {a}; slot B: {b}")]
    Nothing {
        /// What is wrong with slot A.
        a: Unfit,
        /// What is wrong with slot B.
        b: Unfit,
    },
}

/// Chooses what to start: the image on trial, else the confirmed one, else whatever verifies. An image on trial is started at
/// most `tries_max` times.
///
/// It can lose its power at any instant. It writes one record for each try of an image on trial, and none otherwise, save
/// when it gives one up.
///
/// # Errors
/// [`BootError`]
pub async fn boot<F: NorFlash<Error: Debug>>(
    flash: &mut F,
    layout: &Layout,
    trust: &Trust,
    reset: Reset,
    tries_max: u8,
) -> Result<Booted, BootError<F::Error>> {
    layout.check(flash)?;
    let mut record = match load(flash, layout).await? {
        Some(record) => record,
        None => make_up(flash, layout, trust).await?,
    };
    if let Some(attempt) = record.trial {
        match attempt_of(flash, layout, trust, &record, &attempt, reset, tries_max).await? {
            Ok(manifest) => {
                let tries = attempt.tries.saturating_add(1);
                let begun = Record { trial: Some(Attempt { tries, ..attempt }), ..record };
                // What cannot be counted is not tried: it might be tried for ever.
                if save(flash, layout, &begun).await.is_ok() {
                    return Ok(Booted { slot: record.good.other(), manifest, on_trial: true });
                }
            }
            Err(why) => {
                record.give_up(why);
                // Found out again at the next boot, if it cannot be written down.
                let _ = save(flash, layout, &record).await;
            }
        }
    }
    confirmed(flash, layout, trust, record).await
}

/// The image on trial if it is to be started, or why it is given up.
async fn attempt_of<F: NorFlash<Error: Debug>>(
    flash: &mut F,
    layout: &Layout,
    trust: &Trust,
    record: &Record,
    attempt: &Attempt,
    reset: Reset,
    tries_max: u8,
) -> Result<Result<Manifest, Why>, Error<F::Error>> {
    if attempt.tries > 0 && reset == Reset::Program {
        return Ok(Err(Why::Faulted));
    }
    if attempt.tries >= tries_max {
        return Ok(Err(Why::Unsettled));
    }
    let found = inspect(flash, layout, record.good.other(), trust, record.minimum).await.map_err(Error::Flash)?;
    Ok(found.ok().filter(|manifest| manifest.sha256 == attempt.sha256).ok_or(Why::Invalid))
}

/// The image that was confirmed, or the other one if that has rotted.
async fn confirmed<F: NorFlash<Error: Debug>>(
    flash: &mut F,
    layout: &Layout,
    trust: &Trust,
    record: Record,
) -> Result<Booted, BootError<F::Error>> {
    let mut unfit = [Unfit::Nothing; 2];
    for slot in [record.good, record.good.other()] {
        match inspect(flash, layout, slot, trust, record.minimum).await.map_err(Error::Flash)? {
            Ok(manifest) => {
                if slot != record.good {
                    // Found out again at the next boot, if it cannot be written down.
                    let _ = save(flash, layout, &Record { good: slot, trial: None, ..record }).await;
                }
                return Ok(Booted { slot, manifest, on_trial: false });
            }
            Err(why) => unfit[slot as usize] = why,
        }
    }
    let [a, b] = unfit;
    Err(BootError::Nothing { a, b })
}

/// A record for a flash that has none: fresh from the factory, or its state has rotted. Of two images that has to prove itself
/// which was being taken when the power went, if one was; else the newer one.
async fn make_up<F: NorFlash<Error: Debug>>(
    flash: &mut F,
    layout: &Layout,
    trust: &Trust,
) -> Result<Record, Error<F::Error>> {
    let mut record = Record { good: Slot::A, trial: None, minimum: Version::default(), given_up: None };
    // Reading the manifest is cheap: a slot that never held an image costs no hash.
    if manifest(flash, layout.b.clone()).await.map_err(Error::Flash)?.is_none() {
        let a = manifest(flash, layout.a.clone()).await.map_err(Error::Flash)?;
        record.minimum = a.map_or(record.minimum, |manifest| manifest.minimum);
        return Ok(record);
    }
    let a = inspect(flash, layout, Slot::A, trust, record.minimum).await.map_err(Error::Flash)?.ok();
    let b = inspect(flash, layout, Slot::B, trust, record.minimum).await.map_err(Error::Flash)?.ok();
    let untried = match (a, b) {
        (Some(a), Some(b)) => {
            let taken = load_progress(flash, layout).await?.map(|progress| progress.sha256);
            let is_a = match taken {
                Some(sha256) if sha256 == b.sha256 => false,
                Some(sha256) if sha256 == a.sha256 => true,
                _ => a.version > b.version,
            };
            let (good, untried) = if is_a { (b, a) } else { (a, b) };
            record.good = if is_a { Slot::B } else { Slot::A };
            record.minimum = good.minimum;
            Some(untried)
        }
        (None, Some(b)) => {
            (record.good, record.minimum) = (Slot::B, b.minimum);
            None
        }
        (a, None) => {
            record.minimum = a.map_or(record.minimum, |a| a.minimum);
            None
        }
    };
    record.trial = untried.map(|Manifest { version, sha256, .. }| Attempt { version, sha256, tries: 0 });
    Ok(record)
}
