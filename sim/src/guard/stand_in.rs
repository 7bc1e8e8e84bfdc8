//! Whom a hook asks: the world whose node is polled, or for a moment the guard itself.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::Rc;

use crate::current::{Oracle, polled};

thread_local! {
    /// Set while the guard tries its own hooks. The thread does not drop it, so a hook can read it at any time.
    static STAND_IN: RefCell<Option<ManuallyDrop<Rc<dyn Oracle>>>> = const { RefCell::new(None) };
}

/// Runs `f` with whoever answers for the system on this thread; `None` where the system itself does.
#[inline]
pub(super) fn asked<R>(f: impl FnOnce(&dyn Oracle) -> R) -> Option<R> {
    let stand_in = STAND_IN.try_with(|stand_in| stand_in.try_borrow().ok()?.clone()).ok()?;
    match stand_in {
        Some(oracle) => Some(f(&*ManuallyDrop::into_inner(oracle))),
        None => polled(f),
    }
}

/// While it lives, hooks on this thread ask `oracle`, not the world.
pub(super) struct StandIn(());

impl StandIn {
    pub(super) fn enter(oracle: Rc<dyn Oracle>) -> Self {
        STAND_IN.with(|stand_in| *stand_in.borrow_mut() = Some(ManuallyDrop::new(oracle)));
        StandIn(())
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let left = STAND_IN.with(|stand_in| stand_in.borrow_mut().take());
        drop(left.map(ManuallyDrop::into_inner));
    }
}
