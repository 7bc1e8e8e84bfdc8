//! What must hold whatever the wire or the flash says, once for all targets.

#[path = "../../tests/fuzzed/targets/mod.rs"]
pub mod targets;
