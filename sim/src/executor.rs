//! The executor: `!Send` futures, polled when they are woken, each owned by a node.

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::current;
use crate::kernel::{Kernel, WorldId};
use crate::node::NodeCore;
use crate::time::nanos;

pub(crate) type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Names a task. The id of a task that has ended names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId {
    slot: u32,
    generation: u32,
}

struct Slot {
    generation: u32,
    queued: bool,
    /// Where its node's list of tasks has it.
    place: u32,
    /// Absent while the task is polled, and once it has ended.
    work: Option<Work>,
}

struct Work {
    future: TaskFuture,
    waker: Waker,
    node: Rc<NodeCore>,
}

/// A waker is an id: `Send`, and without effect outside its world or after its task.
struct TaskWaker {
    world: WorldId,
    task: TaskId,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    #[inline]
    fn wake_by_ref(self: &Arc<Self>) {
        current::with(self.world, |kernel| kernel.tasks.borrow_mut().make_ready(self.task));
    }
}

/// The tasks of a world and the order in which they are polled.
#[derive(Default)]
pub(crate) struct Tasks {
    slots: Vec<Slot>,
    free: Vec<u32>,
    ready: VecDeque<TaskId>,
}

impl Tasks {
    #[inline]
    fn make_ready(&mut self, task: TaskId) {
        let slot = &mut self.slots[task.slot as usize];
        if slot.generation == task.generation && !slot.queued {
            slot.queued = true;
            self.ready.push_back(task);
        }
    }

    /// Ends a task that is out of its slot and takes it off its node's list.
    fn retire(&mut self, task: TaskId, node: &NodeCore) {
        let place = self.slots[task.slot as usize].place;
        let mut siblings = node.tasks.borrow_mut();
        siblings.swap_remove(place as usize);
        if let Some(moved) = siblings.get(place as usize) {
            self.slots[moved.slot as usize].place = place;
        }
        self.end(task);
    }

    /// Ends a task. Its future is the caller's to drop, when nothing is borrowed.
    fn end(&mut self, task: TaskId) -> Option<Work> {
        let slot = &mut self.slots[task.slot as usize];
        if slot.generation != task.generation {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(task.slot);
        slot.work.take()
    }
}

impl Kernel {
    /// Adds a task to a node that runs. A node without power runs nothing.
    pub(crate) fn spawn(&self, node: &Rc<NodeCore>, future: TaskFuture) {
        if node.is_off() {
            return;
        }
        let mut tasks = self.tasks.borrow_mut();
        let slot = tasks.free.pop().unwrap_or_else(|| {
            tasks.slots.push(Slot { generation: 0, queued: false, place: 0, work: None });
            tasks.slots.len() as u32 - 1
        });
        let task = TaskId { slot, generation: tasks.slots[slot as usize].generation };
        let waker = Arc::new(TaskWaker { world: self.id, task }).into();
        let entry = &mut tasks.slots[slot as usize];
        entry.work = Some(Work { future, waker, node: Rc::clone(node) });
        entry.queued = false;
        let mut siblings = node.tasks.borrow_mut();
        entry.place = siblings.len() as u32;
        siblings.push(task);
        tasks.make_ready(task);
    }

    /// Polls ready tasks until there are none. False if the poll budget of one instant ran out.
    #[inline]
    pub(crate) fn run_ready(&self) -> bool {
        let mut polls = 0;
        loop {
            let task = self.tasks.borrow_mut().ready.pop_front();
            let Some(task) = task else { return true };
            self.poll_task(task);
            polls += 1;
            if polls > self.polls_max {
                return false;
            }
        }
    }

    #[inline]
    fn poll_task(&self, task: TaskId) {
        let mut work = {
            let slot = &mut self.tasks.borrow_mut().slots[task.slot as usize];
            if slot.generation != task.generation {
                return;
            }
            let Some(work) = slot.work.take_if(|work| {
                let open = work.node.is_open();
                if !open {
                    // It stays marked as queued, so that it is parked once.
                    work.node.parked.borrow_mut().push(task);
                }
                open
            }) else {
                return;
            };
            slot.queued = false;
            work
        };
        let poll_ns = nanos(work.node.spec.poll_time);
        work.node.debt_ns.set(work.node.debt_ns.get().saturating_add(poll_ns));
        self.enter_node(&work.node);
        let polled =
            catch_unwind(AssertUnwindSafe(|| work.future.as_mut().poll(&mut Context::from_waker(&work.waker))));
        self.leave_node();
        let node = Rc::clone(&work.node);
        let finished = !matches!(polled, Ok(poll) if poll.is_pending());
        if finished {
            self.tasks.borrow_mut().retire(task, &node);
            self.drop_in(&node, work);
        } else {
            self.tasks.borrow_mut().slots[task.slot as usize].work = Some(work);
        }
        match polled {
            Err(payload) => self.node_panicked(&node, &panic_text(&*payload)),
            Ok(_) => self.after_poll(&node),
        }
    }

    /// Ends all tasks of a node, dropping their futures as the node would: with the guard up, and to no effect.
    pub(crate) fn end_tasks(&self, node: &Rc<NodeCore>) {
        let ids = mem::take(&mut *node.tasks.borrow_mut());
        node.parked.borrow_mut().clear();
        for id in ids {
            let work = self.tasks.borrow_mut().end(id);
            if let Some(work) = work {
                self.drop_in(node, work);
            }
        }
    }

    fn drop_in(&self, node: &Rc<NodeCore>, work: Work) {
        self.enter_node(node);
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(work)));
        self.leave_node();
        if let Err(payload) = dropped {
            self.note_panic(node, &panic_text(&*payload));
        }
    }

    /// Lets the tasks that waited for the node's gate run.
    pub(crate) fn unpark(&self, node: &NodeCore) {
        if node.is_open() {
            self.tasks.borrow_mut().ready.extend(node.parked.borrow_mut().drain(..));
        }
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
