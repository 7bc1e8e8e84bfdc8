//! `kind = "router"`: forwards packets between the networks that it is in; translates addresses, keeps strangers out.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddrV4};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use embassy_net_driver::RxToken;
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::{Exit, Node, Powered, Timer};
use wavetank_sim::prefetch::{self, Foresight};
use wavetank_sim::random::Stream;
use wavetank_sim::time::Instant;
use wavetank_stack::lowpan;

use super::gate::Gate;
use super::trunk::{self, Trunks};
use crate::plan::Interface;
use crate::registry::{Metric, Place, TypedKind};
use crate::router::{
    self, Behaviour, Cidr, Count, Firewall, Forward, Link, Nat, NatConfig, Opening, Outgoing, Ports, Protocol, Route,
    Router, Settings, Timeouts,
};
use crate::runtime::{self, RadioMemory, TankClock};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a router.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where packets for networks go that it is not in, such as [{ to = "10.9.0.0/16", via = "10.0.0.7" }]. Everything
    /// else goes to the node's `gateway`, if it has one.
    pub routes: Vec<RouteConfig>,
    /// Virtual networks that come by one cable to a switch's trunk, each with the addresses of its subnet, such as
    /// [{ network = "lan", vlan = 10, subnet = "10.10.0.0/24" }].
    pub subinterfaces: Vec<SubinterfaceConfig>,
    /// Whether it tells senders by ICMP why their packets got no further.
    pub icmp_errors: bool,
    /// Lets those inside share its IPv4 address outside, such as { outside = "wan" }.
    pub nat: Option<NatTable>,
    /// Keeps out what nobody inside has asked for, such as { outside = "wan" }; a NAT does so anyway.
    pub firewall: Option<FirewallTable>,
}

impl Default for Config {
    fn default() -> Self {
        Self { routes: Vec::new(), subinterfaces: Vec::new(), icmp_errors: true, nat: None, firewall: None }
    }
}

/// Where packets for a network go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The network.
    pub to: Subnet,
    /// The next router, a neighbour.
    pub via: IpAddr,
}

/// A virtual network behind one of a router's cables.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubinterfaceConfig {
    /// The network whose switch the cable leads to; the port is a `trunk`.
    pub network: String,
    /// The tag of its frames, from 1 to 4094.
    #[schemars(range(min = 1, max = 4094))]
    pub vlan: u16,
    /// Its subnet: the router's addresses on that network that are in it are this virtual network's.
    pub subnet: Subnet,
}

/// A network in words, such as "10.9.0.0/16".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Subnet(pub Cidr);

impl TryFrom<String> for Subnet {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Cidr::parse(&text).map(Self).map_err(|(what, help)| format!("{what}: {help}"))
    }
}

/// How addresses are translated (RFC 4787, RFC 5382, RFC 5508).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NatTable {
    /// The network that is outside.
    pub outside: String,
    /// Whether one inside port has one outside port for everyone, or one for each peer.
    #[serde(default)]
    pub mapping: Behaviour,
    /// Who may answer: everyone, or only those who were spoken to.
    #[serde(default = "defaults::filtering")]
    pub filtering: Behaviour,
    /// Which outside port a new mapping gets.
    #[serde(default)]
    pub ports: Ports,
    /// The first outside port.
    #[serde(default = "defaults::first_port")]
    pub first_port: u16,
    /// The last outside port.
    #[serde(default = "defaults::last_port")]
    pub last_port: u16,
    /// When a mapping of UDP is forgotten that nothing went out by.
    #[serde(default = "defaults::udp")]
    pub udp_timeout: Time,
    /// When an open TCP connection is forgotten that nothing passes on.
    #[serde(default = "defaults::tcp")]
    pub tcp_timeout: Time,
    /// When a TCP connection is forgotten that is half open, or closed.
    #[serde(default = "defaults::tcp_transitory")]
    pub tcp_transitory_timeout: Time,
    /// When a mapping of ICMP queries is forgotten.
    #[serde(default = "defaults::icmp")]
    pub icmp_timeout: Time,
    /// Whether what comes in keeps a mapping of UDP alive, too.
    #[serde(default)]
    pub inbound_refresh: bool,
    /// Whether those inside reach each other by their outside ports.
    #[serde(default = "defaults::yes")]
    pub hairpin: bool,
    /// Ports that are always mapped, such as [{ protocol = "tcp", port = 80, to = "192.168.1.2:8080" }].
    #[serde(default)]
    pub forwards: Vec<ForwardTable>,
}

