//! Waiting for connections at every interface.

use core::{
    cell::Cell,
    fmt,
    future::poll_fn,
    task::{Context, Poll},
};

use heapless::Vec;

use super::{INTERFACES_MAX, Multihomed};
use crate::tcp::{self, Error, Options, Stream};

/// Listens at one port of every interface. Whoever calls is answered by the interface that the call came by.
pub struct Listener<'r> {
    each: Vec<tcp::Listener<'r>, INTERFACES_MAX>,
    /// Which interface is looked at first, so that a busy one does not keep the others waiting.
    first: Cell<usize>,
}

impl<'r> Listener<'r> {
    /// Listens at `port` of every interface; each has a backlog and slots of its own.
    ///
    /// # Errors
    /// As [`tcp::Listener::bind`]; [`Error::BadAddress`] for port 0, which could be another at each.
    pub fn bind(home: &Multihomed<'r>, port: u16, backlog: usize, options: Options) -> Result<Self, Error> {
        if port == 0 {
            return Err(Error::BadAddress);
        }
        let mut each = Vec::new();
        for interface in &home.interfaces {
            // There is as much room as there are interfaces.
            let _ = each.push(tcp::Listener::bind(&interface.stack, port, backlog, options)?);
        }
        Ok(Self { each, first: Cell::new(0) })
    }

    /// Waits for a connection. Dropping the future loses none.
    pub async fn accept(&self) -> Stream<'r> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Takes a connection, or has the task woken when there is one.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Stream<'r>> {
        let first = self.first.replace((self.first.get() + 1) % self.each.len());
        let (before, from) = self.each.split_at(first);
        for listener in from.iter().chain(before) {
            if let Poll::Ready(stream) = listener.poll_accept(cx) {
                return Poll::Ready(stream);
            }
        }
        Poll::Pending
    }
}

impl fmt::Debug for Listener<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("each", &self.each).finish_non_exhaustive()
    }
}
