//! A world: the state of one run.

use std::fmt;
use std::future::Future;
use std::rc::Rc;

use serde::Serialize;

use crate::affect::FaultReport;
use crate::check::{Expectation, VerdictReport};
use crate::current::{self, Entered};
use crate::fault::Fault;
use crate::hw::Faulty;
use crate::kernel::{Action, Effect, Kernel, Step};
use crate::net::air::wifi::WifiConfig;
use crate::net::air::{AirConfig, AirEvent, AirId, StationConfig, StationId, Track};
use crate::net::impair::{Given, Kinds, Packet};
use crate::net::{
    CableId, Destination, DropReason, Link, LinkConfig, LinkCounters, LinkId, Mac, NicCore, NicId, Plug, Port,
    PortVlan, Switch, SwitchConfig, SwitchId, Tap,
};
use crate::node::{BootFn, Exit, Node, NodeCore, NodeId, NodeSpec, PolledNode, Powered, ResetCause};
use crate::time::Instant;
use crate::trace::{Event, Fingerprint, Names, Record, Sink};

/// What holds for a whole world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldConfig {
    /// What every random choice is drawn from.
    pub seed: u64,
    /// The wall clock's time when the world starts, in nanoseconds since the Unix epoch.
    pub epoch_ns: u64,
    /// How many polls one instant may have before the run is ended as a livelock.
    pub polls_per_instant_max: u64,
    /// Whose turn it is of the tasks that are ready.
    pub order: Order,
}

/// The order in which tasks that are ready at the same instant are polled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// As they were woken.
    #[default]
    Fifo,
    /// As the seed draws: other interleavings with every seed.
    Seeded,
}

impl Default for WorldConfig {
    /// Seed 0, 2026-01-01T00:00:00Z, a million polls.
    fn default() -> Self {
        Self { seed: 0, epoch_ns: 1_767_225_600_000_000_000, polls_per_instant_max: 1_000_000, order: Order::Fifo }
    }
}

/// What went wrong in a run besides broken expectations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Failure {
    /// A node's code panicked.
    Panic {
        /// The node.
        node: String,
        /// When.
        #[serde(rename = "at_ns")]
        at: Instant,
        /// The panic's message.
        message: String,
    },
    /// A node's code asked for what cannot be had in a world.
    Refusal {
        /// The node.
        node: String,
        /// When.
        #[serde(rename = "at_ns")]
        at: Instant,
        /// What it asked for.
        what: String,
    },
    /// Tasks kept waking each other while time stood still.
    Livelock {
        /// When.
        #[serde(rename = "at_ns")]
        at: Instant,
    },
    /// A sink or a tap could not write.
    Output {
        /// The error.
        message: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { node, at, message } => write!(f, "{}: {node} panicked: {message}", at.exact()),
            Self::Refusal { node, at, what } => {
                write!(f, "{}: {node} asked for {what}, which cannot be had in a deterministic world", at.exact())
            }
            Self::Livelock { at } => write!(f, "{}: tasks keep waking each other and time stands still", at.exact()),
            Self::Output { message } => write!(f, "an output could not be written: {message}"),
        }
    }
}

/// How frames fared, counted link by link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameCounters {
    /// Offered to links.
    pub sent: u64,
    /// Came out of links.
    pub delivered: u64,
    /// Lost, by reason; reasons without a loss are absent.
    pub dropped: Vec<(DropReason, u64)>,
}

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// Its program runs.
    Running,
    /// Held by a fault.
    Paused,
    /// Without power or program.
    Off,
}

/// A metric's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricValue {
    /// The node.
    pub node: NodeId,
    /// The metric's name.
    pub name: String,
    /// Its value.
    pub value: i64,
}

