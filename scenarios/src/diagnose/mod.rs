//! What is wrong with a scenario file, where, and how to mend it.
//!
//! A [`Problem`] is one mistake with its place in the text and its remedy; [`Problems`] is all of
//! them with the text itself. Both are [`miette::Diagnostic`]s: whoever prints them chooses how
//! (graphical, narrated, JSON). Reading never stops at the first mistake.

mod near;
mod problem;

pub use near::{did_you_mean, list};
pub use problem::{Code, Problem, Problems, Sink};

use std::ops::Range;

/// A piece of the scenario's text, in bytes.
pub type Span = Range<usize>;
