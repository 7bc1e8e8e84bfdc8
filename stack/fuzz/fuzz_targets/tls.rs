#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wavetank_stack_fuzz::targets::tls::send(bytes));
