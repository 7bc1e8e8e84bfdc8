//! The other side: a server small enough for a device's own status page.
//!
//! [`serve`] has a [`Listener`](crate::tcp::Listener)'s connections served one after the other, each for a bounded time,
//! each request by a function of the caller's. A [`Session`] does the same for one stream of any kind.
//!
//! What it deliberately does not do: no routing, no files, no content codings, no upgrades; one connection at a time. A
//! browser waits its turn.

mod answer;
mod asked;
mod session;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Reply};
pub use asked::Asked;
pub use session::{ServeError, ServeOptions, Served, Session, serve};
