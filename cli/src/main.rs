//! The `wavetank` command, with the kinds that wavetank brings along.

use std::process::ExitCode;

/// Worlds of many nodes lie in memory by hundreds of megabytes, and are walked all over: few and huge pages are what
/// that asks for, and jemalloc asks the system for them (`.cargo/config.toml`; figures in bench/README.md).
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    wavetank::main(wavetank::Registry::builtin())
}
