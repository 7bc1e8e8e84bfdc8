//! Networks, links, interfaces and addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::mac::Macs;
use super::radio;
use super::roster::{Member, Roster, bad_name, matches};
use super::vlan;
use super::wifi::{self, Part};
use super::{Direction, End, Impair, Impairments, Interface, Link, Network, NetworkKind};
use crate::diagnose::{Code, Problem, Span, did_you_mean, list};
use crate::schema::{self, Cidr, LinkProfile, Scenario, Spanned, Text};

/// The longest packet on Ethernet, in bytes (IEEE 802.3, clause 3.2.7).
const MTU: u32 = 1500;

/// All that is plugged together.
#[derive(Default)]
pub(super) struct Wiring {
    pub(super) networks: Vec<Network>,
    pub(super) links: Vec<Link>,
    /// Of each node.
    pub(super) interfaces: Vec<Vec<Interface>>,
    /// Whether every network's members are known, so that what is missing is truly missing.
    pub(super) complete: bool,
}

pub(super) fn wire(scenario: &Scenario<'_>, roster: &Roster<'_, '_>, problems: &mut Vec<Problem>) -> Wiring {
    let mut wiring = Wiring { interfaces: vec![Vec::new(); roster.members.len()], complete: true, ..Wiring::default() };
    let mut macs = Macs::default();
    for network in &scenario.networks {
        problems.extend(bad_name(network.name.as_str(), network.name.span()));
        plug(network, scenario, roster, &mut macs, &mut wiring, problems);
    }
    if wiring.complete {
        refuse_unplugged(roster, &wiring, problems);
        address(scenario, roster, &mut wiring, problems);
        radio::identify(scenario, roster, &mut wiring, problems);
        radio::refuse_places(roster, &wiring, problems);
    }
    wiring
}

