//! The works on bach. Datagrams have IP and UDP headers in memory, not on a wire of bytes; it has no TCP.

use std::net::SocketAddr;
use std::time::Duration;

use bach::environment::default::Runtime;
use bach::environment::net::queue::Fixed;
use bach::ext::*;
use bach::net::UdpSocket;
use bach::time::{Instant, sleep, sleep_until};
use peer_report::{Asked, Tally, Watch};

fn main() {
    let asked = Asked::read();
    match asked.work.as_str() {
        "timers" => timers(1_000, asked.of(600)),
        "timers-100" => timers(100, asked.of(600)),
        "udp-star" => star(100, asked.of(1_000)),
        "udp-ring" => rings(asked.of(20)),
        work => panic!("bach has no work {work}"),
    }
}

fn tank() -> Runtime {
    let network = Fixed::default().with_net_latency(Duration::from_millis(1));
    Runtime::new().with_seed(1).with_net_queues(Some(Box::new(network)))
}

fn name(host: u32) -> String {
    format!("host-{host}")
}

/// Runs for `prepared`, then measures what is done in `measured`.
async fn measure(tally: Tally, prepared: Duration, measured: Duration) {
    let watch = Watch::over(&tally);
    sleep(prepared).await;
    watch.start();
    sleep(measured).await;
    watch.stop(measured);
}

fn timers(hosts: u32, seconds: u64) {
    let tally = Tally::default();
    tank().run(|| {
        for host in 0..hosts {
            let tally = tally.clone();
            let sleeper = async move {
                loop {
                    sleep(Duration::from_secs(1)).await;
                    tally.add(1);
                }
            };
            sleeper.group(name(host)).spawn();
        }
        measure(tally.clone(), Duration::from_millis(500), Duration::from_secs(seconds))
            .group("watch")
            .primary()
            .spawn();
    });
}

fn star(hosts: u32, millis: u64) {
    let tally = Tally::default();
    let peer = move |host, turn| (host + 1 + turn % (hosts - 1)) % hosts;
    tank().run(|| {
        chatter(&tally, hosts, Duration::from_millis(1), peer);
        let measured = measure(tally.clone(), Duration::from_micros(200_250), Duration::from_millis(millis));
        measured.group("watch").primary().spawn();
    });
}

fn rings(runs: u64) {
    let done = Tally::default();
    let watch = Watch::over(&done);
    watch.start();
    for _ in 0..runs {
        let tally = Tally::default();
        tank().run(|| {
            chatter(&tally, 5, Duration::from_millis(10), |host, _| (host + 1) % 5);
            sleep(Duration::from_micros(10_005_000)).group("watch").primary().spawn();
        });
        assert_eq!(tally.count(), 5_000);
        done.add(1);
    }
    watch.stop(Duration::from_secs(10 * runs));
}

fn chatter<P>(tally: &Tally, hosts: u32, period: Duration, peer: P)
where
    P: Fn(u32, u32) -> u32 + Copy + 'static,
{
    for host in 0..hosts {
        let tally = tally.clone();
        let chat = async move {
            let socket = std::rc::Rc::new(UdpSocket::bind("0.0.0.0:9").await.expect("the port is free"));
            let receiver = std::rc::Rc::clone(&socket);
            let receive = async move {
                let mut datagram = [0; 128];
                while receiver.recv_from(&mut datagram).await.is_ok() {
                    tally.add(1);
                }
            };
            receive.spawn();
            let addresses: Vec<SocketAddr> =
                (0..hosts).map(|peer| bach::net::try_lookup((name(peer), 9)).expect("a host of this name")).collect();
            let start = Instant::now();
            for turn in 0.. {
                sleep_until(start + period * (turn + 1)).await;
                socket.send_to(&[1; 64], addresses[peer(host, turn) as usize]).await.expect("the peer is there");
            }
        };
        chat.group(name(host)).spawn();
    }
}
