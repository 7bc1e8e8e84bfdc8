//! IPv6 addresses from what routers say: stateless address autoconfiguration (RFC 4862), with the routers and name
//! servers that they name (RFC 4861, section 6.3; RFC 8106).
//!
//! The [`Client`] is one future beside the application: it makes a link-local address of the Ethernet address, sees
//! that nobody else has it, asks for routers, and makes an address of each prefix that they offer for it. Lifetimes
//! are kept: what is not said again runs out. Dropping the client takes back what it set.
//!
//! The client has the stack watch its link. When that comes back, it may lead to another network (RFC 4861, section 6.3.7; RFC
//! 4862, section 5.4): routers are asked for, and whether somebody has our addresses. Where routers answer that say nothing of
//! what we have, it is given up; where none answers it stays for as long as it was to last.
//!
//! By radio ([`Client::by_radio`], with the feature `lowpan`) addresses are made of the radio's, which nobody else has
//! (RFC 6775), so none is asked for; the link itself is told its prefix and its router where it is made. By what prefixes addresses
//! are shortened there it can learn, too ([`Client::learning`]).
//!
//! Prefixes and name servers are taken from every router on the link, of those also that lead nowhere else (with a lifetime of 0, as
//! in a house that is not connected). One router is used, and one more kept for when that says no more that it is one. That a router
//! is gone without a word is noticed at the end of its lifetime.
//!
//! Not here: DHCPv6, temporary addresses (RFC 8981), redirects, and what routers say of hop limits, of MTUs and of the times of
//! neighbour discovery.

use core::{
    fmt,
    future::poll_fn,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    task::{Poll, ready},
};

use heapless::Vec;
use rand_core::Rng;

#[cfg(feature = "lowpan")]
use crate::lowpan::{Context, Contexts, NUMBERS};
use crate::{
    address::{Cidr, Route},
    claim::{Claim, Claiming},
    config::DNS_SERVERS_MAX,
    draw::between,
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
#[cfg(feature = "lowpan")]
const OPTION_CONTEXT: u8 = 34;
#[cfg(feature = "lowpan")]
const COMPRESSES: u8 = 0x10;
const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;

/// A prefix that a router offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    prefix: Ipv6Addr,
    /// Whether all who have it are on the link; if not, packets to them may have to go by the router.
    on_link: bool,
    valid: Duration,
    /// For how long connections may begin from it.
    preferred: Duration,
}

/// What a router says of a prefix that addresses are shortened by (RFC 6775, section 4.2).
#[cfg(feature = "lowpan")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shortening {
    number: u8,
    context: Context,
    valid: Duration,
}

#[cfg(feature = "lowpan")]
impl Shortening {
    fn read(option: &[u8]) -> Option<Self> {
        let [_, _, bits, about, _, _, high, low] = *option.first_chunk()?;
        let prefix = &option[8..];
        if usize::from(bits) > prefix.len().min(16) * 8 {
            return None;
        }
        let octets = core::array::from_fn(|i| prefix.get(i).copied().unwrap_or(0));
        let mut context = Context::new(Ipv6Addr::from_octets(octets), bits);
        context.compresses = about & COMPRESSES != 0;
        let minutes = u16::from_be_bytes([high, low]);
        Some(Self { number: about & 0xf, context, valid: Duration::from_secs(u64::from(minutes) * 60) })
    }
}

/// What a router says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Advertisement {
    /// For how long it may be used as a router; not at all if zero.
    lifetime: Duration,
    offers: Vec<Offer, PREFIXES_MAX>,
    /// Name servers, and for how long each may be asked.
    dns: Vec<(Ipv6Addr, Duration), DNS_SERVERS_MAX>,
    #[cfg(feature = "lowpan")]
    shortenings: Vec<Shortening, { NUMBERS as usize }>,
}

