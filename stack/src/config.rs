//! What a stack is told when it is made.

use crate::{
    address::{Cidr, Route},
    pools::Limits,
    time::Duration,
};

/// How many addresses a stack can have, the link-local one that it makes itself included.
pub const ADDRESSES_MAX: usize = 8;
/// How many routes a stack can have.
pub const ROUTES_MAX: usize = 4;
/// How many multicast groups a stack can join.
pub const GROUPS_MAX: usize = 4;
/// How many name servers a stack remembers.
pub const DNS_SERVERS_MAX: usize = 3;

/// The settings of a stack. `Config::default()` has no address: fill in at least `addresses`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config<'a> {
    /// Our addresses, with the prefixes of the networks that are reached without a router.
    /// Where one is IPv6 on Ethernet, a link-local address is added (RFC 4291, section 2.8).
    pub addresses: &'a [Cidr],
    /// Ways to the rest.
    pub routes: &'a [Route],
    /// Who verifies the checksums of what is received. Default: [`Verify::ByDriver`].
    pub verify: Verify,
    /// How long a neighbour's answer is trusted (RFC 4861, REACHABLE_TIME). Default: 30 s.
    pub neighbour_reachable: Duration,
    /// How many neighbours are remembered; only with growing tables, fixed ones have their size.
    /// Default: 4,096.
    pub neighbours_max: usize,
    /// How long a connection whose stream was dropped may go on trying to deliver its data. Default: 30 s.
    pub linger: Duration,
    /// The longest payload of a packet that is put together of fragments, in bytes; only with growing tables, fixed
    /// ones have their size. Four such packets are put together at a time. Default: 4,096.
    #[cfg(feature = "reassembly")]
    pub reassembly_bytes: usize,
    /// Has memory fetched that is read soon. Default: nothing is fetched ahead.
    #[cfg(feature = "alloc")]
    pub fetch: Option<Fetch>,
    /// Who says that there is less of something than there is memory for. Default: nobody.
    pub limits: Limits,
}

/// Has memory fetched: so many bytes from an address on.
#[cfg(feature = "alloc")]
pub(crate) type FetchLines = fn(*const u8, usize);

/// How memory is fetched that is read soon. With thousands of connections a segment waits for memory more than for anything
/// else, and most of what it is about to need is known as soon as it is known whose it is; with thousands of stacks in one
/// process so does each turn.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug)]
pub struct Fetch {
    /// Has the cache lines fetched in which so many bytes from an address on lie, without waiting for them.
    pub lines: FetchLines,
    /// Is told, once, where what the stack reads in each turn lies: so many bytes from an address on.
    pub keep_near: FetchLines,
}

impl Default for Config<'_> {
    fn default() -> Self {
        Self {
            addresses: &[],
            routes: &[],
            verify: Verify::ByDriver,
            neighbour_reachable: Duration::from_secs(30),
            neighbours_max: 4_096,
            linger: Duration::from_secs(30),
            #[cfg(feature = "reassembly")]
            reassembly_bytes: 4_096,
            #[cfg(feature = "alloc")]
            fetch: None,
            limits: Limits::default(),
        }
    }
}

impl<'a> Config<'a> {
    /// The defaults, with those addresses and routes.
    pub fn new(addresses: &'a [Cidr], routes: &'a [Route]) -> Self {
        Self { addresses, routes, ..Self::default() }
    }
}

/// Who verifies the checksums of received packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// The stack, but for those protocols whose checksums the driver's capabilities claim for the hardware.
    #[default]
    ByDriver,
    /// The stack, always.
    Always,
    /// Nobody: the frames come from where nothing can damage them.
    Never,
}
