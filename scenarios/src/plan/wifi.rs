//! Networks of access points: who is at the switch behind them, and who has a radio.

use super::radio::{refuse_moves, refuse_placeless};
use super::roster::{Member, Roster, matches};
use super::{AccessPoint, NetworkKind, Wifi};
use crate::diagnose::{Code, Problem};
use crate::expr::Scope as _;
use crate::registry::Config;
use crate::schema;

/// What all of a network share that says this of it.
pub(super) fn wifi(said: Option<&schema::Wifi>) -> Wifi {
    let nothing = schema::Wifi::default();
    let said = said.unwrap_or(&nothing);
    let ns = |time: &Option<schema::Spanned<crate::units::Time>>, default: u64| {
        time.as_ref().map_or(default, |time| time.get_ref().as_nanos())
    };
    Wifi {
        band: said.band,
        exponent_centi: said.exponent_centi.unwrap_or(300),
        waver: said.waver,
        power_cdbm: said.power_cdbm.unwrap_or(1_500),
        capture_cdb: said.capture_cdb.unwrap_or(1_000),
        beacon_ns: ns(&said.beacon, 102_400_000),
        beacons_lost: said.beacons_lost.unwrap_or(7),
        scan_ns: ns(&said.scan, 300_000_000),
        handshake_ns: ns(&said.handshake, 20_000_000),
        roam_cdbm: said.roam_cdbm.unwrap_or(-7_000),
        hysteresis_cdb: said.hysteresis_cdb.unwrap_or(800),
        retries: said.retries.unwrap_or(7),
        queue: said.queue.unwrap_or(64),
    }
}

/// How a node is in a network of access points.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    AccessPoint,
    Wired,
    Station,
}

pub(super) fn part(network: &schema::Network, member: &Member<'_, '_>) -> Part {
    let wired = network.wifi.iter().flat_map(|wifi| &wifi.wired);
    if is_access_point(member) {
        Part::AccessPoint
    } else if wired.into_iter().any(|glob| matches(glob.as_str(), &member.name)) {
        Part::Wired
    } else {
        Part::Station
    }
}

pub(super) fn is_access_point(member: &Member<'_, '_>) -> bool {
    member.kind.as_ref().is_some_and(|kind| kind.is_access_point())
}

/// Notes what does not go together in a network, whether it has access points or not.
pub(super) fn refuse(
    network: &schema::Network,
    members: &[usize],
    roster: &Roster<'_, '_>,
    problems: &mut Vec<Problem>,
) {
    let is_wifi = network.kind == Some(NetworkKind::Wifi);
    if let (Some(span), false, Some(_)) = (&network.wifi_key, is_wifi, network.kind) {
        let what = "this network has no access points";
        let problem = Problem::new(Code::KeyConflict, span.clone(), what, "leave this out");
        problems.push(problem.help("or write: kind = \"wifi\""));
    }
    let members: Vec<&Member<'_, '_>> = members.iter().map(|member| &roster.members[*member]).collect();
    if !is_wifi {
        if let Some(stray) = members.iter().find(|member| is_access_point(member)).filter(|_| network.kind.is_some()) {
            let what = format!(
                "\"{}\" is an access point, and [network.{}] has no stations",
                stray.name,
                network.name.as_str()
            );
            let problem = Problem::new(Code::Topology, stray.place(), what, "cannot be in this network");
            problems.push(problem.help("it belongs in a network whose kind is \"wifi\""));
        }
        return;
    }
    refuse_wired(network, &members, roster, problems);
    let missing = [
        (Part::AccessPoint, "access point", "add a node whose kind is \"access-point\" to its `members`"),
        (Part::Station, "station", "name fewer members in `wired`, or make it a \"switch\""),
    ];
    for (sort, name, help) in missing {
        if roster.is_complete() && !members.is_empty() && !members.iter().any(|member| part(network, member) == sort) {
            let what = format!("[network.{}] has no {name}", network.name.as_str());
            problems.push(Problem::new(Code::Topology, network.name.span(), what, "nobody could join").help(help));
        }
    }
    let mut told: Vec<*const schema::Node<'_>> = Vec::new();
    for member in members.into_iter().filter(|member| part(network, member) != Part::Wired) {
        let entry = std::ptr::from_ref(member.entry);
        if !told.contains(&entry) {
            told.push(entry);
            refuse_placeless(network.name.as_str(), member, problems);
            refuse_moves(member, problems);
        }
    }
}

fn refuse_wired(
    network: &schema::Network,
    members: &[&Member<'_, '_>],
    roster: &Roster<'_, '_>,
    problems: &mut Vec<Problem>,
) {
    for glob in network.wifi.iter().flat_map(|wifi| &wifi.wired) {
        let mut hits = members.iter().filter(|member| matches(glob.as_str(), &member.name)).peekable();
        if hits.peek().is_none() && roster.is_complete() {
            let noun = format!("member of [network.{}]", network.name.as_str());
            problems.push(roster.no_match(glob.as_str(), glob.span(), &noun));
        }
        if let Some(own) = hits.find(|member| is_access_point(member)) {
            let what = format!("\"{}\" is an access point: it is at the switch anyway", own.name);
            let problem = Problem::new(Code::KeyConflict, glob.span(), what, "leave this out");
            problems.push(problem.help("name those that have no radio"));
        }
    }
}

/// What an access point is told, and the channel that it takes.
pub(super) fn access_point(
    member: &Member<'_, '_>,
    config: Option<&Config>,
    networks: &[(&schema::Network, Wifi)],
    problems: &mut Vec<Problem>,
) -> Option<AccessPoint> {
    let (network, wifi) = match networks {
        [one] => one,
        [] => return None,
        [(first, _), (second, _), ..] => {
            let names = [first, second].map(|network| network.name.as_str());
            let what = format!("\"{}\" is in [network.{}] and in [network.{}]", member.name, names[0], names[1]);
            let problem = Problem::new(Code::Topology, member.place(), what, "in two networks");
            problems.push(problem.help("an access point is in one: make another node for the other"));
            return None;
        }
    };
    let told = member.kind.as_ref()?.access_point(config?)?;
    let channel = told.channel.unwrap_or(match wifi.band {
        schema::WifiBand::Ghz2 => 1,
        schema::WifiBand::Ghz5 => 36,
    });
    if !wifi.band.has_channel(channel) {
        let what = format!(
            "there is no channel {channel} at {}, the band of [network.{}]",
            wifi.band.name(),
            network.name.as_str()
        );
        let place = member.entry.config.place(&schema::ConfigProblem::at("channel", String::new()));
        let help = match wifi.band {
            schema::WifiBand::Ghz2 => "take one from 1 to 13; 1, 6 and 11 do not overlap",
            schema::WifiBand::Ghz5 => "take one of 20 MHz, such as 36, 40, 44 or 48",
        };
        problems.push(Problem::new(Code::Config, place, what, "in the config of an access point").help(help));
    }
    Some(AccessPoint { channel, stations: told.stations })
}
