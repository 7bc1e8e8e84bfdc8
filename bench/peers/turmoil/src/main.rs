//! The works on turmoil: a tick of 1 ms, which is its default and the finest latency asked for here. Messages, not
//! packets: there is no Ethernet, no IP and no TCP below its sockets.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use peer_report::{Asked, Tally, Watch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until};
use turmoil::net::{TcpListener, TcpStream, UdpSocket};
use turmoil::{Builder, Result, Sim};

const MILLISECOND: Duration = Duration::from_millis(1);

const REQUEST: &[u8] = b"GET /body HTTP/1.1\r\nhost: server\r\n\r\n";
const BODY: &str = "sixty-four bytes of text, as short answers of devices often are.";

fn main() {
    let asked = Asked::read();
    match asked.work.as_str() {
        "timers-100" => timers(100, asked.of(6)),
        "udp-star" => star(100, asked.of(200)),
        "udp-ring" => rings(asked.of(2)),
        "tcp-ping-pong" => ping_pong(asked.of(10_000)),
        "http-1" => http(asked.of(5_000)),
        work => panic!("turmoil has no work {work}"),
    }
}

fn tank() -> Sim<'static> {
    Builder::new()
        .simulation_duration(Duration::from_secs(1 << 30))
        .tick_duration(MILLISECOND)
        .min_message_latency(MILLISECOND)
        .max_message_latency(MILLISECOND)
        .tcp_capacity(1 << 16)
        .udp_capacity(1 << 16)
        .rng_seed(1)
        .build()
}

fn name(host: u64) -> String {
    format!("host-{host}")
}

/// Runs for `prepared`, then measures what is done in `measured`.
fn measure(mut sim: Sim<'_>, tally: &Tally, prepared: Duration, measured: Duration) {
    let mut until = |time| {
        while sim.elapsed() < time {
            sim.step().expect("no host fails");
        }
    };
    let watch = Watch::over(tally);
    until(prepared);
    watch.start();
    until(prepared + measured);
    watch.stop(measured);
}

fn timers(hosts: u64, seconds: u64) {
    let tally = Tally::default();
    let mut sim = tank();
    for host in 0..hosts {
        let tally = tally.clone();
        sim.host(name(host), move || {
            let tally = tally.clone();
            async move {
                loop {
                    sleep(Duration::from_secs(1)).await;
                    tally.add(1);
                }
            }
        });
    }
    measure(sim, &tally, Duration::from_millis(500), Duration::from_secs(seconds));
}

fn star(hosts: u64, millis: u64) {
    let tally = Tally::default();
    let mut sim = tank();
    chatter(&mut sim, &tally, hosts, MILLISECOND, move |host, turn| (host + 1 + turn % (hosts - 1)) % hosts);
    measure(sim, &tally, Duration::from_millis(200), Duration::from_millis(millis));
}

fn rings(runs: u64) {
    let (runs_done, watch) = whole_runs();
    for _ in 0..runs {
        let tally = Tally::default();
        let mut sim = tank();
        chatter(&mut sim, &tally, 5, Duration::from_millis(10), |host, _| (host + 1) % 5);
        while sim.elapsed() < Duration::from_micros(10_005_000) {
            sim.step().expect("no host fails");
        }
        assert_eq!(tally.count(), 5_000);
        runs_done.add(1);
    }
    watch.stop(Duration::from_secs(10 * runs));
}

fn whole_runs() -> (Tally, Watch) {
    let runs = Tally::default();
    let watch = Watch::over(&runs);
    watch.start();
    (runs, watch)
}

fn chatter<P>(sim: &mut Sim<'_>, tally: &Tally, hosts: u64, period: Duration, peer: P)
where
    P: Fn(u64, u64) -> u64 + Copy + 'static,
{
    for host in 0..hosts {
        let tally = tally.clone();
        sim.host(name(host), move || chat(host, hosts, period, tally.clone(), peer));
    }
}

async fn chat(host: u64, hosts: u64, period: Duration, tally: Tally, peer: impl Fn(u64, u64) -> u64) -> Result {
    let addresses: Vec<IpAddr> = (0..hosts).map(|peer| turmoil::lookup(name(peer))).collect();
    let socket = UdpSocket::bind("0.0.0.0:9").await?;
    let receive = async {
        let mut datagram = [0; 128];
        loop {
            socket.recv_from(&mut datagram).await?;
            tally.add(1);
        }
    };
    let send = async {
        let start = Instant::now();
        for turn in 0.. {
            sleep_until(start + period * (turn as u32 + 1)).await;
            let to = addresses[peer(host, turn) as usize];
            socket.send_to(&[1; 64], SocketAddr::new(to, 9)).await?;
        }
        Ok(())
    };
    tokio::select! { ended = receive => ended, ended = send => ended }
}

fn ping_pong(rounds: u64) {
    let tally = Tally::default();
    let mut sim = tank();
    sim.host("server", || async {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let (mut stream, _) = listener.accept().await?;
        let mut message = [0; 64];
        loop {
            stream.read_exact(&mut message).await?;
            stream.write_all(&message).await?;
        }
    });
    let counted = tally.clone();
    sim.client("client", async move {
        let mut stream = TcpStream::connect("server:80").await?;
        let mut message = [7; 64];
        loop {
            stream.write_all(&message).await?;
            stream.read_exact(&mut message).await?;
            counted.add(1);
        }
    });
    measure(sim, &tally, Duration::from_millis(100), Duration::from_millis(2 * rounds));
}

/// axum and hyper behind, a client that writes and reads bytes before, one connection that is kept.
fn http(requests: u64) {
    let tally = Tally::default();
    let mut sim = tank();
    sim.host("server", || async {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let app = Router::new().route("/body", get(|| async { BODY }));
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(app);
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
        Ok(())
    });
    let counted = tally.clone();
    sim.client("client", async move {
        let mut stream = TcpStream::connect("server:80").await?;
        let mut answer = [0; 1_024];
        loop {
            stream.write_all(REQUEST).await?;
            let mut read = 0;
            while !answer[..read].ends_with(BODY.as_bytes()) {
                match stream.read(&mut answer[read..]).await? {
                    0 => panic!("the server hung up"),
                    count => read += count,
                }
            }
            counted.add(1);
        }
    });
    measure(sim, &tally, Duration::from_millis(100), Duration::from_millis(2 * requests));
}
