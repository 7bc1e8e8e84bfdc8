//! The optimised programs that verbs start: `wavetank`, and the examples of `bench/`.
//!
//! What cargo is told is the same for all but the example's name, so that the features are, too, and what they stand on is built
//! once.

use std::path::PathBuf;

use crate::{Outcome, metadata, shell};

/// The command.
pub(crate) fn wavetank() -> Outcome<PathBuf> {
    build("quick", &format!("wavetank{}", std::env::consts::EXE_SUFFIX))
}

/// An example of `bench/`.
pub(crate) fn example(name: &str) -> Outcome<PathBuf> {
    build(name, &format!("examples/{name}{}", std::env::consts::EXE_SUFFIX))
}

fn build(example: &str, program: &str) -> Outcome<PathBuf> {
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--package", "wavetank", "--package", "wavetank-bench"]);
    shell::run(cargo.args(["--bin", "wavetank", "--example", example]))?;
    Ok(metadata::workspace()?.target_directory.join("release").join(program))
}
