//! The executor: `!Send` futures, polled when they are woken, each owned by a node.
//!
//! A waker is an `Arc` of an id, in safe code; it finds its world by the thread. Most wakers are never called: whoever
//! is given the waker of the task that is polled right now, and knows it by its address, keeps the task's id instead.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};

use crate::current;
use crate::kernel::{Kernel, LIFE_MASK, WorldId};
use crate::net::{Net, WAY_STEPS};
use crate::node::{NodeCore, NodeId};
use crate::prefetch;
use crate::quirk::Turn;
use crate::random::Stream;
use crate::trace::Event;

pub(crate) type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Names a task. The id of a task that has ended names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId {
    pub(crate) slot: u32,
    /// Of as many bits as an event's payload has for it.
    pub(crate) generation: u32,
}

struct Slot {
    generation: u32,
    /// It is ready, or parked.
    queued: bool,
    task: Option<Rc<Task>>,
    /// Where its future lies, for having it fetched.
    future: *const u8,
}

/// The steps in which what a task reads whenever it is polled is fetched, before the ways by which it may send.
pub(crate) const OWN_STEPS: u8 = 3;
/// So many tasks stay in a near cache.
const CROWD: usize = 256;

pub(crate) struct Task {
    node: Rc<NodeCore>,
    waker: Waker,
    /// Where its node's list of tasks has it.
    place: Cell<u32>,
    /// Borrowed while it is polled; gone when it has ended.
    future: RefCell<Option<TaskFuture>>,
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
        current::with(self.world, |kernel| kernel.make_ready(self.task));
    }
}

/// Whom to wake.
#[derive(Clone)]
pub(crate) enum Wakee {
    Task(TaskId),
    Waker(Waker),
}

/// The task whose code runs right now.
#[derive(Clone, Copy)]
pub(crate) struct Polled {
    task: TaskId,
    pub(crate) node: NodeId,
    /// What its waker is made of, to know it by.
    waker: WakerParts,
}

/// What a waker is made of: two that have it in common wake the same.
#[derive(Clone, Copy)]
struct WakerParts {
    data: *const (),
    vtable: &'static RawWakerVTable,
}

impl WakerParts {
    #[inline]
    fn of(waker: &Waker) -> Self {
        Self { data: waker.data(), vtable: waker.vtable() }
    }

    #[inline]
    fn make(self, waker: &Waker) -> bool {
        self.data == waker.data() && ptr::eq(self.vtable, waker.vtable())
    }
}

/// The tasks of a world and the order in which they are polled.
#[derive(Default)]
pub(crate) struct Tasks {
    slots: Vec<Slot>,
    free: Vec<u32>,
    ready: VecDeque<TaskId>,
    /// What draws whose turn it is, where that is not left to the order of wakes.
    order: Option<Box<Stream>>,
}

impl Tasks {
    fn get(&self, id: TaskId) -> Option<&Rc<Task>> {
        let slot = &self.slots[id.slot as usize];
        slot.task.as_ref().filter(|_| slot.generation == id.generation)
    }

    #[inline]
    fn make_ready(&mut self, id: TaskId) {
        let is_crowd = self.slots.len() > CROWD;
        let slot = &mut self.slots[id.slot as usize];
        if slot.generation == id.generation && !slot.queued {
            slot.queued = true;
            self.ready.push_back(id);
            if is_crowd && let Some(task) = &slot.task {
                prefetch::lines_now::<2, Task>(task);
                prefetch::line_now(slot.future);
            }
        }
    }

    /// The next task that is ready and whose node lets it run. Those of other nodes are parked.
    #[inline]
    fn next(&mut self, kernel: &Kernel) -> Option<(TaskId, Rc<Task>)> {
        loop {
            let id = if self.order.is_some() { self.drawn(kernel)? } else { self.ready.pop_front()? };
            let slot = &mut self.slots[id.slot as usize];
            let Some(task) = slot.task.as_ref().filter(|_| slot.generation == id.generation) else { continue };
            if task.node.is_open() {
                slot.queued = false;
                return Some((id, Rc::clone(task)));
            }
            if task.node.is_only_odd() {
                let task = Rc::clone(task);
                match kernel.odd_turn(&task.node, id) {
                    Turn::Now(also) => {
                        slot.queued = false;
                        also.into_iter().for_each(|other| self.make_ready(other));
                        return Some((id, task));
                    }
                    Turn::Later => continue,
                    Turn::Never => {
                        slot.queued = false;
                        // Its turn is its end: it is dropped as its own code would be, with the guard up.
                        let future = task.future.take();
                        task.future.replace(Some(Box::pin(async move { drop(future) })));
                        return Some((id, task));
                    }
                }
            }
            // It stays marked as queued, so that it is parked once.
            task.node.parked.borrow_mut().push(id);
        }
    }

