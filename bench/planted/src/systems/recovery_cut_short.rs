//! A journal that is replayed after a crash, by steps that are not all safe to do twice.

use std::cell::RefCell;
use std::rc::Rc;

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::{Exit, ResetCause};

use crate::kit::{Host, NOTHING, Reports, at, kind, kind_with};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "recovery-cut-short",
    bug: "a journal is applied after a crash and forgotten at the end: a second crash in between applies it twice",
    scenario: r#"
version = 1
name = "A recovery that is cut short"
duration = "8s"
[profile.air]
latency = "2ms"
jitter = "1ms"
[node.account]
kind = "account"
address = "10.0.0.1/24"
[node.payer]
kind = "payer"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["account", "payer"]
profile = "air"
[[storm]]
kinds = ["restart"]
target = "account"
from = "500ms"
every = "2s"
shortest = "1ms"
[[expect]]
name = "each payment counts once"
never = 'metric("account", "paid.twice") > 0'
"#,
    kinds,
    seeds_max: 1_000,
};

/// What outlives a crash: payments noted and not yet applied, those that were, and the sum.
#[derive(Default)]
struct Kept {
    journal: Vec<u64>,
    applied: Vec<u64>,
}

type Parts = Rc<RefCell<Kept>>;

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "paid.twice", doc: "payments that were applied twice" }];
    let mut registry = Registry::new();
    let reports = Reports { metrics: METRICS, ..NOTHING };
    registry.add(kind_with("account", build, reports, |_| Parts::default(), account));
    registry.add(kind("payer", build, NOTHING, payer));
    registry
}

async fn account(host: Host<Parts>) -> Exit {
    let kept = &host.parts;
    if host.node.reset_cause() != ResetCause::PowerOn {
        recover(&host).await;
    }
    let socket = host.socket(7);
    loop {
        let ([payment], from) = socket.receive().await;
        let is_new = !kept.borrow().applied.contains(&payment) && !kept.borrow().journal.contains(&payment);
        if is_new {
            kept.borrow_mut().journal.push(payment);
            host.sleep_ms(4).await;
            apply(&host, payment);
            kept.borrow_mut().journal.clear();
        }
        socket.send([payment], from).await;
    }
}

async fn recover(host: &Host<Parts>) {
    let journal = host.parts.borrow().journal.clone();
    for payment in journal {
        let is_applied = host.parts.borrow().applied.contains(&payment);
        if host.build == Build::Planted || !is_applied {
            apply(host, payment);
        }
    }
    // The summary takes its time.
    host.sleep_ms(30).await;
    host.parts.borrow_mut().journal.clear();
}

fn apply(host: &Host<Parts>, payment: u64) {
    let mut kept = host.parts.borrow_mut();
    host.node.count("paid.twice", u64::from(kept.applied.contains(&payment)));
    kept.applied.push(payment);
}

async fn payer(host: Host) -> Exit {
    let socket = host.socket(0);
    for payment in 1.. {
        loop {
            socket.send([payment], at("10.0.0.1:7")).await;
            let paid = async { while socket.receive::<1>().await.0 != [payment] {} };
            if host.within_ms(60, paid).await.is_some() {
                break;
            }
        }
        host.sleep_ms(20).await;
    }
    Exit::Halt
}
