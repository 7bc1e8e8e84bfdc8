//! The framework from outside: apps asked without a socket, and servers over connections in memory.
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod answers;
mod bodies;
#[cfg(all(feature = "gzip", feature = "brotli", feature = "zstd"))]
mod coding;
mod connections;
#[cfg(feature = "cookies")]
mod cookies;
mod extracting;
#[cfg(feature = "http2")]
mod http2;
mod middleware;
mod protocol;
mod routing;
#[cfg(all(feature = "tokio", feature = "http2", unix))]
mod sockets;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "tower")]
mod tower;
#[cfg(feature = "websocket")]
mod websocket;
