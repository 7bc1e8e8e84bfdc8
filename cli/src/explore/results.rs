//! The file that gets what each seed came to: a first line that says of what, then a line for each seed, in order.

use std::fs::File;
use std::io::{self, BufRead, BufReader, LineWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wavetank_scenarios::Plan;
use wavetank_scenarios::explore::Outcome;

use crate::values::Seed;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// The scenario's file, as it was given.
    explore: PathBuf,
    /// The scenario's name for people.
    name: String,
    /// The version of wavetank that wrote this.
    wavetank: String,
}

/// A file that is being written.
pub(super) struct Results {
    path: PathBuf,
    to: LineWriter<File>,
}

impl Results {
    pub(super) fn create(path: &Path, scenario: &Path, plan: &Plan) -> Result<Self, String> {
        let file = File::create(path).map_err(|error| trouble(path, &error))?;
        let mut results = Self { path: path.to_owned(), to: LineWriter::new(file) };
        let head = Head {
            explore: scenario.to_owned(),
            name: plan.name.to_string(),
            wavetank: env!("CARGO_PKG_VERSION").to_owned(),
        };
        results.line(&head)?;
        Ok(results)
    }

    pub(super) fn write(&mut self, outcome: &Outcome) -> Result<(), String> {
        self.line(outcome)
    }

    pub(super) fn finish(mut self) -> Result<(), String> {
        self.to.flush().map_err(|error| trouble(&self.path, &error))
    }

    fn line(&mut self, what: &impl Serialize) -> Result<(), String> {
        let mut line = serde_json::to_string(what).expect("outcomes have only strings as keys");
        line.push('\n');
        self.to.write_all(line.as_bytes()).map_err(|error| trouble(&self.path, &error))
    }
}

fn trouble(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

/// The scenario and the seed that are meant by a file, which may be a results file, and a seed.
///
/// # Errors
///
/// If it is a results file that cannot be read, or nothing failed in it and no seed is named.
pub(crate) fn meant(file: &Path, seed: Option<Seed>) -> Result<(PathBuf, Option<Seed>), String> {
    if file.extension().is_none_or(|extension| extension != "jsonl") {
        return Ok((file.to_owned(), seed));
    }
    let cannot = |error: io::Error| format!("{}: {error}", file.display());
    let mut lines = BufReader::new(File::open(file).map_err(cannot)?).lines();
    let head = lines.next().transpose().map_err(cannot)?.and_then(|line| serde_json::from_str::<Head>(&line).ok());
    let Some(head) = head else {
        return Err(format!("{}: this is not what `explore --results` writes", file.display()));
    };
    if seed.is_some() {
        return Ok((head.explore, seed));
    }
    for line in lines {
        // The last line may have been cut off with the process.
        let outcome: Option<Outcome> = serde_json::from_str(&line.map_err(cannot)?).ok();
        if let Some(outcome) = outcome.filter(|outcome| outcome.failure.is_some()) {
            return Ok((head.explore, Some(Seed::Fixed(outcome.seed))));
        }
    }
    Err(format!("{}: no seed failed in this file; name the one that you mean with --seed", file.display()))
}
