//! A scenario to a plan. Every part is looked at, whatever is wrong with the others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use super::battery::batteries;
use super::demands::{Moments, demands};
use super::packets::packets;
use super::roster::{Member, Roster};
use super::signals::signals;
use super::storm::storms;
use super::timeline::timeline;
use super::wiring::{Wiring, wire};
use super::{AccessPoint, Clock, End, Interface, NetworkKind, Node, Plan, Vlan, wifi};
use crate::diagnose::{Code, Problem};
use crate::registry::{Config, Kind, Place, Registry};
use crate::schema::{self, ConfigProblem, Scenario};

/// `None` if anything that a plan needs is missing, which then is among the problems.
pub(super) fn build(
    scenario: &Scenario<'_>,
    registry: &Registry,
    folder: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Plan> {
    let signals = signals(scenario, folder, problems);
    let mut roster = Roster::new(scenario, registry, problems);
    let configs = configs(&roster, problems);
    let batteries = batteries(&roster, problems);
    let wiring = wire(scenario, &roster, problems);
    fit(scenario, &roster, &configs, &wiring, problems);
    let access_points = access_points(scenario, &roster, &configs, &wiring, problems);
    roster.stations = stations(&wiring);
    let timeline = timeline(scenario, &roster, &wiring, problems);
    let moments = Moments {
        end_ns: scenario.duration.as_ref().map(|duration| duration.get_ref().as_nanos()),
        calm_ns: timeline.calm_ns,
    };
    let storms = storms(scenario, &roster, &wiring, problems);
    let packets = packets(scenario, &wiring, problems);
    let expectations = demands(scenario, &roster, &moments, problems);
    let nodes: Option<Vec<Node>> = roster
        .members
        .iter()
        .zip(configs)
        .zip(wiring.interfaces)
        .zip(batteries)
        .zip(access_points)
        .map(|((((member, config), interfaces), battery), access_point)| {
            let gateways = member.entry.gateways.iter().map(|gateway| *gateway.get_ref()).collect();
            Some(Node {
                name: member.name.clone(),
                kind: member.kind.clone()?,
                config: config?,
                clock: clock(member.entry),
                battery,
                ring: member.entry.ring,
                limits: member.entry.limits.as_ref().map_or_else(Vec::new, |limits| limits.all.clone()),
                interfaces,
                gateways,
                track: super::radio::track(member),
                access_point,
            })
        })
        .collect();
    Some(Plan {
        name: scenario.name.as_ref()?.as_str().into(),
        description: scenario.description.as_ref().map_or("", |text| text.as_str()).into(),
        seed: scenario.seed,
        duration_ns: moments.end_ns?,
        calm_ns: moments.calm_ns?,
        verdict: scenario.verdict,
        order: scenario.order,
        signals,
        nodes: nodes?,
        networks: wiring.networks,
        links: wiring.links,
        faults: timeline.faults,
        late: timeline.late,
        storms,
        tunings: timeline.tunings,
        sides: timeline.sides,
        packets,
        settings: Vec::new(),
        unsettled: None,
        given: scenario.given.clone(),
        expectations,
    })
}

/// The configuration of each node, read once for each entry.
fn configs(roster: &Roster<'_, '_>, problems: &mut Vec<Problem>) -> Vec<Option<Config>> {
    let mut read: BTreeMap<*const schema::Node<'_>, Option<Config>> = BTreeMap::new();
    let members = roster.members.iter();
    members
        .map(|member| {
            let entry = std::ptr::from_ref(member.entry);
            let config = read.entry(entry).or_insert_with(|| {
                problems.extend(address_missing(member.kind.as_ref(), member.entry));
                let kind = member.kind.as_ref()?;
                problems.extend(no_address(kind, member.entry));
                problems.extend(no_pools(kind, member.entry));
                config(kind, member.entry, problems)
            });
            config.clone()
        })
        .collect()
}

/// Whether configurations fit where their nodes stand. What is wrong with one of many is wrong with all of them.
fn fit(
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    configs: &[Option<Config>],
    wiring: &Wiring,
    problems: &mut Vec<Problem>,
) {
    let signals: Vec<&str> = scenario.signals.iter().map(|signal| signal.name.as_str()).collect();
    let kinds: BTreeSet<&str> = roster.members.iter().filter_map(|member| Some(member.kind.as_ref()?.name())).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let mut addresses: Vec<(usize, IpAddr, &str)> =
        roster.members.iter().zip(&wiring.interfaces).flat_map(held).collect();
    addresses.sort_unstable();
    let mut told: Vec<*const schema::Node<'_>> = Vec::new();
    for ((member, config), interfaces) in roster.members.iter().zip(configs).zip(&wiring.interfaces) {
        let (Some(kind), Some(config), entry) = (&member.kind, config, member.entry) else { continue };
        if !wiring.complete || told.contains(&std::ptr::from_ref(entry)) {
            continue;
        }
        let gateways: Vec<IpAddr> = entry.gateways.iter().map(|gateway| *gateway.get_ref()).collect();
        let ports: Vec<Option<Vlan>> = interfaces.iter().map(|interface| port(wiring, interface)).collect();
        let place = Place {
            interfaces,
            ports: &ports,
            gateways: &gateways,
            signals: &signals,
            kinds: &kinds,
            addresses: &addresses,
        };
        let refused = kind.fit(config, &place);
        if !refused.is_empty() {
            told.push(entry);
            problems.extend(refused.into_iter().map(|refused| misfit(kind, entry, refused)));
        }
    }
}

/// The addresses that a node is given, by network.
fn held<'r>(
    (member, interfaces): (&'r Member<'_, '_>, &'r Vec<Interface>),
) -> impl Iterator<Item = (usize, IpAddr, &'r str)> {
    let given =
        interfaces.iter().flat_map(|interface| interface.addresses.iter().map(|own| (interface.network, own.ip)));
    given.filter(|(_, ip)| !ip.is_unspecified()).map(|(network, ip)| (network, ip, &*member.name))
}

