//! What node code may ask of the machine, and what it gets.

#![expect(
    clippy::disallowed_methods,
    reason = "what is disallowed is what the world answers, or refuses"
)]

use std::collections::HashMap;
use std::time::Duration;

use wavetank::sim::guard;
use wavetank::sim::node::{Exit, Node, NodeSpec};
use wavetank::sim::session::{Ended, Session};
use wavetank::sim::time::Instant;
use wavetank::sim::world::{Snapshot, WorldConfig};

/// Runs one node for ten virtual seconds, on a thread of the world's own.
fn run<F>(seed: u64, program: fn(Node) -> F) -> Result<Snapshot, Ended>
where
    F: Future<Output = Exit> + 'static,
{
    let session = Session::start(WorldConfig { seed, ..WorldConfig::default() }, move |world| {
        world.add_node(NodeSpec::named("node"), program);
        Ok::<(), Ended>(())
    })?;
    session.run_until(Instant::START + Duration::from_secs(10))?;
    session.finish()
}

/// Goes by the machine's clock and by the order of a map, and tells the trace.
async fn careless(node: Node) -> Exit {
    let began = std::time::Instant::now();
    node.clock().sleep(Duration::from_secs(2)).await;
    let took = began.elapsed();
    node.flow("took", "whole seconds", took.as_secs());
    let ports: HashMap<&str, u64> = [("http", 80), ("coap", 5683), ("mqtt", 1883)].into();
    for port in ports.values() {
        node.flow("first come", "port", *port);
    }
    Exit::Halt
}

/// Puts its thread to sleep, which is everybody's.
async fn sleepy(_: Node) -> Exit {
    std::thread::sleep(Duration::from_secs(2));
    Exit::Halt
}

#[test]
fn what_the_world_answers_is_the_same_each_time() -> Result<(), Ended> {
    if !guard::is_active() {
        eprintln!("skipped: there is no guard for this platform");
        return Ok(());
    }
    assert_eq!(run(1, careless)?.fingerprint, run(1, careless)?.fingerprint);
    Ok(())
}

#[test]
fn what_it_cannot_answer_it_refuses_by_name() -> Result<(), Ended> {
    if !guard::is_active() {
        return Ok(());
    }
    let failures = run(1, sleepy)?.failures;
    let [failure] = &failures[..] else { panic!("{failures:?}") };
    let told =
        "0 s: node asked for a sleep of the thread, which cannot be had in a deterministic world";
    assert_eq!(failure.to_string(), told);
    Ok(())
}
