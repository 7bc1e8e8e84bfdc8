//! The table of cases: runs each with a time limit, and prints what it came to.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{Duration, timeout};

use crate::cases::CASES;

/// How long a case may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Why a case did not pass.
pub(crate) enum Failure {
    /// A program is not installed: the case is skipped.
    Absent(String),
    /// Something else, told in words.
    Told(String),
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Told(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Absent(program) => write!(f, "{program} is not installed"),
            Failure::Told(words) => f.write_str(words),
        }
    }
}

/// Fails a case where something does not hold.
macro_rules! demand {
    ($holds:expr, $($told:tt)+) => {
        if !$holds {
            return Err($crate::table::Failure::Told(format!($($told)+)));
        }
    };
}
pub(crate) use demand;

/// What a case comes to: a few words of what was seen.
pub(crate) type Outcome = Result<String, Failure>;

/// Runs the cases whose names have one of the given words in them; all if there are none.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    println!("{:<34} {:<22} {:<8} {:>7}  seen", "what", "against", "verdict", "s");
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        let start = Instant::now();
        let outcome = one(case.run);
        let time = start.elapsed().as_secs_f64();
        let (verdict, seen) = match outcome {
            Ok(seen) => {
                passed += 1;
                ("passed", seen)
            }
            Err(Failure::Absent(program)) => {
                skipped += 1;
                ("skipped", format!("{program} is not installed"))
            }
            Err(Failure::Told(told)) => {
                failed += 1;
                ("FAILED", told)
            }
        };
        println!("{:<34} {:<22} {verdict:<8} {time:>7.2}  {}", case.name, case.against, seen.trim());
        // A case may take a while, and whoever watches through a pipe wants to see the last one.
        let _ = std::io::stdout().flush();
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(run: crate::cases::Run) -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    runtime.block_on(tasks.run_until(async {
        timeout(LIMIT, run()).await.unwrap_or_else(|_| Err(Failure::Told(format!("no end within {LIMIT:?}"))))
    }))
}
