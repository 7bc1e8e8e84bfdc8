//! Frames that no node sent: what strangers say on a plan's links.

use std::net::IpAddr;

use crate::plan::{Direction, End, FaultKind, Interface, Plan};
use crate::router::{advertisement, arp_announcement, arp_reply};

/// The Ethernet address of whoever it is.
const STRANGER: [u8; 6] = *b"\x02rogue";
/// The EtherType of the configuration testing protocol (Ethernet 2.0, chapter 8): nobody minds it.
const TYPE_LOOPBACK: [u8; 2] = [0x90, 0x00];

/// What a fault has a stranger send: on which link, which way, what.
pub(crate) fn frames(plan: &Plan, kind: FaultKind) -> Vec<(usize, Direction, Vec<u8>)> {
    match kind {
        FaultKind::ArpPoison { node, address, .. } => poison(plan, node, address),
        FaultKind::IpConflict { node, .. } => conflict(plan, node),
        FaultKind::MacDuplicate { node, .. } => duplicate(plan, node),
        _ => Vec::new(),
    }
}

fn poison(plan: &Plan, node: usize, address: IpAddr) -> Vec<(usize, Direction, Vec<u8>)> {
    let mut frames = Vec::new();
    for interface in wired(plan, node) {
        let Some(own) = interface.addresses.iter().find(|own| own.contains(address)) else { continue };
        let frame = match (address, own.ip) {
            (IpAddr::V4(address), IpAddr::V4(own)) => arp_reply(STRANGER, address, interface.mac, own),
            (IpAddr::V6(address), IpAddr::V6(own)) => advertisement(STRANGER, address, Some((interface.mac, own))),
            _ => continue,
        };
        frames.push((interface.link, towards(plan, interface.link, node), frame));
    }
    frames
}

fn conflict(plan: &Plan, node: usize) -> Vec<(usize, Direction, Vec<u8>)> {
    let mut frames = Vec::new();
    for interface in wired(plan, node) {
        for own in &interface.addresses {
            let frame = match own.ip {
                IpAddr::V4(address) => arp_announcement(STRANGER, address),
                IpAddr::V6(address) => advertisement(STRANGER, address, None),
            };
            for &link in &plan.networks[interface.network].links {
                for end in plan.links[link].ends {
                    if let End::Node { node, .. } = end {
                        frames.push((link, towards(plan, link, node), frame.clone()));
                    }
                }
            }
        }
    }
    frames
}

/// It sits at the port next to the node's.
fn duplicate(plan: &Plan, node: usize) -> Vec<(usize, Direction, Vec<u8>)> {
    let mut frames = Vec::new();
    for interface in wired(plan, node) {
        let ports = plan.networks[interface.network].links.iter().filter(|link| {
            let [end, switch] = plan.links[**link].ends;
            matches!((end, switch), (End::Node { .. }, End::Switch { .. }))
        });
        let ports: Vec<usize> = ports.copied().collect();
        let Some(own) = ports.iter().position(|link| *link == interface.link) else { continue };
        let other = ports[(own + 1) % ports.len()];
        if other != interface.link {
            let frame = [&STRANGER[..], &interface.mac, &TYPE_LOOPBACK, &[0; 46]].concat();
            frames.push((other, Direction::Up, frame));
        }
    }
    frames
}

/// The interfaces on which a stranger can speak: strangers have no radio.
fn wired(plan: &Plan, node: usize) -> impl Iterator<Item = &Interface> {
    plan.nodes[node].interfaces.iter().filter(|interface| interface.radio.is_none())
}

fn towards(plan: &Plan, link: usize, node: usize) -> Direction {
    match plan.links[link].ends[0] {
        End::Node { node: first, .. } if first == node => Direction::Down,
        _ => Direction::Up,
    }
}
