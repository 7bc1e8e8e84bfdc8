//! TCP: whose a segment is, and what becomes of its connection.

use embassy_net_driver::TxToken;
use smoltcp::{socket::tcp::State, wire::TcpPacket};

#[cfg(feature = "recovery")]
use super::packet::is_v4;
use super::{
    Core,
    connection::{Flow, Role, is_opening},
    frontier::is_before,
    packet::{Mac, Packet, smol},
    port::OneShot,
    smol_time,
};
use crate::{
    ip::IpAddr,
    stats::Reason,
    tcp::Error,
    time::{Duration, Instant},
};

/// How long a caller may take to confirm its call before it makes way, where there is no room for another one: as long as
/// answers are waited for before anything is known of them (RFC 6298, section 2).
const CONFIRMATION: Duration = Duration::from_secs(1);

/// So many connections stay in a near cache.
#[cfg(feature = "alloc")]
pub(super) const FEW: usize = 64;

impl Core<'_> {
    /// Takes a segment that is for one of our addresses.
    #[inline]
    pub(super) fn segment(
        &mut self,
        packet: &Packet<'_>,
        from: Mac,
        room: impl TxToken,
        now: Instant,
    ) -> Result<(), Reason> {
        let segment = TcpPacket::new_checked(packet.payload).map_err(|_| Reason::Malformed)?;
        if self.verify.tcp && !packet.is_whole() {
            return Err(Reason::Checksum);
        }
        if packet.source.is_unspecified() || segment.src_port() == 0 || segment.dst_port() == 0 {
            return Err(Reason::Malformed);
        }
        let local = (packet.destination, segment.dst_port());
        let remote = (packet.source, segment.src_port());
        let flow = Flow::new(local, remote);
        let opens = segment.syn() && !segment.ack() && !segment.rst();
        if let Some(at) = self.tables.connections.find(&flow)
            && !(opens && self.gives_way(at, local, segment.seq_number().0 as u32))
        {
            self.feed(at, packet, &segment, from, room, now);
            return Ok(());
        }
        match self.tables.listeners.find(local.0, local.1) {
            Some(listener) if opens => {
                let at = self.open_pending(listener, flow, local, now).ok_or(Reason::BacklogFull)?;
                self.feed(at, packet, &segment, from, room, now);
                Ok(())
            }
            _ => {
                self.let_nobody_answer(packet, from, room, now);
                Err(Reason::NoSocket)
            }
        }
    }

    /// Whether a connection that nobody holds, and that only waits out its TIME-WAIT, makes way for a new one
    /// of the same flow (RFC 9293, section 3.6.1), which has to begin behind it: else a call that the network kept back could end it,
    /// or what it kept back of the old one could be taken for the new one's (RFC 6191, section 2; timestamps are not in use here).
    fn gives_way(&mut self, at: u32, local: (IpAddr, u16), begins: u32) -> bool {
        let slot = &self.tables.connections.slots[at as usize];
        let gives = slot.role == Role::Orphan
            && slot.socket().state() == State::TimeWait
            && !is_before(begins, slot.frontier.said().0)
            && self.tables.listeners.find(local.0, local.1).is_some();
        if gives {
            self.release(at);
        }
        gives
    }

    /// A connection for a SYN, if the backlog and the table have room, or somebody makes way.
    fn open_pending(&mut self, listener: u32, flow: Flow, local: (IpAddr, u16), now: Instant) -> Option<u32> {
        let of = &self.tables.listeners.slots[listener as usize];
        let options = of.options;
        if of.children >= of.backlog && !self.forget_caller(listener, now) {
            return None;
        }
        let at = match self.claim_connection(&options) {
            None if self.forget_caller(listener, now) => self.claim_connection(&options)?,
            at => at?,
        };
        self.begin(&flow);
        let connections = &mut self.tables.connections;
        let of = &mut self.tables.listeners.slots[listener as usize];
        let slot = &mut connections.slots[at as usize];
        let listened = slot.socket_mut().listen((smol(local.0), local.1));
        debug_assert!(listened.is_ok(), "a free slot's socket is closed, and the port is not zero");
        slot.role = Role::Pending(listener);
        slot.heard = now;
        of.children += 1;
        of.pending.push_back(&mut connections.slots, |slot| &mut slot.queue, at);
        connections.index(at, flow);
        Some(at)
    }

    /// Frees the place of the one who called longest ago and has not confirmed it, if that is too long ago: those that call in
    /// the names of others never do (RFC 4987, section 3.5).
    #[cold]
    fn forget_caller(&mut self, listener: u32, now: Instant) -> bool {
        let oldest = self.tables.listeners.slots[listener as usize].pending.front();
        match oldest {
            Some(at) if self.tables.connections.slots[at as usize].heard + CONFIRMATION <= now => {
                self.release(at);
                self.stats.drop(Reason::BacklogFull);
                true
            }
            _ => false,
        }
    }

    /// Hands a segment to its connection.
    #[inline]
    fn feed(
        &mut self,
        at: u32,
        packet: &Packet<'_>,
        segment: &TcpPacket<&[u8]>,
        from: Mac,
        room: impl TxToken,
        now: Instant,
    ) {
        #[cfg(feature = "alloc")]
        if let Some(fetch) = self.fetch
            && self.tables.connections.slots.len() > FEW
        {
            let connections = &self.tables.connections;
            connections.fetch_slot(at, fetch);
            connections.slots[at as usize].fetch_parts(fetch, segment);
        }
        let header = self.header_back(packet, from);
        let slot = &mut self.tables.connections.slots[at as usize];
        let state = slot.socket().state();
        let was_opening = is_opening(state);
        slot.owes_nothing();
        #[cfg(feature = "alloc")]
        if was_opening && segment.syn() {
            slot.receives_from((segment.seq_number() + 1).0 as u32);
        }
        #[cfg(feature = "recovery")]
        let [other, bare];
        #[cfg(feature = "recovery")]
        let mut shown = None;
        #[cfg(feature = "recovery")]
        if slot.losses.hear(segment, slot.frontier.end(), now) {
            if slot.counts_duplicates() {
                let len;
                (len, bare) = bare_of(packet, segment, 0);
                (_, other) = bare_of(packet, segment, 1);
                shown = Some([&other[..len], &bare[..len], &bare[..len], &bare[..len], &bare[..len]]);
            } else {
                slot.losses.hasten();
            }
        }
        let tells_nothing = state != State::Established
            && slot.waits_for_end_alone()
            && is_bare(segment)
            && Some(segment.ack_number().0 as u32) != slot.frontier.end();
        // Resets that answer a handshake bear the number that they answer.
        let frontier = (!was_opening).then_some(&mut slot.frontier);
        let mut device = OneShot::receiving(packet.bytes, header, room, (&self.caps, self.compute)).of(frontier);
        if !tells_nothing {
            self.iface.poll_ingress_single(smol_time(now), &mut device, &mut slot.set);
        }
        #[cfg(feature = "recovery")]
        for shown in shown.into_iter().flatten() {
            if device.again(shown) {
                self.iface.poll_ingress_single(smol_time(now), &mut device, &mut slot.set);
            }
        }
        self.stats.sent_one(device.sent, device.incident);
        let state = slot.socket().state();
        // To call again is not to confirm a call.
        if state != State::SynReceived {
            slot.heard = now;
        }
        if state == State::Closed && segment.rst() && slot.error.is_none() {
            self.stats.note(|stats| &mut stats.resets_received);
            slot.error = Some(if was_opening { Error::Refused } else { Error::Reset });
        }
        self.tables.connections.mark(at);
        self.settle(at);
    }

    /// Draws the consequences of whatever happened to a connection: wakes, hands over, frees.
    #[inline]
    pub(super) fn settle(&mut self, at: u32) {
        let slot = &mut self.tables.connections.slots[at as usize];
        match slot.role {
            Role::Held => {
                slot.wake(&mut self.wakes);
                if slot.indexed && slot.is_gone() {
                    self.tables.connections.unindex(at);
                }
            }
            Role::Pending(listener) => self.settle_pending(at, listener),
            Role::Ready(_) if slot.is_gone() => self.release(at),
            Role::Ready(_) => {}
            Role::Orphan if slot.is_gone() => self.release(at),
            Role::Orphan => {
                // Nobody will read it: the other side is told so (RFC 9293, section 3.6).
                let socket = slot.socket_mut();
                if socket.can_recv() && !matches!(socket.state(), State::TimeWait | State::Closed) {
                    socket.abort();
                    self.tables.connections.mark(at);
                }
            }
            Role::Free => {}
        }
    }

    #[cold]
    fn settle_pending(&mut self, at: u32, listener: u32) {
        let slot = &mut self.tables.connections.slots[at as usize];
        match slot.socket().state() {
            // A reset takes a connection that is being opened back to listening.
            State::Listen => self.release(at),
            State::SynReceived => {}
            State::Closed => {
                if slot.is_gone() {
                    self.release(at);
                }
            }
            _ => {
                slot.role = Role::Ready(listener);
                let slots = &mut self.tables.connections.slots;
                let of = &mut self.tables.listeners.slots[listener as usize];
                of.pending.remove(slots, |slot| &mut slot.queue, at);
                of.ready.push_back(slots, |slot| &mut slot.queue, at);
                self.wakes.wake(&mut of.acceptor);
            }
        }
    }

    /// Frees a connection's slot, taking it out of every list.
    fn release(&mut self, at: u32) {
        self.stop_waiting(at);
        let slots = &mut self.tables.connections.slots;
        match slots[at as usize].role {
            Role::Pending(listener) => {
                let of = &mut self.tables.listeners.slots[listener as usize];
                of.pending.remove(slots, |slot| &mut slot.queue, at);
                of.children -= 1;
            }
            Role::Ready(listener) => {
                let of = &mut self.tables.listeners.slots[listener as usize];
                of.ready.remove(slots, |slot| &mut slot.queue, at);
                of.children -= 1;
            }
            Role::Held | Role::Orphan | Role::Free => {}
        }
        self.tables.connections.release(at);
    }

    /// The connection no longer waits for a neighbour.
    #[inline]
    pub(super) fn stop_waiting(&mut self, at: u32) {
        let slots = &mut self.tables.connections.slots;
        let slot = &slots[at as usize];
        if slot.waiting.is_linked() {
            let neighbour = &mut self.tables.neighbours.entries[slot.waiting_for as usize];
            neighbour.connections.remove(slots, |slot| &mut slot.waiting, at);
        }
    }
}

