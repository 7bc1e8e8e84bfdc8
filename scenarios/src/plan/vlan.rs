//! Virtual networks on switches.

use super::roster::{Roster, matches};
use super::wiring::joins;
use super::{End, Link, NetworkKind, Vlan};
use crate::diagnose::{Code, Problem};
use crate::schema::{self, Override};

/// Tells the links of one network how their ports take part in its virtual networks, if it has any.
pub(super) fn assign(
    network: &schema::Network,
    kind: NetworkKind,
    roster: &Roster<'_, '_>,
    links: &mut [Link],
    problems: &mut Vec<Problem>,
) {
    let mut said = network.overrides.iter().chain(&network.paths).filter_map(|it| it.vlan_key.clone());
    let Some(first) = said.next() else { return };
    if matches!(kind, NetworkKind::PointToPoint | NetworkKind::Radio | NetworkKind::Wifi) {
        let what = format!("\"{}\" has no switch with ports for each virtual network", network.name.as_str());
        let problem = Problem::new(Code::KeyConflict, first, what, "leave this out");
        problems.push(problem.help("it needs a network whose kind is \"switch\" or \"regions\""));
        return;
    }
    for link in links {
        let region = |part: usize| network.regions[part].0.as_str();
        link.vlan = match link.ends {
            [End::Trunk { part: one, .. }, End::Trunk { part: other, .. }] => {
                Some(path(&network.paths, region(one), region(other)))
            }
            [End::Node { node, .. }, _] => Some(member(&network.overrides, &roster.members[node].name)),
            _ => None,
        };
    }
}

/// A member's port; the last that says something of it wins.
fn member(overrides: &[Override], name: &str) -> Vlan {
    let of_it = overrides.iter().filter(|it| matches(it.members.as_str(), name));
    let (mut vlan, mut trunk) = (None, None);
    for said in of_it {
        vlan = said.vlan.or(vlan);
        trunk = said.trunk.clone().or(trunk);
    }
    match trunk {
        Some(carries) => Vlan::Trunk { native: vlan, carries: Some(carries) },
        None => Vlan::Access(vlan.unwrap_or(1)),
    }
}

/// Between two regions: all virtual networks, the first without tags, unless it is said which.
fn path(paths: &[Override], one: &str, other: &str) -> Vlan {
    let is_it = |said: &&Override| joins(said, one, other) != (false, false);
    let (mut native, mut carries) = (None, None);
    for said in paths.iter().filter(is_it) {
        native = said.vlan.or(native);
        carries = said.trunk.clone().or(carries);
    }
    let native = native.or(carries.is_none().then_some(1));
    Vlan::Trunk { native, carries }
}
