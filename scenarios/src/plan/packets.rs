//! Single frames: which link is meant.

use super::Packet;
use super::roster::matches;
use super::wiring::Wiring;
use crate::diagnose::{Code, Problem, did_you_mean, list};
use crate::schema::{self, Scenario, Text};

pub(super) fn packets(scenario: &Scenario<'_>, wiring: &Wiring, problems: &mut Vec<Problem>) -> Vec<Packet> {
    scenario.packets.iter().filter_map(|packet| planned(packet, wiring, problems)).collect()
}

fn planned(packet: &schema::Packet, wiring: &Wiring, problems: &mut Vec<Problem>) -> Option<Packet> {
    let link = link(packet.link.as_ref()?, wiring, problems)?;
    Some(Packet { link, direction: packet.direction?, frame: packet.frame?, what: packet.what.clone()? })
}

/// The one link of that name.
fn link(name: &Text, wiring: &Wiring, problems: &mut Vec<Problem>) -> Option<usize> {
    let found = wiring.links.iter().position(|link| *link.name == *name.as_str());
    if found.is_none() && wiring.complete {
        let names = || wiring.links.iter().map(|link| &*link.name);
        let all: Vec<&str> = names().filter(|link| matches(name.as_str(), link)).collect();
        let help = match did_you_mean(name.as_str(), names()) {
            _ if !all.is_empty() => format!("a frame is on one link: name it, such as \"{}\"", all[0]),
            Some(meant) => format!("did you mean \"{meant}\"? Links are {}", list(names())),
            None => format!("links are {}", list(names())),
        };
        let what = format!("there is no link \"{}\"", name.as_str());
        problems.push(Problem::new(Code::NoMatch, name.span(), what, "unknown link").help(help));
    }
    found
}
