//! A router's word to the hosts of a network: that it is there, and which addresses they can make for themselves (RFC 4861,
//! section 6.2; RFC 4862).

use core::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
};

use heapless::Vec;
use rand_core::Rng;

#[cfg(feature = "lowpan")]
use crate::lowpan::Context;
use crate::{
    draw::between,
    engine::Sum,
    raw::{Arrival, Error, Socket, Version},
    stack::Stack,
    time::{Clock, Duration, Instant, timeout},
    udp,
};

const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// How many of the first words come soon after each other, and how soon (RFC 4861, section 10).
const INITIAL: u8 = 3;
const INITIAL_INTERVAL_MAX: Duration = Duration::from_secs(16);
/// How long whoever asked waits at most, so that several who ask at once hear one word.
const ANSWER_DELAY_MAX: Duration = Duration::from_millis(500);
/// From one word to all of them to the next, at least.
const TO_ALL_DELAY_MIN: Duration = Duration::from_secs(3);
/// How many prefixes of a network of radios a router can say that are shortened.
#[cfg(feature = "lowpan")]
pub const OFFERED_CONTEXTS_MAX: usize = 4;
#[cfg(not(feature = "lowpan"))]
const OFFERED_CONTEXTS_MAX: usize = 0;
/// A header, an MTU, a prefix, an Ethernet address, and contexts.
const MESSAGE_MAX: usize = 16 + 8 + 32 + 8 + 24 * OFFERED_CONTEXTS_MAX;
/// What a host says that asks: options of which none is looked at.
const QUESTION_MAX: usize = 256;

/// What a router tells the hosts of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// The first 64 bits of the addresses that hosts can have.
    pub prefix: Ipv6Addr,
    /// For how long they are good, and preferred. Default: thirty days, and seven (RFC 4861, section 6.2.1).
    pub valid: Duration,
    /// See `valid`.
    pub preferred: Duration,
    /// For how long packets to elsewhere may be sent to this router; zero says that they may not. Default: 30 min.
    pub lifetime: Duration,
    /// From one word to the next at most; a third of that at least. Default: 10 min.
    pub interval: Duration,
    /// Whether whoever has that prefix is reached without a router. Default: no, as not all radios of a network hear each other
    /// (RFC 6775).
    pub on_link: bool,
    /// By what the addresses of a network of radios are shortened, by number, for `valid` (at most 45 days) each time it is said
    /// (RFC 6775, section 4.2); the router's own link has to know it, too. Default: nothing.
    #[cfg(feature = "lowpan")]
    pub contexts: [Option<Context>; OFFERED_CONTEXTS_MAX],
}

impl Offer {
    /// The usual settings, with that prefix (its first 64 bits).
    pub const fn new(prefix: Ipv6Addr) -> Self {
        Self {
            prefix,
            valid: Duration::from_secs(2_592_000),
            preferred: Duration::from_secs(604_800),
            lifetime: Duration::from_secs(1_800),
            interval: Duration::from_secs(600),
            on_link: false,
            #[cfg(feature = "lowpan")]
            contexts: [None; OFFERED_CONTEXTS_MAX],
        }
    }

    /// The message.
    fn message(&self, mtu: usize, mac: Option<[u8; 6]>) -> Vec<u8, MESSAGE_MAX> {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX).to_be_bytes();
        let lifetime = u16::try_from(self.lifetime.as_secs()).unwrap_or(u16::MAX).to_be_bytes();
        let mut message = Vec::new();
        let mut put = |bytes: &[u8]| message.extend_from_slice(bytes).expect("a message has room for all there is");
        // The hop limit for hosts to begin with; nothing of how long neighbours are reachable.
        put(&[ADVERTISEMENT, 0, 0, 0, 64, 0]);
        put(&lifetime);
        put(&[0; 8]);
        put(&[5, 1, 0, 0]);
        put(&u32::try_from(mtu).unwrap_or(u32::MAX).to_be_bytes());
        put(&[3, 4, 64, if self.on_link { 0xc0 } else { 0x40 }]);
        put(&seconds(self.valid));
        put(&seconds(self.preferred));
        put(&[0; 4]);
        put(&(self.prefix.to_bits() & (u128::MAX << 64)).to_be_bytes());
        if let Some(mac) = mac {
            put(&[1, 1]);
            put(&mac);
        }
        #[cfg(feature = "lowpan")]
        for (number, context) in (0_u8..).zip(&self.contexts) {
            let Some(context) = context else { continue };
            // A prefix of more than 64 bits is written whole.
            let (words, octets) = if context.bits() > 64 { (3, 16) } else { (2, 8) };
            put(&[34, words, context.bits(), u8::from(context.compresses) << 4 | number, 0, 0]);
            put(&u16::try_from(self.valid.as_secs() / 60).unwrap_or(u16::MAX).to_be_bytes());
            put(&context.prefix().octets()[..octets]);
        }
        message
    }
}