impl Advertisement {
    /// Reads a router's advertisement, whose checksum is right (RFC 4861, section 4.2).
    fn read(message: &[u8]) -> Option<Self> {
        let (header, mut options) = message.split_first_chunk::<16>()?;
        if header[0] != ADVERTISEMENT || header[1] != 0 {
            return None;
        }
        let lifetime = Duration::from_secs(u16::from_be_bytes([header[6], header[7]]).into());
        let mut read = Self {
            lifetime,
            offers: Vec::new(),
            dns: Vec::new(),
            #[cfg(feature = "lowpan")]
            shortenings: Vec::new(),
        };
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
                    let [valid, preferred] = [valid, preferred].map(|seconds| Duration::from_secs(seconds.into()));
                    // Beyond as many as are followed, they are not looked at.
                    let _ = self.offers.push(Offer { prefix, on_link: option[3] & ON_LINK != 0, valid, preferred });
                }
            }
            (OPTION_DNS, 24..) => {
                let lifetime = Duration::from_secs(seconds(4).into());
                for chunk in option[8..].as_chunks::<16>().0 {
                    let _ = self.dns.push((Ipv6Addr::from(*chunk), lifetime));
                }
            }
            #[cfg(feature = "lowpan")]
            (OPTION_CONTEXT, _) => {
                if let Some(shortening) = Shortening::read(option) {
                    let _ = self.shortenings.push(shortening);
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

/// When what is said to last for so long ends: what is said to last for ever does not (RFC 4861, section 4.6.2).
fn end_of(lifetime: Duration, now: Instant) -> Instant {
    if lifetime.as_secs() == u64::from(u32::MAX) { Instant::MAX } else { now + lifetime }
}

#[derive(Clone, Copy)]
struct Held {
    address: Ipv6Addr,
    until: Instant,
    /// Until when connections may begin from it; of an address only.
    preferred: Instant,
    /// The bits of its prefix, all of which are on the link.
    prefix: u8,
    /// The link has come back since a router said it.
    doubtful: bool,
}

impl Held {
    const fn router(address: Ipv6Addr, until: Instant) -> Self {
        Self { address, until, preferred: Instant::MAX, prefix: 64, doubtful: false }
    }

    /// When something about it changes.
    fn next_change(&self, now: Instant) -> Instant {
        if now < self.preferred { self.preferred.min(self.until) } else { self.until }
    }
}

/// A context that a router told of.
#[cfg(feature = "lowpan")]
#[derive(Clone, Copy)]
struct Learnt {
    number: u8,
    until: Instant,
}

/// How routers are asked for.
struct Asking {
    /// How often they are yet to be asked.
    left: u8,
    /// When that is due.
    at: Instant,
    /// Whether one answered.
    answered: bool,
}

impl Asking {
    fn from(at: Instant) -> Self {
        Self { left: SOLICITATIONS, at, answered: false }
    }
}

/// What the client waits for.
#[expect(clippy::large_enum_variant, reason = "one is looked at at a time, and there may be no heap to box it on")]
enum News {
    Said(Ipv6Addr, Advertisement),
    /// The link came back, so often by now.
    LinkBack(u8),
}

/// Configures one stack.
pub struct Client<'a, 'r, C: ?Sized, R> {
    stack: &'a Stack<'r>,
    clock: &'a C,
    rng: R,
    interface: u64,
    /// Whether somebody else may have such an address.
    detects: bool,
    link_local: Option<Ipv6Addr>,
    held: Vec<Held, PREFIXES_MAX>,
    router: Option<Held>,
    /// Another one, that is used when the first says that it is none any longer.
    spare: Option<Held>,
    /// Name servers that routers told of.
    dns: Vec<(Ipv6Addr, Instant), DNS_SERVERS_MAX>,
    at: Option<u32>,
    /// How often the link had come back when we last asked because of that.
    link: u8,
    #[cfg(feature = "lowpan")]
    contexts: Option<&'a Contexts>,
    #[cfg(feature = "lowpan")]
    learnt: Vec<Learnt, { NUMBERS as usize }>,
    /// For how long the router last said that it is one.
    #[cfg(feature = "lowpan")]
    lifetime: Duration,
}

impl<'a, 'r, C: Clock + ?Sized, R: Rng> Client<'a, 'r, C, R> {
    /// A client that has not asked yet.
    pub fn new(stack: &'a Stack<'r>, clock: &'a C, rng: R) -> Self {
        let interface = stack
            .hardware_address()
            .map_or(0, |[a, b, c, d, e, f]| u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]));
        Self::of(stack, clock, rng, interface, true)
    }

    /// A client for the stack of a radio with that address, that has not asked yet.
    #[cfg(feature = "lowpan")]
    pub fn by_radio(stack: &'a Stack<'r>, clock: &'a C, rng: R, radio: crate::lowpan::Address) -> Self {
        Self::of(stack, clock, rng, radio.identifier(), false)
    }

    /// The same, which has `contexts`, which the link shares, follow what the router says that addresses are shortened by (RFC 6775,
    /// section 5.4): for as long as it says; then for twice as long as it said to be a router what others shortened is restored still.
    #[cfg(feature = "lowpan")]
    #[must_use]
    pub fn learning(mut self, contexts: &'a Contexts) -> Self {
        self.contexts = Some(contexts);
        self
    }

    fn of(stack: &'a Stack<'r>, clock: &'a C, rng: R, interface: u64, detects: bool) -> Self {
        Self {
            stack,
            clock,
            rng,
            interface,
            detects,
            link_local: None,
            held: Vec::new(),
            router: None,
            spare: None,
            dns: Vec::new(),
            at: None,
            link: 0,
            #[cfg(feature = "lowpan")]
            contexts: None,
            #[cfg(feature = "lowpan")]
            learnt: Vec::new(),
            #[cfg(feature = "lowpan")]
            lifetime: Duration::ZERO,
        }
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
        self.stack.is_link_up();
        self.link = self.stack.with(|core| core.link_returns());
        let own = self.address_in(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0));
        if !self.is_free(own).await {
            tell(Event::Duplicate(own));
            return Err(Error::Duplicate);
        }
        self.add(own, 64);
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
        let mut asking = Asking::from(self.clock.now());
        loop {
            let mut patience = self.next_expiry() - self.clock.now();
            if self.asks(&asking) {
                if asking.at <= self.clock.now() {
                    (asking.left, asking.at) = (asking.left - 1, self.clock.now() + SOLICITATION_INTERVAL);
                    self.solicit(at).await?;
                }
                patience = patience.min(asking.at - self.clock.now());
            } else if self.doubts() && asking.at <= self.clock.now() {
                self.decide(asking.answered, &mut tell).await;
                continue;
            } else if self.doubts() {
                patience = patience.min(asking.at - self.clock.now());
            }
            match timeout(self.clock, patience, self.hear(at)).await {
                Ok(News::Said(router, said)) => {
                    asking.answered = true;
                    self.follow(router, &said, &mut tell).await;
                }
                Ok(News::LinkBack(times)) => {
                    self.link = times;
                    if !self.is_free(own).await {
                        tell(Event::Duplicate(own));
                        self.give_up();
                        return Err(Error::Duplicate);
                    }
                    self.held.iter_mut().chain(&mut self.router).for_each(|held| held.doubtful = true);
                    self.spare = None;
                    asking = Asking::from(self.clock.now());
                }
                Err(_) => {}
            }
            self.expire(&mut tell);
        }
    }

    /// Whether routers are to be asked for: until there is one, or one has answered since the link came back.
    fn asks(&self, asking: &Asking) -> bool {
        asking.left > 0 && (self.router.is_none() || (self.doubts() && !asking.answered))
    }

    /// Whether it is not known yet what of what we have holds where the link leads now.
    fn doubts(&self) -> bool {
        self.held.iter().chain(&self.router).any(|held| held.doubtful)
    }

    /// Of what no router has spoken since the link came back: if others were `answered` we are elsewhere, and it is given up;
    /// else it is kept, if nobody has it.
    async fn decide(&mut self, answered: bool, tell: &mut impl FnMut(Event)) {
        if answered {
            let now = self.clock.now();
            let doubtful = self.held.iter_mut().chain(&mut self.router).filter(|held| held.doubtful);
            doubtful.for_each(|held| held.until = now);
            #[cfg(feature = "lowpan")]
            self.forget_contexts();
            self.expire(tell);
            return;
        }
        if let Some(router) = &mut self.router {
            router.doubtful = false;
        }
        while let Some(at) = self.held.iter().position(|held| held.doubtful) {
            self.keep_if_free(at, tell).await;
        }
    }

    /// Keeps the doubtful address if nobody has it.
    async fn keep_if_free(&mut self, at: usize, tell: &mut impl FnMut(Event)) {
        let address = self.held[at].address;
        if self.is_free(address).await {
            self.held[at].doubtful = false;
            return;
        }
        self.held.swap_remove(at);
        self.stack.remove_address(address.into());
        tell(Event::Duplicate(address));
    }

    fn address_in(&self, prefix: Ipv6Addr) -> Ipv6Addr {
        Ipv6Addr::from_bits(prefix.to_bits() | u128::from(self.interface))
    }

    /// Whether nobody else has the address. That a claim of somebody else in this program is under way is waited out.
    async fn is_free(&mut self, address: Ipv6Addr) -> bool {
        while self.detects {
            if let Some(claim) = Claim::begin(self.stack, address.into()) {
                return claim.ask(self.clock, &mut self.rng, DETECTION).await.is_ok();
            }
            sleep(self.clock, DETECTION.listen).await;
        }
        true
    }

    fn add(&self, address: Ipv6Addr, prefix: u8) {
        // A stack whose table is full of others' addresses keeps those.
        let _ = self.stack.add_address(Cidr::v6(address, prefix));
    }

    /// Puts the addresses from which no connection is to begin any more behind the others (RFC 4862, section 5.5.4): of several that
    /// would do, a stack takes the first.
    fn arrange(&self, now: Instant) {
        let outdated = || self.held.iter().filter(|held| held.preferred <= now);
        let mut passed = false;
        let disordered = self.stack.addresses().any(|own| match own.address() {
            IpAddr::V6(own) if outdated().any(|held| held.address == own) => {
                passed = true;
                false
            }
            IpAddr::V6(own) => passed && !own.is_unicast_link_local(),
            IpAddr::V4(_) => false,
        });
        if disordered {
            outdated().for_each(|held| self.add(held.address, held.prefix));
        }
    }

    /// Has the stack ask those of the name servers that may still be asked.
    fn tell_dns(&mut self, now: Instant, change: impl FnOnce(&mut Vec<(Ipv6Addr, Instant), DNS_SERVERS_MAX>)) {
        let before = self.dns_servers();
        change(&mut self.dns);
        self.dns.retain(|(_, until)| now < *until);
        self.stack.replace_dns_servers(&before, &self.dns_servers());
    }

    async fn solicit(&self, at: u32) -> Result<(), Error> {
        let mut message = [SOLICITATION, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0];
        // Without Ethernet, the link finds its neighbours by itself.
        let message = match self.stack.hardware_address() {
            Some(mac) => {
                message[10..].copy_from_slice(&mac);
                &message[..]
            }
            None => &message[..8],
        };
        let (to, from) = (SocketAddr::new(ALL_ROUTERS.into(), 0), self.link_local.map(IpAddr::V6));
        poll_fn(|cx| {
            self.stack.poll_in_place(|core, replaced| core.poll_send(at, message, to, from, cx.waker(), replaced))
        })
        .await
        .map_err(crate::udp::Error::from)?;
        Ok(())
    }

    async fn hear(&self, at: u32) -> News {
        poll_fn(|cx| {
            if let Poll::Ready(times) = self.stack.poll(|core| core.poll_link_returned(self.link, cx.waker())) {
                return Poll::Ready(News::LinkBack(times));
            }
            loop {
                let heard = self.stack.poll_in_place(|core, replaced| {
                    let take = |message: &[u8], about: &crate::engine::Datagram| {
                        (about.remote.ip(), Advertisement::read(message))
                    };
                    core.poll_datagram(at, take, cx.waker(), replaced)
                });
                // Only from the link itself can a router have said it (RFC 4861, section 6.1.2).
                if let (IpAddr::V6(router), Some(said)) = ready!(heard)
                    && router.is_unicast_link_local()
                {
                    return Poll::Ready(News::Said(router, said));
                }
            }
        })
        .await
    }

    async fn follow(&mut self, router: Ipv6Addr, said: &Advertisement, tell: &mut impl FnMut(Event)) {
        let now = self.clock.now();
        if self.router.is_some_and(|known| known.doubtful && known.address != router) && said.lifetime > Duration::ZERO
        {
            // Whoever answers is where the link leads now.
            self.leave_router(tell);
            #[cfg(feature = "lowpan")]
            self.forget_contexts();
        }
        let until = now + said.lifetime;
        match (&mut self.router, &mut self.spare) {
            (Some(known), _) if known.address == router => (known.until, known.doubtful) = (until, false),
            (None, _) if said.lifetime > Duration::ZERO => self.take_router(Held::router(router, until), tell),
            (_, Some(spare)) if spare.address == router => spare.until = until,
            (Some(_), spare @ None) if said.lifetime > Duration::ZERO => *spare = Some(Held::router(router, until)),
            // Another one still, or one that leads nowhere else.
            _ => {}
        }
        #[cfg(feature = "lowpan")]
        if self.router.is_some_and(|known| known.address == router) {
            self.learn(said, now);
        }
        if !said.dns.is_empty() {
            self.tell_dns(now, |known| {
                for &(server, lifetime) in &said.dns {
                    known.retain(|(other, _)| *other != server);
                    // Beyond as many as a stack asks, they are not kept.
                    let _ = known.push((server, end_of(lifetime, now)));
                }
            });
        }
        for offer in &said.offers {
            let address = self.address_in(offer.prefix);
            let (until, preferred) = (end_of(offer.valid, now), end_of(offer.preferred, now));
            if let Some(at) = self.held.iter().position(|known| known.address == address) {
                let known = &mut self.held[at];
                // Shortened at once it would be by anybody who can speak on the link.
                known.until = until.max(known.until.min(now + LIFETIME_MIN));
                known.preferred = preferred;
                if offer.on_link && known.prefix != 64 {
                    known.prefix = 64;
                    self.add(address, 64);
                }
                if self.held[at].doubtful {
                    self.keep_if_free(at, tell).await;
                }
            } else if offer.valid > Duration::ZERO && !self.held.is_full() {
                if !self.is_free(address).await {
                    tell(Event::Duplicate(address));
                    continue;
                }
                // By radio everybody is at the other end, whatever the prefix.
                let prefix = if offer.on_link || !self.detects { 64 } else { 128 };
                self.add(address, prefix);
                let _ = self.held.push(Held { address, until, preferred, prefix, doubtful: false });
                tell(Event::Configured(address));
            }
        }
        self.arrange(now);
    }

    fn take_router(&mut self, router: Held, tell: &mut impl FnMut(Event)) {
        self.router = Some(router);
        let _ = self.stack.add_route(Route::default_via(router.address.into()));
        tell(Event::Router(router.address));
    }

    /// Takes over what addresses are shortened by.
    #[cfg(feature = "lowpan")]
    fn learn(&mut self, said: &Advertisement, now: Instant) {
        let Some(contexts) = self.contexts else { return };
        self.lifetime = said.lifetime;
        for &Shortening { number, context, valid } in &said.shortenings {
            self.learnt.retain(|learnt| learnt.number != number);
            let is_valid = valid > Duration::ZERO;
            contexts.set(number, is_valid.then_some(context));
            if is_valid {
                // There is a place for each number.
                let _ = self.learnt.push(Learnt { number, until: now + valid });
            }
        }
    }

    /// What is not said again shortens no more, and is forgotten after a while.
    #[cfg(feature = "lowpan")]
    fn fade(&mut self, now: Instant) {
        let Some(contexts) = self.contexts else { return };
        let grace = self.lifetime * 2;
        self.learnt.retain_mut(|learnt| {
            if now < learnt.until {
                return true;
            }
            let fading = contexts.of(learnt.number).filter(|context| context.compresses);
            contexts.set(learnt.number, fading.map(Context::fading));
            learnt.until = now + grace;
            fading.is_some()
        });
    }

    fn next_expiry(&self) -> Instant {
        let now = self.clock.now();
        let held = self.held.iter().chain(&self.router).map(|held| held.next_change(now));
        let held = held.chain(self.dns.iter().map(|(_, until)| *until));
        #[cfg(feature = "lowpan")]
        let held = held.chain(self.learnt.iter().map(|learnt| learnt.until));
        held.min().unwrap_or(Instant::MAX)
    }

    fn expire(&mut self, tell: &mut impl FnMut(Event)) {
        let now = self.clock.now();
        #[cfg(feature = "lowpan")]
        self.fade(now);
        let stack = self.stack;
        self.held.retain(|held| {
            let valid = now < held.until;
            if !valid {
                stack.remove_address(held.address.into());
                tell(Event::Expired(held.address));
            }
            valid
        });
        self.arrange(now);
        if self.dns.iter().any(|(_, until)| *until <= now) {
            self.tell_dns(now, |_| {});
        }
        if self.router.is_some_and(|router| router.until <= now) {
            self.leave_router(tell);
            if let Some(spare) = self.spare.take().filter(|spare| now < spare.until) {
                self.take_router(spare, tell);
            }
        }
    }

    fn leave_router(&mut self, tell: &mut impl FnMut(Event)) {
        if let Some(gone) = self.router.take() {
            self.stack.remove_route(Route::default_via(gone.address.into()).to);
            tell(Event::Expired(gone.address));
        }
    }
}

