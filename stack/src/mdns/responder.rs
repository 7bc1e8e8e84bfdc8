//! Answering for one's own names.

use core::convert::Infallible;
use core::fmt::Write as _;
use core::future::poll_fn;
use core::net::{IpAddr, SocketAddr};
use core::pin::pin;
use core::task::Poll;

use heapless::{String, Vec};
use rand_core::Rng;

use super::wire::{
    A, AAAA, ANY, INTERNET, Item, Items, Labels, PTR, RESPONSE, Record, SRV, TOP_BIT, TXT, Writer, is_name, kind,
};
use super::{GROUPS, HOST_TTL, MESSAGE_MAX, OTHER_TTL, PORT};
use crate::address::Cidr;
use crate::config::ADDRESSES_MAX;
use crate::draw::between;
use crate::interface::TooManyGroups;
use crate::stack::Stack;
use crate::time::{Clock, Duration, sleep, sleep_until};
use crate::udp;

/// Probes before names are ours, and the time between them (RFC 6762, section 8.1).
const PROBES: u32 = 3;
const PROBE_WAIT: Duration = Duration::from_millis(250);
/// Between the two announcements (section 8.3).
const ANNOUNCE_WAIT: Duration = Duration::from_secs(1);
/// Whoever asks from another port keeps what it hears no longer than this (section 6.7), in seconds.
const LEGACY_TTL: u32 = 10;
/// Names of services are asked for under this one (RFC 6763, section 9).
const META: [&[u8]; 4] = [b"_services", b"_dns-sd", b"_udp", b"local"];
/// A label is this long at most.
const LABEL_MAX: usize = 63;

/// A service that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    /// What it is called, for people to read: up to 55 bytes of any text.
    pub instance: &'a str,
    /// Its kind, as in `_http._tcp`.
    pub kind: &'a str,
    /// The port that it is offered at.
    pub port: u16,
    /// What it says of itself, in `key=value` each.
    pub text: &'a [&'a str],
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The names are ours, under this number: 1 is none.
    Ours(u32),
    /// Somebody else has one of them: all are tried again under another number.
    Taken,
}

/// Why there is no answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The port cannot be had, or sent from.
    #[error("{0}")]
    Socket(#[from] udp::Error),
    /// The groups cannot be joined.
    #[error("{0}")]
    Groups(#[from] TooManyGroups),
}

/// Answers for one host and what it offers.
pub struct Responder<'a, 'r, C, R> {
    stack: &'a Stack<'r>,
    clock: &'a C,
    rng: R,
    host: &'a str,
    services: &'a [Service<'a>],
    /// Which of many hosts that would have the same names this is.
    number: u32,
}

/// Whom an answer goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Everybody,
    One,
    /// One that knows nothing of this protocol but the port.
    Stranger,
}

/// The names, as they are now.
struct Names {
    host: String<LABEL_MAX>,
    number: u32,
    /// Where the host is: the stack cannot be asked while a datagram is looked at.
    addresses: Vec<Cidr, ADDRESSES_MAX>,
}

impl Names {
    fn host(&self) -> Labels<'_> {
        [self.host.as_bytes(), b"local"].into_iter().collect()
    }

    fn instance(&self, service: &Service<'_>) -> String<LABEL_MAX> {
        numbered(service.instance, " (", self.number, ")")
    }

    fn own_address(&self, kind: u16) -> Option<IpAddr> {
        self.addresses.iter().map(Cidr::address).find(|own| own.is_ipv4() == (kind == A))
    }

    fn is_own(&self, record: &Record<'_>) -> bool {
        self.addresses.iter().any(|own| record.data == &octets(&own.address())[..])
    }

    /// Whether somebody is on our link: others must not be answered (RFC 6762, section 11).
    fn is_near(&self, address: IpAddr) -> bool {
        let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        link_local || self.addresses.iter().any(|own| own.contains(address))
    }
}

