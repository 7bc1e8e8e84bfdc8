//! The deterministic kernel: virtual time, tasks, nodes, networks, faults and the trace of one run.
