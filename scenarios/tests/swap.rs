//! The same weather station over each protocol and each link: what stack/docs/swap-a-layer.md says, run.

mod common;

use std::sync::Arc;

use common::{registry, rendered};
use wavetank_scenarios::plan::Plan;
use wavetank_scenarios::run::{Record, run};

/// Who keeps the readings, by protocol: the kind, the port, and the metric that counts what has come.
const PROTOCOLS: [(&str, &str, u16, &str); 3] = [
    ("http", "telemetry-hub", 8080, "readings.stored"),
    ("coap", "coap-collector", 5683, "events.heard"),
    ("mqtt", "mqtt-broker", 1883, "messages.accepted"),
];

/// The link between the station and the border router.
const LINKS: [&str; 2] = ["kind = \"switch\"", "kind = \"radio\"\nradio = { band = \"2450 MHz\", exponent = 3 }"];

fn scenario(protocol: &str, keeper: &str, port: u16, link: &str) -> String {
    let places = |position: &str| if link.contains("radio") { position.to_owned() } else { String::new() };
    let (near, far) = (places("position = { x = 0, y = 0 }"), places("position = { x = 9, y = 9 }"));
    format!(
        r#"
version = 1
name = "A station by {protocol}"
duration = "20s"

[node.station]
kind = "weather-station"
address = "fd00:1::11/64"
gateway = "fd00:1::1"
config = {{ protocol = "{protocol}", server = "[fd00:2::2]:{port}", period = "2s" }}
{far}

[node.border]
kind = "router"
address = {{ near = "fd00:1::1/64", lan = "fd00:2::1/64" }}
{near}

[node.keeper]
kind = "{keeper}"
address = "fd00:2::2/64"
gateway = "fd00:2::1"

[network.near]
members = ["station", "border"]
{link}

[network.lan]
kind = "switch"
members = ["border", "keeper"]
"#
    )
}

#[test]
fn every_reading_arrives_by_each_protocol_over_each_link() {
    for (protocol, keeper, port, counted) in PROTOCOLS {
        for link in LINKS {
            let text = scenario(protocol, keeper, port, link);
            let plan =
                Plan::read("swap.toml", &text, &registry()).unwrap_or_else(|wrong| panic!("{}", rendered(&wrong)));
            let snapshot = run(&Arc::new(plan), 3, Record::Off, None).expect("runs").snapshot;
            let metric =
                |name: &str| snapshot.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
            let (kept, arrived) = (metric("readings.kept"), metric(counted));
            assert!(kept >= Some(9), "{protocol} over {link}: {kept:?}");
            assert!(arrived >= kept.map(|kept| kept - 1), "{protocol} over {link}: {arrived:?} of {kept:?}");
            assert_eq!(metric("reports.failed"), None, "{protocol} over {link}");
        }
    }
}
