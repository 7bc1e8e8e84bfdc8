//! Packets of IPv6 from one network to another (RFC 8200; RFC 4443): what makes a router of a station with two stacks.
//!
//! A station has a [`Stack`] in each of two networks, such as an Ethernet and a network of radios
//! ([`lowpan`](crate::lowpan)). A [`Forwarder`] takes what comes to either of them for somebody else, and has it leave by the one
//! whose network, or route, names the most bits of where it goes. Everything else the stacks do themselves, each on its link:
//! they find the next neighbour, and keep what waits for its answer; their sockets are the station's own. [`advertise`] tells the
//! hosts of a network that there is a router, and what addresses they can have.
//!
//! - A packet loses a hop on the way. Whose hops are used up, who is too long for the next link, and who has nowhere to go or
//!   whose neighbour does not answer, goes no further; its sender is told, but not more often than twenty times at once and a
//!   hundred times a second ([`Budget`]).
//! - What is link-local stays on its link, and so does what is sent to a group.
//! - All memory is fixed: a stack's socket for packets in transit holds as many as the stack's other sockets hold datagrams, and
//!   what finds no room is dropped and counted. Whoever sends too much has to notice, as with any router.
//! - An address of ours is reached by the network that it is in, and not by way of the other one (the strong model of a host,
//!   RFC 1122, section 3.3.4.2): each stack knows its own addresses.
//!
//! Not here: IPv4, extension headers that are a router's to read, redirects, routing protocols.
//!
//! ```
//! use core::net::Ipv6Addr;
//! use embassy_net_driver::Driver;
//! use wavetank_stack::forward::{Forwarder, Offer, advertise};
//! use wavetank_stack::lowpan::{Counts, Lowpan, Memory, Options};
//! use wavetank_stack::{Cidr, Clock, Config, Resources, Stack};
//!
//! const AIR: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 0);
//! const LAN: Cidr = Cidr::v6(Ipv6Addr::new(0xfd00, 0, 0, 2, 0, 0, 0, 1), 64);
//!
//! async fn border(card: impl Driver, radio: impl Driver, clock: impl Clock + Copy, rng: impl rand_core::Rng) {
//!     let (mut packets, counts) = (Memory::<4>::new(), Counts::new());
//!     let link = Lowpan::new(radio, clock, &mut packets, &counts, Options::new(0xbeef).with_prefix(AIR));
//!     let own = [link.address().link_local(), link.address().within(AIR)];
//!     let (mut one, mut other): (Resources<'_>, Resources<'_>) = (Resources::new(), Resources::new());
//!     let (lan, mut by_cable) = Stack::new(&mut one, card, clock, &Config::new(&[LAN], &[]), 7);
//!     let (air, mut by_radio) = Stack::new(&mut other, link, clock, &Config::new(&own, &[]), 8);
//!     let forwarder = Forwarder::new([&lan, &air], clock).expect("each has a free socket");
//!     let _advertising = advertise(&air, &clock, rng, Offer::new(AIR));
//!     // Beside it whatever the station does itself.
//!     by_cable.run_with(by_radio.run_with(forwarder.run(&()))).await;
//! }
//! ```

mod advertise;
mod error;
#[cfg(test)]
mod tests;

#[cfg(feature = "lowpan")]
pub use advertise::OFFERED_CONTEXTS_MAX;
pub use advertise::{Offer, advertise};
pub use error::{Budget, ERROR_MAX, Trouble, may_be_told, tell};

use core::{
    cell::{Cell, RefCell},
    convert::Infallible,
    fmt,
    future::poll_fn,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    task::{Context, Poll},
};

use crate::{
    engine::Passing,
    probe::Probe,
    stack::Stack,
    time::{Clock, Instant},
    udp,
};

/// The longest packet that is passed on: Ethernet's.
pub const PACKET_MAX: usize = 1_500;
/// The header of IPv6.
const HEADER: usize = 40;
const HOP_LIMIT: usize = 7;

/// What a forwarder counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Packets that were sent on.
    Forwarded,
    /// Packets whose hops were used up.
    Expired,
    /// Packets that were too long for the next link.
    TooBig,
    /// Packets that no route leads for, or only one to an address of ours in the other network.
    NoRoute,
    /// Packets whose next neighbour does not answer.
    Silent,
    /// Packets that came from where none can come from, or that are not for beyond their link.
    Stray,
    /// Packets that found no room to wait for their link.
    NoRoom,
    /// Senders that were told what became of their packet.
    Told,
}

