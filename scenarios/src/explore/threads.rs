//! Worlds side by side in one process.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::thread;

/// How many results a thread may be ahead.
const AHEAD: usize = 32;

/// Calls `run` for `count` seeds from `first` on, on `jobs` threads, and `each` with what came of it, on this thread and
/// in the order of the seeds, whatever the threads' pace. Ends early if `each` breaks.
///
/// Every thread takes each `jobs`th seed, so that nothing but `count` decides which seeds are run.
pub fn in_order<R: Send, B>(
    (first, count): (u64, u64),
    jobs: usize,
    run: impl Fn(u64) -> R + Sync,
    mut each: impl FnMut(u64, R) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let jobs = jobs.clamp(1, usize::try_from(count.max(1)).unwrap_or(usize::MAX));
    let seed = |index: u64| first.wrapping_add(index);
    thread::scope(|scope| {
        let run = &run;
        // Dropped before the threads are joined, so that none waits for room for ever.
        let results: Vec<_> = (0..jobs)
            .map(|job| {
                let (results, inbox) = sync_channel(AHEAD);
                scope.spawn(move || {
                    for index in (job as u64..count).step_by(jobs) {
                        // Nobody listens once `each` has broken off.
                        if results.send(run(seed(index))).is_err() {
                            return;
                        }
                    }
                });
                inbox
            })
            .collect();
        for index in 0..count {
            // A thread ends early only by a panic, which the scope hands on.
            let Ok(result) = results[(index % jobs as u64) as usize].recv() else { break };
            each(seed(index), result)?;
        }
        ControlFlow::Continue(())
    })
}

/// How many worlds run side by side unless somebody says otherwise: one for each processor.
#[must_use]
pub fn jobs() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_number_of_threads() {
        for jobs in [1, 2, 3, 100] {
            let mut seen = Vec::new();
            let flow = in_order(
                (u64::MAX - 1, 5),
                jobs,
                |seed| seed.wrapping_mul(3),
                |seed, result| {
                    assert_eq!(result, seed.wrapping_mul(3));
                    seen.push(seed);
                    ControlFlow::<()>::Continue(())
                },
            );
            assert!(flow.is_continue());
            assert_eq!(seen, [u64::MAX - 1, u64::MAX, 0, 1, 2], "{jobs} jobs");
        }
    }

    #[test]
    fn breaking_off_ends_all_threads() {
        let flow = in_order(
            (0, u64::MAX),
            4,
            |seed| seed,
            |seed, _| match seed {
                99 => ControlFlow::Break("enough"),
                _ => ControlFlow::Continue(()),
            },
        );
        assert_eq!(flow, ControlFlow::Break("enough"));
    }
}
