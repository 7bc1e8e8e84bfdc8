//! Answering for one's own names.

use core::cmp::Ordering;
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
use crate::time::{Clock, Duration, Instant, sleep, sleep_until};
use crate::udp;

/// Probes before names are ours, and the time between them (RFC 6762, section 8.1).
const PROBES: u32 = 3;
const PROBE_WAIT: Duration = Duration::from_millis(250);
/// Between the two announcements (section 8.3).
const ANNOUNCE_WAIT: Duration = Duration::from_secs(1);
/// For how long a farewell may take to leave.
const FAREWELL_WAIT: Duration = Duration::from_millis(250);
/// Whoever asks from another port keeps what it hears no longer than this (section 6.7), in seconds.
const LEGACY_TTL: u32 = 10;
/// Names of services are asked for under this one (RFC 6763, section 9).
const META: [&[u8]; 4] = [b"_services", b"_dns-sd", b"_udp", b"local"];
/// A label is this long at most.
const LABEL_MAX: usize = 63;
/// What is said to everybody is not said again for a second (section 6), which is counted in spans of this length.
const SPAN: Duration = Duration::from_millis(250);
/// As many as a second takes, and the one that has just begun.
const SPANS: usize = 5;

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
    /// Whether the names are ours.
    is_settled: bool,
    /// How often the link had come back when the names were last asked about.
    link: u8,
}

/// Why answering ended.
enum End {
    Rival,
    /// The link came back, so often by now: it may lead to where somebody else has the names.
    LinkBack(u8),
}

/// What was said to everybody within the last second, to those of one kind of address.
#[derive(Clone, Copy)]
struct Recent {
    /// When the newest span began.
    since: Instant,
    /// The records, a bit each, of the newest span first.
    spans: [u32; SPANS],
}

impl Recent {
    const NOTHING: Recent = Recent { since: Instant::ZERO, spans: [0; SPANS] };

    /// Those of `records` that were not said within a second.
    fn unsaid(&mut self, records: u32, now: Instant) -> u32 {
        while self.spans != [0; SPANS] && self.since + SPAN <= now {
            self.since += SPAN;
            self.spans.rotate_right(1);
            self.spans[0] = 0;
        }
        self.spans.iter().fold(records, |left, said| left & !said)
    }

