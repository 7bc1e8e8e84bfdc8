//! `ci`: every proof in turn, each timed, none skipped because one before it failed.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::metadata;
use crate::shell;
use crate::tests_run::{self, Tally};
use crate::{Outcome, deps, fingerprints, licences, no_std, outside, tidy};

/// Runs every step; an error if any failed.
pub(crate) fn run() -> Outcome {
    let mut steps = Steps::default();
    let mut tally = Tally::default();

    steps.take("tools", tools);
    steps.take("lock file", || {
        shell::read(shell::cargo().args(["metadata", "--locked", "--format-version", "1"])).map(drop)
    });
    steps.take("fmt", || shell::run(shell::cargo().args(["fmt", "--all", "--check"])));
    steps.take("tidy", tidy::run);
    steps.take("deps", deps::run);
    steps.take("licences", licences::run);
    steps.take("clippy", || {
        shell::run(shell::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
    steps.take("docs", || {
        shell::run(shell::cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    });
    steps.take("tests", || tests_run::run(&mut tally));
    steps.take("no-std", no_std::run);
    steps.take("fingerprints", || fingerprints::run(fingerprints::Mode::Compare));
    steps.take("firmware", outside::firmware);
    steps.take("examples", outside::examples);
    steps.close(tally)
}

/// Has apt install what some tests look for and skip without. That it cannot is no failure.
fn tools() -> Outcome {
    for (program, package) in [("tshark", "tshark"), ("qemu-system-arm", "qemu-system-arm")] {
        if shell::has(program, "--version") {
            println!("{program}: there");
            continue;
        }
        let installed = shell::run(
            Command::new("apt-get")
                .args(["install", "--yes", "--no-install-recommends", package])
                .env("DEBIAN_FRONTEND", "noninteractive"),
        );
        match installed {
            Ok(()) => println!("{program}: installed"),
            Err(error) => println!("{program}: absent, and its tests with it ({error})"),
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

    /// Prints the table of steps and the closing line.
    fn close(&self, tests: Tally) -> Outcome {
        println!();
        for step in &self.taken {
            let verdict = if step.passed { "passed" } else { "FAILED" };
            println!("{:<14} {verdict} {:>8.1} s", step.name, step.time.as_secs_f64());
        }
        println!("{:<14}        {:>8.1} s", "", self.time.as_secs_f64());
        println!("tests: {} passed, {} failed, {} ignored", tests.passed, tests.failed, tests.ignored);
        let failed = self.taken.iter().filter(|step| !step.passed).count();
        println!("{} passed, {failed} failed", self.taken.len() - failed);
        if failed == 0 {
            Ok(())
        } else {
            let names: Vec<&str> = self.taken.iter().filter(|step| !step.passed).map(|step| step.name).collect();
            Err(format!("failed: {}", names.join(", ")).into())
        }
    }
}
