//! The async network stack, from the wire to the application, without std and without alloc.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod http;
pub mod probe;
pub mod time;

pub use probe::{FlowId, Probe};
pub use time::{Clock, Duration, Instant};
