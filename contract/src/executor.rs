//! Executors: whether they poll what is woken, as often as it must be, and no longer than it lives.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::drive::SCHEDULES;
use crate::{Broken, Law, Script, Step};

/// How many tasks a schedule has at most, and how many polls each takes.
const TASKS_MAX: u64 = 6;
const POLLS_MAX: u64 = 12;
/// A task keeps a waker for after its end once in so many polls.
const LEFT_BEHIND_ONE_IN: u64 = 3;

/// Has an executor run tasks by many schedules. They wake themselves while they are polled, and each other, once and
/// several times, and wake what has ended. All must come to their ends, be polled no more after them, and be dropped.
///
/// `run` is given a schedule's tasks, spawns them all, and returns when the executor has nothing to do any more; it may do
/// so from many threads. An executor that loses a wake and sleeps for ever shows as that: give its sleep an end.
///
/// ```
/// use futures::{executor::LocalPool, task::LocalSpawnExt};
///
/// let kept = wavetank_contract::executor(|tasks| {
///     let mut pool = LocalPool::new();
///     for task in tasks {
///         pool.spawner().spawn_local(task).expect("the pool is there");
///     }
///     pool.run_until_stalled();
/// });
/// assert_eq!(kept, Ok(()));
/// ```
///
/// # Errors
///
/// With the first schedule by which a task is forgotten, polled after its end, or kept.
pub fn executor(mut run: impl FnMut(Vec<Task>)) -> Result<(), Broken> {
    for number in 0..SCHEDULES {
        let script = Script::new(number);
        let lives = (0..=script.below(TASKS_MAX)).map(|_| Life::new(1 + script.below(POLLS_MAX)));
        let all = Arc::new(All { script: script.clone(), lives: Mutex::new(lives.collect()) });
        let count = all.lives().len();
        run((0..count).map(|number| Task { number, all: Arc::clone(&all) }).collect());
        let left_behind: Vec<Waker> = all.lives().iter_mut().flat_map(|life| std::mem::take(&mut life.kept)).collect();
        left_behind.into_iter().for_each(Waker::wake);
        let law = all.lives().iter().enumerate().find_map(|(number, life)| life.broken(number));
        if let Some(law) = law {
            return Err(Broken { law, schedule: number, steps: script.steps(), awaits: Vec::new() });
        }
    }
    Ok(())
}

/// A task of a schedule, to be run by an executor.
#[derive(Debug)]
pub struct Task {
    number: usize,
    all: Arc<All>,
}

/// The tasks of a schedule.
#[derive(Debug)]
struct All {
    script: Script,
    lives: Mutex<Vec<Life>>,
}

/// What is known of a task.
#[derive(Debug)]
struct Life {
    polls_left: u64,
    /// Whether it is to be polled.
    is_woken: bool,
    /// Its waker, if it waits for another task to wake it.
    waits: Option<Waker>,
    /// Wakers that are woken after its end.
    kept: Vec<Waker>,
    was_polled_after_end: bool,
    is_dropped: bool,
}

impl Life {
    fn new(polls_left: u64) -> Self {
        let (waits, kept) = (None, Vec::new());
        Self { polls_left, is_woken: true, waits, kept, was_polled_after_end: false, is_dropped: false }
    }

    fn has_ended(&self) -> bool {
        self.polls_left == 0
    }

    fn broken(&self, task: usize) -> Option<Law> {
        if self.was_polled_after_end {
            return Some(Law::PolledAfterEnd { task });
        }
        match (self.has_ended(), self.is_dropped) {
            (false, _) => self.is_woken.then_some(Law::Forgotten { task }),
            (true, false) => Some(Law::Kept { task }),
            (true, true) => None,
        }
    }
}

impl All {
    fn lives(&self) -> MutexGuard<'_, Vec<Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poll of a task: what it comes to, and who is woken in it.
    fn poll(&self, number: usize, waker: &Waker) -> (Poll<()>, Vec<Waker>) {
        let (script, lives) = (&self.script, &mut *self.lives());
        let life = &mut lives[number];
        if life.has_ended() {
            life.was_polled_after_end = true;
            return (Poll::Ready(()), Vec::new());
        }
        script.note(Step::TaskPolled(number));
        (life.is_woken, life.waits) = (false, None);
        life.polls_left -= 1;
        if script.happens(LEFT_BEHIND_ONE_IN) {
            life.kept.push(waker.clone());
        }
        let has_ended = life.has_ended();
        let mut woken = Vec::new();
        if has_ended {
            script.note(Step::TaskEnded(number));
        } else if script.happens(2) {
            // While it is polled, and perhaps twice.
            script.note(Step::TaskWoken(number));
            life.is_woken = true;
            woken.extend(std::iter::repeat_n(waker.clone(), 1 + usize::from(script.happens(2))));
        } else {
            life.waits = Some(waker.clone());
        }
        for (other, life) in lives.iter_mut().enumerate().filter(|(other, _)| *other != number) {
            if life.waits.is_some() && script.happens(2) {
                wake(script, other, life, &mut woken);
            } else if life.has_ended() && script.happens(2) {
                woken.append(&mut life.kept);
            }
        }
        // Somebody goes on, whatever was drawn.
        if !lives.iter().any(|life| life.is_woken)
            && let Some((other, life)) = lives.iter_mut().enumerate().find(|(_, life)| life.waits.is_some())
        {
            wake(script, other, life, &mut woken);
        }
        (if has_ended { Poll::Ready(()) } else { Poll::Pending }, woken)
    }
}

fn wake(script: &Script, number: usize, life: &mut Life, woken: &mut Vec<Waker>) {
    script.note(Step::TaskWoken(number));
    life.is_woken = true;
    woken.extend(life.waits.take());
}

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (polled, woken) = self.all.poll(self.number, cx.waker());
        // An executor may take its own locks when it is told.
        woken.into_iter().for_each(Waker::wake);
        polled
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.all.lives()[self.number].is_dropped = true;
    }
}
