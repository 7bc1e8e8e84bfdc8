//! TLS in the tank: our client and rustls in front of a router, with the world's entropy.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use embedded_io_async::Write as _;
use hyper::rt::{Read as _, ReadBuf};
use rand_core::Rng as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use wavetank_scenarios::runtime::{TankClock, TankRuntime, TankTlsListener};
use wavetank_sim::net::{LinkConfig, Mac, Plug};
use wavetank_sim::node::{Exit, Node, NodeSpec};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{World, WorldConfig};
use wavetank_stack::http::{Connection, Request};
use wavetank_stack::tcp::{Listener, Options, Stream};
use wavetank_stack::time::{SetClock, WallClock as _};
use wavetank_stack::tls::{CertificateError, Error, Memory, Trust, connect};
use wavetank_stack::{Cidr, Config, Stack};
use wavetank_web::Listener as _;

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
/// Noon of the first of July 2026, in microseconds.
const NOW: u64 = 1_782_907_200_000_000;

/// The root that vouches for the server, which the client has in its flash.
type Root = Rc<RefCell<Vec<u8>>>;

/// A root, and a certificate of its for hub.example, made with the node's entropy.
fn secured(root: &Root) -> Arc<ServerConfig> {
    let root_key = KeyPair::generate().expect("entropy");
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let vouching = params.self_signed(&root_key).expect("a root");
    root.replace(vouching.der().to_vec());
    let issuer = Issuer::new(params, root_key);
    let key = KeyPair::generate().expect("entropy");
    let own = CertificateParams::new(vec!["hub.example".into()]).expect("a name").signed_by(&key, &issuer);
    let own = own.expect("a certificate").der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let config = config.expect("TLS 1.3").with_no_client_auth().with_single_cert(vec![own], key);
    Arc::new(config.expect("key and certificate belong together"))
}

async fn serve(node: Node, root: Root) -> Exit {
    let addresses = [Cidr::new(SERVER, 24)];
    let nic = node.nic(0).expect("plugged in");
    let (stack, mut runner) = Stack::shared(nic, TankClock(node.clock()), &Config::new(&addresses, &[]), 1);
    let router = Router::new().route("/tides", get(|| async { "high" }));
    let listener = Listener::bind(&stack, 443, 8, Options::default()).expect("the port is free");
    let listener = TankTlsListener::new(listener, secured(&root));
    runner.run_with(wavetank_web::serve(listener, router, TankRuntime::new(node.clock()), pending())).await;
    Exit::Halt
}

async fn ask(node: Node, root: Root) -> Exit {
    let addresses = [Cidr::new(CLIENT, 24)];
    let (nic, clock) = (node.nic(0).expect("plugged in"), TankClock(node.clock()));
    let mut rng = node.stream("tls");
    let (stack, mut runner) =
        Stack::shared(nic, TankClock(node.clock()), &Config::new(&addresses, &[]), rng.next_u64());
    let questions = async {
        let wall = SetClock::new(clock);
        wall.set_unix_micros(NOW);
        let root = root.borrow().clone();
        let roots: [&[u8]; 1] = [&root];
        for (name, trusted) in [("hub.example", true), ("other.example", false), ("hub.example", true)] {
            let server = SocketAddr::new(SERVER, 443);
            let stream = Stream::connect(&stack, server, Options::default()).await.expect("it listens");
            let trust = Trust::Roots { certificates: &roots, name, clock: &wall };
            let mut memory: Box<Memory> = Box::default();
            let stream = connect(stream, &mut memory, &trust, &mut rng).await;
            if !trusted {
                assert_eq!(stream.err(), Some(Error::Certificate(CertificateError::WrongName)));
                continue;
            }
            let mut head = [0; 512];
            let mut connection = Connection::new(stream.expect("hands are shaken"), &mut head);
            for _ in 0..3 {
                let mut answer = connection.send(&Request::get("/tides", name)).await.expect("it answers");
                let mut buffer = [0; 64];
                assert_eq!(answer.read_to_end(&mut buffer).await.expect("a body"), b"high");
                node.count("answers", 1);
            }
            connection.into_stream().close().await.expect("a farewell");
        }
    };
    runner.run_with(questions).await;
    Exit::Halt
}