/// A world as it stands at one instant.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When.
    pub now: Instant,
    /// How many events of the queue have been handled.
    pub events: u64,
    /// How many events are pending.
    pub pending: usize,
    /// When a timer, a frame or a boot last came up. If nothing is left that could, all is quiet since.
    pub stirred_at: Instant,
    /// The fingerprint so far.
    pub fingerprint: Fingerprint,
    /// The state of every node, in the order of their ids.
    pub nodes: Vec<NodeState>,
    /// The state of every cable: whether it is cut.
    pub cables_cut: Vec<bool>,
    /// What passed over every link, in the order of their ids.
    pub links: Vec<LinkCounters>,
    /// Every interface that has a cable: its node, and the link that leads out of it.
    pub uplinks: Vec<(NodeId, LinkId)>,
    /// All metrics.
    pub metrics: Vec<MetricValue>,
    /// All expectations as they stand.
    pub expectations: Vec<VerdictReport>,
    /// What went wrong.
    pub failures: Vec<Failure>,
    /// How frames fared.
    pub frames: FrameCounters,
    /// How the faults of the timeline fared, in their order.
    pub faults: Vec<FaultReport>,
    /// What chance did to frames, in the order of its doing, if [`World::record_packets`] was asked for.
    pub packets: Vec<Packet>,
    /// The last events, oldest first, if [`World::keep_recent`] was asked for.
    pub recent: Vec<Record>,
    /// The names behind the ids.
    pub names: Names,
}

/// Why a world stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It reached the limit of time.
    Limit,
    /// It took the steps that it was told to take.
    Steps,
    /// It cannot go on: tasks keep waking each other.
    Livelock,
}

/// The state of one run: nodes, network, faults, expectations, trace.
///
/// A world belongs to the thread that it is born on; [`Session`](crate::session::Session) gives it one of its own, which
/// it needs if code in it uses anything that is kept per thread, such as the keys of the standard library's hash maps.
pub struct World {
    kernel: Rc<Kernel>,
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(config: &WorldConfig) -> Self {
        let id = current::next_world();
        let kernel = Rc::new_cyclic(|this| {
            Kernel::new(this.clone(), id, config.seed, config.epoch_ns, config.polls_per_instant_max)
        });
        if config.order == Order::Seeded {
            kernel.draw_order();
        }
        Self { kernel }
    }

    /// Adds a node that boots when the world starts, or now if it has started. `boot` is its program: it is called in
    /// every life of the node anew, inside the first poll.
    pub fn add_node<F, B>(&mut self, spec: NodeSpec, boot: B) -> NodeId
    where
        F: Future<Output = Exit> + 'static,
        B: Fn(Node) -> F + 'static,
    {
        let mut nodes = self.kernel.nodes.borrow_mut();
        let id = NodeId(u32::try_from(nodes.len()).expect("fewer than 2^32 nodes"));
        self.kernel.trace.borrow_mut().names.nodes.push(spec.name.clone());
        let node = Rc::new(NodeCore::new(id, spec, program(boot)));
        self.kernel.schedule_boot(&node, ResetCause::PowerOn, self.kernel.now.get());
        nodes.push(node);
        drop(nodes);
        self.kernel.grown();
        id
    }

    /// Gives a node another network interface.
    pub fn add_nic(&mut self, node: NodeId, mac: Mac) -> NicId {
        self.add_interface(node, mac, None)
    }

    /// Gives a node another radio of IEEE 802.15.4.
    pub fn add_radio(&mut self, node: NodeId, eui: [u8; 8]) -> NicId {
        let [a, b, c, _, _, d, e, f] = eui;
        self.add_interface(node, Mac([a, b, c, d, e, f]), Some(eui))
    }

    fn add_interface(&mut self, node: NodeId, mac: Mac, eui: Option<[u8; 8]>) -> NicId {
        let node = self.kernel.node(node);
        let mut net = self.kernel.net.borrow_mut();
        let id = NicId(u32::try_from(net.nics.len()).expect("fewer than 2^32 interfaces"));
        net.nics.push(Rc::new(NicCore::new(id, Rc::clone(&node), mac, eui)));
        node.nics.borrow_mut().push(id);
        id
    }

    /// Adds a medium that stations share.
    pub fn add_air(&mut self, config: &AirConfig) -> AirId {
        self.kernel.net.borrow_mut().airs.add(config, self.kernel.seed)
    }

    /// Adds a station to a shared medium, for a cable to be plugged into.
    pub fn add_station(&mut self, air: AirId, config: &StationConfig) -> StationId {
        let (now, kernel) = (self.kernel.now.get(), &self.kernel);
        let (station, moves_at) = kernel.net.borrow_mut().airs.add_station(air, config, now);
        self.let_move(station, moves_at)
    }

    /// Adds a medium of IEEE 802.11.
    pub fn add_wifi(&mut self, config: &WifiConfig) -> AirId {
        self.kernel.net.borrow_mut().airs.add_wifi(config, self.kernel.seed)
    }

