//! What CI runs, in Rust: `cargo xtask VERB`.
//!
//! A verb proves one thing about the tree and exits with 1 where it does not hold; `bench` measures. `ci` runs the proofs,
//! with the compiler's and the tests' own proofs between them. What is held against what stands as data
//! in `policy.toml`.

mod bench;
mod book;
mod builds;
mod ci;
mod conformance;
mod deps;
mod differential;
mod elsewhere;
mod fingerprints;
mod fuzz;
mod growth;
mod instructions;
mod interop;
mod licences;
mod metadata;
mod no_std;
mod outside;
mod planted;
mod policy;
mod profile;
mod release;
mod room;
mod seeds;
mod shell;
mod side_by_side;
mod size;
mod tests_run;
mod tidy;
mod tools;

use std::error::Error;
use std::process::ExitCode;

/// What a verb comes to: nothing to say, or what does not hold.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const USAGE: &str = "\
usage: cargo xtask VERB

  ci                     every proof below, and the lock file, fmt, clippy and docs
  deps                   who names whom, against the forbidden edges
  licences               every dependency's licence, source and name
  no-std                 stack and devices for bare metal, without alloc
  interop [WORD...]      the stack against the Linux kernel and real programs; the cases named with one of the words
  differential           the sea's links against ns-3's error models and queues, and the kernel's token bucket filter
  conformance [SUITE...] the web framework against others' suites and programs: sockets, redbot, smuggling, openapi, curl, nginx
  fuzz [SECONDS [NAME]]  every parser that meets the wire or flash, sent what a fuzzer makes up, or one of them; 2 s each unless
                         told; needs a nightly compiler
  elsewhere              the command for other platforms, unlinked
  tidy                   file and function lengths, names, unsafe, reasons
  test                   every test, and every example in the documentation
  firmware               every board's package links
  examples               every example outside the workspace builds
  bench [WORK…]          our works beside other programs that do the same; all of them: bench/RESULTS.md
  size                   how large firmware is, beside embassy-net's, and what each part takes: stack/README.md
  planted [SYSTEM…]      how soon planted bugs are found by seeds; all of them: bench/PLANTED.md
  seeds                  what running many seeds costs: bench/SEEDS.md
  growth [CURVE…]        what things cost as there is more of others; all curves: bench/GROWTH.md
  profile WORK           where a work's time goes: target/profile/WORK.svg
  instructions [--bless] what an item of the works costs, against bench/instructions.toml
  fingerprints [--bless] every gallery scenario, debug and release, against scenarios/fingerprints.toml
  book [--bless]         the book's listings, sessions and generated pages; rendered where mdbook is installed
  builds [SEEDS]         so many seeds of every gallery scenario by builds that differ (optimised or not, allocators, musl,
                         WASI), headless and watched: all the same; with --few by the two that are least alike
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        // It has told what failed, and what it ends with is its last line.
        ["ci"] => return if ci::run() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        ["deps"] => deps::run(),
        ["licences"] => licences::run(),
        ["no-std"] => no_std::run(),
        ["interop", ref words @ ..] => interop::run(words),
        ["differential"] => differential::run(),
        ["conformance", ref suites @ ..] => conformance::run(suites),
        ["fuzz"] => fuzz::run(None, None),
        ["fuzz", seconds] => fuzz::run(Some(seconds), None),
        ["fuzz", seconds, only] => fuzz::run(Some(seconds), Some(only)),
        ["elsewhere"] => elsewhere::run(),
        ["tidy"] => tidy::run(),
        ["test"] => tests_run::run(&mut tests_run::Tally::default()),
        ["firmware"] => outside::firmware(),
        ["examples"] => outside::examples(),
        ["bench", ref works @ ..] => bench::run(works),
        ["size"] => size::run(),
        ["planted", ref names @ ..] => planted::run(names),
        ["seeds"] => seeds::run(),
        ["growth", ref curves @ ..] => growth::run(curves),
        ["profile", work] => profile::run(work),
        ["instructions"] => instructions::run(instructions::Mode::Compare),
        ["instructions", "--bless"] => instructions::run(instructions::Mode::Bless),
        ["book"] => book::run(book::Mode::Compare),
        ["book", "--bless"] => book::run(book::Mode::Bless),
        ["builds"] => builds::run(builds::Which::All, None),
        ["builds", "--few"] => builds::run(builds::Which::Few, None),
        ["builds", seeds] => builds::run(builds::Which::All, Some(seeds)),
        ["fingerprints"] => fingerprints::run(fingerprints::Mode::Compare),
        ["fingerprints", "--bless"] => fingerprints::run(fingerprints::Mode::Bless),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
