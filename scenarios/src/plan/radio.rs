//! Radios: where they are, the air that they share, and who they are by their addresses.

use std::net::{IpAddr, Ipv6Addr};

use super::roster::{Member, Roster};
use super::wifi::is_access_point;
use super::wiring::Wiring;
use super::{Band, Cidr, End, NetworkKind, Radio, Track, Transceiver};
use crate::diagnose::{Code, Problem};
use crate::schema::{self, Scenario};

/// The longest packet on such a network, in bytes (RFC 4944, section 4).
pub(super) const MTU: u32 = 1_280;

/// The number of a network that is told none.
const PAN: u16 = 0xbeef;

/// What members of a network share that says this of its radios.
pub(super) fn air(said: Option<&schema::Air>) -> Radio {
    let nothing = schema::Air::default();
    let said = said.unwrap_or(&nothing);
    let window_ns = said.window.as_ref().map_or(3_600_000_000_000, |window| window.get_ref().as_nanos());
    Radio {
        band: said.band,
        exponent_centi: said.exponent_centi.unwrap_or(300),
        waver: said.waver,
        power_cdbm: said.power_cdbm.unwrap_or(0),
        // IEEE 802.15.4-2006, clauses 6.5.3.3 and 6.6.3.4.
        sensitivity_cdbm: said.sensitivity_cdbm.unwrap_or(match said.band {
            Band::Mhz2450 => -8_500,
            Band::Mhz868 | Band::Mhz915 => -9_200,
        }),
        capture_cdb: said.capture_cdb.unwrap_or(300),
        duty_cycle: said.duty_cycle.as_ref().map(|share| (share.get_ref().as_ppb(), window_ns)),
        exponents: [said.exponent_min.unwrap_or(3), said.exponent_max.unwrap_or(5)],
        backoffs: said.backoffs.unwrap_or(4),
        retries: said.retries.unwrap_or(3),
        queue: said.queue.unwrap_or(32),
    }
}

/// Where a node is.
pub(super) fn track(member: &Member<'_, '_>) -> Option<Track> {
    let position = member.entry.position.as_ref().ok()?.as_ref()?;
    let moves = member.entry.moves.iter();
    let moves = moves.filter_map(|it| Some((it.at.as_ref()?.get_ref().as_nanos(), it.to_mm?)));
    Some(Track { start_mm: position.get_ref().of(member.instance), moves: moves.collect() })
}

/// Notes what does not go together in a network, whether it is one of radios or not.
pub(super) fn refuse(
    network: &schema::Network,
    members: &[usize],
    roster: &Roster<'_, '_>,
    problems: &mut Vec<Problem>,
) {
    let is_radio = network.kind == Some(NetworkKind::Radio);
    if let (Some(span), false, Some(_)) = (&network.radio_key, is_radio, network.kind) {
        let problem = Problem::new(Code::KeyConflict, span.clone(), "this network has no radios", "leave this out");
        problems.push(problem.help("or write: kind = \"radio\""));
    }
    if !is_radio {
        return;
    }
    refuse_contradictions(network, problems);
    let mut told: Vec<*const schema::Node<'_>> = Vec::new();
    for member in members.iter().map(|member| &roster.members[*member]) {
        let entry = std::ptr::from_ref(member.entry);
        if !told.contains(&entry) {
            told.push(entry);
            refuse_placeless(network.name.as_str(), member, problems);
            refuse_moves(member, problems);
            refuse_member(member, problems);
        }
    }
}

