//! Faults with absolute times and single targets.

use super::NetworkKind;
use super::parts::{ailing, keep_named, refuse_partless, told};
use super::roster::{Roster, matches};
use super::wifi::is_access_point;
use super::wiring::{Wiring, impairments, named_profile, refuse_contradictions as refuse_queue_without_rate};
use super::{Direction, End, Fault, FaultKind, Plan, Sides, Tuning};
use crate::diagnose::{Code, Problem, list};
use crate::expr::Scope as _;
use crate::schema::{self, Lasting, Scenario, Target, Text};
use crate::units::{Current, SignedTime, Time};
use wavetank_sim::hw::Odds;

/// The faults, and when the last of them is over.
#[derive(Default)]
pub(super) struct Timeline {
    pub(super) faults: Vec<Fault>,
    pub(super) late: Vec<(usize, u64)>,
    pub(super) tunings: Vec<Tuning>,
    pub(super) sides: Vec<Sides>,
    /// `None` if it depends on what could not be read.
    pub(super) calm_ns: Option<u64>,
}

pub(super) fn timeline(
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    wiring: &Wiring,
    problems: &mut Vec<Problem>,
) -> Timeline {
    let mut timeline = Timeline::default();
    let mut last_ns = Some(0);
    for (entry, fault) in scenario.faults.iter().enumerate() {
        let jitter_ns = fault.jitter.as_ref().map_or(0, |jitter| jitter.get_ref().as_nanos());
        let times = times(fault, jitter_ns, scenario, problems);
        let kinds = kinds(fault, scenario, roster, wiring, &mut timeline, problems);
        let Some((at_ns, until_ns)) = times else {
            last_ns = None;
            continue;
        };
        for again_ns in repetitions(fault, at_ns, until_ns, jitter_ns, scenario) {
            let until_ns = until_ns.map(|until_ns| until_ns + again_ns);
            let over_ns = until_ns.unwrap_or(at_ns + again_ns) + jitter_ns + fault.told.off_ns();
            last_ns = last_ns.map(|last: u64| last.max(over_ns));
            for kind in &kinds {
                if jitter_ns > 0 {
                    timeline.late.push((timeline.faults.len(), jitter_ns));
                }
                timeline.faults.push(Fault { at_ns: at_ns + again_ns, until_ns, kind: *kind, entry });
            }
        }
    }
    for storm in &scenario.storms {
        let end = storm.until.as_ref().or(scenario.calm_after.as_ref()).or(scenario.duration.as_ref());
        last_ns = last_ns.zip(end).map(|(last, end)| last.max(end.get_ref().as_nanos()));
    }
    refuse_contradictions(&timeline.faults, scenario, roster, problems);
    timeline.calm_ns = calm(scenario, last_ns, problems);
    timeline
}

/// How much later a fault comes each time.
fn repetitions(
    fault: &schema::Fault,
    at_ns: u64,
    until_ns: Option<u64>,
    jitter_ns: u64,
    scenario: &Scenario<'_>,
) -> Vec<u64> {
    let Some(every) = &fault.every else { return vec![0] };
    let every_ns = every.get_ref().as_nanos().max(1);
    let end = scenario.calm_after.as_ref().or(scenario.duration.as_ref());
    let end_ns = end.map_or(0, |end| end.get_ref().as_nanos());
    let over_ns = until_ns.unwrap_or(at_ns).saturating_add(jitter_ns);
    let fit = end_ns.saturating_sub(over_ns) / every_ns + 1;
    let times = fault.times.as_ref().map_or(fit, |times| times.get_ref().unsigned_abs().min(fit));
    (0..times.min(1_000_000)).map(|time| time * every_ns).collect()
}

/// From one forged frame to the next.
const INTERVAL_NS: u64 = 1_000_000_000;

