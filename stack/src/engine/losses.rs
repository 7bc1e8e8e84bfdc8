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
            Some(end) if is_bare => {
                let acked = segment.ack_number().0 as u32;
                self.heard(acked, end, || {
                    segment.selective_ack_ranges().is_ok_and(|ranges| is_behind_hole(acked, ranges))
                })
            }
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

/// Whether something came behind what is acknowledged. What lies before it came twice, and tells of no loss (RFC 2883).
fn is_behind_hole(acked: u32, came: [Option<(u32, u32)>; 3]) -> bool {
    came.into_iter().flatten().any(|(from, _)| is_before(acked, from))
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
    fn what_came_twice_is_no_hole() {
        let acked = 100_u32;
        assert!(is_behind_hole(acked, [Some((200, 300)), None, None]));
        assert!(!is_behind_hole(acked, [None; 3]));
        assert!(!is_behind_hole(acked, [Some((40, 90)), None, None]), "it was acknowledged before");
        assert!(is_behind_hole(acked, [Some((40, 90)), Some((200, 300)), None]), "both");
        assert!(is_behind_hole(u32::MAX - 5, [Some((10, 20)), None, None]), "counting around");
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
