//! `--verify`: the run once more, in a process of its own.
//!
//! A second process has another address layout, other environment and other hash keys. What the guard cannot see (an
//! order that hangs on an address, say) shows as another fingerprint, and the two traces say where they part.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::command::Trouble;
use crate::input;
use crate::report::Asked;

/// What two runs of the same come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Comparison {
    /// One fingerprint.
    Same,
    /// Two.
    Differ(Difference),
}

/// Where two runs part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// The second run's fingerprint.
    pub(crate) fingerprint: String,
    /// The first event that differs, as each trace has it; `None` where a trace has ended.
    pub(crate) first: Option<String>,
    pub(crate) second: Option<String>,
}

/// A folder for traces that goes away with the value.
pub(crate) fn scratch() -> Result<TempDir, Trouble> {
    tempfile::tempdir().map_err(|error| Trouble::Input(format!("--verify needs a temporary folder: {error}")))
}

/// Runs the same once more in another process, and compares.
pub(crate) fn again(
    asked: Asked<'_>,
    fingerprint: &str,
    trace: &Path,
    scratch: &TempDir,
) -> Result<Comparison, Trouble> {
    #[derive(Deserialize)]
    struct Second {
        fingerprint: String,
    }

    let failed = |what: &dyn std::fmt::Display| Trouble::Input(format!("the second run of --verify: {what}"));
    let second_trace = scratch.path().join("second.jsonl");
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg(asked.file)
        .args(["--seed", &asked.seed.to_string(), "--json", "--trace"])
        .arg(&second_trace);
    if let Some(until) = asked.until {
        command.args(["--until", &format!("{}ns", until.as_nanos())]);
    }
    let output = input::output(&mut command, asked.file).map_err(|error| failed(&error))?;
    let second: Second = match output.status.code() {
        Some(0 | 1) => serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))?,
        _ => return Err(failed(&format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))),
    };
    if second.fingerprint == fingerprint {
        return Ok(Comparison::Same);
    }
    let open = |path| File::open(path).map(BufReader::new);
    let parting = open(trace).and_then(|trace| parting(trace, open(&second_trace)?)).map_err(|error| failed(&error))?;
    let (first, second_event) = parting.unwrap_or_default();
    Ok(Comparison::Differ(Difference { fingerprint: second.fingerprint, first, second: second_event }))
}

/// The first line that differs, as each has it; `None` if all are alike.
fn parting(a: impl BufRead, b: impl BufRead) -> io::Result<Option<(Option<String>, Option<String>)>> {
    let (mut a, mut b) = (a.lines(), b.lines());
    loop {
        match (a.next().transpose()?, b.next().transpose()?) {
            (None, None) => return Ok(None),
            (a, b) if a != b => return Ok(Some((a, b))),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(a: &str, b: &str) -> Option<(Option<String>, Option<String>)> {
        parting(a.as_bytes(), b.as_bytes()).unwrap()
    }

    #[test]
    fn the_first_difference_is_found() {
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(parts("a\nb\nc\n", "a\nx\ny\n"), Some((line("b"), line("x"))));
    }

    #[test]
    fn an_end_is_a_difference() {
        assert_eq!(parts("a\n", "a\nb\n"), Some((None, Some("b".to_owned()))));
        assert_eq!(parts("a\nb\n", "a\nb\n"), None);
    }
}
