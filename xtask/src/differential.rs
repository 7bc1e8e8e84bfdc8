//! `differential`: what links do, against implementations that no one here wrote, on the same traffic.
//!
//! The comparisons are tests (`sim/tests/differential`) that are run from here alone: they need ns-3, or a network namespace. What
//! cannot be had is skipped by name.

use std::path::PathBuf;
use std::process::Command;

use crate::{Outcome, interop, metadata, shell, tools};

// Of the workspace, so that what it stands on is what all tests stand on.
const TEST: [&str; 4] = ["test", "--workspace", "--test", "differential"];

/// Runs all comparisons that can be had here.
pub(crate) fn run() -> Outcome {
    beside_ns3()?;
    tools::install(&[("dumpcap", "wireshark-common"), ("tshark", "tshark"), ("tc", "iproute2")]);
    shell::run(shell::cargo().args(TEST).arg("--no-run"))?;
    if let Some(reason) = interop::no_namespace().or_else(|| lacks(&["dumpcap", "tshark", "tc", "ip"])) {
        println!("tbf: skipped, {reason}");
        return Ok(());
    }
    let cargo = shell::cargo();
    let mut apart = Command::new("unshare");
    apart.current_dir(shell::root()).arg("--net").arg(cargo.get_program()).args(TEST).arg("--offline");
    apart.args(["--", "--ignored", "--nocapture", "tbf_"]).env("WAVETANK_NETNS", "1");
    for (name, _) in cargo.get_envs() {
        apart.env_remove(name);
    }
    shell::run(&mut apart)
}

/// Runs those with ns-3, whose outcome hangs on nothing but seeds.
pub(crate) fn beside_ns3() -> Outcome {
    tools::install(&[("g++", "g++"), (NS3, "libns3-dev")]);
    if !tools::is_here("g++") || !tools::is_here(NS3) {
        return Ok(());
    }
    let run = ["--", "--ignored", "--nocapture", "ns3_"];
    shell::run(shell::cargo().args(TEST).args(run).env("WAVETANK_NS3", ns3()?))
}

/// By which ns-3 is known to be here.
const NS3: &str = "/usr/include/ns3/core-module.h";

/// The program with ns-3's models in it.
fn ns3() -> Outcome<PathBuf> {
    let program = metadata::workspace()?.target_directory.join("differential-ns3");
    let mut build = Command::new("g++");
    build.current_dir(shell::root()).args(["-O1", "-std=c++17", "sim/tests/differential/ns3.cc", "-o"]).arg(&program);
    shell::run(build.args(["traffic-control", "network", "core"].map(|it| format!("-lns3-{it}"))))?;
    Ok(program)
}

/// A program that is not here.
fn lacks(programs: &[&str]) -> Option<&'static str> {
    let all = programs.iter().all(|program| tools::is_here(program));
    (!all).then_some("it takes dumpcap, tshark, tc and ip")
}