/// A port that is always mapped.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardTable {
    /// By which protocol.
    pub protocol: Protocol,
    /// The outside port.
    pub port: u16,
    /// The address and port inside.
    pub to: SocketAddrV4,
}

/// Who is kept out (RFC 6092).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirewallTable {
    /// The network that is outside.
    pub outside: String,
    /// Who is let in all the same, such as [{ protocol = "tcp", port = 8080, to = "fd00::2" }].
    #[serde(default)]
    pub open: Vec<OpenTable>,
}

/// Somebody who is let in without having been asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenTable {
    /// By which protocol.
    pub protocol: Protocol,
    /// To which port.
    pub port: u16,
    /// To whom; to everyone inside if left out.
    #[serde(default)]
    pub to: Option<IpAddr>,
}

mod defaults {
    use crate::router::{Behaviour, Timeouts};
    use crate::units::Time;

    pub(super) fn filtering() -> Behaviour {
        Behaviour::AddressDependent
    }

    pub(super) fn first_port() -> u16 {
        1_024
    }

    pub(super) fn last_port() -> u16 {
        u16::MAX
    }

    pub(super) fn udp() -> Time {
        Time::from_secs(Timeouts::default().udp.as_secs())
    }

    pub(super) fn tcp() -> Time {
        Time::from_secs(Timeouts::default().tcp.as_secs())
    }

    pub(super) fn tcp_transitory() -> Time {
        Time::from_secs(Timeouts::default().tcp_transitory.as_secs())
    }

    pub(super) fn icmp() -> Time {
        Time::from_secs(Timeouts::default().icmp.as_secs())
    }

    pub(super) fn yes() -> bool {
        true
    }
}

/// What a router counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "packets.forwarded", doc: "packets that were sent on" },
    Metric { name: "packets.fragmented", doc: "packets that were cut into fragments" },
    Metric { name: "packets.expired", doc: "packets whose hops were used up" },
    Metric { name: "packets.unreachable", doc: "packets without a route, or whose next neighbour does not answer" },
    Metric { name: "packets.too-big", doc: "packets that were too long for the next link and could not be cut" },
    Metric { name: "packets.malformed", doc: "what was no packet, or came from where none can come from" },
    Metric { name: "packets.refused", doc: "packets that a firewall or NAT did not let in" },
    Metric { name: "nat.mapped", doc: "mappings that were made" },
    Metric { name: "nat.exhausted", doc: "packets that found no port for a mapping" },
    Metric { name: "nat.mappings", doc: "mappings that there are; none while it does not run" },
];

const fn metric(count: Count) -> &'static str {
    match count {
        Count::Forwarded => "packets.forwarded",
        Count::Fragmented => "packets.fragmented",
        Count::Expired => "packets.expired",
        Count::Unreachable => "packets.unreachable",
        Count::TooBig => "packets.too-big",
        Count::Malformed => "packets.malformed",
        Count::Refused => "packets.refused",
        Count::Mapped => "nat.mapped",
        Count::Exhausted => "nat.exhausted",
    }
}

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("router", "Forwards packets between its networks; can be a NAT and a firewall.")
        .by_radio()
        .passing_on()
        .metrics(METRICS)
        .check(check)
        .fit(fit)
        .hearing(&["nat-reboot", "wrong-route"])
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    for route in config.routes.iter().filter(|route| route.to.0.ip.is_ipv4() != route.via.is_ipv4()) {
        let what = format!("{} and {} are of different address families", route.to.0, route.via);
        problems
            .push(ConfigProblem::at("routes", what).help("a route's router has an address of its network's family"));
    }
    for sub in config.subinterfaces.iter().filter(|sub| !(1..=4_094).contains(&sub.vlan)) {
        let what = format!("there is no virtual network {}", sub.vlan);
        problems.push(ConfigProblem::at("subinterfaces", what).help("they have numbers from 1 to 4094"));
    }
    let Some(nat) = &config.nat else { return problems };
    if nat.first_port == 0 || nat.first_port > nat.last_port {
        let what = format!("there is no port from {} to {}", nat.first_port, nat.last_port);
        problems.push(ConfigProblem::at("nat.last_port", what).help("write first_port = 1024, last_port = 65535"));
    }
    let times = [
        ("nat.udp_timeout", nat.udp_timeout),
        ("nat.tcp_timeout", nat.tcp_timeout),
        ("nat.tcp_transitory_timeout", nat.tcp_transitory_timeout),
        ("nat.icmp_timeout", nat.icmp_timeout),
    ];
    for (key, _) in times.into_iter().filter(|(_, time)| time.as_nanos() == 0) {
        problems.push(ConfigProblem::at(key, "a timeout cannot be 0").help("write \"30s\", for example"));
    }
    problems
}

