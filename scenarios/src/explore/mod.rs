//! Exploring: one scenario with many seeds, and what broke with which of them.
//!
//! A world is run to its end and comes to an [`Outcome`]: nothing, or a [`Failure`] with a [`Signature`] that is the
//! same whenever the same thing breaks in the same place. Worlds run side by side in worker processes ([`pool`]), because
//! a world can take its whole process along: by an abort, by an overflowing stack, by a poll that never ends. In one
//! process ([`threads`]) they run where that risk is the caller's own, as in a test.
//!
//! What comes out does not depend on how many worlds run side by side: outcomes come in the order of the seeds.
//!
//! No text for people is made here but the words of a failure.

mod groups;
pub mod guided;
mod panics;
pub mod pool;
mod signature;
pub mod threads;
mod untested;
pub mod wire;
pub mod worker;
mod world;

pub use groups::{Group, Groups};
pub use panics::{Panics, listen};
pub use signature::{Failure, FailureKind, Signature};
pub use untested::Untested;
pub use world::{Heart, Limits, Outcome, Ran, run_given, run_guarded, run_seed};
