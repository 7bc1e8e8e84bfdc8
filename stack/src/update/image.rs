//! An image in its slot: writing it down, and seeing whether it may be run.

use core::fmt::Debug;
use core::future::poll_fn;
use core::ops::Range;
use core::task::Poll;

use embedded_storage_async::nor_flash::NorFlash;
use sha2::{Digest as _, Sha256};
use wavetank_manifest::{Digest, Manifest, SignatureError, Version};

use super::layout::trailer_len;
use super::{Layout, Slot, Trust};

/// The flash is read and written in pieces of at most this, each in memory that is aligned as some controllers want it.
pub(super) const PIECE: usize = 256;
const ERASED: u8 = 0xff;

#[repr(align(4))]
pub(super) struct Piece(pub(super) [u8; PIECE]);

impl Piece {
    pub(super) const fn new() -> Self {
        Piece([ERASED; PIECE])
    }

    /// The first `len` bytes, and as many erased ones as fill a write unit.
    pub(super) fn padded<F: NorFlash>(&mut self, len: usize) -> &[u8] {
        let padded = len.next_multiple_of(F::WRITE_SIZE);
        self.0[len..padded].fill(ERASED);
        &self.0[..padded]
    }
}

/// Why what is in a slot is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// There is no manifest, or only a part of one.
    #[error("there is no manifest")]
    Nothing,
    /// Nobody whom the device believes vouches for it.
    #[error("{0}")]
    Signature(#[from] SignatureError),
    /// It is for other devices.
    #[error("it is another firmware")]
    Name,
    /// It is older than the oldest that may be run.
    #[error("it is older than the oldest that may be run")]
    Old,
    /// It is not the image that the manifest is of.
    #[error("it is not the image that was signed")]
    Damaged,
}

/// Whether that slot's image may be run: signed, of this firmware, not too old, and whole.
pub(super) async fn inspect<F: NorFlash>(
    flash: &mut F,
    layout: &Layout,
    slot: Slot,
    trust: &Trust,
    minimum: Version,
) -> Result<Result<Manifest, Unfit>, F::Error> {
    let Some(manifest) = manifest(flash, layout.slot(slot)).await? else {
        return Ok(Err(Unfit::Nothing));
    };
    if let Err(unfit) = believe(&manifest, trust, minimum) {
        return Ok(Err(unfit));
    }
    if manifest.length > layout.room::<F>(slot) {
        return Ok(Err(Unfit::Damaged));
    }
    let found = hash(flash, layout.slot(slot).start, manifest.length).await?;
    Ok(if found == manifest.sha256 { Ok(manifest) } else { Err(Unfit::Damaged) })
}

/// Whether a manifest may be believed.
pub(super) fn believe(manifest: &Manifest, trust: &Trust, minimum: Version) -> Result<(), Unfit> {
    manifest.verify(&trust.key)?;
    if manifest.name != trust.name {
        return Err(Unfit::Name);
    }
    if manifest.version < minimum { Err(Unfit::Old) } else { Ok(()) }
}

/// The manifest in a slot, if there is a whole one.
pub(super) async fn manifest<F: NorFlash>(flash: &mut F, slot: Range<u32>) -> Result<Option<Manifest>, F::Error> {
    const LEN: usize = Manifest::TEXT_MAX.next_multiple_of(64);
    #[repr(align(4))]
    struct Room([u8; LEN]);

    let mut room = Room([0; LEN]);
    flash.read(slot.end - trailer_len::<F>(), &mut room.0).await?;
    let end = room.0.iter().position(|byte| *byte == ERASED).unwrap_or(LEN);
    Ok(Manifest::parse(&room.0[..end]).ok())
}

/// The hash of so many bytes. Lets others run now and then: flash in a processor's own memory never waits.
pub(super) async fn hash<F: NorFlash>(flash: &mut F, start: u32, length: u32) -> Result<Digest, F::Error> {
    let mut sum = Sha256::new();
    let mut piece = Piece::new();
    let mut at = 0;
    while at < length {
        let len = (length - at).min(PIECE as u32) as usize;
        flash.read(start + at, &mut piece.0[..len.next_multiple_of(F::READ_SIZE)]).await?;
        sum.update(&piece.0[..len]);
        at += len as u32;
        if at.is_multiple_of(16 * PIECE as u32) {
            let mut yielded = false;
            poll_fn(|context| {
                if core::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    }
    Ok(Digest(sum.finalize().into()))
}

/// Writes a manifest at the end of a slot. Until this returns there is none there, or part of one.
pub(super) async fn seal<F: NorFlash>(flash: &mut F, slot: Range<u32>, manifest: &Manifest) -> Result<(), F::Error> {
    let start = slot.end - trailer_len::<F>();
    flash.erase(start, slot.end).await?;
    write(flash, start, manifest.text().as_bytes()).await
}

/// Writes bytes to erased pages.
async fn write<F: NorFlash>(flash: &mut F, start: u32, bytes: &[u8]) -> Result<(), F::Error> {
    let mut piece = Piece::new();
    let mut at = start;
    for bytes in bytes.chunks(PIECE) {
        piece.0[..bytes.len()].copy_from_slice(bytes);
        flash.write(at, piece.padded::<F>(bytes.len())).await?;
        at += bytes.len() as u32;
    }
    Ok(())
}

/// Puts an image into a slot, as a factory does: nothing is verified, and the state is not touched.
///
/// # Errors
/// What the flash says.
///
/// # Panics
/// If the image is longer than the slot has [room](Layout::room) for.
pub async fn install<F: NorFlash<Error: Debug>>(
    flash: &mut F,
    layout: &Layout,
    slot: Slot,
    manifest: &Manifest,
    image: &[u8],
) -> Result<(), F::Error> {
    assert!(image.len() <= layout.room::<F>(slot) as usize, "the image is longer than the slot");
    let slot = layout.slot(slot);
    flash.erase(slot.start, slot.end).await?;
    write(flash, slot.start, image).await?;
    write(flash, slot.end - trailer_len::<F>(), manifest.text().as_bytes()).await
}
