//! `fuzz`: the fuzzer's targets, each for so many seconds from its corpus, as many at a time as there are processors. The
//! compiler must be a nightly one; where there is none this says so and passes.
//!
//! It does what cargo-fuzz does, which need not be there: what is built counts which of its blocks are entered. What the fuzzer
//! finds stays in `target/fuzz/`; whoever mends it puts the file into the corpus, where plain tests send it ever after.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::side_by_side::side_by_side;
use crate::{Outcome, metadata, shell};

/// The packages of targets: each has `fuzz_targets/NAME.rs` and `corpus/NAME/` for every one.
const FOLDERS: [&str; 2] = ["stack/fuzz", "web/fuzz"];
const SECONDS: &str = "2";

/// How libFuzzer wants its targets: blocks and comparisons counted where it can see them, and overflows not passed over.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions -Ccodegen-units=1";

/// A program that sends its part of the house what it makes up.
struct Target {
    name: String,
    program: PathBuf,
    corpus: PathBuf,
    /// Where what it finds goes.
    found: PathBuf,
}

/// Runs the targets, or the one of that name.
pub(crate) fn run(seconds: Option<&str>, only: Option<&str>) -> Outcome {
    // Whoever names no time wants to know whether all is as it was: what is made up then begins the same each time.
    let seed = if seconds.is_none() { "1" } else { "0" };
    let seconds: u32 =
        seconds.unwrap_or(SECONDS).parse().map_err(|_| "it is told for how many seconds, then which target")?;
    let nightly = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
    if !nightly.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no nightly compiler here (rustup toolchain install nightly)");
        return Ok(());
    }
    let artifacts = metadata::workspace()?.target_directory.join("fuzz");
    let host = host()?;
    let mut targets = Vec::new();
    for folder in FOLDERS {
        let home = shell::root().join(folder);
        let mut own = targets_of(&home, &artifacts, &host)?;
        own.retain(|target| only.is_none_or(|only| only == target.name));
        if !own.is_empty() {
            build(&home, &artifacts, &host)?;
            targets.extend(own);
        }
    }
    if targets.is_empty() {
        return Err(format!("there is no target {}", only.unwrap_or_default()).into());
    }
    fuzz_all(&targets, &[format!("-max_total_time={seconds}"), format!("-seed={seed}")])
}

fn targets_of(home: &Path, artifacts: &Path, host: &str) -> Outcome<Vec<Target>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(home.join("fuzz_targets"))? {
        let path = entry?.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        targets.push(Target {
            name: name.to_owned(),
            program: artifacts.join(host).join("release").join(name),
            corpus: home.join("corpus").join(name),
            found: artifacts.join("found").join(name),
        });
    }
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(targets)
}

fn build(home: &Path, artifacts: &Path, host: &str) -> Outcome {
    let mut build = Command::new("rustup");
    // With a target named, build scripts and macros are not counted.
    build.current_dir(home).args(["run", "nightly", "cargo", "build", "--locked", "--release", "--target", host]);
    build.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", artifacts).env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    shell::run(&mut build)
}

/// Runs them side by side, each on a processor; what one said is shown when it ended, if it found something.
fn fuzz_all(targets: &[Target], how: &[String]) -> Outcome {
    let fuzz = |target: &Target| fuzz(target, how).err().map(|error| format!("{}: {error}", target.name));
    let found: Vec<String> = side_by_side(targets, fuzz).into_iter().flatten().collect();
    if found.is_empty() { Ok(()) } else { Err(found.join("; ").into()) }
}

/// Begins with the corpus; what is new goes to a folder of its own, for much of it is worth little.
fn fuzz(target: &Target, how: &[String]) -> Outcome {
    fs::create_dir_all(&target.found)?;
    let mut run = Command::new(&target.program);
    run.arg(&target.found).arg(&target.corpus);
    run.args(how).args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=32768", "-print_final_stats=1"]);
    run.arg(format!("-artifact_prefix={}/", target.found.display()));
    let output = run.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        eprintln!("{said}");
        return Err(format!("{}; what was sent is in {}", output.status, target.found.display()).into());
    }
    let inputs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    println!("{:<14} {:>9} inputs", target.name, inputs.unwrap_or_default().trim());
    Ok(())
}

/// The platform that the compiler runs on.
fn host() -> Outcome<String> {
    let text = shell::read(Command::new("rustc").args(["--version", "--verbose"]))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("the compiler does not name its host")?.to_owned())
}
