//! UDP sockets.

use core::{
    fmt,
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
};

use crate::{
    engine::Datagram,
    icmp::Unreachable,
    ip::{self, spoken, spoken_at, told, told_at},
    stack::Stack,
};

/// How a socket behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How many datagrams wait to be received at most, and how many to be sent; only with growing tables,
    /// fixed ones have their sizes. Default: 16.
    pub datagrams: usize,
    /// How many bytes of them wait to be received at most. Default: 4,096.
    pub receive_bytes: usize,
    /// How many bytes of them wait to be sent at most. Default: 4,096.
    pub send_bytes: usize,
    /// How many routers a datagram may pass. Default: 64.
    pub hop_limit: u8,
    /// Whether receiving tells what the network says about datagrams that were sent ([`Error::Undelivered`]).
    /// Right for a client with one peer; a server would hear of each client that went away. Without the feature `icmp` nothing
    /// is heard of the network. Default: no.
    pub errors: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { datagrams: 16, receive_bytes: 4_096, send_bytes: 4_096, hop_limit: 64, errors: false }
    }
}

/// Why an operation on a socket failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port is taken, or all are.
    #[error("address in use")]
    InUse,
    /// Every slot for a socket is taken.
    #[error("no free socket slot")]
    Full,
    /// No route leads there.
    #[error("no route to host")]
    NoRoute,
    /// The address or port cannot be sent to.
    #[error("not an address, or port zero")]
    BadAddress,
    /// The datagram is longer than the link carries, or than the socket's ring: it was not sent.
    #[error("datagram too long to send")]
    TooLong,
    /// The datagram was longer than the buffer: it is lost.
    #[error("datagram longer than the buffer")]
    Truncated,
    /// The network says that a datagram did not arrive; only with [`Options::errors`].
    #[error("{remote}: {why}")]
    Undelivered {
        /// Where it was sent to.
        remote: SocketAddr,
        /// What the network said.
        why: Unreachable,
    },
}

/// A UDP socket. Dropping it drops what it has not sent.
pub struct Socket<'r> {
    stack: Stack<'r>,
    at: u32,
}

/// Where a datagram came from, and what it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its sender.
    pub remote: SocketAddr,
    /// Which of our addresses it was sent to; `None` if to a group or to everyone.
    pub local: Option<IpAddr>,
}

impl<'r> Socket<'r> {
    /// A socket at `port` of all our addresses; at one that is free if it is 0.
    ///
    /// # Errors
    /// [`Error::InUse`] if the port is taken, [`Error::Full`] if every slot is.
    pub fn bind(stack: &Stack<'r>, port: u16, options: Options) -> Result<Self, Error> {
        Self::bind_to(stack, None, port, options)
    }

    /// [`Socket::bind`], at just one of our addresses if one is given.
    ///
    /// # Errors
    /// As [`Socket::bind`]: a port has one socket, whatever its address.
    pub fn bind_to(stack: &Stack<'r>, address: Option<IpAddr>, port: u16, options: Options) -> Result<Self, Error> {
        let address = address.map(|address| spoken(address).ok_or(Error::BadAddress)).transpose()?;
        let at = stack.with(|core| core.bind(address, port, &options))?;
        Ok(Self { stack: stack.clone(), at })
    }

