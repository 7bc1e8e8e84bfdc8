//! Multicast groups that we are members of, and what is said about it: IGMPv2 (RFC 2236) and MLDv1 (RFC 2710), which
//! routers and switches of the later versions understand (RFC 3376, section 7; RFC 3810, section 8).
//!
//! A report goes out when a group is joined, and at once when a router asks: not after a time that is drawn, so that
//! on a network with many members of one group a question brings as many reports. When a link that is watched comes back, it may
//! lead to another switch, and all is said again.
//!
//! On Ethernet so do reports of the groups in which questions about our addresses of IPv6 come (RFC 4862, section 5.4.2): a switch that
//! listens to reports (RFC 4541) lets nobody find us who was not told. What was said before we had an address to say it from is
//! said again from one (RFC 3590). Nobody is told when such a group is left.

use core::net::Ipv4Addr;
#[cfg(feature = "ipv6")]
use core::net::Ipv6Addr;

#[cfg(feature = "ipv6")]
use super::packet::{HOP_BY_HOP, ICMPV6};
#[cfg(feature = "ipv6")]
use super::resolution::solicited_node;
use super::{
    Core,
    checksum::Sum,
    egress::Egress,
    packet::{IGMP, Packet, ethertype, multicast_mac},
    port::{Header, Port},
};
use crate::{config::GROUPS_MAX, ip::IpAddr};

const IGMP_QUERY: u8 = 0x11;
const IGMP_REPORT: u8 = 0x16;
const IGMP_LEAVE: u8 = 0x17;
#[cfg(feature = "ipv6")]
const MLD_QUERY: u8 = 130;
#[cfg(feature = "ipv6")]
const MLD_REPORT: u8 = 131;
#[cfg(feature = "ipv6")]
const MLD_DONE: u8 = 132;

const ALL_ROUTERS_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
#[cfg(feature = "ipv6")]
const ALL_ROUTERS_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// What is to be said about groups.
#[derive(Default)]
pub(crate) struct Membership {
    /// Which groups are to be reported, a bit each, by their places.
    reports: u8,
    /// The group that was left last.
    left: Option<IpAddr>,
    /// The groups in which questions about our addresses come; one for all that end alike.
    #[cfg(feature = "ipv6")]
    questions: heapless::Vec<Questions, QUESTIONS_MAX, u8>,
}

/// Addresses that end differently: nearly everybody's all end as the Ethernet address does. Of more nobody is told.
#[cfg(feature = "ipv6")]
const QUESTIONS_MAX: usize = 3;

#[cfg(feature = "ipv6")]
#[derive(Clone, Copy)]
struct Questions {
    group: [u8; 3],
    /// Whether it is to be said.
    due: bool,
    /// Whether it was said from an address.
    told: bool,
}

const _: () = assert!(GROUPS_MAX <= 8, "a bit for each group");

impl Membership {
    pub(super) fn is_quiet(&self) -> bool {
        #[cfg(feature = "ipv6")]
        if self.questions.iter().any(|questions| questions.due) {
            return false;
        }
        self.reports == 0 && self.left.is_none()
    }
}

impl Membership {
    /// The next group of questions that is to be told.
    #[cfg(feature = "ipv6")]
    fn next_questions(&self) -> Option<IpAddr> {
        self.questions.iter().find(|questions| questions.due).map(|questions| IpAddr::V6(questions.address()))
    }

    #[cfg(not(feature = "ipv6"))]
    fn next_questions(&self) -> Option<IpAddr> {
        None
    }
}

#[cfg(feature = "ipv6")]
impl Questions {
    fn address(&self) -> Ipv6Addr {
        let [a, b, c] = self.group;
        solicited_node(Ipv6Addr::from_octets([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c]))
    }
}

/// The longest message: an IPv6 header, the router alert, the report.
const MESSAGE_MAX: usize = if cfg!(feature = "ipv6") { 40 + 8 + 24 } else { 24 + 8 };

