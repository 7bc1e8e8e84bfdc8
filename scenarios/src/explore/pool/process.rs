//! One worker process.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::PoolError;
use super::post::Post;
use crate::explore::Outcome;
use crate::explore::wire::{Batch, Task, Word, hear, tell};

/// How many lines of a worker's standard error are kept.
const SAID_LINES: usize = 24;

/// A worker that lives.
pub(super) struct Worker {
    leash: Arc<Leash>,
    orders: ChildStdin,
    words: BufReader<ChildStdout>,
    said: Option<JoinHandle<String>>,
}

/// How a worker died.
pub(super) struct Died {
    pub(super) status: String,
    /// The end of what it said on standard error.
    pub(super) said: String,
}

/// What ends a worker from elsewhere.
pub(super) struct Leash(Mutex<Option<Child>>);

impl Leash {
    fn take(&self) -> Option<Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends the worker, if it lives.
    pub(super) fn pull(&self) {
        if let Some(mut child) = self.take() {
            end(&mut child);
        }
    }

    /// Whether there is no worker on it any more.
    pub(super) fn is_loose(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// Ends a process and forgets it.
fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

impl Worker {
    /// Starts a worker and waits until it has understood its task.
    pub(super) fn start(mut command: Command, task: &Task, post: &Post) -> Result<Self, PoolError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = in_a_group_of_its_own(&mut command).spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(orders), Some(words), Some(errors)) = pipes else {
            unreachable!("all three have been asked for");
        };
        let leash = Arc::new(Leash(Mutex::new(Some(child))));
        post.hold(&leash);
        let said = thread::Builder::new().name("worker's words".into()).spawn(move || last_lines(errors))?;
        let mut worker = Self { leash, orders, words: BufReader::new(words), said: Some(said) };
        // A worker that is dead already does not answer.
        let _ = tell(&mut worker.orders, task);
        match hear(&mut worker.words)? {
            Some(Word::Ready) => Ok(worker),
            Some(Word::Refused(why)) => Err(PoolError::Refused(why)),
            Some(Word::Outcome(_)) | None => {
                let Died { status, said } = worker.bury();
                Err(PoolError::Stillborn { status, said })
            }
        }
    }

    /// Asks for a batch.
    pub(super) fn tell(&mut self, batch: &Batch) -> io::Result<()> {
        tell(&mut self.orders, batch)
    }

    /// The next outcome; `None` if it has died.
    pub(super) fn outcome(&mut self) -> io::Result<Option<Outcome>> {
        match hear(&mut self.words)? {
            Some(Word::Outcome(outcome)) => Ok(Some(outcome)),
            Some(Word::Ready | Word::Refused(_)) | None => Ok(None),
        }
    }

    /// How it died; it is ended if it has not.
    pub(super) fn bury(mut self) -> Died {
        let status = match self.leash.take() {
            Some(mut child) => {
                // Its standard output is closed: it has ended already, or should.
                let _ = child.kill();
                child.wait().map_or_else(|error| error.to_string(), status)
            }
            None => "it was ended".to_owned(),
        };
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        Died { status, said }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.leash.pull();
    }
}

/// In words that do not differ from run to run.
fn status(status: ExitStatus) -> String {
    status.to_string().replace(" (core dumped)", "")
}

/// Ctrl-C at the terminal is for the supervisor to hear.
#[cfg(unix)]
fn in_a_group_of_its_own(command: &mut Command) -> &mut Command {
    std::os::unix::process::CommandExt::process_group(command, 0)
}

#[cfg(not(unix))]
fn in_a_group_of_its_own(command: &mut Command) -> &mut Command {
    command
}

/// Reads to the end, and keeps the last lines.
fn last_lines(errors: ChildStderr) -> String {
    let mut lines = VecDeque::new();
    let mut from = BufReader::new(errors);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if lines.len() == SAID_LINES {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(&line).into_owned());
        line.clear();
    }
    lines.into_iter().collect()
}
