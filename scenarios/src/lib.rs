//! Scenario files: schema, plan, registry and runner; the glue that puts stack, devices and web into sim.

mod build;
pub mod diagnose;
pub mod explain;
pub mod explore;
pub mod expr;
pub mod forward;
mod impairments;
pub mod kinds;
pub mod plan;
pub mod registry;
pub mod router;
pub mod run;
pub mod runtime;
pub mod schema;
pub mod shrink;
pub mod site;
mod stray;
pub mod swarm;
pub mod testing;
pub mod trace;
pub mod units;

/// The telemetry hub, which the tank's kind of that name runs; for those who serve it on real sockets, too.
pub use wavetank_hub as hub;

pub use diagnose::{Code, Problem, Problems};
pub use plan::Plan;
pub use registry::{Kind, Registry, TypedKind};
pub use run::{RunError, RunOptions, start};
#[doc(hidden)]
pub use wavetank_macros as macros;
pub use wavetank_macros::scenarios_test as test;

/// The page's listing, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../stack/docs/swap-a-layer.md")]
struct SwapALayer;