/// Makes the links of one network and the interfaces of its members.
fn plug(
    network: &schema::Network,
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    macs: &mut Macs,
    wiring: &mut Wiring,
    problems: &mut Vec<Problem>,
) {
    let before = problems.len();
    let members = members(network, roster, problems);
    let pipes = pipes(network, &members, scenario, roster, problems);
    let patch = named_profile(network.profile.as_ref(), scenario, &mut Vec::new()).cloned().unwrap_or_default();
    let regions = regions(network, &members, scenario, roster, problems);
    radio::refuse(network, &members, roster, problems);
    wifi::refuse(network, &members, roster, problems);
    let (Some(kind), true) = (network.kind, before == problems.len() && !members.is_empty()) else {
        wiring.complete = false;
        return;
    };
    let index = wiring.networks.len();
    let name = network.name.as_str();
    let mut join = |node: usize, link: usize, out: &Impairments| {
        let interface = wiring.interfaces[node].len();
        wiring.interfaces[node].push(Interface {
            network: index,
            network_name: name.into(),
            link,
            mtu: match kind {
                NetworkKind::Radio => radio::MTU,
                _ => out.more.as_ref().and_then(|more| more.mtu).map_or(MTU, |mtu| mtu.min(MTU)),
            },
            mac: macs.assign(name, &roster.members[node].name),
            addresses: Vec::new(),
            radio: None,
        });
        End::Node { node, interface }
    };
    let first = wiring.links.len();
    match (kind, members.as_slice()) {
        (NetworkKind::Switch, _) => {
            for (node, pipe) in members.iter().zip(pipes) {
                let link = wiring.links.len();
                wiring.links.push(Link {
                    name: format!("{name}/{}", roster.members[*node].name).into(),
                    network: index,
                    ends: [join(*node, link, &pipe[0]), End::Switch { network: index, part: 0 }],
                    pipes: pipe,
                    vlan: None,
                });
            }
        }
        (NetworkKind::Radio, _) => {
            for (node, pipe) in members.iter().zip(pipes) {
                let link = wiring.links.len();
                wiring.links.push(Link {
                    name: format!("{name}/{}", roster.members[*node].name).into(),
                    network: index,
                    ends: [join(*node, link, &pipe[0]), End::Air { network: index }],
                    pipes: pipe,
                    vlan: None,
                });
            }
        }
        (NetworkKind::Wifi, _) => {
            for (node, pipe) in members.iter().zip(pipes) {
                let (link, member) = (wiring.links.len(), &roster.members[*node]);
                let ends = match wifi::part(network, member) {
                    Part::AccessPoint => {
                        [End::AccessPoint { network: index, node: *node }, End::Switch { network: index, part: 0 }]
                    }
                    Part::Wired => [join(*node, link, &pipe[0]), End::Switch { network: index, part: 0 }],
                    Part::Station => [join(*node, link, &pipe[0]), End::Air { network: index }],
                };
                wiring.links.push(Link {
                    name: format!("{name}/{}", member.name).into(),
                    network: index,
                    ends,
                    pipes: pipe,
                    vlan: None,
                });
            }
        }
        (NetworkKind::Regions, _) => {
            for ((node, pipe), part) in members.iter().zip(pipes).zip(&regions.of_member) {
                let link = wiring.links.len();
                wiring.links.push(Link {
                    name: format!("{name}/{}", roster.members[*node].name).into(),
                    network: index,
                    ends: [join(*node, link, &pipe[0]), End::Switch { network: index, part: *part }],
                    pipes: pipe,
                    vlan: None,
                });
            }
            for ([one, other], pipes) in regions.paths {
                wiring.links.push(Link {
                    name: format!("{name}/{}/{}", regions.names[one], regions.names[other]).into(),
                    network: index,
                    ends: [one, other].map(|part| End::Trunk { network: index, part }),
                    pipes,
                    vlan: None,
                });
            }
        }
        (NetworkKind::PointToPoint, [one, other]) => wiring.links.push(Link {
            name: name.into(),
            network: index,
            ends: [join(*one, first, &pipes[0][0]), join(*other, first, &pipes[1][1])],
            // Each member's own link says what it sends.
            pipes: [pipes[0][0].clone(), pipes[1][1].clone()],
            vlan: None,
        }),
        (NetworkKind::PointToPoint, _) => {
            let span = network.members.as_deref().and_then(<[_]>::first).map(Text::span);
            let span = span.unwrap_or(network.name.span());
            let what = format!("a point-to-point network has two members, not {}", members.len());
            let problem = Problem::new(Code::Topology, span, what, "these");
            problems.push(problem.help("name two nodes, or make it a \"switch\""));
            wiring.complete = false;
            return;
        }
    }
    vlan::assign(network, kind, roster, &mut wiring.links[first..], problems);
    wiring.networks.push(Network {
        name: name.into(),
        kind,
        links: (first..wiring.links.len()).collect(),
        regions: regions.names,
        radio: (kind == NetworkKind::Radio).then(|| radio::air(network.radio.as_ref())),
        wifi: (kind == NetworkKind::Wifi).then(|| wifi::wifi(network.wifi.as_ref())),
        table: network.table,
        ageing_ns: network.ageing.as_ref().map(|ageing| ageing.get_ref().as_nanos()),
        patch: patch_cable(&patch),
    });
}

/// What a cable does that somebody plugs into a switch: it is as fast as the others, and no faster than 100 Mbit/s.
fn patch_cable(profile: &LinkProfile) -> Impairments {
    let others = impairments(profile);
    Impairments {
        latency_ns: others.latency_ns.max(1_000),
        rate_bits_per_second: others.rate_bits_per_second.or(Some(100_000_000)),
        queue_bytes: others.queue_bytes.or(Some(65_536)),
        ..Impairments::default()
    }
}

/// The regions of a network.
#[derive(Default)]
struct Regions {
    names: Vec<Arc<str>>,
    /// The region of each member.
    of_member: Vec<usize>,
    /// What lies between any two of them.
    paths: Vec<([usize; 2], [Impairments; 2])>,
}

