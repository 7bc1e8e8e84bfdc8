//! The packets by which neighbours find each other's Ethernet addresses: ARP (RFC 826) for IPv4, neighbour
//! solicitations and advertisements (RFC 4861, sections 4.3 and 4.4) for IPv6.
//!
//! What to do about them is decided elsewhere.

use core::net::Ipv4Addr;
#[cfg(feature = "ipv6")]
use core::net::Ipv6Addr;

#[cfg(feature = "ipv6")]
use smoltcp::wire::{IpProtocol, checksum};

use super::packet::{BROADCAST, ETHERNET_HEADER, ETHERTYPE_ARP, Mac, ethernet_header};
#[cfg(feature = "ipv6")]
use super::packet::{ETHERTYPE_IPV6, ICMPV6, Packet, multicast_mac};
use crate::{ip::IpAddr, stats::Reason};

/// What a neighbour said about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Whose address it is; `None` for one that is only just asking whether it may have it.
    pub(crate) address: Option<IpAddr>,
    pub(crate) mac: Mac,
    pub(crate) says: Says,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// Who has this address of ours?
    Asks(IpAddr),
    /// Here I am. A solicited answer proves that our frames reach the neighbour; only an overriding one
    /// replaces another Ethernet address.
    Answers { solicited: bool, overrides: bool },
}

/// ARP's first eight bytes but the operation: Ethernet addresses for IPv4 ones.
const ARP_HEADER: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const ARP_LEN: usize = 28;
const ARP_REQUEST: u16 = 1;
const ARP_REPLY: u16 = 2;

/// Reads an ARP packet that follows the Ethernet header.
pub(crate) fn read_arp(bytes: &[u8]) -> Result<Heard, Reason> {
    let (packet, _) = bytes.split_first_chunk::<ARP_LEN>().ok_or(Reason::Malformed)?;
    if packet[..6] != ARP_HEADER {
        return Err(Reason::Unsupported);
    }
    let mac: Mac = core::array::from_fn(|i| packet[8 + i]);
    let address = |from: usize| Ipv4Addr::new(packet[from], packet[from + 1], packet[from + 2], packet[from + 3]);
    let (source, target) = (address(14), address(24));
    if !is_station(mac) || source.is_multicast() || source.is_broadcast() {
        return Err(Reason::Malformed);
    }
    let says = match u16::from_be_bytes([packet[6], packet[7]]) {
        ARP_REQUEST => Says::Asks(IpAddr::V4(target)),
        ARP_REPLY => Says::Answers { solicited: true, overrides: true },
        _ => return Err(Reason::Unsupported),
    };
    let address = (!source.is_unspecified()).then_some(IpAddr::V4(source));
    Ok(Heard { address, mac, says })
}

#[cfg(feature = "ipv6")]
const SOLICITATION: u8 = 135;
#[cfg(feature = "ipv6")]
const ADVERTISEMENT: u8 = 136;
#[cfg(feature = "ipv6")]
const ROUTER: u8 = 0x80;
#[cfg(feature = "ipv6")]
const SOLICITED: u8 = 0x40;
#[cfg(feature = "ipv6")]
const OVERRIDE: u8 = 0x20;
#[cfg(feature = "ipv6")]
const OPTION_SOURCE: u8 = 1;
#[cfg(feature = "ipv6")]
const OPTION_TARGET: u8 = 2;

