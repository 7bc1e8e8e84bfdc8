//! Changing, while it runs, who a station is on its network.

use core::{future::poll_fn, net::IpAddr};

use heapless::Vec;

#[cfg(any(feature = "dhcp", feature = "slaac"))]
use crate::config::DNS_SERVERS_MAX;
use crate::{
    address::{Cidr, Route},
    config::{ADDRESSES_MAX, ROUTES_MAX},
    engine::Local,
    ip::{self, spoken, told},
    stack::Stack,
};

/// There is no room for another address or route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stack has at most {ADDRESSES_MAX} addresses and {ROUTES_MAX} routes")]
pub struct TooMany;

/// There is no room for another group, or it is none.
#[cfg(feature = "multicast")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a multicast group, or one more than {max}", max = crate::config::GROUPS_MAX)]
pub struct TooManyGroups;

impl Stack<'_> {
    /// Becomes a member of a multicast group: what is sent to it is received by the sockets of its port. Routers and
    /// switches are told (RFC 2236, RFC 2710). To join twice is to join once.
    ///
    /// # Errors
    /// [`TooManyGroups`].
    #[cfg(feature = "multicast")]
    pub fn join_group(&self, group: IpAddr) -> Result<(), TooManyGroups> {
        let joined = spoken(group).is_some_and(|group| group.is_multicast() && self.with(|core| core.join(group)));
        if joined { Ok(()) } else { Err(TooManyGroups) }
    }

    /// Ends a membership, if it is one.
    #[cfg(feature = "multicast")]
    pub fn leave_group(&self, group: IpAddr) {
        if let Some(group) = spoken(group) {
            self.with(|core| core.leave(group));
        }
    }

    /// Adds an address, or changes the prefix of one that we have.
    ///
    /// # Errors
    /// [`TooMany`].
    ///
    /// # Panics
    /// If no station can have the address.
    pub fn add_address(&self, address: Cidr) -> Result<(), TooMany> {
        if self.change_network(|local| local.put_address(address)) { Ok(()) } else { Err(TooMany) }
    }

    /// Gives an address up, if it is ours. Connections from it end, as [`Stack::set_addresses`] says.
    pub fn remove_address(&self, address: IpAddr) {
        self.change_network(|local| spoken(address).is_some_and(|address| local.drop_address(address)));
    }

    /// Adds a route, in the place of any other to the same network.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn add_route(&self, route: Route) -> Result<(), TooMany> {
        if self.change_network(|local| local.put_route(route)) { Ok(()) } else { Err(TooMany) }
    }

    /// Removes the route to that network, if there is one.
    pub fn remove_route(&self, to: Cidr) {
        self.change_network(|local| local.drop_route(to));
    }

    /// The routes.
    pub fn routes(&self) -> impl Iterator<Item = Route> + use<> {
        let routes: Vec<Route, ROUTES_MAX, u8> = self.core().borrow().routes().iter().copied().collect();
        routes.into_iter()
    }

    /// The name servers that were set, or learnt, best first.
    pub fn dns_servers(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let servers = self.core().borrow().surroundings.dns.clone();
        servers.into_iter().map(told)
    }

    /// Sets the name servers; beyond [`DNS_SERVERS_MAX`](crate::DNS_SERVERS_MAX) they are not kept.
    pub fn set_dns_servers(&self, servers: &[IpAddr]) {
        self.with(|core| core.set_dns(servers));
        self.spread_change();
    }

    /// Sets name servers in the place of those `before`, which were had from the same source, and leaves those of others behind them.
    #[cfg(any(feature = "dhcp", feature = "slaac"))]
    pub(crate) fn replace_dns_servers(&self, before: &[IpAddr], servers: &[IpAddr]) {
        let known: Vec<IpAddr, DNS_SERVERS_MAX> = self.dns_servers().collect();
        let others = known.iter().filter(|server| !before.contains(server) && !servers.contains(server));
        let wanted: Vec<IpAddr, DNS_SERVERS_MAX> =
            servers.iter().chain(others).copied().take(DNS_SERVERS_MAX).collect();
        if wanted != known {
            self.set_dns_servers(&wanted);
        }
    }

    /// Waits until an address, a route or a name server changes, or a link that is watched, since the edition of the network that is `known`;
    /// answers with the present one. 0 waits for the first.
    pub async fn network_changed(&self, known: u32) -> u32 {
        poll_fn(|cx| self.poll(|core| core.poll_changed(known, cx.waker()))).await
    }

    /// Waits until we have an address from which stations beyond our own link can be reached: one that is not
    /// link-local (RFC 3927; RFC 4291, section 2.5.6).
    pub async fn until_configured(&self) {
        let mut edition = 0;
        while !self.addresses().any(|own| !is_link_local(own.spoken())) {
            edition = self.network_changed(edition).await;
        }
    }

    /// Whether the driver says that its link is up; yes, before it was asked. With the first call of this begins the
    /// runner to ask it, each turn: from then on [`Stack::network_changed`] tells of the link, too. The DHCP client and
    /// SLAAC ask, and so does whoever chooses between interfaces.
    pub fn is_link_up(&self) -> bool {
        self.with(crate::engine::Core::watch_link)
    }

    /// The driver said whether its link is up.
    pub(crate) fn set_link(&self, is_up: bool) {
        if self.with(|core| core.set_link(is_up)) {
            while self.with(crate::engine::Core::wake_watcher) {}
        }
    }

    /// Our Ethernet address, if we are on Ethernet.
    pub fn hardware_address(&self) -> Option<[u8; 6]> {
        self.core().borrow().mac()
    }

    /// Draws the consequences of a changed network, each in a step of its own: each may wake somebody.
    pub(crate) fn spread_change(&self) {
        let mut from = 0;
        while let Some(next) = self.with(|core| core.end_lost(from)) {
            from = next;
        }
        while self.with(crate::engine::Core::wake_watcher) {}
    }

    fn change_network(&self, change: impl FnOnce(&mut Local) -> bool) -> bool {
        let changed = self.with(|core| core.change_network(change));
        if changed {
            self.spread_change();
        }
        changed
    }
}

/// Whether no router forwards what comes from there.
fn is_link_local(address: ip::IpAddr) -> bool {
    match address {
        ip::IpAddr::V4(address) => address.is_link_local(),
        #[cfg(feature = "ipv6")]
        ip::IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
