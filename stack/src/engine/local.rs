//! Who we are on the network, and which way leads out of it.

use core::net::Ipv4Addr;
#[cfg(feature = "ipv6")]
use core::net::Ipv6Addr;

use heapless::Vec;

use super::packet::{BROADCAST, Mac, multicast_mac};
#[cfg(feature = "ipv6")]
use super::resolution::solicited_node;
use crate::{
    address::{Cidr, Route},
    config::{ADDRESSES_MAX, ROUTES_MAX},
    ip::{IpAddr, spoken},
};

/// Our addresses and routes.
pub(crate) struct Local {
    /// Our Ethernet address; `None` where frames are bare IP packets.
    pub(crate) mac: Option<Mac>,
    pub(crate) addresses: Vec<Cidr, ADDRESSES_MAX, u8>,
    pub(crate) routes: Vec<Route, ROUTES_MAX, u8>,
    /// The first of our IPv4 addresses, which most packets are to.
    first_v4: Option<Ipv4Addr>,
    /// The groups that were joined, beside those that every station is in.
    #[cfg(feature = "multicast")]
    pub(crate) groups: Vec<IpAddr, { crate::config::GROUPS_MAX }, u8>,
}

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextHop {
    /// To this Ethernet address, which follows from the IP address; or just out, without Ethernet.
    Direct(Mac),
    /// To the neighbour with this address: the destination, or a router.
    Neighbour(IpAddr),
    /// Nowhere.
    NoRoute,
}

impl Local {
    /// Nobody yet.
    pub(crate) fn new(mac: Option<Mac>) -> Self {
        Self {
            mac,
            addresses: Vec::new(),
            routes: Vec::new(),
            first_v4: None,
            #[cfg(feature = "multicast")]
            groups: Vec::new(),
        }
    }

    /// Takes over addresses and routes.
    ///
    /// # Panics
    /// If there are too many, or one of the addresses cannot be a station's.
    pub(crate) fn set(&mut self, addresses: &[Cidr], routes: &[Route]) {
        self.addresses = addresses.iter().copied().collect();
        self.routes = routes.iter().copied().collect();
        assert!(
            self.addresses.len() == addresses.len() && self.routes.len() == routes.len(),
            "at most {ADDRESSES_MAX} addresses and {ROUTES_MAX} routes"
        );
        self.settle();
    }

    /// Adds an address behind the others, which may be one of them with another prefix; answers whether there is room.
    pub(crate) fn put_address(&mut self, address: Cidr) -> bool {
        self.drop_address(address.spoken());
        self.addresses.push(address).is_ok()
    }

    /// Takes an address away; answers whether it was there.
    pub(crate) fn drop_address(&mut self, address: IpAddr) -> bool {
        let before = self.addresses.len();
        self.addresses.retain(|own| own.spoken() != address);
        self.addresses.len() < before
    }

    /// Adds a route behind the others, in the place of any to the same network; answers whether there is room.
    pub(crate) fn put_route(&mut self, route: Route) -> bool {
        self.drop_route(route.to);
        self.routes.push(route).is_ok()
    }

    /// Takes a route away; answers whether it was there.
    pub(crate) fn drop_route(&mut self, to: Cidr) -> bool {
        let before = self.routes.len();
        self.routes.retain(|own| own.to != to);
        self.routes.len() < before
    }

