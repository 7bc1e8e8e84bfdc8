//! An axum router, as it is, served in the tank by the adapters that serve the hub.

use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use wavetank_scenarios::runtime::{TankClock, TankListener, TankRuntime};
use wavetank_sim::net::{LinkConfig, Mac, Plug};
use wavetank_sim::node::{Exit, Node, NodeSpec};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{World, WorldConfig};
use wavetank_stack::http::{Connection, Request};
use wavetank_stack::tcp::{Listener, Options, Stream};
use wavetank_stack::{Cidr, Config, Stack};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

async fn serve(node: Node) -> Exit {
    let addresses = [Cidr::new(SERVER, 24)];
    let nic = node.nic(0).expect("plugged in");
    let (stack, mut runner) = Stack::shared(nic, TankClock(node.clock()), &Config::new(&addresses, &[]), 1);
    let router = Router::new().route("/tides/{name}", get(|Path(name): Path<String>| async move { name + " is high" }));
    let listener = TankListener(Listener::bind(&stack, 80, 8, Options::default()).expect("the port is free"));
    runner.run_with(wavetank_web::serve(listener, router, TankRuntime::new(node.clock()), pending())).await;
    Exit::Halt
}

async fn ask(node: Node) -> Exit {
    let addresses = [Cidr::new(CLIENT, 24)];
    let nic = node.nic(0).expect("plugged in");
    let (stack, mut runner) = Stack::shared(nic, TankClock(node.clock()), &Config::new(&addresses, &[]), 2);
    let questions = async {
        let server = SocketAddr::new(SERVER, 80);
        let stream = Stream::connect(&stack, server, Options::default()).await.expect("it listens");
        let mut head = [0; 512];
        let mut connection = Connection::new(stream, &mut head);
        for (path, status, body) in
            [("/tides/brest", 200, "brest is high"), ("/", 404, ""), ("/tides/kiel", 200, "kiel is high")]
        {
            let mut answer = connection.send(&Request::get(path, "server")).await.expect("it answers");
            assert_eq!(answer.status(), status);
            let mut buffer = [0; 64];
            assert_eq!(answer.read_to_end(&mut buffer).await.expect("a body"), body.as_bytes());
            node.count("answers", 1);
        }
    };
    runner.run_with(questions).await;
    Exit::Halt
}

#[test]
fn an_axum_router_is_served_in_the_tank() {
    let mut world = World::new(&WorldConfig::default());
    let server = world.add_node(NodeSpec::named("server"), serve);
    let client = world.add_node(NodeSpec::named("client"), ask);
    let [a, b] = [(server, 1), (client, 2)].map(|(node, last)| world.add_nic(node, Mac([2, 0, 0, 0, 0, last])));
    let link = LinkConfig { latency: Duration::from_millis(1), ..LinkConfig::default() };
    world.connect("wire", Plug::Nic(a), Plug::Nic(b), &link, &link);
    world.run_until(Instant::START + Duration::from_secs(5));
    let snapshot = world.finish();
    assert_eq!(snapshot.failures, []);
    let answers = snapshot.metrics.iter().find(|metric| metric.name == "answers").map(|metric| metric.value);
    assert_eq!(answers, Some(3));
}
