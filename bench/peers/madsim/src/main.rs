//! The works on madsim, built as a simulator. Messages, not packets: its sockets hand buffers over in memory. Sending a
//! datagram sleeps, and it sleeps for at least 1 ms; so two tasks of a host send in turn, to be able to send every
//! millisecond.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use madsim::net::{TcpListener, TcpStream, UdpSocket};
use madsim::runtime::Runtime;
use madsim::time::{Instant, sleep, sleep_until};
use madsim::{Config, net};
use peer_report::{Asked, Tally, Watch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MILLISECOND: Duration = Duration::from_millis(1);
/// How many tasks of a host send in turn.
const LANES: u32 = 2;

fn main() {
    let asked = Asked::read();
    match asked.work.as_str() {
        "timers" => timers(1_000, asked.of(600)),
        "timers-100" => timers(100, asked.of(600)),
        "udp-star" => star(100, asked.of(1_000)),
        "udp-ring" => rings(asked.of(20)),
        "tcp-ping-pong" => ping_pong(asked.of(50_000)),
        work => panic!("madsim has no work {work}"),
    }
}

fn tank() -> Runtime {
    let mut config = Config::default();
    config.net =
        net::Config { packet_loss_rate: 0.0, send_latency: MILLISECOND..MILLISECOND + Duration::from_nanos(1) };
    Runtime::with_seed_and_config(1, config)
}

fn address(host: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0A00_0001 + host))
}

/// Runs for `prepared`, then measures what is done in `measured`.
fn measure(runtime: &Runtime, tally: &Tally, prepared: Duration, measured: Duration) {
    let watch = Watch::over(tally);
    runtime.block_on(async {
        sleep(prepared).await;
        watch.start();
        sleep(measured).await;
        watch.stop(measured);
    });
}

fn timers(hosts: u32, seconds: u64) {
    let tally = Tally::default();
    let runtime = tank();
    for host in 0..hosts {
        let tally = tally.clone();
        let node = runtime.create_node().name(format!("host-{host}")).ip(address(host)).build();
        node.spawn(async move {
            // In step with the clock, as this sleep is in milliseconds that end a little late.
            let start = Instant::now();
            for turn in 1.. {
                sleep_until(start + Duration::from_secs(1) * turn).await;
                tally.add(1);
            }
        });
    }
    measure(&runtime, &tally, Duration::from_millis(500), Duration::from_secs(seconds));
}

fn star(hosts: u32, millis: u64) {
    let tally = Tally::default();
    let runtime = tank();
    chatter(&runtime, &tally, hosts, MILLISECOND, move |host, turn| (host + 1 + turn % (hosts - 1)) % hosts);
    measure(&runtime, &tally, Duration::from_micros(200_250), Duration::from_millis(millis));
}

fn rings(runs: u64) {
    let done = Tally::default();
    let watch = Watch::over(&done);
    watch.start();
    for _ in 0..runs {
        let tally = Tally::default();
        let runtime = tank();
        chatter(&runtime, &tally, 5, Duration::from_millis(10), |host, _| (host + 1) % 5);
        runtime.block_on(async { sleep(Duration::from_micros(10_005_000)).await });
        assert_eq!(tally.count(), 5_000);
        done.add(1);
    }
    watch.stop(Duration::from_secs(10 * runs));
}

fn chatter<P>(runtime: &Runtime, tally: &Tally, hosts: u32, period: Duration, peer: P)
where
    P: Fn(u32, u32) -> u32 + Copy + Send + Sync + 'static,
{
    for host in 0..hosts {
        let node = runtime.create_node().name(format!("host-{host}")).ip(address(host)).build();
        let tally = tally.clone();
        node.spawn(async move {
            let socket = std::sync::Arc::new(UdpSocket::bind("0.0.0.0:9").await.expect("the port is free"));
            let receiver = std::sync::Arc::clone(&socket);
            madsim::task::spawn(async move {
                let mut datagram = [0; 128];
                while receiver.recv_from(&mut datagram).await.is_ok() {
                    tally.add(1);
                }
            });
            let start = Instant::now();
            let send = async |lane: u32| {
                for turn in (lane..).step_by(LANES as usize) {
                    sleep_until(start + period * (turn + 1)).await;
                    let to = SocketAddr::new(address(peer(host, turn)), 9);
                    socket.send_to(to, &[1; 64]).await.expect("the peer is there");
                }
            };
            tokio::join!(send(0), send(1));
        });
    }
}

fn ping_pong(rounds: u64) {
    let tally = Tally::default();
    let runtime = tank();
    let server = SocketAddr::new(address(0), 80);
    runtime.create_node().name("server").ip(address(0)).build().spawn(async move {
        let listener = TcpListener::bind(server).await.expect("the port is free");
        let (mut stream, _) = listener.accept().await.expect("the client connects");
        let mut message = [0; 64];
        while stream.read_exact(&mut message).await.is_ok() {
            stream.write_all(&message).await.expect("the client reads");
            stream.flush().await.expect("the client reads");
        }
    });
    let counted = tally.clone();
    runtime.create_node().name("client").ip(address(1)).build().spawn(async move {
        sleep(MILLISECOND).await;
        let mut stream = TcpStream::connect(server).await.expect("the server listens");
        let mut message = [7; 64];
        loop {
            stream.write_all(&message).await.expect("the server reads");
            stream.flush().await.expect("the server reads");
            stream.read_exact(&mut message).await.expect("the server answers");
            counted.add(1);
        }
    });
    measure(&runtime, &tally, Duration::from_millis(100), Duration::from_millis(2 * rounds));
}
