//! One line for many: who gets how much of it, and how long others wait (RFC 8290).

mod common;

use std::sync::Arc;

use common::{registry, rendered};
use wavetank_scenarios::plan::Plan;
use wavetank_scenarios::run::{Record, run};
use wavetank_sim::world::Snapshot;

/// What is between the two sides.
const RATE_MBIT: u64 = 8;

/// Uploads from the west to the east of so different round trips that they do not share a plain queue alike, and somebody who
/// asks for something small meanwhile. None of them understands congestion marks.
fn ran(uploads: &[&str], queue: &str) -> Snapshot {
    let mut text = format!(
        r#"
version = 1
name = "one line"
duration = "60s"
seed = 5

[node.asker]
kind = "pinger"
address = "10.0.0.11/24"
config = {{ to = "10.0.0.12", period = "100ms", patience = "5s" }}

[node.asked]
kind = "bulk-receiver"
address = "10.0.0.12/24"

[network.wan]
kind = "regions"
members = ["*"]
region = {{ west = ["upload-*", "asker"], east = ["archive-*", "asked"] }}

[network.wan.path."west/east"]
latency = "2ms"
rate = "{RATE_MBIT} Mbit/s"
queue = {queue}
"#
    );
    for (at, latency) in uploads.iter().enumerate() {
        let (upload, archive) = (21 + at, 31 + at);
        text += &format!(
            "\n[node.upload-{at}]\nkind = \"bulk-sender\"\naddress = \"10.0.0.{upload}/24\"\n\
             config = {{ to = \"10.0.0.{archive}:5001\", after = \"1s\" }}\n\
             \n[node.archive-{at}]\nkind = \"bulk-receiver\"\naddress = \"10.0.0.{archive}/24\"\n\
             \n[network.wan.link.upload-{at}]\nlatency = \"{latency}\"\n"
        );
    }
    let plan = Plan::read("test.toml", &text, &registry()).unwrap_or_else(|problems| panic!("{}", rendered(&problems)));
    let snapshot = run(&Arc::new(plan), 5, Record::Off, None).expect("runs").snapshot;
    assert!(snapshot.failures.is_empty(), "{:?}", snapshot.failures);
    snapshot
}

fn all(snapshot: &Snapshot, name: &str) -> Vec<f64> {
    snapshot.metrics.iter().filter(|metric| metric.name == name).map(|metric| metric.value as f64).collect()
}

/// R. Jain's index: 1 if all have the same, 1 / n if one has everything.
fn jain(shares: &[f64]) -> f64 {
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    shares.iter().sum::<f64>().powi(2) / (shares.len() as f64 * squares)
}

/// How fairly the line was shared, how much of it was used, and the longest wait of who asked for something small.
fn shared(uploads: &[&str], queue: &str) -> (f64, f64, f64) {
    let snapshot = ran(uploads, queue);
    let shares = all(&snapshot, "bytes.received");
    assert_eq!(shares.len(), uploads.len(), "{shares:?}");
    let used = shares.iter().sum::<f64>() * 8.0 / (59.0 * 1e6 * RATE_MBIT as f64);
    let worst_ms = all(&snapshot, "round-trip.worst.us")[0] / 1_000.0;
    assert!(all(&snapshot, "pings.lost").iter().sum::<f64>() < 30.0);
    println!("{queue}: {shares:?}, index {:.4}, {:.1} % used, at most {worst_ms} ms", jain(&shares), used * 100.0);
    (jain(&shares), used, worst_ms)
}

const TAIL: &str = r#"{ kind = "tail", bytes = "24 KiB" }"#;
const FAIR: &str = r#"{ kind = "fq-codel" }"#;

#[test]
fn flows_share_a_line_alike_whatever_their_round_trips() {
    let uploads = ["1ms", "4ms", "12ms", "30ms"];
    let (fair, used, worst_ms) = shared(&uploads, FAIR);
    assert!(fair > 0.98 && used > 0.85, "{fair} {used}");
    // There and back, asking where the other is included, 8 ms; a quantum of each of four flows that are new, too, 1.5 ms each; and
    // what is being sent.
    assert!(worst_ms < 8.0 + 5.0 * 1.6, "{worst_ms}");
    let (plain, used, worst_ms) = shared(&uploads, TAIL);
    assert!(plain < 0.9 && used > 0.85, "{plain} {used}");
    assert!(worst_ms > 24.0, "{worst_ms}");
}

#[test]
fn one_flow_alone_has_the_line_and_lets_others_through() {
    let (_, used, worst_ms) = shared(&["5ms"], FAIR);
    assert!(used > 0.85 && worst_ms < 8.0 + 2.0 * 1.6, "{used} {worst_ms}");
    let (_, used, worst_ms) = shared(&["5ms"], TAIL);
    assert!(used > 0.85 && worst_ms > 24.0, "{used} {worst_ms}");
}
