//! The kinds of node that wavetank brings along: what a scenario can tell them, and what they report.

pub mod dhcp_server;
pub mod dns_server;
pub mod hub;
pub mod thermostat;
