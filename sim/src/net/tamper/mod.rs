//! Middleboxes that tamper with the TCP connections of a cable: what toxiproxy calls `reset_peer`, `limit_data`, `slow_close`,
//! `slicer` and `timeout`.
//!
//! There it is a proxy that ends every connection and opens another; here the connections stay whole, and somebody on the way
//! cuts their segments, keeps them, and forges resets that both ends take for the other's. So what is sent is acknowledged by
//! who it is for, and by nobody else. [`Tamperer`] is pure: it is shown frames and told the time, and says which frames to send
//! and when to call it. It looks at whole segments only: fragments, damaged frames and what a radio compressed pass.

mod end;
mod flow;
mod segment;
mod transit;
mod way;

use std::collections::BTreeMap;

use super::{CableId, Direction};
use crate::hw::Odds;
use crate::hw::ailment::decides;
use crate::random::Stream;

use flow::Flow;
use segment::{Endpoint, FIN, RST, SYN, Segment};

/// What is done to TCP connections on a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tampering {
    /// Only to those that have this port at one of their ends.
    pub port: Option<u16>,
    /// To how many of the connections that are seen.
    pub odds: Odds,
    /// Only to what goes this way. A reset goes both ways whatever this says.
    pub only: Option<Direction>,
    /// What.
    pub how: Tamper,
}

/// What can be done to a TCP connection by somebody on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tamper {
    /// Both ends are told that the other has reset it.
    Reset {
        /// So many nanoseconds after the first segment that is seen of it; 0 is instead of that.
        after_ns: u64,
    },
    /// It ends as soon as more data has come one way.
    Limit {
        /// Than so many bytes, which pass.
        bytes: u64,
        /// How.
        end: LimitEnd,
    },
    /// The end of what is sent (FIN) is kept back.
    SlowClose {
        /// For so many nanoseconds.
        extra_ns: u64,
    },
    /// Segments are cut into pieces.
    Slice {
        /// Of so many bytes.
        bytes: u32,
        /// So many more or fewer, evenly drawn.
        variation: u32,
        /// From one to the next, in nanoseconds.
        gap_ns: u64,
    },
    /// No data gets through, though the connection can be opened and what comes the other way is acknowledged.
    Stall {
        /// It is reset so many nanoseconds after the first data that did not.
        after_ns: Option<u64>,
    },
}

/// How a connection ends that has come to its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LimitEnd {
    /// As by a proxy that closes it: to whom the data goes it ends in order (FIN), and once that has been heard the sender is
    /// told that the other has closed it, too, and is reset if it sends more.
    #[default]
    Fin,
    /// Both ends are told that the other has reset it.
    Reset,
}

impl Tampering {
    /// The fault's name in one word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.how {
            Tamper::Reset { .. } => "tcp-reset",
            Tamper::Limit { .. } => "tcp-limit",
            Tamper::SlowClose { .. } => "tcp-slow-close",
            Tamper::Slice { .. } => "tcp-slice",
            Tamper::Stall { .. } => "tcp-stall",
        }
    }
}

/// How long a connection is known of which nothing comes: what a NAT keeps to, for one that is open, and for one that is not yet,
/// or no longer (RFC 5382, REQ-5).
const OPEN_NS: u64 = 124 * 60 * 1_000_000_000;
const TRANSITORY_NS: u64 = 4 * 60 * 1_000_000_000;

/// A connection by its virtual network, 0 if it bears no tag, and by its ends: the cable's first, and the other.
type Key = (u16, [Endpoint; 2]);

/// Which way something goes along the cable, as a place in an array: 0 from its first end.
type Course = usize;

/// A frame that a middlebox sends.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) course: Course,
    /// Who sent it; `None` if the middlebox made it up.
    pub(super) origin: Option<u32>,
    pub(super) bytes: Vec<u8>,
}

enum Due {
    Send(Made),
    /// Of the connection of this turn.
    Reset(Key, u64),
}

