//! A server (RFC 2131, section 4.3): a pool of addresses in a row, leases in fixed memory.
//!
//! It keeps nothing over a restart, and asks nobody whether an address that it offers is in use: clients do.

use core::{
    convert::Infallible,
    future::poll_fn,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use heapless::Vec;

use super::{CLIENT_PORT, SERVER_PORT, message::*};
use crate::{
    address::Cidr,
    config::DNS_SERVERS_MAX,
    stack::Stack,
    time::{Clock, Duration, Instant},
    udp,
};

/// How long an offer stands.
const OFFER: Duration = Duration::from_secs(30);

/// The addresses that a server gives away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The first.
    pub first: Ipv4Addr,
    /// How many, in a row.
    pub count: u32,
}

/// What a server tells its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Its own address.
    pub own: Ipv4Addr,
    /// The length of the network's prefix.
    pub prefix: u8,
    /// What it gives away.
    pub pool: Pool,
    /// For how many seconds.
    pub lease_secs: u32,
    /// The router that it names.
    pub router: Option<Ipv4Addr>,
    /// The name servers that it names.
    pub dns: Vec<Ipv4Addr, DNS_SERVERS_MAX>,
    /// The time servers that it names.
    pub ntp: Vec<Ipv4Addr, NTP_SERVERS_MAX>,
}

#[derive(Clone, Copy, Debug)]
struct Binding {
    mac: [u8; 6],
    address: Ipv4Addr,
    until: Instant,
    /// Somebody that is no client of ours has the address.
    declined: bool,
}

/// A server, told the time and handed messages. It remembers up to `LEASES` leases.
#[derive(Clone, Debug)]
pub struct Server<const LEASES: usize> {
    config: ServerConfig,
    bindings: Vec<Binding, LEASES>,
    /// Clients that went away without an address.
    exhausted: u64,
}

impl<const LEASES: usize> Server<LEASES> {
    /// A server that has given nothing away.
    pub fn new(config: ServerConfig) -> Self {
        Self { config, bindings: Vec::new(), exhausted: 0 }
    }

    /// How many addresses are given away, or offered, now.
    pub fn in_use(&self, now: Instant) -> usize {
        self.bindings.iter().filter(|binding| now < binding.until).count()
    }

    /// How often a client had to be left without an address, because none was free.
    pub fn exhausted(&self) -> u64 {
        self.exhausted
    }

    /// Takes a client's message; answers with what it is to be told, if anything.
    pub fn answer(&mut self, message: &Message, now: Instant) -> Option<Message> {
        match message.kind {
            Kind::Discover => self.offer(message, now),
            Kind::Request => self.request(message, now),
            Kind::Decline => {
                if let Some(address) = message.requested.filter(|_| message.server == Some(self.config.own))
                    && let Some(binding) = self.bindings.iter_mut().find(|binding| binding.address == address)
                    && binding.mac == message.mac
                {
                    binding.declined = true;
                }
                None
            }
            Kind::Release => {
                self.bindings.retain(|binding| (binding.mac, binding.address) != (message.mac, message.client));
                None
            }
            Kind::Inform => Some(self.reply(Kind::Ack, message)),
            Kind::Offer | Kind::Ack | Kind::Nak => None,
        }
    }

    fn offer(&mut self, message: &Message, now: Instant) -> Option<Message> {
        let Some(address) = self.address_for(message, now) else {
            self.exhausted += 1;
            return None;
        };
        let known = self.binding(message.mac).map(|binding| binding.until);
        self.bind(message.mac, address, known.unwrap_or_default().max(now + OFFER), now)?;
        let mut offer = self.reply(Kind::Offer, message);
        offer.yours = address;
        offer.lease = Some(self.config.lease_secs);
        Some(offer)
    }

    /// Which address the client gets: the one that it has, had, or would like, or any (section 4.3.1).
    fn address_for(&self, message: &Message, now: Instant) -> Option<Ipv4Addr> {
        let Pool { first, count } = self.config.pool;
        let in_pool = |address: Ipv4Addr| address.to_bits().wrapping_sub(first.to_bits()) < count;
        let taken = |address: Ipv4Addr| {
            let by = self.bindings.iter().find(|binding| binding.address == address);
            address == self.config.own || by.is_some_and(|by| now < by.until && (by.mac != message.mac || by.declined))
        };
        let known = self.binding(message.mac).map(|binding| binding.address);
        let wished = known.into_iter().chain(message.requested);
        wished
            .filter(|&address| in_pool(address))
            .chain((0..count).map(|step| Ipv4Addr::from_bits(first.to_bits().wrapping_add(step))))
            .find(|&address| !taken(address))
    }

