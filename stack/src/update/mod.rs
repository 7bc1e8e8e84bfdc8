//! Updates over the air that a power cut at any instant cannot harm.
//!
//! A device has two slots for images of its firmware and a few pages of state, all on NOR flash ([`Layout`]). It runs from
//! one slot; an update goes into the other:
//!
//! 1. A [`Manifest`] says what there is. It counts only if the pinned key's owner has signed it, it is of this firmware, not
//!    older than the oldest that may be run, and fits ([`Updater::start`]).
//! 2. The image comes in pieces, each a range of an HTTP resource ([`fetch()`]), and is written page by page. How far it came
//!    is on flash, so a device that lost its power goes on from there; if the server's image is another by then, it is begun
//!    anew.
//! 3. What lies on the flash is hashed. If it is the image of the manifest, it is to be tried next ([`Updater::finish`]).
//! 4. The boot loader ([`boot()`]) verifies signature, hash and version of whatever it starts, and counts the tries of an image
//!    on trial.
//! 5. The image on trial tests itself, and is kept ([`Updater::confirm`]) or given up ([`Updater::give_up`]). If a watchdog
//!    or a panic ends it before that, the boot loader goes back to the other slot; power cuts are not held against it, up to
//!    a number of tries.
//! 6. Once confirmed, nothing older than the manifest's minimum is ever run again, from either slot.
//!
//! What is tried, confirmed and forbidden is one record in a [`KeyValue`](crate::storage::KeyValue) store: it changes as a
//! whole or not at all. An image is erased by its own successor alone, so at any instant one slot holds what was confirmed.
//!
//! Deliberately not here: how the processor gets into a slot (images run where they lie, by position-independent code, by
//! banks that the chip swaps, or linked once for each slot), secrecy of images, deltas, or who offers what when, which is
//! the device's affair. The boot loader may be blocking: an adapter such as `embassy-embedded-hal`'s `BlockingAsync` makes
//! its flash what [`boot()`] takes.

mod boot;
mod fetch;
mod image;
mod layout;
mod record;
#[cfg(test)]
mod tests;
mod updater;

use core::fmt::Debug;

pub use wavetank_manifest::{
    Digest, ImageError, InvalidHex, InvalidName, InvalidVersion, Manifest, Name, ParseError, PublicKey, Signature,
    SignatureError, Text, Version,
};

pub use boot::{BootError, Booted, Reset, boot};
pub use fetch::{FetchError, Fetched, Source, fetch};
pub use image::{Unfit, install};
pub use layout::{Layout, LayoutError, Slot};
pub use record::{GivenUp, Why};
pub use updater::{Download, FinishError, Refusal, StartError, Status, Updater};

/// Whom a device believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The key that its images are signed with.
    pub key: PublicKey,
    /// The name of its firmware: what is signed for other devices is not for it.
    pub name: Name,
}

/// Why the state on flash cannot be had or kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: Debug> {
    /// The flash itself.
    #[error("the flash failed: {0:?}")]
    Flash(E),
    /// The pages of state have no room.
    #[error("the state cannot be kept: {0}")]
    State(crate::storage::Error<E>),
}

impl<E: Debug> From<crate::storage::Error<E>> for Error<E> {
    fn from(error: crate::storage::Error<E>) -> Self {
        match error {
            crate::storage::Error::Flash(error) => Error::Flash(error),
            other => Error::State(other),
        }
    }
}
