//! Nodes' lives: boot, exit, panic, and what faults do to them and to cables.

use std::rc::Rc;

use crate::fault::{Fault, FaultKind};
use crate::hw::battery::Level;
use crate::kernel::{Action, Kernel, LIFE_MASK};
use crate::node::{Exit, Gate, Node, NodeCore, NodeId, ResetCause};
use crate::random::Stream;
use crate::time::{Duration, nanos};
use crate::trace::Event;
use crate::world::Failure;

impl Kernel {
    /// Gives a node power: it boots once its boot time has passed.
    pub(crate) fn schedule_boot(&self, node: &NodeCore, cause: ResetCause, at: u64) {
        node.cause.set(cause);
        let at = at.saturating_add(nanos(node.spec.boot_time));
        let boot = Action::Boot { node: node.id.bits(), life: node.life.get() };
        self.queue.borrow_mut().push(at, boot.payload());
    }

    #[inline(never)]
    pub(crate) fn boot(&self, node: &Rc<NodeCore>) {
        if node.cuts.get() > 0 || !self.has_power(node) {
            return;
        }
        node.booted_at.set(self.world_now());
        node.open(Gate::OFF);
        self.record(Event::Boot { node: node.id, cause: node.cause.get() });
        self.draws(node, |battery| battery.enter(Level::Idle));
        self.tell_supply(node);
        self.switch_radios(node, true);
        node.powered.borrow().iter().for_each(|part| part.boot(self.world_now()));
        self.spawn(node, (node.boot)(Node::new(Rc::clone(node), self.handle())));
    }

    pub(crate) fn node_exited(&self, node: &Rc<NodeCore>, exit: Exit) {
        self.record(Event::Exit { node: node.id, exit });
        let woken_at = match exit {
            Exit::SleepUntil(at) => node.world_time(at),
            Exit::Halt | Exit::Reboot => self.now.get(),
        };
        self.end_program(node);
        match exit {
            Exit::Halt => {}
            Exit::Reboot => self.schedule_boot(node, ResetCause::Software, woken_at),
            Exit::SleepUntil(_) => self.schedule_boot(node, ResetCause::Wake, woken_at.max(self.now.get())),
        }
    }

    pub(crate) fn note_panic(&self, node: &NodeCore, message: &str) {
        let symbol = self.trace.borrow_mut().intern(message);
        self.record(Event::Panic { node: node.id, message: symbol });
        let failure =
            Failure::Panic { node: node.spec.name.clone(), at: self.world_now(), message: message.to_owned() };
        self.failures.borrow_mut().push(failure);
    }

    pub(crate) fn node_panicked(&self, node: &Rc<NodeCore>, message: &str) {
        self.note_panic(node, message);
        self.end_program(node);
    }

    pub(crate) fn node_refused(&self, node: &Rc<NodeCore>, what: &str) {
        let symbol = self.trace.borrow_mut().intern(what);
        self.record(Event::Refusal { node: node.id, what: symbol });
        let failure = Failure::Refusal { node: node.spec.name.clone(), at: self.world_now(), what: what.to_owned() };
        self.failures.borrow_mut().push(failure);
        self.end_program(node);
    }

    /// Ends a node's program while the power stays.
    pub(crate) fn end_program(&self, node: &Rc<NodeCore>) {
        node.powered.borrow().iter().for_each(|part| part.program_ended(self.world_now()));
        if !node.is_off() {
            self.draws(node, |battery| battery.enter(Level::Sleep));
        }
        self.forget(node);
    }

    /// Forgets a node's RAM. What it did and nobody saw is undone.
    fn forget(&self, node: &Rc<NodeCore>) {
        node.close(Gate::OFF);
        node.life.set(node.life.get().wrapping_add(1) & LIFE_MASK);
        self.end_tasks(node);
        self.discard_effects(node);
        self.pass(node);
        node.refusal.set(None);
        node.watch.set(None);
        if !node.hangs.take().is_empty() {
            node.open(Gate::HUNG);
        }
        self.forget_turns(node);
        let nics = node.nics.borrow();
        for &nic in &*nics {
            let nic = Rc::clone(self.net.borrow().nic(nic));
            nic.power_down(self);
        }
        self.switch_radios(node, false);
    }

    fn cut_power(&self, node: &Rc<NodeCore>) {
        if !node.is_off() {
            self.record(Event::PowerCut { node: node.id });
        }
        self.lose_power(node);
    }

