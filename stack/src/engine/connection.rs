//! One TCP connection: its socket, alone in a set, and what the stack keeps beside it.

#[cfg(feature = "alloc")]
use smoltcp::wire::TcpPacket;
use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::tcp::{CongestionControl, Socket, State},
};

#[cfg(feature = "recovery")]
use super::losses::Losses;
use super::{
    frontier::Frontier,
    neighbours::Lease,
    packet::{Key, NO_KEY, address, halves, key},
    port::Header,
    wakes::{Waiter, Wakes, is_waited},
};
#[cfg(feature = "alloc")]
use crate::config::FetchLines;
use crate::{
    ip::{IpAddr, SocketAddr},
    table::{Link, NONE, mix},
    tcp::{Error, Options},
    time::{Duration, Instant, Span},
};

/// What tells connections apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    local: Key,
    remote: Key,
    /// Local, then remote.
    ports: u32,
}

impl Flow {
    pub(crate) const NONE: Flow = Flow { local: NO_KEY, remote: NO_KEY, ports: 0 };

    #[inline]
    pub(crate) fn new(local: (IpAddr, u16), remote: (IpAddr, u16)) -> Self {
        Self { local: key(local.0), remote: key(remote.0), ports: u32::from(local.1) << 16 | u32::from(remote.1) }
    }

    /// Our end.
    pub(crate) fn local(&self) -> SocketAddr {
        SocketAddr::new(address(self.local), (self.ports >> 16) as u16)
    }

    /// The other end.
    pub(crate) fn remote(&self) -> SocketAddr {
        SocketAddr::new(address(self.remote), self.ports as u16)
    }

    /// All that there is of it, for hashing.
    pub(crate) fn words(&self) -> impl ExactSizeIterator<Item = u32> + use<> {
        let ([a, b], [c, d], ports) = (halves(self.local), halves(self.remote), self.ports);
        let halves = [a, b, c, d];
        (0..9_usize).map(move |at| match halves.get(at / 2) {
            Some(half) => (half >> (at % 2 * 32)) as u32,
            None => ports,
        })
    }

    #[inline]
    pub(crate) fn hash(&self, seed: u64) -> u64 {
        let ([local_low, local_high], [remote_low, remote_high]) = (halves(self.local), halves(self.remote));
        let ports = u64::from(self.ports).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mix(seed, [remote_low, local_low, remote_high ^ ports, local_high])
    }
}

/// A header under which packets reach their next hop, and until when it holds.
#[derive(Clone, Copy)]
pub(crate) struct Hop {
    pub(crate) header: Header,
    pub(crate) lease: Lease,
}

/// Whose the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nobody's: the slot is free.
    Free,
    /// The listener's, not established yet.
    Pending(u32),
    /// The listener's, waiting to be accepted.
    Ready(u32),
    /// A stream's, or its halves'.
    Held,
    /// Nobody's any more: it goes on until its data is delivered.
    Orphan,
}

