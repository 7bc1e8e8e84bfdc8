//! The kinds of node that wavetank brings along: what a scenario can tell them, and what they report.

mod board;
pub mod bulk;
mod check;
pub mod coap_address;
pub mod coap_collector;
pub mod coap_sensor;
pub mod coap_watcher;
mod defaults;
pub mod dhcp_server;
pub mod dns_server;
pub mod door_sensor;
pub mod field_logger;
pub mod firmware;
mod gate;
pub mod head_end;
pub mod hub;
pub mod lamp;
pub mod lamp_switch;
mod ledger;
pub mod mqtt_broker;
pub mod ntp_server;
pub mod pinger;
pub mod router;
pub mod smart_meter;
pub mod sntp_client;
pub mod thermostat;
pub mod token;
