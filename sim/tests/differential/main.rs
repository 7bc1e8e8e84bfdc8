//! The sea beside implementations that no one here wrote, on the same traffic: ns-3's error models and queues, and the
//! kernel's token bucket filter. `cargo xtask differential` builds what they need and runs them; each says within which bounds
//! the two have to agree, and why not more closely.

mod ns3;
mod tbf;
mod traffic;
