//! Raw sockets: packets of one protocol of IP (RFC 791, RFC 8200), for protocols that the stack does not speak.
//!
//! A socket hears what is sent to us, or to a group that we are in, by its protocol and in its version of IP; for what has
//! a socket, no error goes back to the sender. Of ICMP it hears what the stack hears, beside the stack, which goes on
//! answering. TCP and UDP are the stack's own. What is sent gets its IP header from the stack, without options; of ICMPv6 the
//! checksum, too, as it covers the address that the packet leaves from (RFC 3542, section 3.1).
//!
//! Headers of IPv6 between the fixed one and the payload are not understood: they are protocols like any other.

use core::{
    fmt,
    future::poll_fn,
    net::IpAddr,
    task::{Context, Poll},
};

use crate::{
    engine::Datagram,
    ip::{SocketAddr, spoken, told},
    stack::Stack,
    udp::{self, Options},
};

/// Which IP a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Version {
    fn is_of(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Version::V4)
    }
}

/// Why an operation on a raw socket failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// TCP and UDP have sockets of their own.
    #[error("protocol {0} is the stack's own: use its sockets")]
    Taken(u8),
    /// As of a socket of UDP; [`udp::Error::InUse`] if there is such a socket already.
    #[error("{0}")]
    Socket(#[from] udp::Error),
}

/// A raw socket. Takes one of the stack's slots for UDP sockets; dropping it drops what it has not sent.
pub struct Socket<'r> {
    stack: Stack<'r>,
    at: u32,
    version: Version,
}

/// Where a packet came from, and what it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its sender.
    pub remote: IpAddr,
    /// What it was sent to: an address of ours, a group, or everyone.
    pub local: IpAddr,
    /// How many routers it might still have passed.
    pub hop_limit: u8,
}

impl<'r> Socket<'r> {
    /// A socket for that protocol, by IANA's number.
    ///
    /// # Errors
    /// [`Error::Taken`] for TCP and UDP, [`udp::Error::InUse`] if there is one already, [`udp::Error::Full`] if every slot is
    /// taken.
    pub fn bind(stack: &Stack<'r>, version: Version, protocol: u8, options: Options) -> Result<Self, Error> {
        if matches!(protocol, crate::engine::TCP | crate::engine::UDP) {
            return Err(Error::Taken(protocol));
        }
        let at = stack.with(|core| core.bind_raw(version == Version::V4, protocol, &options))?;
        Ok(Self { stack: stack.clone(), at, version })
    }

    /// Sends what follows the IP header, waiting for room if there is none. As a datagram it may be lost on the way.
    ///
    /// # Errors
    /// [`udp::Error::NoRoute`], [`udp::Error::TooLong`]; [`udp::Error::BadAddress`] if it is none, or of the other IP.
    pub async fn send_to(&self, payload: &[u8], to: IpAddr) -> Result<(), Error> {
        poll_fn(|cx| self.poll_send(cx, payload, to, None)).await
    }

    /// [`Socket::send_to`] from that address.
    ///
    /// # Errors
    /// As [`Socket::send_to`].
    pub async fn send_from(&self, payload: &[u8], from: IpAddr, to: IpAddr) -> Result<(), Error> {
        poll_fn(|cx| self.poll_send(cx, payload, to, Some(from))).await
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        payload: &[u8],
        to: IpAddr,
        from: Option<IpAddr>,
    ) -> Poll<Result<(), Error>> {
        let (Some(to), true) = (spoken(to), self.version.is_of(to)) else {
            return Poll::Ready(Err(udp::Error::BadAddress.into()));
        };
        let from = match from.map(spoken) {
            Some(None) => return Poll::Ready(Err(udp::Error::BadAddress.into())),
            from => from.flatten(),
        };
        let remote = SocketAddr::new(to, 0);
        let sent = self
            .stack
            .poll_in_place(|core, replaced| core.poll_send(self.at, payload, remote, from, cx.waker(), replaced));
        sent.map(|sent| sent.map_err(|unsent| Error::Socket(unsent.into())))
    }

    /// Waits for a packet; answers with the length of what followed its IP header, and where it came from.
    ///
    /// # Errors
    /// [`udp::Error::Truncated`] if it is longer than `buffer`: it is lost.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, Arrival), Error> {
        let taken = poll_fn(|cx| {
            self.poll_recv_with(cx, |payload, arrival| {
                let place = buffer.get_mut(..payload.len()).ok_or(udp::Error::Truncated)?;
                place.copy_from_slice(payload);
                Ok((payload.len(), arrival))
            })
        });
        taken.await
    }

    /// Lets `take` look at what followed a packet's IP header where it lies, or has the task woken when there is one. `take`
    /// must not use the stack.
    pub fn poll_recv_with<R>(&self, cx: &mut Context<'_>, take: impl FnOnce(&[u8], Arrival) -> R) -> Poll<R> {
        self.stack.poll_in_place(|core, replaced| {
            let take = |payload: &[u8], about: &Datagram| {
                let remote = about.remote.ip();
                // A raw packet has no port: its place has the hop limit.
                let hop_limit = about.remote.port() as u8;
                take(payload, Arrival { remote: told(remote), local: told(about.local.unwrap_or(remote)), hop_limit })
            };
            core.poll_datagram(self.at, take, cx.waker(), replaced)
        })
    }

    /// How many routers what is sent may pass.
    pub fn set_hop_limit(&self, hops: u8) {
        self.stack.with(|core| core.set_hop_limit(self.at, hops));
    }
}

impl Drop for Socket<'_> {
    fn drop(&mut self) {
        let unheard = self.stack.with(|core| core.unbind(self.at));
        drop(unheard);
    }
}

impl fmt::Debug for Socket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("version", &self.version).finish_non_exhaustive()
    }
}
