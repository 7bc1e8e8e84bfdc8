//! Expressions over integer metrics: `sum("thermostat-*", "readings.acknowledged") <= 10`.
//!
//! The language is a small, statically typed part of CEL (the Common Expression Language): its
//! literals, operators, precedence and integers, where overflow and division by zero are errors.
//! What reads the world are five functions:
//!
//! | call | value |
//! |---|---|
//! | `metric("node", "name")` | the metric of one node |
//! | `sum("glob", "name")` | the sum over all matching nodes |
//! | `min("glob", "name")`, `max("glob", "name")` | the least, the greatest |
//! | `count("glob", "name")` | how many of them have it other than 0 |
//! | `nodes("glob")` | how many nodes match: a constant |
//!
//! A metric that was not reported yet is 0. An expression is compiled once, into the list of
//! [`Cell`]s that it reads and a flat [`Program`] over their values. Deliberately absent: strings as
//! values, floats, lists, macros, time, anything that could allocate while a world runs.

mod ast;
mod compile;
mod lex;
mod parse;
mod program;
#[cfg(test)]
mod tests;

pub use compile::{Scope, compile};
pub use program::{Aggregate, Cell, EvalError, Program};

use crate::diagnose::{Code, Span};

/// Why an expression is refused; the span is in bytes of the expression's own text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What sort of mistake.
    pub code: Code,
    /// Where in the expression.
    pub span: Span,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl Refusal {
    fn new(span: Span, what: impl Into<String>) -> Self {
        Self { code: Code::Expression, span, what: what.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn coded(mut self, code: Code) -> Self {
        self.code = code;
        self
    }
}