    fn say(&mut self, records: u32, now: Instant) {
        self.unsaid(0, now);
        if self.spans == [0; SPANS] {
            self.since = now;
        }
        self.spans[0] |= records;
    }
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
        Self { stack, clock, rng, host, services, number: 1, is_settled: false, link: 0 }
    }

    fn socket(&self) -> Result<udp::Socket<'r>, udp::Error> {
        udp::Socket::bind(self.stack, PORT, udp::Options { hop_limit: 255, ..udp::Options::default() })
    }

    fn names(&self) -> Names {
        let host = numbered(self.host, "-", self.number, "");
        Names { host, number: self.number, addresses: self.stack.addresses().collect() }
    }

    /// Makes sure of the names, and answers for them, for ever; `tell` hears what happens. Takes one UDP socket, and a
    /// place in two groups. Dropping the future leaves them; nobody is told, unless [`Responder::farewell`] does.
    ///
    /// The stack is had watch its link: when that comes back, the names are made sure of again.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run(&mut self, mut tell: impl FnMut(Event)) -> Result<Infallible, RunError> {
        let socket = self.socket()?;
        let _member = Member::of(self.stack)?;
        self.stack.is_link_up();
        self.link = self.stack.with(|core| core.link_returns());
        loop {
            let mut edition = 0;
            while self.stack.addresses().next().is_none() {
                edition = self.stack.network_changed(edition).await;
            }
            let mut names = self.names();
            self.is_settled = self.probe(&socket, &names).await?;
            if self.is_settled {
                tell(Event::Ours(self.number));
                if let End::LinkBack(times) = self.serve(&socket, &mut names).await? {
                    self.link = times;
                    continue;
                }
                self.is_settled = false;
            }
            tell(Event::Taken);
            self.number += 1;
            // Names that are taken again and again shall not fill the link (section 8.1).
            let wait = if self.number > 15 { Duration::from_secs(5) } else { Duration::ZERO };
            sleep(self.clock, wait).await;
        }
    }

    /// Tells everybody that the names, if they are ours, and what is offered under them are no more (RFC 6762, section 10.1):
    /// else they are remembered for up to 75 minutes. To be called when [`Responder::run`] was dropped.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn farewell(&mut self) -> Result<(), RunError> {
        if core::mem::take(&mut self.is_settled) {
            let socket = self.socket()?;
            self.tell_everybody(&socket, &self.names(), 0).await?;
            // A socket takes with it what has not left.
            sleep(self.clock, FAREWELL_WAIT).await;
        }
        Ok(())
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
                self.write(&mut writer, 2, Known::Address, names, (0, u32::MAX));
                for service in self.services {
                    self.write(&mut writer, 2, Known::Place(service), names, (0, u32::MAX));
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
    async fn contradicted(&self, socket: &udp::Socket<'_>, names: &Names, until: Instant) -> bool {
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

    /// Whether a message says of one of our names what is not so; while we are `probing`, also whether one who probes at the
    /// same time has them rather than we.
    fn contradicts(&self, bytes: &[u8], names: &Names, probing: bool) -> bool {
        let Some(items) = Items::of(bytes) else { return false };
        if bytes[2] & RESPONSE == 0 {
            return probing && self.gives_way(bytes, names);
        }
        let host = names.host();
        records(items).filter(|record| record.section != 2 && record.ttl > 0).any(|record| {
            if is_name(bytes, record.name_at, &host) {
                return matches!(record.kind, A | AAAA) && !names.is_own(&record);
            }
            self.placed(bytes, &record, names).is_some_and(|service| !is_place(bytes, &record, service, &host))
        })
    }

    /// The service of ours that a record says the place of, if it does.
    fn placed(&self, bytes: &[u8], record: &Record<'_>, names: &Names) -> Option<&'a Service<'a>> {
        let is_it =
            |service: &&Service<'a>| is_name(bytes, record.name_at, &instance(&names.instance(service), service));
        self.services.iter().filter(|_| record.kind == SRV).find(is_it)
    }

    /// Whether one who probes as we do has the names: of two, the one whose data is the lesser gives way (section 8.2). All names
    /// change together, so one of them decides: the host's, if both want it, else that of a service. Both sides come to the same.
    fn gives_way(&self, bytes: &[u8], names: &Names) -> bool {
        let host = names.host();
        let probed = || Items::of(bytes).into_iter().flat_map(records).filter(|record| record.section == 2);
        let of_host = |record: &Record<'_>| matches!(record.kind, A | AAAA) && is_name(bytes, record.name_at, &host);
        let mut theirs: Vec<(u16, &[u8]), { 2 * ADDRESSES_MAX }> = Vec::new();
        for record in probed().filter(of_host) {
            // More than anybody has are not looked at.
            let _ = theirs.push((record.kind, record.data));
        }
        if !theirs.is_empty() {
            let own: Vec<(u16, Vec<u8, 16>), ADDRESSES_MAX> =
                names.addresses.iter().map(|own| (record_kind(&own.address()), octets(&own.address()))).collect();
            let mut ours: Vec<(u16, &[u8]), ADDRESSES_MAX> =
                own.iter().map(|(kind, data)| (*kind, &data[..])).collect();
            theirs.sort_unstable();
            ours.sort_unstable();
            // What we sent ourselves may come back to us.
            if theirs[..] != ours[..] {
                return theirs[..] > ours[..];
            }
        }
        probed().any(|record| {
            let Some(service) = self.placed(bytes, &record, names) else { return false };
            if is_place(bytes, &record, service, &host) {
                return false;
            }
            let (Some(place), Some(target)) = (record.data.get(..6), super::wire::labels(bytes, record.data_at + 6))
            else {
                return false;
            };
            let ours = spelt(&host);
            match place.cmp(&place_of(service)[..]) {
                Ordering::Equal => spelt(&target).gt(ours),
                order => order.is_gt(),
            }
        })
    }

    /// Tells everybody, twice, and answers until somebody contradicts, or the link comes back.
    async fn serve(&mut self, socket: &udp::Socket<'_>, names: &mut Names) -> Result<End, RunError> {
        let mut recent = [Recent::NOTHING; GROUPS.len()];
        let mut announcements = 2;
        let mut announce_at = self.clock.now();
        let mut edition = self.stack.network_changed(0).await;
        loop {
            if announcements > 0 && announce_at <= self.clock.now() {
                (announcements, announce_at) = (announcements - 1, announce_at + ANNOUNCE_WAIT);
                self.tell_everybody(socket, names, u32::MAX).await?;
                let now = self.clock.now();
                recent.iter_mut().for_each(|recent| recent.say(u32::MAX, now));
            }
            let next = if announcements > 0 { announce_at } else { Instant::MAX };
            let mut buffer = [0; MESSAGE_MAX];
            let heard = {
                let mut due = pin!(sleep_until(self.clock, next));
                let mut changed = pin!(self.stack.network_changed(edition));
                poll_fn(|cx| {
                    let heard = socket.poll_recv_with(cx, |bytes, arrival| {
                        let remote = arrival.remote;
                        if self.contradicts(bytes, names, false) {
                            return Heard::End(End::Rival);
                        }
                        let recent = &mut recent[usize::from(remote.is_ipv6())];
                        match self.answer(bytes, remote, names, recent, &mut buffer) {
                            Some((len, to, shared)) => Heard::Question { len, to, shared, remote },
                            None => Heard::Nothing,
                        }
                    });
                    if heard.is_ready() {
                        return heard;
                    }
                    let returned = self.stack.poll(|core| core.poll_link_returned(self.link, cx.waker()));
                    if let Poll::Ready(times) = returned {
                        return Poll::Ready(Heard::End(End::LinkBack(times)));
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
                Heard::End(end) => return Ok(end),
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

    /// Tells everybody all there is, to be kept for no longer than `ttl_max` seconds.
    async fn tell_everybody(&self, socket: &udp::Socket<'_>, names: &Names, ttl_max: u32) -> Result<(), RunError> {
        for group in self.groups() {
            let mut buffer = [0; MESSAGE_MAX];
            let mut writer = Writer::response(&mut buffer, 0);
            for known in self.all() {
                self.write(&mut writer, 1, known, names, (TOP_BIT, ttl_max));
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

    /// Writes the answer to a query; its length, whom it goes to, and whether others may have one, too. What goes to everybody is
    /// written down as `recent`; what was before is left out, but for one who probes (section 6).
    fn answer(
        &self,
        query: &[u8],
        remote: SocketAddr,
        names: &Names,
        recent: &mut Recent,
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
        let to = match (stranger, alone) {
            (true, _) => To::Stranger,
            (false, true) => To::One,
            (false, false) => To::Everybody,
        };
        if to == To::Everybody {
            let (now, probes) = (self.clock.now(), query[8..10] != [0; 2]);
            answered = if probes { answered } else { recent.unsaid(answered, now) };
            recent.say(answered, now);
        }
        if answered == 0 {
            return None;
        }
        let about = if stranger { (0, LEGACY_TTL) } else { (TOP_BIT, u32::MAX) };
        let is_answered = |at: usize| answered & 1_u32.checked_shl(at as u32).unwrap_or(0) != 0;
        for (at, known) in self.all().enumerate().filter(|(at, _)| is_answered(*at)) {
            let _ = at;
            self.write(&mut writer, 1, known, names, about);
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
                self.write(&mut writer, 3, known, names, about);
            }
        }
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
        let host = names.host();
        let says = |name: &[&[u8]], record_kind: u16, ttl: u32, has: &dyn Fn(&Record<'_>) -> bool| {
            Items::of(query).into_iter().flat_map(records).any(|record| {
                (record.section, record.kind) == (1, record_kind)
                    && record.ttl >= ttl / 2
                    && is_name(query, record.name_at, name)
                    && has(&record)
            })
        };
        match known {
            Known::Address => names.addresses.iter().all(|own| {
                let own = own.address();
                says(&host, record_kind(&own), HOST_TTL, &|record| record.data == &octets(&own)[..])
            }),
            Known::Pointer(service) => {
                let own = names.instance(service);
                let is_it = |record: &Record<'_>| is_name(query, record.data_at, &instance(&own, service));
                says(&kind(service.kind), PTR, OTHER_TTL, &is_it)
            }
            Known::Kind(service) => {
                says(&META, PTR, OTHER_TTL, &|record| is_name(query, record.data_at, &kind(service.kind)))
            }
            Known::Place(service) => {
                let own = names.instance(service);
                says(&instance(&own, service), SRV, HOST_TTL, &|record| is_place(query, record, service, &host))
            }
            Known::Text(service) => {
                let own = names.instance(service);
                says(&instance(&own, service), TXT, OTHER_TTL, &|record| is_text(record.data, service))
            }
        }
    }

    /// Writes a record of that class's flag, to be kept for no longer than so many seconds.
    fn write(
        &self,
        writer: &mut Writer<'_>,
        section: usize,
        known: Known<'_>,
        names: &Names,
        (flush, ttl_max): (u16, u32),
    ) {
        let (host_ttl, other_ttl) = (HOST_TTL.min(ttl_max), OTHER_TTL.min(ttl_max));
        let host = names.host();
        match known {
            Known::Address => {
                for own in &names.addresses {
                    let (kind, address) = (record_kind(&own.address()), own.address());
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
                    data.bytes(&place_of(service))?;
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
    End(End),
    Changed(u32),
    Question { len: usize, to: To, shared: bool, remote: SocketAddr },
}

/// The records among what a message consists of.
fn records<'b>(items: Items<'b>) -> impl Iterator<Item = Record<'b>> {
    items.filter_map(|item| match item {
        Item::Record(record) => Some(record),
        Item::Question { .. } => None,
    })
}

/// By which kind of record an address is told.
fn record_kind(address: &IpAddr) -> u16 {
    if address.is_ipv4() { A } else { AAAA }
}

/// What stands before the host's name where a service's place is told (RFC 2782): neither priority nor weight, and the port.
fn place_of(service: &Service<'_>) -> [u8; 6] {
    let [high, low] = service.port.to_be_bytes();
    [0, 0, 0, 0, high, low]
}

/// Whether a record tells that place of the service.
fn is_place(bytes: &[u8], record: &Record<'_>, service: &Service<'_>, host: &[&[u8]]) -> bool {
    record.data.starts_with(&place_of(service)) && is_name(bytes, record.data_at + 6, host)
}

/// Whether that is what the service says of itself.
fn is_text(data: &[u8], service: &Service<'_>) -> bool {
    let mut rest = data;
    let has_all = service.text.iter().all(|text| {
        let next = rest.split_first().filter(|(len, _)| usize::from(**len) == text.len());
        let Some(left) = next.and_then(|(_, said)| said.strip_prefix(text.as_bytes())) else { return false };
        rest = left;
        true
    });
    if service.text.is_empty() { data == [0] } else { has_all && rest.is_empty() }
}

/// A name as it is sent where nothing is left out of it.
fn spelt<'n>(name: &'n [&'n [u8]]) -> impl Iterator<Item = u8> + 'n {
    name.iter().flat_map(|label| core::iter::once(label.len() as u8).chain(label.iter().copied())).chain([0])
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
