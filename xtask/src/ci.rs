//! `ci`: every proof in turn, each timed, none skipped because one before it failed.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::metadata;
use crate::shell;
use crate::tests_run::{self, Tally};
use crate::{
    Outcome, conformance, deps, differential, elsewhere, fingerprints, fuzz, instructions, interop, licences, no_std,
    outside, tidy, tools,
};

/// Runs every step; whether all of them passed.
pub(crate) fn run() -> bool {
    let mut steps = Steps::default();
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
    steps.take("no-std", no_std::run);
    steps.take("interop", || interop::run(&[]));
    steps.take("beside ns-3", differential::beside_ns3);
    steps.take("conformance", || conformance::run(&[]));
    steps.take("fuzz", || fuzz::run(None, None));
    steps.take("elsewhere", elsewhere::run);
    steps.take("fingerprints", || fingerprints::run(fingerprints::Mode::Compare));
    steps.take("instructions", || instructions::run(instructions::Mode::Compare));
    steps.take("firmware", outside::firmware);
    steps.take("examples", outside::examples);
    steps.close(tally)
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

#[derive(Default)]
struct Steps {
    taken: Vec<Step>,
    time: Duration,
}

struct Step {
    name: &'static str,
    time: Duration,
    passed: bool,
}

impl Steps {
    fn take(&mut self, name: &'static str, step: impl FnOnce() -> Outcome) {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = step();
        let time = start.elapsed();
        if let Err(error) = &outcome {
            println!("error: {error}");
        }
        self.time += time;
        self.taken.push(Step { name, time, passed: outcome.is_ok() });
    }

    /// Prints the table of steps and the closing line; whether all of it passed.
    fn close(&self, tests: Tally) -> bool {
        println!();
        for step in &self.taken {
            let verdict = if step.passed { "passed" } else { "FAILED" };
            println!("{:<14} {verdict} {:>8.1} s", step.name, step.time.as_secs_f64());
        }
        println!("{:<14}        {:>8.1} s", "", self.time.as_secs_f64());
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
