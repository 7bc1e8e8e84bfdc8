//! What handles do with connections and listeners.
//!
//! Where a waker is registered, the one that it replaces is handed out, to be dropped when nobody borrows
//! the core any more: dropping it may run foreign code.

use core::task::{Poll, Waker};

use smoltcp::socket::tcp::{RecvError, Socket, State};

use super::{
    Core,
    connection::{Flow, Role},
    listeners::Listener,
    local::NextHop,
    packet::smol,
    wakes::Waiter,
};
use crate::{
    ip::{IpAddr, SocketAddr},
    tcp::{Error, Options},
};

/// What a handle gets, and a waker to drop.
pub(crate) type Polled<T> = (Poll<Result<T, Error>>, Option<Waiter>);

impl Core<'_> {
    /// Begins to open a connection.
    pub(crate) fn connect(&mut self, remote: SocketAddr, options: &Options) -> Result<u32, Error> {
        let to = remote.ip();
        if remote.port() == 0 || to.is_unspecified() || to.is_multicast() || self.local.is_broadcast(to) {
            return Err(Error::BadAddress);
        }
        if self.local.next_hop(to) == NextHop::NoRoute {
            return Err(Error::NoRoute);
        }
        let from = self.local.source_for(to).ok_or(Error::NoRoute)?;
        let flow = |port| Flow::new((from, port), (to, remote.port()));
        let port = self
            .ephemeral_port(|core, port| core.tables.connections.find(&flow(port)).is_none())
            .ok_or(Error::InUse)?;
        let at = self.claim_connection(options).ok_or_else(|| {
            self.stats.note(|stats| &mut stats.slots_wanting);
            Error::Full
        })?;
        self.begin(&flow(port));
        let connections = &mut self.tables.connections;
        let slot = &mut connections.slots[at as usize];
        slot.role = Role::Held;
        slot.handles = 1;
        let (local, peer) = ((smol(from), port), (smol(to), remote.port()));
        let connected = slot.socket_mut().connect(self.iface.context(), peer, local);
        debug_assert!(connected.is_ok(), "a free slot's socket is closed, and the addresses were checked");
        connections.index(at, flow(port));
        self.touch(at);
        Ok(at)
    }

    /// A slot for a new connection, if there is one and it may be taken.
    pub(super) fn claim_connection(&mut self, options: &Options) -> Option<u32> {
        #[cfg(feature = "alloc")]
        if self.limits.pools().is_some() {
            return self.claim_granted(options);
        }
        self.tables.connections.claim(options, &mut self.stats)
    }

    /// Something was done with a connection that may give it something to send.
    #[inline]
    pub(crate) fn touch(&mut self, at: u32) {
        self.tables.connections.mark(at);
        self.wakes.rouse();
    }

    /// The next connection that may be accepted.
    fn accept(&mut self, listener: u32) -> Option<u32> {
        let slots = &mut self.tables.connections.slots;
        let of = &mut self.tables.listeners.slots[listener as usize];
        let at = of.ready.pop_front(slots, |slot| &mut slot.queue)?;
        of.children -= 1;
        let slot = &mut slots[at as usize];
        slot.role = Role::Held;
        slot.handles = 1;
        Some(at)
    }

    /// Breaks off one connection that was not accepted; answers whether there was one.
    pub(crate) fn break_off_child(&mut self, listener: u32) -> bool {
        let slots = &mut self.tables.connections.slots;
        let of = &mut self.tables.listeners.slots[listener as usize];
        let pending = of.pending.pop_front(slots, |slot| &mut slot.queue);
        let Some(at) = pending.or_else(|| of.ready.pop_front(slots, |slot| &mut slot.queue)) else {
            return false;
        };
        slots[at as usize].role = Role::Orphan;
        slots[at as usize].socket_mut().abort();
        self.touch(at);
        true
    }

    /// Ends a listener that has no connections left. Answers with whoever waited, to be dropped outside.
    pub(crate) fn unlisten(&mut self, listener: u32) -> Option<Waiter> {
        self.tables.listeners.release(listener)
    }

    /// Which port the listener listens at.
    pub(crate) fn listening_port(&self, listener: u32) -> u16 {
        self.tables.listeners.slots[listener as usize].port
    }

    /// One more handle holds the connection.
    pub(crate) fn hold(&mut self, at: u32) {
        self.tables.connections.slots[at as usize].handles += 1;
    }

    /// A handle is gone. Answers with wakers to drop outside.
    pub(crate) fn let_go(&mut self, at: u32) -> [Option<Waiter>; 2] {
        let slot = &mut self.tables.connections.slots[at as usize];
        slot.handles -= 1;
        if slot.handles > 0 {
            return [None, None];
        }
        self.abandon(at)
    }

    /// Nobody holds the connection any more. What was written is delivered still; what was not read is the
    /// other side's to know about.
    fn abandon(&mut self, at: u32) -> [Option<Waiter>; 2] {
        let slot = &mut self.tables.connections.slots[at as usize];
        let wakers = [slot.reader.take(), slot.writer.take()];
        slot.role = Role::Orphan;
        let socket = slot.socket_mut();
        match socket.state() {
            State::SynSent => slot.wipe(),
            _ if socket.can_recv() => socket.abort(),
            _ => socket.close(),
        }
        self.touch(at);
        self.settle(at);
        wakers
    }

    /// Waits until the connection is open, or failed to be.
    pub(crate) fn poll_opened(&mut self, at: u32, waker: &Waker) -> Polled<()> {
        let slot = &mut self.tables.connections.slots[at as usize];
        if slot.is_opening() {
            (slot.drains, slot.blocks) = (false, true);
            return (Poll::Pending, self.wakes.wait(&mut slot.writer, waker));
        }
        let outcome = match slot.error {
            Some(error) if slot.socket().state() == State::Closed => Err(error),
            _ => Ok(()),
        };
        (Poll::Ready(outcome), None)
    }

    /// Reads what there is; nothing at the end. A waker that is replaced goes to `replaced`, as with all that is called for every
    /// message: results that are small are not moved through memory.
    #[inline]
    pub(crate) fn poll_read(
        &mut self,
        at: u32,
        buffer: &mut [u8],
        waker: &Waker,
        replaced: &mut Option<Waiter>,
    ) -> Poll<Result<usize, Error>> {
        self.receive(at, waker, replaced, |socket| socket.recv_slice(buffer))
    }

    /// Lends what there is, as far as it lies in one piece; nothing is lent at the end.
    #[inline]
    pub(crate) fn poll_read_with(
        &mut self,
        at: u32,
        take: impl FnOnce(&[u8]) -> usize,
        waker: &Waker,
        replaced: &mut Option<Waiter>,
    ) -> Poll<Result<usize, Error>> {
        let take = |bytes: &mut [u8]| {
            let taken = take(bytes);
            (taken, taken)
        };
        self.receive(at, waker, replaced, |socket| socket.recv(take))
    }

    #[inline]
    fn receive(
        &mut self,
        at: u32,
        waker: &Waker,
        replaced: &mut Option<Waiter>,
        receive: impl FnOnce(&mut Socket<'_>) -> Result<usize, RecvError>,
    ) -> Poll<Result<usize, Error>> {
        let slot = &mut self.tables.connections.slots[at as usize];
        // Whoever waits is woken, and waits no longer, as soon as there is something to read.
        if self.wakes.waits(&mut slot.reader, waker) {
            return Poll::Pending;
        }
        if !slot.is_readable() {
            *replaced = self.wakes.wait(&mut slot.reader, waker);
            return Poll::Pending;
        }
        Poll::Ready(match receive(slot.socket_mut()) {
            Ok(len) => {
                // The window grew.
                self.touch(at);
                Ok(len)
            }
            Err(RecvError::Finished) => Ok(0),
            Err(RecvError::InvalidState) => slot.error.map_or(Ok(0), Err),
        })
    }

    /// Writes what there is room for.
    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        at: u32,
        bytes: &[u8],
        waker: &Waker,
        replaced: &mut Option<Waiter>,
    ) -> Poll<Result<usize, Error>> {
        let slot = &mut self.tables.connections.slots[at as usize];
        if !slot.is_writable() {
            (slot.drains, slot.blocks) = (false, true);
            *replaced = self.wakes.wait(&mut slot.writer, waker);
            return Poll::Pending;
        }
        Poll::Ready(match slot.socket_mut().send_slice(bytes) {
            Ok(len) => {
                slot.eager = true;
                slot.frontier.written(len);
                self.touch(at);
                Ok(len)
            }
            Err(_) => Err(slot.error.unwrap_or(Error::Closed)),
        })
    }

    /// Waits until the other side has acknowledged all that was written.
    pub(crate) fn poll_drained(&mut self, at: u32, waker: &Waker) -> Polled<()> {
        let slot = &mut self.tables.connections.slots[at as usize];
        if !slot.is_drained() {
            (slot.drains, slot.blocks) = (true, true);
            return (Poll::Pending, self.wakes.wait(&mut slot.writer, waker));
        }
        let outcome = match slot.error {
            Some(error) if slot.socket().state() == State::Closed => Err(error),
            _ => Ok(()),
        };
        (Poll::Ready(outcome), None)
    }

    pub(crate) fn is_readable(&self, at: u32) -> bool {
        self.tables.connections.slots[at as usize].is_readable()
    }

    pub(crate) fn is_writable(&self, at: u32) -> bool {
        self.tables.connections.slots[at as usize].is_writable()
    }

    /// Our end, and the other.
    pub(crate) fn ends(&self, at: u32) -> (SocketAddr, SocketAddr) {
        let slot = &self.tables.connections.slots[at as usize];
        (slot.flow.local(), slot.flow.remote())
    }

    pub(crate) fn set_options(&mut self, at: u32, options: &Options) {
        self.tables.connections.slots[at as usize].set_options(options);
        self.touch(at);
    }

    /// Closes the write half: after what was written comes the end.
    pub(crate) fn finish(&mut self, at: u32) {
        let slot = &mut self.tables.connections.slots[at as usize];
        if slot.is_opening() {
            return self.abort(at);
        }
        slot.socket_mut().close();
        self.touch(at);
        self.settle(at);
    }

    /// Breaks the connection off.
    pub(crate) fn abort(&mut self, at: u32) {
        let slot = &mut self.tables.connections.slots[at as usize];
        if slot.socket().state() != State::Closed {
            slot.error = Some(Error::Aborted);
        }
        slot.socket_mut().abort();
        self.touch(at);
        self.settle(at);
    }

    /// Listens at `port` of `address`, or of all addresses; at a free port if `port` is zero.
    pub(crate) fn listen(
        &mut self,
        address: Option<IpAddr>,
        port: u16,
        backlog: u32,
        options: Options,
    ) -> Result<u32, Error> {
        let port = match port {
            0 => self.ephemeral_port(|core, port| core.tables.listeners.at_port(port).is_none()),
            port => self.tables.listeners.at_port(port).is_none().then_some(port),
        };
        let port = port.ok_or(Error::InUse)?;
        let listener = Listener { port, address, backlog, options, ..Listener::free() };
        self.tables.listeners.claim(listener).ok_or_else(|| {
            self.stats.note(|stats| &mut stats.slots_wanting);
            Error::ListenersFull
        })
    }

    /// Takes the next connection, or waits for one.
    pub(crate) fn poll_accept(&mut self, listener: u32, waker: &Waker) -> (Poll<u32>, Option<Waiter>) {
        match self.accept(listener) {
            Some(at) => (Poll::Ready(at), None),
            None => {
                let of = &mut self.tables.listeners.slots[listener as usize];
                (Poll::Pending, self.wakes.wait(&mut of.acceptor, waker))
            }
        }
    }
}
