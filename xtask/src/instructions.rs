//! `instructions`: what an item of each representative work costs in instructions, against `bench/instructions.toml`.
//!
//! Time on a shared machine is noise; instructions are not. callgrind counts a work at two scales, and the difference is
//! free of all preparation. A count hangs on the compiler, and on the processor, for which the C library picks its
//! routines: where one of them is another, there is nothing to compare with.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::shell;
use crate::side_by_side::side_by_side;
use crate::{Outcome, metadata, release};

/// Compare with what is written, or write it anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Compare,
    Bless,
}

/// By how much of it a count may differ from what is written.
const TOLERANCE: f64 = 0.03;

/// `bench/instructions.toml`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Baseline {
    /// The compiler that made what was counted.
    rustc: String,
    /// The processor that it was counted on.
    processor: String,
    /// By work: instructions an item.
    instructions: BTreeMap<String, u64>,
}

const HEADER: &str = "\
# What an item of each work costs in instructions: user code and C library, by callgrind.
# Written by `cargo xtask instructions --bless`; compared by `cargo xtask instructions`, to within 3 %.
";

pub(crate) fn run(mode: Mode) -> Outcome {
    if !shell::has("valgrind", "--version") {
        println!("valgrind is not here: nothing is counted");
        return Ok(());
    }
    let path = shell::root().join("bench/instructions.toml");
    let mut baseline: Baseline = toml::from_str(&std::fs::read_to_string(&path)?)?;
    let rustc = shell::read(Command::new("rustc").arg("--version"))?.trim().to_owned();
    let processor = shell::processor();
    if mode == Mode::Compare && (&rustc, &processor) != (&baseline.rustc, &baseline.processor) {
        let Baseline { rustc: compiler, processor: other, .. } = baseline;
        println!("the counts are of {compiler} on {other}, this is {rustc} on {processor}: nothing is compared");
        return Ok(());
    }
    let works: Vec<String> = baseline.instructions.keys().cloned().collect();
    let counted = count_all(&works)?;
    let grown = report(&baseline.instructions, &counted);
    if mode == Mode::Bless {
        baseline = Baseline { rustc, processor, instructions: counted };
        std::fs::write(&path, format!("{HEADER}{}", toml::to_string(&baseline)?))?;
        return Ok(());
    }
    if grown.is_empty() {
        Ok(())
    } else {
        let line = "if it is meant, `cargo xtask instructions --bless` and commit what it writes";
        Err(format!("not what bench/instructions.toml says: {}; {line}", grown.join(", ")).into())
    }
}

/// Prints each work's count beside the written one; those that differ by more than may be.
fn report(written: &BTreeMap<String, u64>, counted: &BTreeMap<String, u64>) -> Vec<String> {
    let mut differing = Vec::new();
    for (work, now) in counted {
        let before = written[work];
        let change = *now as f64 / before.max(1) as f64 - 1.0;
        println!("{work:24} {now:>10} instructions an item, {:+.1} %", change * 100.0);
        if change.abs() > TOLERANCE {
            differing.push(format!("{work} {:+.1} %", change * 100.0));
        }
    }
    differing
}

/// Counts on all cores: instructions do not mind company.
fn count_all(works: &[String]) -> Outcome<BTreeMap<String, u64>> {
    let program = release::example("quick")?;
    let artifacts = metadata::workspace()?.target_directory;
    let counts = side_by_side(works, |work| count(&program, work, &artifacts).map_err(|error| error.to_string()));
    works.iter().zip(counts).map(|(work, count)| Ok((work.clone(), count?))).collect()
}

/// Instructions an item.
fn count(program: &Path, work: &str, artifacts: &Path) -> Outcome<u64> {
    let [once, twice] = [1, 2].map(|scale| collect(program, work, scale, artifacts));
    let (once, twice) = (once?, twice?);
    Ok((twice.instructions - once.instructions) / (twice.items - once.items))
}

struct Collected {
    instructions: u64,
    items: u64,
}

fn collect(program: &Path, work: &str, scale: u32, artifacts: &Path) -> Outcome<Collected> {
    #[derive(Deserialize)]
    struct Round {
        items: u64,
    }
    let log = artifacts.join(format!("callgrind.{work}.{scale}"));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", log.display())).arg(program);
    valgrind.args([work, "1", &scale.to_string(), "--json"]);
    let text = shell::read(&mut valgrind)?;
    let round: Round = serde_json::from_str(text.trim())?;
    let counts = std::fs::read_to_string(&log)?;
    std::fs::remove_file(&log)?;
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: ")).ok_or("callgrind told no total")?;
    Ok(Collected { instructions: total.trim().parse()?, items: round.items })
}