/// What happens, to each target.
fn kinds(
    fault: &schema::Fault,
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    wiring: &Wiring,
    timeline: &mut Timeline,
    problems: &mut Vec<Problem>,
) -> Vec<FaultKind> {
    let (Some(kind), Some(globs)) = (fault.kind, &fault.targets) else {
        return Vec::new();
    };
    if kind == schema::FaultKind::Partition {
        return partition(fault, globs, roster, timeline, problems);
    }
    let tuning = (kind == schema::FaultKind::Degrade).then(|| tuning(fault, scenario, timeline, problems));
    let found = targets_of(kind, globs, roster, wiring, problems);
    refuse_out_of_reach(fault, kind, &found, roster, wiring, problems);
    let found = found.into_iter();
    let interval_ns = fault.interval.as_ref().map_or(INTERVAL_NS, |interval| interval.get_ref().as_nanos());
    let ways = fault.direction.map_or(vec![Direction::Up, Direction::Down], |direction| vec![direction]);
    let aimed = found.flat_map(|plain| {
        let (node, link) = (plain.index(), plain.index());
        let each = |aim: &dyn Fn(Direction) -> Option<FaultKind>| ways.iter().filter_map(|way| aim(*way)).collect();
        match kind {
            schema::FaultKind::CutLink => match fault.direction {
                Some(direction) => vec![FaultKind::CutOneWay { link, direction }],
                None => vec![plain],
            },
            schema::FaultKind::Clog => each(&|direction| Some(FaultKind::Clog { link, direction })),
            schema::FaultKind::Mtu => each(&|direction| Some(FaultKind::Mtu { link, direction, bytes: fault.mtu? })),
            schema::FaultKind::Degrade => each(&|direction| {
                let tuning = tuning.flatten()? + usize::from(direction == Direction::Down);
                Some(FaultKind::Degrade { link, direction, tuning })
            }),
            schema::FaultKind::SlowCpu => {
                let poll = fault.poll.as_ref().map(|poll| poll.get_ref().as_nanos());
                poll.map(|poll_ns| FaultKind::SlowCpu { node, poll_ns }).into_iter().collect()
            }
            schema::FaultKind::BatteryDrain => {
                let na = fault.current.map(Current::as_nanoamperes);
                na.map(|na| FaultKind::BatteryDrain { node, na }).into_iter().collect()
            }
            schema::FaultKind::ClockStep => {
                let by = fault.by.as_ref().map(|by| by.get_ref().as_nanos());
                by.map(|by_ns| FaultKind::ClockStep { node, by_ns }).into_iter().collect()
            }
            schema::FaultKind::ArpPoison => {
                let address = fault.address.as_ref().map(|address| *address.get_ref());
                address.map(|address| FaultKind::ArpPoison { node, address, interval_ns }).into_iter().collect()
            }
            schema::FaultKind::IpConflict => vec![FaultKind::IpConflict { node, interval_ns }],
            schema::FaultKind::MacDuplicate => vec![FaultKind::MacDuplicate { node, interval_ns }],
            schema::FaultKind::ShrinkPool => {
                fault.shrinks.map(|(pool, limit)| FaultKind::ShrinkPool { node, pool, limit }).into_iter().collect()
            }
            schema::FaultKind::Deauthenticate => vec![FaultKind::Deauthenticate { node, interval_ns }],
            schema::FaultKind::Jam => {
                let noise = fault.noise_cdb.map(|noise_cdb| FaultKind::Jam { network: node, noise_cdb });
                noise.into_iter().collect()
            }
            schema::FaultKind::WrongRoute => {
                let via = fault.via.as_ref().map(|via| *via.get_ref());
                let to = fault.to.as_ref().map(|to| *to.get_ref());
                to.map(|to| FaultKind::WrongRoute { node, to, via }).into_iter().collect()
            }
            schema::FaultKind::ClockDrift => {
                let drift = fault.drift.as_ref().map(|drift| drift.get_ref().as_ppb());
                drift.map(|ppb| FaultKind::ClockDrift { node, ppb }).into_iter().collect()
            }
            schema::FaultKind::DropTasks => vec![FaultKind::DropTasks { node, odds: fault.told.odds() }],
            schema::FaultKind::Cancel => vec![FaultKind::Cancel { node, odds: fault.told.odds() }],
            schema::FaultKind::SpuriousPolls => vec![FaultKind::SpuriousPolls { node, odds: fault.told.odds() }],
            schema::FaultKind::LateWakes => {
                vec![FaultKind::LateWakes { node, odds: fault.told.odds(), by_ns: fault.told.extra_ns() }]
            }
            schema::FaultKind::Tamper(_) => {
                fault.tampering.map(|what| FaultKind::Tamper { link, what }).into_iter().collect()
            }
            schema::FaultKind::Part(ailment) => vec![told(plain, ailment.make(&fault.told))],
            _ => vec![plain],
        }
    });
    let mut aimed: Vec<FaultKind> = aimed.collect();
    if let Some(part) = &fault.told.part {
        keep_named(&mut aimed, part, roster, problems);
    }
    aimed
}

