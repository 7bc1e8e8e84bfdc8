//! A front desk and a workshop in one node, with a queue each way between them that holds little.

use futures::channel::mpsc::{Receiver, Sender, channel};
use futures::future::{Either, join, select};
use futures::{SinkExt, StreamExt};
use rand_core::Rng;
use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, Socket, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "two-bounded-queues",
    bug: "two tasks with a bounded queue each way wait for room in each other's",
    scenario: r#"
version = 1
name = "Two bounded queues"
duration = "4s"
[profile.air]
latency = "2ms"
jitter = "1ms"
[node.shop]
kind = "shop"
address = "10.0.0.1/24"
[node.customer]
kind = "customer"
count = 3
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["shop", "customer-*"]
profile = "air"
[[expect]]
name = "customers are served"
stable = 'max("customer-*", "unserved") < 8'
after = "2s"
within = "1s"
"#,
    kinds,
    seeds_max: 60,
};

type Order = (u64, std::net::SocketAddr);

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "unserved", doc: "orders since the last that was served" }];
    let mut registry = Registry::new();
    registry.add(kind("shop", build, NOTHING, shop));
    registry.add(kind("customer", build, Reports { metrics: METRICS, ..NOTHING }, customer));
    registry
}

async fn shop(host: Host) -> Exit {
    let socket = host.socket(7);
    let (orders, to_do) = channel(1);
    let (goods, done) = channel(1);
    join(desk(&host, &socket, orders, done), workshop(&host, to_do, goods)).await;
    Exit::Halt
}

/// Takes orders in, and hands goods out.
async fn desk(host: &Host, socket: &Socket, mut orders: Sender<Order>, mut done: Receiver<Order>) {
    loop {
        let next = match select(Box::pin(socket.receive()), done.next()).await {
            Either::Left((([order], from), _)) => Either::Left((order, from)),
            Either::Right((goods, _)) => Either::Right(goods),
        };
        match next {
            Either::Left(order) => match host.build {
                Build::Planted => drop(orders.send(order).await),
                // Who finds no room will ask again.
                Build::Fixed => drop(orders.try_send(order)),
            },
            Either::Right(Some((order, from))) => socket.send([order], from).await,
            Either::Right(None) => return,
        }
    }
}

/// Does one order after the other; a big one makes several parcels.
async fn workshop(host: &Host, mut to_do: Receiver<Order>, mut goods: Sender<Order>) {
    while let Some((order, from)) = to_do.next().await {
        host.sleep_ms(12).await;
        for _ in 0..1 + order % 4 {
            if goods.send((order, from)).await.is_err() {
                return;
            }
        }
    }
}

async fn customer(host: Host) -> Exit {
    let (socket, mut dice) = (host.socket(0), host.node.stream("dice"));
    loop {
        host.sleep_ms(80 + dice.next_u64() % 100).await;
        // Most orders are small.
        let size = if dice.next_u64() % 8 == 0 { 3 } else { 0 };
        let order = (dice.next_u64() & !3) | size;
        socket.send([order], at("10.0.0.1:7")).await;
        let served = async { while socket.receive::<1>().await.0 != [order] {} };
        match host.within_ms(60, served).await {
            Some(()) => host.node.gauge("unserved", 0),
            None => host.node.count("unserved", 1),
        }
    }
}
