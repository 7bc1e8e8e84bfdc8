//! From a plan to a world.

use std::collections::BTreeMap;
use std::sync::Arc;

use wavetank_sim::check::{self, Cell, Mode, Overflow, Rule};
use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::hw::signal::{Signal, Surroundings};
use wavetank_sim::net::air::wifi::WifiConfig;
use wavetank_sim::net::air::{
    self, Access, AirConfig, AirId, DutyCycle, Fading, Multipath, Phy, Point, Shadowing, StationConfig, StationId,
    Track, Waver, Waypoint,
};
use wavetank_sim::net::impair;
use wavetank_sim::net::{CableId, LinkConfig, Mac, NicId, Plug, PortVlan, SwitchConfig, SwitchId};
use wavetank_sim::node::{ClockSpec, NodeId, NodeSpec, PoolSpec};
use wavetank_sim::random::{Probability, Stream};
use wavetank_sim::time::{Duration, Instant, nanos};
use wavetank_sim::world::World;

use crate::explore::guided::Watch;
use crate::expr::{self, Program};
use crate::impairments::impairments;
use crate::plan::{self, Band, Chance, Damage, Demand, Direction, End, Impairments, NetworkKind, Plan, What, WifiBand};
use crate::run::Given;
use crate::site::Site;
use crate::stray;

/// The ids that a world gave to what a plan lists.
pub(crate) struct Built {
    pub(crate) nodes: Vec<NodeId>,
    /// By node, then by interface.
    pub(crate) nics: Vec<Vec<NicId>>,
    pub(crate) cables: Vec<CableId>,
    /// By network, the air of those that have any.
    airs: Vec<Option<AirId>>,
    /// By network, the cables that lie ready to make loops.
    loops: BTreeMap<usize, CableId>,
}

/// Fills an empty world.
pub(crate) fn build(plan: &Plan, seed: u64, given: &Given, watch: Option<&Watch>, world: &mut World) -> Built {
    let surroundings = surroundings(plan, seed);
    let shrunk = |node: usize| {
        let faults = given.decisions.faults.iter();
        faults
            .map(|fault| fault.kind)
            .any(|kind| matches!(kind, plan::FaultKind::ShrinkPool { .. }) && kind.index() == node)
    };
    let add = |(at, node): (usize, &plan::Node)| add_node(node, shrunk(at), &surroundings, seed, world);
    let (nodes, nics) = plan.nodes.iter().enumerate().map(add).unzip();
    let mut built = Built { nodes, nics, cables: Vec::new(), airs: Vec::new(), loops: BTreeMap::new() };
    add_cables(plan, &given.decisions.faults, &mut built, world);
    for (index, expectation) in plan.expectations.iter().enumerate() {
        let mut rule = rule(&expectation.demand, &built.nodes);
        if let (Some(watch), Rule::Metrics { predicate, .. }) = (watch, &mut rule) {
            *predicate = watched(watch.clone(), index, Arc::clone(predicate));
        }
        world.expect(check::Expectation { name: expectation.name.to_string(), rule });
    }
    for fault in &given.decisions.faults {
        world.add_fault(self::fault(fault, plan, &built));
    }
    world.give(&impair::Given {
        kinds: given.instead_of.iter().filter_map(|chance| chance_kind(*chance)).collect(),
        packets: given.decisions.packets.iter().map(|packet| self::packet(packet, &built)).collect(),
    });
    built
}

/// The same predicate, but `watch` sees what it looks at.
fn watched(watch: Watch, index: usize, predicate: check::Predicate) -> check::Predicate {
    Arc::new(move |cells| {
        watch.look(index, cells);
        predicate(cells)
    })
}

/// `None` if it is no chance of links.
fn chance_kind(chance: Chance) -> Option<impair::Kind> {
    Some(match chance {
        Chance::Lose => impair::Kind::Lose,
        Chance::Duplicate => impair::Kind::Duplicate,
        Chance::Corrupt => impair::Kind::Corrupt,
        Chance::Delay => impair::Kind::Delay,
        Chance::Overtake => impair::Kind::Overtake,
        Chance::EarlyDrop => impair::Kind::EarlyDrop,
        Chance::Storm => return None,
    })
}