/// What is forged, or handed to the wrong neighbour, is on a network of the target's.
fn refuse_out_of_reach(
    fault: &schema::Fault,
    kind: schema::FaultKind,
    found: &[FaultKind],
    roster: &Roster<'_, '_>,
    wiring: &Wiring,
    problems: &mut Vec<Problem>,
) {
    let address = match kind {
        schema::FaultKind::ArpPoison => &fault.address,
        schema::FaultKind::WrongRoute => &fault.via,
        _ => return,
    };
    let Some(address) = address.as_ref().filter(|_| wiring.complete) else { return };
    let reaches = |node: usize| {
        let mut own = wiring.interfaces[node].iter().flat_map(|interface| &interface.addresses);
        own.any(|own| own.contains(*address.get_ref()))
    };
    if let Some(far) = found.iter().map(FaultKind::index).find(|node| !reaches(*node)) {
        let what = format!("{} is in none of the networks of \"{}\"", address.get_ref(), roster.members[far].name);
        let problem = Problem::new(Code::FaultConflict, address.span(), what, "nothing would happen");
        problems.push(problem.help("name an address of one of its subnets"));
    }
    let by_radio = |node: usize| {
        let mut own = wiring.interfaces[node].iter().filter(|interface| interface.radio.is_some());
        own.any(|interface| interface.addresses.iter().any(|own| own.contains(*address.get_ref())))
    };
    if kind == schema::FaultKind::WrongRoute && found.iter().any(|fault| by_radio(fault.index())) {
        let what =
            format!("{} is a neighbour by radio, and a radio goes by a packet's address alone", address.get_ref());
        let problem = Problem::new(Code::FaultConflict, address.span(), what, "nothing would happen");
        problems.push(problem.help("leave `via` out, so that there is no route at all, or name a neighbour by cable"));
    }
}

/// The profile that a fault puts in place, up; the one down is the next.
fn tuning(
    fault: &schema::Fault,
    scenario: &Scenario<'_>,
    timeline: &mut Timeline,
    problems: &mut Vec<Problem>,
) -> Option<usize> {
    let name = fault.profile.as_ref()?;
    let profile = named_profile(Some(name), scenario, problems)?;
    let first = timeline.tunings.len();
    for direction in [Direction::Up, Direction::Down] {
        let way = profile.way(direction);
        refuse_queue_without_rate(&way, problems);
        timeline.tunings.push(Tuning { profile: name.as_str().into(), pipe: impairments(&way) });
    }
    Some(first)
}

fn partition(
    fault: &schema::Fault,
    globs: &[Text],
    roster: &Roster<'_, '_>,
    timeline: &mut Timeline,
    problems: &mut Vec<Problem>,
) -> Vec<FaultKind> {
    let mut named = |globs: &[Text]| {
        let mut nodes: Vec<usize> = globs.iter().flat_map(|glob| roster.select(glob, problems)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    };
    let from = named(globs);
    let mut to = match &fault.others {
        Some(others) => named(others),
        None => (0..roster.members.len()).collect(),
    };
    to.retain(|node| !from.contains(node));
    if to.is_empty() && !from.is_empty() {
        let what = "this partition has nobody on its other side";
        let problem = Problem::new(Code::FaultConflict, globs[0].span(), what, "all are on this side");
        problems.push(problem.help("name fewer targets, or others that are not among them"));
    }
    let mut sides = Vec::new();
    if fault.direction != Some(Direction::Down) {
        sides.push(Sides { from: from.clone(), to: to.clone() });
    }
    if fault.direction != Some(Direction::Up) {
        sides.push(Sides { from: to, to: from });
    }
    let first = timeline.sides.len();
    timeline.sides.append(&mut sides);
    (first..timeline.sides.len()).map(|sides| FaultKind::Partition { sides }).collect()
}

impl FaultKind {
    /// The row of the kinds of fault that it belongs to.
    #[must_use]
    pub fn shape(&self) -> &'static schema::FaultShape {
        use schema::FaultKind as Kind;
        let kind = match self {
            Self::CutLink { .. } | Self::CutOneWay { .. } => Kind::CutLink,
            Self::Clog { .. } => Kind::Clog,
            Self::Degrade { .. } => Kind::Degrade,
            Self::Mtu { .. } => Kind::Mtu,
            Self::Partition { .. } => Kind::Partition,
            Self::PowerCut { .. } => Kind::PowerCut,
            Self::BrownOut { .. } => Kind::BrownOut,
            Self::BatteryDrain { .. } => Kind::BatteryDrain,
            Self::Crash { .. } => Kind::Crash,
            Self::Restart { .. } => Kind::Restart,
            Self::Pause { .. } => Kind::Pause,
            Self::SlowCpu { .. } => Kind::SlowCpu,
            Self::ClockStep { .. } => Kind::ClockStep,
            Self::ClockDrift { .. } => Kind::ClockDrift,
            Self::ClockStop { .. } => Kind::ClockStop,
            Self::Hang { .. } => Kind::Hang,
            Self::SpuriousPolls { .. } => Kind::SpuriousPolls,
            Self::LateWakes { .. } => Kind::LateWakes,
            Self::Starve { .. } => Kind::Starve,
            Self::DropTasks { .. } => Kind::DropTasks,
            Self::Cancel { .. } => Kind::Cancel,
            Self::Part { ailment, .. } => Kind::of(*ailment),
            Self::Tamper { what, .. } => schema::TamperKind::of(what),
            Self::Loop { .. } => Kind::Loop,
            Self::ArpPoison { .. } => Kind::ArpPoison,
            Self::IpConflict { .. } => Kind::IpConflict,
            Self::MacDuplicate { .. } => Kind::MacDuplicate,
            Self::ShrinkPool { .. } => Kind::ShrinkPool,
            Self::Deauthenticate { .. } => Kind::Deauthenticate,
            Self::Jam { .. } => Kind::Jam,
            Self::NatReboot { .. } => Kind::NatReboot,
            Self::WrongRoute { .. } => Kind::WrongRoute,
        };
        kind.shape()
    }
}

