//! The one thread-local of the kernel: the world that this thread runs.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::thread;

use crate::hash::FoldHasher;
use crate::kernel::{Kernel, WorldId};

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

struct Current {
    /// The thread does not drop it, `Entered` does: so nothing is registered with the thread at its first use, which may
    /// be the guard's, inside an allocator or a signal handler.
    kernel: RefCell<Option<ManuallyDrop<Rc<Kernel>>>>,
    /// How many worlds were born on this thread.
    born: Cell<u32>,
}

thread_local! {
    static CURRENT: Current = const {
        Current {
            kernel: RefCell::new(None),
            born: Cell::new(0),
        }
    };
}

/// An id for a new world on this thread.
pub(crate) fn next_world() -> WorldId {
    CURRENT.with(|current| {
        current.born.set(current.born.get() + 1);
        let mut hasher = FoldHasher::default();
        thread::current().id().hash(&mut hasher);
        WorldId(hasher.finish().wrapping_add(current.born.get().into()))
    })
}

/// Runs `f` with the kernel of `world`, if that is the world which this thread runs right now.
#[inline]
pub(crate) fn with<R>(world: WorldId, f: impl FnOnce(&Kernel) -> R) -> Option<R> {
    CURRENT
        .try_with(|current| {
            let kernel = current.kernel.try_borrow().ok()?;
            kernel.as_deref().filter(|kernel| kernel.id == world).map(|kernel| f(kernel))
        })
        .ok()?
}

/// Runs `f` with the world whose node code is polled on this thread right now; `None` outside a poll.
pub(crate) fn polled<R>(f: impl FnOnce(&dyn Oracle) -> R) -> Option<R> {
    polling(|kernel| f(kernel))
}

/// Runs `f` with the kernel whose node code is polled on this thread right now; `None` outside a poll.
pub(crate) fn polling<R>(f: impl FnOnce(&Kernel) -> R) -> Option<R> {
    CURRENT
        .try_with(|current| {
            let kernel = current.kernel.try_borrow().ok()?;
            kernel.as_deref().filter(|kernel| kernel.is_polling()).map(|kernel| f(kernel))
        })
        .ok()?
}

/// While it lives, its world is the one that this thread runs.
pub(crate) struct Entered {
    previous: Option<ManuallyDrop<Rc<Kernel>>>,
}

impl Entered {
    pub(crate) fn new(kernel: &Rc<Kernel>) -> Self {
        let previous = CURRENT.with(|current| current.kernel.replace(Some(ManuallyDrop::new(Rc::clone(kernel)))));
        Self { previous }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let previous = self.previous.take();
        let left = CURRENT.with(|current| current.kernel.replace(previous));
        drop(left.map(ManuallyDrop::into_inner));
    }
}
