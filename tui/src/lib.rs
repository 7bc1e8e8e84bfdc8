//! The terminal UI: watches a running session.
//!
//! [`watch`] takes over the terminal and shows what a world does while it does it. Looking changes nothing: a watched run
//! has the headless run's fingerprint. What the person does to the world (a power cut) goes through the session and
//! becomes an input of the run.
//!
//! One seed is one history, so there is a way back: the run is started anew, is done to what was done to it, and stops where
//! the person wants to look again. What is seen there is what was seen before. Whatever was done later is undone.
//!
//! Inside: `state` is all that the screen shows, as plain data. `update` turns a message (a key, a new size, a new
//! snapshot) into a change of it and at most one command. `view` draws it, one pane a file. `helm` steers the session
//! on a thread of its own, so that the screen never waits for the world; `term` is the loop that joins them, and
//! `screen` takes the terminal and gives it back. `still` draws one picture and needs no terminal.

mod helm;
mod layout;
mod marks;
mod message;
mod screen;
mod state;
mod still;
mod style;
mod term;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod update;
mod view;

use std::io;

use wavetank_sim::session::{Ended, Pace, Session};
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

pub use still::{picture, still};

/// The columns and rows that it takes to show anything.
pub const SMALLEST: (u16, u16) = (60, 15);

/// What is watched, in words and numbers that the session itself does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// What the scenario is called.
    pub title: String,
    /// The seed that it runs with.
    pub seed: u64,
    /// When it ends.
    pub end: Instant,
    /// How fast it runs at first.
    pub pace: Pace,
    /// What is seen first.
    pub opening: Opening,
}

/// What is seen of a run first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opening {
    /// It runs from its beginning.
    #[default]
    Running,
    /// It stands still at that time.
    At(Instant),
    /// It stands still where it first goes wrong; at its end if it does not.
    Failure,
}

/// Starts the run that is watched from its beginning, always the same, or says why it cannot be.
pub type Start = Box<dyn Fn() -> Result<Session, String> + Send>;

/// Why a session could not be watched to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Standard input or output is a file or a pipe.
    #[error("watching needs a terminal on standard input and output; `wavetank run` needs none, nor does `--picture`")]
    NoTerminal,
    /// The terminal could not be read, written or set up.
    #[error("the terminal failed: {0}")]
    Terminal(#[from] io::Error),
    /// The world's thread has ended unexpectedly.
    #[error("{ended}{}", panic.as_ref().map(|message| format!(": {message}")).unwrap_or_default())]
    World {
        /// The session's error.
        ended: Ended,
        /// The panic's message, if there was one.
        panic: Option<String>,
    },
    /// The run could not be started, or not once more.
    #[error("{0}")]
    Start(String),
    /// The person left while the world was busy with one poll that did not end.
    #[error("the world did not answer and was left behind: some node's code does not return from a poll")]
    Unresponsive,
}

impl From<Ended> for Error {
    fn from(ended: Ended) -> Self {
        Self::World { ended, panic: None }
    }
}

/// Shows a run on the terminal and lets it go on, until the person quits. To go back in time, it is started anew.
///
/// The terminal is given back whatever happens. Returned is the run's final state: that at [`Watch::end`] if the run got
/// there, or where it stood when the person quit, as it was seen last: expectations that were open are open.
///
/// While it watches, panics of other threads print nothing, since nodes' panics are part of the trace; logs that go to
/// standard error would spoil the picture (`Ctrl-L` repaints it).
///
/// # Errors
///
/// If there is no terminal, if it fails, or if the world does.
pub fn watch(start: Start, view: Watch) -> Result<Snapshot, Error> {
    let mut screen = screen::Screen::take()?;
    let result = term::watch_on(screen.terminal(), &mut term::Keyboard, start, view, style::Palette::from_env());
    let panic = screen.give_back();
    result.map_err(|error| match error {
        Error::World { ended, .. } => Error::World { ended, panic },
        error => error,
    })
}
