//! Where entries come from: a run that goes on, or a file.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use wavetank_sim::time::Instant;
use wavetank_sim::trace::{Names, Record, Sink};
use wavetank_sim::world::Snapshot;

use super::Entry;
use crate::plan::Plan;
use crate::run::{RunError, RunOptions, start_with};

/// How many events a run may be ahead of who reads them.
const AHEAD: usize = 1_024;

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A line is no event.
    #[error("{}:{line}: this is no event of a trace: {error}", path.display())]
    NoEvent {
        /// Which file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// Why.
        #[source]
        error: serde_json::Error,
    },
    /// The run could not be started, or its thread ended.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What a run came to whose events were read.
#[derive(Debug)]
pub enum Ended {
    /// It came to its end.
    AtItsEnd(Box<Snapshot>),
    /// Whoever read its events had read enough.
    Early,
}

/// The entries of a trace file.
///
/// # Errors
///
/// If it cannot be opened; each item, if its line cannot be read.
pub fn of_file(path: &Path) -> Result<impl Iterator<Item = Result<Entry, TraceError>> + use<>, TraceError> {
    let path = path.to_owned();
    let unreadable = |path: &Path, error| TraceError::Unreadable { path: path.to_owned(), error };
    let file = File::open(&path).map_err(|error| unreadable(&path, error))?;
    let lines = BufReader::new(file).lines().enumerate();
    Ok(lines.map(move |(number, line)| {
        let line = line.map_err(|error| unreadable(&path, error))?;
        Entry::parse(&line).map_err(|error| TraceError::NoEvent { path: path.clone(), line: number + 1, error })
    }))
}

/// Runs a plan and calls `each` with every event as it happens, until it breaks or the run ends.
///
/// # Errors
///
/// If the run cannot be started, or the kernel panicked.
pub fn of_run(
    plan: &Arc<Plan>,
    options: &RunOptions,
    limit: Instant,
    mut each: impl FnMut(Entry) -> ControlFlow<()>,
) -> Result<Ended, TraceError> {
    let (lines, inbox) = sync_channel(AHEAD);
    let session = start_with(plan, options, move |world| world.add_sink(Box::new(Lines(lines))))?;
    thread::scope(|scope| {
        // The sink waits for its reader, so somebody else must wait for the run.
        let ran = scope.spawn(move || {
            session.run_until(limit)?;
            session.finish()
        });
        let mut flow = ControlFlow::Continue(());
        for line in inbox {
            let entry = Entry::parse(&line).expect("the kernel writes what is read here");
            flow = each(entry);
            if flow.is_break() {
                break;
            }
        }
        // By now the inbox is gone, and the sink waits for nobody.
        let snapshot = ran.join().expect("it only waits").map_err(RunError::Ended)?;
        Ok(if flow.is_break() { Ended::Early } else { Ended::AtItsEnd(Box::new(snapshot)) })
    })
}

/// Hands on every event as a line of JSON. It is read on another thread: here, looking must change nothing.
struct Lines(SyncSender<String>);

impl Sink for Lines {
    fn record(&mut self, record: &Record, names: &Names) {
        let line = serde_json::to_string(&record.with(names)).expect("events have only strings as keys");
        // Whoever read may have read enough.
        let _ = self.0.send(line);
    }
}
