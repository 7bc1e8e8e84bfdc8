//! What must be there after the power comes back: records on NOR flash.
//!
//! - [`Spool`]: a queue whose records have numbers that survive restarts, and that leave by acknowledgement;
//! - [`KeyValue`]: the newest value of each key.
//!
//! Both are logs over a ring of pages (`ring.rs`) in a range of any [`NorFlash`] that they own. What an operation has
//! answered `Ok` to is there whatever happens next; what was under way when the power went is there wholly or not at all.
//! That holds for a cut at any instant, in the midst of a write unit or of an erase, whatever bits it leaves there:
//!
//! - a page is always erased just before it is used, so nobody trusts a page to be blank because it looks so;
//! - whatever is written bears a checksum that covers its place, too, and no cell is written twice, so that flash with
//!   error correction will do;
//! - behind a record that is not whole nothing is ever added: the page is done with.
//!
//! Every operation is cancel-safe: one that was dropped may have happened or not, and the next one looks. Not here: bits
//! that rot after they were written (they are noticed, and cost the rest of their page), encryption, or several users of
//! one flash, which is the work of a partition such as `embassy-embedded-hal`'s.
//!
//! [`NorFlash`]: embedded_storage_async::nor_flash::NorFlash

mod key_value;
mod ring;
mod spool;

pub use key_value::{Key, KeyValue};
pub use spool::{Record, Spool};

use core::fmt::Debug;

/// Why something could not be kept or had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: Debug> {
    /// The flash itself.
    #[error("the flash failed: {0:?}")]
    Flash(E),
    /// There is no room: for a spool until something is acknowledged, for a key-value store until something is removed.
    #[error("the store is full")]
    Full,
    /// It would not even fit an empty page.
    #[error("longer than a page has room for")]
    TooLong,
    /// What was asked for does not fit the buffer.
    #[error("a buffer of {needed} bytes is needed")]
    BufferTooSmall {
        /// The bytes that it takes.
        needed: usize,
    },
    /// The spool has not given that number yet.
    #[error("no record has that number yet")]
    Unknown,
}

/// Why a store cannot be in a range of a flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The range does not begin and end where pages do, or ends beyond the flash.
    #[error("the range is not made of whole pages of the flash")]
    NotPages,
    /// A spool takes three pages, a key-value store two.
    #[error("a range of at least {needed} pages is needed")]
    TooFewPages {
        /// The pages that it takes.
        needed: u32,
    },
    /// Write units longer than 64 bytes, read units longer than write units, or pages shorter than 256 bytes.
    #[error("the flash's units of reading, writing or erasing are of no use")]
    Units,
}
