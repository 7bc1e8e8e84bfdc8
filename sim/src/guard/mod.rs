//! The guard: sources of disorder answer from the world while node code is polled, or are refused by name.
