//! The uplink alone against a hub played by a closure, the sampler against a mocked bus, and the whole
//! device against a hub on another stack.

mod by_name;
mod sampler;
mod uplink;
mod whole;

extern crate std;

use core::net::Ipv4Addr;
use std::string::{String, ToString};

use wavetank_stack::Cidr;

use super::Config;
use crate::DeviceId;

/// One request as the hub sees it: its first line and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    line: String,
    body: String,
}

impl Seen {
    /// The request that `received` is, once it is whole.
    fn parse(received: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(received).expect("requests here are text");
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.map_or(0, |length| length.parse().expect("a number"));
        let line = head.lines().next().expect("a request line").to_string();
        (body.len() >= length).then(|| Seen { line, body: body.to_string() })
    }

    fn is_get(&self) -> bool {
        self.line == "GET /devices/thermostat-1 HTTP/1.1"
    }
}

fn config() -> Config {
    let id = DeviceId::new("thermostat-1").expect("a plain name");
    let address = Cidr::v4(Ipv4Addr::new(10, 0, 0, 2), 24);
    Config::new(id, address, "10.0.0.1:8080".parse().expect("an address"))
}
