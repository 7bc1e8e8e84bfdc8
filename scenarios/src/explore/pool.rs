//! The supervisor: worker processes that run seeds side by side, and their outcomes in the order of the seeds.
//!
//! Work is handed out in batches to whoever is free. A worker that dies costs the seed that it was at: that seed's
//! outcome says how, another worker takes over the rest of the batch. What comes out is the same for every number of
//! workers, but for the time that it takes.

mod post;
mod process;

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use self::post::Post;
use self::process::{Died, Worker};
use super::wire::{Batch, Task};
use super::{Failure, FailureKind, Outcome};

/// What is to be run, and by how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The first seed.
    pub first: u64,
    /// How many seeds; `None` goes on until somebody stops it.
    pub count: Option<u64>,
    /// How many workers.
    pub jobs: usize,
}

/// What happens while seeds are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The next seed has come to this.
    Outcome(Outcome),
    /// Nothing for a tenth of a second.
    Quiet,
}

/// How long it is quiet until that is news.
const QUIET: Duration = Duration::from_millis(100);

/// Why exploring could not go on. Outcomes that had come before it are still good.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A worker could not be started.
    #[error("cannot start a worker process: {0}")]
    Start(#[from] io::Error),
    /// A worker ended before it had begun; with what it said.
    #[error("a worker process ended before its first seed ({status})\n{said}")]
    Stillborn {
        /// How it ended.
        status: String,
        /// The end of its standard error.
        said: String,
    },
    /// A worker did not understand its task.
    #[error("a worker process refused the scenario: {0}")]
    Refused(String),
}

/// What a worker's keeper tells.
enum Report {
    Outcome(u64, Outcome),
    Error(PoolError),
}

/// Runs seeds in worker processes until all have been run or `each` breaks, and calls `each` with what they came to, in
/// the order of the seeds, and now and then in between.
///
/// `command` makes the command that starts a worker, which serves as [`worker::serve`](super::worker::serve) does.
///
/// # Errors
///
/// If workers cannot be started.
pub fn explore<B: Send>(
    task: &Task,
    order: Order,
    command: impl Fn() -> Command + Sync,
    mut each: impl FnMut(News) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, PoolError> {
    let post = Post::new(order);
    thread::scope(|scope| {
        let (reports, inbox) = channel();
        for _ in 0..order.jobs.max(1) {
            let (post, command, reports) = (&post, &command, reports.clone());
            scope.spawn(move || keep(task, post, command, &reports));
        }
        drop(reports);
        // Outcomes that came before their turn, by their place.
        let mut early = BTreeMap::new();
        let mut next = 0;
        let mut flow = Ok(ControlFlow::Continue(()));
        'all: loop {
            match inbox.recv_timeout(QUIET) {
                Ok(Report::Outcome(place, outcome)) => drop(early.insert(place, outcome)),
                Ok(Report::Error(error)) => {
                    flow = Err(error);
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let ControlFlow::Break(end) = each(News::Quiet) {
                        flow = Ok(ControlFlow::Break(end));
                        break;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while let Some(outcome) = early.remove(&next) {
                next += 1;
                post.delivered(next);
                if let ControlFlow::Break(end) = each(News::Outcome(outcome)) {
                    flow = Ok(ControlFlow::Break(end));
                    break 'all;
                }
            }
        }
        // Ends those that are still at work.
        post.close();
        flow
    })
}

/// Keeps one worker at work until there is no more, replacing it when it dies.
fn keep(task: &Task, post: &Post, command: &impl Fn() -> Command, reports: &Sender<Report>) {
    let mut worker = None;
    while let Some((mut place, mut batch)) = post.next_batch() {
        while batch.count > 0 {
            let outcome = match seed(&mut worker, task, post, command, &batch) {
                Ok(Some(outcome)) => outcome,
                Ok(None) => return,
                Err(error) => {
                    // Whoever listens hears the first error.
                    let _ = reports.send(Report::Error(error));
                    return;
                }
            };
            batch = Batch { first: batch.first.wrapping_add(1), count: batch.count - 1 };
            if reports.send(Report::Outcome(place, outcome)).is_err() {
                return;
            }
            place += 1;
        }
        if let Some((_, told)) = &mut worker {
            *told = false;
        }
    }
}

/// What the first seed of the batch comes to; `None` if the post was closed meanwhile. The worker knows whether it has
/// been told the batch.
fn seed(
    worker: &mut Option<(Worker, bool)>,
    task: &Task,
    post: &Post,
    command: &impl Fn() -> Command,
    batch: &Batch,
) -> Result<Option<Outcome>, PoolError> {
    let (alive, told) = match worker {
        Some(worker) => worker,
        None => worker.insert((Worker::start(command(), task, post)?, false)),
    };
    let answered = if *told { Ok(()) } else { alive.tell(batch) };
    *told = true;
    let outcome = match answered.and_then(|()| alive.outcome()) {
        Ok(Some(outcome)) => {
            // A worker that found its world hanging is gone with it.
            if outcome.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Hang) {
                *worker = None;
            }
            return Ok(Some(outcome));
        }
        Ok(None) | Err(_) => {
            let Some((dead, _)) = worker.take() else { return Ok(None) };
            if post.is_closed() {
                return Ok(None);
            }
            lost(batch.first, &dead.bury())
        }
    };
    Ok(Some(outcome))
}

/// The outcome of a seed that took its worker along.
fn lost(seed: u64, died: &Died) -> Outcome {
    let overflow = died.said.contains("has overflowed its stack");
    let place = if overflow { "stack overflow" } else { &*died.status };
    let said = died.said.trim();
    let message = match (overflow, said.is_empty()) {
        (true, _) => format!("the stack overflowed, and the process died ({})", died.status),
        (false, true) => format!("the process died ({})", died.status),
        (false, false) => format!("the process died ({}): {}", died.status, said.lines().last().unwrap_or(said)),
    };
    Outcome::lost(seed, Failure::new(FailureKind::Abort, place, None, message))
}
