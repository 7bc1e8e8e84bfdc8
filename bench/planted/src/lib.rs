//! Planted bugs: small systems, each with one realistic bug and its fixed twin.
//!
//! They are what looking for bugs by seeds is measured with: how many seeds it takes to find each, how many faults are
//! left when its failure is shrunk, and that nothing is found in the twin. Each system is a scenario of a few virtual
//! seconds and kinds of node of its own, over the real stack; the bug and its mend differ in a line or two, at a
//! `match host.build`.

mod kit;
pub mod measure;
mod systems;

pub use systems::all;

use wavetank_scenarios::Registry;

/// Which twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// With the bug.
    Planted,
    /// Without it.
    Fixed,
}

/// A system with a bug.
#[derive(Clone, Copy)]
pub struct System {
    /// A short name, as a file's.
    pub name: &'static str,
    /// The bug, in a line.
    pub bug: &'static str,
    /// The scenario in which it shows.
    pub scenario: &'static str,
    /// The kinds of node that the scenario names.
    pub kinds: fn(Build) -> Registry,
    /// It is found within so many seeds from the scenario's own.
    pub seeds_max: u64,
}
