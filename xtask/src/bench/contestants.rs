//! Who is measured: how each is built, and how it does a round.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Round;
use crate::{Outcome, metadata, release, shell};

/// A program that does works.
pub(super) struct Contestant {
    program: PathBuf,
    /// What stands behind a work's name.
    arguments: &'static [&'static str],
    /// What it is and of which version.
    pub(super) version: String,
}

impl Contestant {
    /// Has it do a work once, on one core where that can be asked for.
    pub(super) fn round(&self, work: &str) -> Outcome<Round> {
        let mut command = pinned(&self.program);
        let text = shell::read(command.arg(work).args(self.arguments))?;
        serde_json::from_str(text.trim()).map_err(|error| format!("{}: {error}: {text}", shell::line(&command)).into())
    }
}

fn pinned(program: &Path) -> Command {
    if shell::has("taskset", "--version") {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", "0"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Ours.
pub(super) fn tank() -> Outcome<Contestant> {
    let program = release::example("quick")?;
    let commit = shell::read(Command::new("git").current_dir(shell::root()).args(["describe", "--always", "--dirty"]))?;
    Ok(Contestant { program, arguments: &["--json"], version: format!("wavetank at {}", commit.trim()) })
}

/// The peer in `bench/peers/NAME`.
pub(super) fn peer(name: &str) -> Outcome<Contestant> {
    let home = shell::root().join("bench/peers").join(name);
    // A folder of artifacts for each: their flags differ, and two builds in one would be made anew by turns.
    let artifacts = metadata::workspace()?.target_directory.join("peers").join(name);
    if home.join("main.cc").is_file() { ns3(&home, &artifacts) } else { package(name, &home, &artifacts) }
}

/// A peer written in Rust: the package `peer-NAME`.
fn package(name: &str, home: &Path, artifacts: &Path) -> Outcome<Contestant> {
    let mut build = shell::cargo();
    shell::run(build.current_dir(home).args(["build", "--release", "--locked"]).env("CARGO_TARGET_DIR", artifacts))?;
    // What is measured is called as the peer is, but for this.
    let measured = if name == "embassy" { "embassy-net" } else { name };
    let mut tree = shell::cargo();
    tree.current_dir(home).args(["tree", "--locked", "--depth", "0", "--prefix", "none", "--package", measured]);
    Ok(Contestant {
        program: artifacts.join("release").join(format!("peer-{name}")),
        arguments: &[],
        version: shell::read(&mut tree)?.trim().to_owned(),
    })
}

/// ns-3, from the system's packages.
fn ns3(home: &Path, artifacts: &Path) -> Outcome<Contestant> {
    std::fs::create_dir_all(artifacts)?;
    let program = artifacts.join("peer-ns3");
    let mut build = Command::new("g++");
    build.current_dir(home).args(["-O3", "-std=c++17", "main.cc", "-o"]).arg(&program);
    build.args(
        ["applications", "point-to-point", "internet", "network", "stats", "core"].map(|it| format!("-lns3-{it}")),
    );
    shell::run(&mut build).map_err(|error| format!("{error}; ns-3 comes with Debian's libns3-dev"))?;
    let mut version = Command::new("pkg-config");
    let version = shell::read(version.args(["--modversion", "ns3-core"])).unwrap_or_default();
    Ok(Contestant { program, arguments: &[], version: format!("ns-3 {}", version.trim()) })
}
