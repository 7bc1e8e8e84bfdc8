//! The terminal UI: watches a running session.
