//! `ci`: every proof in turn, each timed, none skipped because one before it failed.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::metadata;
use crate::room::Room;
use crate::shell;
use crate::tests_run::{self, Tally};
use crate::{
    Outcome, conformance, deps, differential, elsewhere, fingerprints, fuzz, instructions, interop, licences, no_std,
    outside, tidy, tools,
};

/// What target/ takes at most, if it is built from nothing, and a little more.
const ROOM: Room = Room::gib(10);

/// Runs every step; whether all of them passed.
pub(crate) fn run() -> bool {
    let artifacts = match artifacts() {
        Ok(artifacts) => artifacts,
        Err(error) => {
            println!("error: {error}");
            return false;
        }
    };
    let mut steps = Steps { artifacts, taken: Vec::new() };
    let mut tally = Tally::default();

    steps.take("tools", install_tools);
    steps.take("lock file", || {
        shell::read(shell::cargo().args(["metadata", "--locked", "--format-version", "1"])).map(drop)
    });
    steps.take("fmt", || shell::run(shell::cargo().args(["fmt", "--all", "--check"])));
    steps.take("tidy", tidy::run);
    steps.take("deps", deps::run);
    steps.take("licences", licences::run);
    steps.take("clippy", || {
        let mut clippy = shell::cargo();
        clippy
            .args(["clippy", "--workspace", "--all-targets"])
            .args(tests_run::OPTIONAL)
            .args(["--", "-D", "warnings"]);
        shell::run(&mut clippy)
    });
    steps.take("docs", || {
        let mut docs = shell::cargo();
        docs.args(["doc", "--workspace", "--no-deps"]).args(tests_run::OPTIONAL).env("RUSTDOCFLAGS", "-D warnings");
        shell::run(&mut docs)
    });
    steps.take("tests", || tests_run::run(&mut tally));
    forget("tests' programs", tests_run::forget_programs(&steps.artifacts));
    forget("what tests compiled", fs::remove_dir_all(steps.artifacts.join("tests")));
    steps.take("no-std", no_std::run);
    steps.take("interop", || interop::run(&[]));
    steps.take("beside ns-3", differential::beside_ns3);
    steps.take("conformance", || conformance::run(&[]));
    if steps.take("fuzz", || fuzz::run(None, None)) {
        forget("fuzz", fs::remove_dir_all(steps.artifacts.join("fuzz")));
    }
    steps.take("elsewhere", elsewhere::run);
    steps.take("fingerprints", || fingerprints::run(fingerprints::Mode::Compare));
    steps.take("instructions", || instructions::run(instructions::Mode::Compare));
    steps.take("firmware", outside::firmware);
    steps.take("examples", outside::examples);
    steps.close(tally)
}

/// Where what is built goes, if there is room for it.
fn artifacts() -> Outcome<PathBuf> {
    let artifacts = metadata::workspace()?.target_directory;
    let (left, taken) = (Room::left(&artifacts)?, Room::taken(&artifacts)?);
    if left < ROOM {
        let place = artifacts.display();
        return Err(format!(
            "{left} are left on the disk of {place}, and CI needs {ROOM}: make room there, or set CARGO_TARGET_DIR to a \
             folder on another disk. {place} itself takes {taken}, which `cargo clean` frees."
        )
        .into());
    }
    Ok(artifacts)
}

/// What no later step looks at was to be removed, that a small disk do. That it was not is no failure, but is said.
fn forget(what: &str, removed: io::Result<()>) {
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        println!("{what}: {error}");
    }
}

/// What some tests look for, and the package that brings it.
const TOOLS: [(&str, &str); 4] =
    [("curl", "curl"), ("tshark", "tshark"), ("qemu-system-arm", "qemu-system-arm"), ("valgrind", "valgrind")];

/// Has apt install what some tests look for and skip without, and rustup what this needs.
fn install_tools() -> Outcome {
    tools::install(&TOOLS);
    for (program, component) in [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        if !shell::has(program, "--version") {
            shell::run(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    // Read once here, so that a broken manifest is reported before everything else trips over it.
    metadata::workspace().map(drop)
}

struct Steps {
    artifacts: PathBuf,
    taken: Vec<Step>,
}

struct Step {
    name: &'static str,
    time: Duration,
    /// What the artifacts took at its end.
    room: Room,
    passed: bool,
}

impl Steps {
    /// Takes a step; whether it passed.
    fn take(&mut self, name: &'static str, step: impl FnOnce() -> Outcome) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = step();
        let time = start.elapsed();
        if let Err(error) = &outcome {
            println!("error: {error}");
        }
        let room = Room::taken(&self.artifacts).unwrap_or_default();
        self.taken.push(Step { name, time, room, passed: outcome.is_ok() });
        outcome.is_ok()
    }

    /// Prints the table of steps, with what the artifacts took after each, and the closing line; whether all of it passed.
    fn close(&self, tests: Tally) -> bool {
        println!();
        for Step { name, time, room, passed } in &self.taken {
            let verdict = if *passed { "passed" } else { "FAILED" };
            println!("{name:<14} {verdict} {:>8.1} s {:>9}", time.as_secs_f64(), room.to_string());
        }
        let time: Duration = self.taken.iter().map(|step| step.time).sum();
        let most = self.taken.iter().map(|step| step.room).max().unwrap_or_default();
        println!("{:<14}        {:>8.1} s {:>9} in target/ at most", "", time.as_secs_f64(), most.to_string());
        let ran = tests.passed + tests.failed;
        println!(
            "{ran} tests ran, {} were ignored; tests and steps: {} passed, {} failed",
            tests.ignored,
            tests.passed + self.count(true),
            tests.failed + self.count(false)
        );
        self.count(false) == 0
    }

    fn count(&self, passed: bool) -> u64 {
        self.taken.iter().map(|step| u64::from(step.passed == passed)).sum()
    }
}
