//! IPv6 addresses from what routers say: stateless address autoconfiguration (RFC 4862), with the routers and name
//! servers that they name (RFC 4861, section 6.3; RFC 8106).
//!
//! The [`Client`] is one future beside the application: it makes a link-local address of the Ethernet address, sees
//! that nobody else has it, asks for routers, and makes an address of each prefix that they offer for it. Lifetimes
//! are kept: what is not said again runs out. Dropping the client takes back what it set.
//!
//! Not here: DHCPv6, temporary addresses (RFC 8981), more than one router at a time, redirects.

use core::{
    fmt,
    future::poll_fn,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use heapless::Vec;
use rand_core::Rng;

use crate::{
    address::{Cidr, Route},
    claim::{Claim, Claiming, between},
    config::DNS_SERVERS_MAX,
    stack::Stack,
    time::{Clock, Duration, Instant, sleep, timeout},
    udp,
};

/// How many prefixes are followed at a time.
pub const PREFIXES_MAX: usize = 3;

/// How often routers are asked for, and how long to wait in between (RFC 4861, section 10).
const SOLICITATIONS: u8 = 3;
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);
const SOLICITATION_DELAY_MAX: Duration = Duration::from_secs(1);
/// Whether somebody has the address is asked once, as RFC 4862, section 5.1, has it.
const DETECTION: Claiming = Claiming {
    wait_max: Duration::from_secs(1),
    probes: 1,
    between: (Duration::ZERO, Duration::ZERO),
    listen: Duration::from_secs(1),
};
/// A word of whom nobody can be sure shortens no lifetime below this (RFC 4862, section 5.5.3).
const LIFETIME_MIN: Duration = Duration::from_secs(7_200);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
const OPTION_PREFIX: u8 = 3;
const OPTION_DNS: u8 = 25;
const AUTONOMOUS: u8 = 0x40;

/// A prefix that a router offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    prefix: Ipv6Addr,
    valid: Duration,
}

/// What a router says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Advertisement {
    /// For how long it may be used as a router; not at all if zero.
    lifetime: Duration,
    offers: Vec<Offer, PREFIXES_MAX>,
    dns: Vec<Ipv6Addr, DNS_SERVERS_MAX>,
}

impl Advertisement {
    /// Reads a router's advertisement, whose checksum is right (RFC 4861, section 4.2).
    fn read(message: &[u8]) -> Option<Self> {
        let (header, mut options) = message.split_first_chunk::<16>()?;
        if header[0] != ADVERTISEMENT || header[1] != 0 {
            return None;
        }
        let lifetime = Duration::from_secs(u16::from_be_bytes([header[6], header[7]]).into());
        let mut read = Self { lifetime, offers: Vec::new(), dns: Vec::new() };
        while let [kind, words, ..] = *options {
            let (option, rest) = options.split_at_checked(usize::from(words) * 8).filter(|_| words > 0)?;
            read.option(kind, option);
            options = rest;
        }
        Some(read)
    }