/// Reads a neighbour solicitation or advertisement, whose checksum is right; `None` for one that says
/// nothing about an Ethernet address, and for the other messages between neighbours and routers.
#[cfg(feature = "ipv6")]
pub(crate) fn read_ndisc(packet: &Packet<'_>) -> Result<Option<Heard>, Reason> {
    let Some((header, mut options)) = packet.payload.split_first_chunk::<24>() else {
        return Err(Reason::Malformed);
    };
    // Only a neighbour can have sent it: no router forwards the largest hop limit (section 7.1).
    if packet.hop_limit != 255 || header[1] != 0 {
        return Err(Reason::Malformed);
    }
    let wanted = match header[0] {
        SOLICITATION => OPTION_SOURCE,
        ADVERTISEMENT => OPTION_TARGET,
        _ => return Ok(None),
    };
    let mut mac = None;
    while let [kind, words, ..] = *options {
        let len = usize::from(words) * 8;
        if len == 0 || len > options.len() {
            return Err(Reason::Malformed);
        }
        let (option, rest) = options.split_at(len);
        if kind == wanted && len == 8 {
            mac = Some(core::array::from_fn(|i| option[2 + i]));
        }
        options = rest;
    }
    let octets: [u8; 16] = core::array::from_fn(|i| header[8 + i]);
    let target = Ipv6Addr::from(octets);
    // Who checks whether an address is free asks those who may have it, and has nothing to be answered at (section 7.1.1); and who
    // tells everybody was not asked (section 7.1.2).
    let out_of_place = match header[0] {
        SOLICITATION if packet.source.is_unspecified() => {
            mac.is_some() || packet.destination != IpAddr::V6(solicited_node(target))
        }
        ADVERTISEMENT => header[4] & SOLICITED != 0 && packet.destination.is_multicast(),
        _ => false,
    };
    if out_of_place || target.is_multicast() || mac.is_some_and(|mac| !is_station(mac)) {
        return Err(Reason::Malformed);
    }
    let says = match header[0] {
        SOLICITATION => Says::Asks(IpAddr::V6(target)),
        _ => Says::Answers { solicited: header[4] & SOLICITED != 0, overrides: header[4] & OVERRIDE != 0 },
    };
    let address = match says {
        Says::Asks(_) => (!packet.source.is_unspecified()).then_some(packet.source),
        Says::Answers { .. } => Some(IpAddr::V6(target)),
    };
    // Somebody who checks that an address is free has no Ethernet address to tell: answer to everyone.
    if address.is_none() && mac.is_none() && matches!(says, Says::Asks(_)) {
        return Ok(Some(Heard { address, mac: BROADCAST, says }));
    }
    Ok(mac.map(|mac| Heard { address, mac, says }))
}

/// Whether one station, rather than a group, can have this Ethernet address.
fn is_station(mac: Mac) -> bool {
    mac[0] & 1 == 0 && mac != [0; 6]
}

/// The length of the longest frame written here.
pub(crate) const FRAME_MAX: usize = ETHERNET_HEADER + if cfg!(feature = "ipv6") { 40 + 32 } else { ARP_LEN };

/// A frame that asks or answers.
pub(crate) struct Frame {
    bytes: [u8; FRAME_MAX],
    len: usize,
}

impl Frame {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Asks for `target`: everyone, or just `known`, if that is where it was last.
    pub(crate) fn solicit(own_mac: Mac, own: IpAddr, target: IpAddr, known: Option<Mac>) -> Option<Self> {
        match (own, target) {
            (IpAddr::V4(own), IpAddr::V4(target)) => {
                let to = known.unwrap_or(BROADCAST);
                Some(Self::arp(to, ARP_REQUEST, (own_mac, own), ([0; 6], target)))
            }
            #[cfg(feature = "ipv6")]
            (IpAddr::V6(own), IpAddr::V6(target)) => {
                let (to, destination) = match known {
                    Some(known) => (known, target),
                    None => {
                        let group = solicited_node(target);
                        (multicast_mac(IpAddr::V6(group)), group)
                    }
                };
                let option = (OPTION_SOURCE, own_mac);
                Some(Self::ndisc((to, destination), (own_mac, own), [SOLICITATION, 0], target, option))
            }
            #[cfg(feature = "ipv6")]
            _ => None,
        }
    }

    /// Answers that `own` is ours, to whoever asked; and whether we are a router, which ARP has no word for.
    #[cfg_attr(not(feature = "ipv6"), expect(unused_variables, reason = "ARP tells of no routers"))]
    pub(crate) fn answer(own_mac: Mac, own: IpAddr, asker: &Heard, is_router: bool) -> Self {
        match own {
            IpAddr::V4(own) => {
                let asker_address = match asker.address {
                    Some(IpAddr::V4(address)) => address,
                    _ => Ipv4Addr::UNSPECIFIED,
                };
                Self::arp(asker.mac, ARP_REPLY, (own_mac, own), (asker.mac, asker_address))
            }
            #[cfg(feature = "ipv6")]
            IpAddr::V6(own) => {
                let (to, destination, solicited) = match asker.address {
                    Some(IpAddr::V6(address)) => (asker.mac, address, SOLICITED),
                    _ => (multicast_mac(IpAddr::V6(ALL_NODES)), ALL_NODES, 0),
                };
                let router = if is_router { ROUTER } else { 0 };
                let kind = [ADVERTISEMENT, router | solicited | OVERRIDE];
                Self::ndisc((to, destination), (own_mac, own), kind, own, (OPTION_TARGET, own_mac))
            }
        }
    }