impl Core<'_> {
    /// Becomes a member of a group; answers whether there is room for one more. Twice is once.
    pub(crate) fn join(&mut self, group: IpAddr) -> bool {
        if self.local.groups.contains(&group) {
            return true;
        }
        if self.local.groups.push(group).is_err() {
            return false;
        }
        self.report(1 << (self.local.groups.len() - 1));
        true
    }

    /// Ends a membership, if it is one.
    pub(crate) fn leave(&mut self, group: IpAddr) {
        let Some(at) = self.local.groups.iter().position(|own| *own == group) else {
            return;
        };
        self.local.groups.remove(at);
        let membership = &mut self.surroundings.membership;
        let before = membership.reports & ((1 << at) - 1);
        let behind = membership.reports.checked_shr(at as u32 + 1).unwrap_or(0);
        membership.reports = before | behind << at;
        membership.left = Some(group);
        self.report(0);
    }

    /// Has all be said again.
    pub(super) fn report_again(&mut self) {
        #[cfg(feature = "ipv6")]
        self.surroundings.membership.questions.iter_mut().for_each(|questions| questions.due = true);
        let groups = (1_u16 << self.local.groups.len()) - 1;
        self.surroundings.membership.reports |= groups as u8;
        if !self.surroundings.membership.is_quiet() {
            self.report(0);
        }
    }

    /// Begins to listen for questions about an address that is, or may become, ours.
    #[cfg(feature = "ipv6")]
    pub(super) fn listen_for(&mut self, address: Ipv6Addr) {
        let [.., a, b, c] = address.octets();
        let questions = &mut self.surroundings.membership.questions;
        match questions.iter_mut().find(|known| known.group == [a, b, c]) {
            Some(known) if known.told => return,
            Some(known) => known.due = true,
            None => drop(questions.push(Questions { group: [a, b, c], due: true, told: false })),
        }
        self.report(0);
    }

    /// Listens for questions about the addresses that are ours now, and no others.
    #[cfg(feature = "ipv6")]
    pub(super) fn listen_for_all(&mut self) {
        if self.local.mac.is_none() {
            return;
        }
        let own = self.local.addresses.clone();
        let ends =
            |address: IpAddr, group: [u8; 3]| matches!(address, IpAddr::V6(own) if own.octets().ends_with(&group));
        #[cfg(feature = "claim")]
        let claimed = self.claimed();
        #[cfg(not(feature = "claim"))]
        let claimed: Option<IpAddr> = None;
        self.surroundings.membership.questions.retain(|known| {
            let is_wanted = |address| ends(address, known.group);
            claimed.is_some_and(is_wanted) || own.iter().any(|own| is_wanted(own.spoken()))
        });
        for own in &own {
            if let IpAddr::V6(own) = own.spoken() {
                self.listen_for(own);
            }
        }
    }

    fn report(&mut self, groups: u8) {
        self.surroundings.membership.reports |= groups;
        self.surroundings.busy = true;
        self.wakes.rouse();
    }

    /// A router asks who is a member, of one group or of any. Answers whether this was a question.
    pub(super) fn igmp(&mut self, packet: &Packet<'_>) -> bool {
        let Some(message) = packet.payload.first_chunk::<8>().filter(|_| packet.destination.is_ipv4()) else {
            return false;
        };
        if message[0] != IGMP_QUERY || !Sum::default().add(packet.payload).is_whole() {
            return false;
        }
        let [.., a, b, c, d] = *message;
        self.asked(IpAddr::V4(Ipv4Addr::new(a, b, c, d)));
        true
    }

    /// The same, among the options that every router reads.
    #[cfg(feature = "ipv6")]
    pub(super) fn mld(&mut self, packet: &Packet<'_>) -> bool {
        // Options of eight bytes, which is what the router alert takes, and ICMP behind them.
        let Some((&[ICMPV6, 0, ..], message)) = packet.payload.split_first_chunk::<8>() else {
            return false;
        };
        let (Some(&[MLD_QUERY, ..]), Some(addresses)) = (message.first_chunk::<24>(), packet.bytes.get(8..40)) else {
            return false;
        };
        let sum = Sum::pseudo_header(addresses, ICMPV6, message.len()).add(message);
        if packet.hop_limit != 1 || !sum.is_whole() {
            return false;
        }
        let mut group = [0; 16];
        group.copy_from_slice(&message[8..24]);
        self.asked(IpAddr::V6(Ipv6Addr::from(group)));
        true
    }

    fn asked(&mut self, about: IpAddr) {
        let mut groups = 0;
        for (at, own) in self.local.groups.iter().enumerate() {
            let meant = *own == about || (about.is_unspecified() && own.is_ipv4() == about.is_ipv4());
            groups |= u8::from(meant) << at;
        }
        #[cfg(feature = "ipv6")]
        if let IpAddr::V6(about) = about {
            for own in &mut self.surroundings.membership.questions {
                own.due |= about.is_unspecified() || about == own.address();
            }
        }
        if groups != 0 || !self.surroundings.membership.is_quiet() {
            self.report(groups);
        }
    }

    /// Says the next thing that is to be said about groups.
    #[cold]
    pub(super) fn send_membership(&mut self, port: &mut impl Port) -> Egress {
        let membership = &self.surroundings.membership;
        let at = membership.reports.trailing_zeros() as usize;
        let (group, joins) = match (membership.left, self.local.groups.get(at)) {
            (Some(left), _) => (left, false),
            (None, Some(group)) => (*group, true),
            (None, None) => {
                self.surroundings.membership.reports = 0;
                match self.surroundings.membership.next_questions() {
                    Some(group) => (group, true),
                    None => return Egress::Done,
                }
            }
        };
        let Some(room) = port.room() else {
            return Egress::Blocked;
        };
        let to = match group {
            _ if joins => group,
            IpAddr::V4(_) => IpAddr::V4(ALL_ROUTERS_V4),
            #[cfg(feature = "ipv6")]
            IpAddr::V6(_) => IpAddr::V6(ALL_ROUTERS_V6),
        };
        let mut message = [0; MESSAGE_MAX];
        let len = match (group, to, self.local.source_for(to)) {
            (IpAddr::V4(group), IpAddr::V4(to), source) => {
                let source = match source {
                    Some(IpAddr::V4(source)) => source,
                    _ => Ipv4Addr::UNSPECIFIED,
                };
                write_igmp(&mut message, if joins { IGMP_REPORT } else { IGMP_LEAVE }, group, source, to)
            }
            #[cfg(feature = "ipv6")]
            (IpAddr::V6(group), IpAddr::V6(to), source) => {
                let source = match source {
                    Some(IpAddr::V6(source)) => source,
                    _ => Ipv6Addr::UNSPECIFIED,
                };
                write_mld(&mut message, if joins { MLD_REPORT } else { MLD_DONE }, group, source, to)
            }
            #[cfg(feature = "ipv6")]
            _ => 0,
        };
        let header = Header::new(self.local.mac, multicast_mac(to), ethertype(to));
        header.send_seldom(room, len, &mut |packet| packet.copy_from_slice(&message[..len]));
        self.stats.frames_sent += 1;
        #[cfg(feature = "ipv6")]
        let from_an_address = self.local.source_for(to).is_some();
        let membership = &mut self.surroundings.membership;
        if joins && membership.reports != 0 {
            membership.reports &= !(1 << at);
        } else if joins {
            #[cfg(feature = "ipv6")]
            if let Some(questions) = membership.questions.iter_mut().find(|questions| questions.due) {
                (questions.due, questions.told) = (false, from_an_address);
            }
        } else {
            membership.left = None;
        }
        Egress::Done
    }
}