/// A middlebox at work.
pub(crate) struct Tamperer {
    pub(super) cable: CableId,
    what: Tampering,
    stream: Stream,
    flows: BTreeMap<Key, Flow>,
    /// The same by when they are forgotten, and by their turns.
    quiet: BTreeMap<(u64, u64), Key>,
    seen: u64,
    /// What it does later, by when and in which turn.
    due: BTreeMap<(u64, u64), Due>,
    turns: u64,
    called_at: Option<u64>,
    /// What it does now.
    pub(super) made: Vec<Made>,
    /// Connections that it has just done something to, by their turns.
    pub(super) felt: Vec<u64>,
    /// How often it has.
    pub(crate) hits: u64,
}

impl Tamperer {
    pub(crate) fn new(cable: CableId, what: Tampering, stream: Stream) -> Self {
        Self {
            cable,
            what,
            stream,
            flows: BTreeMap::new(),
            quiet: BTreeMap::new(),
            seen: 0,
            due: BTreeMap::new(),
            turns: 0,
            called_at: None,
            made: Vec::new(),
            felt: Vec::new(),
            hits: 0,
        }
    }

    /// Is shown a frame. Returns whether it goes on as it is.
    pub(super) fn lets_pass(&mut self, now: u64, course: Course, frame: &[u8], origin: u32) -> bool {
        let Some(segment) = Segment::of(frame) else { return true };
        let (source, destination) = (segment.source(), segment.destination());
        if self.what.port.is_some_and(|port| port != source.1 && port != destination.1) {
            return true;
        }
        let ends = if course == 0 { [source, destination] } else { [destination, source] };
        let key = (segment.vlan(), ends);
        let mut flow = self.flow(now, key, course, &segment);
        let passes = self.deals(now, (key, course), &mut flow, &segment, origin);
        if segment.has(RST) && passes {
            // The connection is over.
            return true;
        }
        self.know(now, key, flow);
        passes
    }

    fn know(&mut self, now: u64, key: Key, mut flow: Flow) {
        let quiet_ns = if flow.is_open() { OPEN_NS } else { TRANSITORY_NS };
        // What is to come it is known for, too.
        let more_ns = match self.what.how {
            Tamper::Reset { after_ns } | Tamper::Stall { after_ns: Some(after_ns) } => after_ns,
            _ => 0,
        };
        flow.known_until = now.saturating_add(quiet_ns).saturating_add(more_ns);
        self.quiet.insert((flow.known_until, flow.number), key);
        self.flows.insert(key, flow);
    }

    fn take(&mut self, key: Key) -> Option<Flow> {
        let flow = self.flows.remove(&key)?;
        self.quiet.remove(&(flow.known_until, flow.number));
        Some(flow)
    }

    /// Forgets connections of which nothing has come for long.
    fn forget(&mut self, now: u64) {
        while let Some(entry) = self.quiet.first_entry().filter(|entry| entry.key().0 <= now) {
            self.flows.remove(&entry.remove());
        }
    }

    /// What is known of a segment's connection; it is taken out.
    fn flow(&mut self, now: u64, key: Key, course: Course, segment: &Segment<'_>) -> Flow {
        let known = self.take(key).filter(|flow| !segment.opens() || flow.knows(course, segment));
        known.unwrap_or_else(|| {
            self.forget(now);
            self.seen += 1;
            let is_chosen = decides(self.what.odds, self.seen, &mut self.stream);
            if let (Tamper::Reset { after_ns: after_ns @ 1.. }, true) = (self.what.how, is_chosen) {
                self.later(now.saturating_add(after_ns), Due::Reset(key, self.seen));
            }
            Flow::new(self.seen, is_chosen)
        })
    }