fn numbered(name: &str, before: &str, number: u32, after: &str) -> String<LABEL_MAX> {
    let mut out = String::new();
    // Room is left for the number.
    for letter in name.chars() {
        if out.len() + letter.len_utf8() > LABEL_MAX - 8 || out.push(letter).is_err() {
            break;
        }
    }
    if number > 1 {
        let _ = write!(out, "{before}{number}{after}");
    }
    out
}

/// One of the things that are known: which service's it is, if it is one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known<'a> {
    Address,
    Pointer(&'a Service<'a>),
    Place(&'a Service<'a>),
    Text(&'a Service<'a>),
    Kind(&'a Service<'a>),
}

impl<'a, 'r, C: Clock, R: Rng> Responder<'a, 'r, C, R> {
    /// A responder for `host` under `local`, which is one label of up to 55 bytes, and what it offers.
    pub fn new(stack: &'a Stack<'r>, clock: &'a C, rng: R, host: &'a str, services: &'a [Service<'a>]) -> Self {
        Self { stack, clock, rng, host, services, number: 1 }
    }

    /// Makes sure of the names, and answers for them, for ever; `tell` hears what happens. Takes one UDP socket, and a
    /// place in two groups. Dropping the future leaves them; nobody is told.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run(&mut self, mut tell: impl FnMut(Event)) -> Result<Infallible, RunError> {
        let options = udp::Options { hop_limit: 255, ..udp::Options::default() };
        let socket = udp::Socket::bind(self.stack, PORT, options)?;
        let _member = Member::of(self.stack)?;
        loop {
            let mut edition = 0;
            while self.stack.addresses().next().is_none() {
                edition = self.stack.network_changed(edition).await;
            }
            let host = numbered(self.host, "-", self.number, "");
            let addresses = self.stack.addresses().collect();
            let mut names = Names { host, number: self.number, addresses };
            if self.probe(&socket, &names).await? {
                tell(Event::Ours(self.number));
                self.serve(&socket, &mut names).await?;
            }
            tell(Event::Taken);
            self.number += 1;
            // Names that are taken again and again shall not fill the link (section 8.1).
            let wait = if self.number > 15 { Duration::from_secs(5) } else { Duration::ZERO };
            sleep(self.clock, wait).await;
        }
    }

    /// Asks whether somebody has the names; whether nobody has.
    async fn probe(&mut self, socket: &udp::Socket<'_>, names: &Names) -> Result<bool, RunError> {
        sleep(self.clock, between(&mut self.rng, Duration::ZERO, PROBE_WAIT)).await;
        for _ in 0..PROBES {
            for group in self.groups() {
                let mut buffer = [0; MESSAGE_MAX];
                let mut writer = Writer::query(&mut buffer, 0);
                let host = names.host();
                writer.question(&host, ANY, INTERNET | TOP_BIT);
                for service in self.services {
                    let own = names.instance(service);
                    writer.question(&instance(&own, service), ANY, INTERNET | TOP_BIT);
                }
                self.write(&mut writer, 2, Known::Address, names, 0);
                for service in self.services {
                    self.write(&mut writer, 2, Known::Place(service), names, 0);
                }
                let len = writer.finish().unwrap_or_default();
                socket.send_to(&buffer[..len], SocketAddr::new(group, PORT)).await?;
            }
            let until = self.clock.now() + PROBE_WAIT;
            if self.contradicted(socket, names, until).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Listens until then; whether somebody has one of the names.
    async fn contradicted(&self, socket: &udp::Socket<'_>, names: &Names, until: crate::time::Instant) -> bool {
        let mut timer = pin!(sleep_until(self.clock, until));
        poll_fn(|cx| {
            loop {
                match socket.poll_recv_with(cx, |bytes, _| self.contradicts(bytes, names, true)) {
                    Poll::Ready(true) => return Poll::Ready(true),
                    Poll::Ready(false) => {}
                    Poll::Pending => return timer.as_mut().poll(cx).map(|()| false),
                }
            }
        })
        .await
    }

    /// Whether a message says of one of our names what is not so. Of two that probe at a time, the one with the lesser
    /// data gives way (section 8.2).
    fn contradicts(&self, bytes: &[u8], names: &Names, probing: bool) -> bool {
        let host = names.host();
        Items::of(bytes).into_iter().flatten().any(|item| {
            let Item::Record(record) = item else { return false };
            let says = bytes[2] & RESPONSE != 0 && record.section != 2 && record.ttl > 0;
            let probes = probing && bytes[2] & RESPONSE == 0 && record.section == 2;
            if is_name(bytes, record.name_at, &host) {
                return match (record.kind, names.own_address(record.kind)) {
                    (A | AAAA, Some(own)) if probes => record.data > &octets(&own)[..],
                    (A | AAAA, _) => says && !names.is_own(&record),
                    _ => false,
                };
            }
            self.services.iter().any(|service| {
                let own = names.instance(service);
                if record.kind != SRV || !is_name(bytes, record.name_at, &instance(&own, service)) {
                    return false;
                }
                let ours = record.data.len() > 6
                    && record.data[4..6] == service.port.to_be_bytes()
                    && is_name(bytes, record.data_at + 6, &host);
                (says || probes) && !ours
            })
        })
    }

    /// Tells everybody, twice, and answers until somebody contradicts.
    async fn serve(&mut self, socket: &udp::Socket<'_>, names: &mut Names) -> Result<(), RunError> {
        let mut announcements = 2;
        let mut announce_at = self.clock.now();
        let mut edition = self.stack.network_changed(0).await;
        loop {
            if announcements > 0 && announce_at <= self.clock.now() {
                (announcements, announce_at) = (announcements - 1, announce_at + ANNOUNCE_WAIT);
                self.announce(socket, names).await?;
            }
            let next = if announcements > 0 { announce_at } else { crate::time::Instant::MAX };
            let mut buffer = [0; MESSAGE_MAX];
            let heard = {
                let mut due = pin!(sleep_until(self.clock, next));
                let mut changed = pin!(self.stack.network_changed(edition));
                poll_fn(|cx| {
                    let heard = socket.poll_recv_with(cx, |bytes, arrival| {
                        let remote = arrival.remote;
                        if self.contradicts(bytes, names, false) {
                            return Heard::Rival;
                        }
                        match self.answer(bytes, remote, names, &mut buffer) {
                            Some((len, to, shared)) => Heard::Question { len, to, shared, remote },
                            None => Heard::Nothing,
                        }
                    });
                    if heard.is_ready() {
                        return heard;
                    }
                    if let Poll::Ready(edition) = changed.as_mut().poll(cx) {
                        return Poll::Ready(Heard::Changed(edition));
                    }
                    due.as_mut().poll(cx).map(|()| Heard::Nothing)
                })
                .await
            };
            match heard {
                Heard::Nothing => {}
                Heard::Rival => return Ok(()),
                // New addresses are told like the first.
                Heard::Changed(now) => {
                    (edition, announcements, announce_at) = (now, 2, self.clock.now());
                    names.addresses = self.stack.addresses().collect();
                }
                Heard::Question { len, to, shared, remote } => {
                    if shared && to == To::Everybody {
                        // Others may answer the same question (section 6).
                        let wait = between(&mut self.rng, Duration::from_millis(20), Duration::from_millis(120));
                        sleep(self.clock, wait).await;
                    }
                    let to = match to {
                        To::Everybody => SocketAddr::new(GROUPS[usize::from(remote.is_ipv6())], PORT),
                        To::One | To::Stranger => remote,
                    };
                    // Whoever cannot be reached asks again.
                    let _ = socket.send_to(&buffer[..len], to).await;
                }
            }
        }
    }

    /// The groups that we have an address for.
    fn groups(&self) -> impl Iterator<Item = IpAddr> + use<'a, 'r, C, R> {
        let stack = self.stack;
        GROUPS.into_iter().filter(|group| stack.addresses().any(|own| own.address().is_ipv4() == group.is_ipv4()))
    }

    async fn announce(&self, socket: &udp::Socket<'_>, names: &Names) -> Result<(), RunError> {
        for group in self.groups() {
            let mut buffer = [0; MESSAGE_MAX];
            let mut writer = Writer::response(&mut buffer, 0);
            for known in self.all() {
                self.write(&mut writer, 1, known, names, TOP_BIT);
            }
            let len = writer.finish().unwrap_or_default();
            match socket.send_to(&buffer[..len], SocketAddr::new(group, PORT)).await {
                Ok(()) | Err(udp::Error::NoRoute) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn all(&self) -> impl Iterator<Item = Known<'a>> + use<'a, 'r, C, R> {
        let of = |service| [Known::Pointer(service), Known::Place(service), Known::Text(service), Known::Kind(service)];
        core::iter::once(Known::Address).chain(self.services.iter().flat_map(of))
    }

    /// Writes the answer to a query; its length, whom it goes to, and whether others may have one, too.
    fn answer(
        &self,
        query: &[u8],
        remote: SocketAddr,
        names: &Names,
        buffer: &mut [u8; MESSAGE_MAX],
    ) -> Option<(usize, To, bool)> {
        if query.len() < 12 || query[2] & RESPONSE != 0 || !names.is_near(remote.ip()) {
            return None;
        }
        let stranger = remote.port() != PORT;
        let id = if stranger { u16::from_be_bytes([query[0], query[1]]) } else { 0 };
        let mut writer = Writer::response(buffer, id);
        let (mut alone, mut shared, mut answered) = (true, false, 0_u32);
        let questions = || Items::of(query).into_iter().flatten();
        for item in questions() {
            let Item::Question { name_at, kind, class } = item else { continue };
            let mut asked = false;
            for (at, known) in self.all().enumerate() {
                if !self.is_asked(query, name_at, kind, known, names) {
                    continue;
                }
                asked = true;
                let bit = 1_u32.checked_shl(at as u32).unwrap_or(0);
                if answered & bit == 0 && !self.is_known(query, known, names) {
                    answered |= bit;
                    shared |= matches!(known, Known::Pointer(_) | Known::Kind(_));
                }
            }
            if asked {
                alone &= class & TOP_BIT != 0;
                if stranger && let Some(name) = super::wire::labels(query, name_at) {
                    writer.question(&name, kind, INTERNET);
                }
            }
        }
        if answered == 0 {
            return None;
        }
        let flush = if stranger { 0 } else { TOP_BIT };
        let is_answered = |at: usize| answered & 1_u32.checked_shl(at as u32).unwrap_or(0) != 0;
        for (at, known) in self.all().enumerate().filter(|(at, _)| is_answered(*at)) {
            let _ = at;
            self.write_for(&mut writer, 1, known, names, flush, stranger);
        }
        // What is asked next (RFC 6763, section 12).
        let pointed = |wanted: &Service<'_>| {
            self.all()
                .enumerate()
                .any(|(at, known)| is_answered(at) && matches!(known, Known::Pointer(it) if it == wanted))
        };
        let placed = self
            .all()
            .enumerate()
            .any(|(at, known)| is_answered(at) && matches!(known, Known::Pointer(_) | Known::Place(_)));
        for (at, known) in self.all().enumerate() {
            let follows = match known {
                Known::Place(service) | Known::Text(service) => pointed(service),
                Known::Address => placed,
                Known::Pointer(_) | Known::Kind(_) => false,
            };
            if follows && !is_answered(at) {
                self.write_for(&mut writer, 3, known, names, flush, stranger);
            }
        }
        let to = match (stranger, alone) {
            (true, _) => To::Stranger,
            (false, true) => To::One,
            (false, false) => To::Everybody,
        };
        Some((writer.finish()?, to, shared))
    }

    fn is_asked(&self, query: &[u8], at: usize, asked: u16, known: Known<'_>, names: &Names) -> bool {
        let is = |wanted: u16| asked == wanted || asked == ANY;
        match known {
            Known::Address => (is(A) || is(AAAA)) && is_name(query, at, &names.host()),
            Known::Pointer(service) => is(PTR) && is_name(query, at, &kind(service.kind)),
            Known::Kind(_) => is(PTR) && is_name(query, at, &META),
            Known::Place(service) => is(SRV) && is_name(query, at, &instance(&names.instance(service), service)),
            Known::Text(service) => is(TXT) && is_name(query, at, &instance(&names.instance(service), service)),
        }
    }

    /// Whether the query says that it knows this for a while still (section 7.1).
    fn is_known(&self, query: &[u8], known: Known<'_>, names: &Names) -> bool {
        let Known::Pointer(service) = known else {
            return false;
        };
        let own = names.instance(service);
        Items::of(query).into_iter().flatten().any(|item| match item {
            Item::Record(record) => {
                record.kind == PTR
                    && record.ttl >= OTHER_TTL / 2
                    && is_name(query, record.name_at, &kind(service.kind))
                    && is_name(query, record.data_at, &instance(&own, service))
            }
            Item::Question { .. } => false,
        })
    }

    fn write(&self, writer: &mut Writer<'_>, section: usize, known: Known<'_>, names: &Names, flush: u16) {
        self.write_for(writer, section, known, names, flush, false);
    }

    fn write_for(
        &self,
        writer: &mut Writer<'_>,
        section: usize,
        known: Known<'_>,
        names: &Names,
        flush: u16,
        stranger: bool,
    ) {
        let lasting = |ttl: u32| if stranger { ttl.min(LEGACY_TTL) } else { ttl };
        let (host_ttl, other_ttl) = (lasting(HOST_TTL), lasting(OTHER_TTL));
        let host = names.host();
        match known {
            Known::Address => {
                for own in &names.addresses {
                    let (kind, address) = (if own.address().is_ipv4() { A } else { AAAA }, own.address());
                    writer.record(section, &host, (kind, INTERNET | flush, host_ttl), |data| {
                        data.bytes(&octets(&address))
                    });
                }
            }
            Known::Pointer(service) => {
                let own = names.instance(service);
                writer.record(section, &kind(service.kind), (PTR, INTERNET, other_ttl), |data| {
                    data.name(&instance(&own, service))
                });
            }
            Known::Kind(service) => {
                writer.record(section, &META, (PTR, INTERNET, other_ttl), |data| data.name(&kind(service.kind)));
            }
            Known::Place(service) => {
                let own = names.instance(service);
                let about = (SRV, INTERNET | flush, host_ttl);
                writer.record(section, &instance(&own, service), about, |data| {
                    data.words(&[0, 0, service.port])?;
                    data.name(&host)
                });
            }
            Known::Text(service) => {
                let own = names.instance(service);
                let about = (TXT, INTERNET | flush, other_ttl);
                writer.record(section, &instance(&own, service), about, |data| {
                    if service.text.is_empty() {
                        return data.bytes(&[0]);
                    }
                    service.text.iter().try_for_each(|text| {
                        data.bytes(&[u8::try_from(text.len()).ok()?])?;
                        data.bytes(text.as_bytes())
                    })
                });
            }
        }
    }
}

enum Heard {
    Nothing,
    Rival,
    Changed(u32),
    Question { len: usize, to: To, shared: bool, remote: SocketAddr },
}

/// A service's whole name.
fn instance<'n>(own: &'n str, service: &Service<'n>) -> Labels<'n> {
    [own.as_bytes()].into_iter().chain(kind(service.kind)).take(6).collect()
}

/// An address as it is sent.
fn octets(address: &IpAddr) -> Vec<u8, 16> {
    match address {
        IpAddr::V4(address) => address.octets().into_iter().collect(),
        IpAddr::V6(address) => address.octets().into_iter().collect(),
    }
}

/// A member of the groups, for as long as it lives.
struct Member<'a, 'r>(&'a Stack<'r>);

impl<'a, 'r> Member<'a, 'r> {
    fn of(stack: &'a Stack<'r>) -> Result<Self, TooManyGroups> {
        let member = Self(stack);
        for group in GROUPS {
            stack.join_group(group)?;
        }
        Ok(member)
    }
}

impl Drop for Member<'_, '_> {
    fn drop(&mut self) {
        for group in GROUPS {
            self.0.leave_group(group);
        }
    }
}

impl<C, R> core::fmt::Debug for Responder<'_, '_, C, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Responder").field("host", &self.host).field("services", &self.services).finish_non_exhaustive()
    }
}
