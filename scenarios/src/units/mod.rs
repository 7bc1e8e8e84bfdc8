//! Quantities as people write them: `"250ms"`, `"10 Mbit/s"`, `"64 KiB"`, `"1 %"`.
//!
//! A quantity is a plain decimal number and one unit. It is read exactly, in integers: what cannot
//! be held exactly is refused, and so is a bare number, since its unit would be a guess. The types
//! implement `Serialize`, `Deserialize` and `JsonSchema`, so that a kind's configuration can use
//! them as fields.

mod quantity;
mod types;

pub use quantity::{Dimension, Malformed};
pub use types::{Charge, Current, Drift, Probability, Rate, Resistance, SignedSize, SignedTime, Size, Time, Voltage};
pub(crate) use types::{micro, nanos};