fn write_igmp(packet: &mut [u8; MESSAGE_MAX], kind: u8, group: Ipv4Addr, source: Ipv4Addr, to: Ipv4Addr) -> usize {
    // Six words of header, one of them the router alert (RFC 2113).
    const HEADER: usize = 24;
    let (header, message) = packet.split_at_mut(HEADER);
    header[..10].copy_from_slice(&[0x46, 0xc0, 0, HEADER as u8 + 8, 0, 0, 0, 0, 1, IGMP]);
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&to.octets());
    header[20..].copy_from_slice(&[0x94, 4, 0, 0]);
    let checksum = Sum::default().add(header).bytes();
    header[10..12].copy_from_slice(&checksum);
    message[0] = kind;
    message[4..8].copy_from_slice(&group.octets());
    let checksum = Sum::default().add(&message[..8]).bytes();
    message[2..4].copy_from_slice(&checksum);
    HEADER + 8
}

#[cfg(feature = "ipv6")]
fn write_mld(packet: &mut [u8; MESSAGE_MAX], kind: u8, group: Ipv6Addr, source: Ipv6Addr, to: Ipv6Addr) -> usize {
    const ICMP: usize = 24;
    packet[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 8 + ICMP as u8, HOP_BY_HOP, 1]);
    packet[8..24].copy_from_slice(&source.octets());
    packet[24..40].copy_from_slice(&to.octets());
    // The router alert for MLD (RFC 2711), and two bytes of nothing.
    packet[40..48].copy_from_slice(&[ICMPV6, 0, 5, 2, 0, 0, 1, 0]);
    packet[48] = kind;
    packet[56..72].copy_from_slice(&group.octets());
    let checksum = Sum::pseudo_header(&packet[8..40], ICMPV6, ICMP).add(&packet[48..72]).bytes();
    packet[50..52].copy_from_slice(&checksum);
    MESSAGE_MAX
}