    /// Does to a segment what is done to those of its connection. Returns whether it passes.
    fn deals(
        &mut self,
        now: u64,
        (key, course): (Key, Course),
        flow: &mut Flow,
        segment: &Segment<'_>,
        origin: u32,
    ) -> bool {
        flow.heard(course, segment);
        if !flow.is_chosen {
            return true;
        }
        if flow.limit_at.is_some() {
            return self.ends(flow, course, segment, origin);
        }
        if flow.is_over {
            let answer = (!segment.has(RST)).then(|| flow.answer_to(course)).flatten();
            self.made.extend(answer.map(|bytes| Made { course: 1 - course, origin: None, bytes }));
            return false;
        }
        let goes_this_way = self.what.only.is_none_or(|only| only as usize == course);
        let passes = match self.what.how {
            Tamper::Reset { after_ns: 0 } => {
                self.reset(flow);
                false
            }
            Tamper::Reset { .. } => true,
            _ if !goes_this_way => true,
            Tamper::Limit { bytes, end } => self.limit(flow, course, segment, (bytes, end), origin),
            Tamper::SlowClose { extra_ns } => self.close_slowly(now, flow, course, segment, (extra_ns, origin)),
            Tamper::Slice { .. } => self.slice(now, flow, course, segment, origin),
            Tamper::Stall { after_ns } => {
                let stalls = segment.data_len() > 0;
                if stalls {
                    self.feel(flow);
                }
                if let (true, false, Some(after_ns)) = (stalls, flow.is_doomed, after_ns) {
                    flow.is_doomed = true;
                    self.later(now.saturating_add(after_ns), Due::Reset(key, flow.number));
                }
                !stalls
            }
        };
        if passes {
            flow.passed(course, segment.next());
        }
        passes
    }

    fn feel(&mut self, flow: &Flow) {
        self.hits += 1;
        self.felt.push(flow.number);
    }

    fn later(&mut self, at: u64, due: Due) {
        self.turns += 1;
        self.due.insert((at, self.turns), due);
    }

    /// Sends a frame now, or then.
    fn send(&mut self, now: u64, at: u64, made: Made) {
        if at <= now { self.made.push(made) } else { self.later(at, Due::Send(made)) }
    }

    /// Tells both ends that the other has reset the connection.
    fn reset(&mut self, flow: &mut Flow) {
        self.feel(flow);
        self.tell_of_reset(flow);
    }

    fn tell_of_reset(&mut self, flow: &mut Flow) {
        flow.is_over = true;
        for end in 0..2 {
            // What is for the first end goes along the second course.
            self.made.extend(flow.reset_to(end).map(|bytes| Made { course: 1 - end, origin: None, bytes }));
        }
    }

    /// Does what is due by now.
    pub(super) fn call(&mut self, now: u64) {
        self.called_at = None;
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Due::Send(made) => self.made.push(made),
                Due::Reset(key, number) => {
                    let is_due = |flow: &Flow| flow.number == number && !flow.is_over;
                    if self.flows.get(&key).is_some_and(is_due)
                        && let Some(mut flow) = self.take(key)
                    {
                        self.reset(&mut flow);
                        self.know(now, key, flow);
                    }
                }
            }
        }
    }

    /// When to call it, if it has not said so already.
    pub(super) fn wants_call(&mut self) -> Option<u64> {
        let (&(at, _), _) = self.due.first_key_value()?;
        if self.called_at.is_some_and(|called_at| called_at <= at) {
            return None;
        }
        self.called_at = Some(at);
        Some(at)
    }

    /// It is taken away: what it kept back goes on.
    pub(super) fn leave(mut self) -> Vec<Made> {
        // Who has heard the end of what the other still sends cannot be left to it.
        for mut flow in std::mem::take(&mut self.flows).into_values() {
            if flow.limit_at.is_some() && !flow.is_over {
                self.tell_of_reset(&mut flow);
            }
        }
        let made = std::mem::take(&mut self.made);
        let kept = std::mem::take(&mut self.due).into_values();
        let kept = kept.filter_map(|due| if let Due::Send(made) = due { Some(made) } else { None });
        made.into_iter().chain(kept).collect()
    }
}

#[cfg(test)]
mod tests;
