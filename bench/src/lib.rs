//! Side-by-side measurements: the works that wavetank and its peers are measured by, each saying what it did.

pub mod frames;
pub mod hosts;
pub mod tcp;
pub mod timers;
pub mod udp;
