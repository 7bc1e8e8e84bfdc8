//! What both ends of a TCP connection see when somebody on the way tampers with it: as much data as was let through, in order,
//! and then the error that a program meets where a proxy does the same.

mod common;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use wavetank_scenarios::registry::{Metric, TypedKind};
use wavetank_scenarios::runtime::{Network, TankClock};
use wavetank_scenarios::site::Site;
use wavetank_scenarios::{Plan, Registry, RunOptions, start};
use wavetank_sim::node::Node;
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;
use wavetank_stack::{Stack, tcp};

/// How much a teller tells.
const WHOLE: u64 = 5_000;

/// One who tells all callers the same, and one who calls every second and listens to the end.
const TWO: &str = r#"
version = 1
name = "two"
duration = "20s"

[profile.wire]
latency = "5ms"

[node.caller]
kind = "caller"
address = "10.0.0.1/24"

[node.teller]
kind = "teller"
address = "10.0.0.2/24"

[network.lan]
kind = "switch"
members = ["caller", "teller"]
profile = "wire"
"#;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

static METRICS: &[Metric] = &[
    Metric { name: "bytes", doc: "bytes that were read, as they should be" },
    Metric { name: "ended", doc: "connections that ended well" },
    Metric { name: "reset", doc: "connections that were reset" },
    Metric { name: "refused", doc: "connections that were refused" },
    Metric { name: "other", doc: "other errors" },
    Metric { name: "longest", doc: "milliseconds that the longest call took" },
];

fn note(node: &Node, error: tcp::Error) {
    let name = match error {
        tcp::Error::Reset => "reset",
        tcp::Error::Refused => "refused",
        _ => "other",
    };
    node.count(name, 1);
}

fn caller() -> TypedKind<Nothing> {
    TypedKind::new("caller", "Calls.").metrics(METRICS).program(|_: &Arc<Nothing>, site: &mut Site<'_>| {
        let network = Network::of(site);
        move |node: Node| {
            let network = network.clone();
            async move {
                let (clock, nic) = (node.clock(), node.nic(0).expect("it is plugged in"));
                let (stack, mut runner) = Stack::shared(nic, TankClock(clock), &network.config(), 1);
                let calling = async {
                    let (to, mut longest) = (SocketAddr::from(([10, 0, 0, 2], 80)), 0);
                    loop {
                        clock.sleep(std::time::Duration::from_secs(1)).await;
                        let began = clock.now();
                        match tcp::Stream::connect(&stack, to, tcp::Options::default()).await {
                            Ok(stream) => listen(&node, &stream).await,
                            Err(error) => note(&node, error),
                        }
                        longest = longest.max(clock.now().saturating_duration_since(began).as_millis() as i64);
                        node.gauge("longest", longest);
                    }
                };
                runner.run_with(calling).await
            }
        }
    })
}

/// Reads to the end; every byte is the one that belongs there.
async fn listen(node: &Node, stream: &tcp::Stream<'_>) {
    let mut place = 0;
    loop {
        let read = poll_fn(|cx| {
            stream.poll_read_with(cx, |bytes| {
                for (byte, place) in bytes.iter().zip(place..) {
                    assert_eq!(*byte, place as u8, "byte {place}");
                }
                bytes.len()
            })
        });
        match read.await {
            Ok(0) => return node.count("ended", 1),
            Ok(len) => {
                place += len;
                node.count("bytes", len as u64);
            }
            Err(error) => return note(node, error),
        }
    }
}

fn teller() -> TypedKind<Nothing> {
    TypedKind::new("teller", "Tells.").metrics(METRICS).program(|_: &Arc<Nothing>, site: &mut Site<'_>| {
        let network = Network::of(site);
        move |node: Node| {
            let network = network.clone();
            async move {
                let nic = node.nic(0).expect("it is plugged in");
                let (stack, mut runner) = Stack::shared(nic, TankClock(node.clock()), &network.config(), 2);
                let mut options = tcp::Options::default();
                options.timeout = Some(std::time::Duration::from_secs(5));
                let listener = tcp::Listener::bind(&stack, 80, 4, options).expect("nobody else listens here");
                let telling = async {
                    loop {
                        let stream = listener.accept().await;
                        match tell(&stream).await {
                            Ok(()) => node.count("ended", 1),
                            Err(error) => note(&node, error),
                        }
                    }
                };
                runner.run_with(telling).await
            }
        }
    })
}