/// How the switch's port that an interface leads to takes part in virtual networks.
fn port(wiring: &Wiring, interface: &Interface) -> Option<Vlan> {
    let is_switch = matches!(wiring.networks[interface.network].kind, NetworkKind::Switch | NetworkKind::Regions);
    let told = wiring.links[interface.link].vlan.clone();
    is_switch.then(|| told.unwrap_or(Vlan::Access(1)))
}

fn misfit(kind: &Arc<dyn Kind>, entry: &schema::Node<'_>, refused: ConfigProblem) -> Problem {
    let span = entry.config.place(&refused);
    let label = format!("in the config of a \"{}\"", kind.name());
    Problem::new(Code::Config, span, refused.what, label).maybe_help(refused.help)
}

/// What access points are told. What is wrong with one of many is wrong with all of them.
fn access_points(
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    configs: &[Option<Config>],
    wiring: &Wiring,
    problems: &mut Vec<Problem>,
) -> Vec<Option<AccessPoint>> {
    let mut told: Vec<*const schema::Node<'_>> = Vec::new();
    let each = roster.members.iter().zip(configs).enumerate().map(|(own, (member, config))| {
        if !wiring.complete || !wifi::is_access_point(member) {
            return None;
        }
        let networks = wiring.links.iter().filter_map(|link| match link.ends[0] {
            End::AccessPoint { network, node } if node == own => {
                Some((&scenario.networks[network], wiring.networks[network].wifi?))
            }
            _ => None,
        });
        let mut found = Vec::new();
        let networks: Vec<_> = networks.collect();
        let access_point = wifi::access_point(member, config.as_ref(), &networks, &mut found);
        if !found.is_empty() && !told.contains(&std::ptr::from_ref(member.entry)) {
            told.push(std::ptr::from_ref(member.entry));
            problems.append(&mut found);
        }
        access_point
    });
    each.collect()
}

/// Which nodes are stations of IEEE 802.11.
fn stations(wiring: &Wiring) -> Vec<bool> {
    let is_station = |interface: &Interface| {
        let is_by_air = matches!(wiring.links[interface.link].ends[1], End::Air { .. });
        is_by_air && wiring.networks[interface.network].wifi.is_some()
    };
    wiring.interfaces.iter().map(|interfaces| wiring.complete && interfaces.iter().any(is_station)).collect()
}

/// A node that says nothing of its address and has to, or that has none to say.
fn address_missing(kind: Option<&Arc<dyn Kind>>, entry: &schema::Node<'_>) -> Option<Problem> {
    let has_none = kind.is_some_and(|kind| kind.is_access_point());
    match &entry.address_key {
        Err(span) if !has_none => Some(schema::missing_address(entry.key.as_str(), span.clone())),
        Ok(span) if has_none => {
            let what = "an access point has no address: it passes on what others send";
            Some(
                Problem::new(Code::Address, span.clone(), what, "leave this out")
                    .help("give addresses to its stations"),
            )
        }
        _ => None,
    }
}

/// Limits that nobody would heed.
fn no_pools(kind: &Arc<dyn Kind>, entry: &schema::Node<'_>) -> Option<Problem> {
    let limits = entry.limits.as_ref().filter(|_| !kind.is_pooled())?;
    let what = format!("a \"{}\" heeds no limits", kind.name());
    let problem = Problem::new(Code::KeyConflict, limits.key.clone(), what, "leave this out");
    Some(problem.help("limit devices and servers: those that open something with the stack"))
}

/// A node that is to ask for its address, and does not know how.
fn no_address(kind: &Arc<dyn Kind>, entry: &schema::Node<'_>) -> Option<Problem> {
    let span = entry.dhcp.clone().filter(|_| !kind.asks_for_address())?;
    let what = format!("a \"{}\" does not ask for its address", kind.name());
    Some(Problem::new(Code::Address, span, what, "nobody asks").help("give it one, such as \"10.0.0.2/24\""))
}

fn config(kind: &Arc<dyn Kind>, entry: &schema::Node<'_>, problems: &mut Vec<Problem>) -> Option<Config> {
    match kind.parse(&entry.config) {
        Ok(config) => Some(config),
        Err(refused) => {
            problems.extend(refused.into_iter().map(|refused| misfit(kind, entry, refused)));
            None
        }
    }
}

fn clock(entry: &schema::Node<'_>) -> Clock {
    let offset = entry.clock_offset.as_ref();
    let drift = entry.clock_drift.as_ref();
    Clock {
        offset_ns: offset.map_or(0, |offset| offset.get_ref().as_nanos()),
        drift_ppb: drift.map_or(0, |drift| drift.get_ref().as_ppb()),
    }
}
