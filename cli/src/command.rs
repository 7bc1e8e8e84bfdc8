//! From the process's arguments to its exit code.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use wavetank_scenarios::explore::pool::PoolError;
use wavetank_scenarios::trace::TraceError;
use wavetank_scenarios::{Registry, RunError};
use wavetank_sim::session::Ended;

use crate::arguments::{Arguments, Verb};
use crate::exit::Exit;
#[cfg(feature = "serve")]
use crate::serve;
#[cfg(feature = "tui")]
use crate::watch;
use crate::{check, completions, diff, explain, explore, faults, kinds, replay, run, schema, shrink, trace, workers};

/// What the standard library exits with after a panic; no verdict of ours.
const PANICKED: u8 = 101;

/// Why a verb could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The input is not as it should be; everything that is wrong with it, ready to print.
    #[error("{0}")]
    Input(String),
    /// A random seed was asked for, and the system has none.
    #[error("cannot draw a seed: {0}")]
    Entropy(#[from] getrandom_04::Error),
    /// The run could not be started.
    #[error(transparent)]
    Start(#[from] RunError),
    /// The world's thread ended: a bug in the kernel, whose panic has been printed.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// A trace could not be read, or its run not be started.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Worker processes could not do their work.
    #[error(transparent)]
    Workers(#[from] PoolError),
    /// Standard output is closed or full.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self::Input(text)
    }
}

/// The `wavetank` command, with these kinds of node.
///
/// Reads the process's arguments, prints to its standard output and error, and gives its exit code: 0 all expectations
/// held, 1 one broke, 2 bad input or usage, 3 a run did not repeat itself, 130 ended by Ctrl-C.
#[must_use]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the command owns its kinds, and callers have no further use for them"
)]
pub fn main(registry: Registry) -> ExitCode {
    let arguments = Arguments::parse();
    // Not locked: what runs in a world may print, on the world's thread.
    let mut out = anstream::stdout();
    let done = obey(arguments, &registry, &mut out).and_then(|exit| {
        out.flush()?;
        Ok(exit)
    });
    match done {
        Ok(exit) => exit.into(),
        // Whoever reads has read enough: `wavetank kinds | head`.
        Err(Trouble::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Exit::Pass.into(),
        Err(trouble) => {
            let text = trouble.to_string();
            // Nobody is left to tell if this fails.
            let _ = writeln!(anstream::stderr().lock(), "{}", text.trim_end());
            match trouble {
                Trouble::Ended(_) | Trouble::Start(RunError::Ended(_)) => ExitCode::from(PANICKED),
                _ => Exit::BadInput.into(),
            }
        }
    }
}

/// How this program was called.
pub(crate) fn program() -> String {
    std::env::args_os().next().map_or_else(|| "wavetank".to_owned(), |program| program.to_string_lossy().into_owned())
}

fn obey(arguments: Arguments, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    match arguments.verb {
        Verb::Run(arguments) => run::run(&arguments, registry, out),
        Verb::Explore(arguments) => explore::run(&arguments, registry, out),
        Verb::Replay(arguments) => replay::run(&arguments, registry, out),
        Verb::Trace(arguments) => trace::run(&arguments, registry, out),
        Verb::Diff(arguments) => diff::run(&arguments, registry, out),
        Verb::Shrink(arguments) => shrink::run(&arguments, registry, out),
        Verb::Explain(arguments) => explain::run(&arguments, registry, out),
        Verb::Worker => workers::serve(registry),
        #[cfg(feature = "tui")]
        Verb::Watch(arguments) => watch::run(&arguments, registry, out),
        Verb::Check(arguments) => check::run(&arguments, registry, out),
        Verb::Kinds(arguments) => kinds::run(&arguments, registry, out),
        Verb::Faults(arguments) => faults::run(&arguments, out),
        Verb::Schema => schema::run(registry, out),
        #[cfg(feature = "serve")]
        Verb::Serve(arguments) => serve::run(&arguments, out),
        Verb::Completions(arguments) => completions::run(&arguments, out),
    }
}