/// Tells it all, and waits until the other one has it and has hung up.
async fn tell(stream: &tcp::Stream<'_>) -> Result<(), tcp::Error> {
    let whole: Vec<u8> = (0..WHOLE).map(|place| place as u8).collect();
    let mut told = 0;
    while told < whole.len() {
        told += poll_fn(|cx| stream.poll_write(cx, &whole[told..])).await?;
    }
    stream.shutdown();
    stream.acknowledged().await?;
    poll_fn(|cx| stream.poll_read_with(cx, <[u8]>::len)).await.map(|_| ())
}

fn ran(fault: &str) -> Snapshot {
    let snapshot = ran_on("teller", fault);
    assert_eq!(metric(&snapshot, "caller", "other") + metric(&snapshot, "teller", "other"), 0);
    snapshot
}

fn ran_on(target: &str, fault: &str) -> Snapshot {
    ran_in(TWO, target, fault)
}

fn ran_in(scenario: &str, target: &str, fault: &str) -> Snapshot {
    let mut registry = Registry::builtin();
    registry.add(caller()).add(teller());
    let text = format!("{scenario}\n[[fault]]\nat = \"0s\"\ntarget = \"{target}\"\nport = 80\n{fault}\n");
    let plan = Arc::new(Plan::read("test.toml", &text, &registry).unwrap_or_else(|problems| {
        panic!("{}", common::rendered(&problems));
    }));
    let session = start(&plan, &RunOptions::default()).expect("starts");
    session.run_until(Instant::from_nanos(plan.duration_ns)).expect("runs");
    let snapshot = session.finish().expect("ends");
    assert!(snapshot.failures.is_empty(), "{:?}", snapshot.failures);
    assert!(snapshot.faults[0].hits > 0, "{:?}", snapshot.faults);
    snapshot
}

fn metric(snapshot: &Snapshot, node: &str, name: &str) -> u64 {
    let is_it =
        |metric: &&wavetank_sim::world::MetricValue| snapshot.names.node(metric.node) == node && metric.name == name;
    snapshot.metrics.iter().find(is_it).map_or(0, |metric| metric.value as u64)
}

/// How many calls ended well, were reset and were refused, of one of the two.
fn calls(snapshot: &Snapshot, node: &str) -> [u64; 3] {
    ["ended", "reset", "refused"].map(|name| metric(snapshot, node, name))
}

#[test]
fn who_is_reset_at_once_is_refused() {
    let snapshot = ran("kind = \"tcp-reset\"");
    assert_eq!(calls(&snapshot, "caller"), [0, 0, 19]);
    assert_eq!(calls(&snapshot, "teller"), [0; 3], "nobody has called");
}

#[test]
fn a_connection_is_reset_in_the_middle_at_both_ends() {
    // The handshake takes 25 ms there, what is told comes after it.
    let snapshot = ran("kind = \"tcp-reset\"\nafter = \"32ms\"\ncount = 7");
    let [ended, reset, refused] = calls(&snapshot, "caller");
    assert_eq!((reset, refused), (7, 0));
    assert!(ended >= 10);
    assert_eq!(calls(&snapshot, "teller"), [ended, 7, 0], "the other end hears of it, too");
    assert_eq!(snapshot.faults[0].hits, 7);
}

#[test]
fn so_much_gets_through_to_the_byte() {
    let snapshot = ran("kind = \"tcp-limit\"\nbytes = \"1234 B\"\ndirection = \"up\"\nend = \"reset\"");
    let [ended, reset, refused] = calls(&snapshot, "caller");
    assert_eq!((ended, refused), (0, 0));
    assert!(reset >= 18, "{reset}");
    assert_eq!(metric(&snapshot, "caller", "bytes"), reset * 1_234);
    assert_eq!(calls(&snapshot, "teller"), [0, reset, 0]);
    let snapshot = ran("kind = \"tcp-slice\"\nbytes = \"999 B\"\n\n[[fault]]\nat = \"0s\"\n\
                        target = \"teller\"\nkind = \"tcp-limit\"\nbytes = \"4999 B\"\nend = \"reset\"\n");
    assert_eq!(metric(&snapshot, "caller", "bytes") % 4_999, 0, "and where others cut the segments up");
}

