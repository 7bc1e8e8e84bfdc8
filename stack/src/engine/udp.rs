//! UDP (RFC 768): sockets by port, each with two rings of datagrams.
//!
//! No part of it is smoltcp's: a datagram's destination must be known before it is written into the frame
//! that it leaves in.

use core::{
    net::Ipv4Addr,
    task::{Poll, Waker},
};

use embassy_net_driver::TxToken;
use smoltcp::wire::UdpPacket;

#[cfg(feature = "icmp")]
use super::echo::Trouble;
#[cfg(any(feature = "icmp", feature = "raw", feature = "slaac"))]
use super::plain::echo_len;
#[cfg(any(feature = "icmp", feature = "slaac"))]
use super::plain::write_echo;
#[cfg(feature = "raw")]
use super::raw::write_raw;
use super::{
    Core, Tables,
    datagrams::{Datagram, Datagrams},
    egress::{Egress, Way},
    headers::{Headers, headers_len},
    local::NextHop,
    packet::{Mac, Packet, ethertype},
    port::{Header, Port},
    wakes::Waiter,
};
use crate::{
    ip::{IpAddr, SocketAddr},
    stats::Reason,
    table::{Index, Link, List, Storage, mix_two},
    time::Instant,
    udp::{Error, Options},
};

/// What a slot is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Free,
    Udp,
    /// ICMP echoes: the port is the identifier.
    #[cfg(feature = "icmp")]
    Echo,
    /// What routers say about themselves; there is one such socket at most, and its port is 0.
    #[cfg(feature = "slaac")]
    RouterNews,
    /// Packets of a protocol: the port is its number, and for IPv6 256 more.
    #[cfg(feature = "raw")]
    Raw,
    /// Whole packets of others, on their way; there is one such socket at most, and its port is 0.
    #[cfg(feature = "forward")]
    Transit,
}

/// A slot for a socket.
pub(crate) struct Socket<'r> {
    kind: Kind,
    port: u16,
    address: Option<IpAddr>,
    pub(super) hop_limit: u8,
    /// Whether to tell what the network says.
    #[cfg(feature = "icmp")]
    pub(super) errors: bool,
    #[cfg(feature = "icmp")]
    pub(super) trouble: Option<Trouble>,
    pub(super) received: Datagrams<'r>,
    to_send: Datagrams<'r>,
    dirty: Link,
    pub(super) reader: Option<Waiter>,
    writer: Option<Waiter>,
}

impl<'r> Socket<'r> {
    /// A free slot over these rings.
    pub(crate) fn new(received: Datagrams<'r>, to_send: Datagrams<'r>) -> Self {
        Self {
            kind: Kind::Free,
            port: 0,
            address: None,
            hop_limit: 0,
            #[cfg(feature = "icmp")]
            errors: false,
            #[cfg(feature = "icmp")]
            trouble: None,
            received,
            to_send,
            dirty: Link::APART,
            reader: None,
            writer: None,
        }
    }

    /// Has the slot, which is free, over these rings.
    pub(crate) fn lend(&mut self, received: Datagrams<'r>, to_send: Datagrams<'r>) {
        (self.received, self.to_send) = (received, to_send);
    }

    #[inline]
    fn headers(&self, source: IpAddr, remote: SocketAddr) -> Headers {
        Headers {
            source,
            destination: remote.ip(),
            source_port: self.port,
            destination_port: remote.port(),
            hop_limit: self.hop_limit,
        }
    }
}

pub(crate) struct Sockets<'r> {
    pub(super) slots: Storage<'r, Socket<'r>>,
    index: Index,
    dirty: List,
}

impl<'r> Sockets<'r> {
    pub(crate) fn new(slots: Storage<'r, Socket<'r>>, index: Index) -> Self {
        Self { slots, index, dirty: List::EMPTY }
    }

    /// Where the first of them lies: many a device has no more.
    #[cfg(feature = "alloc")]
    pub(super) fn first(&self) -> &[Socket<'r>] {
        &self.slots[..self.slots.len().min(1)]
    }