/// Networks and next routers that it names are there.
fn fit(config: &Config, place: &Place<'_>) -> Vec<ConfigProblem> {
    let mut problems = trunk::misfits(place, &config.subinterfaces);
    let names: Vec<&str> = place.interfaces.iter().map(|interface| &*interface.network_name).collect();
    let mut outside = |key, name: &str, needs_v4: bool| {
        let Some(interface) = place.interfaces.iter().find(|interface| *interface.network_name == *name) else {
            let what = format!("the router is not in the network \"{name}\"");
            let help = format!("its networks are {}", crate::diagnose::list(names.iter().copied()));
            problems.push(ConfigProblem::at(key, what).help(help));
            return;
        };
        if needs_v4 && !interface.addresses.iter().any(|own| own.ip.is_ipv4()) {
            let what = format!("the router has no IPv4 address on \"{name}\" for those inside to share");
            problems.push(ConfigProblem::at(key, what).help("add one to its `address`"));
        }
    };
    if let Some(nat) = &config.nat {
        outside("nat.outside", &nat.outside, true);
    }
    if let Some(firewall) = &config.firewall {
        outside("firewall.outside", &firewall.outside, false);
    }
    for route in &config.routes {
        let mut addresses = place.interfaces.iter().flat_map(|interface| &interface.addresses);
        if !addresses.any(|own| own.contains(route.via)) {
            let what = format!("{} is in none of the router's networks", route.via);
            problems.push(ConfigProblem::at("routes", what).help("`via` is a neighbour's address"));
        }
    }
    for interface in place.interfaces.iter().filter(|interface| interface.radio.is_some()) {
        let mut ways = ways_by_radio(interface, config, place.gateways);
        if let (Some(one), Some(other)) = (ways.next(), ways.next()) {
            let what =
                format!("packets to elsewhere cannot go by {one} and by {other} on \"{}\"", interface.network_name);
            let help = "a radio knows one neighbour that leads elsewhere: let all routes and the `gateway` there go by the same";
            problems.push(ConfigProblem::at("routes", what).help(help));
        }
    }
    problems
}

/// By which neighbours on that network of radios packets to elsewhere are to go.
fn ways_by_radio<'c>(
    interface: &Interface,
    config: &'c Config,
    gateways: &'c [IpAddr],
) -> impl Iterator<Item = IpAddr> + use<'c> {
    let own = &interface.addresses;
    let ways = config.routes.iter().map(|route| route.via).chain(gateways.iter().copied());
    let mut ways: Vec<IpAddr> = ways.filter(|via| own.iter().any(|own| own.contains(*via))).collect();
    ways.sort_unstable();
    ways.dedup();
    ways.into_iter()
}

type RouterFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> RouterFuture + use<> {
    let config = Arc::clone(config);
    let interfaces: Rc<[Interface]> = site.interfaces().into();
    let gateways: Rc<[IpAddr]> = site.gateways().into();
    let orders = Rc::new(Orders::default());
    site.powered(Rc::clone(&orders) as Rc<dyn Powered>);
    move |node| {
        let settings = settings(&config, &interfaces, &gateways, &node);
        let (trunks, radios) =
            (Trunks::new(&interfaces, &config.subinterfaces), radios(&interfaces, &config, &gateways));
        Box::pin(run(node, radios, trunks, Router::new(settings), Rc::clone(&orders)))
    }
}

/// An interface's addresses, of a radio the one too that is on its link alone.
fn addresses(interface: &Interface, subs: &[SubinterfaceConfig]) -> Vec<Cidr> {
    let link_local = interface.radio.as_ref().map(|radio| {
        let own = lowpan::Address::Extended(radio.eui).link_local();
        Cidr { ip: own.address(), prefix: own.prefix() }
    });
    let own = interface.addresses.iter().copied().filter(|own| !trunk::is_tagged(interface, *own, subs));
    own.chain(link_local).collect()
}

