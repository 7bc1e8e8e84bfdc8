//! A watchdog: it resets its node unless it is fed in time. It counts on while the node's code does not run, unless
//! somebody outside holds the node, as a debugger does.

use std::rc::Rc;

use super::{Gate, NodeCore, ResetCause};
use crate::hw::battery::Level;
use crate::kernel::{Action, Kernel};
use crate::time::{Duration, nanos};
use crate::trace::Event;

/// A running watchdog's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    timeout_ns: u64,
    /// When it bites.
    due_ns: u64,
}

/// A node's watchdog, running since it was made; it cannot be stopped but by the end of the node's life.
#[derive(Clone)]
pub struct Watchdog {
    core: Rc<NodeCore>,
    kernel: Rc<Kernel>,
    life: u32,
}

impl Watchdog {
    pub(crate) fn start(core: Rc<NodeCore>, kernel: Rc<Kernel>, timeout: Duration) -> Self {
        let life = core.life.get();
        let timeout_ns = nanos(timeout).max(1);
        let due_ns = kernel.polled_now().saturating_add(timeout_ns);
        core.watch.set(Some(Watch { timeout_ns, due_ns }));
        kernel.queue.borrow_mut().push(due_ns, Action::Bite { node: core.id.bits(), life }.payload());
        Self { core, kernel, life }
    }

    /// Begins its time anew.
    pub fn feed(&mut self) {
        if let Some(watch) = self.core.watch.get().filter(|_| self.core.life.get() == self.life) {
            let due_ns = self.kernel.polled_now().saturating_add(watch.timeout_ns);
            self.core.watch.set(Some(Watch { due_ns, ..watch }));
        }
    }
}

impl Kernel {
    /// A watchdog's time may be up.
    pub(crate) fn bite(&self, node: &Rc<NodeCore>) {
        let Some(watch) = node.watch.get() else { return };
        let now_ns = self.now.get();
        if watch.due_ns > now_ns || node.is_paused() {
            let again_ns = watch.due_ns.max(now_ns + if node.is_paused() { watch.timeout_ns } else { 0 });
            let again = Action::Bite { node: node.id.bits(), life: node.life.get() };
            self.queue.borrow_mut().push(again_ns, again.payload());
            return;
        }
        self.record(Event::Bitten { node: node.id });
        self.end_program(node);
        if node.cuts.get() == 0 {
            self.schedule_boot(node, ResetCause::Watchdog, now_ns);
        }
    }

    /// The node's code goes round in circles until its life ends, or the fault does.
    pub(crate) fn hang(&self, node: &NodeCore, fault: u32, begins: bool) {
        let mut hangs = node.hangs.borrow_mut();
        match begins {
            true if !node.is_off() => hangs.push(fault),
            true => return,
            false => hangs.retain(|hang| *hang != fault),
        }
        if hangs.is_empty() {
            node.open(Gate::HUNG);
            drop(hangs);
            if !node.is_off() {
                self.draws(node, |battery| battery.enter(Level::Idle));
            }
            self.unpark(node);
        } else {
            node.close(Gate::HUNG);
            self.draws(node, |battery| battery.enter(Level::Busy));
        }
    }
}
