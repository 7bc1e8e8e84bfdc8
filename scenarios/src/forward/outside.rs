//! The node that stands for everybody outside.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::str::FromStr;
use std::sync::Arc;

use futures::future::{Either, join, select};
use futures::stream::{FuturesUnordered, StreamExt as _};
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::{Stack, tcp};

use super::door::{AtHand, Door, Leaving};
use crate::plan::{self, Cidr, End, NetworkKind, Plan};
use crate::registry::TypedKind;
use crate::runtime::{Network, TankClock};
use crate::site::Site;

/// A server in the tank: a node, and a TCP port of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node's name.
    pub node: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.node, self.port)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let target = text.rsplit_once(':').and_then(|(node, port)| {
            let port = port.parse().ok().filter(|&port| port != 0)?;
            (!node.is_empty()).then(|| Self { node: node.to_owned(), port })
        });
        target.ok_or_else(|| format!("`{text}` is not a node and a port of it, such as hub:80"))
    }
}

/// Why nobody outside can reach a target.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unreachable {
    /// No node has that name.
    #[error("no node is called \"{0}\"")]
    Unknown(String),
    /// It has no address of its own before the run.
    #[error("\"{0}\" has no address before the run begins: give it one in the scenario")]
    Address(String),
    /// A cable has two ends.
    #[error("\"{0}\" is not on a network with a switch, where another node can be plugged in")]
    Plug(String),
    /// All addresses are taken.
    #[error("the subnet of \"{0}\" has no address left for whoever comes from outside")]
    Full(String),
}

impl Door {
    /// Plugs a node for each target into the target's network. They come after all others, so that the plan's own stay as
    /// they are.
    ///
    /// # Errors
    /// If a target cannot be reached.
    pub fn add_to(&self, plan: &mut Plan, targets: &[Target]) -> Result<(), Unreachable> {
        targets.iter().enumerate().try_for_each(|(forward, target)| self.add(plan, forward, target))
    }

    fn add(&self, plan: &mut Plan, forward: usize, target: &Target) -> Result<(), Unreachable> {
        let name = || target.node.clone();
        let server = plan.nodes.iter().find(|node| *node.name == *target.node);
        let server = server.ok_or_else(|| Unreachable::Unknown(name()))?;
        let interface = server
            .interfaces
            .iter()
            .find(|interface| matches!(plan.networks[interface.network].kind, NetworkKind::Switch | NetworkKind::Wifi))
            .ok_or_else(|| Unreachable::Plug(name()))?
            .clone();
        let own = *interface.addresses.first().ok_or_else(|| Unreachable::Address(name()))?;
        let address = free_address(plan, own).ok_or_else(|| Unreachable::Full(name()))?;
        let called = free_name(plan);
        let (node, link) = (plan.nodes.len(), plan.links.len());
        plan.links.push(plan::Link {
            name: format!("{}/{called}", interface.network_name).into(),
            network: interface.network,
            ends: [End::Node { node, interface: 0 }, End::Switch { network: interface.network, part: 0 }],
            pipes: Default::default(),
            vlan: None,
        });
        plan.networks[interface.network].links.push(link);
        let remote = SocketAddr::new(own.ip, target.port);
        let door = self.clone();
        let kind = TypedKind::<()>::new("outside", "Everybody outside the tank.")
            .program(move |_, site| install(&door, forward, remote, site));
        plan.nodes.push(plan::Node {
            battery: None,
            name: called.into(),
            kind: Arc::new(kind),
            config: Arc::new(()),
            clock: plan::Clock::default(),
            interfaces: vec![plan::Interface {
                mac: free_mac(plan, forward),
                link,
                addresses: vec![address],
                ..interface
            }],
            ring: None,
            limits: Vec::new(),
            track: None,
            access_point: None,
            gateways: Vec::new(),
        });
        Ok(())
    }
}

fn free_name(plan: &Plan) -> String {
    let names = std::iter::once("outside".to_owned()).chain((2_u32..).map(|n| format!("outside-{n}")));
    let is_free = |name: &String| plan.nodes.iter().all(|node| *node.name != **name);
    names.into_iter().find(is_free).expect("a plan's nodes are fewer than the numbers")
}