/// What faults have a router do.
#[derive(Default)]
struct Orders {
    forgets: Cell<bool>,
    /// Routes that are wrong, as long as their faults last.
    wrong: RefCell<Vec<(Cidr, Option<IpAddr>)>>,
    /// Whether the routes are others than the router was last told.
    are_new: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Powered for Orders {
    fn power_cut(&self, _now: Instant, _stream: &mut Stream) {}

    fn boot(&self, _now: Instant) {
        self.are_new.set(!self.wrong.borrow().is_empty());
    }

    fn told(&self, fault: &str, what: &str, begins: bool, _now: Instant) {
        match (fault, what.split_once(' ')) {
            ("nat-reboot", _) if begins => self.forgets.set(true),
            ("wrong-route", Some((to, via))) => {
                let Ok(to) = Cidr::parse(to) else { return };
                let route = (to, via.parse().ok());
                let mut wrong = self.wrong.borrow_mut();
                if begins {
                    wrong.push(route);
                } else if let Some(place) = wrong.iter().position(|other| *other == route) {
                    wrong.remove(place);
                }
                self.are_new.set(true);
            }
            _ => return,
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

fn settings(config: &Config, interfaces: &[Interface], gateways: &[IpAddr], node: &Node) -> Settings {
    let named = |name: &str| {
        let found = interfaces.iter().position(|interface| *interface.network_name == *name);
        found.expect("`fit` saw to the networks")
    };
    let everywhere = |via: &IpAddr| {
        let to = if via.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        Route { to: Cidr::parse(to).expect("a network"), via: *via }
    };
    let routes = config.routes.iter().map(|route| Route { to: route.to.0, via: route.via });
    let plain = interfaces.iter().map(|interface| router::Interface {
        link: if interface.radio.is_some() { Link::Bare } else { Link::Ethernet },
        mac: interface.mac,
        addresses: addresses(interface, &config.subinterfaces),
        mtu: interface.mtu as usize,
    });
    let subs = config.subinterfaces.iter().map(|sub| {
        let on = &interfaces[named(&sub.network)];
        let addresses = trunk::addresses_of(interfaces, sub);
        router::Interface { link: Link::Ethernet, mac: on.mac, addresses, mtu: on.mtu as usize }
    });
    Settings {
        interfaces: plain.chain(subs).collect(),
        routes: gateways.iter().map(everywhere).chain(routes).collect(),
        nat: config.nat.as_ref().map(|nat| {
            let outside = named(&nat.outside);
            let v4 = interfaces[outside].addresses.iter().find_map(|own| match own.ip {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            });
            Nat::new(nat_config(nat, outside, v4.expect("`fit` saw to an address")), node.stream("nat/ports"))
        }),
        firewall: config.firewall.as_ref().map(|firewall| {
            let openings =
                firewall.open.iter().map(|open| Opening { protocol: open.protocol, port: open.port, to: open.to });
            Firewall::new(named(&firewall.outside), openings.collect(), Timeouts::default())
        }),
        silent: !config.icmp_errors,
        ..Settings::default()
    }
}

fn nat_config(nat: &NatTable, outside: usize, address: std::net::Ipv4Addr) -> NatConfig {
    NatConfig {
        outside,
        address,
        mapping: nat.mapping,
        filtering: nat.filtering,
        ports: nat.ports,
        range: (nat.first_port, nat.last_port),
        timeouts: Timeouts {
            udp: nat.udp_timeout.as_duration(),
            tcp: nat.tcp_timeout.as_duration(),
            tcp_transitory: nat.tcp_transitory_timeout.as_duration(),
            icmp: nat.icmp_timeout.as_duration(),
        },
        inbound_refresh: nat.inbound_refresh,
        hairpin: nat.hairpin,
        forwards: nat
            .forwards
            .iter()
            .map(|forward| Forward { protocol: forward.protocol, port: forward.port, to: forward.to })
            .collect(),
    }
}

/// Passes packets between a node's interfaces, for worlds that are made without a scenario. The interfaces of `settings` are
/// the node's, in their order, and none of them is a radio.
pub async fn pass(node: Node, settings: Settings) -> Exit {
    let radios = settings.interfaces.iter().map(|_| None).collect();
    let trunks = Trunks::plain(settings.interfaces.len());
    run(node, radios, trunks, Router::new(settings), Rc::default()).await
}

/// What each interface that is a radio is told: who takes packets to elsewhere, too, as a radio goes by addresses and not by
/// what the router says of each packet.
fn radios(interfaces: &[Interface], config: &Config, gateways: &[IpAddr]) -> Vec<Option<lowpan::Options>> {
    let options = |interface: &Interface| {
        let ways: Vec<IpAddr> = ways_by_radio(interface, config, gateways).collect();
        interface.radio.as_ref().map(|radio| runtime::options(radio, &ways))
    };
    interfaces.iter().map(options).collect()
}

async fn run(
    node: Node,
    radios: Vec<Option<lowpan::Options>>,
    trunks: Trunks,
    router: Router,
    orders: Rc<Orders>,
) -> Exit {
    let router = Rc::new(Shared(RefCell::new(router)));
    let mut memories: Vec<RadioMemory> = radios.iter().map(|radio| RadioMemory::new(radio.is_some())).collect();
    let nics = (0..).map_while(|index| node.nic(index)).zip(&mut memories).zip(radios);
    let clock = TankClock(node.clock());
    let ports = nics.enumerate().map(|(port, ((nic, memory), options))| {
        // What comes by radio or with a tag is unpacked first.
        if options.is_none() && !trunks.has_tags(port) {
            nic.foresee(Rc::clone(&router) as Rc<dyn Foresight>, port);
        }
        Gate::new(nic, memory, clock, options)
    });
    let ports: Vec<_> = ports.collect();
    prefetch::keep_near(ports.as_ptr().cast(), size_of_val(&ports[..]));
    let mut running = Running { told: [0; Count::ALL.len()], mappings: 0, timer: None, node, ports, trunks, orders };
    poll_fn(|cx| running.poll(&mut router.0.borrow_mut(), cx)).await
}

/// A router, and whoever fetches what it will read.
struct Shared(RefCell<Router>);

impl Foresight for Shared {
    fn fetch(&self, port: usize, frame: &[u8], step: u8, _: &mut u64) -> bool {
        self.0.try_borrow().is_ok_and(|router| router.foresee(port, frame, step))
    }
}

/// A router at work: between its interfaces and its clock.
struct Running<'m> {
    node: Node,
    ports: Vec<Gate<'m>>,
    trunks: Trunks,
    timer: Option<(Instant, Timer)>,
    /// What the node's metrics say.
    told: [u64; Count::ALL.len()],
    mappings: usize,
    orders: Rc<Orders>,
}

impl Running<'_> {
    fn poll(&mut self, router: &mut Router, cx: &mut Context<'_>) -> Poll<Exit> {
        loop {
            let now = self.node.clock().now();
            router.warm(now);
            self.obey(router, cx);
            router.poll(now);
            self.take_in(router, cx, now);
            self.tell(router);
            let Some(at) = router.poll_at() else {
                self.timer = None;
                return Poll::Pending;
            };
            if self.timer.as_ref().is_none_or(|(set, _)| *set != at) {
                self.timer = Some((at, self.node.clock().timer(at)));
            }
            if let Some((_, timer)) = &mut self.timer
                && Pin::new(timer).poll(cx).is_pending()
            {
                return Poll::Pending;
            }
            self.timer = None;
        }
    }

    fn obey(&mut self, router: &mut Router, cx: &Context<'_>) {
        let mut waker = self.orders.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        if self.orders.forgets.take() {
            router.forget_sessions();
        }
        if self.orders.are_new.take() {
            router.reroute(&self.orders.wrong.borrow());
        }
    }

    fn take_in(&mut self, router: &mut Router, cx: &mut Context<'_>, now: Instant) {
        self.give_out(router, cx);
        for port in 0..self.ports.len() {
            let has_tags = self.trunks.has_tags(port);
            while let Some((origin, frame)) = self.ports[port].receive(cx) {
                let (router, trunks) = (&mut *router, &self.trunks);
                frame.consume(|bytes| match has_tags {
                    false => router.handle(port, origin, bytes, now),
                    true => match trunks.enter(port, bytes) {
                        Some((interface, bytes)) => router.handle(interface, origin, &bytes, now),
                        None => router.note_stranger(),
                    },
                });
                self.give_out(router, cx);
            }
        }
    }

    fn give_out(&mut self, router: &mut Router, cx: &mut Context<'_>) {
        while let Some(Outgoing { interface, origin, frame }) = router.poll_frame() {
            match self.trunks.way(interface) {
                (port, None) => self.ports[port].send(cx, origin, &frame),
                (port, Some(vlan)) => self.ports[port].send(cx, origin, &trunk::tagged(&frame, vlan)),
            }
        }
    }

    /// Brings the node's metrics up to what the router has counted.
    fn tell(&mut self, router: &Router) {
        for (count, told) in Count::ALL.into_iter().zip(&mut self.told) {
            let counted = router.count(count);
            if counted > *told {
                self.node.count(metric(count), counted - std::mem::replace(told, counted));
            }
        }
        let mappings = router.mappings();
        if mappings != std::mem::replace(&mut self.mappings, mappings) {
            self.node.gauge_while_running("nat.mappings", mappings as i64);
        }
    }
}
