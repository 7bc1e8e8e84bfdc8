//! A station in several networks at once: a stack for each interface, and the choice between them.
//!
//! Each interface has a [`Stack`] of its own with its addresses, routes, neighbours and name servers, and DHCP, SLAAC or
//! mDNS run on each as if it were alone. A [`Multihomed`] holds their handles and says by which of them something leaves:
//! of those whose link is up, the one whose network or route to there names the most bits; among equals the one with the
//! lowest metric; among equals still, the first. Whoever wants one interface and no other uses its stack.
//!
//! It is the strong model of a host (RFC 1122, section 3.3.4.2): what comes in by an interface is for the addresses of
//! that interface, and what comes from an address leaves by the interface that has it. So a connection stays with its
//! interface, and nothing is forwarded. What shall outlive a link is begun anew by another: [`Multihomed::follow`].
//!
//! The stacks are run one inside the other, each with its own memory and driver:
//!
//! ```
//! use core::net::SocketAddr;
//! use embassy_net_driver::Driver;
//! use embedded_io_async::Write;
//! use wavetank_stack::{Clock, Config, Resources, Stack, multihome::Multihomed, tcp};
//!
//! async fn report(wire: impl Driver, modem: impl Driver, clock: impl Clock + Copy, hub: SocketAddr, seed: u64) {
//!     let (mut one, mut other): (Resources<'_>, Resources<'_>) = (Resources::new(), Resources::new());
//!     let (by_wire, mut wire) = Stack::new(&mut one, wire, clock, &Config::default(), seed);
//!     let (by_modem, mut modem) = Stack::new(&mut other, modem, clock, &Config::default(), seed + 1);
//!     let home = Multihomed::new(&[(by_wire, 10), (by_modem, 100)]);
//!     // Beside it a DHCP client for each, `dhcp::Client::new(home.stack(0), …)`.
//!     let reporting = home.follow(hub, |_, stack| async move {
//!         let mut stream = tcp::Stream::connect(&stack, hub, tcp::Options::default()).await?;
//!         stream.write_all(b"ahoy").await?;
//!         stream.acknowledged().await
//!     });
//!     let _ = wire.run_with(modem.run_with(reporting)).await;
//! }
//! ```

mod tcp;
mod udp;

pub use tcp::Listener;
pub use udp::{Arrival, Socket};

use core::{
    cell::Cell,
    cmp::Reverse,
    fmt,
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::pin,
    task::Poll,
};

use heapless::Vec;

use crate::{
    ip::spoken,
    stack::Stack,
    tcp::{Error, Options, Stream},
};

/// How many interfaces a station can have.
pub const INTERFACES_MAX: usize = 4;

/// The interfaces of one station, numbered from 0.
pub struct Multihomed<'r> {
    interfaces: Vec<Interface<'r>, INTERFACES_MAX>,
}

struct Interface<'r> {
    stack: Stack<'r>,
    metric: Cell<u32>,
}

impl Interface<'_> {
    /// How many bits of `to` the way there by this interface names, if there is one now.
    fn reach(&self, to: IpAddr) -> Option<u8> {
        if !self.stack.is_link_up() {
            return None;
        }
        self.stack.core().borrow().reach(spoken(to)?)
    }
}

