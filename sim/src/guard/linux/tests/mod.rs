//! What node code sees under the guard, and that nobody else sees anything.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "what is disallowed is what the guard answers")]

mod answers;
mod layout;
mod outside;
mod refusals;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread;

use crate::current::Oracle;
use crate::guard::prepare_thread;
use crate::guard::stand_in::StandIn;

const BOOT_NS: u64 = 5_000_000_000;
const EPOCH_NS: u64 = 1_900_000_000_123_456_789;

/// A world as the guard sees it. As in the kernel, its time stands still during a poll, but creeps once the
/// poll has been refused something, so that loops with a deadline end.
#[derive(Default)]
struct Sea {
    now_ns: Cell<u64>,
    entropy: Cell<u8>,
    refused: RefCell<Vec<&'static str>>,
}

impl Oracle for Sea {
    fn monotonic_ns(&self) -> u64 {
        if !self.refused.borrow().is_empty() {
            self.now_ns.set(self.now_ns.get() + 1_000_000);
        }
        BOOT_NS + self.now_ns.get()
    }
    fn realtime_ns(&self) -> u64 {
        EPOCH_NS + self.now_ns.get()
    }
    fn fill_entropy(&self, bytes: &mut [u8]) {
        for byte in bytes {
            self.entropy.set(self.entropy.get().wrapping_add(1));
            *byte = self.entropy.get();
        }
    }
    fn refuse(&self, what: &'static str) {
        self.refused.borrow_mut().push(what);
    }
}

/// Polls `node` on a fresh thread that a world prepared, and returns what it saw and what it was refused.
fn poll<T: Send + 'static>(node: impl FnOnce(&Sea) -> T + Send + 'static) -> (T, Vec<&'static str>) {
    let world = thread::spawn(|| {
        prepare_thread(*b"the world's keys").expect("the thread is fresh");
        let sea = Rc::new(Sea::default());
        let scope = StandIn::enter(sea.clone());
        let seen = node(&sea);
        drop(scope);
        let refused = sea.refused.take();
        (seen, refused)
    });
    world.join().expect("node code does not panic")
}
