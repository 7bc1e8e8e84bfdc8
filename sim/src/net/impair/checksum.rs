//! What an interface with checksum offload sees of a damaged frame: the checksums of IPv4, TCP, UDP, ICMP and ICMPv6.
//!
//! Interfaces say that received checksums need no second look (`Nic`'s capabilities), since only links damage frames
//! and these are looked at here. What no checksum covers goes through as it does on a real wire without a check
//! sequence: addresses of Ethernet, ARP, UDP over IPv4 without a checksum.

/// Whether no checksum of the frame tells that it is damaged.
pub(crate) fn is_sound(frame: &[u8]) -> bool {
    let (Some(kind), Some(packet)) = (frame.get(12..14), frame.get(14..)) else { return true };
    match kind {
        // Behind a tag (IEEE 802.1Q) stands the EtherType proper.
        [0x81, 0x00] if frame.len() > 18 => is_sound(&frame[4..]),
        [0x08, 0x00] => ipv4(packet),
        [0x86, 0xDD] => ipv6(packet),
        _ => true,
    }
}

/// The Internet checksum's sum over `bytes`, to be folded (RFC 1071).
pub(in crate::net) fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0)));
    words.sum()
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}

fn is_whole(sum: u64) -> bool {
    folded(sum) == 0xFFFF
}

/// The checksum of what comes to that sum without it.
pub(in crate::net) fn complement(sum: u64) -> [u8; 2] {
    (!folded(sum)).to_be_bytes()
}

fn ipv4(packet: &[u8]) -> bool {
    let Some(&[first, _, high, low, ..]) = packet.first_chunk::<20>() else { return true };
    let header = usize::from(first & 0x0F) * 4;
    let total = usize::from(high) << 8 | usize::from(low);
    // What is malformed is for the stack to refuse.
    if first >> 4 != 4 || header < 20 || packet.len() < header {
        return true;
    }
    if !is_whole(sum(&packet[..header])) {
        return false;
    }
    if packet.len() < total || total < header {
        return true;
    }
    let is_fragment = packet[6] & 0x3F != 0 || packet[7] != 0;
    let payload = &packet[header..total];
    let pseudo = sum(&packet[12..20]) + u64::from(packet[9]) + payload.len() as u64;
    // A part of a datagram cannot be checked; the whole would be refused.
    !is_fragment && upper(packet[9], payload, pseudo, true)
}

fn ipv6(packet: &[u8]) -> bool {
    const FRAGMENT: u8 = 44;
    let Some(header) = packet.first_chunk::<40>() else { return true };
    let length = usize::from(header[4]) << 8 | usize::from(header[5]);
    if header[0] >> 4 != 6 || packet.len() < 40 + length {
        return true;
    }
    let payload = &packet[40..40 + length];
    let next = header[6];
    let pseudo = sum(&header[8..40]) + length as u64 + u64::from(next);
    next != FRAGMENT && upper(next, payload, pseudo, false)
}

/// `pseudo` is the sum of the pseudo-header.
fn upper(protocol: u8, payload: &[u8], pseudo: u64, zero_is_none: bool) -> bool {
    const ICMP: u8 = 1;
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    const ICMPV6: u8 = 58;
    match protocol {
        ICMP => is_whole(sum(payload)),
        TCP | ICMPV6 => is_whole(pseudo + sum(payload)),
        UDP => {
            let none = zero_is_none && payload.get(6..8) == Some(&[0, 0]);
            none || is_whole(pseudo + sum(payload))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame with a UDP datagram over IPv4, made by hand: 10.0.0.1:1000 to 10.0.0.2:2000, "tank".
    fn datagram() -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
        let mut ip = [0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let mut udp = [0x03, 0xE8, 0x07, 0xD0, 0, 12, 0, 0, b't', b'a', b'n', b'k'];
        let header = complement(sum(&ip));
        ip[10..12].copy_from_slice(&header);
        let whole = complement(sum(&ip[12..20]) + 17 + 12 + sum(&udp));
        udp[6..8].copy_from_slice(&whole);
        frame.extend(ip);
        frame.extend(udp);
        frame
    }

    #[test]
    fn a_sound_frame_is_sound_and_every_single_flip_in_its_datagram_is_seen() {
        let frame = datagram();
        assert!(is_sound(&frame));
        for bit in 14 * 8..frame.len() * 8 {
            let mut damaged = frame.clone();
            damaged[bit / 8] ^= 0x80 >> (bit % 8);
            // Version, header length and total length make the packet malformed, which the stack refuses; the
            // protocol may become one without a checksum, but then the header's own is wrong.
            let malformed = (14 * 8..15 * 8).contains(&bit);
            assert!(malformed || !is_sound(&damaged), "bit {bit}");
        }
    }

    #[test]
    fn what_has_no_checksum_goes_through() {
        let mut frame = datagram();
        frame[12..14].copy_from_slice(&[0x08, 0x06]);
        frame[30] ^= 1;
        assert!(is_sound(&frame), "ARP has none");
        let mut frame = datagram();
        frame[40..42].copy_from_slice(&[0, 0]);
        *frame.last_mut().expect("not empty") ^= 1;
        assert!(is_sound(&frame), "UDP over IPv4 without one");
        assert!(is_sound(&datagram()[..9]), "too short for anything");
    }
}
