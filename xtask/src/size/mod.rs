//! `size`: how large firmware on the stack is, beside the same firmware on embassy-net, and what each of the stack's
//! parts takes; written into the stack's README.
//!
//! The firmware is in `bench/peers/size`. It is linked for real, and never run: its board is nowhere.

mod areas;
mod firmware;
mod table;

use crate::shell;
use crate::{Outcome, no_std};

use firmware::{Firmware, Size};

/// What is built for.
const TARGETS: [&str; 2] = ["thumbv7m-none-eabi", "riscv32imc-unknown-none-elf"];

/// The sensor, on ours and on others' stacks.
const SENSORS: [(&str, Firmware<'_>); 6] = [
    (
        "wavetank without IPv6, and without what embassy-net does not do",
        Firmware { package: "wavetank", program: "sensor", features: "sensor" },
    ),
    ("the same with IPv6", Firmware { package: "wavetank", program: "sensor", features: "sensor,ipv6" }),
    (
        "wavetank with all that is on by default",
        Firmware { package: "wavetank", program: "sensor", features: "sensor,full" },
    ),
    (
        "embassy-net 0.9 with IPv6, our HTTP client",
        Firmware { package: "embassy", program: "sensor", features: "our-http,ipv6" },
    ),
    (
        "embassy-net 0.9 without IPv6, our HTTP client",
        Firmware { package: "embassy", program: "sensor", features: "our-http" },
    ),
    (
        "embassy-net 0.9 without IPv6, reqwless",
        Firmware { package: "embassy", program: "sensor", features: "reqwless" },
    ),
];

/// What each part stands on, by place in this list, and the feature that adds it.
const PARTS: [Part; 17] = [
    Part { name: "Ethernet, ARP, IPv4, TCP; one stream", above: 0, feature: "" },
    Part { name: "`recovery`: what TCP loses is missed before a timeout", above: 0, feature: "recovery" },
    Part { name: "`udp`: a socket that sends and receives", above: 0, feature: "datagrams" },
    Part { name: "`icmp`: errors, and `ping`", above: 2, feature: "ping" },
    Part { name: "`dhcp`: client", above: 2, feature: "dhcp" },
    Part { name: "`claim`: `dhcp` with conflicts and link-local addresses", above: 4, feature: "claim" },
    Part { name: "`dns`: resolver", above: 2, feature: "dns" },
    Part { name: "`dns-tcp`: `dns` with TCP for long answers", above: 6, feature: "dns-tcp" },
    Part { name: "`ipv6`", above: 0, feature: "ipv6" },
    Part { name: "`slaac`, with its socket and `claim`", above: 8, feature: "slaac" },
    Part { name: "`sntp`: client", above: 2, feature: "sntp" },
    Part { name: "`mdns`: responder", above: 2, feature: "mdns" },
    Part { name: "`tls`: client, with pinned roots; records of 4 KiB", above: 0, feature: "tls" },
    Part { name: "`http`: client", above: 0, feature: "http" },
    Part {
        name: "`update`: signed images into a slot by ranges, with SHA-256 and Ed25519",
        above: 13,
        feature: "update",
    },
    Part { name: "`coap`: client", above: 2, feature: "coap-client" },
    Part { name: "`coap`: server", above: 2, feature: "coap-server" },
];

struct Part {
    name: &'static str,
    /// What it is measured above, by its place among the parts.
    above: usize,
    feature: &'static str,
}

impl Part {
    /// Every feature that has to be on.
    fn features(&self) -> String {
        if self.above == 0 { self.feature.into() } else { format!("{},{}", PARTS[self.above].feature, self.feature) }
    }
}

/// Builds all of it, prints the tables, and writes them into the stack's README.
pub(crate) fn run() -> Outcome {
    for target in TARGETS {
        no_std::install_target(target)?;
    }
    let mut sensors = Vec::new();
    for (name, firmware) in &SENSORS {
        sensors.push((*name, sizes(firmware)?));
    }
    let mut parts: Vec<(&str, [Size; 2])> = Vec::new();
    for part in &PARTS {
        let features = part.features();
        parts.push((part.name, sizes(&Firmware { package: "wavetank", program: "parts", features: &features })?));
    }
    let [ours, theirs] = [&SENSORS[0].1, &SENSORS[4].1].map(|firmware| firmware.areas(TARGETS[0]));
    let (ours, theirs) = (ours?, theirs?);
    let above = PARTS.each_ref().map(|part| part.above);
    let text = table::render(&TARGETS, &sensors, &parts, &above) + &table::areas(&ours, &theirs);
    print!("{text}");
    table::write(&shell::root().join("stack/README.md"), &text)
}

fn sizes(firmware: &Firmware<'_>) -> Outcome<[Size; 2]> {
    let [first, second] = TARGETS;
    Ok([firmware.size(first)?, firmware.size(second)?])
}
