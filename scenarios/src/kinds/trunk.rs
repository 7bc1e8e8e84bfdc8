//! A router's sub-interfaces: one cable to a switch's trunk, and a virtual network behind each tag on it (IEEE 802.1Q).

use super::router::SubinterfaceConfig;
use crate::plan::{Interface, Vlan};
use crate::registry::Place;
use crate::schema::{Cidr, ConfigProblem};

/// The tag's EtherType, and where the tag stands: behind the two addresses (IEEE 802.1Q, clause 9.6).
const TAG: [u8; 2] = [0x81, 0x00];
const TAG_AT: usize = 12;
const TAG_BYTES: usize = 4;

/// Where the frames of each of a router's interfaces come from and go to: the node's own interfaces in their order, then the
/// sub-interfaces.
#[derive(Clone, Debug)]
pub(super) struct Trunks(Vec<(usize, Option<u16>)>);

impl Trunks {
    /// Of a node with so many interfaces, and no sub-interfaces.
    pub(super) fn plain(interfaces: usize) -> Self {
        Self((0..interfaces).map(|port| (port, None)).collect())
    }

    pub(super) fn new(interfaces: &[Interface], subs: &[SubinterfaceConfig]) -> Self {
        let mut trunks = Self::plain(interfaces.len());
        let ports = subs.iter().filter_map(|sub| Some((port_of(interfaces, sub)?, Some(sub.vlan))));
        trunks.0.extend(ports);
        trunks
    }

    /// The port and the tag of a router's interface.
    pub(super) fn way(&self, interface: usize) -> (usize, Option<u16>) {
        self.0[interface]
    }

    /// The router's interface that a frame has come in by, without its tag; `None` if there is none for its tag.
    pub(super) fn enter<'f>(&self, port: usize, frame: &'f [u8]) -> Option<(usize, std::borrow::Cow<'f, [u8]>)> {
        let tag = match frame.get(TAG_AT..TAG_AT + TAG_BYTES) {
            Some(&[a, b, high, low]) if [a, b] == TAG => Some(u16::from_be_bytes([high, low]) & 0x0fff),
            _ => None,
        };
        let Some(vlan) = tag else { return Some((port, frame.into())) };
        let bare = [&frame[..TAG_AT], &frame[TAG_AT + TAG_BYTES..]].concat();
        // A tag that names a priority alone is none (clause 6.9).
        let interface = match vlan {
            0 => Some(port),
            _ => self.0.iter().position(|way| *way == (port, Some(vlan))),
        };
        interface.map(|interface| (interface, bare.into()))
    }

    pub(super) fn has_tags(&self, port: usize) -> bool {
        self.0.iter().any(|(other, vlan)| *other == port && vlan.is_some())
    }
}

/// A frame with a tag.
pub(super) fn tagged(frame: &[u8], vlan: u16) -> Vec<u8> {
    [&frame[..TAG_AT], &TAG, &vlan.to_be_bytes(), &frame[TAG_AT..]].concat()
}

fn port_of(interfaces: &[Interface], sub: &SubinterfaceConfig) -> Option<usize> {
    interfaces.iter().position(|interface| *interface.network_name == *sub.network)
}

/// The addresses of a sub-interface: those of its network that are in its subnet.
pub(super) fn addresses_of(interfaces: &[Interface], sub: &SubinterfaceConfig) -> Vec<Cidr> {
    let port = port_of(interfaces, sub);
    let own = port.map_or(&[][..], |port| &interfaces[port].addresses);
    own.iter().filter(|own| sub.subnet.0.contains(own.ip)).copied().collect()
}

/// Whether an address is that of a sub-interface.
pub(super) fn is_tagged(interface: &Interface, own: Cidr, subs: &[SubinterfaceConfig]) -> bool {
    subs.iter().any(|sub| *sub.network == *interface.network_name && sub.subnet.0.contains(own.ip))
}

