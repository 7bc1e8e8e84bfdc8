//! The whole `wavetank` command, with the book's kinds beside those that it brings along.

#![allow(unreachable_pub, reason = "listings are written as modules of a library")]

mod kinds;

use std::process::ExitCode;

fn main() -> ExitCode {
    wavetank::main(kinds::registry())
}