    /// Makes a node an access point of such a medium, for a cable to a switch to be plugged into. It takes in so many
    /// stations, and no more.
    pub fn add_access_point(
        &mut self,
        air: AirId,
        node: NodeId,
        track: &Track,
        channel: u8,
        clients_max: usize,
    ) -> StationId {
        let (node, now) = (self.kernel.node(node), self.kernel.now.get());
        let mut net = self.kernel.net.borrow_mut();
        let (station, moves_at) = net.airs.add_access_point(air, &node, track, channel, clients_max, now);
        drop(net);
        self.let_move(station, moves_at)
    }

    /// Adds the radio of a node's interface that has this address, for a cable from that interface to be plugged into.
    pub fn add_client(&mut self, air: AirId, node: NodeId, track: &Track, mac: Mac) -> StationId {
        let (node, now) = (self.kernel.node(node), self.kernel.now.get());
        let (station, moves_at) = self.kernel.net.borrow_mut().airs.add_client(air, &node, track, mac, now);
        self.let_move(station, moves_at)
    }

    fn let_move(&mut self, station: StationId, moves_at: Option<u64>) -> StationId {
        if let Some(at) = moves_at {
            let event = Action::Air { what: AirEvent::Moves, index: station.0 };
            self.kernel.queue.borrow_mut().push(at, event.payload());
        }
        station
    }

    /// Lets a piece of hardware know when a node's power goes and comes.
    pub fn add_powered(&mut self, node: NodeId, hardware: Rc<dyn Powered>) {
        self.kernel.node(node).powered.borrow_mut().push(hardware);
    }

    /// Names a part of a node's board, so that [`FaultKind::Part`](crate::fault::FaultKind::Part) can reach it.
    pub fn add_part(&mut self, node: NodeId, name: &str, part: Rc<dyn Faulty>) {
        self.kernel.node(node).parts.borrow_mut().push((name.to_owned(), part));
    }

    /// Adds a learning switch.
    pub fn add_switch(&mut self) -> SwitchId {
        self.add_switch_with(&SwitchConfig::default())
    }

    /// Adds a learning switch whose table has bounds.
    pub fn add_switch_with(&mut self, config: &SwitchConfig) -> SwitchId {
        let mut net = self.kernel.net.borrow_mut();
        net.switches.push(Switch::new(config));
        SwitchId(u32::try_from(net.switches.len() - 1).expect("fewer than 2^32 switches"))
    }

    /// Plugs in a cable. `forth` is what the direction from `a` to `b` does to frames, `back` the other one.
    ///
    /// # Panics
    ///
    /// If an interface has a cable already.
    pub fn connect(&mut self, name: &str, a: Plug, b: Plug, forth: &LinkConfig, back: &LinkConfig) -> CableId {
        let net = &mut *self.kernel.net.borrow_mut();
        let cable = CableId(u32::try_from(net.links.len() / 2).expect("fewer than 2^31 cables"));
        let (from_a, from_b) = (Self::plug(net, a, cable.tx()), Self::plug(net, b, cable.rx()));
        let names = &mut self.kernel.trace.borrow_mut().names.links;
        for (direction, config, to) in [("tx", forth, from_b), ("rx", back, from_a)] {
            let label = format!("{name}/{direction}");
            net.links.push(Link::new(&label, config, to));
            net.configs.push(config.clone());
            names.push(label);
        }
        cable
    }

    /// Lets the ports of switches that a cable ends at take part in virtual networks.
    pub fn set_vlan(&mut self, cable: CableId, vlan: &PortVlan) {
        let net = &mut *self.kernel.net.borrow_mut();
        for link in cable.links() {
            // The link out of a switch's port is the one that leads away from it.
            if let Destination::Port { switch, .. } = net.links[link.index()].to {
                net.switches[switch.0 as usize].set_vlan(link.reverse(), vlan.clone());
            }
        }
    }

    /// Lets a cable lie ready that carries nothing until a [`FaultKind::Join`](crate::fault::FaultKind::Join) plugs it in.
    pub fn unplug(&mut self, cable: CableId) {
        let (now, mut net) = (self.kernel.now.get(), self.kernel.net.borrow_mut());
        cable.links().into_iter().for_each(|link| net.links[link.index()].cut(now));
    }

