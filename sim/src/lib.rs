//! The deterministic kernel: virtual time, tasks, nodes, networks, faults and the trace of one run.

mod current;

pub mod capture;
pub mod disk;
pub mod guard;
pub mod hw;
