//! What must hold whatever the wire or the flash says: a module for each parser, or for each few that one message goes
//! through. For the fuzzer (`fuzz/`), and for plain tests over its corpus.
//!
//! Each `send` panics where something does not hold. That it comes to its end, and how much memory it takes, is the fuzzer's to
//! watch. Not here: certificates and keys, which this crate hands to `rustls-webpki` as they come.

#![allow(unreachable_pub, reason = "the fuzzer's package is a crate of its own")]

pub mod coap_client;
pub mod coap_server;
pub mod dhcp;
pub mod dns;
pub mod frames;
pub mod http_client;
pub mod http_server;
pub mod lowpan;
pub mod mdns;
pub mod mqtt_broker;
pub mod mqtt_client;
pub mod mqtt_packet;
pub mod rcp;
pub mod sntp;
pub mod storage;
pub mod tls;
pub mod update;
pub mod websocket;

mod chip;
mod hand;
mod script;
mod shore;
#[path = "../../support/mod.rs"]
mod support;

/// What an input is sent to.
type Send = fn(&[u8]);

/// Every target, by its name.
pub const ALL: [(&str, Send); 18] = [
    ("coap_client", coap_client::send),
    ("coap_server", coap_server::send),
    ("dhcp", dhcp::send),
    ("dns", dns::send),
    ("frames", frames::send),
    ("http_client", http_client::send),
    ("http_server", http_server::send),
    ("lowpan", lowpan::send),
    ("mdns", mdns::send),
    ("mqtt_broker", mqtt_broker::send),
    ("mqtt_client", mqtt_client::send),
    ("mqtt_packet", mqtt_packet::send),
    ("rcp", rcp::send),
    ("sntp", sntp::send),
    ("storage", storage::send),
    ("tls", tls::send),
    ("update", update::send),
    ("websocket", websocket::send),
];
