//! Looking at frames without taking part.

use core::net::Ipv6Addr;

use super::Options;
use super::contexts::{Contexts, Known};
use super::driver::UNCOMPRESSED;
use super::{fragment, iphc, mac};

/// What a frame is to somebody who looks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// A packet begins in it, and maybe ends: from whom it is, and to whom.
    Begins {
        /// Who sent the packet.
        source: Ipv6Addr,
        /// Whom it is for.
        destination: Ipv6Addr,
    },
    /// A packet goes on, the beginning of which was in an earlier frame from the same radio.
    GoesOn,
}

/// Looks into a frame of that network. `learnt` is what of it was not agreed on in advance.
///
/// `None` for what is no packet, or cannot be read with those contexts.
pub fn sniff(frame: &[u8], options: &Options, learnt: Option<&Contexts>) -> Option<Sniffed> {
    let (header, mut payload) = mac::Header::parse(frame)?;
    if fragment::Header::is_fragment(payload) {
        let (piece, rest) = fragment::Header::parse(payload)?;
        if piece.offset.is_some() {
            return Some(Sniffed::GoesOn);
        }
        payload = rest;
    }
    let [source, destination] = match payload.split_first()? {
        (&UNCOMPRESSED, packet) => {
            let ends = packet.get(8..40)?;
            let end = |at: usize| Some(Ipv6Addr::from(*ends[at..].first_chunk::<16>()?));
            [end(0)?, end(16)?]
        }
        _ if iphc::is_compressed(payload) => {
            iphc::restore(payload, Known { options, learnt }, header.from, header.to)?.ends()
        }
        _ => return None,
    };
    Some(Sniffed::Begins { source, destination })
}
