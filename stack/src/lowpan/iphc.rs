//! Compressed headers (RFC 6282): IPv6's, and UDP's behind it.

use core::net::Ipv6Addr;

use super::contexts::{Context, Known, LINK_LOCAL};
use super::mac::Address;

/// The longest that compressed headers are: IPHC with everything in line, and UDP's.
pub(super) const HEADERS_MAX: usize = 2 + 1 + 4 + 1 + 1 + 16 + 16 + 1 + 4 + 2;

const IPV6: usize = 40;
const UDP: usize = 8;
const PROTOCOL_UDP: u8 = 17;
/// The first three bits of IPHC's two bytes.
const DISPATCH: u16 = 0b011 << 13;
/// The first five bits of a compressed UDP header.
const UDP_DISPATCH: u8 = 0b11110 << 3;

/// Headers, compressed.
pub(super) struct Compressed {
    bytes: [u8; HEADERS_MAX],
    len: usize,
    /// How many bytes of the packet they stand for.
    pub(super) stands_for: usize,
}

impl Compressed {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// Compresses the headers of a packet that goes from one radio to another; `None` if it is no IPv6 packet of the length
/// that it says.
pub(super) fn compress(packet: &[u8], known: Known<'_>, from: Address, to: Address) -> Option<Compressed> {
    let (header, payload) = packet.split_first_chunk::<IPV6>()?;
    if header[0] >> 4 != 6 || usize::from(u16::from_be_bytes([header[4], header[5]])) != payload.len() {
        return None;
    }
    let (source, destination) = (address(&header[8..24]), address(&header[24..40]));
    let udp = (header[6] == PROTOCOL_UDP).then(|| payload.first_chunk::<UDP>()).flatten();
    // A length that is not the packet's could not be told from what is left out.
    let udp = udp.filter(|udp| usize::from(u16::from_be_bytes([udp[4], udp[5]])) == payload.len());
    let mut out = Compressed { bytes: [0; HEADERS_MAX], len: 2, stands_for: IPV6 };
    let mut control = DISPATCH;
    let (source_context, destination_context) = (known.shortest(source), known.shortest(destination));
    let number = |context: Option<(u8, Context)>| context.map_or(0, |(number, _)| number);
    let contexts = number(source_context) << 4 | number(destination_context);
    if contexts != 0 {
        control |= 1 << 7;
        out.put(&[contexts]);
    }
    control |= put_class_and_label(&mut out, header);
    match udp {
        Some(_) => control |= 1 << 10,
        None => out.put(&header[6..7]),
    }
    control |= match header[7] {
        1 => 1 << 8,
        64 => 2 << 8,
        255 => 3 << 8,
        hops => {
            out.put(&[hops]);
            0
        }
    };
    control |= match source.is_unspecified() {
        true => 1 << 6,
        false => put_unicast(&mut out, source, source_context, from) << 4,
    };
    control |= match destination.is_multicast() {
        true => 1 << 3 | put_multicast(&mut out, destination),
        false => put_unicast(&mut out, destination, destination_context, to),
    };
    out.bytes[..2].copy_from_slice(&control.to_be_bytes());
    if let Some(udp) = udp {
        put_udp(&mut out, udp);
        out.stands_for += UDP;
    }
    Some(out)
}

fn address(bytes: &[u8]) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.copy_from_slice(bytes);
    Ipv6Addr::from(octets)
}

/// Traffic class and flow label: left out if they are zero, whole if not.
fn put_class_and_label(out: &mut Compressed, header: &[u8; IPV6]) -> u16 {
    let word = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
    let (class, label) = ((word >> 20) as u8, word & 0xf_ffff);
    if class == 0 && label == 0 {
        return 0b11 << 11;
    }
    // IPv6 has the congestion bits last, IPHC first.
    let [_, a, b, c] = label.to_be_bytes();
    out.put(&[class.rotate_right(2), a, b, c]);
    0
}

