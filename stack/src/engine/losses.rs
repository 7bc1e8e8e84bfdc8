//! What the other side's acknowledgements tell of segments that it lacks.
//!
//! smoltcp counts an acknowledgement as a duplicate if it comes in a row with others, without data and without another
//! window, as RFC 5681 describes it for a sender that has nothing else to go by. Where data goes both ways, or where the other
//! side's window grows while it waits, there are hardly three of these, and each loss costs a timeout of a second. But
//! most of the others acknowledge selectively (RFC 2018): an acknowledgement that says what came behind a hole is a duplicate
//! whatever else it says (RFC 6675, section 2). And once one hole has been filled, an acknowledgement that ends before
//! what had been sent when the first was found tells of the next (RFC 6582, section 3.2).
//!
//! When this is sure of a hole, smoltcp is shown the acknowledgement [so often](SHOWN) that it is sure, too.

use smoltcp::wire::TcpPacket;

/// How many duplicates tell of a loss (RFC 5681, section 3.2).
const DUPLICATES: u8 = 3;

/// How often an acknowledgement is shown to smoltcp again for it to retransmit.
pub(crate) const SHOWN: u8 = DUPLICATES;

/// What is known of the holes of one connection's other side.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    /// The last number that was acknowledged; `None` before the first.
    acked: Option<u32>,
    /// What had been sent when the first hole was found: until that is acknowledged, holes are being filled.
    until: u32,
    /// How many told of a hole since something new was acknowledged.
    told: u8,
    filling: bool,
}

impl Losses {
    /// Takes note of a segment that came, where everything before `end` was sent. Whether the first of what it does not
    /// acknowledge is lost.
    #[inline]
    pub(crate) fn hear(&mut self, segment: &TcpPacket<&[u8]>, end: Option<u32>) -> bool {
        let is_bare =
            segment.ack() && segment.payload().is_empty() && !segment.syn() && !segment.fin() && !segment.rst();
        match end {
            Some(end) if is_bare => self.heard(segment.ack_number().0 as u32, end, || has_hole(segment)),
            _ => false,
        }
    }

    fn heard(&mut self, acked: u32, end: u32, has_hole: impl Fn() -> bool) -> bool {
        if self.acked.is_none_or(|last| is_before(last, acked)) {
            (self.acked, self.told) = (Some(acked), 0);
            self.filling &= is_before(acked, self.until);
        }
        if self.acked != Some(acked) || !is_before(acked, end) || !has_hole() {
            return false;
        }
        self.told = self.told.saturating_add(1);
        let enough = if self.filling { 1 } else { DUPLICATES };
        if self.told != enough {
            return false;
        }
        if !self.filling {
            (self.filling, self.until) = (true, end);
        }
        // It is told of once.
        self.told = DUPLICATES;
        true
    }
}

/// Whether a segment says that something came behind what it acknowledges.
#[cold]
fn has_hole(segment: &TcpPacket<&[u8]>) -> bool {
    segment.selective_ack_ranges().is_ok_and(|ranges| ranges.iter().any(Option::is_some))
}

/// Counting around (RFC 9293, section 3.4).
fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_that_tell_of_a_hole_are_enough_and_one_for_each_further_one() {
        let start = u32::MAX - 1_000;
        let at = |offset: u32| start.wrapping_add(offset);
        let mut losses = Losses { acked: Some(start), ..Losses::default() };
        let hole = || true;
        assert_eq!([1, 2, 3, 4].map(|_| losses.heard(at(500), at(9_000), hole)), [false, false, true, false]);
        assert_eq!([1, 2].map(|_| losses.heard(at(2_000), at(12_000), hole)), [true, false], "the next hole");
        assert!(!losses.heard(at(1_500), at(12_000), hole), "an old one says nothing");
        assert_eq!(
            [1, 2, 3].map(|_| losses.heard(at(9_000), at(12_000), hole)),
            [false, false, true],
            "all were filled"
        );
    }

    #[test]
    fn what_tells_of_no_hole_is_left_to_smoltcp() {
        let mut losses = Losses::default();
        let first = 3_000_000_000;
        assert_eq!([1, 2, 3, 4].map(|_| losses.heard(first, first + 900, || false)), [false; 4]);
        let all = first + 900;
        assert_eq!(
            [1, 2, 3, 4].map(|_| losses.heard(all, all, || true)),
            [false; 4],
            "everything has been acknowledged"
        );
    }
}
