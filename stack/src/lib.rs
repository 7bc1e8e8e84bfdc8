#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod address;
mod config;
mod engine;
pub mod http;
pub mod probe;
mod resources;
mod runner;
mod stack;
mod stats;
mod table;
pub mod tcp;
pub mod time;
pub mod udp;

pub use address::{Cidr, ParseCidrError, Route};
pub use config::{ADDRESSES_MAX, Config, ROUTES_MAX, Verify};
pub use probe::{FlowId, Probe};
pub use resources::Resources;
pub use runner::Runner;
pub use stack::Stack;
pub use stats::{Reason, Stats};
pub use time::{Clock, Duration, Instant};
