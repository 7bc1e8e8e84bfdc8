//! The attribute that turns a scenario into a test.
