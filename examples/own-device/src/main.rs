//! The whole `wavetank` command, with our kinds beside those that it brings along.

use std::process::ExitCode;

fn main() -> ExitCode {
    wavetank::main(own_device::registry())
}
