//! `fingerprints`: every gallery scenario, by the debug and by the release binary, twice each.
//!
//! A run's fingerprint must not depend on the build or on the process. What it came to is written down
//! in `scenarios/fingerprints.toml`, so that a change of behaviour shows in the diff.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::shell;
use crate::side_by_side::side_by_side;
use crate::{Outcome, release, tests_run};

/// What to do with what the runs come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Hold it against the file.
    Compare,
    /// Write the file.
    Bless,
}

const FILE: &str = "scenarios/fingerprints.toml";
const GALLERY: &str = "scenarios/gallery";

/// By the scenario's path from the root.
type Runs = BTreeMap<String, Run>;

/// What one run came to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
struct Run {
    fingerprint: String,
    /// `pass` or `fail`: some scenarios are meant to fail.
    verdict: String,
}

/// Runs the gallery by both builds.
pub(crate) fn run(mode: Mode) -> Outcome {
    let scenarios = gallery()?;
    if scenarios.is_empty() {
        return Err(format!("{GALLERY} has no scenario").into());
    }
    let mut findings = Vec::new();
    let mut runs = Runs::new();
    let builds = [tests_run::built("wavetank")?, release::wavetank()?];
    let turns: Vec<_> =
        scenarios.iter().flat_map(|scenario| builds.iter().flat_map(move |build| [(scenario, build); 2])).collect();
    let came_to =
        side_by_side(&turns, |(scenario, binary)| run_once(binary, scenario).map_err(|error| error.to_string()));
    for ((scenario, binary), run) in turns.into_iter().zip(came_to) {
        let run = run?;
        let first = runs.entry(scenario.clone()).or_insert_with(|| run.clone());
        if *first != run {
            findings.push(format!(
                "{scenario}: {} {} by {}, but {} {} before",
                run.fingerprint,
                run.verdict,
                binary.display(),
                first.fingerprint,
                first.verdict
            ));
        }
    }
    let file = shell::root().join(FILE);
    if mode == Mode::Compare {
        match std::fs::read_to_string(&file) {
            Ok(text) => findings.extend(differences(&parse(&text)?, &runs)),
            Err(error) => findings.push(format!("{FILE}: {error}; cargo xtask fingerprints --bless writes it")),
        }
    }
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        return Err(format!("{} runs that are not as they were", findings.len()).into());
    }
    if mode == Mode::Bless {
        std::fs::write(&file, render(&runs))?;
    }
    println!("{} scenarios, debug and release, twice each", runs.len());
    Ok(())
}

/// The gallery's scenarios, as paths from the root.
pub(crate) fn gallery() -> Outcome<Vec<String>> {
    Ok(shell::files()?
        .iter()
        .filter(|file| file.parent() == Some(Path::new(GALLERY)))
        .filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
        .map(|file| shell::from_root(file))
        .collect())
}

fn run_once(binary: &Path, scenario: &str) -> Outcome<Run> {
    let mut command = Command::new(binary);
    command.current_dir(shell::root()).args(["run", scenario, "--json"]).stderr(Stdio::inherit());
    let output = command.output()?;
    // 1 is an expectation that broke: the verdict says so.
    match output.status.code() {
        Some(0 | 1) => serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{}: its JSON: {error}", shell::line(&command)).into()),
        _ => Err(format!("{}: {}", shell::line(&command), output.status).into()),
    }
}

fn parse(text: &str) -> Outcome<Runs> {
    toml::from_str(text).map_err(|error| format!("{FILE}: {error}").into())
}

fn render(runs: &Runs) -> String {
    let mut text =
        String::from("# Written by `cargo xtask fingerprints --bless`: what each gallery scenario comes to.\n");
    for (scenario, run) in runs {
        write!(text, "\n[{scenario:?}]\nfingerprint = \"{}\"\nverdict = \"{}\"\n", run.fingerprint, run.verdict)
            .expect("writing to a string does not fail");
    }
    text
}

fn differences(written: &Runs, runs: &Runs) -> Vec<String> {
    let mut found = Vec::new();
    for (scenario, run) in runs {
        match written.get(scenario) {
            None => found.push(format!("{scenario}: not in {FILE}")),
            Some(was) if was.verdict != run.verdict => {
                found.push(format!("{scenario}: {}, was {}", run.verdict, was.verdict));
            }
            Some(was) if was.fingerprint != run.fingerprint => {
                found.push(format!("{scenario}: {}, was {}", run.fingerprint, was.fingerprint));
            }
            Some(_) => {}
        }
    }
    let gone = written.keys().filter(|scenario| !runs.contains_key(*scenario));
    found.extend(gone.map(|scenario| format!("{scenario}: in {FILE}, but not in the gallery")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(entries: &[(&str, &str, &str)]) -> Runs {
        entries
            .iter()
            .map(|(scenario, fingerprint, verdict)| {
                let run = Run { fingerprint: fingerprint.to_string(), verdict: verdict.to_string() };
                (scenario.to_string(), run)
            })
            .collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let runs = runs(&[("scenarios/gallery/a.toml", "00ff", "pass"), ("scenarios/gallery/b.toml", "11", "fail")]);
        assert_eq!(parse(&render(&runs)).unwrap(), runs);
    }

    #[test]
    fn every_difference_is_found() {
        let written = runs(&[("a", "1", "pass"), ("b", "1", "pass"), ("gone", "1", "pass"), ("same", "1", "fail")]);
        let now = runs(&[("a", "2", "pass"), ("b", "1", "fail"), ("new", "1", "pass"), ("same", "1", "fail")]);
        assert_eq!(
            differences(&written, &now),
            [
                "a: 2, was 1",
                "b: fail, was pass",
                "new: not in scenarios/fingerprints.toml",
                "gone: in scenarios/fingerprints.toml, but not in the gallery",
            ]
        );
    }

    #[test]
    fn a_file_that_is_not_ours_is_an_error() {
        assert!(parse("[a]\nfingerprint = 3").is_err());
    }
}
