//! The Internet checksum (RFC 1071), eight bytes at a time in whatever order the machine likes: the sum of
//! swapped bytes is the swapped sum, and what is carried out at the top comes in at the bottom.

/// The sum so far. Pieces may be added one after the other if all but the last have even lengths.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    #[inline]
    pub(crate) fn add(self, bytes: &[u8]) -> Self {
        let (blocks, rest) = bytes.as_chunks::<64>();
        // Two sums, so that neither is waited for.
        let (mut sum, mut other) = (self.0, 0);
        for block in blocks {
            let (words, _) = block.as_chunks::<8>();
            let word = |at: usize| u64::from_ne_bytes(words[at]);
            sum = four_words(sum, [word(0), word(1), word(2), word(3)]);
            other = four_words(other, [word(4), word(5), word(6), word(7)]);
        }
        let mut sum = u128::from(sum) + u128::from(other);
        let (words, mut rest) = rest.as_chunks::<8>();
        for word in words {
            sum += u128::from(u64::from_ne_bytes(*word));
        }
        if let Some((word, after)) = rest.split_first_chunk::<4>() {
            sum += u128::from(u32::from_ne_bytes(*word));
            rest = after;
        }
        if let Some((word, after)) = rest.split_first_chunk::<2>() {
            sum += u128::from(u16::from_ne_bytes(*word));
            rest = after;
        }
        if let [last] = *rest {
            sum += u128::from(u16::from_ne_bytes([last, 0]));
        }
        Self(end_around(sum as u64, (sum >> 64) as u64))
    }

    /// Adds 16-bit fields of a header.
    #[inline]
    pub(crate) fn words<const N: usize>(self, words: [u16; N]) -> Self {
        const { assert!(N < 65_536, "the sum of so many has 32 bits") };
        let sum: u32 = words.into_iter().map(u32::from).sum();
        self.four(sum.to_be_bytes())
    }

    /// Adds four bytes.
    #[inline]
    pub(crate) fn four(self, bytes: [u8; 4]) -> Self {
        Self(end_around(self.0, u32::from_ne_bytes(bytes).into()))
    }

    /// What TCP's and UDP's checksums cover beside themselves: `addresses` are the IP header's two.
    #[inline]
    pub(crate) fn pseudo_header(addresses: &[u8], protocol: u8, len: usize) -> Self {
        // Longer than 16 bits would be a jumbogram.
        Self::default().add(addresses).words([protocol.into(), len as u16])
    }

    #[inline]
    fn fold(self) -> u16 {
        let sum = end_around_u32((self.0 >> 32) as u32, self.0 as u32);
        let (sum, carry) = ((sum >> 16) as u16).overflowing_add(sum as u16);
        sum + u16::from(carry)
    }

    /// Whether what was summed, its checksum included, is whole.
    #[inline]
    pub(crate) fn is_whole(self) -> bool {
        self.fold() == 0xffff
    }

    /// The checksum of what was summed, as its two bytes on the wire.
    #[inline]
    pub(crate) fn bytes(self) -> [u8; 2] {
        (!self.fold()).to_ne_bytes()
    }
}

/// Adds four words, what is carried out at each going on to the next.
#[inline]
fn four_words(sum: u64, [a, b, c, d]: [u64; 4]) -> u64 {
    let (sum, carry) = sum.carrying_add(a, false);
    let (sum, carry) = sum.carrying_add(b, carry);
    let (sum, carry) = sum.carrying_add(c, carry);
    let (sum, carry) = sum.carrying_add(d, carry);
    // Nothing was carried in at first: so what something is carried out of is not the largest number.
    sum + u64::from(carry)
}

#[inline]
fn end_around(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u64::from(carry)
}

#[inline]
fn end_around_u32(a: u32, b: u32) -> u32 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u32::from(carry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smoltcp::wire::checksum;

    proptest! {
        #[test]
        fn sums_are_those_of_the_standard(
            first in proptest::collection::vec(any::<u16>(), 0..40),
            last in proptest::collection::vec(any::<u8>(), 0..1_600),
        ) {
            let first: std::vec::Vec<u8> = first.into_iter().flat_map(u16::to_be_bytes).collect();
            let sum = Sum::default().add(&first).add(&last);
            let all = [first, last].concat();
            prop_assert_eq!(u16::from_be_bytes(sum.bytes()), !checksum::data(&all));
        }
    }
}