impl Count {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 8] = [
        Self::Forwarded,
        Self::Expired,
        Self::TooBig,
        Self::NoRoute,
        Self::Silent,
        Self::Stray,
        Self::NoRoom,
        Self::Told,
    ];

    /// The name of its counter, for a [`Probe`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "packets.forwarded",
            Self::Expired => "packets.expired",
            Self::TooBig => "packets.too-big",
            Self::NoRoute => "packets.no-route",
            Self::Silent => "packets.silent",
            Self::Stray => "packets.stray",
            Self::NoRoom => "packets.no-room",
            Self::Told => "packets.told",
        }
    }

    /// Whether it counts packets that got no further.
    const fn is_loss(self) -> bool {
        !matches!(self, Self::Forwarded | Self::Told)
    }
}

/// Passes packets between two networks. See the [module](self).
pub struct Forwarder<'r, C> {
    ends: [End<'r>; 2],
    clock: C,
    budget: RefCell<Budget>,
    counts: [Cell<u32>; Count::ALL.len()],
}

/// A network, and the socket that takes what is in transit there.
struct End<'r> {
    stack: Stack<'r>,
    at: u32,
}

impl<'r> End<'r> {
    fn new(stack: &Stack<'r>) -> Result<Self, udp::Error> {
        let mut options = udp::Options::default();
        (options.receive_bytes, options.send_bytes) = (8 * PACKET_MAX, 8 * PACKET_MAX);
        let at = stack.with(|core| core.bind_transit(&options))?;
        Ok(Self { stack: stack.clone(), at })
    }

    fn is_own(&self, address: Ipv6Addr) -> bool {
        self.stack.core().borrow().is_own(address.into())
    }

    /// Has a packet leave, if there is room for it to wait.
    fn send(&self, packet: &[u8], [source, destination]: [Ipv6Addr; 2], cx: &Context<'_>) -> Result<(), Count> {
        let remote = SocketAddr::new(destination.into(), 0);
        let sent = self.stack.poll_in_place(|core, replaced| {
            core.poll_send(self.at, packet, remote, Some(source.into()), cx.waker(), replaced)
        });
        match sent {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(_)) => Err(Count::NoRoute),
            Poll::Pending => Err(Count::NoRoom),
        }
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let unheard = self.stack.with(|core| core.unbind(self.at));
        drop(unheard);
    }
}

/// A packet that goes no further.
struct Rejected(Count, Option<Trouble>);

