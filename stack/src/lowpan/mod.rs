//! IPv6 over IEEE 802.15.4 (6LoWPAN): a driver for the stack, over the driver of a radio.
//!
//! [`Lowpan`] takes a radio's frames and gives the stack bare IPv6 packets of up to 1,280 bytes, which is what IPv6 asks
//! of any link: headers are compressed (RFC 6282), what is longer than a frame travels in fragments (RFC 4944,
//! section 5.3). So a stack is moved from Ethernet to a radio by the type of its driver.
//!
//! Addresses are not asked for: the radio's address is in the lower half of every IPv6 address of its network (RFC 4944,
//! section 6), so [`Address::of`] reads it there. What is not in a network of this link goes to the router that
//! [`Options`] name.
//!
//! The same application by cable and by radio:
//!
//! ```
//! use core::net::{Ipv6Addr, SocketAddr};
//! use embassy_net_driver::Driver;
//! use embedded_io_async::Write;
//! use wavetank_stack::lowpan::{Counts, Lowpan, Memory, Options};
//! use wavetank_stack::{Cidr, Clock, Config, Resources, Stack, tcp};
//!
//! const PREFIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 0);
//!
//! async fn report(stack: &Stack<'_>, hub: SocketAddr) -> Result<(), tcp::Error> {
//!     let mut stream = tcp::Stream::connect(stack, hub, tcp::Options::default()).await?;
//!     stream.write_all(b"21.5").await
//! }
//!
//! async fn by_cable(card: impl Driver, clock: impl Clock, hub: SocketAddr) -> Result<(), tcp::Error> {
//!     let addresses = [Cidr::v6(Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 7), 64)];
//!     let mut memory: Resources<'_> = Resources::new();
//!     let (stack, mut runner) = Stack::new(&mut memory, card, clock, &Config::new(&addresses, &[]), 7);
//!     runner.run_with(report(&stack, hub)).await
//! }
//!
//! async fn by_radio(radio: impl Driver, clock: impl Clock + Copy, hub: SocketAddr) -> Result<(), tcp::Error> {
//!     let (mut packets, counts) = (Memory::<2>::new(), Counts::new());
//!     let link = Lowpan::new(radio, clock, &mut packets, &counts, Options::new(0xbeef).with_prefix(PREFIX));
//!     let addresses = [link.address().link_local(), link.address().within(PREFIX)];
//!     let mut memory: Resources<'_> = Resources::new();
//!     let (stack, mut runner) = Stack::new(&mut memory, link, clock, &Config::new(&addresses, &[]), 7);
//!     runner.run_with(report(&stack, hub)).await
//! }
//! ```
//!
//! A router can tell its hosts of more prefixes that are shortened, as those of the networks beyond it (RFC 6775, section 4.2):
//! [`forward::Offer`](crate::forward::Offer) names them, [`slaac::Client`](crate::slaac::Client) learns them, and the links of both
//! share [`Contexts`] with them.
//!
//! What it does not do: no neighbour discovery with a border router's registration (RFC 8505), no mesh headers, no
//! security of the link layer (frames that are secured are dropped; a radio that decrypts hands on plain ones), no
//! compression of extension headers or inner packets. Unicasts ask the other side's radio for an acknowledgement; that,
//! the frame check sequence and waiting for a free channel are the radio's. The link-local address is the caller's to
//! configure ([`Address::link_local`]): the stack sees a link of bare IP.

mod contexts;
mod driver;
mod fragment;
mod iphc;
mod mac;
mod sniff;

#[cfg(test)]
mod tests;

use core::cell::Cell;
use core::net::Ipv6Addr;

pub use contexts::{Context, Contexts, NUMBERS};
pub use driver::{Lowpan, Memory, Received, Room};
pub use mac::Address;
pub use sniff::{Sniffed, sniff};

use crate::address::Cidr;
use crate::time::Duration;

/// The longest IPv6 packet, and the shortest MTU that IPv6 allows.
pub const PACKET_MAX: usize = 1_280;
/// The longest frame, without its check sequence.
pub const FRAME_MAX: usize = 125;
/// How many prefixes a network may agree on in advance to shorten.
pub const CONTEXTS_MAX: usize = 4;
/// How long the pieces of a packet are waited for (RFC 4944, section 5.3).
pub const REASSEMBLY_TIME: Duration = Duration::from_secs(60);

/// What a network of radios agrees on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Its number.
    pub pan: u16,
    /// The first 64 bits of addresses that are shortened, in the order that everybody in the network has them
    /// (RFC 6282, section 3.1.2). These are on the link, too; what a router says is shortened ([`Contexts`]) is not, by that.
    pub contexts: [Option<Ipv6Addr>; CONTEXTS_MAX],
    /// Who takes packets to elsewhere.
    pub router: Option<Address>,
}

impl Options {
    /// A network that is its own world: only link-local addresses are shortened, and no router leads elsewhere.
    pub const fn new(pan: u16) -> Self {
        Self { pan, contexts: [None; CONTEXTS_MAX], router: None }
    }

    /// The same, with addresses of that prefix (its first 64 bits) on the link and shortened.
    pub const fn with_prefix(mut self, prefix: Ipv6Addr) -> Self {
        self.contexts[0] = Some(prefix);
        self
    }

    /// Whether an address is of a network of this link.
    fn is_on_link(&self, address: Ipv6Addr) -> bool {
        address.is_unicast_link_local()
            || self.contexts.iter().flatten().any(|prefix| halves(*prefix).0 == halves(address).0)
    }

    /// Whose radio a packet to `address` goes to next.
    fn next_hop(&self, address: Ipv6Addr) -> Option<Address> {
        if address.is_multicast() {
            Some(Address::BROADCAST)
        } else if self.is_on_link(address) {
            Some(Address::of(address))
        } else {
            self.router
        }
    }
}

/// The prefix, and the interface's identifier.
fn halves(address: Ipv6Addr) -> (u64, u64) {
    let bits = address.to_bits();
    ((bits >> 64) as u64, bits as u64)
}

/// What became of frames and packets that came to nothing.
#[derive(Debug, Default)]
pub struct Counts {
    /// Frames that are not 6LoWPAN, or broken.
    pub malformed: Cell<u32>,
    /// Frames of other networks, or to other radios.
    pub not_for_us: Cell<u32>,
    /// Fragments of packets for which there was no room.
    pub no_room: Cell<u32>,
    /// Packets of which a fragment did not come in time, or did not fit the others.
    pub incomplete: Cell<u32>,
    /// Packets that had nowhere to go, or were not IPv6.
    pub unsendable: Cell<u32>,
}

impl Counts {
    /// Nothing so far.
    pub fn new() -> Self {
        let [malformed, not_for_us, no_room, incomplete, unsendable] = [const { Cell::new(0) }; 5];
        Self { malformed, not_for_us, no_room, incomplete, unsendable }
    }
}

fn count(counter: &Cell<u32>) {
    counter.set(counter.get().saturating_add(1));
}

impl Address {
    /// The address that a radio has on its link alone (RFC 4944, section 7).
    pub fn link_local(self) -> Cidr {
        self.within(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0))
    }

    /// The radio's address under that prefix (its first 64 bits).
    pub fn within(self, prefix: Ipv6Addr) -> Cidr {
        let bits = u128::from(halves(prefix).0) << 64 | u128::from(self.identifier());
        Cidr::v6(Ipv6Addr::from_bits(bits), 64)
    }
}
