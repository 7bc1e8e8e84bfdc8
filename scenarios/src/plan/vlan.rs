//! Virtual networks on switches.

use super::roster::matches;
use super::{Link, NetworkKind, Vlan};
use crate::diagnose::{Code, Problem};
use crate::schema::{self, Override};

/// Tells the links of one network how their ports take part in its virtual networks, if it has any.
pub(super) fn assign(network: &schema::Network, kind: NetworkKind, links: &mut [Link], problems: &mut Vec<Problem>) {
    let mut said = network.overrides.iter().chain(&network.paths).filter_map(|it| it.vlan_key.clone());
    let Some(first) = said.next() else { return };
    if matches!(kind, NetworkKind::PointToPoint | NetworkKind::Radio) {
        let what = format!("\"{}\" has no switch whose ports could be in virtual networks", network.name.as_str());
        let problem = Problem::new(Code::KeyConflict, first, what, "leave this out");
        problems.push(problem.help("it needs a network whose kind is \"switch\" or \"regions\""));
        return;
    }
    for link in links {
        let rest = link.name.strip_prefix(network.name.as_str()).unwrap_or_default().trim_start_matches('/').to_owned();
        link.vlan = Some(match rest.split_once('/') {
            Some((one, other)) => path(&network.paths, one, other),
            None => member(&network.overrides, &rest),
        });
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
    let is_it = |said: &&Override| {
        said.members
            .as_str()
            .split_once('/')
            .is_some_and(|(a, b)| matches(a, one) && matches(b, other) || matches(a, other) && matches(b, one))
    };
    let (mut native, mut carries) = (None, None);
    for said in paths.iter().filter(is_it) {
        native = said.vlan.or(native);
        carries = said.trunk.clone().or(carries);
    }
    let native = native.or(carries.is_none().then_some(1));
    Vlan::Trunk { native, carries }
}