    fn arp(to: Mac, operation: u16, source: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Self {
        // Of a link-local address everybody hears, so that two who have the same find out (RFC 3927, section 2.5).
        let to = if source.1.is_link_local() { BROADCAST } else { to };
        let mut frame = Self::begin(to, source.0, ETHERTYPE_ARP);
        frame.push(&ARP_HEADER);
        frame.push(&operation.to_be_bytes());
        for (mac, address) in [source, target] {
            frame.push(&mac);
            frame.push(&address.octets());
        }
        frame
    }

    #[cfg(feature = "ipv6")]
    fn ndisc(
        to: (Mac, Ipv6Addr),
        from: (Mac, Ipv6Addr),
        [kind, flags]: [u8; 2],
        target: Ipv6Addr,
        (option, mac): (u8, Mac),
    ) -> Self {
        // Who has no address yet has nothing to be answered at (RFC 4861, section 4.3).
        let tells = !from.1.is_unspecified();
        let message_len = if tells { 32 } else { 24 };
        let mut frame = Self::begin(to.0, from.0, ETHERTYPE_IPV6);
        frame.push(&[0x60, 0, 0, 0, 0, message_len, ICMPV6, 255]);
        frame.push(&from.1.octets());
        frame.push(&to.1.octets());
        let message = frame.len;
        frame.push(&[kind, 0, 0, 0, flags, 0, 0, 0]);
        frame.push(&target.octets());
        if tells {
            frame.push(&[option, 1]);
            frame.push(&mac);
        }
        let sum = !checksum::combine(&[
            checksum::pseudo_header_v6(&from.1, &to.1, IpProtocol::Icmpv6, message_len.into()),
            checksum::data(&frame.bytes[message..frame.len]),
        ]);
        frame.bytes[message + 2..message + 4].copy_from_slice(&sum.to_be_bytes());
        frame
    }

    fn begin(to: Mac, from: Mac, ethertype: [u8; 2]) -> Self {
        let mut frame = Self { bytes: [0; FRAME_MAX], len: 0 };
        frame.push(&ethernet_header(to, from, ethertype));
        frame
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

#[cfg(feature = "ipv6")]
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The group in which the owner of `address` listens for questions about it (RFC 4291, section 2.7.1).
#[cfg(feature = "ipv6")]
pub(crate) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::packet::Verified;

    const OWN: Mac = [2, 0, 0, 0, 0, 1];
    const OTHER: Mac = [2, 0, 0, 0, 0, 2];

    #[test]
    fn arp_questions_and_answers_are_understood() {
        let (own, target) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let question = Frame::solicit(OWN, own, target, None).unwrap();
        assert_eq!(question.bytes()[..6], BROADCAST);
        let heard = read_arp(&question.bytes()[ETHERNET_HEADER..]).unwrap();
        assert_eq!(heard, Heard { address: Some(own), mac: OWN, says: Says::Asks(target) });
        let answer = Frame::answer(OTHER, target, &heard, false);
        assert_eq!(answer.bytes()[..6], OWN);
        let heard = read_arp(&answer.bytes()[ETHERNET_HEADER..]).unwrap();
        assert_eq!((heard.address, heard.mac), (Some(target), OTHER));
        let answer = Frame::answer(OTHER, "169.254.7.7".parse().unwrap(), &heard, false);
        assert_eq!(answer.bytes()[..6], BROADCAST);
    }

    #[test]
    fn neighbour_solicitations_and_advertisements_are_understood() {
        let (own, target) = ("fe80::1".parse().unwrap(), "fe80::abcd:ef01".parse().unwrap());
        let verify = Verified { ipv4: true, tcp: true, udp: true, icmpv4: true, icmpv6: true };
        let question = Frame::solicit(OWN, own, target, None).unwrap();
        assert_eq!(question.bytes()[..6], [0x33, 0x33, 0xff, 0xcd, 0xef, 0x01]);
        let packet = Packet::parse(&question.bytes()[ETHERNET_HEADER..], verify).unwrap();
        let heard = read_ndisc(&packet).unwrap().unwrap();
        assert_eq!(heard, Heard { address: Some(own), mac: OWN, says: Says::Asks(target) });
        let answer = Frame::answer(OTHER, target, &heard, false);
        let packet = Packet::parse(&answer.bytes()[ETHERNET_HEADER..], verify).unwrap();
        let heard = read_ndisc(&packet).unwrap().unwrap();
        assert_eq!((heard.address, heard.mac), (Some(target), OTHER));
        assert_eq!(heard.says, Says::Answers { solicited: true, overrides: true });
    }
}
