//! The table of cases: runs each with a time limit in a process of its own, and prints what it came to.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{Duration, sleep, timeout};

use crate::cases::{CASES, Case};

/// How long a case may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How long programs may take to be gone when they are killed.
const GRACE: Duration = Duration::from_millis(50);

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

/// How many areas are at work at once. Cases wait most of their time.
const LANES: usize = 4;
/// What makes the program run the one case whose name follows.
const ONE: &str = "--case";

/// What a case came to, which is how its process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Verdict {
    Passed = 0,
    Failed = 1,
    Skipped = 3,
}

/// Runs the cases whose names have one of the given words in them; all if there are none. Each has a process and a network of
/// its own; those of an area, which may use the same programs, run one after the other.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    if let [flag, name] = arguments
        && flag == ONE
    {
        return ExitCode::from(alone(name) as u8);
    }
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|word| name.contains(word.as_str()));
    let cases: Vec<&Case> = CASES.iter().filter(|case| wanted(case.name)).collect();
    let areas: Vec<&[&Case]> = cases.chunk_by(|one, other| area(one) == area(other)).collect();
    let (left, verdicts) = (Mutex::new(areas.into_iter()), Mutex::new(Vec::new()));
    println!("{:<34} {:<22} {:<8} {:>7}  seen", "what", "against", "verdict", "s");
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some(area) = next() {
                    let told = area.iter().map(|case| told(case));
                    told.for_each(|verdict| verdicts.lock().unwrap_or_else(PoisonError::into_inner).push(verdict));
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    let [passed, failed, skipped] = [Verdict::Passed, Verdict::Failed, Verdict::Skipped].map(count);
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What cases have in common that may use the same programs.
fn area(case: &Case) -> &str {
    case.name.split([':', ' ']).next().unwrap_or_default()
}

/// Has a process of its own run a case, and passes on its row.
fn told(case: &Case) -> Verdict {
    let program = || std::env::current_exe();
    let output =
        program().and_then(|program| Command::new("unshare").arg("--net").arg(program).args([ONE, case.name]).output());
    let (row, verdict) = match output {
        Ok(output) => {
            let verdict = match output.status.code() {
                Some(0) => Verdict::Passed,
                Some(code) if code == Verdict::Skipped as i32 => Verdict::Skipped,
                _ => Verdict::Failed,
            };
            let row = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr);
            (if row.is_empty() { format!("{}: {}: {errors}\n", case.name, output.status) } else { row }, verdict)
        }
        Err(error) => (format!("{}: {error}\n", case.name), Verdict::Failed),
    };
    // Whoever watches through a pipe wants to see each as it ends.
    let mut to = std::io::stdout().lock();
    let _ = to.write_all(row.as_bytes()).and_then(|()| to.flush());
    verdict
}

/// Runs one case here, and prints its row.
fn alone(name: &str) -> Verdict {
    let Some(case) = CASES.iter().find(|case| case.name == name) else {
        println!("there is no case named `{name}`");
        return Verdict::Failed;
    };
    let start = Instant::now();
    let (verdict, word, seen) = match one(case.run) {
        Ok(seen) => (Verdict::Passed, "passed", seen),
        Err(failure @ Failure::Absent(_)) => (Verdict::Skipped, "skipped", failure.to_string()),
        Err(failure @ Failure::Told(_)) => (Verdict::Failed, "FAILED", failure.to_string()),
    };
    let time = start.elapsed().as_secs_f64();
    println!("{:<34} {:<22} {word:<8} {time:>7.2}  {}", case.name, case.against, seen.trim());
    verdict
}

fn one(run: crate::cases::Run) -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    runtime.block_on(tasks.run_until(async {
        let ended = timeout(LIMIT, run()).await;
        // Programs that are killed with the case are waited for, too: the next one asks whether they are gone.
        sleep(GRACE).await;
        ended.unwrap_or_else(|_| Err(Failure::Told(format!("no end within {LIMIT:?}"))))
    }))
}
