//! The cases, by what they prove.

mod coap;
mod dhcp;
mod dns;
mod http;
mod icmp;
mod mdns;
mod mqtt;
mod slaac;
mod sntp;
mod tcp;
mod tls;
mod websocket;

use futures_util::future::LocalBoxFuture;

use crate::table::Outcome;

/// A case, begun.
pub(crate) type Run = fn() -> LocalBoxFuture<'static, Outcome>;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Who is at the other end.
    pub(crate) against: &'static str,
    pub(crate) run: Run,
}

macro_rules! cases {
    ($($name:literal, $against:literal => $run:path;)*) => {
        /// Every case, in the order in which they run.
        pub(crate) const CASES: &[Case] =
            &[$(Case { name: $name, against: $against, run: || Box::pin($run()) }),*];
    };
}

cases! {
    "tcp: bulk to the kernel", "Linux TCP" => tcp::bulk_out;
    "tcp: bulk from the kernel", "Linux TCP" => tcp::bulk_in;
    "tcp: bulk over IPv6", "Linux TCP" => tcp::bulk_v6;
    "tcp: bulk both ways, bad cable", "Linux TCP" => tcp::bulk_lossy;
    "tcp: 1 MiB windows, scaled or not", "Linux TCP" => tcp::windows;
    "tcp: half-close, both ways", "Linux TCP" => tcp::half_close;
    "tcp: zero window, ours", "Linux TCP" => tcp::zero_window_ours;
    "tcp: zero window, the kernel's", "Linux TCP" => tcp::zero_window_theirs;
    "tcp: refused and reset", "Linux TCP" => tcp::refused_and_reset;
    "tcp: bulk through our listener", "iperf3" => tcp::listener;
    "icmp: the kernel's ping, answered", "ping" => icmp::answered;
    "icmp: our ping", "Linux ICMP" => icmp::ours;
    "icmp: port unreachable", "Linux ICMP" => icmp::unreachable;
    "ip: fragments, put together", "Linux IP" => icmp::fragments;
    "dhcp: a lease, used", "dnsmasq" => dhcp::lease;
    "dhcp: renewed, then refused", "dnsmasq" => dhcp::renewed_and_refused;
    "dhcp: somebody has the address", "dnsmasq" => dhcp::conflict;
    "dns: names to addresses", "dnsmasq" => dns::names;
    "dns: too long for a datagram", "dnsmasq" => dns::long;
    "sntp: sets the clock", "chrony" => sntp::sets;
    "sntp: a server without the time", "chrony" => sntp::unsynchronised;
    "mdns: our names and services", "avahi" => mdns::found;
    "mdns: theirs", "avahi" => mdns::finds;
    "coap: our client", "libcoap's server" => coap::client;
    "coap: our server", "libcoap's client" => coap::server;
    "http: requests on one connection", "nginx" => http::requests;
    "http: ranges, conditions, chunks", "nginx" => http::parts;
    "http: our server", "curl" => http::server;
    "tls: certificates", "openssl s_server" => tls::certificates;
    "tls: a shared key", "openssl s_server" => tls::shared_key;
    "mqtt 5: QoS 0, 1, 2, both ways", "mosquitto" => mqtt::qualities_v5;
    "mqtt 3.1.1: QoS 0, 1, 2, both ways", "mosquitto" => mqtt::qualities_v311;
    "mqtt 5: deaths, and the session", "mosquitto" => mqtt::resumed_v5;
    "mqtt 3.1.1: deaths, and the session", "mosquitto" => mqtt::resumed_v311;
    "mqtt: what is kept, and the will", "mosquitto" => mqtt::retained_and_will;
    "websocket: texts, questions, farewells", "websocketd" => websocket::texts;
    "websocket: long messages both ways", "websocketd" => websocket::long;
    "ipv6: an address by itself", "dnsmasq" => slaac::address;
}
