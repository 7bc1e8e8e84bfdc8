//! Losses that are made good before smoltcp's timer tells of them.
//!
//! smoltcp counts an acknowledgement as a duplicate if it comes in a row with others, without data and without another
//! window, as RFC 5681 describes it for a sender that has nothing else to go by. Where data goes both ways, or where the other
//! side's window grows while it waits, there are hardly three of these; where the last segment is lost, or what was sent
//! again, there are none. Each of these losses costs a timeout of a second. So this looks for more:
//!
//! - Most of the others acknowledge selectively (RFC 2018): an acknowledgement that says what came behind a hole is a
//!   duplicate whatever else it says (RFC 6675, section 2), and once one hole has been filled, one that ends before
//!   what had been sent when the first was found tells of the next (RFC 6582, section 3.2).
//! - If something came that was sent after a segment had been sent again, and the segment did not, then it was lost again
//!   (RFC 8985, section 6.2, counting as RFC 5681 does, for segments are not timed here).
//! - Whoever has said nothing for two round trips, though there is something to acknowledge, is asked how far it came
//!   (RFC 8985, section 7), and whoever has told of no window for as long. The question is no segment of what was sent last, as there: it is a byte that the other side has
//!   acknowledged, as in keep-alives (RFC 9293, section 3.8.4), which it has to answer at once by what it has. So where nothing was
//!   lost, and an acknowledgement just takes its time, no data is sent twice and no window is halved; and where something was,
//!   what is missing goes a round trip later. It takes no memory of what was sent when. A question may be lost, too, or what was
//!   sent again after its answer: so there is another one after twice the time, until a timeout is next.
//!
//! When this is sure of a loss, smoltcp is shown the acknowledgement so often that it is sure, too. It counts only what comes in a
//! row, and sends again once a row; so first it is shown another window, which ends a row. The end of a stream it never sends again
//! alone that way, nor anything once both sides have ended: there it is told that its timer's time has come.

use smoltcp::wire::TcpPacket;

use super::frontier::is_before;
use crate::time::{Instant, Span};

/// How many duplicates tell of a loss (RFC 5681, section 3.2).
const DUPLICATES: u8 = 3;

/// How long the other side may keep the acknowledgement of a single segment back: as long as most do at most
/// (RFC 8985, section 7.2).
const ACK_DELAY_MAX_US: u64 = 200_000;

/// How much longer than two round trips several segments are waited for, as clocks and timers are coarse.
const COARSE_US: u64 = 10_000;

/// By so many questions what is waited for them doubles at most. Long before, a timeout is next.
const ASKED_MAX: u8 = 16;

/// What is known of what one connection's other side lacks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    /// The last number that was acknowledged.
    acked: u32,
    /// What had been sent when the first hole was found: until that is acknowledged, holes are being filled.
    until: u32,
    /// What had been sent when the first segment that is not acknowledged was last sent again.
    again: u32,
    /// The round trip as it was on average (RFC 6298, section 2), in microseconds; zero before the first was measured.
    round_trip_us: u32,
    /// When what ends at `timed` was sent, in microseconds that go around.
    timed_at_us: u32,
    timed: u32,
    timing: bool,
    /// Whether anything was acknowledged.
    begun: bool,
    /// How many told of a hole since something new was acknowledged, or since it was filled last.
    told: u8,
    /// The first segment that is not acknowledged was sent again.
    resent: bool,
    filling: Filling,
    /// How often the other side was asked since something new was acknowledged.
    asked: u8,
    /// It has not answered since.
    awaits: bool,
    /// A timeout's time has come.
    hastens: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Filling {
    #[default]
    Nothing,
    /// Behind each hole is something that the other side has.
    Holes,
    /// Nothing came of what was sent last.
    Tail,
}

impl Losses {
    /// Takes note of a segment that came, where everything before `end` was sent. Whether the first of what it does not
    /// acknowledge is lost.
    #[inline]
    pub(super) fn hear(&mut self, segment: &TcpPacket<&[u8]>, end: Option<u32>, now: Instant) -> bool {
        let acked = segment.ack_number().0 as u32;
        match end {
            Some(end) if segment.ack() && !segment.rst() && !is_before(end, acked) => {
                let progress = self.progress(acked, now);
                acked != end && !segment.syn() && !segment.fin() && {
                    let came = segment.selective_ack_ranges().unwrap_or_default();
                    let answers = core::mem::take(&mut self.awaits) && segment.payload().is_empty();
                    self.heard(acked, end, (progress, answers), came)
                }
            }
            _ => false,
        }
    }

