//! A CoAP client that asks one thing after the other, over a network that is slow at times.

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;
use wavetank_stack::coap::{Code, Kind, Message, Writer};

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "token-reused",
    bug: "a CoAP client gives up a request and uses its token for the next, and takes the late answer for the new one's",
    scenario: r#"
version = 1
name = "A token that is reused"
duration = "3s"
[profile.air]
latency = "10ms"
jitter = "15ms"
loss = "1 %"
[node.sensor]
kind = "sensor"
address = "10.0.0.1/24"
[node.client]
kind = "client"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["sensor", "client"]
profile = "air"
[[storm]]
kinds = ["pause"]
target = "sensor"
every = "1s"
shortest = "20ms"
longest = "120ms"
[[expect]]
name = "an answer is the answer to what was asked"
never = 'metric("client", "answers.mixed") > 0'
"#,
    kinds,
    seeds_max: 40,
};

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "answers.mixed", doc: "answers to another question" }];
    let mut registry = Registry::new();
    registry.add(kind("sensor", build, NOTHING, sensor));
    registry.add(kind("client", build, Reports { metrics: METRICS, ..NOTHING }, client));
    registry
}

/// Answers a question with itself: `GET /quantity/17` has the answer 17.
async fn sensor(host: Host) -> Exit {
    let socket = host.socket(5683);
    let (mut buffer, mut reply) = ([0; 128], [0; 128]);
    loop {
        let (bytes, from) = socket.receive_bytes(&mut buffer).await;
        let Ok(question) = Message::parse(bytes) else { continue };
        let answer = Writer::new(&mut reply, Kind::NonConfirmable, Code::CONTENT, question.id, &question.token);
        let len = answer.payload(question.payload).expect("it is as long as the question");
        socket.send_bytes(&reply[..len], from).await;
    }
}

async fn client(host: Host) -> Exit {
    let socket = host.socket(0);
    let (mut buffer, mut request) = ([0; 128], [0; 128]);
    for asked in 1_u16..=40 {
        let token = match host.build {
            Build::Planted => [7, 7],
            Build::Fixed => asked.to_be_bytes(),
        };
        let question = Writer::new(&mut request, Kind::NonConfirmable, Code::GET, asked, &token).path("quantity");
        let len = question.payload(&asked.to_be_bytes()).expect("it is short");
        socket.send_bytes(&request[..len], at("10.0.0.1:5683")).await;
        let answered = async {
            loop {
                let (bytes, _) = socket.receive_bytes(&mut buffer).await;
                if let Ok(answer) = Message::parse(bytes)
                    && answer.token == token
                {
                    return answer.payload == asked.to_be_bytes();
                }
            }
        };
        if host.within_ms(100, answered).await == Some(false) {
            host.node.count("answers.mixed", 1);
        }
        host.sleep_ms(30).await;
    }
    Exit::Halt
}
