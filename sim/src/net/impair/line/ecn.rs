//! Explicit congestion notification in the headers of IPv4 and IPv6 (RFC 3168, section 5).

use crate::net::Frame;

/// Congestion experienced: both bits. The other marks say that the ends can make something of it, and 0 that they cannot.
const CE: u8 = 3;

impl Frame {
    /// Marks the packet in it as having met congestion, if its ends understand that. Returns whether they do.
    pub(in crate::net::impair) fn mark_congestion(&mut self) -> bool {
        let frame = self.bytes_mut();
        let marked = match frame.get(12..14) {
            Some([0x08, 0x00]) => frame.get_mut(14..34).is_some_and(mark_ipv4),
            Some([0x86, 0xDD]) => frame.get_mut(14..16).is_some_and(mark_ipv6),
            _ => false,
        };
        if marked {
            self.seal();
        }
        marked
    }
}

fn mark_ipv4(header: &mut [u8]) -> bool {
    let old = header[1];
    if header[0] >> 4 != 4 || old & CE == 0 {
        return false;
    }
    header[1] |= CE;
    // The checksum follows the change (RFC 1624, equation 3).
    let word = |low: u8| u32::from(u16::from_be_bytes([header[0], low]));
    let sum = u32::from(!u16::from_be_bytes([header[10], header[11]])) + (!word(old) & 0xFFFF) + word(header[1]);
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let folded = (folded & 0xFFFF) + (folded >> 16);
    header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    true
}

/// The traffic class lies across the first two bytes; its last two bits are bits 4 and 5 of the second.
fn mark_ipv6(header: &mut [u8]) -> bool {
    if header[0] >> 4 != 6 || header[1] >> 4 & CE == 0 {
        return false;
    }
    header[1] |= CE << 4;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(tos: u8) -> [u8; 20] {
        let mut header = [0x45, tos, 0, 20, 1, 2, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let folded = (sum & 0xFFFF) + (sum >> 16);
        header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
        header
    }

    #[test]
    fn a_mark_keeps_the_header_sound() {
        for tos in [1, 2, 3, 0xB9, 0xFE] {
            let mut marked = header(tos);
            assert!(mark_ipv4(&mut marked));
            assert_eq!(marked, header(tos | 3), "{tos:#x}");
        }
        let mut deaf = header(0xB8);
        assert!(!mark_ipv4(&mut deaf));
        assert_eq!(deaf, header(0xB8));
    }

    #[test]
    fn ipv6_too() {
        let mut ipv6 = [0x60, 0x20];
        assert!(mark_ipv6(&mut ipv6));
        assert_eq!(ipv6, [0x60, 0x30]);
        assert!(!mark_ipv6(&mut [0x60, 0x00]));
    }
}
