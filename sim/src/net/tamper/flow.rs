//! What a middlebox knows of one connection.

use super::Course;
use super::segment::{FIN, Head, Segment};

/// A connection.
pub(super) struct Flow {
    /// Which of those that were seen.
    pub(super) number: u64,
    /// Whether anything is done to it.
    pub(super) is_chosen: bool,
    /// Whether both ends were told that it is reset.
    pub(super) is_over: bool,
    /// Whether it will be.
    pub(super) is_doomed: bool,
    /// Along which course it came to its limit, and the sequence number at which what passes of that ends.
    pub(super) limit_at: Option<(Course, u32)>,
    /// When it is forgotten if nothing more comes of it.
    pub(super) known_until: u64,
    pub(super) ends: [End; 2],
}

/// One of its ends, as what it sends along its course tells.
#[derive(Default)]
pub(super) struct End {
    /// The headers of its latest segment.
    head: Option<Head>,
    /// The sequence number with which it asked for the connection.
    opened: Option<u32>,
    /// The highest sequence number that it has come to, and what of it was let pass.
    sent: Option<u32>,
    passed: Option<u32>,
    /// What it expects next, as it said last.
    expects: Option<u32>,
    /// The first of its data that has not passed where that is counted, and how many bytes came before it.
    pub(super) counted: Option<(u32, i64)>,
    /// Whether it has said that it sends no more.
    has_closed: bool,
    /// Until when the end of its data is kept back.
    pub(super) closes_at: Option<u64>,
    /// When the last of what is kept back goes on.
    pub(super) free_at: u64,
}

/// The one of two sequence numbers that is behind the other.
fn later(one: Option<u32>, other: u32) -> u32 {
    one.filter(|one| one.wrapping_sub(other).cast_signed() > 0).unwrap_or(other)
}

impl Flow {
    pub(super) fn new(number: u64, is_chosen: bool) -> Self {
        Self {
            number,
            is_chosen,
            is_over: false,
            is_doomed: false,
            limit_at: None,
            known_until: 0,
            ends: Default::default(),
        }
    }

    /// Whether both ends have spoken, and neither has closed it.
    pub(super) fn is_open(&self) -> bool {
        !self.is_over && self.ends.iter().all(|end| end.head.is_some() && !end.has_closed)
    }

    /// Whether a segment that asks for a connection asks for this one, and not for another between the same ends.
    pub(super) fn knows(&self, course: Course, opening: &Segment<'_>) -> bool {
        self.ends[course].opened == Some(opening.sequence())
    }

    /// An end has sent a segment.
    pub(super) fn heard(&mut self, course: Course, segment: &Segment<'_>) {
        let end = &mut self.ends[course];
        end.head = Some(segment.head());
        end.has_closed |= segment.has(FIN);
        if segment.opens() {
            end.opened = Some(segment.sequence());
        } else {
            // Whatever came before the first that is seen has passed.
            end.passed.get_or_insert(segment.sequence());
        }
        end.sent = Some(later(end.sent, segment.next()));
        end.expects = segment.acknowledgment().or(end.expects);
    }

    /// What an end has sent was let pass, up to there.
    pub(super) fn passed(&mut self, course: Course, next: u32) {
        let end = &mut self.ends[course];
        end.passed = Some(later(end.passed, next));
    }

    /// Whether all that a segment bears, if that is anything, was let pass.
    pub(super) fn has_passed(&self, course: Course, segment: &Segment<'_>) -> bool {
        let next = segment.next();
        next != segment.sequence() && self.ends[course].passed.is_some_and(|passed| later(Some(passed), next) == passed)
    }

    /// A reset for one of the ends, which takes one only with the sequence number that it expects (RFC 5961, section 3.2), or,
    /// where it has asked for a connection and heard nothing yet, with an acknowledgment of that (RFC 9293, section 3.10.7.3).
    ///
    /// What was let pass is under way to it, and comes first.
    pub(super) fn reset_to(&self, end: usize) -> Option<Vec<u8>> {
        let (own, other) = (&self.ends[end], &self.ends[1 - end]);
        match (&own.head, &other.head) {
            (Some(head), _) => Some(match own.expects {
                Some(expects) => head.turned().reset(later(other.passed, expects), None),
                None => head.turned().reset(0, own.sent),
            }),
            (None, Some(head)) => other.passed.map(|passed| head.reset(passed, other.expects)),
            (None, None) => None,
        }
    }

    /// The same in answer to what one of them sent, by which it says what it expects, whatever is under way.
    pub(super) fn answer_to(&self, end: usize) -> Option<Vec<u8>> {
        let End { head, expects, sent, .. } = &self.ends[end];
        let head = head.as_ref()?.turned();
        Some(expects.map_or_else(|| head.reset(0, *sent), |expects| head.reset(expects, None)))
    }

    /// The word to one of them that the other sends no more, and has had all that came before that sequence number.
    pub(super) fn close_to(&self, end: usize, acknowledgment: u32) -> Option<Vec<u8>> {
        let (head, expects) = (self.ends[1 - end].head.as_ref()?, self.ends[end].expects?);
        Some(head.says(expects, acknowledgment, FIN))
    }

    /// The word to one of them that all of its data was had, and its end.
    pub(super) fn acknowledgment_to(&self, end: usize, sequence: u32) -> Option<Vec<u8>> {
        let End { head, sent, .. } = &self.ends[end];
        Some(head.as_ref()?.turned().says(sequence, (*sent)?, 0))
    }
}
