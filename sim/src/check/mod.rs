//! Expectations: what must hold in a run, decided while it runs.
//!
//! A metric rule is looked at again only when a metric that it names has changed; a flow rule only when an id of its
//! flows passes. An expectation that nothing touches costs nothing.

mod declare;
mod flow;
pub mod history;
pub mod linear;
mod monitor;
mod told;

pub use monitor::{Aggregate, Cell, Expectation, Mode, Overflow, Predicate, Rule, Verdict, VerdictReport};

pub(crate) use history::Told;
pub(crate) use monitor::Checks;
