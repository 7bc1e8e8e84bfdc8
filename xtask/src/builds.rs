//! `builds`: the same seeds by other builds of the same source, and watched. All must come to the same fingerprints.
//!
//! What may differ between two builds and must not matter: how the compiler optimises, where the allocator puts things,
//! which C library there is, how wide an address is, and whether somebody looks.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fingerprints::gallery;
use crate::no_std::install_target;
use crate::shell;
use crate::{Outcome, metadata};

const PACKAGE: &str = "wavetank-builds";
const WASI: &str = "wasm32-wasip1";
const MUSL: &str = "x86_64-unknown-linux-musl";

/// How a program is built: nobody waits for the last bit of speed of those that are built only for this.
const FAST_TO_BUILD: [&str; 5] =
    ["--release", "--config", "profile.release.lto=false", "--config", "profile.release.codegen-units=16"];

/// A build of the program.
struct Build {
    name: &'static str,
    /// What cargo is told.
    cargo: &'static [&'static str],
    target: Option<&'static str>,
    /// What the program is told.
    arguments: &'static [&'static str],
}

const DEBUG: Build = Build { name: "debug", cargo: &[], target: None, arguments: &[] };
const WASM: Build = Build { name: WASI, cargo: &FAST_TO_BUILD, target: Some(WASI), arguments: &[] };
/// The first is what the others are held against.
const ALL: [Build; 6] = [
    DEBUG,
    Build { name: "release", cargo: &["--release"], target: None, arguments: &[] },
    Build { name: "release, watched", cargo: &["--release"], target: None, arguments: &["--watched"] },
    Build { name: "release, jemalloc", cargo: &["--release", "--features", "jemalloc"], target: None, arguments: &[] },
    Build { name: MUSL, cargo: &FAST_TO_BUILD, target: Some(MUSL), arguments: &[] },
    WASM,
];
/// For a quick look: the two that are least alike.
const FEW: [Build; 2] = [DEBUG, WASM];

/// What is not built for WASI, and why.
const NOT_FOR_WASI: &str = "\
not built for wasm32-wasip1: the command, which starts worker processes, waits for Ctrl-C and has a terminal;
  `serve` and `forward`, which need sockets; the guard, whose hooks are Linux's";

/// How many seeds of each scenario are run unless somebody says otherwise.
const SEEDS: u64 = 40;
const SEEDS_FEW: u64 = 2;

/// Which builds are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// All of them.
    All,
    /// The two that are least alike.
    Few,
}

/// What a program printed for each scenario and seed.
type Prints = BTreeMap<(String, u64), String>;

/// Builds, runs and compares.
pub(crate) fn run(which: Which, seeds: Option<&str>) -> Outcome {
    let (builds, usual): (&[Build], u64) = match which {
        Which::All => (&ALL, SEEDS),
        Which::Few => (&FEW, SEEDS_FEW),
    };
    let seeds = seeds.map_or(Ok(usual), |seeds| seeds.parse().map_err(|_| format!("{seeds} is no number of seeds")))?;
    let scenarios = gallery()?;
    let mut all: Vec<(&str, Prints)> = Vec::new();
    for build in builds {
        if build.target == Some(WASI) && !shell::has("node", "--version") {
            println!("{}: node is not here, so it is left out", build.name);
            continue;
        }
        let program = build.program()?;
        let prints = build.run(&program, seeds, &scenarios)?;
        println!("{:<26} {} fingerprints", build.name, prints.len());
        all.push((build.name, prints));
    }
    let (first, others) = all.split_first().expect("the first build needs nothing");
    if others.is_empty() || first.1.is_empty() {
        return Err("there is nothing to compare: it takes two builds, and seeds".into());
    }
    let findings: Vec<String> = others.iter().flat_map(|other| differences(first, other)).collect();
    findings.iter().for_each(|finding| println!("{finding}"));
    if which == Which::All {
        println!("{NOT_FOR_WASI}");
    }
    if !findings.is_empty() {
        return Err(format!("{} fingerprints depend on the build", findings.len()).into());
    }
    println!(
        "{} seeds, {seeds} of each of {} scenarios: {} builds of {} come to the same",
        first.1.len(),
        scenarios.len(),
        all.len(),
        builds.len()
    );
    Ok(())
}

impl Build {
    /// Builds the program, and lays it where the next build does not write.
    fn program(&self) -> Outcome<PathBuf> {
        let mut cargo = shell::cargo();
        cargo.args(["build", "--quiet", "--package", PACKAGE]).args(self.cargo);
        let mut folder = metadata::workspace()?.target_directory;
        if let Some(target) = self.target {
            install_target(target)?;
            cargo.args(["--target", target]);
            folder.push(target);
        }
        // Rust's own is a megabyte, and a world's thread has eight.
        cargo.env("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", "-C link-arg=-zstack-size=8388608");
        shell::run(&mut cargo)?;
        folder.push(if self.cargo.contains(&"--release") { "release" } else { "debug" });
        let built = match self.target {
            Some(WASI) => folder.join(PACKAGE).with_extension("wasm"),
            _ => folder.join(format!("{PACKAGE}{}", std::env::consts::EXE_SUFFIX)),
        };
        let to = metadata::workspace()?.target_directory.join("builds");
        fs::create_dir_all(&to)?;
        let to = to.join(self.name.replace(", ", "-"));
        fs::copy(&built, &to).map_err(|error| format!("{}: {error}", built.display()))?;
        Ok(to)
    }

    fn run(&self, program: &Path, seeds: u64, scenarios: &[String]) -> Outcome<Prints> {
        let mut command = match self.target {
            Some(WASI) => {
                let mut node = Command::new("node");
                node.args(["--no-warnings", "bench/builds/run.mjs"]).arg(shell::root()).arg(program);
                node
            }
            _ => Command::new(program),
        };
        command.current_dir(shell::root()).args(self.arguments).arg(seeds.to_string()).args(scenarios);
        parse(&shell::read(&mut command)?)
    }
}

/// Lines of a file, a seed, and what it came to.
fn parse(text: &str) -> Outcome<Prints> {
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (file, seed, print) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        Some(((file.to_owned(), seed), print.to_owned()))
    };
    text.lines().map(|text| line(text).ok_or_else(|| format!("not a line of {PACKAGE}: {text}").into())).collect()
}

fn differences((here, first): &(&str, Prints), (there, second): &(&str, Prints)) -> Vec<String> {
    let keys = first.keys().chain(second.keys().filter(|key| !first.contains_key(*key)));
    let print = |of: &Prints, key| of.get(key).map_or("nothing", String::as_str).to_owned();
    let differing = keys.filter(|key| first.get(*key) != second.get(*key));
    differing
        .map(|key| {
            let mut told = format!("{} with seed {}: ", key.0, key.1);
            write!(told, "{} by {here}, {} by {there}", print(first, key), print(second, key))
                .expect("a string takes all");
            told
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_what_is_absent_too() {
        let first = ("debug", parse("a.toml 1 00\na.toml 2 11\n").unwrap());
        let second = ("other", parse("a.toml 1 00\na.toml 2 22\nb.toml 1 33\n").unwrap());
        assert_eq!(differences(&first, &first), [""; 0]);
        assert_eq!(
            differences(&first, &second),
            ["a.toml with seed 2: 11 by debug, 22 by other", "b.toml with seed 1: nothing by debug, 33 by other"]
        );
    }

    #[test]
    fn a_line_that_is_none_of_the_programs_is_an_error() {
        assert!(parse("thread 'main' panicked").is_err());
    }
}
