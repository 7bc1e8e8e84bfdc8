//! Connections that end in order where they have come to their limit.
//!
//! To whom the data goes, it ends at the limit. What is lost on the way there its sender sends again: it is told nothing until the
//! end has been acknowledged, and what it sends across the limit is cut off there each time. From then on the middlebox speaks for
//! either end, as a proxy does that has closed its connections to both.

use super::flow::Flow;
use super::segment::{FIN, RST, Segment};
use super::way::first_data;
use super::{Course, Made, Tamperer};

impl Tamperer {
    /// Does to a segment what is done to those of a connection that has come to its limit. Returns whether it passes.
    pub(super) fn ends(&mut self, flow: &mut Flow, course: Course, segment: &Segment<'_>, origin: u32) -> bool {
        let Some((limited, at)) = flow.limit_at else { return true };
        let end = at.wrapping_add(1);
        if flow.is_over {
            self.speaks_for(flow, course, segment, (limited, end));
            return false;
        }
        if segment.has(RST) {
            return true;
        }
        if course == limited {
            return self.cut_off(flow, course, segment, (at, origin));
        }
        if segment.acknowledgment() != Some(end) {
            return true;
        }
        flow.is_over = true;
        // The one who sent more than passed is told that the other has closed it.
        self.made.extend(flow.close_to(limited, at).map(|bytes| Made { course: 1 - limited, origin: None, bytes }));
        self.speaks_for(flow, course, segment, (limited, end));
        false
    }

    /// Lets pass what comes before the limit, and ends it there.
    fn cut_off(&mut self, flow: &mut Flow, course: Course, segment: &Segment<'_>, (at, origin): (u32, u32)) -> bool {
        let before = i64::from(at.wrapping_sub(first_data(segment)).cast_signed());
        let bears_nothing = segment.data_len() == 0 && !segment.has(FIN);
        let (bytes, next) = match usize::try_from(before) {
            Ok(before) if before > segment.data_len() || bears_nothing => return true,
            Ok(before) => (segment.ending(before), at.wrapping_add(1)),
            // What it acknowledges it says from where it seems to be.
            Err(_) if bears_nothing => (segment.renumbered(at), at),
            Err(_) => return false,
        };
        self.made.push(Made { course, origin: Some(origin), bytes });
        flow.passed(course, next);
        false
    }

    /// Answers a segment in the name of whom it is for: that it is reset if it bears more data, and the sender's is not wanted; that
    /// its end was heard.
    fn speaks_for(&mut self, flow: &Flow, course: Course, segment: &Segment<'_>, (limited, end): (Course, u32)) {
        let closes = segment.has(FIN);
        let answer = match segment.data_len() > 0 || (closes && course == limited) {
            _ if segment.has(RST) => None,
            true => flow.answer_to(course),
            false if closes => flow.acknowledgment_to(course, end),
            false => None,
        };
        self.made.extend(answer.map(|bytes| Made { course: 1 - course, origin: None, bytes }));
    }
}
