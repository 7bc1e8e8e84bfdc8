//! Traces for people and for their tools: a run's events as text, filtered, compared, and in other programs' formats.
//!
//! Everything here reads [`Entry`]s, one for each event, from a run that goes on or from a file of JSON Lines that
//! `wavetank run --trace` wrote. Nothing here looks into a world.

pub mod diff;
mod entry;
mod filter;
pub mod perfetto;
mod source;

pub use entry::Entry;
pub use filter::{Filter, Window};
pub use source::{Ended, TraceError, of_file, of_run};
