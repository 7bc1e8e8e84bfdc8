//! What is to be sent, one piece of work at a time.

use embassy_net_driver::TxToken;
use smoltcp::{iface::PollResult, socket::tcp::State};

#[cfg(feature = "recovery")]
use super::Incident;
use super::{
    Core, Tables,
    connection::{Hop, RETRANSMISSION_MIN, Role},
    instant,
    local::NextHop,
    neighbours::{Answer, Lease},
    packet::{Mac, ethertype},
    port::{Header, OneShot, Port},
    resolution::Frame,
    smol_time,
};
use crate::{
    ip::IpAddr,
    stats::Reason,
    tcp::Error,
    time::{Duration, Instant, Span},
};

/// How long a connection that cannot send, for want of a route or a neighbour, waits before it tries again.
const RETRY: Span = Span::of(Duration::from_secs(1));
/// When to look again after a connection that was due had nothing to send after all.
const STALLED: Span = Span::of(Duration::from_millis(1));

/// What a piece of work came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Egress {
    /// There may be more.
    Done,
    /// The driver has no room now; the work is left to do.
    Blocked,
    /// There is nothing to do.
    Idle,
}

/// Where a packet can go.
pub(super) enum Way {
    To(Header, Option<Lease>),
    /// Nowhere before this neighbour answers.
    Waits(u32),
    /// Nowhere now.
    None(Reason),
}

