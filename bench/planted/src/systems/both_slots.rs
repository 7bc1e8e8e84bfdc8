//! A device with two slots for its program, which tries a new one and goes back if it does not prove itself.

use std::cell::RefCell;
use std::rc::Rc;

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::{Exit, ResetCause};

use crate::kit::{Host, NOTHING, Reports, at, kind, kind_with};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "both-slots-bad",
    bug: "a reset while a program is on trial marks its slot bad, also if it is the one that was gone back to",
    scenario: r#"
version = 1
name = "An update that is interrupted three times"
duration = "10s"
[profile.air]
latency = "2ms"
jitter = "1ms"
[node.updates]
kind = "updates"
address = "10.0.0.1/24"
[node.device]
kind = "device"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["updates", "device"]
profile = "air"
[[storm]]
kinds = ["restart"]
target = "device"
from = "500ms"
every = "3s"
shortest = "1ms"
[[expect]]
name = "one slot is good"
never = 'metric("device", "slots.bad") >= 2'
"#,
    kinds,
    seeds_max: 4_000,
};

/// What outlives a reset.
#[derive(Clone, Copy, Default)]
struct Kept {
    active: usize,
    bad: [bool; 2],
    is_on_trial: bool,
    version: u64,
}

type Parts = Rc<RefCell<Kept>>;

/// How long a program takes to prove itself.
const TRIAL_MS: u64 = 60;

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "slots.bad", doc: "slots that are never started again" }];
    let mut registry = Registry::new();
    registry.add(kind("updates", build, NOTHING, updates));
    let reports = Reports { metrics: METRICS, ..NOTHING };
    registry.add(kind_with("device", build, reports, |_| Parts::default(), device));
    registry
}

/// Says that there is a new version every two seconds.
async fn updates(host: Host) -> Exit {
    let socket = host.socket(7);
    loop {
        let ([_], from) = socket.receive().await;
        socket.send([host.now_ms() / 2_000], from).await;
    }
}

async fn device(host: Host<Parts>) -> Exit {
    let kept = &host.parts;
    if kept.borrow().is_on_trial {
        if host.node.reset_cause() != ResetCause::Software {
            // It did not live long enough.
            let mut kept = kept.borrow_mut();
            let Kept { active, .. } = *kept;
            let was_good = kept.bad[1 - active];
            if host.build == Build::Planted || !was_good {
                kept.bad[active] = true;
                kept.active = 1 - active;
            }
            host.node.gauge("slots.bad", kept.bad.iter().filter(|bad| **bad).count() as i64);
        }
        // Whatever runs now must prove itself, too.
        host.sleep_ms(TRIAL_MS).await;
        let mut kept = kept.borrow_mut();
        let Kept { active, .. } = *kept;
        kept.is_on_trial = false;
        kept.bad[active] = false;
    }
    let socket = host.socket(0);
    loop {
        socket.send([0], at("10.0.0.1:7")).await;
        if let Some(([version], _)) = host.within_ms(50, socket.receive()).await
            && version > kept.borrow().version
        {
            let mut kept = kept.borrow_mut();
            let Kept { active, .. } = *kept;
            *kept = Kept { active: 1 - active, bad: [false; 2], is_on_trial: true, version };
            return Exit::Reboot;
        }
        host.sleep_ms(200).await;
    }
}
