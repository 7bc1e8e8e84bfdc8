//! The tests, by nextest where it is installed and by cargo where not, and how many ran.

use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::{Outcome, metadata, shell};

/// What no room turns on for others, but is to be documented and checked with the rest. Tests turn it on by themselves.
pub(crate) const OPTIONAL: [&str; 2] =
    ["--features", "wavetank-web/full,wavetank-stack/lowpan,wavetank-stack/tls,wavetank-scenarios/tls"];

/// How many tests came to what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// Runs every test of the workspace, then every example in its documentation.
pub(crate) fn run(tally: &mut Tally) -> Outcome {
    let nextest = shell::has("cargo-nextest", "--version");
    let first: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--no-fail-fast"]
    } else {
        &["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests", "--examples"]
    };
    let mut failures = Vec::new();
    for arguments in [first, &["test", "--workspace", "--no-fail-fast", "--doc"]] {
        let heard = shell::listen(shell::cargo().args(arguments).env("CARGO_TERM_COLOR", "never"))?;
        for line in heard.text.lines() {
            *tally += count(line).unwrap_or_default();
        }
        if !heard.success {
            failures.push(format!("cargo {}", arguments.join(" ")));
        }
    }
    println!("{} tests passed, {} failed, {} ignored", tally.passed, tally.failed, tally.ignored);
    if failures.is_empty() { Ok(()) } else { Err(format!("failed: {}", failures.join("; ")).into()) }
}

/// A program of the workspace, not optimised, and on nothing but what the tests stand on: where they have been built, little is
/// left to build.
///
/// That takes the features of all packages together, and of what their tests need; the latter are cargo's only if there is a test
/// among what it is told. The one that is told here is small.
pub(crate) fn built(program: &str) -> Outcome<PathBuf> {
    shell::run(shell::cargo().args(["build", "--workspace", "--test", "executors", "--bin", program]))?;
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    Ok(metadata::workspace()?.target_directory.join("debug").join(name))
}

/// Removes the tests' programs, which are some 70 MB each; those that are started again are linked again. They are the files without
/// an extension, where programs have none.
pub(crate) fn forget_programs(artifacts: &Path) -> io::Result<()> {
    for entry in fs::read_dir(artifacts.join("debug/deps"))? {
        let path = entry?.path();
        if path.extension().is_none() && path.is_file() {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// What a line of output counts, if it is one that does.
///
/// libtest: `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; …`
/// nextest: `Summary [   0.1s] 4 tests run: 3 passed (1 slow), 1 failed, 2 skipped`
fn count(line: &str) -> Option<Tally> {
    // What nextest shows of a test that failed is indented, and counted in its summary.
    let counts = match line.strip_prefix("test result: ") {
        Some(rest) => rest.split_once(". ")?.1,
        None => line.trim_start().strip_prefix("Summary ")?.split_once(" run: ")?.1,
    };
    let mut tally = Tally::default();
    for part in counts.split([';', ',']) {
        let mut words = part.split_whitespace();
        let (Some(number), Some(what)) = (words.next(), words.next()) else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        match what {
            "passed" => tally.passed += number,
            "failed" | "timed" | "exec" => tally.failed += number,
            "ignored" | "skipped" => tally.ignored += number,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_runners_are_counted() {
        let tally = |passed, failed, ignored| Some(Tally { passed, failed, ignored });
        assert_eq!(
            count("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s"),
            tally(3, 0, 1)
        );
        assert_eq!(
            count("     Summary [   0.116s] 4 tests run: 3 passed (1 slow), 1 failed, 2 skipped"),
            tally(3, 1, 2)
        );
        assert_eq!(
            count("     Summary [   0.1s] 3/4 tests run: 1 passed, 1 timed out, 1 exec failed, 0 skipped"),
            tally(1, 2, 0)
        );
        assert_eq!(count("test a ... ok"), None);
        assert_eq!(count("    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 11 filtered out"), None);
    }
}