/// Locally administered, and counted where the plan's own are drawn.
fn free_mac(plan: &Plan, forward: usize) -> [u8; 6] {
    let taken = |mac: &[u8; 6]| plan.nodes.iter().flat_map(|node| &node.interfaces).any(|own| own.mac == *mac);
    let macs = (u32::try_from(forward).unwrap_or_default()..).map(|n| {
        let [a, b, c, d] = n.to_be_bytes();
        [0x06, 0, a, b, c, d]
    });
    macs.into_iter().find(|mac| !taken(mac)).expect("a plan's nodes are fewer than the numbers")
}

/// The highest address of the subnet that nobody has: servers that give addresses away mostly begin at the low end.
fn free_address(plan: &Plan, own: Cidr) -> Option<Cidr> {
    let all = plan.nodes.iter().flat_map(|node| &node.interfaces).flat_map(|interface| &interface.addresses);
    let taken: Vec<IpAddr> = all.map(|cidr| cidr.ip).collect();
    let candidate = |back: u32| match own.ip {
        IpAddr::V4(ip) => {
            let last = ip.to_bits() | u32::MAX.checked_shr(own.prefix.into()).unwrap_or(0);
            last.checked_sub(back).map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)))
        }
        IpAddr::V6(ip) => {
            let last = ip.to_bits() | u128::MAX.checked_shr(own.prefix.into()).unwrap_or(0);
            last.checked_sub(back.into()).map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
        }
    };
    (1..=1_024)
        .map_while(candidate)
        .map(|ip| Cidr { ip, ..own })
        .take_while(|cidr| own.contains(cidr.ip))
        .find(|cidr| !taken.contains(&cidr.ip) && cidr.unfit_for_host().is_none())
}

fn install(
    door: &Door,
    forward: usize,
    remote: SocketAddr,
    site: &mut Site<'_>,
) -> impl Fn(Node) -> Pin<Box<dyn Future<Output = Exit>>> + use<> {
    let (door, network) = (door.clone(), Network::of(site));
    move |node| {
        let (door, network) = (door.clone(), network.clone());
        Box::pin(async move { run(node, &network, &door, forward, remote).await })
    }
}

/// Opens the connections that the host has accepted, and carries what is said on them.
async fn run(node: Node, network: &Network, door: &Door, forward: usize, remote: SocketAddr) -> Exit {
    let nic = node.nic(0).expect("it is plugged in");
    let (stack, mut runner) = Stack::shared(nic, TankClock(node.clock()), &network.config(), network.seed(&node));
    let carrying = pin!(carry_all(&stack, remote, door, forward));
    match runner.run_with(carrying).await {}
}

async fn carry_all(stack: &Stack<'static>, remote: SocketAddr, door: &Door, forward: usize) -> Infallible {
    let mut connections = FuturesUnordered::new();
    loop {
        let opened = pin!(poll_fn(|cx| door.poll_opened(forward, cx)));
        let ended = pin!(async {
            if connections.next().await.is_none() {
                std::future::pending::<()>().await;
            }
        });
        if let Either::Left((connection, _)) = select(opened, ended).await {
            connections.push(carry(stack, remote, door, connection));
        }
    }
}

async fn carry(stack: &Stack<'static>, remote: SocketAddr, door: &Door, connection: u64) {
    let mut options = tcp::Options::default();
    options.nagle = false;
    if let Ok(stream) = tcp::Stream::connect(stack, remote, options).await {
        join(inward(&stream, door, connection), outward(&stream, door, connection)).await;
    }
    door.forget(connection);
}

async fn inward(stream: &tcp::Stream<'static>, door: &Door, connection: u64) {
    while let AtHand::Bytes(bytes) = poll_fn(|cx| door.poll_entering(connection, cx)).await {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match poll_fn(|cx| stream.poll_write(cx, rest)).await {
                Ok(count) => rest = &rest[count..],
                Err(_) => return,
            }
        }
    }
    stream.shutdown();
}

async fn outward(stream: &tcp::Stream<'static>, door: &Door, connection: u64) {
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        match poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await {
            Ok(count) if count > 0 => door.send_out(connection, Leaving::Bytes(buffer[..count].to_vec())),
            Ok(_) | Err(_) => break door.send_out(connection, Leaving::End),
        }
    }
}
