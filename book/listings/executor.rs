//! Executors: for one future, and for many.

use std::collections::{BTreeMap, VecDeque};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::clock::Clock;
use crate::timer::Flag;

/// Runs one future to its end. Where nothing else can happen, time passes. `None` if the future
/// waits for what never comes.
pub fn block_on<T>(clock: &Clock, future: impl Future<Output = T>) -> Option<T> {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        while !flag.take() {
            if !clock.advance() {
                return None;
            }
        }
    }
}

/// Runs many futures, each when it was woken, in the order in which they were.
#[derive(Default)]
pub struct Executor {
    tasks: BTreeMap<u64, Task>,
    spawned: u64,
    ready: Arc<Ready>,
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    turn: Arc<Turn>,
}

/// The numbers of the tasks that are to be polled. Wakers are `Send`, so this is, too; the tasks
/// need not be.
#[derive(Default)]
struct Ready(Mutex<VecDeque<u64>>);

impl Ready {
    fn with<R>(&self, f: impl FnOnce(&mut VecDeque<u64>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a task's wakers hold.
struct Turn {
    number: u64,
    /// Whether it stands in the queue: woken twice, it is polled once.
    is_queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, SeqCst) {
            self.ready.with(|ready| ready.push_back(self.number));
        }
    }
}

impl Executor {
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) {
        self.spawned += 1;
        let (number, ready) = (self.spawned, Arc::clone(&self.ready));
        let turn = Arc::new(Turn { number, is_queued: AtomicBool::new(false), ready });
        self.tasks.insert(number, Task { future: Box::pin(future), turn: Arc::clone(&turn) });
        turn.wake();
    }

    /// Polls whoever is woken, until nobody is.
    pub fn run(&mut self) {
        while let Some(number) = self.ready.with(VecDeque::pop_front) {
            // A waker may outlive its task. Numbers are never used again, so it wakes nobody else.
            let Some(task) = self.tasks.get_mut(&number) else { continue };
            // Before the poll: who is woken while it is polled has to be polled again.
            task.turn.is_queued.store(false, SeqCst);
            let waker = Waker::from(Arc::clone(&task.turn));
            if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.tasks.remove(&number);
            }
        }
    }

    /// Runs everything, and lets time pass in between. How many tasks wait for what never comes.
    pub fn run_to_end(&mut self, clock: &Clock) -> usize {
        self.run();
        while clock.advance() {
            self.run();
        }
        self.tasks.len()
    }
}

#[test]
fn tasks_take_turns() {
    use std::{cell::RefCell, rc::Rc};
    let (clock, said) = (Clock::default(), Rc::new(RefCell::new(Vec::new())));
    let mut executor = Executor::default();
    for (name, every_ms) in [("slow", 50), ("quick", 20)] {
        let (clock, said) = (clock.clone(), Rc::clone(&said));
        executor.spawn(async move {
            for _ in 0..2 {
                clock.sleep(every_ms).await;
                said.borrow_mut().push((name, clock.now_ms()));
            }
        });
    }
    assert_eq!(executor.run_to_end(&clock), 0);
    assert_eq!(*said.borrow(), [("quick", 20), ("quick", 40), ("slow", 50), ("slow", 100)]);
}

#[test]
fn the_executor_keeps_the_contract() {
    let kept = wavetank_contract::executor(|tasks| {
        let mut executor = Executor::default();
        for task in tasks {
            executor.spawn(task);
        }
        executor.run();
    });
    assert_eq!(kept, Ok(()));
}