/// What is wrong with sub-interfaces where the router stands.
pub(super) fn misfits(place: &Place<'_>, subs: &[SubinterfaceConfig]) -> Vec<ConfigProblem> {
    let interfaces = place.interfaces;
    let mut problems = Vec::new();
    let mut refuse = |what: String, help: String| {
        problems.push(ConfigProblem::at("subinterfaces", what).help(help));
    };
    for (turn, sub) in subs.iter().enumerate() {
        let Some(port) = port_of(interfaces, sub) else {
            let names = crate::diagnose::list(interfaces.iter().map(|interface| &*interface.network_name));
            refuse(
                format!("the router is not in the network \"{}\"", sub.network),
                format!("its networks are {names}"),
            );
            continue;
        };
        let twin = |other: &&SubinterfaceConfig| other.network == sub.network && other.vlan == sub.vlan;
        if subs[..turn].iter().any(|other| twin(&other)) {
            let help = "give each virtual network one; a subnet more is another address in `address`";
            refuse(format!("there are two for vlan {} on \"{}\"", sub.vlan, sub.network), help.to_owned());
        }
        if interfaces[port].radio.is_some() {
            refuse(
                format!("\"{}\" is a network of radios, whose frames bear no tags", sub.network),
                "leave it out".to_owned(),
            );
        } else if addresses_of(interfaces, sub).is_empty() {
            let what = format!("the router has no address in {} on \"{}\"", sub.subnet.0, sub.network);
            refuse(what, format!("add one to its `address`: {{ {} = [\"…\"] }}", sub.network));
        } else if let Some((what, help)) = place.ports[port].as_ref().and_then(|vlan| untagged(vlan, sub)) {
            refuse(what, help);
        }
    }
    problems
}

/// Why frames of a virtual network do not come by a switch's port with their tag, if they do not.
fn untagged(port: &Vlan, sub: &SubinterfaceConfig) -> Option<(String, String)> {
    let (vlan, network) = (sub.vlan, &sub.network);
    match port {
        Vlan::Access(_) => Some((
            format!("the router's port of \"{network}\" is no trunk: no frame there bears a tag"),
            format!(
                "let it carry the network: [network.{network}.link.NAME] with trunk = [{vlan}] and the router's name"
            ),
        )),
        Vlan::Trunk { native: Some(native), .. } if *native == vlan => Some((
            format!("vlan {vlan} is the one whose frames bear no tag at the router's port of \"{network}\""),
            "take it out of `vlan` there, or leave it out here: what bears no tag goes to the interface itself"
                .to_owned(),
        )),
        Vlan::Trunk { carries: Some(carries), .. } if !carries.contains(&vlan) => {
            Some((format!("the router's port of \"{network}\" does not carry vlan {vlan}"), {
                let carries: Vec<String> = carries.iter().map(u16::to_string).collect();
                format!("its trunk carries {}; add {vlan}", crate::diagnose::list(carries.iter().map(String::as_str)))
            }))
        }
        Vlan::Trunk { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_on_and_come_off() {
        let trunks = Trunks(vec![(0, None), (1, None), (0, Some(10)), (0, Some(20))]);
        let frame: Vec<u8> = (0..60).collect();
        for (interface, vlan) in [(2, 10), (3, 20)] {
            assert_eq!(trunks.enter(0, &tagged(&frame, vlan)), Some((interface, frame.clone().into())));
        }
        assert_eq!(trunks.enter(0, &frame), Some((0, frame.clone().into())));
        assert_eq!(trunks.enter(0, &tagged(&frame, 0)), Some((0, frame.clone().into())), "a priority is no network");
        assert_eq!(trunks.enter(0, &tagged(&frame, 30)), None);
        assert_eq!(trunks.enter(1, &tagged(&frame, 10)), None, "each cable has its own");
        assert!(trunks.has_tags(0) && !trunks.has_tags(1));
    }
}
