//! The Internet checksum (RFC 1071), four bytes at a time in whatever order the machine likes: the sum of
//! swapped bytes is the swapped sum.

/// The sum so far. Pieces may be added one after the other if all but the last have even lengths.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    #[inline]
    pub(crate) fn add(mut self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            self.0 += u64::from(u32::from_ne_bytes(*word));
        }
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        self.0 += u64::from(u32::from_ne_bytes(last));
        self
    }

    /// What TCP's and UDP's checksums cover beside themselves: `addresses` are the IP header's two.
    #[inline]
    pub(crate) fn pseudo_header(addresses: &[u8], protocol: u8, len: usize) -> Self {
        // Longer than 16 bits would be a jumbogram.
        let [high, low] = (len as u16).to_be_bytes();
        Self::default().add(addresses).add(&[0, protocol, high, low])
    }

    #[inline]
    fn fold(self) -> u16 {
        let mut sum = (self.0 >> 32) + (self.0 & 0xffff_ffff);
        sum = (sum >> 16) + (sum & 0xffff);
        sum = (sum >> 16) + (sum & 0xffff);
        ((sum >> 16) + (sum & 0xffff)) as u16
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
