//! A node's place in the network, as its stack is told it.

use std::net::{IpAddr, Ipv4Addr};

use rand_core::Rng;
use wavetank_sim::node::Node;
use wavetank_sim::prefetch;
use wavetank_stack::lowpan;
use wavetank_stack::{Cidr, Config, Fetch, Route};

use super::TankClock;
use super::pools::limits;
use super::radio::{Port, RadioMemory};
use crate::plan::Transceiver;
use crate::schema;
use crate::site::Site;

/// What a stack is told of an interface of a node.
#[derive(Clone, Debug)]
pub struct Network {
    interface: usize,
    addresses: Box<[Cidr]>,
    routes: Box<[Route]>,
    radio: Option<lowpan::Options>,
}

impl Network {
    /// Of the first interface of the node that is put together at `site`.
    #[must_use]
    pub fn of(site: &Site<'_>) -> Self {
        Self::at(site, 0, site.gateways())
    }

    /// Of each interface of the node that is put together at `site`, for a stack each. A gateway is a way out by the
    /// interface in whose networks it is.
    #[must_use]
    pub fn each(site: &Site<'_>) -> Vec<Self> {
        let interfaces = site.interfaces().iter().enumerate();
        let networks = interfaces.map(|(at, interface)| {
            let own = || interface.addresses.iter().map(|&schema::Cidr { ip, prefix }| Cidr::new(ip, prefix));
            let is_there = |gateway: &&IpAddr| own().any(|own| own.contains(**gateway));
            let gateways: Vec<IpAddr> = site.gateways().iter().filter(is_there).copied().collect();
            Self::at(site, at, &gateways)
        });
        networks.collect()
    }

    fn at(site: &Site<'_>, at: usize, gateways: &[IpAddr]) -> Self {
        let interface = site.interfaces().get(at);
        let addresses = interface.map_or(&[][..], |interface| &interface.addresses);
        let addresses = addresses.iter().map(|&schema::Cidr { ip, prefix }| Cidr::new(ip, prefix));
        let routes = gateways.iter().map(|gateway| Route::default_via(*gateway));
        let mut own = Self { interface: at, addresses: addresses.collect(), routes: routes.collect(), radio: None };
        let Some(radio) = interface.and_then(|interface| interface.radio.as_ref()) else { return own };
        let link_local = lowpan::Address::Extended(radio.eui).link_local();
        own.addresses = own.addresses.iter().copied().chain([link_local]).collect();
        own.radio = Some(options(radio, gateways));
        own
    }

    /// What a stack has to remember besides, if the interface is a radio.
    #[must_use]
    pub fn memory(&self) -> RadioMemory {
        RadioMemory::new(self.radio.is_some())
    }

    /// The node's interface as the driver of its stack.
    ///
    /// # Panics
    ///
    /// If the node is plugged in nowhere, which a plan's nodes are not.
    #[must_use]
    pub fn port<'m>(&self, node: &Node, memory: &'m mut RadioMemory) -> Port<'m> {
        let nic = node.nic(self.interface).expect("a plan's nodes are plugged in");
        memory.port(nic, TankClock(node.clock()), self.radio)
    }

    /// The stack's settings: these addresses, and what lies beyond their networks by way of the gateways.
    #[must_use]
    pub fn config(&self) -> Config<'_> {
        let mut config = Config::new(&self.addresses, &self.routes);
        config.fetch = Some(Fetch { lines: prefetch::span, keep_near: prefetch::keep_near });
        config
    }

    /// The same for the stack of `node`, which may have no more of anything than the scenario lets it: for kinds that are
    /// [pooled](crate::registry::TypedKind::pooled).
    #[must_use]
    pub fn config_for(&self, node: &Node) -> Config<'_> {
        let mut config = self.config();
        config.limits = limits(node);
        config
    }

    /// The way to `peer`, if it is in none of these networks and there is one.
    #[must_use]
    pub fn route_towards(&self, peer: IpAddr) -> Option<Route> {
        let is_neighbour = self.addresses.iter().any(|own| own.contains(peer));
        self.routes.iter().find(|route| !is_neighbour && route.to.contains(peer)).copied()
    }

    /// The first IPv4 address, and the length of its network's prefix.
    #[must_use]
    pub fn v4(&self) -> Option<(Ipv4Addr, u8)> {
        self.addresses.iter().find_map(|own| match own.address() {
            IpAddr::V4(address) => Some((address, own.prefix())),
            IpAddr::V6(_) => None,
        })
    }

    /// Whether the scenario leaves it to the node to ask for an address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// The address to speak to `peer` from: the first in its network, else the first of its family.
    #[must_use]
    pub fn address_towards(&self, peer: IpAddr) -> Option<Cidr> {
        let same_family = |address: &&Cidr| address.address().is_ipv4() == peer.is_ipv4();
        let mut addresses = self.addresses.iter();
        addresses.find(|address| address.contains(peer)).or_else(|| self.addresses.iter().find(same_family)).copied()
    }

    /// What the stack of `node` draws from in this life of it.
    #[must_use]
    pub fn seed(&self, node: &Node) -> u64 {
        match self.interface {
            0 => node.stream("stack").next_u64(),
            other => node.stream(&format!("stack/{other}")).next_u64(),
        }
    }
}

/// What a radio's network agrees on.
pub(crate) fn options(radio: &Transceiver, gateways: &[IpAddr]) -> lowpan::Options {
    let mut options = lowpan::Options::new(radio.pan);
    for (context, prefix) in options.contexts.iter_mut().zip(&radio.prefixes) {
        *context = Some(*prefix);
    }
    options.router = gateways.iter().find_map(|gateway| match gateway {
        IpAddr::V6(address) => Some(lowpan::Address::of(*address)),
        IpAddr::V4(_) => None,
    });
    options
}
