//! Asking: one question at a time, from a port of one's own, which everybody answers to that port (RFC 6762,
//! section 5.1).

use core::convert::Infallible;
use core::future::poll_fn;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use heapless::{String, Vec};
use rand_core::Rng;

use super::wire::{
    A, AAAA, ANY, HEADER, INTERNET, Item, Items, Labels, PTR, RESPONSE, Record, SRV, TXT, Writer, is_name, kind, labels,
};
use super::{GROUPS, MESSAGE_MAX, PORT};
use crate::stack::Stack;
use crate::time::{Clock, Duration, sleep_until, timeout};
use crate::udp;

/// How many bytes of a service's text are kept.
pub const FOUND_TEXT_MAX: usize = 160;
/// How many addresses of one service are kept.
const ADDRESSES_MAX: usize = 4;
/// How long further addresses of a host are waited for.
const MORE_WAIT: Duration = Duration::from_millis(200);

/// A service that somebody offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What it is called, for people to read.
    pub instance: String<63>,
    /// Which host offers it, without `local`.
    pub host: String<63>,
    /// At which port.
    pub port: u16,
    /// What it says of itself, as it is sent: strings that each begin with their length (RFC 6763, section 6).
    pub text: Vec<u8, FOUND_TEXT_MAX>,
    /// Where the host is.
    pub addresses: Vec<IpAddr, ADDRESSES_MAX>,
}

/// Why nothing can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No question can be sent.
    #[error("no question can be sent: {0}")]
    NotSent(#[from] udp::Error),
    /// Nobody answered.
    #[error("nobody answered")]
    Nobody,
}

/// Asks for those who offer a kind of service, as in `_http._tcp`, and tells of each, as soon as it is known where it is,
/// once for each answer: so the same one may come again. Ends after `patience`.
///
/// # Errors
/// [`Error::NotSent`].
pub async fn browse<C: Clock>(
    stack: &Stack<'_>,
    clock: &C,
    rng: &mut impl Rng,
    service: &str,
    patience: Duration,
    mut tell: impl FnMut(&Found),
) -> Result<(), Error> {
    let name = kind(service);
    let asking = Asking::new(stack, rng)?;
    let until = clock.now() + patience;
    let mut wait = Duration::from_secs(1);
    while clock.now() < until {
        asking.ask(stack, &[(&name, PTR)]).await?;
        let next = (clock.now() + wait).min(until);
        wait *= 2;
        let hear = async {
            loop {
                let mut heard: Vec<Found, 4> = Vec::new();
                asking
                    .hear(|bytes| {
                        each_found(bytes, &name, |found| {
                            // More than a few at once are found when they are asked for again.
                            let _ = heard.push(found);
                        });
                    })
                    .await;
                for found in &heard {
                    if found.port != 0 && !found.addresses.is_empty() {
                        tell(found);
                        continue;
                    }
                    let own = [found.instance.as_bytes()];
                    let whole: Labels<'_> = own.into_iter().chain(name.iter().copied()).take(6).collect();
                    asking.ask(stack, &[(&whole, ANY)]).await?;
                }
            }
        };
        let stop = sleep_until(clock, next);
        // It ends only because it cannot ask.
        if let Some(Err(error)) = first::<Result<Infallible, Error>>(hear, stop).await {
            return Err(error);
        }
    }
    Ok(())
}

/// Asks for the addresses of a host under `local`.
///
/// # Errors
/// [`Error`].
pub async fn resolve<C: Clock>(
    stack: &Stack<'_>,
    clock: &C,
    rng: &mut impl Rng,
    host: &str,
    patience: Duration,
) -> Result<Vec<IpAddr, 4>, Error> {
    let name: Labels<'_> = [host.as_bytes(), b"local"].into_iter().collect();
    let asking = Asking::new(stack, rng)?;
    for round in 0..3 {
        asking.ask(stack, &[(&name, A), (&name, AAAA)]).await?;
        let hear = async {
            loop {
                let mut found = Vec::new();
                asking.hear(|bytes| addresses(bytes, &name, &mut found)).await;
                if !found.is_empty() {
                    return found;
                }
            }
        };
        if let Ok(mut found) = timeout(clock, (patience / 7) * (1 << round), hear).await {
            // Addresses of the other kind may come in a message of their own.
            let more = async {
                loop {
                    asking.hear(|bytes| addresses(bytes, &name, &mut found)).await;
                }
            };
            let _: Result<Infallible, _> = timeout(clock, MORE_WAIT, more).await;
            return Ok(found);
        }
    }
    Err(Error::Nobody)
}

/// A socket, and the number under which it asks.
struct Asking<'r> {
    socket: udp::Socket<'r>,
    id: u16,
}

impl<'r> Asking<'r> {
    fn new(stack: &Stack<'r>, rng: &mut impl Rng) -> Result<Self, Error> {
        let options = udp::Options { hop_limit: 255, ..udp::Options::default() };
        Ok(Self { socket: udp::Socket::bind(stack, 0, options)?, id: rng.next_u32() as u16 })
    }