    /// Draws the consequences of addresses that changed.
    ///
    /// # Panics
    /// If one of them cannot be a station's.
    pub(crate) fn settle(&mut self) {
        for own in &self.addresses {
            let address = own.spoken();
            let usable =
                !address.is_unspecified() && !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST);
            assert!(usable, "{address} cannot be a station's address");
        }
        #[cfg(feature = "ipv6")]
        self.add_link_local();
        self.first_v4 = self.addresses.iter().filter_map(|own| v4(own.spoken())).next();
    }

    /// Every IPv6 station on Ethernet has a link-local address: ours is made of the Ethernet address
    /// (RFC 4291, section 2.5.1 and appendix A).
    #[cfg(feature = "ipv6")]
    fn add_link_local(&mut self) {
        let is_v6 = |own: &Cidr| own.spoken().is_ipv6();
        let is_link_local = |own: &Cidr| matches!(own.spoken(), IpAddr::V6(own) if own.is_unicast_link_local());
        let Some([a, b, c, d, e, f]) = self.mac else {
            return;
        };
        if self.addresses.iter().any(is_v6) && !self.addresses.iter().any(is_link_local) {
            let interface = [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
            let address = Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(u64::from_be_bytes(interface)));
            // A full table has room for no more: then the caller chose to do without.
            let _ = self.addresses.push(Cidr::v6(address, 64));
        }
    }

    #[inline]
    pub(crate) fn is_own(&self, address: &IpAddr) -> bool {
        // By reference: of an address that was just written nobody waits for more than is compared.
        matches!((address, self.first_v4), (IpAddr::V4(address), Some(own)) if *address == own)
            || self.is_another(address)
    }

    #[inline(never)]
    fn is_another(&self, address: &IpAddr) -> bool {
        self.addresses.iter().any(|own| own.spoken() == *address)
    }

    #[inline]
    pub(crate) fn is_broadcast(&self, address: IpAddr) -> bool {
        let Some(address) = v4(address) else {
            return false;
        };
        address.is_broadcast() || self.addresses.iter().any(|own| own.broadcast() == Some(address))
    }

    /// Whether packets to this group are for us.
    pub(crate) fn is_joined(&self, group: IpAddr) -> bool {
        #[cfg(feature = "multicast")]
        if self.groups.contains(&group) {
            return true;
        }
        match group {
            IpAddr::V4(group) => group == Ipv4Addr::new(224, 0, 0, 1),
            #[cfg(feature = "ipv6")]
            IpAddr::V6(group) => {
                group == Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)
                    || self
                        .addresses
                        .iter()
                        .any(|own| matches!(own.spoken(), IpAddr::V6(own) if solicited_node(own) == group))
            }
        }
    }

    #[inline]
    pub(crate) fn next_hop(&self, to: IpAddr) -> NextHop {
        if self.mac.is_none() {
            return NextHop::Direct(BROADCAST);
        }
        if to.is_multicast() {
            return NextHop::Direct(multicast_mac(to));
        }
        let mut on_link = false;
        for own in &self.addresses {
            if own.spoken() == to {
                // There is no way from a station to itself through its network.
                return NextHop::NoRoute;
            }
            on_link |= own.covers(to);
        }
        if to.is_ipv4() && self.is_broadcast(to) {
            return NextHop::Direct(BROADCAST);
        }
        // Of a link-local address no router knows, whatever we have ourselves (RFC 3927, section 2.6.2).
        if on_link || matches!(to, IpAddr::V4(to) if to.is_link_local()) {
            return NextHop::Neighbour(to);
        }
        let best = self.routes.iter().filter(|route| route.to.covers(to)).max_by_key(|route| route.to.prefix());
        best.and_then(|route| spoken(route.via)).map_or(NextHop::NoRoute, NextHop::Neighbour)
    }

    /// How many bits of `to` the best way there names, if there is one: those of the network of ours that it is in, or of
    /// a route. Without Ethernet everything is at the other end, and so is what goes to many.
    #[cfg(feature = "multihome")]
    pub(crate) fn reach(&self, to: IpAddr) -> Option<u8> {
        let source = self.source_for(to)?;
        if is_link_local(source) && !is_link_local(to) {
            return None;
        }
        let anywhere = self.mac.is_none() || to.is_multicast() || self.is_broadcast(to);
        self.leads_to(to).or(anywhere.then_some(0))
    }

    /// How many bits of `to` the network of ours that it is in names, or a route.
    #[cfg(any(feature = "forward", feature = "multihome"))]
    pub(crate) fn leads_to(&self, to: IpAddr) -> Option<u8> {
        let own = self.addresses.iter().filter(|own| own.covers(to)).map(Cidr::prefix).max();
        let routed =
            || self.routes.iter().map(|route| route.to).filter(|to_| to_.covers(to)).map(|to| to.prefix()).max();
        own.or_else(routed)
    }

    /// Which of our addresses packets to `to` come from.
    pub(crate) fn source_for(&self, to: IpAddr) -> Option<IpAddr> {
        let matching = |own: &&Cidr| own.spoken().is_ipv4() == to.is_ipv4();
        let candidates = || self.addresses.iter().filter(matching);
        let on_link = candidates().find(|own| own.covers(to));
        let fits = |own: &&Cidr| is_link_local(own.spoken()) == is_link_local(to);
        // Who is beyond the site cannot answer an address that only the site knows (RFC 6724, section 5, rules 2 and 6).
        let is_kin = |own: &&Cidr| fits(own) && is_of_site(own.spoken()) == is_of_site(to);
        let chosen = on_link.or_else(|| candidates().find(is_kin)).or_else(|| candidates().find(fits));
        chosen.or_else(|| candidates().next()).map(Cidr::spoken)
    }
}

