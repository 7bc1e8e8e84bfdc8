//! The Internet checksum (RFC 1071), and how it changes with what it covers (RFC 1624).

/// The sum of big-endian 16-bit words, carries not yet folded in.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let words: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
    words + rest.first().map_or(0, |last| u64::from(*last) << 8)
}

/// The checksum of what was summed up.
pub(super) fn finish(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A checksum after `old` was replaced by `new`; both have the same even length.
pub(super) fn adjusted(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    let gone: u64 = old.as_chunks::<2>().0.iter().map(|word| u64::from(!u16::from_be_bytes(*word))).sum();
    finish(u64::from(!checksum) + gone + sum(new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adjusted_checksum_is_that_of_the_whole() {
        let mut bytes: Vec<u8> = (0..40_u32).map(|at| (at * 37 % 251) as u8).collect();
        let before = finish(sum(&bytes));
        let old = bytes[12..20].to_vec();
        bytes[12..20].copy_from_slice(&[0xff, 0xff, 0, 0, 1, 2, 0xfe, 0xdc]);
        assert_eq!(adjusted(before, &old, &bytes[12..20]), finish(sum(&bytes)));
        assert_eq!(finish(sum(&[0, 1, 0xf2])), !0xf201);
    }
}
