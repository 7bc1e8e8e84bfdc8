//! The handle that drives a world on a thread of its own.
