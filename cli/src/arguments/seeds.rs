//! The verbs that look for bugs and take them apart.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use wavetank_scenarios::units::Time;

use crate::values::{self, Seed};

/// `wavetank explore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wavetank explore storm.toml                       1,000 seeds from the scenario's own upwards
  wavetank explore storm.toml --for 10min           as many as there is time for
  wavetank explore storm.toml --seeds 100000 --from random --results found.jsonl
  wavetank replay found.jsonl                       the first that failed, event by event
  wavetank explore storm.toml --guided found        what is new is varied; failures are written to found/

Exit codes: 0 nothing broke, 1 something did, or what is to hold `sometimes` held with no seed, 2 bad input or usage,
130 ended by Ctrl-C with what was found.")]
pub(crate) struct Explore {
    /// The scenario; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// How many seeds [default: 1000, or as many as there is time for].
    #[arg(long, value_name = "N", value_parser = values::seeds)]
    pub(crate) seeds: Option<u64>,
    /// For how long of the wall clock, such as 30s, 10min or 1h.
    #[arg(long = "for", value_name = "TIME", value_parser = values::wall_time)]
    pub(crate) lasts: Option<Time>,
    /// How many worlds run side by side [default: one for each processor].
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// The first seed: a number, 0x and hex digits, or `random` [default: the scenario's].
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    pub(crate) from: Option<Seed>,
    /// Varies the faults of runs that showed something new, instead of drawing every run anew. What fails is written as a
    /// scenario of its own into this folder. Runs share this process.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, conflicts_with_all = ["results", "stall"])]
    pub(crate) guided: Option<PathBuf>,
    /// Runs each seed twice, each time in another order of processes; one that comes out differently is a failure.
    #[arg(long, conflicts_with = "guided")]
    pub(crate) verify: bool,
    /// Prints one JSON object instead of the summary.
    #[arg(long)]
    pub(crate) json: bool,
    /// Writes what each seed came to into this file as it comes, a JSON object a line.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) results: Option<PathBuf>,
    /// How many events a run may take; one that takes more counts as one that never ends.
    #[arg(long, value_name = "N", default_value_t = 100_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) events_max: u64,
    /// How many seconds of the wall clock one event may take; its poll then counts as one that never ends.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) stall: u64,
}

/// Which events are shown.
#[derive(Debug, Default, Args)]
pub(crate) struct Shown {
    /// Only what happens at these nodes and on their links, such as `hub` or `thermostat-*`.
    #[arg(long, value_name = "GLOB")]
    pub(crate) node: Option<String>,
    /// Only events of this kind, such as `frame`, `frame-dropped`, `fault`, or a flow such as `reading.*`.
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Only events whose line has this text in it, in whatever case.
    #[arg(long, value_name = "TEXT")]
    pub(crate) grep: Option<String>,
}

/// `wavetank replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wavetank replay storm.toml --seed 17                            every event, a line each
  wavetank replay storm.toml --seed 17 --node hub --kind fault    what hit the hub
  wavetank replay storm.toml --seed 17 --around 4711              what led to event 4711
  wavetank replay found.jsonl                                     the first failure that explore wrote down

Exit codes: 0 everything held, 1 something broke, 2 bad input or usage.")]
pub(crate) struct Replay {
    /// The scenario, or what `explore --results` wrote; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The seed [default: the first that failed in the results file, or the scenario's].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<Seed>,
    /// Ends the run at this virtual time, such as 250ms or 30s.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) to: Option<Time>,
    /// Only what happens before and after the event of this number.
    #[arg(long, value_name = "EVENT")]
    pub(crate) around: Option<u64>,
    /// How many events on each side of the one that --around names.
    #[arg(long, value_name = "N", default_value_t = 20, requires = "around")]
    pub(crate) context: usize,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// What a trace is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// JSON Lines: an object an event.
    Jsonl,
    /// What all links carried, for Wireshark.
    Pcapng,
    /// Chrome's trace event format, for ui.perfetto.dev and chrome://tracing.
    Perfetto,
}

/// `wavetank trace`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wavetank trace storm.toml --seed 17 --format jsonl -o run.jsonl
  wavetank trace storm.toml --seed 17 --format perfetto -o run.json     open it in ui.perfetto.dev
  wavetank trace storm.toml --seed 17 --format pcapng -o run.pcapng     open it in Wireshark
  wavetank trace storm.toml --node hub --kind frame-dropped             to standard output, as JSON Lines

Exit codes: 0 it was written, whatever the run came to, 2 bad input or usage.")]
pub(crate) struct Trace {
    /// The scenario; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// As in `wavetank run`.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<Seed>,
    /// Ends the run at this virtual time, such as 250ms or 30s.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) to: Option<Time>,
    /// What it is written as.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    pub(crate) format: Format,
    /// Where to [default: standard output].
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// `wavetank diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wavetank diff before.jsonl after.jsonl            two traces, by two builds for example
  wavetank diff storm.toml --seed 17 --seed 18      two seeds of one scenario
  wavetank diff storm.toml calm.toml --seed 17      one seed of two scenarios
  wavetank diff storm.toml --seed 17                the same twice, in two processes: it must not differ

Exit codes: 0 they are the same, 1 they differ, 2 bad input or usage, 3 the same run differs when it is run twice.")]
pub(crate) struct Diff {
    /// Two traces of JSON Lines, or one scenario or two; a scenario `-` is standard input.
    #[arg(value_name = "FILE", required = true, num_args = 1..=2, value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// The seed, once for both runs or once for each [default: the scenario's].
    #[arg(long = "seed", value_name = "N", allow_negative_numbers = true)]
    pub(crate) seeds: Vec<Seed>,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `wavetank shrink`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wavetank shrink storm.toml --seed 17 -o small.toml    the least that still fails, as a scenario of its own
  wavetank shrink found.jsonl -o small.toml             of the first failure that explore wrote down
  wavetank run small.toml                               it fails the same way, every time

Exit codes: 0 it was shrunk, 2 bad input or usage, or nothing that fails, 3 what is left does not repeat itself,
130 ended by Ctrl-C.")]
pub(crate) struct Shrink {
    /// The scenario, or what `explore --results` wrote; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The seed that fails [default: the first that failed in the results file, or the scenario's].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<Seed>,
    /// Where the small scenario goes [default: standard output].
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// How many runs go side by side [default: one for each processor].
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// `wavetank explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wavetank explain small.toml                            which faults caused it, and what lies between
  wavetank explain storm.toml --seed 17 --mermaid > a.mmd    as a sequence diagram
  wavetank explain storm.toml --seed 17 --svg > a.svg        as a space-time diagram, for a browser
  wavetank explain found.jsonl --json                    of the first failure that explore wrote down

Each fault and each lost frame is left out in turn; `wavetank shrink` first makes that quick, and the answer clear.

Exit codes: 0 it was explained, 2 bad input or usage, or nothing that fails, 130 ended by Ctrl-C.")]
pub(crate) struct Explain {
    /// The scenario, or what `explore --results` wrote; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The seed that fails [default: the first that failed in the results file, or the scenario's].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<Seed>,
    /// Prints one JSON object instead of text.
    #[arg(long, conflicts_with = "mermaid")]
    pub(crate) json: bool,
    /// Prints a sequence diagram in Mermaid's language instead of text.
    #[arg(long)]
    pub(crate) mermaid: bool,
    /// Prints a space-time diagram as SVG instead of text.
    #[arg(long, conflicts_with_all = ["json", "mermaid"])]
    pub(crate) svg: bool,
}
