//! `profile`: where a work's time goes, as a flame graph in `target/profile/WORK.svg`.
//!
//! `perf` looks at the work's stack a thousand times a second of its processor time, by the system's clock, so it works
//! in virtual machines too. The build is one of its own, with frame pointers.

mod flame;

use std::process::Command;

use crate::{Outcome, metadata, shell};

/// How often a second the stack is looked at. Not a round number: nothing else comes in step with it.
const HERTZ: &str = "997";
/// How many times as long as usual the measured part is, so that preparation does not show.
const SCALE: &str = "20";

pub(crate) fn run(work: &str) -> Outcome {
    if !shell::has("perf", "--version") {
        return Err("perf is not here; Debian has it as linux-perf".into());
    }
    let artifacts = metadata::workspace()?.target_directory.join("profile");
    let mut build = shell::cargo();
    build
        .args(["build", "--release", "--package", "wavetank-bench", "--example", "quick"])
        .env("RUSTFLAGS", "-C force-frame-pointers=yes")
        .env("CARGO_TARGET_DIR", &artifacts);
    shell::run(&mut build)?;
    let samples = artifacts.join(format!("{work}.data"));
    let mut record = Command::new("perf");
    record.args(["record", "--quiet", "--event", "cpu-clock", "--freq", HERTZ, "--call-graph", "fp", "--output"]);
    record.arg(&samples).arg("--").arg(artifacts.join("release/examples/quick")).args([work, "1", SCALE]);
    shell::run(&mut record)?;
    let mut script = Command::new("perf");
    script.args(["script", "--fields", "ip,sym", "--input"]).arg(&samples);
    let drawn = flame::draw(work, &shell::read(&mut script)?)?;
    let path = artifacts.join(format!("{work}.svg"));
    std::fs::write(&path, drawn)?;
    println!("{}", path.display());
    Ok(())
}
