//! Driving one future by a schedule.

use std::fmt::Debug;
use std::pin::pin;
use std::task::{Context, Poll};

use crate::watch::Watch;
use crate::{Broken, Law, Script, Step};

/// How many schedules are tried.
pub(crate) const SCHEDULES: u64 = 200;
/// A future is polled spuriously once in so many times.
const SPURIOUS_ONE_IN: u64 = 3;

/// How many polls are the end of a future's.
const POLLS_MAX: u64 = 100_000;

/// How a future ended.
pub(crate) enum Ended<T> {
    /// It came to something.
    Output(T),
    /// It was dropped while it waited.
    Dropped,
    /// It waits for what never comes.
    NeverWoken,
    /// It is woken and polled, again and again.
    Endless,
}

/// Polls `future` to its end, or drops it when it waits for the time that `drop_at` says, counted in `waits` over several.
pub(crate) fn drive<T>(
    future: impl Future<Output = T>,
    script: &Script,
    stir: &mut dyn FnMut() -> bool,
    drop_at: Option<u64>,
    waits: &mut u64,
) -> Ended<T> {
    let (mut left_behind, mut polls) = (Vec::new(), 0);
    let ended = {
        let mut future = pin!(future);
        loop {
            // Each poll has a waker of its own: only the last one's counts.
            let watch = Watch::default();
            let waker = watch.waker();
            left_behind.push(waker.clone());
            polls += 1;
            if polls > POLLS_MAX {
                break Ended::Endless;
            }
            script.note(Step::Poll);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                break Ended::Output(output);
            }
            *waits += 1;
            if drop_at == Some(*waits) {
                script.note(Step::Drop);
                break Ended::Dropped;
            }
            if !watch.was_woken() && script.happens(SPURIOUS_ONE_IN) {
                script.note(Step::Spurious);
                continue;
            }
            let mut goes_on = true;
            while !watch.was_woken() && goes_on {
                goes_on = script.stir() | stir();
            }
            if !watch.was_woken() {
                break Ended::NeverWoken;
            }
            script.note(Step::Wake);
        }
    };
    // Whatever still holds them may wake them when nobody is there any more.
    left_behind.into_iter().for_each(std::task::Waker::wake);
    while script.stir() {}
    ended
}

/// Polls a future by many schedules: spuriously, with another waker each time, and wakes what it left behind after its
/// end. It must come to the same by all of them.
///
/// `make` makes the future, and what happens around it: each call of that does one thing and says whether there was one.
/// Streams of the [`Script`] need nobody to stir them.
///
/// # Errors
///
/// With the first schedule that it breaks the contract by.
pub fn polls<F, S>(mut make: impl FnMut(&Script) -> (F, S)) -> Result<F::Output, Broken>
where
    F: Future,
    F::Output: PartialEq + Debug,
    S: FnMut() -> bool,
{
    let mut expected = None;
    for number in 0..SCHEDULES {
        let script = Script::new(number);
        let (future, mut stir) = make(&script);
        let broken = |law| Broken { law, schedule: number, steps: script.steps(), awaits: Vec::new() };
        let ended = drive(future, &script, &mut stir, None, &mut 0);
        let output = match ended {
            Ended::Output(output) => output,
            Ended::Endless => return Err(broken(Law::Endless)),
            Ended::NeverWoken | Ended::Dropped => return Err(broken(Law::NeverWoken)),
        };
        match &expected {
            None => expected = Some(output),
            Some(expected) if *expected != output => {
                let (expected, got) = (format!("{expected:?}"), format!("{output:?}"));
                return Err(broken(Law::Differs { expected, got }));
            }
            Some(_) => {}
        }
    }
    Ok(expected.expect("there are schedules"))
}
