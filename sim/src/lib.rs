//! The deterministic kernel: virtual time, tasks, nodes, networks, faults and the trace of one run.
//!
//! A [`world::World`] owns all state of one run and advances from event to event in virtual time. What runs in it is
//! plain `!Send` futures, woken by their wakers, each owned by a [`node`]. Every random choice is drawn from a named
//! stream of the seed ([`random`]), everything that means something becomes an event of the [`trace`], and the events
//! are hashed into the run's fingerprint: the same run has the same fingerprint everywhere.
//!
//! What this crate deliberately does not know: protocols above frames, applications, files that describe scenarios.

#![cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only the guard's hooks ask the kernel for all of it"))]

mod affect;
mod ahead;
mod current;
mod executor;
mod kernel;
mod lifecycle;
mod metric;
mod quirk;
mod supply;
mod timer;

pub mod capture;
pub mod check;
pub mod disk;
pub mod fault;
pub mod guard;
pub mod hash;
pub mod hw;
pub mod net;
pub mod node;
pub mod prefetch;
pub mod queue;
pub mod random;
pub mod session;
pub mod time;
pub mod trace;
pub mod world;