    /// One of those that are ready, as the seed draws.
    #[cold]
    fn drawn(&mut self, kernel: &Kernel) -> Option<TaskId> {
        let count = self.ready.len();
        if let Some(order) = self.order.as_deref_mut().filter(|_| count > 1) {
            let place = order.below(count as u64) as usize;
            if place > 0 {
                kernel.record(Event::OutOfTurn { place: place as u32, of: count as u32 });
            }
            let id = self.ready.remove(place)?;
            self.ready.push_front(id);
        }
        self.ready.pop_front()
    }

    /// A task's turn comes soon.
    #[inline]
    pub(crate) fn fetch_slot(&self, slot: u32) {
        prefetch::first(&self.slots[slot as usize]);
    }

    /// It is fetched, then its node and its future, then what the node has and may send by. Whether there is more.
    pub(crate) fn fetch(&self, slot: u32, step: u8, nodes: &[Rc<NodeCore>], net: &Net) -> bool {
        let Some(task) = &self.slots[slot as usize].task else { return false };
        match step {
            0 => prefetch::lines::<2, Task>(task),
            1 => {
                prefetch::lines::<3, NodeCore>(&task.node);
                if let Ok(future) = task.future.try_borrow()
                    && let Some(future) = future.as_deref()
                {
                    prefetch::whole(future);
                }
            }
            2 => {
                prefetch::first(&nodes[task.node.id.index()]);
                prefetch::first(&task.node.nics.borrow()[..]);
                prefetch::first(&task.node.metrics.borrow()[..]);
                let (first, bytes) = task.node.near.get();
                prefetch::span(first, bytes);
            }
            _ => net.fetch_ways(&task.node.nics.borrow(), step - OWN_STEPS),
        }
        step + 1 < OWN_STEPS + WAY_STEPS
    }

    /// Ends a task. Its future is the caller's to drop, when nothing is borrowed.
    fn end(&mut self, id: TaskId) -> Option<Rc<Task>> {
        let slot = &mut self.slots[id.slot as usize];
        if slot.generation != id.generation {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1) & LIFE_MASK;
        self.free.push(id.slot);
        slot.task.take()
    }
}

impl Kernel {
    /// The task that is polled right now, if `waker` is its waker.
    #[inline]
    pub(crate) fn polled_wakee(&self, waker: &Waker) -> Option<TaskId> {
        self.polled.get().filter(|polled| polled.waker.make(waker)).map(|polled| polled.task)
    }

    /// Whom `waker` wakes.
    #[inline]
    pub(crate) fn wakee(&self, waker: &Waker) -> Wakee {
        self.polled_wakee(waker).map_or_else(|| Wakee::Waker(waker.clone()), Wakee::Task)
    }

    /// Whether `wakee` is whom `waker` wakes.
    #[inline]
    pub(crate) fn is_wakee(&self, wakee: &Wakee, waker: &Waker) -> bool {
        match wakee {
            Wakee::Task(task) => self.polled_wakee(waker) == Some(*task),
            Wakee::Waker(wakee) => wakee.will_wake(waker),
        }
    }

    #[inline]
    pub(crate) fn make_ready(&self, task: TaskId) {
        self.tasks.borrow_mut().make_ready(task);
    }

    #[inline]
    pub(crate) fn wake(&self, wakee: Wakee) {
        match wakee {
            Wakee::Task(task) => self.make_ready(task),
            Wakee::Waker(waker) => waker.wake(),
        }
    }

    /// Adds a task to a node that runs. A node without power runs nothing.
    pub(crate) fn spawn(&self, node: &Rc<NodeCore>, future: TaskFuture) {
        if node.is_off() {
            return;
        }
        let mut tasks = self.tasks.borrow_mut();
        let slot = tasks.free.pop().unwrap_or_else(|| {
            tasks.slots.push(Slot { generation: 0, queued: false, task: None, future: ptr::null() });
            tasks.slots.len() as u32 - 1
        });
        let id = TaskId { slot, generation: tasks.slots[slot as usize].generation };
        let mut siblings = node.tasks.borrow_mut();
        let whereabouts = ptr::from_ref(&*future).cast();
        let task = Task {
            node: Rc::clone(node),
            waker: Arc::new(TaskWaker { world: self.id, task: id }).into(),
            place: Cell::new(siblings.len() as u32),
            future: RefCell::new(Some(future)),
        };
        tasks.slots[slot as usize] =
            Slot { generation: id.generation, queued: false, task: Some(Rc::new(task)), future: whereabouts };
        siblings.push(id);
        tasks.make_ready(id);
    }

