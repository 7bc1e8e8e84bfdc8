//! What senders are told of packets of IPv6 that got no further (RFC 4443).

use core::{net::Ipv6Addr, time::Duration};

use super::{HEADER, addresses, can_send};
use crate::engine::Sum;

/// The longest message, with all its headers: what every link carries (RFC 4443, section 2.4).
pub const ERROR_MAX: usize = 1_280;
const ICMPV6: u8 = 58;
/// The header of a message.
const MESSAGE: usize = 8;
/// Redirects are errors, too, as far as answers to them go (RFC 4443, section 2.4).
const REDIRECT: u8 = 137;

/// Why a packet got no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No route leads there.
    NoRoute,
    /// Somebody forbids it.
    Prohibited,
    /// Its source is one on its link alone, and it is not.
    BeyondScope,
    /// The next neighbour does not answer.
    NoHost,
    /// Nobody listens at the port.
    NoPort,
    /// Nobody speaks the protocol.
    NoProtocol,
    /// Its hops are used up.
    Expired,
    /// The next link carries no more bytes than these.
    TooBig(usize),
}

impl Trouble {
    /// The type and code of the message.
    const fn numbers(self) -> [u8; 2] {
        match self {
            Self::NoRoute => [1, 0],
            Self::Prohibited => [1, 1],
            Self::BeyondScope => [1, 2],
            Self::NoHost => [1, 3],
            Self::NoPort => [1, 4],
            Self::TooBig(_) => [2, 0],
            Self::Expired => [3, 0],
            Self::NoProtocol => [4, 1],
        }
    }

    /// The message's parameter: the next link's MTU, or where in the packet the trouble is.
    fn parameter(self) -> u32 {
        match self {
            Self::TooBig(mtu) => u32::try_from(mtu).unwrap_or(u32::MAX),
            // The header's field for the next one.
            Self::NoProtocol => 6,
            _ => 0,
        }
    }
}

/// Whether anybody may be told of that packet (RFC 4443, section 2.4 (e)): not of errors, of what went to a group, or of what
/// came from nobody in particular.
pub fn may_be_told(packet: &[u8]) -> bool {
    if packet.len() < HEADER {
        return false;
    }
    let [source, destination] = addresses(packet);
    can_send(source) && !destination.is_multicast() && !is_error(packet)
}

/// Whether it is a message about another packet; extension headers that come first are passed over.
fn is_error(packet: &[u8]) -> bool {
    let (mut next, mut at) = (packet[6], HEADER);
    loop {
        let Some(&[following, words, ..]) = packet.get(at..).and_then(<[u8]>::first_chunk::<4>) else { return false };
        // Hop-by-hop options, routing, destination options, and a fragment's header (RFC 8200, section 4).
        let len = match next {
            0 | 43 | 60 => 8 + usize::from(words) * 8,
            44 => 8,
            ICMPV6 => return following < 128 || following == REDIRECT,
            _ => return false,
        };
        (next, at) = (following, at + len);
    }
}

/// Makes of the packet that is `len` bytes of `memory` the message to its sender that says what became of it; answers with
/// its length. The packet is quoted as far as there is room.
///
/// # Panics
/// If `memory` is shorter than the packet and 48 bytes, and than [`ERROR_MAX`]; if the packet has no header.
pub fn tell(memory: &mut [u8], len: usize, trouble: Trouble, from: Ipv6Addr) -> usize {
    const BEFORE: usize = HEADER + MESSAGE;
    let [to, _] = addresses(memory);
    let quoted = len.min(ERROR_MAX - BEFORE);
    memory.copy_within(..quoted, BEFORE);
    let payload = MESSAGE + quoted;
    let [high, low] = (payload as u16).to_be_bytes();
    memory[..8].copy_from_slice(&[0x60, 0, 0, 0, high, low, ICMPV6, 64]);
    memory[8..24].copy_from_slice(&from.octets());
    memory[24..HEADER].copy_from_slice(&to.octets());
    let [kind, code] = trouble.numbers();
    memory[HEADER..HEADER + 4].copy_from_slice(&[kind, code, 0, 0]);
    memory[HEADER + 4..BEFORE].copy_from_slice(&trouble.parameter().to_be_bytes());
    let sum = Sum::pseudo_header(&memory[8..HEADER], ICMPV6, payload).add(&memory[HEADER..HEADER + payload]);
    memory[HEADER + 2..HEADER + 4].copy_from_slice(&sum.bytes());
    HEADER + payload
}

/// How many errors may be sent (RFC 4443, section 2.4 (f); RFC 1812, section 4.3.2.8): 100 a second, 20 at once.
#[derive(Debug)]
pub struct Budget {
    left: u32,
    since: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: Self::BURST, since: Duration::ZERO }
    }
}

impl Budget {
    const BURST: u32 = 20;
    const EACH_NS: u128 = 10_000_000;

    /// Whether one may be sent `now`, which is counted from any instant, always the same.
    pub fn take(&mut self, now: Duration) -> bool {
        let earned = now.saturating_sub(self.since).as_nanos() / Self::EACH_NS;
        if earned > 0 {
            self.left = u32::try_from(earned).unwrap_or(u32::MAX).saturating_add(self.left).min(Self::BURST);
            self.since += Duration::from_nanos(u64::try_from(earned * Self::EACH_NS).unwrap_or(u64::MAX));
        }
        let may = self.left > 0;
        self.left -= u32::from(may);
        may
    }
}