fn regions(
    network: &schema::Network,
    members: &[usize],
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    problems: &mut Vec<Problem>,
) -> Regions {
    let is_of_regions = network.kind == Some(NetworkKind::Regions);
    if let (Some(span), false, Some(_)) = (network.region_keys.first(), is_of_regions, network.kind) {
        let problem = Problem::new(Code::KeyConflict, span.clone(), "this network has no regions", "leave this out");
        problems.push(problem.help("or write: kind = \"regions\""));
    }
    if !is_of_regions {
        return Regions::default();
    }
    if network.regions.len() < 2 {
        let what = "a network of regions has two at least";
        let problem = Problem::new(Code::MissingKey, network.name.span(), what, "which regions?");
        problems.push(problem.help("for example: region = { europe = [\"hub\"], asia = \"sensor-*\" }"));
    }
    let mut regions = Regions::default();
    for (name, globs) in &network.regions {
        problems.extend(bad_name(name.as_str(), name.span()));
        let is_member = |glob: &str| members.iter().any(|node| matches(glob, &roster.members[*node].name));
        for glob in globs.iter().filter(|glob| !is_member(glob.as_str())) {
            let noun = format!("member of [network.{}]", network.name.as_str());
            problems.push(roster.no_match(glob.as_str(), glob.span(), &noun));
        }
        regions.names.push(name.as_str().into());
    }
    for node in members {
        let name = &roster.members[*node].name;
        let is_here = |(_, globs): &&(Text, Vec<Text>)| globs.iter().any(|glob| matches(glob.as_str(), name));
        let found: Vec<&(Text, Vec<Text>)> = network.regions.iter().filter(is_here).collect();
        let what = match found[..] {
            [one] => {
                let is_it = |(name, _): &(Text, Vec<Text>)| name.as_str() == one.0.as_str();
                regions.of_member.extend(network.regions.iter().position(is_it));
                continue;
            }
            [] => format!("\"{name}\" is in no region of [network.{}]", network.name.as_str()),
            [one, other, ..] => format!("\"{name}\" is in \"{}\" and in \"{}\"", one.0.as_str(), other.0.as_str()),
        };
        let span = network.region_keys.first().cloned().unwrap_or(network.name.span());
        problems.push(Problem::new(Code::Topology, span, what, "here").help("name it in one of the regions"));
    }
    paths(network, scenario, &mut regions, problems);
    regions
}

/// Whether what is said of a path "a/b" is said of that between two regions, from the one to the other and the other way.
pub(super) fn joins(path: &schema::Override, one: &str, other: &str) -> (bool, bool) {
    let Some((a, b)) = path.members.as_str().split_once('/') else { return (false, false) };
    (matches(a, one) && matches(b, other), matches(a, other) && matches(b, one))
}

/// What lies between any two regions.
fn paths(network: &schema::Network, scenario: &Scenario<'_>, regions: &mut Regions, problems: &mut Vec<Problem>) {
    let names = &regions.names;
    let mut hits = vec![false; network.paths.len()];
    for one in 0..names.len() {
        for other in one + 1..names.len() {
            let (mut link, mut is_said) = (LinkProfile::default(), false);
            for (path, hit) in network.paths.iter().zip(&mut hits) {
                let (forth, back) = joins(path, &names[one], &names[other]);
                if !forth && !back {
                    continue;
                }
                (*hit, is_said) = (true, true);
                if let Some(named) = named_profile(path.profile.as_ref(), scenario, problems) {
                    link = named.clone();
                }
                let mut change = path.link.clone();
                if back && !forth {
                    std::mem::swap(&mut change.up, &mut change.down);
                }
                link.overlay(&change);
            }
            if !is_said {
                let what = format!("nothing is said of the path between \"{}\" and \"{}\"", names[one], names[other]);
                let problem = Problem::new(Code::MissingKey, network.name.span(), what, "no path");
                let header = format!("[network.{}.path.\"{}/{}\"]", network.name.as_str(), names[one], names[other]);
                problems.push(problem.help(format!("add {header} with a `latency`, or \"*/*\" for all others")));
            }
            let ways = [Direction::Up, Direction::Down].map(|way| link.way(way));
            ways.iter().for_each(|way| refuse_contradictions(way, problems));
            regions.paths.push(([one, other], ways.map(|way| impairments(&way))));
        }
    }
    for (path, _) in network.paths.iter().zip(hits).filter(|(_, hit)| !hit) {
        let what = format!("no two regions match \"{}\"", path.members.as_str());
        let problem = Problem::new(Code::NoMatch, path.members.span(), what, "matches nothing");
        let names = list(names.iter().map(|name| &**name));
        problems.push(problem.help(format!("name two, such as \"europe/asia\"; regions are {names}")));
    }
}

