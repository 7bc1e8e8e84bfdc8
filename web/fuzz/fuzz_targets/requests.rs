//! A server over connections in memory, sent anything.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "../../tests/support/fuzzed.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzzed::send(bytes);
});