    /// Sends a datagram, waiting for room if there is none. It may be lost on the way, even before it leaves:
    /// when the next hop does not answer.
    ///
    /// # Errors
    /// [`Error::NoRoute`], [`Error::BadAddress`], [`Error::TooLong`].
    pub fn send_to(&self, datagram: &[u8], remote: SocketAddr) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.poll_send_to(cx, datagram, remote))
    }

    /// Sends a datagram, or has the task woken when there is room.
    ///
    /// # Errors
    /// As [`Socket::send_to`].
    pub fn poll_send_to(&self, cx: &mut Context<'_>, datagram: &[u8], remote: SocketAddr) -> Poll<Result<(), Error>> {
        self.poll_send(cx, datagram, None, remote)
    }

    /// [`Socket::send_to`] from that address of ours, as a server answers from the one it was asked at; or from
    /// the unspecified one, as a station sends that has none yet.
    ///
    /// # Errors
    /// As [`Socket::send_to`].
    pub fn send_from(
        &self,
        datagram: &[u8],
        from: IpAddr,
        remote: SocketAddr,
    ) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.poll_send_from(cx, datagram, from, remote))
    }

    /// [`Socket::send_from`], or has the task woken when there is room.
    ///
    /// # Errors
    /// As [`Socket::send_to`].
    pub fn poll_send_from(
        &self,
        cx: &mut Context<'_>,
        datagram: &[u8],
        from: IpAddr,
        remote: SocketAddr,
    ) -> Poll<Result<(), Error>> {
        match spoken(from) {
            Some(from) => self.poll_send(cx, datagram, Some(from), remote),
            None => Poll::Ready(Err(Error::NoRoute)),
        }
    }

    #[inline]
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        datagram: &[u8],
        from: Option<ip::IpAddr>,
        remote: SocketAddr,
    ) -> Poll<Result<(), Error>> {
        let Some(remote) = spoken_at(remote) else {
            return Poll::Ready(Err(Error::NoRoute));
        };
        let sent = self
            .stack
            .poll_in_place(|core, replaced| core.poll_send(self.at, datagram, remote, from, cx.waker(), replaced));
        sent.map(|sent| sent.map_err(Error::from))
    }

    /// Waits for a datagram; answers with its length and sender.
    ///
    /// # Errors
    /// [`Error::Truncated`] if it is longer than `buffer`; [`Error::Undelivered`] if that is asked for.
    pub fn recv_from(&self, buffer: &mut [u8]) -> impl Future<Output = Result<(usize, SocketAddr), Error>> {
        poll_fn(move |cx| self.poll_recv_from(cx, buffer))
    }

    /// Takes a datagram, or has the task woken when there is one.
    ///
    /// # Errors
    /// As [`Socket::recv_from`].
    pub fn poll_recv_from(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<(usize, SocketAddr), Error>> {
        let taken = self.poll_recv_noting(cx, |datagram, arrival| {
            let place = buffer.get_mut(..datagram.len()).ok_or(Error::Truncated)?;
            place.copy_from_slice(datagram);
            Ok((datagram.len(), arrival.remote))
        });
        taken.map(Result::flatten)
    }

    /// [`Socket::poll_recv_with`], which tells what the network says about datagrams, too, if that is asked for.
    ///
    /// # Errors
    /// [`Error::Undelivered`].
    pub fn poll_recv_noting<R>(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8], Arrival) -> R,
    ) -> Poll<Result<R, Error>> {
        self.stack.poll_in_place(|core, replaced| {
            #[cfg(feature = "icmp")]
            if let Some(trouble) = core.take_trouble(self.at) {
                return Poll::Ready(Err(Error::Undelivered { remote: told_at(trouble.remote), why: trouble.why }));
            }
            core.poll_datagram(self.at, arriving(take), cx.waker(), replaced).map(Ok)
        })
    }

    /// Lets `take` look at a datagram where it lies, or has the task woken when there is one. `take` must not
    /// use the stack.
    pub fn poll_recv_with<R>(&self, cx: &mut Context<'_>, take: impl FnOnce(&[u8], Arrival) -> R) -> Poll<R> {
        self.stack.poll_in_place(|core, replaced| core.poll_datagram(self.at, arriving(take), cx.waker(), replaced))
    }

    /// The address, if it is bound to one, and port.
    pub fn local_addr(&self) -> (Option<IpAddr>, u16) {
        let (address, port) = self.stack.with(|core| core.bound(self.at));
        (address.map(told), port)
    }
}

fn arriving<R>(take: impl FnOnce(&[u8], Arrival) -> R) -> impl FnOnce(&[u8], &Datagram) -> R {
    |datagram, about| take(datagram, Arrival { remote: told_at(about.remote), local: about.local.map(told) })
}

impl Drop for Socket<'_> {
    fn drop(&mut self) {
        let unheard = self.stack.with(|core| core.unbind(self.at));
        drop(unheard);
    }
}

impl fmt::Debug for Socket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("local", &self.local_addr()).finish()
    }
}