    /// Lets `out` leave by a plug. Returns where the link into that plug leads.
    fn plug(net: &mut crate::net::Net, plug: Plug, out: LinkId) -> Destination {
        match plug {
            Plug::Nic(id) => {
                let nic = Rc::clone(net.nic(id));
                assert!(nic.link.replace(Some(out)).is_none(), "an interface takes one cable");
                Destination::Nic(nic)
            }
            Plug::Station(station) => {
                net.airs.plug(station, out);
                Destination::Station(station.0)
            }
            Plug::Switch(switch) | Plug::Trunk(switch) => {
                let ports = &mut net.switches[switch.0 as usize].ports;
                ports.push(Port::new(out, matches!(plug, Plug::Trunk(_))));
                Destination::Port { switch, port: ports.len() as u32 - 1 }
            }
        }
    }

    /// Lets a link do from now on what `config` says; frames on their way are not touched.
    pub fn retune(&mut self, link: LinkId, config: &LinkConfig) {
        self.kernel.retune(link, config);
    }

    /// Shows all frames of a node's interface to a tap.
    pub fn tap_nic(&mut self, nic: NicId, tap: Box<dyn Tap>) {
        let mut net = self.kernel.net.borrow_mut();
        net.nic(nic).tap.set(Some(net.taps.len() as u32));
        net.taps.push(tap);
    }

    /// Shows all frames that are offered to a cable to a tap.
    pub fn tap_cable(&mut self, cable: CableId, tap: Box<dyn Tap>) {
        let mut net = self.kernel.net.borrow_mut();
        let index = net.taps.len() as u32;
        for link in cable.links() {
            net.links[link.index()].set_tap(index);
        }
        net.taps.push(tap);
    }

    /// Shows all events from now on to a sink.
    pub fn add_sink(&mut self, sink: Box<dyn Sink>) {
        self.kernel.trace.borrow_mut().add_sink(sink);
    }

    /// Keeps the last `capacity` events for snapshots.
    pub fn keep_recent(&mut self, capacity: usize) {
        self.kernel.trace.borrow_mut().keep_recent(capacity);
    }

    /// Writes down from now on what chance does to frames, for [`Snapshot::packets`].
    pub fn record_packets(&mut self) {
        self.kernel.net.borrow_mut().record.get_or_insert_default();
    }

    /// Puts what is listed in the place of what would be drawn. It is given before the world runs.
    pub fn give(&mut self, given: &Given) {
        let net = &mut *self.kernel.net.borrow_mut();
        if given.kinds != Kinds::default() {
            net.links.iter_mut().for_each(|link| link.special().chances.not_drawn(given.kinds));
        }
        for Packet { link, ordinal, what } in &given.packets {
            if let Some(link) = net.links.get_mut(link.index()) {
                link.special().chances.add(*ordinal, what.clone());
            }
        }
    }

    /// Adds a fault to the timeline; one whose time is past begins now.
    pub fn add_fault(&mut self, fault: Fault) {
        self.kernel.add_fault(fault);
    }

    /// Adds a fault that begins now because someone outside said so, and notes that in the trace.
    pub fn inject(&mut self, mut fault: Fault) {
        fault.at = self.now();
        let index = self.kernel.add_fault(fault);
        let mut trace = self.kernel.trace.borrow_mut();
        let what = format!("inject {}", trace.names.fault(index));
        let what = trace.intern(&what);
        trace.record(self.now(), Event::Input { what });
    }

    /// Lets something that comes from outside happen to the world, after all else that happens at this instant, and notes
    /// in the trace what it is. `enter` may wake tasks. The same inputs at the same times make the same run.
    pub fn input(&mut self, what: &str, enter: impl FnOnce()) -> Instant {
        let now = self.now();
        self.run_until(now);
        let mut trace = self.kernel.trace.borrow_mut();
        let what = trace.intern(what);
        trace.record(now, Event::Input { what });
        drop(trace);
        let _entered = Entered::new(&self.kernel);
        enter();
        now
    }

    /// Adds something that must hold. Expectations are declared before the world runs.
    pub fn expect(&mut self, expectation: Expectation) {
        self.kernel.expect(expectation);
    }

