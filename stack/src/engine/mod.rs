//! The stack without its surroundings: it is told the time and handed frames, and asked for frames.
//!
//! It holds no driver, no clock and no executor, and it never waits. Per turn, the [runner](crate::Runner)
//! hands it every frame that came ([`Core::ingress`]), lets the application run, then asks for what is to be
//! sent ([`Core::egress`]), and names the time ([`Core::expire`]). Whoever is to be woken is put into
//! [`Core::wakes`], and woken by the runner when it no longer borrows the core.
//!
//! Invariants:
//! - a connection slot that is not free is a listener's, a stream's, or an orphan with a deadline;
//! - a connection is in the flow index exactly while the other side may still send to it;
//! - a connection that has something to send is in the dirty list, or in a neighbour's list of waiters, or
//!   has a deadline.

mod beginnings;
mod checksum;
#[cfg(feature = "claim")]
mod claim;
mod connection;
mod connections;
mod datagrams;
#[cfg(feature = "icmp")]
mod echo;
mod egress;
#[cfg(feature = "alloc")]
mod foresight;
#[cfg(feature = "reassembly")]
mod fragments;
mod frontier;
#[cfg(feature = "multicast")]
mod groups;
mod handles;
mod headers;
#[cfg(feature = "icmp")]
mod icmp;
mod ingress;
mod listeners;
mod local;
#[cfg(feature = "recovery")]
mod losses;
mod neighbours;
#[cfg(feature = "slaac")]
mod news;
mod packet;
#[cfg(any(feature = "icmp", feature = "raw", feature = "slaac"))]
mod plain;
#[cfg(feature = "alloc")]
mod pools;
mod port;
#[cfg(feature = "recovery")]
mod question;
#[cfg(feature = "raw")]
mod raw;
mod resolution;
mod segments;
mod surroundings;
#[cfg(feature = "forward")]
mod transit;
mod udp;
mod waiting;
mod wakes;

use embassy_net_driver::{Capabilities, Checksum, HardwareAddress};
use smoltcp::{
    iface::{Interface, SocketSet},
    phy::{self, DeviceCapabilities, Medium},
    wire::IpCidr,
};

use beginnings::Beginnings;
#[cfg(feature = "forward")]
pub(crate) use checksum::Sum;
pub(crate) use connection::Connection;
use connection::Flow;
pub(crate) use connections::Connections;
pub(crate) use datagrams::{Datagram, Datagrams, Entry};
#[cfg(feature = "icmp")]
pub(crate) use echo::ECHO_HEADER;
pub(crate) use egress::Egress;
#[cfg(feature = "reassembly")]
pub(crate) use fragments::{Fragments, Place as FragmentPlace};
pub(crate) use frontier::Incident;
pub(crate) use listeners::{Listener, Listeners};
pub(crate) use local::Local;
pub(crate) use neighbours::{Neighbour, Neighbours};
use packet::{Computed, ETHERNET_HEADER, Verified};
#[cfg(feature = "raw")]
pub(crate) use packet::{TCP, UDP};
pub(crate) use port::Port;
pub(crate) use surroundings::Surroundings;
#[cfg(feature = "forward")]
pub(crate) use transit::Passing;
pub(crate) use udp::{Socket as UdpSocket, Sockets as UdpSockets};
pub(crate) use waiting::{Room, Waiting};
pub(crate) use wakes::{Waiter, Wakes};

#[cfg(feature = "alloc")]
use crate::config::FetchLines;
#[cfg(any(feature = "alloc", feature = "dns"))]
use crate::pools::Limits;
use crate::{
    address::{Cidr, Route},
    config::{Config, Verify},
    stats::Stats,
    time::{Duration, Instant},
};

/// The tables, made of what the caller lent or of what is allocated.
pub(crate) struct Tables<'r> {
    pub(crate) connections: Connections<'r>,
    pub(crate) listeners: Listeners<'r>,
    pub(crate) udp: UdpSockets<'r>,
    pub(crate) neighbours: Neighbours<'r>,
    pub(crate) waiting: Waiting<'r>,
    #[cfg(feature = "reassembly")]
    pub(crate) fragments: Fragments<'r>,
}

/// All state of one stack.
// What every turn reads stands first and lies together: with an allocator, which is where there are many stacks.
#[cfg_attr(feature = "alloc", repr(C))]
pub(crate) struct Core<'r> {
    #[cfg(feature = "alloc")]
    fetch: Option<FetchLines>,
    /// When it last had a turn.
    turned_at: Instant,
    pub(crate) wakes: Wakes,
    pub(crate) tables: Tables<'r>,
    verify: Verified,
    compute: Computed,
    local: Local,
    pub(crate) stats: Stats,
    /// What was learnt about our surroundings at run time.
    pub(crate) surroundings: Surroundings,
    linger: Duration,
    beginnings: Beginnings,
    random: u64,
    caps: DeviceCapabilities,
    #[cfg(any(feature = "alloc", feature = "dns"))]
    limits: Limits,
    iface: Interface,
    /// What smoltcp answers when nobody is there: resets, echo replies.
    nobody: SocketSet<'static>,
}

