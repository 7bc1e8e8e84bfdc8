//! A UDP socket at every interface.

use core::{
    cell::Cell,
    fmt,
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
};

use heapless::Vec;

use super::{INTERFACES_MAX, Multihomed, zoned};
use crate::udp::{self, Error, Options};

/// How often a port is drawn that is to be free at every interface.
const DRAWS: usize = 8;

/// A socket at one port of every interface, and the choice by which of them each datagram leaves.
pub struct Socket<'h, 'r> {
    home: &'h Multihomed<'r>,
    each: Vec<udp::Socket<'r>, INTERFACES_MAX>,
    /// Which interface is looked at first, so that a busy one does not keep the others waiting.
    first: Cell<usize>,
}

/// Where a datagram came from, by which interface, and what it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The interface's number.
    pub interface: usize,
    /// Its sender; an address that means something only there names the interface, as [`Multihomed::route`] reads it.
    pub remote: SocketAddr,
    /// Which of our addresses it was sent to; `None` if to a group or to everyone.
    pub local: Option<IpAddr>,
}

impl<'h, 'r> Socket<'h, 'r> {
    /// A socket at `port` of every interface; at one that is free everywhere if it is 0. Takes a slot of each stack.
    ///
    /// # Errors
    /// As [`udp::Socket::bind`], of any interface.
    pub fn bind(home: &'h Multihomed<'r>, port: u16, options: Options) -> Result<Self, Error> {
        let draws = if port == 0 { DRAWS } else { 1 };
        let mut outcome = Err(Error::InUse);
        for _ in 0..draws {
            outcome = bind_each(home, port, options);
            if outcome.is_ok() || matches!(outcome, Err(error) if error != Error::InUse) {
                break;
            }
        }
        Ok(Self { home, each: outcome?, first: Cell::new(0) })
    }

    /// The socket at one interface, for what shall leave by that, or be heard there.
    ///
    /// # Panics
    /// If there is no interface of that number.
    pub fn at(&self, interface: usize) -> &udp::Socket<'r> {
        &self.each[interface]
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.each[0].local_addr().1
    }

    /// Sends a datagram by the best interface, waiting for room if there is none.
    ///
    /// # Errors
    /// As [`udp::Socket::send_to`]; [`Error::NoRoute`] if no interface whose link is up leads there.
    pub async fn send_to(&self, datagram: &[u8], remote: SocketAddr) -> Result<(), Error> {
        poll_fn(|cx| self.poll_send_to(cx, datagram, remote)).await
    }

    /// Sends a datagram by the best interface, or has the task woken when there is room.
    ///
    /// # Errors
    /// As [`Socket::send_to`].
    pub fn poll_send_to(&self, cx: &mut Context<'_>, datagram: &[u8], remote: SocketAddr) -> Poll<Result<(), Error>> {
        match self.home.route(remote) {
            Some(at) => self.each[at].poll_send_to(cx, datagram, remote),
            None => Poll::Ready(Err(Error::NoRoute)),
        }
    }

    /// Answers a datagram by the interface that it came by, from the address that it was sent to.
    ///
    /// # Errors
    /// As [`udp::Socket::send_to`].
    pub async fn reply(&self, datagram: &[u8], to: &Arrival) -> Result<(), Error> {
        let socket = &self.each[to.interface];
        match to.local {
            Some(local) => socket.send_from(datagram, local, to.remote).await,
            None => socket.send_to(datagram, to.remote).await,
        }
    }

    /// Waits for a datagram; answers with its length and where it came from.
    ///
    /// # Errors
    /// As [`udp::Socket::recv_from`].
    pub async fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, Arrival), Error> {
        poll_fn(|cx| self.poll_recv_from(cx, buffer)).await
    }

    /// Takes a datagram, or has the task woken when there is one.
    ///
    /// # Errors
    /// As [`udp::Socket::recv_from`].
    pub fn poll_recv_from(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<(usize, Arrival), Error>> {
        let first = self.first.replace((self.first.get() + 1) % self.each.len());
        for step in 0..self.each.len() {
            let interface = (first + step) % self.each.len();
            let taken = self.each[interface].poll_recv_noting(cx, |datagram, from| {
                let place = buffer.get_mut(..datagram.len()).ok_or(Error::Truncated)?;
                place.copy_from_slice(datagram);
                Ok((datagram.len(), Arrival { interface, remote: zoned(from.remote, interface), local: from.local }))
            });
            if let Poll::Ready(taken) = taken {
                return Poll::Ready(taken.flatten());
            }
        }
        Poll::Pending
    }
}

/// A socket at the same port of each.
fn bind_each<'r>(
    home: &Multihomed<'r>,
    mut port: u16,
    options: Options,
) -> Result<Vec<udp::Socket<'r>, INTERFACES_MAX>, Error> {
    let mut each = Vec::new();
    for interface in &home.interfaces {
        let socket = udp::Socket::bind(&interface.stack, port, options)?;
        port = socket.local_addr().1;
        // There is as much room as there are interfaces.
        let _ = each.push(socket);
    }
    Ok(each)
}

impl fmt::Debug for Socket<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("port", &self.port()).finish_non_exhaustive()
    }
}