    /// What a node has in its RAM is gone, and its hardware learns of it.
    pub(crate) fn lose_power(&self, node: &Rc<NodeCore>) {
        self.draws(node, |battery| battery.enter(Level::Off));
        let hardware = node.powered.borrow();
        if !hardware.is_empty() {
            let (name, life) = (&node.spec.name, node.life.get());
            let mut stream = Stream::new(self.seed, &format!("node/{name}/{life}/power-cut"));
            hardware.iter().for_each(|part| part.power_cut(self.world_now(), &mut stream));
        }
        self.forget(node);
    }

    fn crash(&self, node: &Rc<NodeCore>) {
        if !node.is_off() {
            self.record(Event::Crash { node: node.id });
        }
        self.end_program(node);
    }

    /// Adds a fault to the timeline and returns its place there.
    pub(crate) fn add_fault(&self, fault: Fault) -> u32 {
        let mut faults = self.faults.borrow_mut();
        let index = u32::try_from(faults.len()).expect("fewer than 2^32 faults");
        let at = fault.at.as_nanos().max(self.now.get());
        self.queue.borrow_mut().push(at, Action::FaultBegins(index).payload());
        let name = self.describe(&fault.kind);
        self.trace.borrow_mut().names.faults.push(name);
        faults.push(fault);
        index
    }

    pub(crate) fn begin_fault(&self, index: u32) {
        let Fault { duration, kind, .. } = self.faults.borrow()[index as usize].clone();
        self.record(Event::FaultBegan { fault: index });
        self.watch_hits(index, &kind);
        match kind {
            FaultKind::PowerCut(node) => {
                let node = self.node(node);
                node.cuts.set(node.cuts.get() + 1);
                self.cut_power(&node);
            }
            FaultKind::BrownOut(node) => {
                let node = self.node(node);
                node.cuts.set(node.cuts.get() + 1);
                if !node.is_off() {
                    self.record(Event::BrownOut { node: node.id });
                }
                self.lose_power(&node);
            }
            FaultKind::Crash(node) => {
                let node = self.node(node);
                node.cuts.set(node.cuts.get() + 1);
                self.crash(&node);
            }
            FaultKind::Reset(node) => {
                let node = self.node(node);
                self.crash(&node);
                if node.cuts.get() == 0 {
                    self.schedule_boot(&node, ResetCause::External, self.now.get());
                }
            }
            FaultKind::Pause(node) => {
                let node = self.node(node);
                node.pauses.set(node.pauses.get() + 1);
                node.close(Gate::PAUSED);
            }
            FaultKind::Hang(node) => self.hang(&self.node(node), index, true),
            other => self.affect(index, &other, true),
        }
        if let Some(duration) = duration {
            self.queue_after(duration, Action::FaultEnds(index));
        }
    }

    pub(crate) fn end_fault(&self, index: u32) {
        let kind = self.faults.borrow()[index as usize].kind.clone();
        self.record(Event::FaultEnded { fault: index });
        self.settle_hits(index, &kind);
        match kind {
            FaultKind::PowerCut(node) => self.end_outage(node, ResetCause::PowerOn),
            FaultKind::BrownOut(node) => self.end_outage(node, ResetCause::BrownOut),
            FaultKind::Crash(node) => self.end_outage(node, ResetCause::External),
            FaultKind::Reset(_) => {}
            FaultKind::Pause(node) => {
                let node = self.node(node);
                node.pauses.set(node.pauses.get() - 1);
                if node.pauses.get() == 0 {
                    node.open(Gate::PAUSED);
                    self.unpark(&node);
                }
            }
            FaultKind::Hang(node) => self.hang(&self.node(node), index, false),
            other => self.affect(index, &other, false),
        }
    }

    /// A fault that held a node down ends; it boots if it was the last one.
    fn end_outage(&self, node: NodeId, cause: ResetCause) {
        let node = self.node(node);
        node.cuts.set(node.cuts.get() - 1);
        if node.cuts.get() == 0 {
            self.schedule_boot(&node, cause, self.now.get());
        }
    }

    fn queue_after(&self, duration: Duration, action: Action) {
        let at = self.now.get().saturating_add(nanos(duration));
        self.queue.borrow_mut().push(at, action.payload());
    }
}