fn refuse_contradictions(network: &schema::Network, problems: &mut Vec<Problem>) {
    let Some(radio) = &network.radio else { return };
    let span = network.radio_key.clone().unwrap_or(network.name.span());
    let plan = air(Some(radio));
    if plan.exponents[0] > plan.exponents[1] {
        let what = format!("`min_be` is {}, and `max_be` is {}", plan.exponents[0], plan.exponents[1]);
        let problem = Problem::new(Code::KeyConflict, span.clone(), what, "the first is the smaller one");
        problems.push(problem.help("leave both out for 3 and 5"));
    }
    if let (Some(window), None) = (&radio.window, &radio.duty_cycle) {
        let problem =
            Problem::new(Code::KeyConflict, window.span(), "`window` needs `duty_cycle`", "a window of what?");
        problems.push(problem.help("add, for example: duty_cycle = \"1 %\""));
    }
    let longest_ns = crate::build::airtime_ns(plan.band, 125);
    if let (Some(share), Some((ppb, window_ns))) = (&radio.duty_cycle, plan.duty_cycle)
        && u128::from(window_ns) * u128::from(ppb) / 1_000_000_000 < u128::from(longest_ns)
    {
        let what = format!("{} of the window is less than a frame takes, {} us", share.get_ref(), longest_ns / 1_000);
        let problem = Problem::new(Code::OutOfRange, share.span(), what, "nothing could be sent");
        problems.push(problem.help("allow more, or make the `window` longer"));
    }
}

/// Whoever has a radio is somewhere.
pub(super) fn refuse_placeless(network: &str, member: &Member<'_, '_>, problems: &mut Vec<Problem>) {
    if let Ok(None) = &member.entry.position {
        let what = format!("\"{}\" has a radio on \"{network}\", but no `position`", member.name);
        let problem = Problem::new(Code::MissingKey, member.place(), what, "where is it?");
        problems.push(problem.help("add, for example: position = { x = 10, y = 25 }"));
    }
}

/// Nobody goes back in time.
pub(super) fn refuse_moves(member: &Member<'_, '_>, problems: &mut Vec<Problem>) {
    let times = member.entry.moves.iter().filter_map(|it| it.at.as_ref());
    for (before, after) in times.clone().zip(times.skip(1)) {
        if before.get_ref().as_nanos() >= after.get_ref().as_nanos() {
            let what = format!("`moves` are in the order of their times, and {} is not later", after.get_ref());
            let problem = Problem::new(Code::OutOfRange, after.span(), what, "not later than the one before");
            problems
                .push(problem.also(before.span(), "the one before").help("put them in order, each at its own time"));
        }
    }
}

fn refuse_member(member: &Member<'_, '_>, problems: &mut Vec<Problem>) {
    if let Some(kind) = member.kind.as_ref().filter(|kind| !kind.has_radio()) {
        let what = format!("a \"{}\" has no radio", kind.name());
        let problem = Problem::new(Code::Topology, member.place(), what, "cannot be in a network of radios");
        problems
            .push(problem.help("put it behind a \"gateway\" or \"router\" that is in this network and in another one"));
    }
}

/// A place does nothing where nobody has a radio that is heard there.
pub(super) fn refuse_places(roster: &Roster<'_, '_>, wiring: &Wiring, problems: &mut Vec<Problem>) {
    let mut told: Vec<*const schema::Node<'_>> = Vec::new();
    for (member, interfaces) in roster.members.iter().zip(&wiring.interfaces) {
        let entry = member.entry;
        let is_by_radio =
            interfaces.iter().any(|interface| matches!(wiring.links[interface.link].ends[1], End::Air { .. }));
        if is_by_radio || is_access_point(member) || told.contains(&std::ptr::from_ref(entry)) {
            continue;
        }
        told.push(entry);
        let position =
            entry.position.as_ref().ok().and_then(Option::as_ref).map(|position| ("position", position.span()));
        let moves =
            entry.moves.first().map(|first| ("moves", first.at.as_ref().map_or(member.place(), toml::Spanned::span)));
        for (key, span) in position.into_iter().chain(moves) {
            let what = format!("\"{}\" has no radio: `{key}` changes nothing", member.name);
            let problem = Problem::new(Code::KeyConflict, span, what, "leave this out");
            problems.push(
                problem.help("or put it in a network whose kind is \"radio\", or \"wifi\" and not among its `wired`"),
            );
        }
    }
}

