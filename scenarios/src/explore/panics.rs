//! Where panics come from.
//!
//! The kernel catches a node's panic and knows its message. Only the process's panic hook is told the place, so the hook
//! notes it for the thread on which it happened: a world's.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

/// Where a panic came from: a file as its crate names it, line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site(pub(super) String);

thread_local! {
    /// What panicked on this thread since it was last asked; `None` where nobody will ask.
    static SITES: RefCell<Option<Vec<Site>>> = const { RefCell::new(None) };
}

/// Whether panics in explored worlds are printed as all others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panics {
    /// They are.
    Printed,
    /// They are not: whoever runs a world a thousand times has seen them.
    Silent,
}

/// From now on, panics in explored worlds are noted with their place. The first call decides whether they are printed.
pub fn listen(panics: Panics) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let printed = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let noted = note(info);
            if !noted || panics == Panics::Printed {
                printed(info);
            }
        }));
    });
}

/// Panics of this thread are noted from now on.
pub(super) fn begin() {
    SITES.with(|sites| *sites.borrow_mut() = Some(Vec::new()));
}

/// What has been noted on this thread.
pub(super) fn end() -> Vec<Site> {
    SITES.with(|sites| sites.borrow_mut().take()).unwrap_or_default()
}

/// Whether somebody will ask for it.
fn note(info: &PanicHookInfo<'_>) -> bool {
    let Some(location) = info.location() else { return false };
    let site = format!("{}:{}:{}", portable(location.file()), location.line(), location.column());
    // A thread that is about to end, or is just looking, has nobody to tell.
    let noted = SITES.try_with(|sites| {
        let mut sites = sites.try_borrow_mut().ok()?;
        sites.as_mut()?.push(Site(site));
        Some(())
    });
    noted.is_ok_and(|noted| noted.is_some())
}

/// A source file's path without what differs from machine to machine.
fn portable(file: &str) -> &str {
    let file = after(file, "/registry/src/").map_or(file, |rest| rest.split_once('/').map_or(rest, |(_, rest)| rest));
    after(file, "/rustc/").map_or(file, |rest| rest.split_once('/').map_or(rest, |(_, rest)| rest))
}

fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    text.find(mark).map(|at| &text[at + mark.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_same_on_every_machine() {
        assert_eq!(portable("devices/src/id.rs"), "devices/src/id.rs");
        assert_eq!(portable("/home/me/.cargo/registry/src/index.crates.io-1949/h2-0.4/src/a.rs"), "h2-0.4/src/a.rs");
        assert_eq!(portable("/rustc/0123abcd/library/core/src/option.rs"), "library/core/src/option.rs");
    }

    #[test]
    fn only_who_asks_is_told() {
        listen(Panics::Printed);
        begin();
        let caught = panic::catch_unwind(|| panic!("wet"));
        assert!(caught.is_err());
        let sites = end();
        assert!(matches!(&sites[..], [Site(site)] if site.contains("panics.rs:")), "{sites:?}");
        assert_eq!(end(), []);
    }
}