#[cfg_attr(not(feature = "ipv6"), expect(clippy::unnecessary_wraps, reason = "with IPv6 there are others"))]
#[inline]
fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        #[cfg(feature = "ipv6")]
        IpAddr::V6(_) => None,
    }
}

/// Whether it is an address that is known within one site only (RFC 4193).
fn is_of_site(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        #[cfg(feature = "ipv6")]
        IpAddr::V6(address) => address.octets()[0] & 0xfe == 0xfc,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        #[cfg(feature = "ipv6")]
        IpAddr::V6(address) => {
            let [first, second, ..] = address.octets();
            address.is_unicast_link_local() || (first == 0xff && second & 0xf <= 2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Local {
        let mut local = Local::new(Some([2, 0, 0, 0, 0, 1]));
        local.set(
            &["192.0.2.7/24".parse().unwrap(), "2001:db8::7/64".parse().unwrap()],
            &[
                Route::default_via("192.0.2.1".parse().unwrap()),
                Route { to: "198.51.100.0/24".parse().unwrap(), via: "192.0.2.2".parse().unwrap() },
            ],
        );
        local
    }

    #[test]
    fn the_longest_route_wins() {
        let local = local();
        let hop = |to: &str| local.next_hop(to.parse().unwrap());
        let via = |via: &str| NextHop::Neighbour(via.parse().unwrap());
        assert_eq!(hop("192.0.2.9"), via("192.0.2.9"));
        assert_eq!(hop("203.0.113.9"), via("192.0.2.1"));
        assert_eq!(hop("198.51.100.9"), via("192.0.2.2"));
        assert_eq!(hop("192.0.2.7"), NextHop::NoRoute);
        assert_eq!(hop("169.254.1.9"), via("169.254.1.9"));
        assert_eq!(hop("192.0.2.255"), NextHop::Direct(BROADCAST));
        assert_eq!(hop("224.0.0.251"), NextHop::Direct([0x01, 0x00, 0x5e, 0, 0, 251]));
        assert_eq!(hop("2001:db8:1::1"), NextHop::NoRoute);
    }

    #[test]
    fn sources_have_the_scope_of_the_destination() {
        let local = local();
        let source = |to: &str| local.source_for(to.parse().unwrap()).unwrap();
        assert_eq!(source("203.0.113.9"), "192.0.2.7".parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8:1::1"), "2001:db8::7".parse::<IpAddr>().unwrap());
        assert_eq!(source("fe80::9"), "fe80::ff:fe00:1".parse::<IpAddr>().unwrap());
        // A router offers an address of the site before the other one, as many at home do.
        let mut local = Local::new(Some([2, 0, 0, 0, 0, 1]));
        local.set(&["fd00::7/64".parse().unwrap(), "2001:db8::7/64".parse().unwrap()], &[]);
        let source = |to: &str| local.source_for(to.parse().unwrap()).unwrap();
        assert_eq!(source("2001:db8:1::1"), "2001:db8::7".parse::<IpAddr>().unwrap());
        assert_eq!(source("fd00:1::1"), "fd00::7".parse::<IpAddr>().unwrap());
    }
}