/// The earlier of two times, if there are two.
#[inline]
fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(feature = "alloc")]
fn whole<T: ?Sized>(fetch: FetchLines, value: &T) {
    fetch(core::ptr::from_ref(value).cast(), size_of_val(value));
}

/// After how long without a turn nothing of a stack is in a near cache, if it is one of many.
#[cfg(feature = "alloc")]
const COLD: Duration = Duration::from_millis(100);

impl<'r> Core<'r> {
    /// How much of it hardly any turn does without.
    #[cfg(feature = "alloc")]
    pub(crate) const TURN_BYTES: usize = core::mem::offset_of!(Self, stats);

    /// A turn begins. What hardly any turn does without is fetched at once, where it would be waited for piece by piece.
    #[inline]
    pub(crate) fn begin_turn(&mut self, now: Instant) {
        #[cfg(feature = "alloc")]
        if let Some(fetch) = self.fetch.filter(|_| now - self.turned_at > COLD) {
            self.fetch_by(fetch);
        }
        self.turned_at = now;
    }

    #[cfg(feature = "alloc")]
    #[inline(never)]
    fn fetch_by(&self, fetch: FetchLines) {
        whole(fetch, &self.tables);
        whole(fetch, &self.local);
        whole(fetch, &self.wakes);
        whole(fetch, &self.stats);
        whole(fetch, &self.compute);
        whole(fetch, &self.surroundings);
        self.fetch_firsts(fetch);
    }

    /// The sockets and neighbours of those that have one of each.
    #[cfg(feature = "alloc")]
    pub(crate) fn fetch_firsts(&self, fetch: FetchLines) {
        whole(fetch, self.tables.udp.first());
        whole(fetch, self.tables.neighbours.first());
    }

    pub(crate) fn new(
        tables: Tables<'r>,
        driver: &Capabilities,
        hardware: HardwareAddress,
        config: &Config<'_>,
        seed: u64,
    ) -> Self {
        let mac = match hardware {
            HardwareAddress::Ethernet(mac) => Some(mac),
            HardwareAddress::Ip => None,
            _ => panic!("the stack runs over Ethernet and over bare IP"),
        };
        let overhead = if mac.is_some() { ETHERNET_HEADER } else { 0 };
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = driver.max_transmission_unit.saturating_sub(overhead);
        assert!(caps.max_transmission_unit >= 576, "every link carries packets of 576 bytes");
        // Received packets are verified before smoltcp sees them, so that the bad ones are counted; sent ones
        // are completed after it wrote them, which is faster.
        caps.checksum.ipv4 = phy::Checksum::None;
        caps.checksum.udp = phy::Checksum::None;
        caps.checksum.tcp = phy::Checksum::None;
        caps.checksum.icmpv4 = on_sending(driver.checksum.icmpv4);
        #[cfg(feature = "ipv6")]
        {
            caps.checksum.icmpv6 = on_sending(driver.checksum.icmpv6);
        }
        let compute = Computed {
            ipv4: on_sending(driver.checksum.ipv4).tx(),
            tcp: on_sending(driver.checksum.tcp).tx(),
            udp: on_sending(driver.checksum.udp).tx(),
        };
        let on_receiving = |checksum| match config.verify {
            Verify::ByDriver => matches!(checksum, Checksum::Both | Checksum::Rx),
            Verify::Always => true,
            Verify::Never => false,
        };
        let verify = Verified {
            ipv4: on_receiving(driver.checksum.ipv4),
            tcp: on_receiving(driver.checksum.tcp),
            udp: on_receiving(driver.checksum.udp),
            icmpv4: on_receiving(driver.checksum.icmpv4),
            #[cfg(feature = "ipv6")]
            icmpv6: on_receiving(driver.checksum.icmpv6),
        };
        let secret = splitmix(&mut { seed });
        let mut core = Self {
            iface: interface(&caps, secret),
            nobody: SocketSet::new(&mut [][..]),
            caps,
            local: Local::new(mac),
            verify,
            compute,
            tables,
            stats: Stats::default(),
            wakes: Wakes::default(),
            surroundings: Surroundings::default(),
            linger: config.linger,
            #[cfg(feature = "alloc")]
            fetch: config.fetch.map(|fetch| fetch.lines),
            turned_at: Instant::ZERO,
            beginnings: Beginnings::new(secret),
            #[cfg(any(feature = "alloc", feature = "dns"))]
            limits: config.limits.clone(),
            random: seed,
        };
        core.set_addresses(config.addresses, config.routes);
        core
    }

    /// Who says that there is less than there is memory for.
    #[cfg(feature = "dns")]
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes over addresses and routes. Connections from an address that is gone are the caller's to end, by
    /// [`Core::end_lost`].
    pub(crate) fn set_addresses(&mut self, addresses: &[Cidr], routes: &[Route]) {
        self.local.set(addresses, routes);
        self.spread_addresses();
    }

    /// Changes an address or a route by `change`, which answers whether it did. So does this. What is said of
    /// [`Core::set_addresses`] is true of it, too.
    pub(crate) fn change_network(&mut self, change: impl FnOnce(&mut Local) -> bool) -> bool {
        let changed = change(&mut self.local);
        if changed {
            self.readdress();
        }
        changed
    }

