//! Waiting for connections.

use core::{
    fmt,
    future::poll_fn,
    net::IpAddr,
    task::{Context, Poll},
};

use super::{Error, Options, Stream};
use crate::{ip::spoken, stack::Stack};

/// Listens at a port, and hands out the connections that come.
///
/// Up to the backlog's number of connections are opened before they are accepted; to a caller beyond that
/// nothing is said, so that it tries again. One who has called and has not confirmed that for a second, however often it
/// calls meanwhile, makes way where there is no room: a listener lets callers in beside as many false ones a second (a SYN
/// flood) as its backlog is long. Dropping it breaks those off that were not accepted.
pub struct Listener<'r> {
    stack: Stack<'r>,
    at: u32,
}

impl<'r> Listener<'r> {
    /// Listens at `port` of all our addresses; at one that is free if it is 0. The connections behave as
    /// `options` say.
    ///
    /// # Errors
    /// [`Error::InUse`] if somebody listens there, [`Error::ListenersFull`] if every slot is taken.
    pub fn bind(stack: &Stack<'r>, port: u16, backlog: usize, options: Options) -> Result<Self, Error> {
        Self::bind_to(stack, None, port, backlog, options)
    }

    /// [`Listener::bind`], at just one of our addresses if one is given.
    ///
    /// # Errors
    /// As [`Listener::bind`]: a port has one listener, whatever its address. [`Error::BadAddress`] for an IPv6 address without
    /// the feature `ipv6`.
    pub fn bind_to(
        stack: &Stack<'r>,
        address: Option<IpAddr>,
        port: u16,
        backlog: usize,
        options: Options,
    ) -> Result<Self, Error> {
        let backlog = u32::try_from(backlog).unwrap_or(u32::MAX);
        let address = address.map(|address| spoken(address).ok_or(Error::BadAddress)).transpose()?;
        let at = stack.with(|core| core.listen(address, port, backlog, options))?;
        Ok(Self { stack: stack.clone(), at })
    }

    /// Waits for a connection. Dropping the future loses none.
    pub async fn accept(&self) -> Stream<'r> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Takes a connection, or has the task woken when there is one.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Stream<'r>> {
        self.stack.poll(|core| core.poll_accept(self.at, cx.waker())).map(|at| Stream::new(self.stack.clone(), at))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.stack.with(|core| core.listening_port(self.at))
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        // Each step frees or breaks off one connection, and may wake.
        while self.stack.with(|core| core.break_off_child(self.at)) {}
        let acceptor = self.stack.with(|core| core.unlisten(self.at));
        drop(acceptor);
    }
}

impl fmt::Debug for Listener<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("port", &self.port()).finish()
    }
}