impl Core<'_> {
    /// Whether there is nothing to send.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        let Tables { neighbours, connections, udp, .. } = &self.tables;
        neighbours.attention().is_none() && connections.dirty().is_none() && udp.dirty().is_none() && !self.has_news()
    }

    /// Whether something is to be sent for a claim or about groups.
    #[cfg(any(feature = "claim", feature = "multicast"))]
    #[inline]
    fn has_news(&self) -> bool {
        self.surroundings.busy
    }

    #[cfg(not(any(feature = "claim", feature = "multicast")))]
    #[expect(clippy::unused_self, reason = "with the feature `claim` or `multicast` it looks")]
    fn has_news(&self) -> bool {
        false
    }

    /// Does the next piece of work: a question for a neighbour and what waited for it, all that one
    /// connection has to send, a datagram.
    #[inline]
    pub(crate) fn egress(&mut self, port: &mut impl Port, now: Instant) -> Egress {
        if let Some(neighbour) = self.tables.neighbours.attention() {
            return self.attend(neighbour, port);
        }
        if let Some(connection) = self.tables.connections.dirty() {
            return self.send_segments(connection, port, now);
        }
        if let Some(socket) = self.tables.udp.dirty() {
            return self.send_datagram(socket, port, now);
        }
        #[cfg(any(feature = "claim", feature = "multicast"))]
        if self.has_news() {
            return self.send_news(port);
        }
        Egress::Idle
    }

    /// Does what has become due.
    #[inline]
    pub(crate) fn expire(&mut self, now: Instant) {
        self.tables.connections.expire(now);
        while let Some(silent) = self.tables.neighbours.pop_silent(now) {
            self.give_up(silent);
        }
    }

    /// Where packets to `to` go now.
    #[inline]
    pub(super) fn way(&mut self, to: IpAddr, from: IpAddr, heard: Option<Instant>, now: Instant) -> Way {
        let header = |own: Option<Mac>, mac, lease| Way::To(Header::new(own, mac, ethertype(to)), lease);
        match self.local.next_hop(to) {
            NextHop::Direct(mac) => header(self.local.mac, mac, None),
            NextHop::NoRoute => Way::None(Reason::NoRoute),
            NextHop::Neighbour(next) => match self.tables.neighbours.resolve(next, from, heard, now) {
                Answer::Known(mac, lease) => header(self.local.mac, mac, Some(lease)),
                Answer::Asked(neighbour) => Way::Waits(neighbour),
                Answer::Silent => Way::None(Reason::NeighbourSilent),
                Answer::Full => Way::None(Reason::NeighbourQueueFull),
            },
        }
    }

    /// Sends all that a connection has to send now.
    #[inline(never)]
    fn send_segments(&mut self, at: u32, port: &mut impl Port, now: Instant) -> Egress {
        // Where nothing is in flight, no timer runs that was set before.
        let was_quiet = self.tables.connections.slots[at as usize].is_quiet();
        if was_quiet {
            self.tables.connections.renew(at);
        }
        self.keep_time(at, now);
        self.stop_waiting(at);
        let time = smol_time(now);
        let slot = &mut self.tables.connections.slots[at as usize];
        // What was just written need not be looked for.
        let mut due_for_sure = core::mem::take(&mut slot.eager);
        #[cfg(feature = "recovery")]
        {
            due_for_sure |= slot.losses.hastens();
        }
        let leased = slot.hop.filter(|hop| self.tables.neighbours.is_current(hop.lease, now));
        let mut header = leased.map(|hop| hop.header);
        let mut tried = false;
        let mut stalled = false;
        // The connection is marked by then at the latest.
        let mut marked = Instant::MAX;
        loop {
            let connections = &mut self.tables.connections;
            let slot = &connections.slots[at as usize];
            let mut asks = false;
            if !core::mem::take(&mut due_for_sure) {
                let asks_at = slot.asks_at(tried.then_some(now), self.caps.max_transmission_unit);
                if tried && slot.is_spent() {
                    let is_quiet = slot.is_quiet();
                    let soonest = if is_quiet { asks_at } else { asks_at.min(now + RETRANSMISSION_MIN) };
                    if was_quiet {
                        connections.mark_at(at, soonest);
                    }
                    if was_quiet || connections.is_marked_by(at, soonest) {
                        marked = soonest;
                        break;
                    }
                }
                let slot = &connections.slots[at as usize];
                let due = self.iface.poll_at(time, &slot.set).map_or(Instant::MAX, instant);
                if due > now {
                    asks = asks_at <= now;
                    if !asks {
                        marked = due.min(asks_at);
                        if marked < Instant::MAX {
                            connections.mark_at(at, marked);
                        }
                        break;
                    }
                }
            }
            let way = match header {
                Some(header) => header,
                None => {
                    let slot = &self.tables.connections.slots[at as usize];
                    let (to, from, heard) = (slot.flow.remote().ip(), slot.flow.local().ip(), slot.heard);
                    match self.way(to, from, Some(heard), now) {
                        Way::To(found, lease) => {
                            let slot = &mut self.tables.connections.slots[at as usize];
                            slot.hop = lease.map(|lease| Hop { header: found, lease });
                            *header.insert(found)
                        }
                        Way::Waits(neighbour) => {
                            self.wait_for(at, neighbour);
                            tried = true;
                            break;
                        }
                        Way::None(reason) => {
                            self.no_way(at, reason, now);
                            tried = true;
                            break;
                        }
                    }
                }
            };
            let Some(room) = port.room() else {
                return Egress::Blocked;
            };
            let slot = &mut self.tables.connections.slots[at as usize];
            debug_assert!(cfg!(feature = "recovery") || !asks);
            #[cfg(feature = "recovery")]
            if asks {
                slot.ask(way, room, self.compute);
                self.stats.sent_one(true, Some(Incident::Again));
                tried = true;
                continue;
            }
            #[cfg(feature = "recovery")]
            let end = slot.frontier.end();
            #[cfg(feature = "recovery")]
            let time = match slot.losses.hastened() {
                true => self.iface.poll_at(time, &slot.set).map_or(time, |due| due.max(time)),
                false => time,
            };
            let mut device = OneShot::sending(way, room, (&self.caps, self.compute)).of(Some(&mut slot.frontier));
            let polled = self.iface.poll_egress(time, &mut device, &mut slot.set);
            #[cfg(feature = "recovery")]
            let again = device.incident == Some(Incident::Again);
            self.stats.sent_one(device.sent, device.incident);
            tried |= device.sent;
            #[cfg(feature = "recovery")]
            slot.losses.sent(slot.frontier.end(), slot.frontier.end() != end, again, now);
            // Due without a segment: once that is a change of state, twice it would go on for ever.
            if polled == PollResult::None && core::mem::replace(&mut stalled, true) {
                self.tables.connections.mark_at(at, now + STALLED);
                break;
            }
        }
        if tried {
            self.owe(at, now, marked);
        }
        self.tables.connections.clean(at);
        let slot = &self.tables.connections.slots[at as usize];
        // Nobody waits for segments to be sent, only for what they bring about.
        if slot.role != Role::Held || slot.socket().state() != State::Established {
            self.settle(at);
        }
        Egress::Done
    }

    /// Ends what has lasted too long.
    #[inline]
    fn keep_time(&mut self, at: u32, now: Instant) {
        let linger = self.linger;
        let connections = &mut self.tables.connections;
        let slot = &mut connections.slots[at as usize];
        if let Some(since) = slot.owed_since() {
            let until = slot.owed_until(since);
            if !slot.is_owed() {
                slot.owes_nothing();
            } else if until <= now {
                self.stats.note(|stats| &mut stats.timeouts);
                slot.error = Some(Error::TimedOut);
                slot.socket_mut().abort();
            } else if until < Instant::MAX {
                connections.mark_at(at, until);
            }
        }
        let slot = &mut connections.slots[at as usize];
        if slot.role == Role::Orphan && slot.socket().state() != State::TimeWait {
            let until = *slot.linger_until.get_or_insert(now + linger);
            if until <= now {
                slot.socket_mut().abort();
            } else {
                connections.mark_at(at, until);
            }
        }
    }

    /// Something was sent, or should have been: from now on an answer may be due. The connection is marked by `marked` at the
    /// latest.
    #[inline]
    fn owe(&mut self, at: u32, now: Instant, marked: Instant) {
        let slot = &mut self.tables.connections.slots[at as usize];
        if slot.owed_since().is_none() && slot.is_owed() {
            slot.owes_since(now);
            let until = slot.owed_until(now);
            if until < marked {
                self.tables.connections.mark_at(at, until);
            }
        }
    }

    fn wait_for(&mut self, at: u32, neighbour: u32) {
        let slots = &mut self.tables.connections.slots;
        slots[at as usize].waiting_for = neighbour;
        let neighbour = &mut self.tables.neighbours.entries[neighbour as usize];
        neighbour.connections.push_back(slots, |slot| &mut slot.waiting, at);
    }

    /// A connection has something to send and no way to send it.
    #[cold]
    fn no_way(&mut self, at: u32, reason: Reason, now: Instant) {
        let connections = &mut self.tables.connections;
        let slot = &mut connections.slots[at as usize];
        let opening = slot.is_opening() && reason != Reason::NeighbourQueueFull;
        if opening {
            slot.error = Some(match reason {
                Reason::NoRoute => Error::NoRoute,
                _ => Error::Unreachable,
            });
        }
        if opening || slot.socket().state() == State::Closed {
            // What cannot be opened, or broken off, is forgotten.
            slot.wipe();
        } else {
            connections.mark_at(at, now + RETRY);
        }
        self.stats.drop(reason);
    }

    /// Sends a neighbour's question, or what waited for its answer.
    #[cold]
    fn attend(&mut self, at: u32, port: &mut impl Port) -> Egress {
        let neighbours = &mut self.tables.neighbours;
        if let (Some(question), Some(own)) = (neighbours.question(at), self.local.mac) {
            let Some(room) = port.room() else {
                return Egress::Blocked;
            };
            let source = match self.local.is_own(&question.source) {
                true => Some(question.source),
                false => self.local.source_for(question.address),
            };
            if let Some(frame) = source.and_then(|source| Frame::solicit(own, source, question.address, question.known))
            {
                let bytes = frame.bytes();
                room.consume(bytes.len(), |buffer| buffer.copy_from_slice(bytes));
                self.stats.frames_sent += 1;
            }
            neighbours.asked(at);
        }
        if let Some(mac) = neighbours.mac(at) {
            let header = Header::new(self.local.mac, mac, ethertype(neighbours.address(at)));
            let entry = &mut neighbours.entries[at as usize];
            while !entry.frames.is_empty() {
                let Some(room) = port.room() else {
                    return Egress::Blocked;
                };
                self.tables.waiting.pop_with(entry, |packet| {
                    header.send_seldom(room, packet.len(), &mut |buffer| buffer.copy_from_slice(packet));
                });
                self.stats.frames_sent += 1;
            }
            self.release_connections(at);
        }
        self.tables.neighbours.attended(at);
        Egress::Done
    }

    /// A neighbour did not answer.
    #[cold]
    fn give_up(&mut self, at: u32) {
        self.stats.note(|stats| &mut stats.neighbours_failed);
        self.drop_waiting(at);
        self.release_connections(at);
    }

    /// Drops what waited for a neighbour.
    #[cfg(not(feature = "forward"))]
    fn drop_waiting(&mut self, at: u32) {
        let entry = &mut self.tables.neighbours.entries[at as usize];
        while self.tables.waiting.pop_with(entry, |_| ()).is_some() {
            self.stats.drop(Reason::NeighbourSilent);
        }
    }

    /// Has the connections that wait for a neighbour try again, whatever they will find.
    fn release_connections(&mut self, at: u32) {
        loop {
            let entry = &mut self.tables.neighbours.entries[at as usize];
            let slots = &mut self.tables.connections.slots;
            let Some(connection) = entry.connections.pop_front(slots, |slot| &mut slot.waiting) else {
                break;
            };
            self.tables.connections.mark(connection);
        }
    }
}