/// Writes what of an address is in neither its context nor the radio's; answers with context and mode, three bits.
fn put_unicast(out: &mut Compressed, address: Ipv6Addr, context: Option<(u8, Context)>, radio: Address) -> u16 {
    let (stateful, context) = match context {
        Some((_, context)) => (1 << 2, context),
        None => (0, LINK_LOCAL),
    };
    let identifier = address.to_bits() as u64;
    if context.complete(radio.identifier()) == address {
        return stateful | 3;
    }
    let short = Address::Short(identifier as u16);
    if context.complete(short.identifier()) == address {
        out.put(&(identifier as u16).to_be_bytes());
        return stateful | 2;
    }
    if context.complete(identifier) == address {
        out.put(&identifier.to_be_bytes());
        return stateful | 1;
    }
    debug_assert_eq!(stateful, 0, "what a context cannot complete it was not chosen for");
    out.put(&address.octets());
    0
}

fn put_multicast(out: &mut Compressed, group: Ipv6Addr) -> u16 {
    let octets = group.octets();
    let [_, scope, ..] = octets;
    let zero_from_2_to = |end: usize| octets[2..end].iter().all(|&byte| byte == 0);
    if scope == 2 && zero_from_2_to(15) {
        out.put(&octets[15..]);
        3
    } else if zero_from_2_to(13) {
        out.put(&[scope]);
        out.put(&octets[13..]);
        2
    } else if zero_from_2_to(11) {
        out.put(&[scope]);
        out.put(&octets[11..]);
        1
    } else {
        out.put(&octets);
        0
    }
}

/// The ports that are shortened to four bits, and to eight.
const PORTS_4: u16 = 0xf0b0;
const PORTS_8: u16 = 0xf000;

fn put_udp(out: &mut Compressed, udp: &[u8; UDP]) {
    let [s0, s1, d0, d1, _, _, c0, c1] = *udp;
    let (source, destination) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    if source & 0xfff0 == PORTS_4 && destination & 0xfff0 == PORTS_4 {
        out.put(&[UDP_DISPATCH | 3, (source << 4) as u8 | destination as u8 & 0xf]);
    } else if destination & 0xff00 == PORTS_8 {
        out.put(&[UDP_DISPATCH | 1, s0, s1, d1]);
    } else if source & 0xff00 == PORTS_8 {
        out.put(&[UDP_DISPATCH | 2, s1, d0, d1]);
    } else {
        out.put(&[UDP_DISPATCH, s0, s1, d0, d1]);
    }
    out.put(&[c0, c1]);
}

/// Bytes that are read one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }
}

/// Headers that were compressed, whole again but for their lengths, and what came behind them.
pub(super) struct Restored<'a> {
    bytes: [u8; IPV6 + UDP],
    pub(super) len: usize,
    pub(super) rest: &'a [u8],
}

impl Restored<'_> {
    /// From whom the packet is, and to whom.
    pub(super) fn ends(&self) -> [Ipv6Addr; 2] {
        [address(&self.bytes[8..24]), address(&self.bytes[24..40])]
    }

    /// The headers of a packet of `total` bytes; `None` if it is shorter than they are.
    pub(super) fn headers(&mut self, total: usize) -> Option<&[u8]> {
        let payload = total.checked_sub(IPV6).filter(|_| total >= self.len)?;
        let len = u16::try_from(payload).ok()?.to_be_bytes();
        self.bytes[4..6].copy_from_slice(&len);
        if self.len > IPV6 {
            self.bytes[IPV6 + 4..IPV6 + 6].copy_from_slice(&len);
        }
        Some(&self.bytes[..self.len])
    }
}

/// Whether this begins with a compressed IPv6 header.
pub(super) fn is_compressed(payload: &[u8]) -> bool {
    payload.first().is_some_and(|byte| byte >> 5 == 0b011)
}

