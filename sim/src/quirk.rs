//! What faults do to the turns of a node's tasks: polls that nobody woke for, wakes that come late, a task that starves,
//! tasks and operations that are dropped at an await.
//!
//! A node without such faults never comes here: its gate is open, and whoever polls looks no further.

use crate::executor::TaskId;
use crate::hw::Odds;
use crate::hw::ailment::decides;
use crate::kernel::{Action, Kernel};
use crate::node::{Gate, NodeCore};
use crate::random::Stream;

/// What is wrong with the turns of a node's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuirkKind {
    /// With a turn another task gets one too, which nobody woke.
    Spurious(Odds),
    /// A turn comes later than it is due, by up to so many nanoseconds.
    Late(Odds, u64),
    /// One task gets no turn.
    Starve,
    /// A task that the program spawned is dropped in place of its turn.
    Drop(Odds),
    /// An operation that may be cancelled is dropped in place of its turn, and begun anew.
    Cancel(Odds),
}

struct Quirk {
    fault: u32,
    kind: QuirkKind,
    stream: Stream,
    occasions: u64,
    /// Whom it starves.
    victim: Option<TaskId>,
    /// The victim is due.
    is_due: bool,
}

/// All that is wrong with the turns of a node's tasks.
#[derive(Default)]
pub(crate) struct Quirks {
    active: Vec<Quirk>,
    /// Tasks whose next turn is as it should be: those that have been late, and those that nobody woke.
    excused: Vec<TaskId>,
}

/// What becomes of a turn.
pub(crate) enum Turn {
    /// It is taken, and this task gets one as well.
    Now(Option<TaskId>),
    /// Not now.
    Later,
    /// Never: the task is dropped.
    Never,
}

impl Kernel {
    pub(crate) fn begin_quirk(&self, node: &NodeCore, fault: u32, kind: QuirkKind, stream: Stream) {
        let quirk = Quirk { fault, kind, stream, occasions: 0, victim: None, is_due: false };
        node.quirks.borrow_mut().get_or_insert_default().active.push(quirk);
        node.close(Gate::ODD);
    }

    pub(crate) fn end_quirk(&self, node: &NodeCore, fault: u32) {
        let mut all = node.quirks.borrow_mut();
        let Some(quirks) = all.as_deref_mut() else { return };
        let Some(place) = quirks.active.iter().position(|quirk| quirk.fault == fault) else { return };
        let quirk = quirks.active.remove(place);
        if quirks.active.is_empty() {
            *all = None;
            node.open(Gate::ODD);
        }
        drop(all);
        if let Some(victim) = quirk.victim.filter(|_| quirk.is_due) {
            self.requeue(victim);
        }
    }

    /// A node's tasks are gone.
    pub(crate) fn forget_turns(&self, node: &NodeCore) {
        if let Some(quirks) = node.quirks.borrow_mut().as_deref_mut() {
            quirks.excused.clear();
            for quirk in &mut quirks.active {
                (quirk.victim, quirk.is_due) = (None, false);
            }
        }
    }

    /// A task of a node whose turns are odd is next.
    #[cold]
    pub(crate) fn odd_turn(&self, node: &NodeCore, task: TaskId) -> Turn {
        let mut quirks = node.quirks.borrow_mut();
        let Some(Quirks { active, excused }) = quirks.as_deref_mut() else { return Turn::Now(None) };
        if let Some(place) = excused.iter().position(|late| *late == task) {
            excused.swap_remove(place);
            return Turn::Now(None);
        }
        let siblings = node.tasks.borrow();
        let mut also = None;
        for Quirk { fault, kind, stream, occasions, victim, is_due } in active {
            *occasions += 1;
            let one = |stream: &mut Stream| siblings[stream.below(siblings.len() as u64) as usize];
            match *kind {
                QuirkKind::Starve => {
                    if *victim.get_or_insert_with(|| one(stream)) == task {
                        *is_due = true;
                        self.felt(*fault, task.slot.into());
                        return Turn::Later;
                    }
                }
                QuirkKind::Late(odds, most_ns) => {
                    if decides(odds, *occasions, stream) {
                        let late_ns = 1 + stream.below(most_ns.max(1));
                        self.felt(*fault, late_ns);
                        excused.push(task);
                        let at_ns = self.now.get().saturating_add(late_ns);
                        self.queue.borrow_mut().push(at_ns, Action::Turn(task).payload());
                        return Turn::Later;
                    }
                }
                // The program itself stays: its end would be an exit that nobody asked for.
                QuirkKind::Drop(_) if siblings.first() == Some(&task) => *occasions -= 1,
                QuirkKind::Drop(odds) => {
                    if decides(odds, *occasions, stream) {
                        self.felt(*fault, task.slot.into());
                        return Turn::Never;
                    }
                }
                // Operations ask themselves.
                QuirkKind::Cancel(_) => *occasions -= 1,
                QuirkKind::Spurious(odds) => {
                    if decides(odds, *occasions, stream) {
                        let other = one(stream);
                        self.felt(*fault, other.slot.into());
                        also = Some(other);
                        // The turn that it brings brings no other.
                        if !excused.contains(&other) {
                            excused.push(other);
                        }
                    }
                }
            }
        }
        Turn::Now(also)
    }
}

impl Kernel {
    /// Whether an operation of a node's code that may be cancelled is dropped in place of the turn that it would have now.
    pub(crate) fn cancels(&self, node: &NodeCore) -> bool {
        let mut quirks = node.quirks.borrow_mut();
        let active = quirks.as_deref_mut().map_or(&mut [][..], |quirks| &mut quirks.active);
        for Quirk { fault, kind, stream, occasions, .. } in active {
            if let QuirkKind::Cancel(odds) = *kind {
                *occasions += 1;
                if decides(odds, *occasions, stream) {
                    self.felt(*fault, *occasions);
                    return true;
                }
            }
        }
        false
    }
}
