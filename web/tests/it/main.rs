//! The framework from outside: apps asked without a socket, and servers over connections in memory.
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod answers;
mod bodies;
#[cfg(all(feature = "gzip", feature = "brotli", feature = "zstd"))]
mod coding;
mod connections;
mod contract;
#[cfg(feature = "cookies")]
mod cookies;
mod corpus;
mod extracting;
#[path = "../support/fuzzed.rs"]
mod fuzzed;
#[cfg(feature = "http2")]
mod http2;
mod middleware;
mod musts;
#[cfg(feature = "openapi")]
mod openapi;
mod protocol;
mod routing;
mod semantics;
#[cfg(all(feature = "tokio", feature = "http2", unix))]
mod sockets;
#[path = "../support/mod.rs"]
mod support;
#[cfg(all(feature = "tls", feature = "tokio", feature = "http2", unix))]
mod tls;
#[cfg(feature = "tower")]
mod tower;
mod urls;
#[cfg(feature = "websocket")]
mod websocket;
