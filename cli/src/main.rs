//! The `wavetank` command, with the kinds that wavetank brings along.

use std::process::ExitCode;

fn main() -> ExitCode {
    wavetank::main(wavetank::Registry::builtin())
}