impl<'r> Multihomed<'r> {
    /// A station with those interfaces, each with its metric: of two that lead as far, the lower is preferred.
    ///
    /// From now on their runners watch their links.
    ///
    /// # Panics
    /// If there is none, or more than [`INTERFACES_MAX`].
    pub fn new(interfaces: &[(Stack<'r>, u32)]) -> Self {
        assert!(
            (1..=INTERFACES_MAX).contains(&interfaces.len()),
            "a station has one interface to {INTERFACES_MAX}, not {}",
            interfaces.len()
        );
        let interfaces = interfaces.iter().map(|(stack, metric)| {
            stack.is_link_up();
            Interface { stack: stack.clone(), metric: Cell::new(*metric) }
        });
        Self { interfaces: interfaces.collect() }
    }

    /// How many interfaces there are.
    pub fn interfaces(&self) -> usize {
        self.interfaces.len()
    }

    /// The stack of an interface, for what shall be on that one alone.
    ///
    /// # Panics
    /// If there is no interface of that number.
    pub fn stack(&self, interface: usize) -> &Stack<'r> {
        &self.interfaces[interface].stack
    }

    /// An interface's metric.
    ///
    /// # Panics
    /// If there is no interface of that number.
    pub fn metric(&self, interface: usize) -> u32 {
        self.interfaces[interface].metric.get()
    }

    /// Changes an interface's metric: when its link is up, say, and nothing comes back by it.
    ///
    /// # Panics
    /// If there is no interface of that number.
    pub fn set_metric(&self, interface: usize, metric: u32) {
        let Interface { stack, metric: known } = &self.interfaces[interface];
        if known.replace(metric) != metric {
            stack.with(crate::engine::Core::note_change);
            while stack.with(crate::engine::Core::wake_watcher) {}
        }
    }

    /// Which interface has that address of ours.
    pub fn owner(&self, address: IpAddr) -> Option<usize> {
        let address = spoken(address)?;
        self.interfaces.iter().position(|interface| interface.stack.core().borrow().is_own(address))
    }

    /// By which interface something for `remote` leaves now; by none, if no way leads there, or it is ourselves.
    ///
    /// A link-local address of IPv6 is one of every Ethernet; which is meant, the address says by its
    /// [`scope_id`](core::net::SocketAddrV6::scope_id), an interface's number and 1 (RFC 4007, section 6), or the metrics do.
    pub fn route(&self, remote: SocketAddr) -> Option<usize> {
        let to = remote.ip();
        if self.owner(to).is_some() {
            return None;
        }
        if let Some(at) = zone(remote) {
            return self.interfaces.get(at)?.reach(to).map(|_| at);
        }
        let ways = self.interfaces.iter().enumerate().filter_map(|(at, interface)| {
            let reach = interface.reach(to)?;
            Some((reach, Reverse(interface.metric.get()), Reverse(at)))
        });
        ways.max().map(|(_, _, Reverse(at))| at)
    }

    /// Waits until a way leads to `remote`; answers by which interface.
    pub async fn until_route(&self, remote: SocketAddr) -> usize {
        self.watch(|| self.route(remote)).await
    }

    /// Waits until the way to `remote` is no longer by that interface: there is a better one, or none.
    pub async fn until_rerouted(&self, remote: SocketAddr, from: usize) {
        self.watch(|| (self.route(remote) != Some(from)).then_some(())).await;
    }

    /// Does something by the best interface to `remote`, which waits for one if there is none; when another becomes the
    /// best, drops what `work` made and has it begin anew by that.
    pub async fn follow<T, F: Future<Output = T>>(
        &self,
        remote: SocketAddr,
        mut work: impl FnMut(usize, Stack<'r>) -> F,
    ) -> T {
        loop {
            let at = self.until_route(remote).await;
            let mut working = pin!(work(at, self.stack(at).clone()));
            let mut rerouted = pin!(self.until_rerouted(remote, at));
            let done = poll_fn(|cx| match working.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending => rerouted.as_mut().poll(cx).map(|()| None),
            });
            if let Some(done) = done.await {
                return done;
            }
        }
    }

    /// Opens a connection by the best interface.
    ///
    /// # Errors
    /// As [`Stream::connect`]; [`Error::NoRoute`] if no interface whose link is up leads there.
    pub async fn connect(&self, remote: SocketAddr, options: Options) -> Result<Stream<'r>, Error> {
        let at = self.route(remote).ok_or(Error::NoRoute)?;
        Stream::connect(self.stack(at), remote, options).await
    }

    /// Looks again whenever something changed at an interface, until there is an answer.
    async fn watch<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        let mut known = [0; INTERFACES_MAX];
        poll_fn(|cx| {
            if let Some(found) = look() {
                return Poll::Ready(found);
            }
            // Nothing changes between looking and waiting: all of it is on one thread, and in nobody's turn but ours.
            for (interface, known) in self.interfaces.iter().zip(&mut known) {
                while let Poll::Ready(edition) = interface.stack.poll(|core| core.poll_changed(*known, cx.waker())) {
                    *known = edition;
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The interface that an address names itself, if it means something only there.
fn zone(remote: SocketAddr) -> Option<usize> {
    match remote {
        SocketAddr::V6(remote) if is_zoned(remote.ip().octets()) => {
            remote.scope_id().checked_sub(1).map(|at| at as usize)
        }
        _ => None,
    }
}

/// What came by an interface, from an address that means something only there, says so.
fn zoned(mut remote: SocketAddr, at: usize) -> SocketAddr {
    if let SocketAddr::V6(remote) = &mut remote
        && is_zoned(remote.ip().octets())
    {
        remote.set_scope_id(at as u32 + 1);
    }
    remote
}

/// Whether it is link-local, or a group on the link (RFC 4291, sections 2.5.6 and 2.7).
fn is_zoned([first, second, ..]: [u8; 16]) -> bool {
    (first == 0xfe && second & 0xc0 == 0x80) || (first == 0xff && second & 0xf == 2)
}

impl fmt::Debug for Multihomed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metrics = self.interfaces.iter().map(|interface| interface.metric.get());
        f.debug_struct("Multihomed").field("metrics", &metrics.collect::<Vec<_, INTERFACES_MAX>>()).finish()
    }
}