/// Tells the hosts of a stack's network what is offered: now and then, and whoever asks. Takes one of the stack's slots for
/// UDP sockets, and is a member of the group of all routers. The stack needs an address that is link-local.
///
/// # Errors
/// [`Error`] if there is no slot, or the longest message does not fit its socket.
pub async fn advertise(
    stack: &Stack<'_>,
    clock: &impl Clock,
    mut rng: impl Rng,
    offer: Offer,
) -> Result<Infallible, Error> {
    let mut options = udp::Options::default();
    (options.datagrams, options.receive_bytes, options.send_bytes, options.hop_limit) = (4, 1_600, 512, 255);
    let socket = Socket::bind(stack, Version::V6, ICMPV6, options)?;
    // A stack that has no room for the group hears of nobody who asks, and says all the same what it says by itself.
    let _ = stack.join_group(ALL_ROUTERS.into());
    let mtu = stack.core().borrow().mtu();
    let message = offer.message(mtu, stack.hardware_address());
    let (mut said, mut last_to_all) = (0_u8, None::<Instant>);
    let mut next = clock.now() + between(&mut rng, Duration::ZERO, ANSWER_DELAY_MAX);
    loop {
        let mut to = IpAddr::V6(ALL_NODES);
        let patience = next.saturating_duration_since(clock.now());
        if let Ok(asker) = timeout(clock, patience, question(&socket)).await {
            crate::time::sleep(clock, between(&mut rng, Duration::ZERO, ANSWER_DELAY_MAX)).await;
            match asker {
                Some(asker) => to = asker,
                // Who has no address yet hears what all hear, but they are not to hear it all the time.
                None => {
                    let soonest = last_to_all.map_or(Instant::ZERO, |last| last + TO_ALL_DELAY_MIN);
                    next = next.min(soonest.max(clock.now()));
                    continue;
                }
            }
        }
        if let Some(own) = link_local(stack) {
            socket.send_from(&message, own, to).await?;
        }
        if to == IpAddr::V6(ALL_NODES) {
            said = said.saturating_add(1);
            last_to_all = Some(clock.now());
            let interval = between(&mut rng, offer.interval / 3, offer.interval);
            next = clock.now() + if said < INITIAL { interval.min(INITIAL_INTERVAL_MAX) } else { interval };
        }
    }
}

/// Waits for a host that asks for routers; answers with its address, if it has one.
async fn question(socket: &Socket<'_>) -> Option<IpAddr> {
    let mut bytes = [0; QUESTION_MAX];
    loop {
        match socket.recv_from(&mut bytes).await {
            Ok((len, arrival)) if is_question(&bytes[..len], &arrival) => {
                return Some(arrival.remote).filter(|from| !from.is_unspecified());
            }
            // Other messages of ICMP, and longer ones, are not for us.
            _ => {}
        }
    }
}

/// RFC 4861, section 6.1.1.
fn is_question(message: &[u8], about: &Arrival) -> bool {
    let (IpAddr::V6(from), IpAddr::V6(to)) = (about.remote, about.local) else { return false };
    let mut addresses = [0; 32];
    addresses[..16].copy_from_slice(&from.octets());
    addresses[16..].copy_from_slice(&to.octets());
    message.len() >= 8
        && message[..2] == [SOLICITATION, 0]
        && about.hop_limit == 255
        && Sum::pseudo_header(&addresses, ICMPV6, message.len()).add(message).is_whole()
}

fn link_local(stack: &Stack<'_>) -> Option<IpAddr> {
    let mut own = stack.addresses().map(|own| own.address());
    own.find(|own| matches!(own, IpAddr::V6(own) if own.is_unicast_link_local()))
}
