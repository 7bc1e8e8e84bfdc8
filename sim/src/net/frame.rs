//! Frames and the pool that they come from.

use std::cell::RefCell;

use super::DropReason;
use super::impair::{Damage, is_sound};
use crate::prefetch;
use crate::trace::digest;

/// The longest Ethernet frame that a link carries, without its check sequence.
pub const FRAME_BYTES_MAX: usize = 1536;

/// So much of a frame is fetched ahead, in bytes.
const SMALL: usize = 320;

/// A frame on its way: real bytes, from the destination address on.
///
/// What a hop needs lies in one cache line: everything about the frame, and its Ethernet header.
#[repr(C, align(64))]
pub(crate) struct Frame {
    digest: u128,
    /// Its turn on the link that it is on.
    pub(crate) ordinal: u64,
    /// When it was offered to that link, in nanoseconds.
    pub(crate) sent_at: u64,
    /// The link that it is on.
    pub(crate) link: u32,
    len: u16,
    damaged: bool,
    /// What it bears for whoever watches what becomes of it; 0 if nobody does.
    pub(super) watch: u8,
    /// The node that sent it.
    pub(super) origin: u32,
    /// Those who tamper with its link and stand before this one have dealt with it.
    pub(super) beyond: u32,
    data: [u8; FRAME_BYTES_MAX],
}

impl Frame {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.data[..self.len.into()]
    }

    /// Has fetched what lies behind its head, as far as small packets carry.
    pub(super) fn fetch_rest(&self) {
        prefetch::span(self.data.as_ptr(), self.bytes().len().min(SMALL));
    }

    /// For writing a fresh frame. Call `seal` afterwards.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data[..self.len.into()]
    }

    /// Takes the digest of the bytes, which do not change from here on.
    pub(crate) fn seal(&mut self) {
        self.digest = digest(self.bytes());
    }

    pub(crate) fn digest(&self) -> u128 {
        self.digest
    }

    /// Damages the bytes, for good.
    pub(super) fn damage(&mut self, damage: &Damage) {
        self.len = damage.apply(self.bytes_mut()) as u16;
        self.damaged = true;
        self.seal();
    }

    /// Whether a link damaged it.
    pub(super) const fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Why an interface that looks at checksums refuses it, if it does. A radio's check sequence is of the whole frame.
    #[inline]
    pub(super) fn damage_seen(&self, by_radio: bool) -> Option<DropReason> {
        (self.damaged && (by_radio || !is_sound(self.bytes()))).then_some(DropReason::BadChecksum)
    }

    /// Makes it longer or shorter; what is new of it is left over from earlier use.
    pub(super) fn resize(&mut self, len: usize) {
        debug_assert!(len <= FRAME_BYTES_MAX);
        self.len = len as u16;
    }

    pub(crate) fn len(&self) -> usize {
        self.len.into()
    }
}

/// Frames for reuse, the last one used first: the frame path allocates only while more frames are in flight than ever
/// before, and takes what is still in the cache.
#[expect(clippy::vec_box, reason = "a frame goes in and out by its address; it is too long to be moved")]
pub(crate) struct Pool(RefCell<Vec<Box<Frame>>>);

impl Pool {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// A frame of `len` bytes whose content is left over from earlier use; `None` if no frame is that long.
    pub(crate) fn take(&self, len: usize) -> Option<Box<Frame>> {
        if len > FRAME_BYTES_MAX {
            return None;
        }
        let mut frame = self.0.borrow_mut().pop().unwrap_or_else(|| {
            Box::new(Frame {
                len: 0,
                link: 0,
                ordinal: 0,
                sent_at: 0,
                digest: 0,
                damaged: false,
                watch: 0,
                origin: 0,
                beyond: 0,
                data: [0; FRAME_BYTES_MAX],
            })
        });
        frame.len = len as u16;
        (frame.damaged, frame.watch, frame.beyond) = (false, 0, 0);
        Some(frame)
    }

    pub(crate) fn copy(&self, original: &Frame) -> Box<Frame> {
        let mut copy = self.take(original.len()).expect("as long as an existing frame");
        copy.bytes_mut().copy_from_slice(original.bytes());
        copy.digest = original.digest;
        (copy.damaged, copy.origin) = (original.damaged, original.origin);
        copy
    }

    pub(crate) fn put(&self, frame: Box<Frame>) {
        self.0.borrow_mut().push(frame);
    }
}