fn members(network: &schema::Network, roster: &Roster<'_, '_>, problems: &mut Vec<Problem>) -> Vec<usize> {
    let mut members = Vec::new();
    let mut taken = vec![false; roster.members.len()];
    for glob in network.members.iter().flatten() {
        for node in roster.select(glob, problems) {
            if !std::mem::replace(&mut taken[node], true) {
                members.push(node);
            }
        }
    }
    members
}

/// What the links of the members do, up and down.
fn pipes(
    network: &schema::Network,
    members: &[usize],
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    problems: &mut Vec<Problem>,
) -> Vec<[Impairments; 2]> {
    let base = named_profile(network.profile.as_ref(), scenario, problems);
    let mut links: Vec<LinkProfile> = vec![base.cloned().unwrap_or_default(); members.len()];
    for change in &network.overrides {
        let named = named_profile(change.profile.as_ref(), scenario, problems);
        let mut hit = false;
        for (link, node) in links.iter_mut().zip(members) {
            if matches(change.members.as_str(), &roster.members[*node].name) {
                hit = true;
                if let Some(named) = named {
                    *link = named.clone();
                }
                link.overlay(&change.link);
            }
        }
        if !hit && !members.is_empty() {
            let noun = format!("member of [network.{}]", network.name.as_str());
            problems.push(roster.no_match(change.members.as_str(), change.members.span(), &noun));
        }
    }
    let ways = links.iter().map(|link| [Direction::Up, Direction::Down].map(|way| link.way(way)));
    let ways: Vec<[LinkProfile; 2]> = ways.collect();
    ways.iter().flatten().for_each(|link| refuse_contradictions(link, problems));
    ways.iter().map(|ways| [impairments(&ways[0]), impairments(&ways[1])]).collect()
}

pub(super) fn refuse_contradictions(link: &LinkProfile, problems: &mut Vec<Problem>) {
    if let (Some(queue), None) = (&link.queue_key, &link.rate) {
        let what = "a `queue` fills only where there is a `rate`";
        let span = link.queue.as_ref().map_or(queue.clone(), Spanned::span);
        let problem = Problem::new(Code::KeyConflict, span, what, "no rate with this");
        problems.push(problem.help("add, for example: rate = \"10 Mbit/s\""));
    }
    if let (Some(costs), None) = (&link.costs_key, &link.rate) {
        let what = "what a frame costs makes a difference only where there is a `rate`";
        let problem = Problem::new(Code::KeyConflict, costs.clone(), what, "no rate with this");
        problems.push(problem.help("add, for example: rate = \"10 Mbit/s\""));
    }
}

pub(super) fn named_profile<'s>(
    name: Option<&Text>,
    scenario: &'s Scenario<'_>,
    problems: &mut Vec<Problem>,
) -> Option<&'s LinkProfile> {
    let name = name?;
    let known = scenario.profiles.iter().find(|profile| profile.name.as_str() == name.as_str());
    if known.is_none() {
        let names = || scenario.profiles.iter().map(|profile| profile.name.as_str());
        let what = format!("there is no profile \"{}\"", name.as_str());
        let help = match did_you_mean(name.as_str(), names()) {
            Some(meant) => format!("did you mean \"{meant}\"? Profiles are {}", list(names())),
            None => format!("profiles are {}; define it under [profile.{}]", list(names()), name.as_str()),
        };
        let problem = Problem::new(Code::UnknownName, name.span(), what, "unknown profile");
        problems.push(problem.help(help));
    }
    known.map(|profile| &profile.link)
}