/// A slot for a connection.
///
/// With thousands of connections it is memory that a packet waits for. So where tables grow, what every packet needs
/// comes first, a cache line for each thing that is done with it; and what is rarely needed comes last.
#[cfg_attr(feature = "alloc", repr(C, align(64)))]
pub(crate) struct Connection<'r> {
    // Finding it, and what else will be needed.
    /// Of a connection that is or was in the index; it keeps it.
    pub(crate) flow: Flow,
    #[cfg(feature = "alloc")]
    parts: Parts,
    /// Whether the flow is in the index.
    pub(crate) indexed: bool,
    /// Whether `set` holds a socket.
    has_socket: bool,
    /// It is known to have something to send.
    pub(crate) eager: bool,
    /// The writer waits for everything to be acknowledged, not just for room.
    pub(crate) drains: bool,
    /// Whether the writer may be waiting: if not, it need not be looked at.
    pub(crate) blocks: bool,
    /// Whether keep-alives are sent.
    keeps_alive: bool,
    /// How many handles hold it: the stream, or its halves.
    pub(crate) handles: u8,
    pub(crate) error: Option<Error>,

    // Its socket, its times, and having it in the lists.
    pub(crate) role: Role,
    pub(crate) set: SocketSet<'r>,
    /// In the list of those that want egress.
    pub(crate) dirty: Link,
    /// In the list of those that wait for a neighbour.
    pub(crate) waiting: Link,
    /// When a segment last came; until a call is confirmed, when it was first made.
    pub(crate) heard: Instant,
    /// When something was first sent, since the other side was last heard, that it has to answer; [`Instant::MAX`] if nothing was.
    owed_since: Instant,

    // What was sent, and became of it.
    /// How long an answer may take. Where keep-alives are sent, an acknowledgement of ours may have been taken for something to
    /// answer: there the next keep-alive has its time too.
    owed_for: Span,
    #[cfg(feature = "recovery")]
    pub(crate) losses: Losses,
    pub(crate) frontier: Frontier,

    // Who waits for it, and where its segments go, for as long as that is known.
    pub(crate) reader: Option<Waiter>,
    pub(crate) hop: Option<Hop>,
    /// What is received, and where it is put.
    #[cfg(feature = "alloc")]
    ring: Ring,

    // What is seldom looked at.
    pub(crate) writer: Option<Waiter>,
    /// In the free list, or in one of its listener's.
    pub(crate) queue: Link,
    pub(crate) waiting_for: u32,
    /// When an orphan is given up; `None` until egress has told the time.
    pub(crate) linger_until: Option<Instant>,
}

/// Where the socket of a connection lies, and its buffers, for having them fetched. It tells no more than that.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy)]
struct Parts {
    socket: *const u8,
    /// So many words behind the socket lies the buffer of what was received, and that of what is to be sent.
    received: i32,
    sent: i32,
}

/// Where in its buffer what a connection receives is put: smoltcp goes on behind what came before, around and around, also
/// where all of that has been read.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy)]
struct Ring {
    /// The number of the byte that was put first.
    first: u32,
    /// How many bytes there is room for, and one at least.
    len: u32,
}

#[cfg(feature = "alloc")]
impl Parts {
    const NONE: Parts = Parts { socket: core::ptr::null(), received: 0, sent: 0 };

    fn new(socket: *const u8, received: *const u8, sent: *const u8) -> Self {
        let words = |to: *const u8| (to.addr() as isize - socket.addr() as isize).div_euclid(WORD as isize);
        let [received, sent] = [received, sent].map(|to| i32::try_from(words(to)).unwrap_or(0));
        Self { socket, received, sent }
    }

    fn at(&self, words: i32) -> *const u8 {
        self.socket.wrapping_offset(words as isize * WORD as isize)
    }
}

/// In what the places of buffers are counted, in bytes: four of them reach as far as memory may be apart.
#[cfg(feature = "alloc")]
const WORD: usize = 8;

/// How far apart the lines of a cache lie, in bytes.
#[cfg(feature = "alloc")]
const LINE: usize = 64;

/// So much of a buffer is fetched ahead, in bytes: a short message.
#[cfg(feature = "alloc")]
const SHORT: usize = 2 * LINE;

/// After how long smoltcp retransmits at the earliest (RFC 6298, section 2.4).
pub(crate) const RETRANSMISSION_MIN: Span = Span::of(Duration::from_secs(1));

impl<'r> Connection<'r> {
    /// A free slot over `set`, which holds one socket with its buffers or is to get one.
    pub(crate) fn new(set: SocketSet<'r>) -> Self {
        let has_socket = set.iter().next().is_some();
        Self {
            flow: Flow::NONE,
            indexed: false,
            has_socket,
            eager: false,
            drains: false,
            blocks: false,
            keeps_alive: false,
            handles: 0,
            error: None,
            #[cfg(feature = "alloc")]
            parts: Parts::NONE,
            role: Role::Free,
            set,
            dirty: Link::APART,
            waiting: Link::APART,
            heard: Instant::ZERO,
            owed_since: Instant::MAX,
            owed_for: Span::FOREVER,
            #[cfg(feature = "recovery")]
            losses: Losses::default(),
            frontier: Frontier::default(),
            reader: None,
            hop: None,
            #[cfg(feature = "alloc")]
            ring: Ring { first: 0, len: 1 },
            writer: None,
            queue: Link::APART,
            waiting_for: NONE,
            linger_until: None,
        }
    }