impl<C: ?Sized, R> Client<'_, '_, C, R> {
    /// The name servers that routers told of.
    fn dns_servers(&self) -> Vec<IpAddr, DNS_SERVERS_MAX> {
        self.dns.iter().map(|(server, _)| (*server).into()).collect()
    }

    /// Forgets what addresses were shortened by.
    #[cfg(feature = "lowpan")]
    fn forget_contexts(&mut self) {
        for learnt in &self.learnt {
            self.contexts.inspect(|contexts| contexts.set(learnt.number, None));
        }
        self.learnt.clear();
    }

    /// Takes back all that was set.
    fn give_up(&mut self) {
        #[cfg(feature = "lowpan")]
        self.forget_contexts();
        if let Some(router) = self.router.take() {
            self.stack.remove_route(Route::default_via(router.address.into()).to);
        }
        for held in &self.held {
            self.stack.remove_address(held.address.into());
        }
        self.held.clear();
        self.spare = None;
        let servers = self.dns_servers();
        self.dns.clear();
        self.stack.replace_dns_servers(&servers, &[]);
        if let Some(own) = self.link_local.take() {
            self.stack.remove_address(own.into());
        }
    }
}

impl<C: ?Sized, R> Drop for Client<'_, '_, C, R> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            let unheard = self.stack.with(|core| core.unbind(at));
            drop(unheard);
        }
        self.give_up();
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

    /// The option, bit by bit (RFC 6775, section 4.2).
    #[cfg(feature = "lowpan")]
    #[test]
    fn a_context_is_as_long_as_its_prefix() {
        let mut message = std::vec![ADVERTISEMENT, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        message.extend([34, 2, 48, 0x13, 0, 0, 0, 10, 0x20, 1, 0xd, 0xb8, 0, 1, 0xff, 0xff]);
        message.extend([34, 3, 112, 0x0f, 0, 0, 0xff, 0xff, 0x20, 1, 0xd, 0xb8, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7]);
        // Longer than what is there; that says how it is to be gone at once.
        message.extend([34, 2, 65, 0x14, 0, 0, 0, 10, 0x20, 1, 0xd, 0xb8, 0, 1, 0xff, 0xff]);
        message.extend([34, 2, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let read = Advertisement::read(&message).expect("it is one");
        let context = |text: &str, bits, compresses| {
            let context = Context::new(text.parse().expect("a prefix"), bits);
            if compresses { context } else { context.fading() }
        };
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let told = [
            Shortening { number: 3, context: context("2001:db8:1::", 48, true), valid: minutes(10) },
            Shortening { number: 15, context: context("2001:db8:2:3:4:5:6::", 112, false), valid: minutes(65_535) },
            Shortening { number: 5, context: context("::", 0, true), valid: minutes(0) },
        ];
        assert_eq!(read.shortenings, told);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in collection::vec(any::<u8>(), 0..200), words in 0_u8..6) {
            if bytes.len() > 18 {
                (bytes[0], bytes[1], bytes[17]) = (ADVERTISEMENT, 0, words);
                bytes[16] = if words == 4 { OPTION_PREFIX } else { OPTION_DNS };
            }
            let _ = Advertisement::read(&bytes);
        }

        #[cfg(feature = "lowpan")]
        #[test]
        fn any_context_is_read_or_refused(mut bytes in collection::vec(any::<u8>(), 0..80), words in 0_u8..6) {
            if bytes.len() > 18 {
                (bytes[0], bytes[1], bytes[16], bytes[17]) = (ADVERTISEMENT, 0, OPTION_CONTEXT, words);
            }
            let read = Advertisement::read(&bytes);
            let told = read.map(|read| read.shortenings).unwrap_or_default();
            prop_assert!(told.iter().all(|told| told.number < NUMBERS && told.context.bits() <= 128));
        }
    }
}