fn packet(packet: &plan::Packet, built: &Built) -> impair::Packet {
    let cable = built.cables[packet.link];
    let what = match &packet.what {
        What::Lose => impair::What::Lose,
        What::Duplicate { later_ns } => impair::What::Duplicate(Duration::from_nanos(*later_ns)),
        What::Corrupt(Damage::Flip(bits)) => impair::What::Corrupt(impair::Damage::Flip(bits.clone())),
        What::Corrupt(Damage::Truncate(left)) => impair::What::Corrupt(impair::Damage::Truncate(*left)),
        What::Corrupt(Damage::Garble { at, bytes }) => {
            impair::What::Corrupt(impair::Damage::Garble { at: *at, bytes: bytes.clone() })
        }
        What::Delay { by_ns } => impair::What::Delay(*by_ns),
        What::Overtake => impair::What::Overtake,
        What::EarlyDrop => impair::What::EarlyDrop,
    };
    let link = match packet.direction {
        Direction::Up => cable.tx(),
        Direction::Down => cable.rx(),
    };
    impair::Packet { link, ordinal: packet.frame, what }
}

/// What a world has recorded of its links' chances, in the plan's words. Cables stand in the order of the plan's links.
pub(crate) fn planned(packet: &impair::Packet) -> Option<plan::Packet> {
    let what = match &packet.what {
        impair::What::Lose => What::Lose,
        impair::What::Duplicate(later) => What::Duplicate { later_ns: nanos(*later) },
        impair::What::Corrupt(impair::Damage::Flip(bits)) => What::Corrupt(Damage::Flip(bits.clone())),
        impair::What::Corrupt(impair::Damage::Truncate(left)) => What::Corrupt(Damage::Truncate(*left)),
        impair::What::Corrupt(impair::Damage::Garble { at, bytes }) => {
            What::Corrupt(Damage::Garble { at: *at, bytes: bytes.clone() })
        }
        impair::What::Delay(by_ns) => What::Delay { by_ns: *by_ns },
        impair::What::Overtake => What::Overtake,
        impair::What::EarlyDrop => What::EarlyDrop,
        _ => return None,
    };
    let cable = packet.link.cable();
    let direction = if packet.link == cable.tx() { Direction::Up } else { Direction::Down };
    Some(plan::Packet { link: cable.index(), direction, frame: packet.ordinal, what })
}

/// The physical world, the chance in it settled.
fn surroundings(plan: &Plan, seed: u64) -> Surroundings {
    let mut surroundings = Surroundings::new();
    for plan::Signal { name, shape } in &plan.signals {
        let signal = Signal::new(shape, &mut Stream::new(seed, &format!("signal/{name}")));
        surroundings.insert(&**name, signal.expect("a plan's signals can be"));
    }
    surroundings
}

fn add_node(
    node: &plan::Node,
    may_shrink: bool,
    surroundings: &Surroundings,
    seed: u64,
    world: &mut World,
) -> (NodeId, Vec<NicId>) {
    let mut site = Site::new(node, surroundings, seed);
    let program = node.kind.install(&node.config, &mut site);
    let limits = node.limits.iter().map(|(name, room)| PoolSpec { name: (*name).to_owned(), room: *room });
    let pools = (may_shrink || !node.limits.is_empty()).then(|| limits.collect());
    let clock = ClockSpec { drift_ppb: node.clock.drift_ppb.into(), wall_offset_ns: node.clock.offset_ns };
    let id = world.add_node(
        NodeSpec {
            clock,
            battery: node.battery.clone(),
            ring_frames: node.ring,
            pools,
            ..NodeSpec::named(&*node.name)
        },
        program,
    );
    let Site { powered, parts, .. } = site;
    powered.into_iter().for_each(|hardware| world.add_powered(id, hardware));
    parts.into_iter().for_each(|(name, part)| world.add_part(id, name, part));
    let nics = node.interfaces.iter().map(|interface| match &interface.radio {
        Some(radio) => world.add_radio(id, radio.eui),
        None => world.add_nic(id, Mac(interface.mac)),
    });
    (id, nics.collect())
}

