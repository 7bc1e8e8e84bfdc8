//! The scenario language, version 1: what a file may say, and what this file says.
//!
//! The language is declared once, as tables of keys (`language`), from which come the reader's
//! checks and the [JSON Schema](json_schema) for editors. A file is parsed to TOML with places,
//! and read key by key into a [`Scenario`]: typed, every value with its place in the text. Reading
//! goes on after a mistake, so what could not be read is simply absent from the scenario, and its
//! problem is in the list. What names mean together is not known here: see [`plan`](crate::plan).
//!
//! Deliberately not done with serde's derive, which stops at the first mistake. Kinds' own
//! configurations do use it, through [`ConfigText`].

mod address;
mod ailments;
mod battery;
mod config;
mod faults;
pub mod impair;
mod json;
mod language;
mod limits;
mod listing;
mod packet;
mod radio;
mod read;
mod reader;
mod scenario;
mod sea;
mod signal;
mod storm;
mod tamper;
mod text;
mod waver;
mod wifi;

pub use address::Cidr;
pub use ailments::{AilmentKind, PartSort, Told};
pub(crate) use ailments::{odds_told, told};
pub use battery::{Battery, Radio, VoltageByCharge};
pub use config::{ConfigProblem, ConfigText};
pub use json::json_schema;
pub use language::{FAULTS, FaultShape, Lasting, Target, VERSION};
pub use limits::Limits;
pub use listing::{Listed, Parameter, Sort, listing};
pub use radio::{Air, Band, Move, Position};
pub(crate) use read::missing_address;
pub use read::parse;
pub use scenario::{
    Address, Chance, Damage, Demand, Direction, Expectation, Fault, FaultKind, FlowDemand, LinkProfile, Moment,
    Network, NetworkKind, Node, Override, Packet, Profile, Scenario, Storm, Verdict, What,
};
pub use signal::{Curve, Signal};
pub use tamper::TamperKind;
pub(crate) use tamper::tampering_told;
pub use text::Text;
pub use toml::Spanned;
pub use waver::Waver;
pub use wifi::{Wifi, WifiBand};
