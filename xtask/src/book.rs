//! `book`: the book's own tests, and its pages as a site where mdbook is installed.
//!
//! What holds of the book is asked by its package (`book/tests/book`), which `cargo xtask test` runs with the rest.

use std::process::Command;

use crate::Outcome;
use crate::shell;

/// What to do with pages that are not as they ought to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Say which.
    Compare,
    /// Write what has changed into them.
    Bless,
}

/// Runs the tests, and renders.
pub(crate) fn run(mode: Mode) -> Outcome {
    let test = || {
        let mut test = shell::cargo();
        test.args(["test", "--package", "wavetank-book"]);
        test
    };
    if mode == Mode::Bless {
        // What it writes may be shown by another page: so it is compared afterwards.
        shell::run(test().env("WAVETANK_BOOK_BLESS", "1"))?;
    }
    shell::run(&mut test())?;
    if shell::has("mdbook", "--version") {
        shell::run(Command::new("mdbook").arg("build").arg(shell::root().join("book")))?;
    } else {
        println!("mdbook is not installed, so nothing is rendered: cargo install mdbook");
    }
    Ok(())
}
