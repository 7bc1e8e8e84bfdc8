//! Stories of what stands on the stack, and of how a station comes by its place on the network.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/drops.rs"]
mod drops;
#[path = "../support/websocket.rs"]
mod peer;
#[path = "../support/mod.rs"]
mod support;

mod coap;
mod dhcp;
mod dns;
mod forward;
mod icmp;
mod interface;
mod mdns;
mod mqtt;
mod mqtt_flash;
mod multihome;
mod phy;
mod raw;
mod slaac;
mod sntp;
mod websocket;

use wavetank_stack::Route;

/// An address and port, from text.
fn to(text: &str) -> core::net::SocketAddr {
    text.parse().unwrap()
}

fn route(via: &str) -> Route {
    Route::default_via(via.parse().unwrap())
}