    /// Whether something new was acknowledged.
    #[inline]
    fn progress(&mut self, acked: u32, now: Instant) -> bool {
        if self.begun && !is_before(self.acked, acked) {
            return false;
        }
        (self.acked, self.begun) = (acked, true);
        (self.told, self.resent, self.asked, self.awaits) = (0, false, 0, false);
        if self.filling != Filling::Nothing && !is_before(acked, self.until) {
            self.filling = Filling::Nothing;
        }
        if self.timing && !is_before(acked, self.timed) {
            self.timing = false;
            let took = (now.as_micros() as u32).wrapping_sub(self.timed_at_us);
            self.round_trip_us = match self.round_trip_us {
                0 => took.max(1),
                average => average - average / 8 + took / 8,
            };
        }
        true
    }

    #[cold]
    fn heard(&mut self, acked: u32, end: u32, (progress, answers): (bool, bool), came: Ranges) -> bool {
        if acked != self.acked {
            return false;
        }
        let has_hole = is_beyond(acked, came);
        let is_sure = if progress && self.filling == Filling::Tail || answers {
            true
        } else {
            // What came twice, or was sent before the hole was filled, tells of nothing new.
            let tells = if self.resent { is_beyond(self.again, came) } else { has_hole };
            self.told += u8::from(tells);
            let enough = if self.filling != Filling::Nothing && !self.resent { 1 } else { DUPLICATES };
            tells && self.told >= enough
        };
        if is_sure {
            if self.filling == Filling::Nothing {
                self.until = end;
            }
            self.filling = if has_hole { Filling::Holes } else { Filling::Tail };
            (self.told, self.resent, self.again) = (0, true, end);
        }
        is_sure
    }

    /// What is lost is left to a timeout, but not its wait.
    pub(super) fn hasten(&mut self) {
        (self.hastens, self.filling) = (true, Filling::Nothing);
    }

    /// Whether the time of a timeout [has come](Losses::hasten).
    #[inline]
    pub(super) fn hastens(&self) -> bool {
        self.hastens
    }

    /// It has begun.
    #[inline]
    pub(super) fn hastened(&mut self) -> bool {
        core::mem::take(&mut self.hastens)
    }

    /// Something was sent: `further`, if it was never sent before, up to `end`.
    #[inline]
    pub(super) fn sent(&mut self, end: Option<u32>, further: bool, again: bool, now: Instant) {
        if again {
            // Which of the two will be answered, nobody knows (RFC 6298, section 3).
            self.timing = false;
            // By a timeout all is sent again, unasked.
            if !self.resent {
                self.filling = Filling::Nothing;
            }
        } else if further && !self.timing {
            self.timing = true;
            self.timed = end.unwrap_or_default();
            self.timed_at_us = now.as_micros() as u32;
        }
    }

    /// How long the other side may say nothing before it is [asked](Losses::ask), if everything before `end` was sent, in
    /// segments of so many bytes: the longer the more often it was. `has_unsent`: its window does not let something go.
    #[inline]
    pub(super) fn patience(&self, end: Option<u32>, has_unsent: impl FnOnce() -> bool, segment: usize) -> Option<Span> {
        let in_flight = end?.wrapping_sub(self.acked);
        if self.round_trip_us == 0 || (in_flight == 0 && !has_unsent()) {
            return None;
        }
        let round_trips_us = 2 * u64::from(self.round_trip_us);
        let longer_us = if in_flight as usize > segment { COARSE_US } else { ACK_DELAY_MAX_US };
        Some(Span::from_micros((round_trips_us + longer_us) << self.asked.min(ASKED_MAX)))
    }

    /// The other side is asked how far it came. Answers with the number of the byte that asks.
    pub(super) fn ask(&mut self) -> u32 {
        self.asked = (self.asked + 1).min(ASKED_MAX);
        self.awaits = true;
        self.acked.wrapping_sub(1)
    }
}

type Ranges = [Option<(u32, u32)>; 3];

