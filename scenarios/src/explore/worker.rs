//! The worker's side: it reads a task and batches of seeds, and says what each seed came to.

use std::io::{self, BufRead, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::wire::{Batch, Task, Word, say, told};
use super::{Failure, FailureKind, Heart, Limits, Outcome, run_seed};
use crate::{Plan, Registry};

/// How often the watchdog looks.
const LOOK: Duration = Duration::from_secs(1);

/// Serves until `from` ends. `give_up` ends the process: a poll that never ends leaves no other way.
///
/// # Errors
///
/// If the supervisor is gone, or says what makes no sense.
pub fn serve(
    mut from: impl BufRead,
    to: impl Write + Send,
    registry: &Registry,
    give_up: impl Fn() + Send,
) -> io::Result<()> {
    super::listen(super::Panics::Printed);
    let Some(task) = told::<Task>(&mut from)? else { return Ok(()) };
    let to = Mutex::new(to);
    let speak = |word: &Word| say(&mut *to.lock().unwrap_or_else(PoisonError::into_inner), word);
    let plan = match Plan::read(&task.name, &task.text, registry) {
        Ok(plan) => Arc::new(plan),
        Err(problems) => return speak(&Word::Refused(crate::testing::narrated(&problems))),
    };
    speak(&Word::Ready)?;
    let heart = Heart::default();
    thread::scope(|scope| {
        let (done, finished) = channel::<()>();
        let (heart, plan, limits) = (&heart, &plan, task.limits);
        let speak = &speak;
        scope.spawn(move || {
            let stalled = || heart.stalled(plan, &limits);
            watch(
                heart,
                &limits,
                |look| finished.recv_timeout(look) == Err(RecvTimeoutError::Timeout),
                || {
                    if let Some(outcome) = stalled() {
                        // If the supervisor is gone too, nobody needs to know.
                        let _ = speak(&Word::Outcome(outcome));
                        give_up();
                    }
                },
            );
        });
        let served = batches(&mut from, plan, &limits, heart, speak);
        drop(done);
        served
    })
}

fn batches(
    from: &mut impl BufRead,
    plan: &Arc<Plan>,
    limits: &Limits,
    heart: &Heart,
    speak: impl Fn(&Word) -> io::Result<()>,
) -> io::Result<()> {
    while let Some(batch) = told::<Batch>(from)? {
        for offset in 0..batch.count {
            let seed = batch.first.wrapping_add(offset);
            let outcome = match run_seed(plan, seed, limits, heart) {
                Ok(ran) => ran.outcome,
                Err(error) => Outcome::lost(
                    seed,
                    Failure::new(FailureKind::Abort, "the kernel panicked", None, error.to_string()),
                ),
            };
            speak(&Word::Outcome(outcome))?;
        }
    }
    Ok(())
}

/// Calls `stalled` each time that a world has not moved for as long as it may. `wait` is false when the work is over.
fn watch(heart: &Heart, limits: &Limits, wait: impl Fn(Duration) -> bool, stalled: impl Fn()) {
    let (mut seen, mut looks) = (heart.beats(), 0);
    // Looks are counted, not time: a machine that slept has not let the world stall.
    while wait(LOOK) {
        let beats = heart.beats();
        (seen, looks) = if beats == seen { (seen, looks + 1) } else { (beats, 0) };
        if looks >= limits.stall_s {
            stalled();
            looks = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_watchdog_counts_looks_without_a_beat() {
        let (heart, barks, looks) = (Heart::default(), Cell::new(0), Cell::new(0));
        let wait = |_| {
            looks.set(looks.get() + 1);
            looks.get() <= 9
        };
        watch(&heart, &Limits { stall_s: 4, ..Limits::default() }, wait, || barks.set(barks.get() + 1));
        assert_eq!(barks.get(), 2);
    }
}