    fn option(&mut self, kind: u8, option: &[u8]) {
        let seconds = |at: usize| u32::from_be_bytes(core::array::from_fn(|i| option[at + i]));
        let octets = |at: usize| -> [u8; 16] { core::array::from_fn(|i| option[at + i]) };
        match (kind, option.len()) {
            (OPTION_PREFIX, 32) => {
                let (valid, preferred) = (seconds(4), seconds(8));
                let prefix = Ipv6Addr::from_bits(u128::from_be_bytes(octets(16)) & (u128::MAX << 64));
                // Only prefixes that leave room for an interface's 64 bits can be used so.
                let usable = option[2] == 64 && option[3] & AUTONOMOUS != 0 && preferred <= valid;
                let unicast = !prefix.is_unicast_link_local() && !prefix.is_multicast() && !prefix.is_unspecified();
                if usable && unicast {
                    let valid = Duration::from_secs(valid.into());
                    // Beyond as many as are followed, they are not looked at.
                    let _ = self.offers.push(Offer { prefix, valid });
                }
            }
            (OPTION_DNS, 24..) if seconds(4) > 0 => {
                for chunk in option[8..].as_chunks::<16>().0 {
                    let _ = self.dns.push(Ipv6Addr::from(*chunk));
                }
            }
            _ => {}
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The stack has this address.
    Configured(Ipv6Addr),
    /// Packets beyond the link go by this router.
    Router(Ipv6Addr),
    /// Somebody else has this address: it is not used.
    Duplicate(Ipv6Addr),
    /// The address, or the router, is not valid any longer.
    Expired(Ipv6Addr),
}

/// Why there can be no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stack is not on Ethernet.
    #[error("addresses are made of Ethernet addresses, and there is none")]
    NotEthernet,
    /// Somebody has the address that follows from our Ethernet address, and so probably that one, too.
    #[error("another station has our link-local address, and probably our Ethernet address")]
    Duplicate,
    /// No socket can be had.
    #[error("{0}")]
    Socket(#[from] udp::Error),
}

#[derive(Clone, Copy)]
struct Held {
    address: Ipv6Addr,
    until: Instant,
}

/// Configures one stack.
pub struct Client<'a, 'r, C: ?Sized, R> {
    stack: &'a Stack<'r>,
    clock: &'a C,
    rng: R,
    interface: u64,
    link_local: Option<Ipv6Addr>,
    held: Vec<Held, PREFIXES_MAX>,
    router: Option<Held>,
    at: Option<u32>,
}

impl<'a, 'r, C: Clock + ?Sized, R: Rng> Client<'a, 'r, C, R> {
    /// A client that has not asked yet.
    pub fn new(stack: &'a Stack<'r>, clock: &'a C, rng: R) -> Self {
        let interface = stack
            .hardware_address()
            .map_or(0, |[a, b, c, d, e, f]| u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]));
        Self { stack, clock, rng, interface, link_local: None, held: Vec::new(), router: None, at: None }
    }

