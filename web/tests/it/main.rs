//! The framework from outside: apps asked without a socket, and servers over connections in memory.
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod answers;
mod connections;
mod extracting;
mod protocol;
mod routing;
#[path = "../support/mod.rs"]
mod support;