/// The caller hears so much and then the end; the teller, who is not told that all came, is reset when it sends the rest again.
#[test]
fn so_much_gets_through_and_then_it_ends() {
    for profile in ["", "loss = \"3 %\"\n"] {
        let text = TWO.replace("latency = \"5ms\"\n", &format!("latency = \"5ms\"\n{profile}"));
        let snapshot = ran_in(&text, "teller", "kind = \"tcp-limit\"\nbytes = \"1234 B\"\ndirection = \"up\"");
        let [ended, reset, refused] = calls(&snapshot, "caller");
        assert!(ended >= 10 && reset + refused == 0, "{ended} {reset} {refused}");
        assert_eq!(metric(&snapshot, "caller", "bytes"), ended * 1_234);
        let [whole, reset, _] = calls(&snapshot, "teller");
        assert!(whole == 0 && reset + 1 >= ended, "{whole} {reset} of {ended}");
        assert_eq!(snapshot.faults[0].hits, ended);
    }
}

#[test]
fn all_is_there_long_before_the_end_is() {
    let snapshot = ran("kind = \"tcp-slow-close\"\nextra = \"700ms\"\ndirection = \"up\"");
    let [ended, reset, refused] = calls(&snapshot, "caller");
    assert_eq!((reset, refused), (0, 0));
    assert_eq!(metric(&snapshot, "caller", "bytes"), ended * WHOLE);
    let longest = metric(&snapshot, "caller", "longest");
    assert!((700..1_000).contains(&longest), "{longest}");
}

#[test]
fn what_comes_in_pieces_is_the_same_and_takes_longer() {
    let whole = ran("kind = \"tcp-slice\"\nbytes = \"700 B\"\nvariation = \"300 B\"");
    let slow =
        ran("kind = \"tcp-slice\"\nbytes = \"100 B\"\nvariation = \"99 B\"\nextra = \"5ms\"\ndirection = \"up\"");
    for snapshot in [&whole, &slow] {
        let [ended, reset, refused] = calls(snapshot, "caller");
        assert!(ended >= 15 && reset + refused == 0);
        let read = metric(snapshot, "caller", "bytes");
        assert!((ended * WHOLE..=(ended + 1) * WHOLE).contains(&read), "{read} of {ended}");
    }
    let [quick, slow] = [whole, slow].map(|snapshot| metric(&snapshot, "caller", "longest"));
    // 5,000 bytes by about 100, 5 ms each.
    assert!((quick + 150..quick + 400).contains(&slow), "{quick} {slow}");
}

#[test]
fn connections_open_and_nothing_comes() {
    let snapshot = ran("kind = \"tcp-stall\"\nafter = \"300ms\"");
    let [ended, reset, refused] = calls(&snapshot, "caller");
    assert_eq!((ended, refused, metric(&snapshot, "caller", "bytes")), (0, 0, 0));
    assert!(reset >= 14, "{reset}");
    assert_eq!(calls(&snapshot, "teller"), [0, reset, 0]);
}

/// Where it is never reset, the ends are left to their own patience, and go on when it is over.
#[test]
fn a_stall_that_ends_is_healed() {
    let snapshot = ran("for = \"3s\"\nkind = \"tcp-stall\"");
    let [ended, reset, refused] = calls(&snapshot, "caller");
    assert!(ended >= 14 && reset + refused == 0, "{ended} {reset} {refused}");
    assert_eq!(metric(&snapshot, "caller", "bytes"), ended * WHOLE);
}

/// What one lets go when it is taken away is looked at by those who stand on other links.
#[test]
fn what_was_kept_gets_past_nobody_else() {
    let snapshot = ran_on(
        "caller",
        "kind = \"tcp-limit\"\nbytes = \"350 B\"\nend = \"reset\"\n\n[[fault]]\nat = \"0s\"\nfor = \"3s\"\n\
         target = \"teller\"\nkind = \"tcp-slice\"\nbytes = \"100 B\"\nextra = \"1s\"\n",
    );
    let (read, [ended, reset, refused]) = (metric(&snapshot, "caller", "bytes"), calls(&snapshot, "caller"));
    assert!(snapshot.faults[1].hits > 0 && reset > 10);
    assert_eq!((read, ended, refused), (reset * 350, 0, 0));
}