pub(super) fn impairments(link: &LinkProfile) -> Impairments {
    Impairments {
        latency_ns: link.latency.as_ref().map_or(0, |time| time.get_ref().as_nanos()),
        jitter_ns: link.jitter.as_ref().map_or(0, |time| time.get_ref().as_nanos()),
        loss_ppb: link.loss.as_ref().map_or(0, |loss| loss.get_ref().as_ppb()),
        rate_bits_per_second: link.rate.as_ref().map(|rate| rate.get_ref().as_bits_per_second()),
        queue_bytes: link.queue.as_ref().map(|queue| queue.get_ref().as_bytes()),
        more: (link.impair != Impair::default()).then(|| link.impair.clone().into()),
    }
}

fn refuse_unplugged(roster: &Roster<'_, '_>, wiring: &Wiring, problems: &mut Vec<Problem>) {
    let access_points = wiring.links.iter().filter_map(|link| match link.ends[0] {
        End::AccessPoint { node, .. } => Some(node),
        _ => None,
    });
    let plugged: BTreeSet<usize> = access_points.collect();
    let unplugged = || {
        let all = roster.members.iter().zip(&wiring.interfaces).enumerate();
        let bare = all.filter(|(node, (_, interfaces))| interfaces.is_empty() && !plugged.contains(node));
        bare.map(|(_, bare)| bare)
    };
    let mut told: Vec<Span> = Vec::new();
    for (member, _) in unplugged() {
        let place = member.place();
        if told.contains(&place) {
            continue;
        }
        let alike = unplugged().filter(|(other, _)| other.place() == place);
        let names: Vec<&str> = alike.map(|(other, _)| &*other.name).collect();
        let are = if names.len() == 1 { "is" } else { "are" };
        let what = format!("{} {are} in no network", list(names));
        let problem = Problem::new(Code::Topology, place.clone(), what, "not plugged in");
        problems.push(problem.help("name it among the `members` of a [network.…]"));
        told.push(place);
    }
}

/// Gives every interface its addresses.
fn address(scenario: &Scenario<'_>, roster: &Roster<'_, '_>, wiring: &mut Wiring, problems: &mut Vec<Problem>) {
    let mut found = Vec::new();
    assign(scenario, roster, wiring, &mut found);
    // What is wrong with one of many is wrong with the others for the same reason: it is told once.
    let mut told: BTreeSet<(Code, usize, usize)> = BTreeSet::new();
    found.retain(|problem: &Problem| {
        let Span { start, end } = problem.span();
        told.insert((problem.code(), start, end))
    });
    problems.append(&mut found);
}

fn assign(scenario: &Scenario<'_>, roster: &Roster<'_, '_>, wiring: &mut Wiring, problems: &mut Vec<Problem>) {
    let mut owners: BTreeMap<(usize, IpAddr), (usize, Span)> = BTreeMap::new();
    for (node, member) in roster.members.iter().enumerate() {
        let interfaces = &mut wiring.interfaces[node];
        let mut own: Vec<(usize, Cidr, Span)> = Vec::new();
        for address in &member.entry.addresses {
            let Some(interface) = interface_for(address, member, interfaces, &wiring.networks, problems) else {
                continue;
            };
            let network = interfaces[interface].network;
            let subnets = &scenario.networks[network].subnets;
            let Some(cidr) = instance_address(&address.cidr, member, subnets, problems) else {
                continue;
            };
            let span = address.cidr.span();
            interfaces[interface].addresses.push(cidr);
            refuse_overlapping(member, (interface, cidr, &span), &own, interfaces, problems);
            own.push((interface, cidr, span.clone()));
            let Some((owner, first)) = owners.insert((network, cidr.ip), (node, span.clone())) else {
                continue;
            };
            let owner = &roster.members[owner].name;
            let what = format!("\"{owner}\" and \"{}\" both have the address {}", member.name, cidr.ip);
            let problem = Problem::new(Code::Duplicate, span.clone(), what, "counts up to it, or is it")
                .also(first.clone(), "and so does this")
                .help("give one of them another `address`; with a `count`, addresses count up from the given one");
            problems.push(problem);
        }
        refuse_unaddressed(member, interfaces, &wiring.networks, problems);
    }
    for (member, interfaces) in roster.members.iter().zip(&wiring.interfaces) {
        refuse_gateways(member, interfaces, &owners, problems);
    }
}

