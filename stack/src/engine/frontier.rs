//! How far a connection has sent, and that what carries no data says so.
//!
//! When a retransmission timer fires, smoltcp sets its next sequence number back, and acknowledgements sent
//! then bear a number that the other side has left behind: it must not heed them (RFC 9293, section 3.10.7.4).
//! Where both sides send data and both timers have fired, neither ever hears what the other acknowledged, and
//! both retransmit for ever. So segments without data get the number that they ought to have: that of
//! everything ever sent, SND.NXT in the standard's terms.
//!
//! It also knows what the other side was last told, and when there is nothing left to send but what timers will ask for.

use super::packet::is_v4;

/// Whether one sequence number comes before another, counting around (RFC 9293, section 3.4).
#[inline]
pub(super) const fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;

/// What is worth counting of a segment that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incident {
    /// It was sent before, or a part of it.
    Again,
    /// It resets the connection.
    Reset,
}

/// How far one connection has sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frontier {
    /// The sequence number after the last that was sent; `None` before the first.
    end: Option<u32>,
    /// How many bytes were written since, and not sent.
    unsent: u32,
    /// How many were written last.
    #[cfg(feature = "alloc")]
    wrote: u32,
    /// What the last segment acknowledged, and the window that it told of.
    acknowledged: u32,
    window: u16,
    /// The last segment went up to the end.
    at_end: bool,
}

impl Frontier {
    /// The number after the last that was sent, if any was.
    #[inline]
    pub(crate) const fn end(&self) -> Option<u32> {
        self.end
    }

    /// What the other side was last told: what is acknowledged, and the window, as they are in the header.
    pub(crate) const fn said(&self) -> (u32, u16) {
        (self.acknowledged, self.window)
    }

    /// So many bytes were written.
    #[inline]
    pub(crate) fn written(&mut self, len: usize) {
        // Send buffers are far smaller than sequence numbers reach.
        self.unsent += len as u32;
        #[cfg(feature = "alloc")]
        {
            self.wrote = len as u32;
        }
    }

    /// How many bytes were written last: so many may be soon again.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) const fn wrote(&self) -> u32 {
        self.wrote
    }

    /// How many bytes were written and never sent.
    #[inline]
    pub(crate) const fn unsent(&self) -> u32 {
        self.unsent
    }

    /// Whether the last segment went up to the end of what was ever sent, and that is all that was written.
    #[inline]
    pub(crate) fn is_all_sent(&self) -> bool {
        self.at_end && self.unsent == 0
    }

    /// Takes note of a segment that is about to be sent, behind the IP header that smoltcp wrote, which has
    /// no options; corrects its sequence number if it carries nothing. Its checksum is computed after. Answers with what is
    /// worth counting of it.
    #[inline]
    pub(crate) fn keep(&mut self, packet: &mut [u8]) -> Option<Incident> {
        let ip_len = if is_v4(packet) { 20 } else { 40 };
        let (header, rest) = packet[ip_len..].split_first_chunk_mut::<20>()?;
        let [.., a, b, c, d, _, _, w, v, _, _, _, _] = *header;
        (self.acknowledged, self.window) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([w, v]));
        let options_len = usize::from(header[12] >> 4) * 4 - 20;
        let data_len =
            (rest.len() - options_len) as u32 + u32::from(header[13] & FIN) + u32::from(header[13] & SYN != 0);
        let number = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let end = number.wrapping_add(data_len);
        let further = self.end.map_or(0, |frontier| end.wrapping_sub(frontier));
        let is_known = self.end.is_some_and(|frontier| (number.wrapping_sub(frontier) as i32) < 0);
        match self.end {
            // Less, counting around (RFC 9293, section 3.4).
            Some(frontier) if (further as i32) < 0 => {
                self.at_end = false;
                if data_len == 0 {
                    header[4..8].copy_from_slice(&frontier.to_be_bytes());
                }
            }
            _ => {
                self.end = Some(end);
                self.unsent = self.unsent.saturating_sub(further);
                self.at_end = true;
            }
        }
        if header[13] & RST != 0 {
            return Some(Incident::Reset);
        }
        (data_len > 0 && is_known).then_some(Incident::Again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An IPv4 header, a TCP header with this number and flags, and so much data.
    fn packet(number: u32, flags: u8, data_len: usize) -> Vec<u8> {
        let mut packet = vec![0; 40 + data_len];
        packet[0] = 0x45;
        packet[24..28].copy_from_slice(&number.to_be_bytes());
        packet[32] = 0x50;
        packet[33] = flags;
        packet
    }

    fn number(packet: &[u8]) -> u32 {
        u32::from_be_bytes([packet[24], packet[25], packet[26], packet[27]])
    }

    use std::{vec, vec::Vec};

    proptest! {
        #[test]
        fn an_acknowledgement_does_not_fall_back(start: u32, sent in 2_usize..2_000, back in 0_u32..2_000) {
            let mut frontier = Frontier::default();
            frontier.keep(&mut packet(start, SYN, 0));
            let first = start.wrapping_add(1);
            prop_assert_eq!(frontier.keep(&mut packet(first, 0x10, sent)), None);
            let end = first.wrapping_add(sent as u32);
            let mut retransmission = packet(first, 0x10, sent / 2);
            prop_assert_eq!(frontier.keep(&mut retransmission), Some(Incident::Again));
            prop_assert_eq!(number(&retransmission), first);
            let mut acknowledgement = packet(end.wrapping_sub(back), 0x10, 0);
            frontier.keep(&mut acknowledgement);
            prop_assert_eq!(number(&acknowledgement), end);
            prop_assert_eq!(frontier.is_all_sent(), back == 0);
            frontier.written(back as usize);
            frontier.keep(&mut packet(end, 0x10, back as usize));
            prop_assert!(frontier.is_all_sent());
            prop_assert_eq!(frontier.keep(&mut packet(end, RST, 0)), Some(Incident::Reset));
        }
    }
}