    /// The current virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.kernel.world_now()
    }

    /// The fingerprint so far.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.kernel.trace.borrow().fingerprint()
    }

    /// How many events of the queue have been handled.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.kernel.events.get()
    }

    /// Says to other threads whose code runs right now.
    #[must_use]
    pub fn polled(&self) -> PolledNode {
        self.kernel.polled_node.clone()
    }

    /// Runs until `limit`: everything that happens at that instant or before it has happened, and it is `limit` then.
    pub fn run_until(&mut self, limit: Instant) -> Stop {
        self.advance(limit, u64::MAX)
    }

    /// Takes at most `steps` events, none later than `limit`.
    pub fn advance(&mut self, limit: Instant, steps: u64) -> Stop {
        let _entered = Entered::new(&self.kernel);
        for _ in 0..steps {
            match self.kernel.step(limit.as_nanos()) {
                Step::Done => {}
                Step::Idle => {
                    self.kernel.now.set(self.kernel.now.get().max(limit.as_nanos()));
                    return Stop::Limit;
                }
                Step::Livelock => {
                    self.kernel.failures.borrow_mut().push(Failure::Livelock { at: self.now() });
                    return Stop::Livelock;
                }
            }
        }
        Stop::Steps
    }

    /// Ends the run: decides open expectations, flushes what is written.
    #[must_use]
    pub fn finish(self) -> Snapshot {
        let _entered = Entered::new(&self.kernel);
        self.kernel.tell_supplies();
        self.kernel.conclude_checks();
        let mut written = self.kernel.trace.borrow_mut().finish();
        for tap in &mut self.kernel.net.borrow_mut().taps {
            written = written.and(tap.finish());
        }
        if let Err(error) = written {
            self.kernel.failures.borrow_mut().push(Failure::Output { message: error.to_string() });
        }
        self.snapshot()
    }

    /// The world as it stands.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let kernel = &self.kernel;
        let (net, nodes) = (kernel.net.borrow(), kernel.nodes.borrow());
        let links: Vec<_> = net.links.iter().map(Link::counters).collect();
        let metrics = kernel.metrics.borrow();
        Snapshot {
            now: self.now(),
            events: self.events(),
            pending: kernel.queue.borrow().len(),
            stirred_at: Instant::from_nanos(kernel.stirred_at.get()),
            fingerprint: self.fingerprint(),
            nodes: nodes.iter().map(|node| node_state(node)).collect(),
            cables_cut: net.links.iter().step_by(2).map(Link::is_cut).collect(),
            metrics: metrics
                .iter()
                .map(|(node, name, value)| MetricValue { node, name: name.to_owned(), value })
                .collect(),
            expectations: kernel.verdicts(),
            failures: kernel.failures.borrow().clone(),
            frames: FrameCounters {
                sent: links.iter().map(|link| link.sent).sum(),
                delivered: links.iter().map(|link| link.delivered).sum(),
                dropped: DropReason::ALL
                    .into_iter()
                    .map(|reason| (reason, net.dropped[reason as usize]))
                    .filter(|(_, count)| *count > 0)
                    .collect(),
            },
            links,
            uplinks: net.nics.iter().filter_map(|nic| Some((nic.node.id, nic.link.get()?))).collect(),
            faults: kernel.fault_reports(),
            packets: net.record.clone().unwrap_or_default(),
            recent: kernel.trace.borrow().recent(),
            names: kernel.trace.borrow().names.clone(),
        }
    }
}

/// The program of a node that `boot` boots. `boot` itself runs inside the first poll, as all node code does.
fn program<F, B>(boot: B) -> BootFn
where
    F: Future<Output = Exit> + 'static,
    B: Fn(Node) -> F + 'static,
{
    let boot = Rc::new(boot);
    Box::new(move |node| {
        let boot = Rc::clone(&boot);
        Box::pin(async move {
            let kernel = node.kernel().handle();
            let exit = boot(node).await;
            kernel.effect(Effect::Exit(exit));
        })
    })
}

fn node_state(node: &NodeCore) -> NodeState {
    if node.is_off() {
        NodeState::Off
    } else if node.is_paused() {
        NodeState::Paused
    } else {
        NodeState::Running
    }
}

impl Drop for World {
    /// Ends all tasks, which hold the kernel as the kernel holds them.
    fn drop(&mut self) {
        let _entered = Entered::new(&self.kernel);
        // The list stays where it is while futures are dropped: their code may ask for its node.
        let nodes = self.kernel.nodes.borrow().clone();
        for node in &nodes {
            self.kernel.end_tasks(node);
            self.kernel.discard_effects(node);
        }
        let held = std::mem::take(&mut *self.kernel.nodes.borrow_mut());
        drop(held);
    }
}