    /// Gets addresses and keeps them for as long as routers say; `tell` hears what happens. Takes one of the stack's
    /// slots for UDP sockets.
    ///
    /// # Errors
    /// [`Error`] says why it cannot begin; afterwards it goes on for ever.
    pub async fn run(&mut self, mut tell: impl FnMut(Event)) -> Result<core::convert::Infallible, Error> {
        if self.interface == 0 {
            return Err(Error::NotEthernet);
        }
        let own = self.address_in(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0));
        if !self.is_free(own).await {
            tell(Event::Duplicate(own));
            return Err(Error::Duplicate);
        }
        self.add(own);
        self.link_local = Some(own);
        tell(Event::Configured(own));
        let mut options = udp::Options::default();
        (options.datagrams, options.receive_bytes, options.send_bytes) = (4, 1_600, 64);
        options.hop_limit = 255;
        let at = match self.at {
            Some(at) => at,
            None => *self.at.insert(self.stack.with(|core| core.bind_router_news(&options))?),
        };
        let wait = between(&mut self.rng, Duration::ZERO, SOLICITATION_DELAY_MAX);
        sleep(self.clock, wait).await;
        let mut solicitations = 0;
        loop {
            let mut patience = self.next_expiry() - self.clock.now();
            if self.router.is_none() && solicitations < SOLICITATIONS {
                solicitations += 1;
                self.solicit(at).await?;
                patience = patience.min(SOLICITATION_INTERVAL);
            }
            if let Ok((router, said)) = timeout(self.clock, patience, self.hear(at)).await {
                self.follow(router, &said, &mut tell).await;
            }
            self.expire(&mut tell);
        }
    }

    fn address_in(&self, prefix: Ipv6Addr) -> Ipv6Addr {
        Ipv6Addr::from_bits(prefix.to_bits() | u128::from(self.interface))
    }

    /// Whether nobody else has the address. That a claim of somebody else in this program is under way is waited out.
    async fn is_free(&mut self, address: Ipv6Addr) -> bool {
        loop {
            if let Some(claim) = Claim::begin(self.stack, address.into()) {
                return claim.ask(self.clock, &mut self.rng, DETECTION).await.is_ok();
            }
            sleep(self.clock, DETECTION.listen).await;
        }
    }

    fn add(&self, address: Ipv6Addr) {
        // A stack whose table is full of others' addresses keeps those.
        let _ = self.stack.add_address(Cidr::v6(address, 64));
    }

    async fn solicit(&self, at: u32) -> Result<(), Error> {
        let mac = self.stack.hardware_address().unwrap_or_default();
        let mut message = [SOLICITATION, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0];
        message[10..].copy_from_slice(&mac);
        let (to, from) = (SocketAddr::new(ALL_ROUTERS.into(), 0), self.link_local.map(IpAddr::V6));
        poll_fn(|cx| {
            self.stack.poll_in_place(|core, replaced| core.poll_send(at, &message, to, from, cx.waker(), replaced))
        })
        .await
        .map_err(crate::udp::Error::from)?;
        Ok(())
    }

    async fn hear(&self, at: u32) -> (Ipv6Addr, Advertisement) {
        loop {
            let heard = poll_fn(|cx| {
                self.stack.poll_in_place(|core, replaced| {
                    let take = |message: &[u8], about: &crate::engine::Datagram| {
                        (about.remote.ip(), Advertisement::read(message))
                    };
                    core.poll_datagram(at, take, cx.waker(), replaced)
                })
            });
            // Only from the link itself can a router have said it (RFC 4861, section 6.1.2).
            if let (IpAddr::V6(router), Some(said)) = heard.await
                && router.is_unicast_link_local()
            {
                return (router, said);
            }
        }
    }

    async fn follow(&mut self, router: Ipv6Addr, said: &Advertisement, tell: &mut impl FnMut(Event)) {
        let now = self.clock.now();
        match &mut self.router {
            Some(known) if known.address == router => known.until = now + said.lifetime,
            None if said.lifetime > Duration::ZERO => {
                self.router = Some(Held { address: router, until: now + said.lifetime });
                let _ = self.stack.add_route(Route::default_via(router.into()));
                tell(Event::Router(router));
            }
            // One router is enough.
            _ => return,
        }
        if !said.dns.is_empty() {
            let servers: Vec<IpAddr, DNS_SERVERS_MAX> = said.dns.iter().map(|&server| server.into()).collect();
            self.stack.set_dns_servers(&servers);
        }
        for offer in &said.offers {
            let address = self.address_in(offer.prefix);
            let until = match offer.valid.as_secs() {
                0xffff_ffff => Instant::MAX,
                _ => now + offer.valid,
            };
            if let Some(known) = self.held.iter_mut().find(|known| known.address == address) {
                // Shortened at once it would be by anybody who can speak on the link.
                known.until = until.max(known.until.min(now + LIFETIME_MIN));
            } else if offer.valid > Duration::ZERO && !self.held.is_full() {
                if !self.is_free(address).await {
                    tell(Event::Duplicate(address));
                    continue;
                }
                self.add(address);
                let _ = self.held.push(Held { address, until });
                tell(Event::Configured(address));
            }
        }
    }

    fn next_expiry(&self) -> Instant {
        self.held.iter().chain(&self.router).map(|held| held.until).min().unwrap_or(Instant::MAX)
    }

    fn expire(&mut self, tell: &mut impl FnMut(Event)) {
        let now = self.clock.now();
        let stack = self.stack;
        self.held.retain(|held| {
            let valid = now < held.until;
            if !valid {
                stack.remove_address(held.address.into());
                tell(Event::Expired(held.address));
            }
            valid
        });
        if let Some(gone) = self.router.take_if(|router| router.until <= now) {
            stack.remove_route(Route::default_via(gone.address.into()).to);
            tell(Event::Expired(gone.address));
        }
    }
}

impl<C: ?Sized, R> Drop for Client<'_, '_, C, R> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            let unheard = self.stack.with(|core| core.unbind(at));
            drop(unheard);
        }
        if let Some(router) = self.router {
            self.stack.remove_route(Route::default_via(router.address.into()).to);
        }
        for held in &self.held {
            self.stack.remove_address(held.address.into());
        }
        if let Some(own) = self.link_local {
            self.stack.remove_address(own.into());
        }
    }
}

impl<C: ?Sized, R> fmt::Debug for Client<'_, '_, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("link_local", &self.link_local).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection, prelude::*};

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in collection::vec(any::<u8>(), 0..200), words in 0_u8..6) {
            if bytes.len() > 18 {
                (bytes[0], bytes[1], bytes[17]) = (ADVERTISEMENT, 0, words);
                bytes[16] = if words == 4 { OPTION_PREFIX } else { OPTION_DNS };
            }
            let _ = Advertisement::read(&bytes);
        }
    }
}
