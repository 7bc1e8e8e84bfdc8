//! What is done to segments themselves: cut off, kept back, cut into pieces.

use super::flow::Flow;
use super::{Course, FIN, LimitEnd, Made, SYN, Segment, Tamper, Tamperer};

impl Tamperer {
    /// Lets data pass up to so many bytes, and ends the connection of which there is more.
    pub(super) fn limit(
        &mut self,
        flow: &mut Flow,
        course: Course,
        segment: &Segment<'_>,
        (bytes, end): (u64, LimitEnd),
        origin: u32,
    ) -> bool {
        let (len, first) = (segment.data_len(), first_data(segment));
        let (at, passed) = *flow.ends[course].counted.get_or_insert((first, 0));
        if len == 0 {
            return true;
        }
        // How much has passed before it. What was sent before the first that was seen counts as nothing.
        let before = passed + i64::from(first.wrapping_sub(at).cast_signed());
        let room = i64::try_from(bytes).unwrap_or(i64::MAX).saturating_sub(before);
        if room >= len as i64 {
            if before + len as i64 > passed {
                flow.ends[course].counted = Some((first.wrapping_add(len as u32), before + len as i64));
            }
            return true;
        }
        if end == LimitEnd::Fin {
            flow.limit_at = Some((course, first.wrapping_add(room as u32)));
            self.feel(flow);
            return self.ends(flow, course, segment, origin);
        }
        let room = usize::try_from(room).unwrap_or(0);
        if room > 0 {
            let piece = segment.piece(0, room, Segment::LAST);
            self.made.push(Made { course, origin: Some(origin), bytes: piece });
            flow.passed(course, first.wrapping_add(room as u32));
        }
        self.reset(flow);
        false
    }

    /// Keeps the end of what is sent back, and lets what comes before it pass.
    pub(super) fn close_slowly(
        &mut self,
        now: u64,
        flow: &mut Flow,
        course: Course,
        segment: &Segment<'_>,
        (extra_ns, origin): (u64, u32),
    ) -> bool {
        if !segment.has(FIN) || flow.ends[course].closes_at.is_some_and(|closes_at| closes_at <= now) {
            return true;
        }
        let len = segment.data_len();
        if flow.ends[course].closes_at.is_none() {
            let closes_at = now.saturating_add(extra_ns);
            flow.ends[course].closes_at = Some(closes_at);
            self.feel(flow);
            self.send(now, closes_at, Made { course, origin: Some(origin), bytes: segment.piece(len, len, 0) });
        }
        if len > 0 {
            self.made.push(Made { course, origin: Some(origin), bytes: segment.piece(0, len, FIN) });
            flow.passed(course, segment.sequence().wrapping_add(len as u32));
        }
        false
    }

    /// Cuts a segment into pieces, and keeps the order of all that comes behind.
    pub(super) fn slice(
        &mut self,
        now: u64,
        flow: &mut Flow,
        course: Course,
        segment: &Segment<'_>,
        origin: u32,
    ) -> bool {
        let Tamper::Slice { bytes, variation, gap_ns } = self.what.how else { return true };
        let len = segment.data_len();
        let free_at = flow.ends[course].free_at;
        let is_short = len <= bytes as usize || segment.has(SYN);
        if is_short && free_at <= now {
            return true;
        }
        if free_at > now && flow.has_passed(course, segment) {
            // It is sent again, and lies here still: twice it need not.
            return false;
        }
        let (mut from, mut at) = (0, now.max(free_at));
        if !is_short {
            self.feel(flow);
        }
        loop {
            let to = if is_short { len } else { len.min(from + self.piece(bytes, variation)) };
            let without = if to < len { Segment::LAST } else { 0 };
            self.send(now, at, Made { course, origin: Some(origin), bytes: segment.piece(from, to, without) });
            from = to;
            if from == len {
                break;
            }
            at = at.saturating_add(gap_ns);
        }
        flow.ends[course].free_at = at;
        flow.passed(course, segment.next());
        false
    }
}

impl Tamperer {
    /// How long the next piece is.
    pub(super) fn piece(&mut self, bytes: u32, variation: u32) -> usize {
        let shortest = bytes.saturating_sub(variation);
        let more = self.stream.below(u64::from(variation) * 2 + 1);
        (u64::from(shortest) + more).max(1) as usize
    }
}

/// The number of the first byte of data that comes with a segment, or after it.
pub(super) fn first_data(segment: &Segment<'_>) -> u32 {
    segment.sequence().wrapping_add(u32::from(segment.has(SYN)))
}