fn add_cables(plan: &Plan, faults: &[plan::Fault], built: &mut Built, world: &mut World) {
    let switches: Vec<Vec<SwitchId>> = plan.networks.iter().map(|network| add_switches(network, world)).collect();
    built.airs = plan.networks.iter().map(|network| add_air(network, world)).collect();
    for link in &plan.links {
        let [a, b] = link.ends.map(|end| match end {
            End::Node { node, interface } => Plug::Nic(built.nics[node][interface]),
            End::Switch { network, part } => Plug::Switch(switches[network][part]),
            End::Air { network } => Plug::Station(add_station(plan, link, built.airs[network], &built.nodes, world)),
            End::AccessPoint { network, node } => {
                Plug::Station(add_access_point(&plan.nodes[node], built.nodes[node], built.airs[network], world))
            }
            End::Trunk { network, part } => Plug::Trunk(switches[network][part]),
        });
        let [forth, back] = [&link.pipes[0], &link.pipes[1]].map(link_config);
        let cable = world.connect(&link.name, a, b, &forth, &back);
        if let Some(vlan) = &link.vlan {
            world.set_vlan(cable, &port_vlan(vlan));
        }
        built.cables.push(cable);
    }
    for fault in faults {
        if let plan::FaultKind::Loop { network } = fault.kind
            && !built.loops.contains_key(&network)
        {
            let (port, patch) = (Plug::Switch(switches[network][0]), link_config(&plan.networks[network].patch));
            let cable = world.connect(&format!("{}/loop", plan.networks[network].name), port, port, &patch, &patch);
            world.unplug(cable);
            built.loops.insert(network, cable);
        }
    }
}

/// The switches that join a network's members.
fn add_switches(network: &plan::Network, world: &mut World) -> Vec<SwitchId> {
    let config = SwitchConfig { stations_max: network.table, ageing: network.ageing_ns.map(Duration::from_nanos) };
    let parts = match network.kind {
        NetworkKind::Switch | NetworkKind::Wifi => 1,
        NetworkKind::PointToPoint | NetworkKind::Radio => 0,
        NetworkKind::Regions => network.regions.len(),
    };
    (0..parts).map(|_| world.add_switch_with(&config)).collect()
}

fn port_vlan(vlan: &plan::Vlan) -> PortVlan {
    match vlan {
        plan::Vlan::Access(vlan) => PortVlan::Access(*vlan),
        plan::Vlan::Trunk { native, carries } => PortVlan::Trunk { native: *native, carries: carries.clone() },
    }
}

/// The air of a network of radios, or of access points.
fn add_air(network: &plan::Network, world: &mut World) -> Option<AirId> {
    if let Some(wifi) = &network.wifi {
        return Some(world.add_wifi(&wifi_config(&network.name, wifi)));
    }
    let radio = network.radio.as_ref()?;
    let phy = phy(radio.band);
    // Free space over the first metre: 20 log10(4 pi f / c), at 2,440, 868.3 and 915 MHz.
    let metre_cdb = match radio.band {
        Band::Mhz2450 => 4_019,
        Band::Mhz868 => 3_122,
        Band::Mhz915 => 3_167,
    };
    Some(
        world.add_air(&AirConfig {
            name: network.name.to_string(),
            phy,
            fading: Fading { metre_cdb, exponent_centi: radio.exponent_centi },
            waver: waver(radio.waver),
            sensitivity_cdbm: radio.sensitivity_cdbm,
            capture_cdb: radio.capture_cdb,
            access: Access {
                exponent_min: radio.exponents[0],
                exponent_max: radio.exponents[1],
                backoffs_max: radio.backoffs,
                retries_max: radio.retries,
            },
            duty_cycle: radio
                .duty_cycle
                .map(|(share_ppb, window_ns)| DutyCycle { share_ppb, window: Duration::from_nanos(window_ns) }),
            queue_frames_max: radio.queue,
        }),
    )
}

