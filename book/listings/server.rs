//! A web application with state of one thread, asked without a network and then in the tank.

use std::cell::Cell;
use std::error::Error;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::executor::block_on;
use wavetank::scenarios::runtime::{TankClock, TankListener, TankRuntime};
use wavetank::sim::net::{LinkConfig, Mac, Plug};
use wavetank::sim::node::{Exit, Node, NodeSpec};
use wavetank::sim::time::Instant;
use wavetank::sim::world::{World, WorldConfig};
use wavetank_stack::http::{Connection, Request};
use wavetank_stack::{Cidr, Config, Stack, tcp};
use wavetank_web::middleware::BodyLimit;
use wavetank_web::{App, AppService, Client, RouteError, State, serve};

/// Says how high the water stands, and how often it was asked.
fn tides() -> Result<AppService<Cell<u32>>, RouteError> {
    // A `Cell`: no lock, no `Arc`, since nobody else can reach it.
    let mut app = App::with_state(Cell::new(0));
    app.with(BodyLimit::new(1_024));
    app.at("/tides/:place").get(async |request: wavetank_web::Request<Cell<u32>>| {
        let asked = request.state().get() + 1;
        request.state().set(asked);
        request.param::<String>("place").map(|place| format!("{place} is high, said {asked} times"))
    });
    app.at("/asked").get(async |State(asked): State<Cell<u32>>| asked.get().to_string());
    app.into_service()
}

#[test]
fn it_answers_without_a_network() -> Result<(), Box<dyn Error>> {
    let client = Client::new(tides()?);
    let answer = block_on(client.get("/tides/brest").send())?;
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (200, "brest is high, said 1 times")
    );
    assert_eq!(block_on(client.get("/tides").send())?.status.as_u16(), 404);
    assert_eq!(block_on(client.get("/asked").send())?.text(), "1");
    Ok(())
}

const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

/// The node that serves it.
async fn server(node: Node) -> Exit {
    let nic = node.nic(0).expect("it is plugged in");
    let clock = node.clock();
    let addresses = [Cidr::new(SERVER, 24)];
    let (stack, mut runner) =
        Stack::shared(nic, TankClock(clock), &Config::new(&addresses, &[]), 1);
    let listener =
        tcp::Listener::bind(&stack, 80, 8, tcp::Options::default()).expect("the port is free");
    let app = tides().expect("its routes fit together");
    runner.run_with(serve(TankListener(listener), app, TankRuntime::new(clock), pending())).await;
    Exit::Halt
}

/// A node that asks, with the HTTP client of devices.
async fn client(node: Node) -> Exit {
    let nic = node.nic(0).expect("it is plugged in");
    let addresses = [Cidr::new(CLIENT, 24)];
    let (stack, mut runner) =
        Stack::shared(nic, TankClock(node.clock()), &Config::new(&addresses, &[]), 2);
    let asking = async {
        let stream =
            tcp::Stream::connect(&stack, SocketAddr::new(SERVER, 80), tcp::Options::default())
                .await?;
        let (mut head, mut body) = ([0; 512], [0; 64]);
        let mut connection = Connection::new(stream, &mut head);
        for said in ["kiel is high, said 1 times", "kiel is high, said 2 times"] {
            let mut answer = connection.send(&Request::get("/tides/kiel", "server")).await?;
            assert_eq!(answer.read_to_end(&mut body).await?, said.as_bytes());
            node.count("answers", 1);
        }
        Ok::<(), Box<dyn Error>>(())
    };
    runner.run_with(asking).await.expect("the wire loses nothing");
    Exit::Halt
}

#[test]
fn it_answers_in_the_tank() {
    let mut world = World::new(&WorldConfig::default());
    let nodes = [
        world.add_node(NodeSpec::named("server"), server),
        world.add_node(NodeSpec::named("client"), client),
    ];
    let [a, b] =
        [1, 2].map(|last| world.add_nic(nodes[usize::from(last) - 1], Mac([2, 0, 0, 0, 0, last])));
    let link = LinkConfig { latency: Duration::from_millis(1), ..LinkConfig::default() };
    world.connect("wire", Plug::Nic(a), Plug::Nic(b), &link, &link);
    world.run_until(Instant::START + Duration::from_secs(5));
    let snapshot = world.finish();
    assert_eq!(snapshot.failures, []);
    assert!(snapshot.metrics.iter().any(|metric| metric.name == "answers" && metric.value == 2));
}