/// Who passes packets on cannot tell two networks apart that have addresses in common, but those of a link alone.
fn refuse_overlapping(
    member: &Member<'_, '_>,
    (interface, cidr, span): (usize, Cidr, &Span),
    own: &[(usize, Cidr, Span)],
    interfaces: &[Interface],
    problems: &mut Vec<Problem>,
) {
    if !member.kind.as_ref().is_some_and(|kind| kind.passes_on()) {
        return;
    }
    let is_of_link = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let overlaps = |other: &Cidr| other.contains(cidr.ip) || cidr.contains(other.ip);
    let other = own.iter().find(|(at, other, _)| *at != interface && overlaps(other) && !is_of_link(other.ip));
    if let Some((at, other, first)) = other {
        let [here, there] = [interface, *at].map(|at| &interfaces[at].network_name);
        let what = format!("{other} on \"{there}\" and {cidr} on \"{here}\" overlap: \"{}\" is in both", member.name);
        let problem = Problem::new(Code::Address, span.clone(), what, "addresses that are the other network's, too");
        let problem = problem.also(first.clone(), "the other network");
        problems.push(problem.help("give its networks subnets that have no address in common"));
    }
}

/// A gateway is somebody else, and in reach; there is one of each family, or one for each network of a node that chooses
/// between its networks.
fn refuse_gateways(
    member: &Member<'_, '_>,
    interfaces: &[Interface],
    owners: &BTreeMap<(usize, IpAddr), (usize, Span)>,
    problems: &mut Vec<Problem>,
) {
    let mut refuse = |span, what: String, label: &str, help: &str| {
        problems.push(Problem::new(Code::Address, span, what, label).help(help));
    };
    let name = &member.name;
    let by = |address: IpAddr| {
        interfaces.iter().position(|interface| interface.addresses.iter().any(|own| own.contains(address)))
    };
    let chooses = member.kind.as_ref().is_some_and(|kind| kind.is_multihomed());
    for (index, gateway) in member.entry.gateways.iter().enumerate() {
        let (span, address) = (gateway.span(), *gateway.get_ref());
        let is_second = |other: &Spanned<IpAddr>| {
            let other = *other.get_ref();
            other.is_ipv4() == address.is_ipv4() && !(chooses && by(other) != by(address))
        };
        if member.entry.gateways[..index].iter().any(is_second) {
            let what = format!("\"{name}\" has two gateways of one address family");
            refuse(span, what, "the second", "leave one out; a \"router\" can have `routes` besides");
            continue;
        }
        if member.entry.dhcp.is_some() {
            let what = format!("\"{name}\" asks for its address, and is told its gateway with it");
            refuse(span, what, "leave this out", "write `router = \"…\"` in the config of the \"dhcp-server\"");
            continue;
        }
        let Some(interface) = by(address).map(|at| &interfaces[at]) else {
            let what = format!("{address} is in none of the networks of \"{name}\"");
            refuse(span, what, "not in reach", "a gateway is a neighbour: give its address on the same subnet");
            continue;
        };
        if interface.addresses.iter().any(|own| own.ip == address) {
            let what = format!("\"{name}\" is its own gateway");
            refuse(span, what, "its own address", "give the address of a router");
        } else if !owners.contains_key(&(interface.network, address)) {
            let what = format!("nobody on \"{}\" has the address {address}", interface.network_name);
            refuse(span, what, "nobody", "give the address of a node whose kind is \"router\"");
        }
    }
}