fn waver(plan: plan::Waver) -> Waver {
    let time = |ns: Option<u64>| ns.map(Duration::from_nanos);
    Waver {
        shadowing: plan
            .shadowing
            .map(|(deviation_cdb, coherence)| Shadowing { deviation_cdb, coherence: time(coherence) }),
        multipath: plan.multipath.map(|(m, coherence)| Multipath { m, coherence: time(coherence) }),
    }
}

fn wifi_config(name: &str, wifi: &plan::Wifi) -> WifiConfig {
    // Free space over the first metre, at 2,437 and 5,200 MHz.
    let (band, metre_cdb) = match wifi.band {
        WifiBand::Ghz2 => (air::wifi::Band::Ghz2, 4_018),
        WifiBand::Ghz5 => (air::wifi::Band::Ghz5, 4_676),
    };
    WifiConfig {
        name: name.to_owned(),
        band,
        fading: Fading { metre_cdb, exponent_centi: wifi.exponent_centi },
        waver: waver(wifi.waver),
        power_cdbm: wifi.power_cdbm,
        capture_cdb: wifi.capture_cdb,
        beacon: Duration::from_nanos(wifi.beacon_ns),
        beacons_lost: wifi.beacons_lost,
        scan: Duration::from_nanos(wifi.scan_ns),
        handshake: Duration::from_nanos(wifi.handshake_ns),
        roam_below_cdbm: wifi.roam_cdbm,
        hysteresis_cdb: wifi.hysteresis_cdb,
        retries_max: wifi.retries,
        queue_frames_max: wifi.queue,
        ..WifiConfig::default()
    }
}

fn add_access_point(node: &plan::Node, id: NodeId, air: Option<AirId>, world: &mut World) -> StationId {
    let (Some(air), Some(own)) = (air, node.access_point) else { unreachable!("it is in a network of access points") };
    world.add_access_point(air, id, &track(node), own.channel, own.stations)
}

fn phy(band: Band) -> Phy {
    match band {
        Band::Mhz2450 => Phy::OQPSK_2450,
        Band::Mhz868 => Phy::BPSK_868,
        Band::Mhz915 => Phy::BPSK_915,
    }
}

/// How long a frame of so many octets is on the air, without its check sequence.
pub(crate) fn airtime_ns(band: Band, octets: usize) -> u64 {
    nanos(phy(band).airtime(octets))
}

/// The station at the far end of a radio's link.
fn add_station(plan: &Plan, link: &plan::Link, air: Option<AirId>, nodes: &[NodeId], world: &mut World) -> StationId {
    let (End::Node { node: own, interface }, Some(air)) = (link.ends[0], air) else {
        unreachable!("an antenna is a node's, and in some air")
    };
    let node = &plan.nodes[own];
    let (interface, track) = (&node.interfaces[interface], track(node));
    match &interface.radio {
        Some(radio) => {
            let power_cdbm = plan.networks[link.network].radio.map_or(0, |radio| radio.power_cdbm);
            world.add_station(air, &StationConfig { track, power_cdbm, eui: radio.eui })
        }
        None => world.add_client(air, nodes[own], &track, Mac(interface.mac)),
    }
}

fn track(node: &plan::Node) -> Track {
    let point = |[x_mm, y_mm, z_mm]: [i64; 3]| Point { x_mm, y_mm, z_mm };
    let waypoint = |(at_ns, to): &(u64, [i64; 3])| Waypoint { at: Instant::from_nanos(*at_ns), point: point(*to) };
    node.track.as_ref().map_or_else(Track::default, |track| Track {
        start: point(track.start_mm),
        waypoints: track.moves.iter().map(waypoint).collect(),
    })
}

fn link_config(pipe: &Impairments) -> LinkConfig {
    LinkConfig {
        latency: Duration::from_nanos(pipe.latency_ns),
        jitter: Duration::from_nanos(pipe.jitter_ns),
        rate_bps: pipe.rate_bits_per_second,
        queue_bytes_max: pipe.queue_bytes,
        loss: Probability::from_parts_per_billion(pipe.loss_ppb.into()),
        impairments: pipe.more.as_ref().map(|more| Box::new(impairments(more))),
    }
}

