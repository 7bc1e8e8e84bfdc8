//! The routing table: the longest prefix wins (RFC 1812, section 5.2.4.3).

use std::cmp::Reverse;
use std::net::IpAddr;

use wavetank_sim::prefetch;

use super::addresses::network;
use super::{Cidr, Interface, Route};

/// Where a packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) interface: usize,
    /// The next router; `None` if the packet's destination is a neighbour itself.
    pub(super) via: Option<IpAddr>,
}

/// A network, and where its packets leave.
#[derive(Debug)]
struct Entry {
    prefix: u8,
    network: IpAddr,
    hop: Hop,
}

/// Each table lies in one piece, by prefix length, the longest first, and then by network.
#[derive(Debug, Default)]
pub(super) struct Routes {
    v4: Vec<Entry>,
    v6: Vec<Entry>,
}

impl Routes {
    pub(super) fn new(interfaces: &[Interface], routes: &[Route]) -> Self {
        let mut table = Self::default();
        for (interface, config) in interfaces.iter().enumerate() {
            for own in &config.addresses {
                table.insert(*own, Hop { interface, via: None });
            }
        }
        for route in routes {
            table.set(interfaces, *route);
        }
        table
    }

    fn table(&mut self, to: Cidr) -> &mut Vec<Entry> {
        if to.ip.is_ipv4() { &mut self.v4 } else { &mut self.v6 }
    }

    fn insert(&mut self, to: Cidr, hop: Hop) {
        let entry = Entry { prefix: to.prefix, network: network(to.ip, to.prefix), hop };
        let table = self.table(to);
        match table.binary_search_by_key(&place(&entry), place) {
            Ok(at) => table[at] = entry,
            Err(at) => table.insert(at, entry),
        }
    }

    /// Puts a route in the place of the one to the same network. A router that is nobody's neighbour changes nothing.
    pub(super) fn set(&mut self, interfaces: &[Interface], route: Route) {
        let is_neighbour = |own: &Interface| own.addresses.iter().any(|own| own.contains(route.via));
        if let Some(interface) = interfaces.iter().position(is_neighbour) {
            self.insert(route.to, Hop { interface, via: Some(route.via) });
        }
    }

    pub(super) fn remove(&mut self, to: Cidr) {
        let network = network(to.ip, to.prefix);
        self.table(to).retain(|entry| (entry.prefix, entry.network) != (to.prefix, network));
    }

    /// It is looked at soon.
    pub(super) fn fetch(&self) {
        prefetch::whole(&self.v4[..]);
    }

    pub(super) fn lookup(&self, to: IpAddr) -> Option<Hop> {
        let mut left: &[Entry] = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        while let Some(&Entry { prefix, .. }) = left.first() {
            let (same, shorter) = left.split_at(left.partition_point(|entry| entry.prefix == prefix));
            if let Ok(at) = same.binary_search_by_key(&network(to, prefix), |entry| entry.network) {
                return Some(same[at].hop);
            }
            left = shorter;
        }
        None
    }
}

/// Where an entry belongs in its table.
fn place(entry: &Entry) -> (Reverse<u8>, IpAddr) {
    (Reverse(entry.prefix), entry.network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).expect("an address")
    }

    #[test]
    fn the_longest_prefix_wins_in_both_families() {
        let interface = |addresses: &[&str]| Interface {
            link: Default::default(),
            mac: [2, 0, 0, 0, 0, 1],
            addresses: addresses.iter().map(|text| cidr(text)).collect(),
            mtu: 1500,
        };
        let interfaces = [interface(&["10.0.0.1/24", "fd00::1/64"]), interface(&["10.0.1.1/24"])];
        let route = |to, via: &str| Route { to: cidr(to), via: via.parse().expect("an address") };
        let routes = [
            route("0.0.0.0/0", "10.0.1.9"),
            route("10.2.0.0/16", "10.0.0.7"),
            route("10.2.3.0/24", "10.0.0.8"),
            route("::/0", "fd00::9"),
            route("10.9.0.0/16", "172.16.0.1"),
        ];
        let mut table = Routes::new(&interfaces, &routes);
        let via = |table: &Routes, to: &str| {
            let hop = table.lookup(to.parse().expect("an address")).expect("a route");
            (hop.interface, hop.via.map(|via| via.to_string()))
        };
        assert_eq!(via(&table, "10.0.0.5"), (0, None));
        assert_eq!(via(&table, "10.2.9.9"), (0, Some("10.0.0.7".into())));
        assert_eq!(via(&table, "10.2.3.4"), (0, Some("10.0.0.8".into())));
        assert_eq!(via(&table, "192.0.2.1"), (1, Some("10.0.1.9".into())));
        assert_eq!(via(&table, "10.9.0.1"), (1, Some("10.0.1.9".into())), "its router is nobody's neighbour");
        assert_eq!(via(&table, "2001:db8::1"), (0, Some("fd00::9".into())));
        table.set(&interfaces, route("10.2.3.0/24", "10.0.1.8"));
        assert_eq!(via(&table, "10.2.3.4"), (1, Some("10.0.1.8".into())));
        table.remove(cidr("10.2.3.0/24"));
        assert_eq!(via(&table, "10.2.3.4"), (0, Some("10.0.0.7".into())));
    }
}
