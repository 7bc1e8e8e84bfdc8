//! The one thread-local of the kernel: the world that this thread runs.

use std::cell::RefCell;
use std::rc::Rc;

/// What the guard may ask of the world while node code is polled.
pub(crate) trait Oracle {
    /// Nanoseconds on the polled node's monotonic clock.
    fn monotonic_ns(&self) -> u64;
    /// Nanoseconds since the Unix epoch on the polled node's wall clock.
    fn realtime_ns(&self) -> u64;
    /// Fills `bytes` from the polled node's entropy stream.
    fn fill_entropy(&self, bytes: &mut [u8]);
    /// Records that node code asked for something that cannot be had in a world; fails the node after the poll.
    fn refuse(&self, what: &'static str);
}

thread_local! {
    static POLLED: RefCell<Option<Rc<dyn Oracle>>> = const { RefCell::new(None) };
}

/// Runs `f` with the world whose node code is polled on this thread right now; `None` outside a poll.
pub(crate) fn polled<R>(f: impl FnOnce(&dyn Oracle) -> R) -> Option<R> {
    let oracle = POLLED
        .try_with(|polled| polled.try_borrow().ok().and_then(|polled| polled.clone()))
        .ok()??;
    Some(f(&*oracle))
}

/// While it lives, `polled` answers from `oracle` on this thread.
pub(crate) struct PollScope(());

impl PollScope {
    pub(crate) fn enter(oracle: Rc<dyn Oracle>) -> Self {
        POLLED.with(|polled| *polled.borrow_mut() = Some(oracle));
        PollScope(())
    }
}

impl Drop for PollScope {
    fn drop(&mut self) {
        POLLED.with(|polled| *polled.borrow_mut() = None);
    }
}
