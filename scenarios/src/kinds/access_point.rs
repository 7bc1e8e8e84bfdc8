//! `kind = "access-point"`: what stations of a network of kind `wifi` join.
//!
//! It has no stack and no address: it passes frames on, which the air does for it ([`wavetank_sim::net::air::wifi`]). What
//! is left of a node is its power and its place.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::Node;

use super::check::Findings;
use crate::registry::{Metric, ToldAccessPoint, TypedKind};
use crate::site::Site;

/// What a scenario tells an access point.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its channel; 1 at 2.4 GHz and 36 at 5 GHz if left out. Those on different channels do not disturb each other.
    #[serde(default)]
    pub channel: Option<u8>,
    /// How many stations it takes in (association identifiers are no greater than 2007, IEEE 802.11-2020, clause 9.4.1.8).
    #[serde(default = "stations")]
    pub stations: usize,
}

const STATIONS_MAX: usize = 2_007;

const fn stations() -> usize {
    STATIONS_MAX
}

/// What an access point says of itself.
pub static METRICS: &[Metric] = &[Metric { name: "wifi.stations", doc: "stations that are with it" }];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("access-point", "Lets stations of a network of kind wifi join, and bridges them to its switch.")
        .metrics(METRICS)
        .check(|config: &Config| {
            let mut findings = Findings::default();
            if !(1..=STATIONS_MAX).contains(&config.stations) {
                findings.refuse("stations", "an access point takes in 1 to 2007 stations", "leave it out for 2007");
            }
            findings.all()
        })
        .access_point(|config| ToldAccessPoint { channel: config.channel, stations: config.stations })
        .program(|_: &Arc<Config>, _: &mut Site<'_>| |_: Node| std::future::pending())
}
