//! Taps: where captures are taken.

use crate::net::DropReason;
use crate::time::Instant;

/// Which way a frame passed a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Out of the node, or from a cable's first end to its second.
    Tx,
    /// Into the node, or from a cable's second end to its first.
    Rx,
}

/// Sees every frame that passes a node's interface or a cable. A tap only looks.
pub trait Tap {
    /// A frame passed; `dropped` says why it will not arrive, if that is known here.
    fn frame(&mut self, at: Instant, direction: Direction, bytes: &[u8], dropped: Option<DropReason>);

    /// The run has ended.
    ///
    /// # Errors
    ///
    /// The first error met while writing, if the tap writes anywhere.
    fn finish(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