    /// Has the slot, which is free and had none, over `set`, which holds one socket.
    pub(crate) fn lend(&mut self, set: SocketSet<'r>) {
        (self.set, self.has_socket) = (set, true);
    }

    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn socket(&self) -> &Socket<'r> {
        self.set.get(only())
    }

    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn socket_mut(&mut self) -> &mut Socket<'r> {
        self.set.get_mut(only())
    }

    /// Has the slot fetched.
    #[cfg(feature = "alloc")]
    pub(crate) fn fetch_slot(&self, fetch: FetchLines) {
        fetch(core::ptr::from_ref(self).cast(), core::mem::offset_of!(Self, writer));
    }

    /// Has all fetched that belongs to it and that a segment is about to need. Among thousands of connections none is in a
    /// near cache.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn fetch_parts(&self, fetch: FetchLines, segment: &TcpPacket<&[u8]>) {
        fetch(self.parts.socket, size_of::<Socket<'_>>());
        let data_len = segment.payload().len();
        if data_len > 0 {
            // After four GiB it may be another place, which does no harm.
            let place = (segment.seq_number().0 as u32).wrapping_sub(self.ring.first) % self.ring.len;
            fetch(self.parts.at(self.parts.received).wrapping_add(place as usize), data_len.min(SHORT));
        }
        // What is to be sent is put at the beginning, if all before it has been acknowledged.
        fetch(self.parts.at(self.parts.sent), (self.frontier.wrote() as usize).min(SHORT));
        if let Some(reader) = &self.reader {
            fetch(reader.whereabouts(), 1);
        }
    }

    /// The other side begins with that number.
    #[cfg(feature = "alloc")]
    pub(crate) fn receives_from(&mut self, first: u32) {
        self.ring.first = first;
    }

    /// Readies a free slot for a new connection: buffers, and the options that smoltcp keeps.
    pub(crate) fn prepare(&mut self, options: &Options) {
        #[cfg(feature = "alloc")]
        if !self.has_socket {
            let buffer = |len: usize| {
                let memory = alloc::vec![0; len.max(1)];
                (memory.as_ptr(), smoltcp::socket::tcp::SocketBuffer::new(memory))
            };
            let (received, to_receive) = buffer(options.receive_bytes);
            let (sent, to_send) = buffer(options.send_bytes);
            let socket = Socket::new(to_receive, to_send);
            let handle = self.set.add(socket);
            debug_assert_eq!(handle, only());
            self.has_socket = true;
            self.ring.len = u32::try_from(options.receive_bytes).unwrap_or(u32::MAX).max(1);
            self.parts = Parts::new(core::ptr::from_ref(self.socket()).cast(), received, sent);
        }
        self.heard = Instant::ZERO;
        self.owed_since = Instant::MAX;
        self.linger_until = None;
        self.error = None;
        self.frontier = Frontier::default();
        #[cfg(feature = "recovery")]
        {
            self.losses = Losses::default();
        }
        self.hop = None;
        self.eager = false;
        self.set_options(options);
    }

    pub(crate) fn set_options(&mut self, options: &Options) {
        let duration = |duration: Option<Duration>| duration.map(Into::into);
        let socket = self.socket_mut();
        socket.set_nagle_enabled(options.nagle);
        socket.set_ack_delay(duration(options.ack_delay));
        socket.set_keep_alive(duration(options.keep_alive));
        socket.set_hop_limit(Some(options.hop_limit.max(1)));
        socket.set_congestion_control(if options.congestion_control {
            CongestionControl::Reno
        } else {
            CongestionControl::None
        });
        let keep_alive = options.keep_alive.unwrap_or_default();
        self.owed_for = options.timeout.map_or(Span::FOREVER, |timeout| Span::of(timeout.saturating_add(keep_alive)));
        self.keeps_alive = options.keep_alive.is_some();
    }

    /// Forgets the connection without a word to the other side.
    pub(crate) fn wipe(&mut self) {
        let socket = self.socket_mut();
        socket.abort();
        // Listening is the one way to make smoltcp forget whom it talked to; it takes any port.
        let listened = socket.listen(1);
        debug_assert!(listened.is_ok());
        socket.close();
    }

    /// Gives back what a free slot does not need: its buffers, where they were allocated for it.
    pub(crate) fn release(&mut self, owns_buffers: bool) {
        self.role = Role::Free;
        self.handles = 0;
        self.drains = false;
        if owns_buffers && core::mem::take(&mut self.has_socket) {
            _ = self.set.remove(only());
        }
    }

    /// Whether nothing is left to say: closed, and the other side told if it had to be.
    #[inline]
    pub(crate) fn is_gone(&self) -> bool {
        let socket = self.socket();
        socket.state() == State::Closed && socket.remote_endpoint().is_none()
    }

    /// Whether the connection is being opened.
    #[inline]
    pub(crate) fn is_opening(&self) -> bool {
        is_opening(self.socket().state())
    }

    /// Whether a read would not wait: there is data, or its end, or an error.
    #[inline]
    pub(crate) fn is_readable(&self) -> bool {
        let socket = self.socket();
        socket.can_recv() || (!is_opening(socket.state()) && !socket.may_recv())
    }

    /// Whether a write would not wait: there is room, or an error.
    #[inline]
    pub(crate) fn is_writable(&self) -> bool {
        let socket = self.socket();
        socket.can_send() || (!is_opening(socket.state()) && !socket.may_send())
    }

    /// Whether all that was written, and the end if there is one, was acknowledged or never will be.
    pub(crate) fn is_drained(&self) -> bool {
        let socket = self.socket();
        match socket.state() {
            State::Closed | State::Listen => true,
            State::FinWait1 | State::Closing | State::LastAck => false,
            state => !is_opening(state) && socket.send_queue() == 0,
        }
    }

    /// Whether nothing but the end of what we send is still to be acknowledged. From old acknowledgements that come meanwhile smoltcp
    /// would conclude that it is lost, and end its timer, but send it no more.
    #[inline]
    pub(crate) fn waits_for_end_alone(&self) -> bool {
        let socket = self.socket();
        matches!(socket.state(), State::FinWait1 | State::Closing | State::LastAck) && socket.send_queue() == 0
    }

    /// When something was first sent, since the other side was last heard, that it has to answer.
    #[inline]
    pub(crate) fn owed_since(&self) -> Option<Instant> {
        (self.owed_since != Instant::MAX).then_some(self.owed_since)
    }

    /// The other side owes no answer.
    #[inline]
    pub(crate) fn owes_nothing(&mut self) {
        self.owed_since = Instant::MAX;
    }

    /// The other side owes an answer from now on.
    #[inline]
    pub(crate) fn owes_since(&mut self, now: Instant) {
        self.owed_since = now;
    }

    /// Whether an answer of the other side is due.
    #[inline]
    pub(crate) fn is_owed(&self) -> bool {
        let socket = self.socket();
        match socket.state() {
            State::Closed | State::Listen | State::TimeWait => false,
            State::Established | State::CloseWait | State::FinWait2 => self.keeps_alive || socket.send_queue() > 0,
            _ => true,
        }
    }

    /// Whether no data is in flight.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.socket().send_queue() == self.frontier.unsent() as usize
    }

    /// Whether nothing is left to be sent before one of smoltcp's timers asks for it, given that a segment has
    /// just been sent: its acknowledgements travel with every segment, and keep-alives apart, all its timers
    /// run for [`RETRANSMISSION_MIN`] at least.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        self.frontier.is_all_sent() && !self.keeps_alive && self.socket().state() == State::Established
    }

    /// When the other side is to be asked how far it came, if something was sent just now, or else is on its way;
    /// [`Instant::MAX`] if it is not.
    #[cfg(feature = "recovery")]
    #[inline]
    pub(crate) fn asks_at(&self, sent: Option<Instant>, mtu: usize) -> Instant {
        let has_unsent = || self.socket().send_queue() > 0;
        match self.losses.patience(self.frontier.end(), has_unsent, mtu) {
            Some(patience) if patience < RETRANSMISSION_MIN && is_sending(self.socket().state()) => {
                self.owed_since().or(sent).unwrap_or(self.heard) + patience
            }
            _ => Instant::MAX,
        }
    }

    /// Nobody is asked.
    #[cfg(not(feature = "recovery"))]
    #[expect(clippy::unused_self, reason = "who recovers needs it")]
    pub(crate) fn asks_at(&self, _sent: Option<Instant>, _mtu: usize) -> Instant {
        Instant::MAX
    }

    /// Whether smoltcp counts duplicates, and sends again what they say is lost: not the end of a stream alone, nor anything once
    /// both have ended.
    #[cfg(feature = "recovery")]
    pub(crate) fn counts_duplicates(&self) -> bool {
        let socket = self.socket();
        socket.send_queue() > 0 && socket.state() != State::LastAck
    }

    /// Until when an answer to what was sent at `since` must come; [`Instant::MAX`] if it may take for ever.
    #[inline]
    pub(crate) fn owed_until(&self, since: Instant) -> Instant {
        since + self.owed_for
    }

    /// Has those woken who need not wait any longer.
    #[inline]
    pub(crate) fn wake(&mut self, wakes: &mut Wakes) {
        if is_waited(&self.reader) && self.is_readable() {
            wakes.wake(&mut self.reader);
        }
        if self.blocks && is_waited(&self.writer) && if self.drains { self.is_drained() } else { self.is_writable() } {
            wakes.wake(&mut self.writer);
            self.blocks = false;
        }
    }
}