    fn binding(&self, mac: [u8; 6]) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.mac == mac && !binding.declined)
    }

    /// Gives the address to the client; `None` if no more leases can be remembered.
    fn bind(&mut self, mac: [u8; 6], address: Ipv4Addr, until: Instant, now: Instant) -> Option<()> {
        self.bindings.retain(|binding| {
            let replaced = binding.address == address || (binding.mac == mac && !binding.declined);
            !replaced && (now < binding.until)
        });
        self.bindings.push(Binding { mac, address, until, declined: false }).ok()
    }

    fn request(&mut self, message: &Message, now: Instant) -> Option<Message> {
        // Another server's offer was taken.
        if message.server.is_some_and(|server| server != self.config.own) {
            self.bindings.retain(|binding| binding.mac != message.mac || binding.declined);
            return None;
        }
        let wanted = match message.client {
            Ipv4Addr::UNSPECIFIED => message.requested?,
            client => client,
        };
        let mut nak = Message::new(Kind::Nak, message.xid, message.mac);
        (nak.server, nak.relay, nak.broadcast) = (Some(self.config.own), message.relay, true);
        let known = self.binding(message.mac).copied();
        let theirs = self.bindings.iter().any(|binding| {
            binding.address == wanted && now < binding.until && (binding.mac != message.mac || binding.declined)
        });
        let in_pool = wanted.to_bits().wrapping_sub(self.config.pool.first.to_bits()) < self.config.pool.count;
        let on_our_network = Cidr::v4(self.config.own, self.config.prefix).contains(wanted.into());
        let asks_anew = message.client.is_unspecified() && message.server.is_none();
        if asks_anew && known.is_none() && !in_pool && on_our_network {
            // Another server of this network may know the client (section 4.3.2, INIT-REBOOT).
            return None;
        }
        let granted = match known {
            Some(binding) => binding.address == wanted,
            // Nothing is known of the client, as after a restart of ours: what is free it may keep.
            None => in_pool && !theirs,
        };
        let until = now + Duration::from_secs(self.config.lease_secs.into());
        if !granted || theirs || self.bind(message.mac, wanted, until, now).is_none() {
            return Some(nak);
        }
        let mut ack = self.reply(Kind::Ack, message);
        (ack.yours, ack.lease) = (wanted, Some(self.config.lease_secs));
        Some(ack)
    }

    fn reply(&self, kind: Kind, to: &Message) -> Message {
        let mut reply = Message::new(kind, to.xid, to.mac);
        (reply.broadcast, reply.client, reply.relay) = (to.broadcast, to.client, to.relay);
        (reply.server, reply.prefix, reply.router) =
            (Some(self.config.own), Some(self.config.prefix), self.config.router);
        (reply.dns, reply.ntp) = (self.config.dns.clone(), self.config.ntp.clone());
        reply
    }
}

/// Serves a stack's network, for ever. `answer` is [`Server::answer`], or what stands before it; it is told the time
/// and handed every message. Takes one UDP socket.
///
/// # Errors
/// If the server's port, 67, cannot be had.
pub async fn serve<C: Clock + ?Sized>(
    stack: &Stack<'_>,
    clock: &C,
    mut answer: impl FnMut(&Message, Instant) -> Option<Message>,
) -> Result<Infallible, udp::Error> {
    let socket = udp::Socket::bind(stack, SERVER_PORT, udp::Options::default())?;
    loop {
        let heard = poll_fn(|cx| socket.poll_recv_with(cx, |bytes, _| Message::parse(bytes))).await;
        let Some(reply) = heard.ok().and_then(|message| answer(&message, clock.now())) else {
            continue;
        };
        // Section 4.1: back by the relay, to the address that the client has, or to everyone.
        let to = match (reply.relay, reply.client, reply.kind) {
            (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED, _) | (Ipv4Addr::UNSPECIFIED, _, Kind::Nak) => {
                (Ipv4Addr::BROADCAST, CLIENT_PORT)
            }
            (Ipv4Addr::UNSPECIFIED, client, _) => (client, CLIENT_PORT),
            (relay, _, _) => (relay, SERVER_PORT),
        };
        let mut buffer = [0; MESSAGE_MAX];
        let sent = socket.send_to(reply.emit(None, &mut buffer), SocketAddr::new(IpAddr::V4(to.0), to.1)).await;
        // A client that no route leads to is none of ours.
        let _ = sent;
    }
}
