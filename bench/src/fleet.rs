//! A fleet of devices that report once a minute by CoAP, behind access networks that share an address each.
//!
//! Each access network is a switch with up to 125 devices and a router that translates their addresses (NAT44); the routers
//! and the server are on one switch more. A report is a confirmable POST (RFC 7252), acknowledged with its answer: two
//! datagrams over four links each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use futures::future::pending;
use wavetank_scenarios::kinds::router::pass;
use wavetank_scenarios::router::{self, Behaviour, Interface, Nat, NatConfig, Ports, Settings, Timeouts};
use wavetank_scenarios::runtime::TankClock;
use wavetank_sim::net::NicId;
use wavetank_sim::node::{Node, NodeSpec};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::World;
use wavetank_stack::coap::{Answer, Asked, Client, Code, Message, Options, PORT, Request, Resource, Server, serve};
use wavetank_stack::{Cidr, Route, Stack};

use crate::hosts::{self, Home};
use crate::measured::{Measured, Tally};
use crate::tank::Tank;

/// From one report of a device to its next.
const PERIOD: Duration = Duration::from_secs(60);
/// Devices of an access network, at most.
const NETWORK: u32 = 125;
const LINK: Duration = Duration::from_millis(1);
const SERVER: Ipv4Addr = Ipv4Addr::new(172, 31, 255, 254);
/// The same in all access networks, as what is behind a translator may be.
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// Neighbours do not change their addresses here, and nobody asks them again and again.
const REACHABLE: Duration = Duration::from_secs(86_400);

/// How many devices there are addresses for.
pub const DEVICES_MAX: u32 = 65_000 * NETWORK;

/// `devices` report for so many minutes, evenly spread over each. Counts the reports that were acknowledged; before that,
/// each device has found its router and reported once at least.
///
/// # Panics
///
/// If there are more of them than [`DEVICES_MAX`], or one has no answer.
#[must_use]
pub fn reports(devices: u32, minutes: u32) -> Measured {
    assert!(devices <= DEVICES_MAX, "there are addresses for {DEVICES_MAX} devices");
    // Until the last one's first report is answered.
    let prepared = PERIOD + Duration::from_secs(1);
    let tank = Tank { prepared, measured: PERIOD * minutes };
    let measured = tank.measure(move |world, tally| build(world, devices, tally));
    assert_eq!(measured.done.items, u64::from(devices) * u64::from(minutes), "each report is answered");
    measured
}

fn build(world: &mut World, devices: u32, tally: &Tally) {
    let networks = devices.div_ceil(NETWORK);
    // Interfaces are numbered: those of devices first, then both of each router, then the server's.
    let server = Home {
        neighbours_max: networks as usize + 1,
        neighbour_reachable: REACHABLE,
        ..Home::at(Cidr::new(SERVER.into(), 12))
    };
    let mut trunk = vec![hosts::settle(world, devices + 2 * networks, server, collect)];
    for network in 0..networks {
        let [inside, outside] = access_router(world, network, devices + 2 * network);
        trunk.push(outside);
        let members = (network..devices).step_by(networks as usize).zip(2..);
        let mut nics = vec![inside];
        nics.extend(members.map(|(index, place)| device(world, index, place, PERIOD * index / devices, tally)));
        hosts::star(world, &nics, &hosts::wire(LINK));
    }
    hosts::star(world, &trunk, &hosts::wire(LINK));
}

/// A device, whose first report is due at that time.
fn device(world: &mut World, index: u32, place: u8, first: Duration, tally: &Tally) -> NicId {
    let home = Home {
        route: Some(Route::default_via(ROUTER.into())),
        neighbours_max: 4,
        neighbour_reachable: REACHABLE,
        ..Home::at(Cidr::new(Ipv4Addr::new(10, 0, 0, place).into(), 24))
    };
    let tally = tally.clone();
    hosts::settle(world, index, home, move |node, stack| report(node, stack, Instant::START + first, tally.clone()))
}

async fn report(node: Node, stack: Stack<'static>, mut due: Instant, tally: Tally) {
    let clock = TankClock(node.clock());
    let mut client =
        Client::new(&stack, clock, node.stream("coap"), Options::default()).expect("nobody else has sockets");
    let mut answer = [0; 64];
    let server = SocketAddr::new(SERVER.into(), PORT);
    loop {
        node.clock().timer(due).await;
        let response = client.request(server, &Request::post("readings", 0, b"21.50"), &mut answer).await;
        assert_eq!(response.expect("nothing is lost").code, Code::CHANGED);
        tally.add(1);
        due = due + PERIOD;
    }
}

/// Between an access network and the one of the routers: its interfaces inside and outside.
fn access_router(world: &mut World, network: u32, first_nic: u32) -> [NicId; 2] {
    let [.., high, low] = (network + 1).to_be_bytes();
    let shared = Ipv4Addr::new(172, 16, high, low);
    let interface = |address: Ipv4Addr, prefix, nic: u32| {
        let [a, b, c, d] = nic.to_be_bytes();
        let addresses = vec![router::Cidr { ip: IpAddr::V4(address), prefix }];
        Interface { link: router::Link::Ethernet, mac: [2, 0, a, b, c, d], addresses, mtu: 1_500 }
    };
    let interfaces = vec![interface(ROUTER, 24, first_nic), interface(shared, 12, first_nic + 1)];
    let node = world.add_node(NodeSpec::named(format!("router-{network}")), move |node: Node| {
        let nat = NatConfig {
            outside: 1,
            address: shared,
            mapping: Behaviour::EndpointIndependent,
            filtering: Behaviour::AddressAndPortDependent,
            ports: Ports::Preserve,
            range: (1_024, 65_535),
            timeouts: Timeouts::default(),
            inbound_refresh: true,
            hairpin: false,
            forwards: Vec::new(),
        };
        let nat = Some(Nat::new(nat, node.stream("nat/ports")));
        let interfaces = interfaces.clone();
        pass(node, Settings { interfaces, nat, neighbour_reachable: REACHABLE, ..Settings::default() })
    });
    [first_nic, first_nic + 1].map(|nic| hosts::add_nic(world, node, nic))
}

/// Acknowledges whatever is reported.
struct Collector;

impl Resource for Collector {
    fn answer(&mut self, asked: &Asked<'_>, _buffer: &mut [u8]) -> Answer {
        Answer::just(if asked.method == Code::POST { Code::CHANGED } else { Code::METHOD_NOT_ALLOWED })
    }

    fn is_idempotent(&self, _message: &Message<'_>) -> bool {
        true
    }
}

async fn collect(node: Node, stack: Stack<'static>) {
    let mut server = Server::<_, 64>::new(Collector, 0);
    let Err(error) = serve(&stack, &TankClock(node.clock()), &mut server, pending).await;
    panic!("the server cannot serve: {error}");
}