impl Fault {
    /// The entry `[[fault]]` of a scenario file that says the same.
    #[must_use]
    pub fn to_toml(&self, plan: &Plan) -> String {
        use schema::FaultKind as Kind;
        let link = |index: usize| format!("\"{}\"", plan.links[index].name);
        let node = |index: usize| format!("\"{}\"", plan.nodes[index].name);
        let way = |direction| match direction {
            Direction::Up => "direction = \"up\"\n".to_owned(),
            Direction::Down => "direction = \"down\"\n".to_owned(),
        };
        let none = String::new;
        let interval = |ns: u64| format!("interval = \"{}\"\n", Time::from_nanos(ns));
        let (kind, target, more) = match self.kind {
            FaultKind::CutLink { link: at } => (Kind::CutLink, link(at), none()),
            FaultKind::CutOneWay { link: at, direction } => (Kind::CutLink, link(at), way(direction)),
            FaultKind::Clog { link: at, direction } => (Kind::Clog, link(at), way(direction)),
            FaultKind::Degrade { link: at, direction, tuning } => {
                let profile = &plan.tunings[tuning].profile;
                (Kind::Degrade, link(at), way(direction) + &format!("profile = \"{profile}\"\n"))
            }
            FaultKind::Mtu { link: at, direction, bytes } => {
                (Kind::Mtu, link(at), way(direction) + &format!("mtu = \"{bytes} B\"\n"))
            }
            FaultKind::Partition { sides } => {
                let Sides { from, to } = &plan.sides[sides];
                let names = |nodes: &[usize]| {
                    let names: Vec<String> = nodes.iter().map(|index| node(*index)).collect();
                    format!("[{}]", names.join(", "))
                };
                (Kind::Partition, names(from), way(Direction::Up) + &format!("others = {}\n", names(to)))
            }
            FaultKind::PowerCut { node: at } => (Kind::PowerCut, node(at), none()),
            FaultKind::BrownOut { node: at } => (Kind::BrownOut, node(at), none()),
            FaultKind::BatteryDrain { node: at, na } => {
                (Kind::BatteryDrain, node(at), format!("current = \"{}\"\n", Current::from_nanoamperes(na)))
            }
            FaultKind::Crash { node: at } => (Kind::Crash, node(at), none()),
            FaultKind::Restart { node: at } => (Kind::Restart, node(at), none()),
            FaultKind::Pause { node: at } => (Kind::Pause, node(at), none()),
            FaultKind::SlowCpu { node: at, poll_ns } => {
                (Kind::SlowCpu, node(at), format!("poll = \"{}\"\n", Time::from_nanos(poll_ns)))
            }
            FaultKind::ClockStep { node: at, by_ns } => {
                (Kind::ClockStep, node(at), format!("by = \"{}\"\n", SignedTime::from_nanos(by_ns)))
            }
            FaultKind::ClockDrift { node: at, ppb } => {
                let (sign, size) = (if ppb < 0 { "-" } else { "" }, ppb.unsigned_abs());
                (Kind::ClockDrift, node(at), format!("drift_ppm = {sign}{}.{:03}\n", size / 1_000, size % 1_000))
            }
            FaultKind::ClockStop { node: at } => (Kind::ClockStop, node(at), none()),
            FaultKind::Hang { node: at } => (Kind::Hang, node(at), none()),
            FaultKind::SpuriousPolls { node: at, odds } => (Kind::SpuriousPolls, node(at), schema::odds_told(odds)),
            FaultKind::LateWakes { node: at, odds, by_ns } => {
                let extra = format!("extra = \"{}\"\n", Time::from_nanos(by_ns));
                (Kind::LateWakes, node(at), extra + &schema::odds_told(odds))
            }
            FaultKind::Starve { node: at } => (Kind::Starve, node(at), none()),
            FaultKind::DropTasks { node: at, odds } => (Kind::DropTasks, node(at), schema::odds_told(odds)),
            FaultKind::Cancel { node: at, odds } => (Kind::Cancel, node(at), schema::odds_told(odds)),
            FaultKind::Part { node: at, part, ailment } => {
                let part = plan.nodes[at].kind.parts()[part].name;
                (Kind::of(ailment), node(at), format!("part = \"{part}\"\n") + &schema::told(&ailment))
            }
            FaultKind::Tamper { link: at, what } => {
                (schema::TamperKind::of(&what), link(at), schema::tampering_told(&what))
            }
            FaultKind::Loop { network } => (Kind::Loop, format!("\"{}\"", plan.networks[network].name), none()),
            FaultKind::ArpPoison { node: at, address, interval_ns } => {
                (Kind::ArpPoison, node(at), format!("address = \"{address}\"\n") + &interval(interval_ns))
            }
            FaultKind::IpConflict { node: at, interval_ns } => (Kind::IpConflict, node(at), interval(interval_ns)),
            FaultKind::MacDuplicate { node: at, interval_ns } => (Kind::MacDuplicate, node(at), interval(interval_ns)),
            FaultKind::ShrinkPool { node: at, pool, limit } => {
                (Kind::ShrinkPool, node(at), format!("pool = \"{pool}\"\nlimit = {limit}\n"))
            }
            FaultKind::Deauthenticate { node: at, interval_ns } => {
                (Kind::Deauthenticate, node(at), interval(interval_ns))
            }
            FaultKind::Jam { network, noise_cdb } => {
                let noise = format!("noise_db = {}.{:02}\n", noise_cdb / 100, noise_cdb % 100);
                (Kind::Jam, format!("\"{}\"", plan.networks[network].name), noise)
            }
            FaultKind::NatReboot { node: at } => (Kind::NatReboot, node(at), none()),
            FaultKind::WrongRoute { node: at, to, via } => {
                let via = via.map_or_else(none, |via| format!("via = \"{via}\"\n"));
                (Kind::WrongRoute, node(at), format!("to = \"{to}\"\n") + &via)
            }
        };
        let lasts = self.until_ns.map(|until_ns| Time::from_nanos(until_ns.saturating_sub(self.at_ns)));
        let lasts = lasts.map_or_else(String::new, |lasts| format!("for = \"{lasts}\"\n"));
        let (at, kind) = (Time::from_nanos(self.at_ns), kind.shape().name);
        format!("\n[[fault]]\nat = \"{at}\"\n{lasts}kind = \"{kind}\"\ntarget = {target}\n{more}")
    }
}

