//! The stack's WebSocket client and the web framework's sockets, in one tank: by plain TCP, message by message.

use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use wavetank_scenarios::runtime::{TankClock, TankListener, TankRuntime};
use wavetank_sim::net::{LinkConfig, Mac, Plug};
use wavetank_sim::node::{Exit, Node, NodeSpec};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{World, WorldConfig};
use wavetank_stack::tcp::{Listener, Options, Stream};
use wavetank_stack::websocket::{self, Close, Error, Memory, Message, Request};
use wavetank_stack::{Cidr, Config, Stack};
use wavetank_web::{App, SocketOptions, websocket_with};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

/// Says everything back, and goes when it hears "go".
fn app() -> App<()> {
    let mut app = App::new();
    app.at("/echo").get(async |request: wavetank_web::Request| {
        let options = SocketOptions { message_bytes_max: 4_096, protocols: &["echo"] };
        websocket_with(options, &request, |mut socket| async move {
            while let Some(Ok(message)) = socket.receive().await {
                if message == "go".into() {
                    let _ = socket.close().await;
                    break;
                }
                if socket.send(message).await.is_err() {
                    break;
                }
            }
        })
    });
    app
}

async fn serve(node: Node) -> Exit {
    let addresses = [Cidr::new(SERVER, 24)];
    let nic = node.nic(0).expect("plugged in");
    let (stack, mut runner) = Stack::shared(nic, TankClock(node.clock()), &Config::new(&addresses, &[]), 1);
    let listener = Listener::bind(&stack, 80, 8, Options::default()).expect("the port is free");
    let service = app().into_service().expect("one route");
    let serving = wavetank_web::serve(TankListener(listener), service, TankRuntime::new(node.clock()), pending());
    runner.run_with(serving).await;
    Exit::Halt
}

async fn talk(node: Node) -> Exit {
    let addresses = [Cidr::new(CLIENT, 24)];
    let (nic, clock) = (node.nic(0).expect("plugged in"), TankClock(node.clock()));
    let (stack, mut runner) = Stack::shared(nic, clock, &Config::new(&addresses, &[]), 2);
    let server = SocketAddr::new(SERVER, 80);
    let talking = async {
        let dial = || Stream::connect(&stack, server, Options::default());
        let options = websocket::Options::default();
        let mut memory: Memory<2_048, 512> = Memory::new();
        let nowhere = Request::new("/nowhere", "hub");
        let stream = dial().await.expect("it listens");
        let refused = websocket::open(stream, &mut memory, &nowhere, clock, node.stream("mask"), options).await;
        assert_eq!(refused.err(), Some(Error::Refused(404)));

        let mut request = Request::new("/echo", "hub");
        request.protocols = &["tide", "echo"];
        let stream = dial().await.expect("it listens");
        let opened = websocket::open(stream, &mut memory, &request, clock, node.stream("mask"), options).await;
        let mut socket = opened.expect("it opens");
        assert_eq!(socket.protocol(), Some(1));
        for len in [0, 1, 125, 126, 505, 1_500, 2_038] {
            let bytes: Vec<u8> = (0..len).map(|i: usize| i as u8).collect();
            socket.send_binary(&bytes).await.expect("it is open");
            assert_eq!(socket.recv().await, Ok(Message::Binary(&bytes)), "{len} bytes");
            node.count("echoes", 1);
        }
        socket.send_text("Ebbe und Flut ☂").await.expect("it is open");
        assert_eq!(socket.recv().await, Ok(Message::Text("Ebbe und Flut ☂")));
        // More than the server takes: it says so.
        socket.send_binary(&[0; 5_000]).await.expect("it is open");
        let farewell = socket.recv().await;
        assert!(matches!(farewell, Ok(Message::Close(Close { code: Some(1009), .. }))), "{farewell:?}");

        let stream = dial().await.expect("it listens");
        let opened = websocket::open(stream, &mut memory, &request, clock, node.stream("mask"), options).await;
        let mut socket = opened.expect("it opens");
        socket.send_text("go").await.expect("it is open");
        assert!(matches!(socket.recv().await, Ok(Message::Close(_))));
        assert_eq!(socket.close(1000, "").await, Ok(()));
        node.count("farewells", 1);
    };
    runner.run_with(talking).await;
    Exit::Halt
}

/// A world's fingerprint, on a thread of its own, and how far the client came.
#[expect(clippy::disallowed_methods, reason = "each world gets a new thread, as a session would give it")]
fn run(seed: u64) -> (String, [Option<i64>; 2]) {
    let world = move || {
        let mut world = World::new(&WorldConfig { seed, ..WorldConfig::default() });
        let server = world.add_node(NodeSpec::named("server"), serve);
        let client = world.add_node(NodeSpec::named("client"), talk);
        let [a, b] = [(server, 1), (client, 2)].map(|(node, last)| world.add_nic(node, Mac([2, 0, 0, 0, 0, last])));
        let link = LinkConfig { latency: Duration::from_millis(1), ..LinkConfig::default() };
        world.connect("wire", Plug::Nic(a), Plug::Nic(b), &link, &link);
        world.run_until(Instant::START + Duration::from_secs(20));
        let snapshot = world.finish();
        assert_eq!(snapshot.failures, []);
        let metric = |name| snapshot.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
        (snapshot.fingerprint.to_string(), [metric("echoes"), metric("farewells")])
    };
    std::thread::spawn(world).join().expect("the world ends well")
}

#[test]
fn everything_comes_back_as_it_was_said() {
    let (fingerprint, came) = run(1);
    assert_eq!(came, [Some(7), Some(1)]);
    assert_eq!(run(1), (fingerprint, came), "one seed is one history");
}
