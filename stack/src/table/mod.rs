//! The containers under the stack: fixed without an allocator, growing with one.
//!
//! Nothing here is ever iterated in an order that depends on addresses or on a random hash key, so that two
//! runs that were told the same things do the same things.

mod deadlines;
mod index;
mod list;
mod storage;

pub(crate) use deadlines::{Deadline, Deadlines};
pub(crate) use index::{Index, mix, mix_two};
pub(crate) use list::{Link, List, NONE};
pub(crate) use storage::Storage;