/// Which of the node's interfaces an address is for.
fn interface_for(
    address: &schema::Address,
    member: &Member<'_, '_>,
    interfaces: &[Interface],
    networks: &[Network],
    problems: &mut Vec<Problem>,
) -> Option<usize> {
    let own = || interfaces.iter().map(|interface| &*networks[interface.network].name);
    match &address.network {
        None if interfaces.len() > 1 => {
            let span = address.cidr.span();
            let what = format!("\"{}\" is in {} networks: which is this address for?", member.name, interfaces.len());
            let example: Vec<String> = own().map(|name| format!("{name} = \"…\"")).collect();
            let problem = Problem::new(Code::Address, span, what, "for which network?");
            problems.push(problem.help(format!("write address = {{ {} }}", example.join(", "))));
            None
        }
        None => (!interfaces.is_empty()).then_some(0),
        Some(name) => {
            let found = own().position(|network| network == name.as_str());
            if found.is_none() {
                let known = networks.iter().any(|network| *network.name == *name.as_str());
                let (code, what) = match known {
                    true => {
                        (Code::Topology, format!("\"{}\" is not in the network \"{}\"", member.name, name.as_str()))
                    }
                    false => (Code::UnknownName, format!("there is no network \"{}\"", name.as_str())),
                };
                let problem = Problem::new(code, name.span(), what, "not one of its networks");
                let help = match did_you_mean(name.as_str(), own()) {
                    Some(meant) => format!("did you mean \"{meant}\"? Its networks are {}", list(own())),
                    None => format!("its networks are {}", list(own())),
                };
                problems.push(problem.help(help));
            }
            found
        }
    }
}

/// The address of one of the nodes that an entry stands for.
fn instance_address(
    first: &Spanned<Cidr>,
    member: &Member<'_, '_>,
    subnets: &[Spanned<Cidr>],
    problems: &mut Vec<Problem>,
) -> Option<Cidr> {
    let refuse = |what: String, help: String, problems: &mut Vec<Problem>| {
        problems.push(Problem::new(Code::Address, first.span(), what, "here").help(help));
    };
    let stepped = first.get_ref().step(member.instance);
    let Some(cidr) = stepped.filter(|cidr| first.get_ref().contains(cidr.ip)) else {
        if stepped.is_none() || starts_outside(first.get_ref(), member.instance) {
            let what = format!("the address of \"{}\" lies beyond the subnet of {}", member.name, first.get_ref());
            let help = "begin lower, count less, or take a shorter prefix";
            refuse(what, help.into(), problems);
        }
        return None;
    };
    if let Some(reason) = cidr.unfit_for_host() {
        let what = format!("\"{}\" cannot have {}: it is {reason}", member.name, cidr.ip);
        refuse(what, "choose another address in the subnet".into(), problems);
        return None;
    }
    let fits = |subnet: &&Spanned<Cidr>| {
        let subnet = subnet.get_ref();
        subnet.contains(cidr.ip) && subnet.prefix == cidr.prefix
    };
    if !subnets.is_empty() && !subnets.iter().any(|subnet| fits(&subnet)) {
        let names: Vec<String> = subnets.iter().map(|subnet| subnet.get_ref().to_string()).collect();
        let what = format!("\"{}\" has {cidr}, outside its network's subnet", member.name);
        let help = format!("subnets of the network are {}", list(names.iter().map(String::as_str)));
        let problem = Problem::new(Code::Address, first.span(), what, "outside");
        problems.push(problem.also(subnets[0].span(), "the subnet").help(help));
        return None;
    }
    Some(cidr)
}

/// Whether the instance is the first that lies outside, so that it is told once.
fn starts_outside(first: &Cidr, instance: u32) -> bool {
    let before = instance.checked_sub(1).and_then(|before| first.step(before));
    before.is_none_or(|before| first.contains(before.ip))
}

fn refuse_unaddressed(
    member: &Member<'_, '_>,
    interfaces: &[Interface],
    networks: &[Network],
    problems: &mut Vec<Problem>,
) {
    // Addresses without a network that could not be placed have been told.
    let placed = member.entry.addresses.iter().all(|address| address.network.is_some());
    let given = |network: &str| {
        let addresses = &member.entry.addresses;
        addresses.iter().any(|address| address.network.as_ref().is_some_and(|name| name.as_str() == network))
    };
    if !placed || member.entry.addresses.is_empty() {
        return;
    }
    for interface in interfaces {
        let network = &networks[interface.network].name;
        if !given(network) {
            let what = format!("\"{}\" has no address on \"{network}\"", member.name);
            let problem = Problem::new(Code::Address, member.place(), what, "no address there");
            problems.push(problem.help(format!("add `{network} = \"…\"` to its `address`")));
        }
    }
}