/// When a fault begins and ends.
fn times(
    fault: &schema::Fault,
    jitter_ns: u64,
    scenario: &Scenario<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(u64, Option<u64>)> {
    let at = fault.at.as_ref()?;
    let lasts = fault.lasts.as_ref().ok()?;
    let at_ns = at.get_ref().as_nanos();
    let lasts = lasts.as_ref().filter(|_| fault.kind.is_none_or(|kind| kind.shape().lasting == Lasting::Yes));
    let until_ns = lasts.map(|lasts| at_ns.saturating_add(lasts.get_ref().as_nanos()));
    if let Some(lasts) = lasts
        && lasts.get_ref().as_nanos() == 0
    {
        let problem = Problem::new(Code::OutOfRange, lasts.span(), "a fault that lasts no time is none", "this is 0");
        problems.push(problem.help("give it some time, or leave `for` out if it lasts to the end"));
    }
    let refuse = |code, span, what: String, help: String| Problem::new(code, span, what, "too late").help(help);
    if let Some(duration) = &scenario.duration {
        let end_ns = duration.get_ref().as_nanos();
        let run = format!("the run ends at {}", duration.get_ref());
        if at_ns >= end_ns {
            let what = format!("this fault begins at {}, but {run}", at.get_ref());
            let problem = refuse(Code::FaultTime, at.span(), what, "begin earlier, or lengthen `duration`".into());
            problems.push(problem.also(duration.span(), "the end"));
        } else if let (Some(until), Some(lasts)) = (until_ns.filter(|until| *until > end_ns), lasts) {
            let what = format!("this fault lasts to {}, but {run}", Time::from_nanos(until));
            let help = "shorten `for`, lengthen `duration`, or leave `for` out if it lasts to the end";
            let problem = refuse(Code::FaultTime, lasts.span(), what, help.into());
            problems.push(problem.also(duration.span(), "the end"));
        }
    }
    if let Some(calm) = &scenario.calm_after {
        let calm_ns = calm.get_ref().as_nanos();
        let (over, span) = match (until_ns, lasts) {
            (Some(until), Some(lasts)) => (until.saturating_add(jitter_ns), lasts.span()),
            _ => (at_ns.saturating_add(jitter_ns), at.span()),
        };
        if over > calm_ns {
            let what = format!("this fault is over at {}, after `calm_after`", Time::from_nanos(over));
            let help = format!("end it by {}, or let it be calm later", calm.get_ref());
            let problem = refuse(Code::FaultTime, span, what, help);
            problems.push(problem.also(calm.span(), "calm from here on"));
        }
    }
    Some((at_ns, until_ns))
}

/// What a fault happens to, each once, in the order of the plan's lists; without what only this fault says.
pub(super) fn targets_of(
    kind: schema::FaultKind,
    globs: &[Text],
    roster: &Roster<'_, '_>,
    wiring: &Wiring,
    problems: &mut Vec<Problem>,
) -> Vec<FaultKind> {
    let mut found = Vec::new();
    for glob in globs {
        let hits = match kind.shape().target {
            Target::Node => roster.select(glob, problems),
            Target::Link => links(glob, roster, wiring, problems),
            Target::Network => networks(kind, glob, wiring, problems),
        };
        refuse_deaf(kind, glob, &hits, roster, wiring, problems);
        for hit in hits {
            for target in aimed(kind, hit, roster) {
                if !found.contains(&target) {
                    found.push(target);
                }
            }
        }
        if let schema::FaultKind::Part(ailment) = kind {
            refuse_partless(ailment, glob, roster, problems);
        }
    }
    found
}

fn aimed(kind: schema::FaultKind, index: usize, roster: &Roster<'_, '_>) -> Vec<FaultKind> {
    let aimed = match kind {
        schema::FaultKind::Part(ailment) => return ailing(ailment, index, roster),
        schema::FaultKind::Tamper(tamper) => FaultKind::Tamper { link: index, what: tamper.plain() },
        schema::FaultKind::Clog => FaultKind::Clog { link: index, direction: Direction::Up },
        schema::FaultKind::PowerCut => FaultKind::PowerCut { node: index },
        schema::FaultKind::BrownOut => FaultKind::BrownOut { node: index },
        schema::FaultKind::BatteryDrain => FaultKind::BatteryDrain { node: index, na: 0 },
        schema::FaultKind::Crash => FaultKind::Crash { node: index },
        schema::FaultKind::Restart => FaultKind::Restart { node: index },
        schema::FaultKind::ClockStop => FaultKind::ClockStop { node: index },
        schema::FaultKind::Loop => FaultKind::Loop { network: index },
        schema::FaultKind::IpConflict => FaultKind::IpConflict { node: index, interval_ns: INTERVAL_NS },
        schema::FaultKind::MacDuplicate => FaultKind::MacDuplicate { node: index, interval_ns: INTERVAL_NS },
        schema::FaultKind::Deauthenticate => FaultKind::Deauthenticate { node: index, interval_ns: INTERVAL_NS },
        schema::FaultKind::Jam => FaultKind::Jam { network: index, noise_cdb: 0 },
        schema::FaultKind::NatReboot => FaultKind::NatReboot { node: index },
        schema::FaultKind::Hang => FaultKind::Hang { node: index },
        schema::FaultKind::SpuriousPolls => FaultKind::SpuriousPolls { node: index, odds: Odds::Always },
        schema::FaultKind::Starve => FaultKind::Starve { node: index },
        schema::FaultKind::DropTasks => FaultKind::DropTasks { node: index, odds: Odds::Always },
        schema::FaultKind::Cancel => FaultKind::Cancel { node: index, odds: Odds::Always },
        _ if kind.shape().target == Target::Node => FaultKind::Pause { node: index },
        _ => FaultKind::CutLink { link: index },
    };
    vec![aimed]
}

/// The networks whose names match, which have what the fault needs: a switch, or the air.
fn networks(kind: schema::FaultKind, glob: &Text, wiring: &Wiring, problems: &mut Vec<Problem>) -> Vec<usize> {
    let all = wiring.networks.iter().enumerate();
    let hits: Vec<usize> =
        all.filter(|(_, network)| matches(glob.as_str(), &network.name)).map(|(index, _)| index).collect();
    let names = wiring.networks.iter().map(|network| &*network.name);
    if hits.is_empty() && wiring.complete {
        let what = format!("no network matches \"{}\"", glob.as_str());
        let problem = Problem::new(Code::NoMatch, glob.span(), what, "matches nothing");
        problems.push(problem.help(format!("networks are {}", list(names))));
    }
    let has_none = |network: usize| match wiring.networks[network].kind {
        NetworkKind::PointToPoint => Some("two nodes and a link"),
        NetworkKind::Radio => Some("the air"),
        NetworkKind::Switch | NetworkKind::Regions | NetworkKind::Wifi => None,
    };
    if kind == schema::FaultKind::Jam {
        for hit in &hits {
            let network = &wiring.networks[*hit];
            if !matches!(network.kind, NetworkKind::Radio | NetworkKind::Wifi) {
                let what = format!("nothing of \"{}\" goes by the air", network.name);
                let problem = Problem::new(Code::FaultConflict, glob.span(), what, "only cables");
                problems.push(problem.help("a jam needs a network whose kind is \"radio\" or \"wifi\""));
            }
        }
        return hits;
    }
    for (hit, label) in hits.iter().filter_map(|hit| Some((hit, has_none(*hit)?))) {
        let what = format!("\"{}\" has no switch for a cable to be plugged into", wiring.networks[*hit].name);
        let problem = Problem::new(Code::FaultConflict, glob.span(), what, label);
        problems.push(problem.help("a loop needs a network whose kind is \"switch\" or \"regions\""));
    }
    hits
}

/// Nodes to which this kind of fault cannot happen.
fn refuse_deaf(
    kind: schema::FaultKind,
    glob: &Text,
    hits: &[usize],
    roster: &Roster<'_, '_>,
    wiring: &Wiring,
    problems: &mut Vec<Problem>,
) {
    let name = kind.shape().name;
    let refused = match kind {
        schema::FaultKind::NatReboot | schema::FaultKind::WrongRoute => hits.iter().find_map(|node| {
            let kind = roster.members[*node].kind.as_ref()?;
            let what = format!("\"{name}\" does not happen to a \"{}\"", kind.name());
            (!kind.hears().contains(&name)).then_some((what, "aim it at a node whose kind is \"router\""))
        }),
        schema::FaultKind::BatteryDrain => hits.iter().find_map(|node| {
            let member = &roster.members[*node];
            let what = format!("\"{}\" has no battery to draw from", member.name);
            member.entry.battery.is_none().then_some((what, "give it one: battery = { capacity = \"220 mAh\" }"))
        }),
        schema::FaultKind::ArpPoison | schema::FaultKind::IpConflict => {
            hits.iter().filter(|_| wiring.complete).find_map(|node| {
                let what = format!("\"{}\" is in no network of Ethernet", roster.members[*node].name);
                let is_radio =
                    |interface: &super::Interface| wiring.networks[interface.network].kind == NetworkKind::Radio;
                wiring.interfaces[*node].iter().all(is_radio).then_some((what, "radios do not ask for addresses"))
            })
        }
        schema::FaultKind::ShrinkPool => hits.iter().find_map(|node| {
            let kind = roster.members[*node].kind.as_ref()?;
            let what = format!("a \"{}\" heeds no limits", kind.name());
            (!kind.is_pooled()).then_some((what, "aim it at a device or a server: those open something with the stack"))
        }),
        schema::FaultKind::Deauthenticate => hits.iter().filter(|_| wiring.complete).find_map(|node| {
            let is_access_point = is_access_point(&roster.members[*node]);
            let is_station = wiring.interfaces[*node].iter().any(|interface| {
                let is_by_air = matches!(wiring.links[interface.link].ends[1], End::Air { .. });
                is_by_air && wiring.networks[interface.network].kind == NetworkKind::Wifi
            });
            let what = format!("\"{}\" is with no access point, and is none", roster.members[*node].name);
            let help = "aim it at a station or an access point of a network whose kind is \"wifi\"";
            (!is_access_point && !is_station).then_some((what, help))
        }),
        schema::FaultKind::Pause
        | schema::FaultKind::SlowCpu
        | schema::FaultKind::ClockStep
        | schema::FaultKind::ClockDrift
        | schema::FaultKind::ClockStop
        | schema::FaultKind::Hang
        | schema::FaultKind::SpuriousPolls
        | schema::FaultKind::LateWakes
        | schema::FaultKind::Starve
        | schema::FaultKind::DropTasks
        | schema::FaultKind::Cancel => hits.iter().find_map(|node| {
            let member = &roster.members[*node];
            let what = format!("\"{}\" is an access point: it has no program and no clock", member.name);
            let help = "take its power (\"power-cut\", \"crash\", \"restart\"), or aim this at other nodes";
            is_access_point(member).then_some((what, help))
        }),
        schema::FaultKind::Tamper(_) => hits.iter().find_map(|link| {
            let link = &wiring.links[*link];
            let what = format!(
                "what goes along \"{}\" is compressed for the radio: nobody on the way sees connections",
                link.name
            );
            let is_radio = wiring.networks[link.network].kind == NetworkKind::Radio;
            is_radio.then_some((what, "aim it at a link of another network"))
        }),
        schema::FaultKind::MacDuplicate => hits.iter().filter(|_| wiring.complete).find_map(|node| {
            let lonely = |network: usize| {
                let network = &wiring.networks[network];
                network.links.len() < 2 || network.kind == NetworkKind::Radio
            };
            let mut interfaces = wiring.interfaces[*node].iter();
            let what = format!("\"{}\" is at no switch that has another port", roster.members[*node].name);
            interfaces.all(|interface| lonely(interface.network)).then_some((what, "there is nowhere for a stranger"))
        }),
        _ => None,
    };
    if let Some((what, help)) = refused {
        problems.push(Problem::new(Code::FaultConflict, glob.span(), what, "cannot happen here").help(help));
    }
}

/// The links whose names match, or that end at a node whose name does.
fn links(glob: &Text, roster: &Roster<'_, '_>, wiring: &Wiring, problems: &mut Vec<Problem>) -> Vec<usize> {
    let at_node = |end: &End| match end {
        End::Node { node, .. } | End::AccessPoint { node, .. } => matches(glob.as_str(), &roster.members[*node].name),
        End::Switch { .. } | End::Air { .. } | End::Trunk { .. } => false,
    };
    let all = wiring.links.iter().enumerate();
    let hits = all.filter(|(_, link)| matches(glob.as_str(), &link.name) || link.ends.iter().any(at_node));
    let hits: Vec<usize> = hits.map(|(index, _)| index).collect();
    if hits.is_empty() && wiring.complete && roster.is_complete() {
        let links = wiring.links.iter().map(|link| &*link.name);
        let problem = match glob.as_str().contains('/') {
            true => Problem::new(
                Code::NoMatch,
                glob.span(),
                format!("no link matches \"{}\"", glob.as_str()),
                "matches nothing",
            )
            .help(format!("links are {}", list(links))),
            false => roster.no_match(glob.as_str(), glob.span(), "link or node"),
        };
        problems.push(problem);
    }
    hits
}

/// A node without power cannot crash, and one that is down cannot be restarted.
fn refuse_contradictions(
    faults: &[Fault],
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    problems: &mut Vec<Problem>,
) {
    let on_nodes = faults.iter().filter_map(|fault| match fault.kind {
        FaultKind::PowerCut { node }
        | FaultKind::BrownOut { node }
        | FaultKind::Crash { node }
        | FaultKind::Restart { node } => {
            let over = match (fault.until_ns, fault.kind) {
                (Some(until), _) => until,
                (None, FaultKind::Restart { .. }) => fault.at_ns + 1,
                (None, _) => u64::MAX,
            };
            Some((node, fault.at_ns, over, fault.entry))
        }
        _ => None,
    });
    let mut on_nodes: Vec<_> = on_nodes.collect();
    on_nodes.sort_unstable();
    let mut told = Vec::new();
    let mut lasting: Option<(usize, u64, usize)> = None;
    for (node, at, over, entry) in on_nodes {
        match lasting {
            Some((same, until, earlier)) if same == node && at < until => {
                if !told.contains(&(earlier, entry)) {
                    problems.push(contradiction(&roster.members[node].name, earlier, entry, scenario));
                    told.push((earlier, entry));
                }
                if over > until {
                    lasting = Some((node, over, entry));
                }
            }
            _ => lasting = Some((node, over, entry)),
        }
    }
}

fn contradiction(node: &str, earlier: usize, later: usize, scenario: &Scenario<'_>) -> Problem {
    let told = |entry: usize| scenario.faults[entry].kind.map_or("fault", |kind| kind.shape().name);
    let place = |entry: usize| {
        let fault = &scenario.faults[entry];
        fault.at.as_ref().map_or(fault.span.clone(), schema::Spanned::span)
    };
    let what = format!("\"{node}\" is still down from a {} when this {} comes", told(earlier), told(later));
    Problem::new(Code::FaultConflict, place(later), what, "this one")
        .also(place(earlier), "still lasts then")
        .help("let the earlier one end before, or aim them at different nodes")
}

fn calm(scenario: &Scenario<'_>, last_ns: Option<u64>, problems: &mut Vec<Problem>) -> Option<u64> {
    let Some(calm) = &scenario.calm_after else {
        return last_ns;
    };
    let calm_ns = calm.get_ref().as_nanos();
    if let Some(duration) = &scenario.duration
        && calm_ns >= duration.get_ref().as_nanos()
    {
        let what = format!("it is never calm: the run ends at {}", duration.get_ref());
        let problem = Problem::new(Code::OutOfRange, calm.span(), what, "too late");
        problems.push(problem.also(duration.span(), "the end").help("let it be calm before the end"));
    }
    Some(calm_ns)
}
