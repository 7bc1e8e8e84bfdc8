//! A reader of frames that has something else to do every now and then.

use std::time::Duration;

use embassy_futures::select::{Either, select};
use embedded_io_async::Read;
use rand_core::Rng;
use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;
use wavetank_stack::tcp;

use crate::kit::{Host, NOTHING, Reports, at, kind, write};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "cancelled-read",
    bug: "`select!` drops a read half way, and the bytes that it had are gone",
    scenario: r#"
version = 1
name = "A cancelled read loses bytes"
duration = "4s"
[profile.air]
latency = "3ms"
jitter = "2ms"
loss = "1 %"
[node.reader]
kind = "reader"
address = "10.0.0.1/24"
[node.writer]
kind = "writer"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["reader", "writer"]
profile = "air"
[[expect]]
name = "frames are read as they were written"
never = 'metric("reader", "frames.misread") > 0'
"#,
    kinds,
    seeds_max: 40,
};

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "frames.misread", doc: "frames that nobody has written" }];
    let mut registry = Registry::new();
    registry.add(kind("reader", build, Reports { metrics: METRICS, ..NOTHING }, reader));
    registry.add(kind("writer", build, NOTHING, writer));
    registry
}

const MARK: u64 = 0x5AFE_0000_0000_0000;

async fn reader(host: Host) -> Exit {
    let listener = tcp::Listener::bind(&host.stack, 80, 2, tcp::Options::default()).expect("nobody else listens");
    let mut stream = listener.accept().await;
    let (mut frame, mut have) = ([0; 16], 0);
    loop {
        // With what is kept outside the future that may be dropped, nothing is lost.
        let mut fresh = 0;
        let have = match host.build {
            Build::Planted => &mut fresh,
            Build::Fixed => &mut have,
        };
        let reading = async {
            while *have < frame.len() {
                match stream.read(&mut frame[*have..]).await {
                    Ok(count @ 1..) => *have += count,
                    _ => return false,
                }
            }
            true
        };
        match select(reading, host.node.clock().sleep(Duration::from_millis(150))).await {
            Either::First(false) => return Exit::Halt,
            Either::First(true) => {
                *have = 0;
                let [mark, number] =
                    [0, 8].map(|at| u64::from_le_bytes(frame[at..at + 8].try_into().expect("eight bytes")));
                host.node.count("frames.misread", u64::from(mark != MARK | number));
            }
            Either::Second(()) => host.sleep_ms(1).await,
        }
    }
}

async fn writer(host: Host) -> Exit {
    let connecting = tcp::Stream::connect(&host.stack, at("10.0.0.1:80"), tcp::Options::default());
    let Ok(mut stream) = connecting.await else { return Exit::Reboot };
    let mut dice = host.node.stream("dice");
    for number in 0..40 {
        // Now and then a frame goes out in two parts.
        write(&mut stream, [MARK | number]).await;
        if dice.next_u64() % 8 == 0 {
            host.sleep_ms(dice.next_u64() % 10).await;
        }
        write(&mut stream, [number]).await;
        host.sleep_ms(40 + dice.next_u64() % 20).await;
    }
    host.sleep_ms(10_000).await;
    Exit::Halt
}
