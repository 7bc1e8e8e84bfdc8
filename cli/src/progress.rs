//! The line on a terminal that says how far a run has come.

use std::io::{IsTerminal, Stderr, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::human::{count, exact_seconds, ratio};

/// How often the line is drawn anew.
const PERIOD: Duration = Duration::from_millis(100);

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) virtual_ns: u64,
    pub(crate) events: u64,
}

/// Calls `work`; if standard error is a terminal, shows meanwhile how far it has come.
pub(crate) fn shown<R>(total_ns: u64, point: impl Fn() -> Point + Sync, work: impl FnOnce() -> R) -> R {
    let terminal = std::io::stderr();
    if !terminal.is_terminal() {
        return work();
    }
    let point = &point;
    thread::scope(|scope| {
        let (done, finished) = channel::<()>();
        scope.spawn(move || {
            let started = Instant::now();
            let mut drawn = false;
            while finished.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                let wall_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
                // A terminal that has gone away must not end the run.
                let _ = write!(terminal.lock(), "\r\x1b[2K{}", line(point(), total_ns, wall_ns));
                drawn = true;
            }
            if drawn {
                let _ = write!(terminal.lock(), "\r\x1b[2K");
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// A line on standard error that is drawn over again; nothing where that is no terminal.
pub(crate) struct Line {
    terminal: Option<Stderr>,
    drawn: Option<Instant>,
}

impl Line {
    pub(crate) fn new() -> Self {
        let terminal = std::io::stderr();
        Self { terminal: terminal.is_terminal().then_some(terminal), drawn: None }
    }

    /// Draws what `text` says, if it is time to.
    pub(crate) fn draw(&mut self, text: impl FnOnce() -> String) {
        let Some(terminal) = &self.terminal else { return };
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= PERIOD) {
            // A terminal that has gone away must not end the work.
            let _ = write!(terminal.lock(), "\r\x1b[2K{}", text());
            self.drawn = Some(Instant::now());
        }
    }

    /// Writes a line that stays above.
    pub(crate) fn above(&mut self, text: &str) {
        let Some(terminal) = &self.terminal else { return };
        let _ = writeln!(anstream::AutoStream::auto(terminal.lock()), "\r\x1b[2K{text}");
        self.drawn = None;
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if let (Some(terminal), Some(_)) = (&self.terminal, self.drawn.take()) {
            let _ = write!(terminal.lock(), "\r\x1b[2K");
        }
    }
}

fn line(point: Point, total_ns: u64, wall_ns: u64) -> String {
    let per_cent = u128::from(point.virtual_ns) * 100 / u128::from(total_ns.max(1));
    // Whole milliseconds stand still enough to be read.
    let now = exact_seconds(point.virtual_ns / 1_000_000 * 1_000_000);
    format!(
        "{per_cent:>3} %  {now} of {}  {} events  {} times the wall clock's",
        exact_seconds(total_ns),
        count(point.events),
        ratio(point.virtual_ns, wall_ns)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_and_how_fast() {
        let point = Point { virtual_ns: 15_000_000_001, events: 12_345 };
        assert_eq!(
            line(point, 60_000_000_000, 3_000_000_000),
            " 25 %  15 s of 60 s  12,345 events  5.00 times the wall clock's"
        );
    }

    #[test]
    fn a_run_of_no_length_is_no_division() {
        let point = Point { virtual_ns: 0, events: 0 };
        assert!(line(point, 0, 0).starts_with("  0 %"));
    }

    #[test]
    fn what_the_work_gives_is_given_back() {
        let point = || Point { virtual_ns: 0, events: 0 };
        assert_eq!(shown(1, point, || 7), 7);
    }
}
