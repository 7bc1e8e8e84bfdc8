//! What a command says to the shell.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Pass,
    /// An expectation broke, or a node failed.
    Fail,
    /// The input or the usage was wrong.
    BadInput,
    /// A run did not repeat itself.
    Disorder,
    /// Ctrl-C ended it.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Pass => 0,
            Exit::Fail => 1,
            Exit::BadInput => 2,
            Exit::Disorder => 3,
            Exit::Interrupted => 130,
        })
    }
}