impl<'r, C: Clock> Forwarder<'r, C> {
    /// A forwarder between those stacks' networks. Takes a slot for UDP sockets of each.
    ///
    /// # Errors
    /// [`udp::Error::Full`] if there is none, [`udp::Error::InUse`] if a stack has a forwarder already.
    pub fn new(stacks: [&Stack<'r>; 2], clock: C) -> Result<Self, udp::Error> {
        let [one, other] = stacks;
        let ends = [End::new(one)?, End::new(other)?];
        Ok(Self { ends, clock, budget: RefCell::default(), counts: [const { Cell::new(0) }; Count::ALL.len()] })
    }

    /// How often it has counted that, since it was made; goes around after four thousand million.
    pub fn count(&self, count: Count) -> u32 {
        self.counts[count as usize].get()
    }

    /// How many packets it has not passed on, whatever the reason.
    pub fn dropped(&self) -> u32 {
        let losses = Count::ALL.into_iter().filter(|count| count.is_loss());
        losses.map(|count| self.count(count)).fold(0, u32::wrapping_add)
    }

    /// Passes packets, for ever; `probe` hears of each. Dropping the future stops that between two packets.
    pub async fn run(&self, probe: &impl Probe) -> Infallible {
        let mut memory = [0; PACKET_MAX];
        poll_fn(|cx| {
            for ingress in 0..self.ends.len() {
                while let Poll::Ready(came) = self.poll_packet(ingress, &mut memory, cx) {
                    self.take(came, &mut memory, probe, cx);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for a packet; answers with its length, unless it is longer than there is room for.
    fn poll_packet(&self, ingress: usize, memory: &mut [u8], cx: &mut Context<'_>) -> Poll<(Passing, Option<usize>)> {
        let End { stack, at } = &self.ends[ingress];
        stack.poll_in_place(|core, replaced| {
            let take = |packet: &[u8], about: &crate::engine::Datagram| {
                let place = memory.get_mut(..packet.len());
                (Passing::of(about), place.map(|place| place.copy_from_slice(packet)).map(|()| packet.len()))
            };
            core.poll_datagram(*at, take, cx.waker(), replaced)
        })
    }

    fn take(
        &self,
        (passing, len): (Passing, Option<usize>),
        memory: &mut [u8; PACKET_MAX],
        probe: &impl Probe,
        cx: &Context<'_>,
    ) {
        let outcome = match (passing, len) {
            (_, None) => Err(Rejected(Count::TooBig, None)),
            (Passing::Back, Some(_)) => Err(Rejected(Count::Silent, Some(Trouble::NoHost))),
            (Passing::Through, Some(len)) => self.pass(&mut memory[..len], cx),
        };
        let counted = match outcome {
            Ok(()) => Count::Forwarded,
            Err(Rejected(count, trouble)) => {
                if let (Some(trouble), Some(len)) = (trouble, len)
                    && self.complain(memory, len, trouble, cx)
                {
                    self.note(Count::Told, probe);
                }
                count
            }
        };
        self.note(counted, probe);
    }

    fn note(&self, count: Count, probe: &impl Probe) {
        let counted = &self.counts[count as usize];
        counted.set(counted.get().wrapping_add(1));
        probe.count(count.name(), 1);
    }

    fn pass(&self, packet: &mut [u8], cx: &Context<'_>) -> Result<(), Rejected> {
        let [source, destination] = addresses(packet);
        let is_own = |address| self.ends.iter().any(|end| end.is_own(address));
        if !can_send(source) || !can_send(destination) || destination.is_unicast_link_local() || is_own(source) {
            return Err(Rejected(Count::Stray, None));
        }
        // Nobody beyond could answer it (RFC 4443, section 3.1).
        if source.is_unicast_link_local() {
            return Err(Rejected(Count::Stray, Some(Trouble::BeyondScope)));
        }
        let egress = self.way(destination).filter(|_| !is_own(destination));
        let egress = egress.ok_or(Rejected(Count::NoRoute, Some(Trouble::NoRoute)))?;
        if packet[HOP_LIMIT] <= 1 {
            return Err(Rejected(Count::Expired, Some(Trouble::Expired)));
        }
        let mtu = egress.stack.core().borrow().mtu();
        if packet.len() > mtu {
            return Err(Rejected(Count::TooBig, Some(Trouble::TooBig(mtu))));
        }
        packet[HOP_LIMIT] -= 1;
        egress.send(packet, [source, destination], cx).map_err(|count| Rejected(count, None))
    }

    /// By which network packets to there leave.
    fn way(&self, to: Ipv6Addr) -> Option<&End<'r>> {
        let [one, other] = self.ends.each_ref().map(|end| end.stack.core().borrow().leads_to(to.into()));
        match (one, other) {
            (None, None) => None,
            (one, other) if one >= other => Some(&self.ends[0]),
            _ => Some(&self.ends[1]),
        }
    }

    /// Tells the sender of a packet, if it may be told; answers whether that is on its way.
    fn complain(&self, memory: &mut [u8; PACKET_MAX], len: usize, trouble: Trouble, cx: &Context<'_>) -> bool {
        if !may_be_told(&memory[..len]) {
            return false;
        }
        let [to, _] = addresses(memory);
        let Some(end) = self.way(to) else { return false };
        let Some(IpAddr::V6(from)) = end.stack.core().borrow().source_for(to.into()) else { return false };
        if !self.budget.borrow_mut().take(self.clock.now().saturating_duration_since(Instant::ZERO)) {
            return false;
        }
        let told = tell(memory, len, trouble, from);
        end.send(&memory[..told], [from, to], cx).is_ok()
    }
}

/// From whom and to whom a packet is.
fn addresses(packet: &[u8]) -> [Ipv6Addr; 2] {
    let octets = |at: usize| -> [u8; 16] { core::array::from_fn(|i| packet[at + i]) };
    [octets(8).into(), octets(24).into()]
}

/// Whether a packet can be from there, or to there alone.
fn can_send(address: Ipv6Addr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && !address.is_loopback()
}

impl<C> fmt::Debug for Forwarder<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarder").field("counts", &self.counts).finish_non_exhaustive()
    }
}