fn fault(fault: &plan::Fault, plan: &Plan, built: &Built) -> Fault {
    let way = |link: usize, direction| match direction {
        Direction::Up => built.cables[link].tx(),
        Direction::Down => built.cables[link].rx(),
    };
    let name = fault.kind.shape().name;
    let ids = |nodes: &[usize]| nodes.iter().map(|node| built.nodes[*node]).collect();
    let kind = match fault.kind {
        plan::FaultKind::CutLink { link } => FaultKind::CutCable(built.cables[link]),
        plan::FaultKind::CutOneWay { link, direction } => FaultKind::CutLink(way(link, direction)),
        plan::FaultKind::Clog { link, direction } => FaultKind::Clog(way(link, direction)),
        plan::FaultKind::Degrade { link, direction, tuning } => {
            FaultKind::Retune { link: way(link, direction), config: Box::new(link_config(&plan.tunings[tuning].pipe)) }
        }
        plan::FaultKind::Mtu { link, direction, bytes } => FaultKind::Mtu { link: way(link, direction), bytes },
        plan::FaultKind::Tamper { link, what } => FaultKind::Tamper { cable: built.cables[link], what },
        plan::FaultKind::Partition { sides } => {
            let plan::Sides { from, to } = &plan.sides[sides];
            FaultKind::Partition { from: ids(from), to: ids(to) }
        }
        plan::FaultKind::PowerCut { node } => FaultKind::PowerCut(built.nodes[node]),
        plan::FaultKind::BrownOut { node } => FaultKind::BrownOut(built.nodes[node]),
        plan::FaultKind::BatteryDrain { node, na } => FaultKind::Drain { node: built.nodes[node], na },
        plan::FaultKind::Crash { node } => FaultKind::Crash(built.nodes[node]),
        plan::FaultKind::Pause { node } => FaultKind::Pause(built.nodes[node]),
        plan::FaultKind::Restart { node } => FaultKind::Reset(built.nodes[node]),
        plan::FaultKind::SlowCpu { node, poll_ns } => {
            FaultKind::SlowCpu { node: built.nodes[node], poll: Duration::from_nanos(poll_ns) }
        }
        plan::FaultKind::ClockStep { node, by_ns } => FaultKind::ClockStep { node: built.nodes[node], by_ns },
        plan::FaultKind::ClockDrift { node, ppb } => FaultKind::ClockDrift { node: built.nodes[node], ppb: ppb.into() },
        plan::FaultKind::ClockStop { node } => FaultKind::ClockStop(built.nodes[node]),
        plan::FaultKind::Hang { node } => FaultKind::Hang(built.nodes[node]),
        plan::FaultKind::SpuriousPolls { node, odds } => FaultKind::SpuriousPolls { node: built.nodes[node], odds },
        plan::FaultKind::LateWakes { node, odds, by_ns } => {
            FaultKind::LateWakes { node: built.nodes[node], odds, by: Duration::from_nanos(by_ns) }
        }
        plan::FaultKind::DropTasks { node, odds } => FaultKind::DropTasks { node: built.nodes[node], odds },
        plan::FaultKind::Cancel { node, odds } => FaultKind::Cancel { node: built.nodes[node], odds },
        plan::FaultKind::Starve { node } => FaultKind::Starve(built.nodes[node]),
        plan::FaultKind::Part { node, part, ailment } => {
            let part = plan.nodes[node].kind.parts()[part].name.to_owned();
            FaultKind::Part { node: built.nodes[node], part, ailment }
        }
        plan::FaultKind::Loop { network } => FaultKind::Join(built.loops[&network]),
        plan::FaultKind::ArpPoison { node, interval_ns, .. }
        | plan::FaultKind::IpConflict { node, interval_ns }
        | plan::FaultKind::MacDuplicate { node, interval_ns } => {
            let stray = stray::frames(plan, fault.kind).into_iter();
            FaultKind::Stray {
                about: (built.nodes[node], name),
                frames: stray.map(|(link, direction, bytes)| (way(link, direction), bytes)).collect(),
                every: if fault.until_ns == Some(fault.at_ns) {
                    Duration::ZERO
                } else {
                    Duration::from_nanos(interval_ns)
                },
            }
        }
        plan::FaultKind::ShrinkPool { node, pool, limit } => {
            FaultKind::Limit { node: built.nodes[node], pool: pool.to_owned(), room: limit }
        }
        plan::FaultKind::Deauthenticate { node, interval_ns } => FaultKind::Deauthenticate {
            node: built.nodes[node],
            every: if fault.until_ns == Some(fault.at_ns) { Duration::ZERO } else { Duration::from_nanos(interval_ns) },
        },
        plan::FaultKind::Jam { network, noise_cdb } => {
            let air = built.airs[network].expect("a jam is of a network with air");
            FaultKind::Jam { air, name: plan.networks[network].name.to_string(), noise_cdb }
        }
        plan::FaultKind::NatReboot { node } => FaultKind::Tell { node: built.nodes[node], name, what: String::new() },
        plan::FaultKind::WrongRoute { node, to, via } => {
            let via = via.map_or_else(|| "nowhere".to_owned(), |via| via.to_string());
            FaultKind::Tell { node: built.nodes[node], name, what: format!("{to} {via}") }
        }
    };
    debug_assert_eq!(kind.name(), name, "a run calls a fault what the scenario calls it");
    let duration = fault.until_ns.map(|until_ns| Duration::from_nanos(until_ns.saturating_sub(fault.at_ns)));
    Fault { at: Instant::from_nanos(fault.at_ns), duration, kind }
}