fn run(seed: u64) -> (String, Option<i64>) {
    run_with(seed, serve, ask)
}

/// A world's fingerprint, on a thread of its own, and how many answers there were.
#[expect(clippy::disallowed_methods, reason = "each world gets a new thread, as a session would give it")]
fn run_with<S, A>(
    seed: u64,
    serve: impl Fn(Node, Root) -> S + Send + 'static,
    ask: impl Fn(Node, Root) -> A + Send + 'static,
) -> (String, Option<i64>)
where
    S: Future<Output = Exit> + 'static,
    A: Future<Output = Exit> + 'static,
{
    let world = move || {
        let mut world = World::new(&WorldConfig { seed, ..WorldConfig::default() });
        let root = Root::default();
        let [serving, asking] = [root.clone(), root];
        let server = world.add_node(NodeSpec::named("server"), move |node| serve(node, serving.clone()));
        let client = world.add_node(NodeSpec::named("client"), move |node| ask(node, asking.clone()));
        let [a, b] = [(server, 1), (client, 2)].map(|(node, last)| world.add_nic(node, Mac([2, 0, 0, 0, 0, last])));
        let link = LinkConfig { latency: Duration::from_millis(1), ..LinkConfig::default() };
        world.connect("wire", Plug::Nic(a), Plug::Nic(b), &link, &link);
        world.run_until(Instant::START + Duration::from_secs(5));
        let snapshot = world.finish();
        assert_eq!(snapshot.failures, []);
        let answers = snapshot.metrics.iter().find(|metric| metric.name == "answers").map(|metric| metric.value);
        (snapshot.fingerprint.to_string(), answers)
    };
    std::thread::spawn(world).join().expect("the world ends well")
}

#[test]
fn a_run_with_tls_is_repeated_by_its_seed() {
    let (first, answers) = run(1);
    assert_eq!(answers, Some(6));
    assert_eq!(run(1).0, first);
    assert_ne!(run(2).0, first, "keys are drawn from the seed");
}

/// A client that speaks no TLS: whoever serves the connection may read it as often as it likes, and hears the same each time.
async fn refuse(node: Node, root: Root) -> Exit {
    let addresses = [Cidr::new(SERVER, 24)];
    let nic = node.nic(0).expect("plugged in");
    let (stack, mut runner) = Stack::shared(nic, TankClock(node.clock()), &Config::new(&addresses, &[]), 1);
    let listener = Listener::bind(&stack, 443, 8, Options::default()).expect("the port is free");
    let mut listener = TankTlsListener::new(listener, secured(&root));
    let refused = async {
        let (mut io, _) = listener.accept().await.expect("somebody comes");
        for _ in 0..2 {
            let mut room = [0; 64];
            let mut buffer = ReadBuf::new(&mut room);
            let read = poll_fn(|cx| Pin::new(&mut io).poll_read(cx, buffer.unfilled())).await;
            assert_eq!(read.expect_err("no handshake").kind(), ErrorKind::InvalidData);
            node.count("answers", 1);
        }
        poll_fn(|cx| hyper::rt::Write::poll_shutdown(Pin::new(&mut io), cx)).await.expect("nothing is owed");
    };
    runner.run_with(refused).await;
    Exit::Halt
}

async fn babble(node: Node, _: Root) -> Exit {
    let addresses = [Cidr::new(CLIENT, 24)];
    let nic = node.nic(0).expect("plugged in");
    let (stack, mut runner) = Stack::shared(nic, TankClock(node.clock()), &Config::new(&addresses, &[]), 2);
    let babble = async {
        let server = SocketAddr::new(SERVER, 443);
        let mut stream = Stream::connect(&stack, server, Options::default()).await.expect("it listens");
        stream.write_all(b"GET / HTTP/1.1\r\nhost: hub.example\r\n\r\n").await.expect("there is room");
        pending::<()>().await;
    };
    runner.run_with(babble).await;
    Exit::Halt
}

#[test]
fn a_failed_handshake_stays_one() {
    assert_eq!(run_with(1, refuse, babble).1, Some(2));
}
