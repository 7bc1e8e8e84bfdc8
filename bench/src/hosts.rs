//! Hosts with the async stack, and the wires between them.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::slice;

use wavetank_scenarios::runtime::{self, TankClock};
use wavetank_sim::net::{LinkConfig, Mac, NicId, Plug};
use wavetank_sim::node::{Exit, Node, NodeId, NodeSpec};
use wavetank_sim::prefetch;
use wavetank_sim::time::Duration;
use wavetank_sim::world::World;
use wavetank_stack::tcp;
use wavetank_stack::{Cidr, Config, Fetch, Route, Stack};

/// The address of the `index`th host.
#[must_use]
pub fn address(index: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0A00_0001 + index))
}

/// Where a host is.
#[derive(Clone, Copy, Debug)]
pub struct Home {
    /// Its address, and the network around it.
    pub address: Cidr,
    /// The way to other networks.
    pub route: Option<Route>,
    /// How many neighbours it remembers.
    pub neighbours_max: usize,
    /// How long it believes what they said.
    pub neighbour_reachable: Duration,
}

impl Home {
    /// In that network, without a way out, with the stack's defaults.
    #[must_use]
    pub fn at(address: Cidr) -> Self {
        let Config { neighbours_max, neighbour_reachable, .. } = Config::default();
        Self { address, route: None, neighbours_max, neighbour_reachable }
    }
}

/// Adds a host of the one network that all hosts are in, which runs `app` around its stack.
pub fn add<F>(world: &mut World, index: u32, app: impl Fn(Node, Stack<'static>) -> F + 'static) -> NicId
where
    F: Future<Output = ()> + 'static,
{
    settle(world, index, Home::at(Cidr::new(address(index), 8)), app)
}

/// Adds the `index`th host, which runs `app` around its stack.
pub fn settle<F>(world: &mut World, index: u32, home: Home, app: impl Fn(Node, Stack<'static>) -> F + 'static) -> NicId
where
    F: Future<Output = ()> + 'static,
{
    let app = std::rc::Rc::new(app);
    let node = world.add_node(NodeSpec::named(format!("host-{index}")), move |node: Node| {
        let app = std::rc::Rc::clone(&app);
        async move {
            let nic = node.nic(0).expect("every host has an interface");
            let mut config = Config::new(slice::from_ref(&home.address), home.route.as_slice());
            (config.neighbours_max, config.neighbour_reachable) = (home.neighbours_max, home.neighbour_reachable);
            config.fetch = Some(Fetch { lines: prefetch::span, keep_near: prefetch::keep_near });
            let (stack, mut runner) = Stack::shared(nic, TankClock(node.clock()), &config, u64::from(index) + 1);
            runtime::foresee(&node, 0, &stack);
            runner.run_with(app(node, stack)).await;
            Exit::Halt
        }
    });
    add_nic(world, node, index)
}

/// Gives a node its next interface, with an Ethernet address that `index` makes its own.
pub(crate) fn add_nic(world: &mut World, node: NodeId, index: u32) -> NicId {
    let [a, b, c, d] = index.to_be_bytes();
    world.add_nic(node, Mac([2, 0, a, b, c, d]))
}

/// A cable that only takes time.
#[must_use]
pub fn wire(latency: Duration) -> LinkConfig {
    LinkConfig { latency, ..LinkConfig::default() }
}

/// A line of 100 Mbit/s and 5 ms.
#[must_use]
pub fn line() -> LinkConfig {
    LinkConfig { rate_bps: Some(100_000_000), queue_bytes_max: Some(262_144), ..wire(Duration::from_millis(5)) }
}

/// Connections that send at once.
#[must_use]
pub fn prompt() -> tcp::Options {
    let mut options = tcp::Options::default();
    options.nagle = false;
    options
}

/// Joins hosts by one switch.
pub fn star(world: &mut World, hosts: &[NicId], link: &LinkConfig) {
    let switch = world.add_switch();
    for (index, nic) in hosts.iter().enumerate() {
        world.connect(&format!("lan/{index}"), Plug::Nic(*nic), Plug::Switch(switch), link, link);
    }
}

/// Joins two hosts.
pub fn pair(world: &mut World, name: &str, a: NicId, b: NicId, link: &LinkConfig) {
    world.connect(name, Plug::Nic(a), Plug::Nic(b), link, link);
}
