//! The command line, as a binary and as a library that takes a registry of your own kinds.
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     let registry = wavetank::Registry::builtin(); // and your own kinds: registry.add(…)
//!     wavetank::main(registry)
//! }
//! ```
//!
//! Each verb is a module: it reads its arguments, asks the rooms below, and prints. What a run came to is a plain
//! value, told by pure functions as text or as JSON. There is no simulation here.

#![forbid(unsafe_code)]

pub use wavetank_scenarios as scenarios;
pub use wavetank_scenarios::Registry;
pub use wavetank_scenarios::macros::test;
pub use wavetank_sim as sim;

#[cfg(feature = "cli")]
mod arguments;
#[cfg(feature = "cli")]
mod check;
#[cfg(feature = "cli")]
mod command;
#[cfg(feature = "cli")]
mod completions;
#[cfg(feature = "cli")]
mod diff;
#[cfg(feature = "cli")]
mod exit;
#[cfg(feature = "cli")]
mod explain;
#[cfg(feature = "cli")]
mod explore;
mod faults;
#[cfg(feature = "cli")]
mod forward;
#[cfg(feature = "cli")]
mod human;
#[cfg(feature = "cli")]
mod input;
#[cfg(feature = "cli")]
mod interrupt;
#[cfg(feature = "cli")]
mod kinds;
#[cfg(feature = "cli")]
mod progress;
#[cfg(feature = "cli")]
mod replay;
#[cfg(feature = "cli")]
mod report;
#[cfg(feature = "cli")]
mod run;
#[cfg(feature = "cli")]
mod schema;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "cli")]
mod shrink;
#[cfg(feature = "cli")]
mod summary;
#[cfg(feature = "cli")]
mod trace;
#[cfg(feature = "cli")]
mod values;
#[cfg(feature = "cli")]
mod verify;
#[cfg(feature = "tui")]
mod watch;
#[cfg(feature = "cli")]
mod workers;

#[cfg(feature = "cli")]
pub use command::main;