    #[inline]
    pub(super) fn find(&self, kind: Kind, port: u16) -> Option<u32> {
        self.index.find(&self.slots, || hash(port), |slot| slot.kind == kind && slot.port == port)
    }

    #[cfg(any(feature = "icmp", feature = "raw", feature = "slaac"))]
    pub(super) fn slot_mut(&mut self, at: u32) -> &mut Socket<'r> {
        &mut self.slots[at as usize]
    }

    /// The socket whose turn it is.
    #[inline]
    pub(super) fn dirty(&self) -> Option<u32> {
        self.dirty.front()
    }

    fn mark(&mut self, at: u32) {
        if !self.slots[at as usize].dirty.is_linked() {
            self.dirty.push_back(&mut self.slots, |slot| &mut slot.dirty, at);
        }
    }

    fn clean(&mut self, at: u32) {
        if self.slots[at as usize].dirty.is_linked() {
            self.dirty.remove(&mut self.slots, |slot| &mut slot.dirty, at);
        }
    }

    /// How many slots are not free.
    pub(crate) fn in_use(&self) -> usize {
        self.slots.iter().filter(|slot| slot.kind != Kind::Free).count()
    }
}

impl Core<'_> {
    /// Takes a datagram that is for us, or for everyone.
    #[inline]
    pub(super) fn datagram(
        &mut self,
        packet: &Packet<'_>,
        from: Mac,
        to_us: bool,
        room: impl TxToken,
    ) -> Result<(), Reason> {
        let datagram = UdpPacket::new_checked(packet.payload).map_err(|_| Reason::Malformed)?;
        if datagram.checksum() == 0 {
            // Only IPv4 lets senders do without (RFC 8200, section 8.1); and devices that know no checksums at all, such as
            // loopbacks.
            if packet.source.is_ipv6() && (self.verify.udp || self.compute.udp) {
                return Err(Reason::Checksum);
            }
        } else if self.verify.udp
            && !(Packet { payload: &packet.payload[..datagram.len().into()], ..*packet }).is_whole()
        {
            return Err(Reason::Checksum);
        }
        let udp = &mut self.tables.udp;
        let at = udp.find(Kind::Udp, datagram.dst_port()).filter(|&at| {
            let address = udp.slots[at as usize].address;
            address.is_none_or(|own| own == packet.destination)
        });
        let Some(at) = at else {
            if to_us && !packet.source.is_unspecified() {
                self.answer_unreachable(packet, from, room);
            }
            return Err(Reason::NoSocket);
        };
        let slot = &mut udp.slots[at as usize];
        let about = Datagram {
            remote: SocketAddr::new(packet.source, datagram.src_port()),
            local: to_us.then_some(packet.destination),
            hint: None,
        };
        let payload = datagram.payload();
        if !slot.received.push(payload, about) {
            return Err(Reason::ReceiveBufferFull);
        }
        self.wakes.wake(&mut slot.reader);
        Ok(())
    }

    /// Nobody is told that nobody listens.
    #[cfg(not(feature = "icmp"))]
    #[expect(clippy::unused_self, reason = "with the feature `icmp` it answers")]
    fn answer_unreachable(&mut self, _packet: &Packet<'_>, _from: Mac, _room: impl TxToken) {}

    /// Sends the oldest datagram of a socket.
    #[inline(never)]
    pub(super) fn send_datagram(&mut self, at: u32, port: &mut impl Port, now: Instant) -> Egress {
        let Core { tables: Tables { udp, neighbours, .. }, local, stats, compute, wakes, .. } = self;
        let slot = &mut udp.slots[at as usize];
        let Some((about, payload)) = slot.to_send.front() else {
            udp.clean(at);
            return Egress::Done;
        };
        let Some((mac, source)) = about.hint.and_then(|hint| neighbours.follow(hint, now)) else {
            return self.send_datagram_somewhere(at, port, now);
        };
        let Some(room) = port.room() else {
            return Egress::Blocked;
        };
        let headers = slot.headers(about.local.unwrap_or(source), about.remote);
        let len = headers_len(source) + payload.len();
        let header = Header::new(local.mac, mac, ethertype(source));
        header.send(room, len, |packet| headers.write(packet, payload, *compute));
        stats.frames_sent += 1;
        slot.to_send.pop();
        wakes.wake(&mut slot.writer);
        if slot.to_send.is_empty() {
            udp.clean(at);
        }
        Egress::Done
    }

    /// Sends a datagram to where it is not known to go.
    #[cold]
    fn send_datagram_somewhere(&mut self, at: u32, port: &mut impl Port, now: Instant) -> Egress {
        let Some((&about, _)) = self.tables.udp.slots[at as usize].to_send.front() else {
            return Egress::Done;
        };
        let (way, source) = self.way_for_datagram(&about, now);
        let Core { tables: Tables { udp, neighbours, waiting, .. }, stats, compute, .. } = self;
        let slot = &mut udp.slots[at as usize];
        let Some((_, payload)) = slot.to_send.front() else {
            return Egress::Done;
        };
        let headers = slot.headers(source, about.remote);
        let kind = slot.kind;
        #[cfg(any(feature = "icmp", feature = "raw", feature = "slaac"))]
        let hop_limit = slot.hop_limit;
        #[cfg(feature = "raw")]
        let protocol = slot.port as u8;
        let mut write = |packet: &mut [u8]| match kind {
            Kind::Udp | Kind::Free => headers.write(packet, payload, *compute),
            #[cfg(feature = "raw")]
            Kind::Raw => write_raw((source, about.remote.ip()), protocol, hop_limit, packet, payload),
            #[cfg(feature = "forward")]
            Kind::Transit => packet.copy_from_slice(payload),
            #[cfg(any(feature = "icmp", feature = "slaac"))]
            _ => write_echo(source, about.remote.ip(), hop_limit, packet, payload),
        };
        let len = match kind {
            Kind::Udp | Kind::Free => headers_len(source) + payload.len(),
            #[cfg(feature = "forward")]
            Kind::Transit => payload.len(),
            #[cfg(any(feature = "icmp", feature = "raw", feature = "slaac"))]
            _ => echo_len(source, payload),
        };
        match way {
            Way::To(header, _) => {
                let Some(room) = port.room() else {
                    return Egress::Blocked;
                };
                header.send_seldom(room, len, &mut write);
                stats.frames_sent += 1;
            }
            Way::Waits(neighbour) => {
                let neighbour = &mut neighbours.entries[neighbour as usize];
                waiting.push(neighbour, len, stats, write);
            }
            #[cfg(feature = "forward")]
            Way::None(Reason::NeighbourSilent)
                if kind == Kind::Transit && super::transit::give_back(&mut slot.received, payload) =>
            {
                self.wakes.wake(&mut slot.reader);
            }
            Way::None(reason) => stats.drop(reason),
        }
        slot.to_send.pop();
        self.wakes.wake(&mut slot.writer);
        if slot.to_send.is_empty() {
            udp.clean(at);
        }
        Egress::Done
    }

    /// Where a datagram goes now, and which address it comes from. Remembers at the neighbour what may be
    /// used again.
    #[cold]
    fn way_for_datagram(&mut self, about: &Datagram, now: Instant) -> (Way, IpAddr) {
        let to = about.remote.ip();
        let chosen = self.local.source_for(to);
        // An address that was ours when the datagram was written may have gone.
        let Some(source) = about.local.or(chosen).or_else(|| unspecified(to)) else {
            return (Way::None(Reason::NoRoute), to);
        };
        let way = self.way(to, source, None, now);
        #[cfg(feature = "alloc")]
        match way {
            Way::To(_, Some(lease)) => self.tables.neighbours.is_direct(lease.neighbour, to, chosen),
            Way::Waits(neighbour) => self.tables.neighbours.is_direct(neighbour, to, chosen),
            Way::To(_, None) | Way::None(_) => {}
        }
        (way, source)
    }

    /// Binds a socket to `port` of `address`, or of all addresses; to a free port if `port` is zero.
    pub(crate) fn bind(&mut self, address: Option<IpAddr>, port: u16, options: &Options) -> Result<u32, Error> {
        let port = match port {
            0 => self.ephemeral_port(|core, port| core.tables.udp.find(Kind::Udp, port).is_none()),
            port => self.tables.udp.find(Kind::Udp, port).is_none().then_some(port),
        };
        self.claim_socket(Kind::Udp, address, port.ok_or(Error::InUse)?, options)
    }

    /// Takes a slot for a socket that no other collides with.
    pub(super) fn claim_socket(
        &mut self,
        kind: Kind,
        address: Option<IpAddr>,
        port: u16,
        options: &Options,
    ) -> Result<u32, Error> {
        #[cfg(feature = "alloc")]
        let granted = match self.limits.pools() {
            Some(_) => Some(self.granted(options).ok_or_else(|| {
                self.stats.note(|stats| &mut stats.slots_wanting);
                Error::Full
            })?),
            None => None,
        };
        #[cfg(feature = "alloc")]
        let options = granted.as_ref().unwrap_or(options);
        let udp = &mut self.tables.udp;
        let free = udp.slots.iter().position(|slot| slot.kind == Kind::Free);
        let at = match free {
            Some(at) => at as u32,
            None => udp.slots.grow(|| Socket::new(ring(0, 0), ring(0, 0))).ok_or_else(|| {
                self.stats.note(|stats| &mut stats.slots_wanting);
                Error::Full
            })?,
        };
        let owns_buffers = !matches!(udp.slots, Storage::Fixed(_));
        let slot = &mut udp.slots[at as usize];
        if owns_buffers {
            slot.received = ring(options.datagrams, options.receive_bytes);
            slot.to_send = ring(options.datagrams, options.send_bytes);
        }
        slot.kind = kind;
        slot.port = port;
        slot.address = address;
        slot.hop_limit = options.hop_limit.max(1);
        #[cfg(feature = "icmp")]
        {
            slot.errors = options.errors;
            slot.trouble = None;
        }
        udp.index.insert(&udp.slots, at, |slot| hash(slot.port));
        Ok(at)
    }

    /// Ends a socket, dropping what it has not sent. Answers with wakers to drop outside.
    pub(crate) fn unbind(&mut self, at: u32) -> [Option<Waiter>; 2] {
        let udp = &mut self.tables.udp;
        udp.clean(at);
        udp.index.remove(&udp.slots, at, |slot| hash(slot.port));
        let owns_buffers = !matches!(udp.slots, Storage::Fixed(_));
        let slot = &mut udp.slots[at as usize];
        slot.kind = Kind::Free;
        for ring in [&mut slot.received, &mut slot.to_send] {
            ring.clear();
        }
        if owns_buffers {
            slot.received = ring(0, 0);
            slot.to_send = ring(0, 0);
        }
        [slot.reader.take(), slot.writer.take()]
    }

    #[cfg(any(feature = "icmp", feature = "raw"))]
    pub(crate) fn set_hop_limit(&mut self, at: u32, hops: u8) {
        self.tables.udp.slots[at as usize].hop_limit = hops.max(1);
    }

    /// Which port, and address if one was chosen, the socket is bound to.
    pub(crate) fn bound(&self, at: u32) -> (Option<IpAddr>, u16) {
        let slot = &self.tables.udp.slots[at as usize];
        (slot.address, slot.port)
    }

    /// Hands the oldest received datagram to `take`.
    #[inline]
    pub(crate) fn poll_datagram<R>(
        &mut self,
        at: u32,
        take: impl FnOnce(&[u8], &Datagram) -> R,
        waker: &Waker,
        replaced: &mut Option<Waiter>,
    ) -> Poll<R> {
        let slot = &mut self.tables.udp.slots[at as usize];
        match slot.received.front() {
            Some((about, payload)) => {
                let taken = take(payload, about);
                slot.received.pop();
                Poll::Ready(taken)
            }
            None => {
                *replaced = self.wakes.wait(&mut slot.reader, waker);
                Poll::Pending
            }
        }
    }

    /// Takes a datagram to send, from that address if one is given, or waits for room.
    #[inline]
    pub(crate) fn poll_send(
        &mut self,
        at: u32,
        payload: &[u8],
        remote: SocketAddr,
        from: Option<IpAddr>,
        waker: &Waker,
        replaced: &mut Option<Waiter>,
    ) -> Poll<Result<(), Unsent>> {
        let to = remote.ip();
        let Socket { kind, address, .. } = self.tables.udp.slots[at as usize];
        if (remote.port() == 0 && kind == Kind::Udp) || to.is_unspecified() {
            return Poll::Ready(Err(Unsent::BadAddress));
        }
        let from = from.or(address);
        if from.is_some_and(|from| from.is_ipv4() != to.is_ipv4()) {
            return Poll::Ready(Err(Unsent::BadAddress));
        }
        #[cfg(feature = "alloc")]
        let hint = self.tables.neighbours.hint(to).filter(|_| kind == Kind::Udp);
        #[cfg(not(feature = "alloc"))]
        let hint = None;
        if hint.is_none() && self.local.next_hop(to) == NextHop::NoRoute {
            return Poll::Ready(Err(Unsent::NoRoute));
        }
        let mtu = self.mtu();
        let slot = &mut self.tables.udp.slots[at as usize];
        let headers = match kind {
            #[cfg(feature = "raw")]
            Kind::Raw => headers_of(to),
            #[cfg(feature = "forward")]
            Kind::Transit => 0,
            _ => headers_len(to),
        };
        if payload.len() + headers > mtu || payload.len() > slot.to_send.longest() {
            return Poll::Ready(Err(Unsent::TooLong));
        }
        if !slot.to_send.push(payload, Datagram { remote, local: from, hint }) {
            *replaced = self.wakes.wait(&mut slot.writer, waker);
            return Poll::Pending;
        }
        self.tables.udp.mark(at);
        self.wakes.rouse();
        Poll::Ready(Ok(()))
    }
}

