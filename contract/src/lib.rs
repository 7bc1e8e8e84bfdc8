//! Whether a future keeps the contract of polling, and what it loses when it is dropped.
//!
//! A future may be polled without having been woken, with another waker each time, and dropped at any await; a stream may
//! take or give fewer bytes than there is room for. All of that is rare in a test and common in production. Here a future
//! is put through it on purpose, by schedules that are drawn from a number and told when something breaks:
//!
//! - [`polls`] polls a future spuriously and moves its waker, wakes what it left behind after its end, and compares what
//!   it comes to;
//! - [`cancellation`] drops an operation at each await in turn and begins it anew, and says at which of them something was
//!   lost, with the place in the code;
//! - [`reads`] and [`writes`] ask a reader or writer with other room each time, and compare the bytes;
//! - [`executor`] has an executor run tasks that wake themselves and each other, and sees whether each is polled when it
//!   must be and no more after its end;
//! - [`Stream`] is a byte stream for all of these that takes and gives a few bytes at a time, or none for now: futures' traits and
//!   embedded-io-async's.
//!
//! It knows no executor and no tank: whatever makes the world around a future go on is a closure of the caller's.
//!
//! ```
//! use futures::channel::oneshot;
//! use wavetank_contract::polls;
//!
//! // What is made is the future, and what happens around it: here somebody sends once.
//! let kept = polls(|_| {
//!     let (sender, receiver) = oneshot::channel();
//!     let mut sender = Some(sender);
//!     (receiver, move || sender.take().is_some_and(|sender| sender.send(7).is_ok()))
//! });
//! assert_eq!(kept, Ok(Ok(7)));
//! ```

mod bytes;
mod cancel;
mod drive;
mod executor;
mod script;
mod stream;
mod watch;

pub use bytes::{reads, writes};
pub use cancel::cancellation;
pub use drive::polls;
pub use executor::{Task, executor};
pub use script::{Script, Step};
pub use stream::Stream;

use std::fmt::{self, Write as _};

/// How a future broke the contract, and the schedule that shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.told())]
pub struct Broken {
    /// What it did.
    pub law: Law,
    /// The schedule's number.
    pub schedule: u64,
    /// What happened, in its order.
    pub steps: Vec<Step>,
    /// Where it was waiting when it was dropped, if it was: files and lines, the innermost first. Known of what waits for a
    /// [`Stream`], and of what [`Script::here`] was told.
    pub awaits: Vec<String>,
}

/// What a future may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Law {
    /// It waits, all around it has happened, and the waker of its last poll was never woken.
    NeverWoken,
    /// It is woken each time that it waits, and still does not end.
    Endless,
    /// It came to something else than without any disturbance.
    Differs {
        /// What it came to without.
        expected: String,
        /// What it came to.
        got: String,
    },
    /// An operation was dropped while it waited and begun anew, and what it had is gone or comes twice.
    NotCancelSafe {
        /// What the operations come to if none is dropped.
        expected: String,
        /// What they came to.
        got: String,
        /// Which of the schedule's awaits it was, counted from 1.
        wait: u64,
    },
    /// An executor has a task that was woken and does not poll it.
    Forgotten {
        /// Its number.
        task: usize,
    },
    /// An executor polled a task that had ended.
    PolledAfterEnd {
        /// Its number.
        task: usize,
    },
    /// An executor has nothing to do any more, and has not dropped a task that has ended.
    Kept {
        /// Its number.
        task: usize,
    },
}

impl Broken {
    fn told(&self) -> String {
        let mut told = match &self.law {
            Law::NeverWoken => "it waits, and the waker of its last poll was never woken".to_owned(),
            Law::Endless => "it is woken and polled, again and again, and does not end".to_owned(),
            Law::Differs { expected, got } => format!("it comes to {got}, and undisturbed to {expected}"),
            Law::NotCancelSafe { expected, got, wait } => format!(
                "not cancel-safe: dropped at its await number {wait} and begun anew it comes to {got}, else to {expected}"
            ),
            Law::Forgotten { task } => format!("task {task} was woken, and is not polled again"),
            Law::PolledAfterEnd { task } => format!("task {task} was polled after its end"),
            Law::Kept { task } => format!("task {task} has ended, and is not dropped"),
        };
        if let Some(innermost) = self.awaits.first() {
            write!(told, "\n  it waited at {innermost}").expect("a string takes all");
            for outer in &self.awaits[1..] {
                write!(told, "\n         within {outer}").expect("a string takes all");
            }
        }
        write!(told, "\n  schedule {}:", self.schedule).expect("a string takes all");
        let skipped = self.steps.len().saturating_sub(Self::STEPS_TOLD);
        if skipped > 0 {
            write!(told, " ({skipped} steps before)").expect("a string takes all");
        }
        for step in &self.steps[skipped..] {
            write!(told, " {step}").expect("a string takes all");
        }
        told
    }

    const STEPS_TOLD: usize = 24;
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll => f.write_str("poll"),
            Self::Spurious => f.write_str("poll-again"),
            Self::Wake => f.write_str("woken"),
            Self::Drop => f.write_str("DROP"),
            Self::Read(bytes) => write!(f, "read-{bytes}"),
            Self::Written(bytes) => write!(f, "written-{bytes}"),
            Self::NotNow => f.write_str("not-now"),
            Self::TaskPolled(task) => write!(f, "poll-{task}"),
            Self::TaskWoken(task) => write!(f, "wake-{task}"),
            Self::TaskEnded(task) => write!(f, "end-{task}"),
        }
    }
}