    /// Asks everybody on the link.
    async fn ask(&self, stack: &Stack<'_>, questions: &[(&Labels<'_>, u16)]) -> Result<(), Error> {
        let mut buffer = [0; MESSAGE_MAX];
        let mut writer = Writer::query(&mut buffer, self.id);
        for (name, kind) in questions {
            writer.question(name, *kind, INTERNET);
        }
        let len = writer.finish().unwrap_or(HEADER);
        for group in GROUPS {
            if stack.addresses().any(|own| own.address().is_ipv4() == group.is_ipv4()) {
                self.socket.send_to(&buffer[..len], SocketAddr::new(group, PORT)).await?;
            }
        }
        Ok(())
    }

    /// Lets `read` look at an answer.
    async fn hear(&self, mut read: impl FnMut(&[u8])) {
        poll_fn(|cx| {
            self.socket.poll_recv_with(cx, |bytes, arrival| {
                let ours = bytes.len() >= HEADER && bytes[2] & RESPONSE != 0 && bytes[..2] == self.id.to_be_bytes();
                if ours && arrival.remote.port() == PORT {
                    read(bytes);
                }
            })
        })
        .await;
    }
}

/// The services of that kind in an answer, each with what the answer says of it.
pub(super) fn each_found(bytes: &[u8], service: &[&[u8]], mut tell: impl FnMut(Found)) {
    let records = || {
        Items::of(bytes).into_iter().flatten().filter_map(|item| match item {
            Item::Record(record) if record.ttl > 0 => Some(record),
            _ => None,
        })
    };
    // Its name is told by a pointer, or by what was asked about it alone.
    for record in records() {
        let whole = match record.kind {
            PTR if is_name(bytes, record.name_at, service) => labels(bytes, record.data_at),
            SRV if record.section == 1 => labels(bytes, record.name_at),
            _ => None,
        };
        let Some((own, rest)) = whole.as_ref().and_then(|whole| whole.split_first()) else {
            continue;
        };
        let is_of_kind =
            rest.len() == service.len() && rest.iter().zip(service).all(|(a, b)| a.eq_ignore_ascii_case(b));
        let Some(instance) = text(own).filter(|_| is_of_kind) else {
            continue;
        };
        let mut found = Found { instance, ..Found::default() };
        let whole: Vec<&[u8], 16> = whole.iter().flatten().copied().collect();
        for about in records().filter(|about| is_name(bytes, about.name_at, &whole)) {
            describe(bytes, &about, &mut found);
        }
        let host = found.host.clone();
        addresses(bytes, &[host.as_bytes(), b"local"], &mut found.addresses);
        tell(found);
    }
}

fn describe(bytes: &[u8], record: &Record<'_>, found: &mut Found) {
    match record.kind {
        SRV => {
            if let (Some(head), Some(target)) = (record.data.first_chunk::<6>(), labels(bytes, record.data_at + 6))
                && let [host, b"local"] = target[..]
                && let Some(host) = text(host)
            {
                (found.port, found.host) = (u16::from_be_bytes([head[4], head[5]]), host);
            }
        }
        TXT => found.text = record.data.iter().copied().take(FOUND_TEXT_MAX).collect(),
        _ => {}
    }
}

fn addresses(bytes: &[u8], host: &[&[u8]], found: &mut Vec<IpAddr, ADDRESSES_MAX>) {
    for item in Items::of(bytes).into_iter().flatten() {
        let Item::Record(record) = item else { continue };
        let address = match record.kind {
            A => record.data.try_into().map(|octets: [u8; 4]| IpAddr::V4(Ipv4Addr::from(octets))).ok(),
            AAAA => record.data.try_into().map(|octets: [u8; 16]| IpAddr::V6(Ipv6Addr::from(octets))).ok(),
            _ => None,
        };
        if let Some(address) = address.filter(|_| record.ttl > 0 && is_name(bytes, record.name_at, host))
            && !found.contains(&address)
        {
            // A few are enough.
            let _ = found.push(address);
        }
    }
}

fn text(label: &[u8]) -> Option<String<63>> {
    String::try_from(core::str::from_utf8(label).ok()?).ok()
}

/// Whatever comes of one future, unless the other ends first.
async fn first<T>(one: impl Future<Output = T>, stop: impl Future<Output = ()>) -> Option<T> {
    let (mut one, mut stop) = (core::pin::pin!(one), core::pin::pin!(stop));
    poll_fn(|cx| match (one.as_mut().poll(cx), stop.as_mut().poll(cx)) {
        (core::task::Poll::Ready(output), _) => core::task::Poll::Ready(Some(output)),
        (_, core::task::Poll::Ready(())) => core::task::Poll::Ready(None),
        _ => core::task::Poll::Pending,
    })
    .await
}