fn rule(demand: &Demand, nodes: &[NodeId]) -> Rule {
    let at = Instant::from_nanos;
    let metrics = |mode, condition: &Program, from_ns, until_ns| Rule::Metrics {
        mode,
        from: at(from_ns),
        until: at(until_ns),
        cells: condition.cells().iter().map(|cell| self::cell(cell, nodes)).collect(),
        predicate: {
            let condition = condition.clone();
            Arc::new(move |cells| condition.holds(cells).map_err(|_| Overflow))
        },
    };
    match demand {
        Demand::Always { condition, from_ns, until_ns } => metrics(Mode::Always, condition, *from_ns, *until_ns),
        Demand::Never { condition, from_ns, until_ns } => metrics(Mode::Never, condition, *from_ns, *until_ns),
        Demand::Eventually { condition, from_ns, by_ns } => metrics(Mode::Eventually, condition, *from_ns, *by_ns),
        Demand::Sometimes { condition, from_ns, until_ns } => metrics(Mode::Sometimes, condition, *from_ns, *until_ns),
        Demand::Stable { condition, after_ns, by_ns, .. } => metrics(Mode::Stable, condition, *after_ns, *by_ns),
        Demand::Reaches { every, reaches, within_ns, once, from_ns, until_ns } => Rule::FlowReaches {
            from: every.to_string(),
            to: reaches.to_string(),
            within: Duration::from_nanos(*within_ns),
            window: at(*from_ns)..=at(*until_ns),
            once: *once,
        },
        Demand::Linearizable { history } => Rule::Linearizable { history: history.to_string() },
        Demand::Unique { flow, from_ns, until_ns } => {
            Rule::FlowUnique { at: flow.to_string(), window: at(*from_ns)..=at(*until_ns) }
        }
    }
}

fn cell(cell: &expr::Cell, nodes: &[NodeId]) -> Cell {
    Cell {
        nodes: cell.nodes.iter().map(|&node| nodes[node]).collect(),
        metric: cell.metric.to_string(),
        aggregate: match cell.aggregate {
            expr::Aggregate::Sum => check::Aggregate::Sum,
            expr::Aggregate::Min => check::Aggregate::Min,
            expr::Aggregate::Max => check::Aggregate::Max,
            expr::Aggregate::Count => check::Aggregate::Count,
        },
    }
}