/// Gives each radio its EUI-64, which its addresses tell (RFC 4944, section 6), and what its network agrees on.
pub(super) fn identify(
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    wiring: &mut Wiring,
    problems: &mut Vec<Problem>,
) {
    for network in 0..wiring.networks.len() {
        if wiring.networks[network].kind != NetworkKind::Radio {
            continue;
        }
        let own = |interface: &&mut super::Interface| interface.network == network;
        let pan = scenario.networks[network].radio.as_ref().and_then(|radio| radio.pan).unwrap_or(PAN);
        let mut prefixes: Vec<Ipv6Addr> = Vec::new();
        let all = wiring.interfaces.iter().flatten().filter(|interface| interface.network == network);
        for prefix in all.flat_map(|interface| &interface.addresses).filter_map(|own| halves(*own)).map(|it| it.0) {
            if !prefixes.contains(&prefix) {
                prefixes.push(prefix);
            }
        }
        if prefixes.len() > wavetank_stack::lowpan::CONTEXTS_MAX {
            let what = format!("radios of one network agree on {} subnets", wavetank_stack::lowpan::CONTEXTS_MAX);
            let span = scenario.networks[network].name.span();
            let problem = Problem::new(Code::Address, span, what, format!("these have {}", prefixes.len()));
            problems.push(problem.help("give its members addresses of fewer subnets"));
        }
        let mut told: Vec<*const schema::Node<'_>> = Vec::new();
        for (member, interfaces) in roster.members.iter().zip(&mut wiring.interfaces) {
            let Some(interface) = interfaces.iter_mut().find(own) else { continue };
            match eui(&interface.addresses) {
                Ok(eui) => interface.radio = Some(Transceiver { eui, pan, prefixes: prefixes.clone() }),
                Err((what, help)) if !told.contains(&std::ptr::from_ref(member.entry)) => {
                    told.push(std::ptr::from_ref(member.entry));
                    let said = member.entry.addresses.first().map(|own| own.cidr.span());
                    let what = format!("\"{}\" is a radio, and {what}", member.name);
                    problems.push(Problem::new(Code::Address, said.unwrap_or(member.place()), what, "here").help(help));
                }
                Err(_) => {}
            }
        }
    }
}

/// The prefix, and the number of the interface.
fn halves(address: Cidr) -> Option<(Ipv6Addr, u64)> {
    let IpAddr::V6(ip) = address.ip else { return None };
    let bits = ip.to_bits();
    Some((Ipv6Addr::from_bits(bits >> 64 << 64), bits as u64))
}

/// The bit that tells made-up identifiers from the world's (RFC 4291, appendix A).
const UNIVERSAL: u64 = 1 << 57;

/// Identifiers that are made of short addresses (RFC 4944, section 6).
const SHORT: u64 = 0x0000_00ff_fe00_0000;

fn eui(addresses: &[Cidr]) -> Result<[u8; 8], (String, &'static str)> {
    const EXAMPLE: &str = "write, for example: address = \"fd00::17/64\"";
    let mut identifier = None;
    for own in addresses {
        let Some((_, lower)) = halves(*own).filter(|_| own.prefix == 64) else {
            return Err((format!("{own} is no IPv6 address of a /64"), EXAMPLE));
        };
        if lower & !0xffff == SHORT {
            return Err((format!("{} is made of a short address", own.ip), EXAMPLE));
        }
        if identifier.replace(lower).is_some_and(|other| other != lower) {
            let help =
                "its radio's number is the lower half of all its addresses: let them differ in the upper half alone";
            return Err(("its addresses are those of two radios".to_owned(), help));
        }
    }
    let Some(identifier) = identifier else { return Err(("it has no address".to_owned(), EXAMPLE)) };
    Ok((identifier ^ UNIVERSAL).to_be_bytes())
}