/// Whether something that ends behind `number` came. What lies before what is acknowledged came twice, and tells of no loss
/// (RFC 2883).
fn is_beyond(number: u32, came: Ranges) -> bool {
    came.into_iter().flatten().any(|(_, to)| is_before(number, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u32 = u32::MAX - 1_000;
    const NONE: Ranges = [None; 3];

    fn at(offset: u32) -> u32 {
        START.wrapping_add(offset)
    }

    /// What came from one offset to another.
    fn came(from: u32, to: u32) -> Ranges {
        [Some((at(from), at(to))), None, None]
    }

    /// Hears that so much is acknowledged, and what came beyond, where so much was sent.
    fn hears(losses: &mut Losses, acked: u32, end: u32, came: Ranges) -> bool {
        let progress = losses.progress(at(acked), Instant::ZERO);
        let answers = core::mem::take(&mut losses.awaits);
        losses.heard(at(acked), at(end), (progress, answers), came)
    }

    fn begun() -> Losses {
        Losses { acked: START, begun: true, ..Losses::default() }
    }

    #[test]
    fn three_that_tell_of_a_hole_are_enough_and_one_for_each_further_one() {
        let mut losses = begun();
        let hole = came(4_000, 5_000);
        assert_eq!([1, 2, 3, 4].map(|_| hears(&mut losses, 500, 9_000, hole)), [false, false, true, false]);
        assert_eq!([1, 2].map(|_| hears(&mut losses, 2_000, 12_000, hole)), [true, false], "the next hole");
        assert!(!hears(&mut losses, 1_500, 12_000, hole), "an old one says nothing");
        let hole = came(10_000, 11_000);
        assert_eq!([1, 2, 3].map(|_| hears(&mut losses, 9_000, 12_000, hole)), [false, false, true], "all were filled");
    }

    #[test]
    fn three_that_came_of_what_was_sent_later_tell_that_it_was_lost_again() {
        let mut losses = begun();
        assert_eq!([1, 2, 3].map(|_| hears(&mut losses, 500, 9_000, came(1_000, 5_000))), [false, false, true]);
        let before = [6_000, 7_000, 8_000, 9_000].map(|to| hears(&mut losses, 500, 12_000, came(1_000, to)));
        assert_eq!(before, [false; 4], "sent before it was sent again");
        let after = [10_000, 11_000, 12_000].map(|to| hears(&mut losses, 500, 12_000, came(1_000, to)));
        assert_eq!(after, [false, false, true]);
        assert_eq!([1, 2, 3].map(|_| hears(&mut losses, 500, 12_000, came(1_000, 12_000))), [false; 3]);
    }

    #[test]
    fn an_answer_that_acknowledges_nothing_tells_that_the_end_is_lost() {
        let mut losses = begun();
        assert_eq!([1, 2, 3].map(|_| hears(&mut losses, 500, 3_000, NONE)), [false; 3], "nobody asked");
        assert_eq!(losses.ask(), at(499));
        assert_eq!([1, 2].map(|_| hears(&mut losses, 500, 3_000, NONE)), [true, false], "once");
        assert!(hears(&mut losses, 1_500, 3_500, NONE), "what was sent before the question is lost, too");
        assert!(!hears(&mut losses, 3_000, 3_500, NONE), "what was sent after it may be on its way");
        losses.ask();
        assert!(!hears(&mut losses, 3_200, 3_500, NONE), "it came");
    }

    #[test]
    fn what_came_twice_is_no_hole() {
        assert!(is_beyond(100, [Some((200, 300)), None, None]));
        assert!(!is_beyond(100, NONE));
        assert!(!is_beyond(100, [Some((40, 90)), None, None]), "it was acknowledged before");
        assert!(is_beyond(100, [Some((40, 90)), Some((200, 300)), None]), "both");
        assert!(is_beyond(u32::MAX - 5, [Some((10, 20)), None, None]), "counting around");
    }

    #[test]
    fn patience_is_two_round_trips_as_they_are_on_average() {
        let mut losses = begun();
        let ms = Instant::from_millis;
        let patience = |losses: &Losses, end| {
            let patience = losses.patience(Some(at(end)), || false, 1_000)?;
            Some((Instant::ZERO + patience).as_millis())
        };
        assert_eq!(patience(&losses, 5_000), None, "no round trip was measured");
        losses.sent(Some(at(1_000)), true, false, ms(0));
        losses.sent(Some(at(2_000)), true, false, ms(50));
        losses.progress(at(1_000), ms(80));
        assert_eq!([1_100, 2_500].map(|end| patience(&losses, end)), [Some(360), Some(170)], "one segment, several");
        losses.sent(Some(at(3_000)), true, false, ms(100));
        losses.progress(at(3_000), ms(260));
        assert_eq!(patience(&losses, 5_000), Some(2 * (70 + 20) + 10));
        losses.sent(Some(at(5_000)), true, false, ms(300));
        losses.sent(Some(at(5_000)), false, true, ms(1_300));
        losses.progress(at(5_000), ms(1_301));
        assert_eq!(patience(&losses, 6_000), Some(380), "what was sent twice measures nothing");
        losses.ask();
        assert_eq!(patience(&losses, 6_000), Some(760), "it was asked once");
        losses.progress(at(5_001), ms(1_400));
        assert_eq!(patience(&losses, 6_000), Some(380), "it answered");
    }
}
