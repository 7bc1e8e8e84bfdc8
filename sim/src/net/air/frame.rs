//! What a radio reads of a frame: whom it is for, and whether it is to be acknowledged (IEEE 802.15.4-2006, clause 7.2).

/// Whom a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    Everyone,
    /// An EUI-64, read as a number, its first octet first.
    One(u64),
    /// Nobody's radio would take it in.
    Nobody,
}

/// How long an acknowledgement is, without its check sequence (clause 7.2.2.3).
pub(super) const ACK_OCTETS: usize = 3;

/// Whom a frame is for, and whether it asks to be acknowledged.
pub(super) fn destination(frame: &[u8]) -> (To, bool) {
    let (Some(&low), Some(&high)) = (frame.first(), frame.get(1)) else { return (To::Nobody, false) };
    let asks = low & 1 << 5 != 0;
    // Control 2, sequence 1, network 2; then the address, its last octet first.
    match high >> 2 & 3 {
        2 => match frame.get(5..7) {
            Some([0xff, 0xff]) => (To::Everyone, false),
            _ => (To::Nobody, asks),
        },
        3 => {
            let eui = frame.get(5..13).map(|eui| eui.iter().rev().fold(0, |eui, octet| eui << 8 | u64::from(*octet)));
            (eui.map_or(To::Nobody, To::One), asks)
        }
        _ => (To::Nobody, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radios_know_whom_a_frame_is_for() {
        let mut unicast = vec![0x61, 0xdc, 7, 0xef, 0xbe];
        unicast.extend([8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(destination(&unicast), (To::One(0x0102_0304_0506_0708), true));
        assert_eq!(destination(&[0x41, 0xd8, 7, 0xef, 0xbe, 0xff, 0xff]), (To::Everyone, false));
        assert_eq!(destination(&[0x61, 0xd8, 7, 0xef, 0xbe, 1, 0]), (To::Nobody, true));
        assert_eq!(destination(&[0x61]), (To::Nobody, false));
        assert_eq!(destination(&unicast[..9]), (To::Nobody, true));
    }
}
