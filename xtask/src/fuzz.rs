//! `fuzz`: the fuzzer's targets, each for so many seconds from its corpus. The compiler must be a nightly one; where there is
//! none this says so and passes.
//!
//! It does what cargo-fuzz does, which need not be there: what is built counts which of its blocks are entered. What the fuzzer
//! finds stays in `target/fuzz/`; whoever mends it puts the file into the corpus, where plain tests send it ever after.

use std::path::Path;
use std::process::Command;

use crate::{Outcome, metadata, shell};

const FOLDER: &str = "web/fuzz";
const TARGETS: [&str; 1] = ["requests"];
const SECONDS: &str = "20";

/// How libFuzzer wants its targets: blocks and comparisons counted where it can see them, and overflows not passed over.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions -Ccodegen-units=1";

pub(crate) fn run(seconds: Option<&str>) -> Outcome {
    let seconds: u32 = seconds.unwrap_or(SECONDS).parse().map_err(|_| "it is told for how many seconds")?;
    let nightly = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
    if !nightly.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no nightly compiler here (rustup toolchain install nightly)");
        return Ok(());
    }
    let home = shell::root().join(FOLDER);
    let artifacts = metadata::workspace()?.target_directory.join("fuzz");
    let host = host()?;
    let mut build = Command::new("rustup");
    // With a target named, build scripts and macros are not counted.
    build.current_dir(&home).args(["run", "nightly", "cargo", "build", "--locked", "--release", "--target", &host]);
    build
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &artifacts)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO");
    shell::run(&mut build)?;
    for target in TARGETS {
        let program = artifacts.join(&host).join("release").join(target);
        fuzz(&program, &home.join("corpus").join(target), &artifacts.join("found").join(target), seconds)?;
    }
    Ok(())
}

/// Begins with the corpus; what is new goes to a folder of its own, for much of it is worth little.
fn fuzz(program: &Path, corpus: &Path, found: &Path, seconds: u32) -> Outcome {
    std::fs::create_dir_all(found)?;
    let mut run = Command::new(program);
    run.arg(found).arg(corpus);
    run.args([
        &format!("-max_total_time={seconds}"),
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-max_len=32768",
        "-print_final_stats=1",
    ]);
    run.arg(format!("-artifact_prefix={}/crash-", found.display()));
    shell::run(&mut run)
}

/// The platform that the compiler runs on.
fn host() -> Outcome<String> {
    let text = shell::read(Command::new("rustc").args(["--version", "--verbose"]))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("the compiler does not name its host")?.to_owned())
}