    /// From now on the seed draws whose turn it is.
    pub(crate) fn draw_order(&self) {
        self.tasks.borrow_mut().order = Some(Box::new(Stream::new(self.seed, "scheduler/order")));
    }

    /// A task that is marked as queued comes to its turn, unless it has ended.
    pub(crate) fn requeue(&self, id: TaskId) {
        let mut tasks = self.tasks.borrow_mut();
        if tasks.get(id).is_some() {
            tasks.ready.push_back(id);
        }
    }

    /// Polls ready tasks until there are none. False if the poll budget of one instant ran out.
    #[inline]
    pub(crate) fn run_ready(&self) -> bool {
        let mut polls = 0;
        loop {
            let next = self.tasks.borrow_mut().next(self);
            let Some((id, task)) = next else { return true };
            self.poll_task(id, &task);
            polls += 1;
            if polls > self.polls_max {
                return false;
            }
        }
    }

    /// From here on, a task's code runs, and its work has taken `debt_ns` already.
    #[inline]
    fn enter(&self, id: TaskId, task: &Task, debt_ns: u64) {
        self.polled_node.enter(task.node.id);
        self.polled.set(Some(Polled { task: id, node: task.node.id, waker: WakerParts::of(&task.waker) }));
        self.debt_ns.set(debt_ns);
    }

    /// The task's code has run. Returns how long its work takes.
    #[inline]
    fn leave(&self) -> u64 {
        self.polled.set(None);
        self.debt_ns.replace(0)
    }

    #[inline]
    fn poll_task(&self, id: TaskId, task: &Rc<Task>) {
        let node = &task.node;
        self.enter(id, task, node.poll_ns.get());
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut future = task.future.borrow_mut();
            let future = future.as_mut().expect("a task in its slot has not ended");
            future.as_mut().poll(&mut Context::from_waker(&task.waker))
        }));
        let debt_ns = self.leave();
        match polled {
            Ok(Poll::Pending) => self.after_poll(node, debt_ns),
            Ok(Poll::Ready(())) => {
                self.retire(id, task);
                self.after_poll(node, debt_ns);
            }
            Err(payload) => self.poll_panicked(id, task, &*payload),
        }
    }

    #[cold]
    fn poll_panicked(&self, id: TaskId, task: &Rc<Task>, payload: &(dyn Any + Send)) {
        self.retire(id, task);
        // A refusal that became a panic on its way is still the refusal.
        match task.node.refusal.take() {
            Some(what) => self.node_refused(&task.node, what),
            None => self.node_panicked(&task.node, &panic_text(payload)),
        }
    }

    /// Ends a task that has come to its own end, and takes it off its node's list.
    #[inline(never)]
    fn retire(&self, id: TaskId, task: &Rc<Task>) {
        let mut tasks = self.tasks.borrow_mut();
        let place = task.place.get();
        let mut siblings = task.node.tasks.borrow_mut();
        siblings.swap_remove(place as usize);
        if let Some(moved) = siblings.get(place as usize).and_then(|moved| tasks.get(*moved)) {
            moved.place.set(place);
        }
        tasks.end(id);
        drop((tasks, siblings));
        self.drop_future(id, task);
    }

    /// Ends all tasks of a node, dropping their futures as the node would: with the guard up, and to no effect.
    pub(crate) fn end_tasks(&self, node: &Rc<NodeCore>) {
        let ids = mem::take(&mut *node.tasks.borrow_mut());
        node.parked.borrow_mut().clear();
        for id in ids {
            let task = self.tasks.borrow_mut().end(id);
            if let Some(task) = task {
                self.drop_future(id, &task);
            }
        }
    }

    fn drop_future(&self, id: TaskId, task: &Rc<Task>) {
        let future = task.future.take();
        self.enter(id, task, 0);
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(future)));
        self.leave();
        if let Err(payload) = dropped {
            self.note_panic(&task.node, &panic_text(&*payload));
        }
    }

    /// Lets the tasks that waited for the node's gate run.
    pub(crate) fn unpark(&self, node: &NodeCore) {
        if node.lets_run() {
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
