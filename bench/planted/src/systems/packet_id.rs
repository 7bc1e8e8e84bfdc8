//! Messages that must arrive exactly once: MQTT's second level, with its packet ids and a session that is resumed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Flow;
use wavetank_scenarios::site::Site;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, Socket, at, kind, kind_with};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "session-with-the-wrong-id",
    bug: "a resumed session counts its packet ids from 1 again, and the broker takes new messages for old ones",
    scenario: r#"
version = 1
name = "A session resumed with the wrong packet id"
duration = "8s"
[profile.air]
latency = "2ms"
jitter = "1ms"
loss = "1 %"
[node.broker]
kind = "broker"
address = "10.0.0.1/24"
[node.publisher]
kind = "publisher"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["broker", "publisher"]
profile = "air"
[[storm]]
kinds = ["restart"]
target = "publisher"
from = "200ms"
until = "3s"
every = "1500ms"
shortest = "1ms"
[[expect]]
name = "each message is delivered exactly once"
flow = { every = "message.sent", once = "message.delivered", within = "6s" }
until = "2s"
"#,
    kinds,
    seeds_max: 60,
};

const PUBLISH: u64 = 1;
const RELEASE: u64 = 2;
const MESSAGES: u64 = 30;

/// What the publisher keeps over restarts: the next message, its packet id, and how far its exchange has come.
#[derive(Clone, Copy, Default)]
struct Session {
    message: u64,
    id: u64,
    is_under_way: bool,
    is_received: bool,
}

fn kinds(build: Build) -> Registry {
    const DELIVERED: &[Flow] = &[Flow { name: "message.delivered", doc: "a message was handed on" }];
    const SENT: &[Flow] = &[Flow { name: "message.sent", doc: "a message was taken into the session" }];
    let mut registry = Registry::new();
    registry.add(kind("broker", build, Reports { flows: DELIVERED, ..NOTHING }, broker));
    let keep = |_: &mut Site<'_>| Rc::new(RefCell::new(Session::default()));
    registry.add(kind_with("publisher", build, Reports { flows: SENT, ..NOTHING }, keep, publisher));
    registry
}

async fn broker(host: Host) -> Exit {
    let socket = host.socket(1883);
    let mut unreleased = BTreeSet::new();
    loop {
        let ([what, id, message], from) = socket.receive().await;
        match what {
            PUBLISH if unreleased.insert(id) => host.node.flow("message.delivered", "publisher", message),
            RELEASE => drop(unreleased.remove(&id)),
            _ => {}
        }
        socket.send([what, id], from).await;
    }
}

async fn publisher(host: Host<Rc<RefCell<Session>>>) -> Exit {
    let socket = host.socket(0);
    let kept = Rc::clone(&host.parts);
    if host.build == Build::Planted && kept.borrow().is_under_way {
        // It begins to count, and the exchange anew.
        let message = kept.borrow().message;
        *kept.borrow_mut() = Session { message, id: 1, is_under_way: true, is_received: false };
    }
    loop {
        let session = *kept.borrow();
        if session.is_under_way {
            exchange(&host, &socket, session).await;
            kept.borrow_mut().is_under_way = false;
        }
        if session.message == MESSAGES {
            return Exit::Halt;
        }
        host.sleep_ms(20).await;
        let (id, message) = (session.id % 3 + 1, session.message + 1);
        host.node.flow("message.sent", "publisher", message);
        *kept.borrow_mut() = Session { message, id, is_under_way: true, is_received: false };
    }
}

/// Goes on with an exchange until it is over.
async fn exchange(host: &Host<Rc<RefCell<Session>>>, socket: &Socket, session: Session) {
    let steps = if session.is_received { &[RELEASE][..] } else { &[PUBLISH, RELEASE] };
    for &step in steps {
        loop {
            socket.send([step, session.id, session.message], at("10.0.0.1:1883")).await;
            let answered = async { while socket.receive::<2>().await.0 != [step, session.id] {} };
            if host.within_ms(40, answered).await.is_some() {
                break;
            }
        }
        host.parts.borrow_mut().is_received = true;
    }
}
