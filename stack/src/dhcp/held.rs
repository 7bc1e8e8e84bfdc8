//! What a lease sets on a stack.

use core::net::{IpAddr, Ipv4Addr};

use heapless::Vec;

use super::lease::Lease;
use crate::{
    address::{Cidr, Route},
    config::DNS_SERVERS_MAX,
    stack::Stack,
};

/// What was set on a stack, to be taken back when this is dropped.
pub(super) struct Held<'a, 'r> {
    stack: &'a Stack<'r>,
    address: Cidr,
    router: Option<Ipv4Addr>,
    dns: Vec<Ipv4Addr, DNS_SERVERS_MAX>,
}

impl<'a, 'r> Held<'a, 'r> {
    pub(super) fn of(stack: &'a Stack<'r>, lease: &Lease) -> Self {
        Self::set(stack, lease.address, lease.router, &lease.dns)
    }

    pub(super) fn set(stack: &'a Stack<'r>, address: Cidr, router: Option<Ipv4Addr>, dns: &[Ipv4Addr]) -> Self {
        let held = Self { stack, address, router, dns: dns.iter().copied().take(DNS_SERVERS_MAX).collect() };
        held.apply(&[]);
        held
    }

    pub(super) fn is_of(&self, lease: &Lease) -> bool {
        (self.address, self.router) == (lease.address, lease.router) && self.dns == lease.dns
    }

    /// Changes router and name servers; an address that stays keeps its connections.
    pub(super) fn replace(&mut self, lease: &Lease) {
        if let Some(router) = self.router {
            self.stack.remove_route(Route::default_via(router.into()).to);
        }
        let before = core::mem::replace(&mut self.dns, lease.dns.clone());
        (self.address, self.router) = (lease.address, lease.router);
        self.apply(&before);
    }

    fn apply(&self, before: &[Ipv4Addr]) {
        // A stack whose table is full of addresses that others set keeps those: what does not fit is not had.
        if self.stack.add_address(self.address).is_ok()
            && let Some(router) = self.router
        {
            let _ = self.stack.add_route(Route::default_via(router.into()));
        }
        self.stack.replace_dns_servers(&told(before), &told(&self.dns));
    }
}

fn told(servers: &[Ipv4Addr]) -> Vec<IpAddr, DNS_SERVERS_MAX> {
    servers.iter().map(|&server| server.into()).collect()
}

impl Drop for Held<'_, '_> {
    fn drop(&mut self) {
        if let Some(router) = self.router {
            self.stack.remove_route(Route::default_via(router.into()).to);
        }
        self.stack.remove_address(self.address.address());
        self.stack.replace_dns_servers(&told(&self.dns), &[]);
    }
}