    fn readdress(&mut self) {
        self.local.settle();
        self.spread_addresses();
    }

    fn spread_addresses(&mut self) {
        self.tables.neighbours.forget_ways();
        self.tell_addresses();
        #[cfg(all(feature = "ipv6", feature = "multicast"))]
        self.listen_for_all();
        self.surroundings.changed();
    }

    /// Has smoltcp draw the number with which the next connection, of that flow, begins.
    fn begin(&mut self, flow: &Flow) {
        let number = self.beginnings.of(flow, self.turned_at);
        self.iface = interface(&self.caps, beginnings::seed_for(number));
        self.tell_addresses();
    }

    /// Has smoltcp know which addresses we have.
    fn tell_addresses(&mut self) {
        let own = &self.local.addresses;
        self.iface.update_ip_addrs(|addresses| {
            addresses.clear();
            for own in own {
                let address = IpCidr::new(packet::smol(own.spoken()), own.prefix());
                let pushed = addresses.push(address);
                debug_assert!(pushed.is_ok(), "smoltcp is built for as many addresses as we are");
            }
        });
    }

    pub(crate) fn addresses(&self) -> &[Cidr] {
        &self.local.addresses
    }

    pub(crate) fn routes(&self) -> &[Route] {
        &self.local.routes
    }

    /// How many bits of `to` the best way there names, if there is one.
    #[cfg(feature = "multihome")]
    pub(crate) fn reach(&self, to: crate::ip::IpAddr) -> Option<u8> {
        self.local.reach(to)
    }

    #[cfg(any(feature = "forward", feature = "multihome"))]
    pub(crate) fn is_own(&self, address: crate::ip::IpAddr) -> bool {
        self.local.is_own(&address)
    }

    /// Which of our addresses packets to `to` come from.
    #[cfg(feature = "forward")]
    pub(crate) fn source_for(&self, to: core::net::IpAddr) -> Option<core::net::IpAddr> {
        self.local.source_for(to)
    }

    /// How many bits of `to` a network of ours, or a route, names; without Ethernet, too, where anything could be sent.
    #[cfg(feature = "forward")]
    pub(crate) fn leads_to(&self, to: core::net::IpAddr) -> Option<u8> {
        self.local.leads_to(to)
    }

    pub(crate) fn mac(&self) -> Option<packet::Mac> {
        self.local.mac
    }

    /// The largest IP packet.
    pub(crate) fn mtu(&self) -> usize {
        self.caps.max_transmission_unit
    }

    /// When [`Core::expire`] next has something to do, or before.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        earlier(self.tables.connections.next_deadline(), self.tables.neighbours.next_deadline())
    }

    /// When [`Core::expire`] next has something to do.
    pub(crate) fn earliest_deadline(&mut self) -> Option<Instant> {
        earlier(self.tables.connections.earliest_deadline(), self.tables.neighbours.earliest_deadline())
    }

    fn random(&mut self) -> u64 {
        splitmix(&mut self.random)
    }

    /// A port for one end of a connection, that nobody uses (RFC 6056, section 3.3.1).
    fn ephemeral_port(&mut self, mut is_free: impl FnMut(&mut Self, u16) -> bool) -> Option<u16> {
        const FIRST: u16 = 49_152;
        const COUNT: u16 = u16::MAX - FIRST + 1;
        let start = (self.random() >> 32) as u16 % COUNT;
        (0..COUNT).map(|step| FIRST + (start + step) % COUNT).find(|&port| is_free(self, port))
    }
}

fn on_sending(checksum: Checksum) -> phy::Checksum {
    match checksum {
        Checksum::Both | Checksum::Tx => phy::Checksum::Tx,
        Checksum::Rx | Checksum::None => phy::Checksum::None,
    }
}

pub(crate) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[inline]
fn smol_time(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

#[inline]
fn instant(time: smoltcp::time::Instant) -> Instant {
    Instant::from_micros(u64::try_from(time.total_micros()).unwrap_or(0))
}

/// What of smoltcp is one for all connections.
#[inline(never)]
fn interface(caps: &DeviceCapabilities, random_seed: u64) -> Interface {
    let mut settings = smoltcp::iface::Config::new(smoltcp::wire::HardwareAddress::Ip);
    settings.random_seed = random_seed;
    Interface::new(settings, &mut NoDevice(caps), smoltcp::time::Instant::ZERO)
}

/// Just the capabilities, which is all that smoltcp wants when it is made.
struct NoDevice<'a>(&'a DeviceCapabilities);

impl phy::Device for NoDevice<'_> {
    type RxToken<'t>
        = port::Received<'t>
    where
        Self: 't;
    type TxToken<'t>
        = port::Room<'t, port::NoToken>
    where
        Self: 't;

    fn receive(&mut self, _now: smoltcp::time::Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        None
    }

    fn transmit(&mut self, _now: smoltcp::time::Instant) -> Option<Self::TxToken<'_>> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.0.clone()
    }
}