/// Whether a segment is an acknowledgement and nothing else.
#[inline]
pub(super) fn is_bare(segment: &TcpPacket<&[u8]>) -> bool {
    segment.payload().is_empty() && segment.ack() && !segment.syn() && !segment.fin() && !segment.rst()
}

/// The longest headers, in bytes: IPv4's, or IPv6's, and TCP's.
#[cfg(feature = "recovery")]
const HEADERS_MAX: usize = 60 + 60;

/// What a segment acknowledges, without the data that came with it, and its window changed by `change`.
#[cfg(feature = "recovery")]
#[cold]
fn bare_of(packet: &Packet<'_>, segment: &TcpPacket<&[u8]>, change: u8) -> (usize, [u8; HEADERS_MAX]) {
    let data_len = segment.payload().len();
    let len = packet.bytes.len() - data_len;
    let tcp = packet.bytes.len() - packet.payload.len();
    let mut bare = [0; HEADERS_MAX];
    bare[..len].copy_from_slice(&packet.bytes[..len]);
    // The length in IP's header: of the packet, or of what comes behind the header.
    let (at, of) = if is_v4(packet.bytes) { (2, len) } else { (4, len - tcp) };
    bare[at..at + 2].copy_from_slice(&(of as u16).to_be_bytes());
    let number = (segment.seq_number() + data_len).0;
    bare[tcp + 4..tcp + 8].copy_from_slice(&number.to_be_bytes());
    bare[tcp + 15] ^= change;
    (len, bare)
}