/// Restores the headers of what one radio sent to another; `None` if it makes no sense.
pub(super) fn restore<'a>(payload: &'a [u8], known: Known<'_>, from: Address, to: Address) -> Option<Restored<'a>> {
    let mut reader = Reader(payload);
    let control = u16::from_be_bytes(reader.take()?);
    let bits = |shift: u16, count: u16| control >> shift & ((1 << count) - 1);
    let contexts = if bits(7, 1) == 1 { reader.byte()? } else { 0 };
    let word = class_and_label(&mut reader, bits(11, 2))?;
    let udp_follows = bits(10, 1) == 1;
    let next_header = if udp_follows { PROTOCOL_UDP } else { reader.byte()? };
    let hops = match bits(8, 2) {
        1 => 1,
        2 => 64,
        3 => 255,
        _ => reader.byte()?,
    };
    let source = match (bits(6, 1), bits(4, 2)) {
        (1, 0) => Ipv6Addr::UNSPECIFIED,
        (stateful, mode) => unicast(&mut reader, (stateful == 1).then(|| known.of(contexts >> 4)), mode, from)?,
    };
    let destination = match (bits(3, 1), bits(2, 1), bits(0, 2)) {
        (1, 0, mode) => multicast(&mut reader, mode)?,
        // Groups that are made of a prefix are not for stations like us.
        (1, ..) | (_, 1, 0) => return None,
        (_, stateful, mode) => unicast(&mut reader, (stateful == 1).then(|| known.of(contexts & 0xf)), mode, to)?,
    };
    let mut restored = Restored { bytes: [0; IPV6 + UDP], len: IPV6, rest: &[] };
    restored.bytes[..4].copy_from_slice(&word.to_be_bytes());
    (restored.bytes[6], restored.bytes[7]) = (next_header, hops);
    restored.bytes[8..24].copy_from_slice(&source.octets());
    restored.bytes[24..40].copy_from_slice(&destination.octets());
    if udp_follows {
        restored.len = IPV6 + UDP;
        let udp = udp(&mut reader)?;
        restored.bytes[IPV6..].copy_from_slice(&udp);
    }
    restored.rest = reader.0;
    Some(restored)
}

/// The first word of an IPv6 header, of what is in line in one of four ways (section 3.1.1).
fn class_and_label(reader: &mut Reader<'_>, mode: u16) -> Option<u32> {
    let (class, label) = match mode {
        0 => {
            let [class, a, b, c] = reader.take()?;
            (class, u32::from_be_bytes([0, a & 0xf, b, c]))
        }
        1 => {
            let [ecn, b, c] = reader.take()?;
            (ecn & 0xc0, u32::from_be_bytes([0, ecn & 0xf, b, c]))
        }
        2 => (reader.byte()?, 0),
        _ => (0, 0),
    };
    Some(6 << 28 | u32::from(class.rotate_left(2)) << 20 | label)
}

/// An address, its prefix from a context if it has one: `Some(None)` is one that nobody told us.
fn unicast(reader: &mut Reader<'_>, context: Option<Option<Context>>, mode: u16, radio: Address) -> Option<Ipv6Addr> {
    if context.is_none() && mode == 0 {
        return Some(Ipv6Addr::from(reader.take::<16>()?));
    }
    let context = context.unwrap_or(Some(LINK_LOCAL))?;
    let identifier = match mode {
        1 => u64::from_be_bytes(reader.take()?),
        2 => Address::Short(u16::from_be_bytes(reader.take()?)).identifier(),
        3 => radio.identifier(),
        _ => return None,
    };
    Some(context.complete(identifier))
}

fn multicast(reader: &mut Reader<'_>, mode: u16) -> Option<Ipv6Addr> {
    let mut octets = [0; 16];
    octets[0] = 0xff;
    match mode {
        0 => octets = reader.take()?,
        1 => {
            octets[1] = reader.byte()?;
            octets[11..].copy_from_slice(&reader.take::<5>()?);
        }
        2 => {
            octets[1] = reader.byte()?;
            octets[13..].copy_from_slice(&reader.take::<3>()?);
        }
        _ => {
            octets[1] = 2;
            octets[15] = reader.byte()?;
        }
    }
    let group = Ipv6Addr::from(octets);
    group.is_multicast().then_some(group)
}

/// A UDP header without its length. One without a checksum is not allowed by those who sent it to us.
fn udp(reader: &mut Reader<'_>) -> Option<[u8; UDP]> {
    let control = reader.byte()?;
    if control & 0b1111_1100 != UDP_DISPATCH {
        return None;
    }
    let (source, destination) = match control & 3 {
        0 => (u16::from_be_bytes(reader.take()?), u16::from_be_bytes(reader.take()?)),
        1 => (u16::from_be_bytes(reader.take()?), PORTS_8 | u16::from(reader.byte()?)),
        2 => (PORTS_8 | u16::from(reader.byte()?), u16::from_be_bytes(reader.take()?)),
        _ => {
            let both = reader.byte()?;
            (PORTS_4 | u16::from(both >> 4), PORTS_4 | u16::from(both & 0xf))
        }
    };
    let ([s0, s1], [d0, d1], [c0, c1]) = (source.to_be_bytes(), destination.to_be_bytes(), reader.take()?);
    Some([s0, s1, d0, d1, 0, 0, c0, c1])
}
