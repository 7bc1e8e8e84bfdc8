#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod address;
#[cfg(feature = "claim")]
mod claim;
#[cfg(feature = "coap")]
pub mod coap;
mod config;
#[cfg(feature = "dhcp")]
pub mod dhcp;
#[cfg(feature = "dns")]
pub mod dns;
#[cfg(any(
    feature = "claim",
    feature = "coap",
    feature = "dhcp",
    feature = "forward",
    feature = "mdns",
    feature = "slaac",
    feature = "sntp"
))]
mod draw;
mod engine;
#[cfg(feature = "forward")]
pub mod forward;
pub mod http;
pub mod icmp;
mod interface;
mod ip;
#[cfg(feature = "lowpan")]
pub mod lowpan;
#[cfg(feature = "mdns")]
pub mod mdns;
#[cfg(feature = "mqtt")]
pub mod mqtt;
#[cfg(feature = "multihome")]
pub mod multihome;
#[cfg(feature = "phy")]
pub mod phy;
mod pools;
pub mod probe;
#[cfg(feature = "raw")]
pub mod raw;
#[cfg(feature = "rcp")]
pub mod rcp;
mod resources;
mod runner;
#[cfg(feature = "slaac")]
pub mod slaac;
#[cfg(feature = "sntp")]
pub mod sntp;
mod stack;
mod stats;
#[cfg(feature = "storage")]
pub mod storage;
mod table;
pub mod tcp;
mod telling;
pub mod time;
#[cfg(feature = "tls")]
pub mod tls;
pub mod udp;
#[cfg(feature = "update")]
pub mod update;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use address::{Cidr, ParseCidrError, Route};
#[cfg(feature = "claim")]
pub use claim::{Claim, Claiming};
#[cfg(feature = "alloc")]
pub use config::Fetch;
pub use config::{ADDRESSES_MAX, Config, DNS_SERVERS_MAX, GROUPS_MAX, ROUTES_MAX, Verify};
pub use interface::TooMany;
#[cfg(feature = "multicast")]
pub use interface::TooManyGroups;
pub use pools::{Limits, Pool, Pools};
pub use probe::{FlowId, Probe};
pub use resources::Resources;
pub use runner::{RunWith, Runner};
pub use stack::Stack;
pub use stats::{COUNTERS, Reason, Stats};
pub use telling::Telling;
pub use time::{Clock, Duration, Instant};