/// The handle of a set's first socket, as smoltcp numbers them.
#[inline]
fn only() -> SocketHandle {
    SocketHandle::default()
}

/// Whether data, or its end, may be on its way.
#[cfg(feature = "recovery")]
#[inline]
fn is_sending(state: State) -> bool {
    use State::{CloseWait, Closing, Established, FinWait1, LastAck};
    matches!(state, Established | CloseWait | FinWait1 | Closing | LastAck)
}

/// Whether a connection is being opened.
#[inline]
pub(super) fn is_opening(state: State) -> bool {
    matches!(state, State::SynSent | State::SynReceived | State::Listen)
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use smoltcp::{
        iface::{Config, Interface},
        phy::{Loopback, Medium},
        socket::tcp::SocketBuffer,
        time::Instant,
        wire::{HardwareAddress, IpAddress, IpCidr},
    };
    use std::vec;

    /// What [`Connection::is_spent`] is built on: after many quick round trips too.
    #[test]
    fn smoltcp_retransmits_after_a_second_at_the_earliest() {
        let mut device = Loopback::new(Medium::Ip);
        let mut iface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::ZERO);
        let own = IpAddress::v4(127, 0, 0, 1);
        iface.update_ip_addrs(|addresses| addresses.push(IpCidr::new(own, 8)).unwrap());
        let socket = || Socket::new(SocketBuffer::new(vec![0; 64]), SocketBuffer::new(vec![0; 64]));
        let mut set = SocketSet::new(vec![]);
        let [server, client] = [set.add(socket()), set.add(socket())];
        set.get_mut::<Socket<'_>>(server).listen(80).unwrap();
        set.get_mut::<Socket<'_>>(client).connect(iface.context(), (own, 80), 50_000).unwrap();
        let mut now = Instant::ZERO;
        for _ in 0..100 {
            now += smoltcp::time::Duration::from_micros(100);
            iface.poll(now, &mut device, &mut set);
            _ = set.get_mut::<Socket<'_>>(server).recv(|bytes| (bytes.len(), ()));
            _ = set.get_mut::<Socket<'_>>(client).send_slice(b"?");
        }
        while set.get::<Socket<'_>>(client).send_queue() > 0 {
            now += smoltcp::time::Duration::from_millis(5);
            iface.poll(now, &mut device, &mut set);
            _ = set.get_mut::<Socket<'_>>(server).recv(|bytes| (bytes.len(), ()));
        }
        let client = set.get_mut::<Socket<'_>>(client);
        assert!(client.send_slice(b"?").is_ok());
        iface.poll_egress(now, &mut device, &mut set);
        let due = iface.poll_at(now, &set).unwrap();
        let soonest = super::super::instant(now) + RETRANSMISSION_MIN;
        assert!(super::super::instant(due) >= soonest, "due {due} at {now}");
    }
}