/// Why a datagram was not even taken: an [`Error`] that costs nothing to hand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    NoRoute,
    BadAddress,
    TooLong,
}

impl From<Unsent> for Error {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::NoRoute => Self::NoRoute,
            Unsent::BadAddress => Self::BadAddress,
            Unsent::TooLong => Self::TooLong,
        }
    }
}

/// The length of the IP header of a packet to `to`.
#[cfg(any(feature = "icmp", feature = "raw", feature = "slaac"))]
#[inline]
pub(super) fn headers_of(to: IpAddr) -> usize {
    if to.is_ipv4() { 20 } else { 40 }
}

/// The address of a station that has none yet.
fn unspecified(like: IpAddr) -> Option<IpAddr> {
    Some(match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        #[cfg(feature = "ipv6")]
        IpAddr::V6(_) => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
    })
}

fn hash(port: u16) -> u64 {
    mix_two(1, port.into(), 0)
}

/// A ring of so many datagrams and bytes, where memory can be had.
fn ring<'r>(datagrams: usize, bytes: usize) -> Datagrams<'r> {
    #[cfg(feature = "alloc")]
    let ring = Datagrams::new(
        Storage::Grown(alloc::vec![super::Entry::EMPTY; datagrams]),
        Storage::Grown(alloc::vec![0; bytes]),
    );
    #[cfg(not(feature = "alloc"))]
    let ring = {
        let _ = (datagrams, bytes);
        Datagrams::new(Storage::Fixed(&mut []), Storage::Fixed(&mut []))
    };
    ring
}
