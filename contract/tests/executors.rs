//! Known-good and known-bad executors: what is wrong is found, and nothing else is.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};

use futures::executor::LocalPool;
use futures::future::join_all;
use futures::task::LocalSpawnExt;
use wavetank_contract::{Broken, Law, Task, executor};

#[test]
fn well_kept_executors_keep_the_contract() {
    let pool = executor(|tasks| {
        let mut pool = LocalPool::new();
        for task in tasks {
            pool.spawner().spawn_local(task).expect("the pool is there");
        }
        pool.run_until_stalled();
    });
    assert_eq!(pool, Ok(()));
    assert_eq!(executor(|tasks| drop(futures::executor::block_on(join_all(tasks)))), Ok(()));
    assert_eq!(executor(run(Careful)), Ok(()));
}

/// A task's flag.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// What an executor gets wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Careful,
    /// The flag is taken down when the poll is over: who was woken in between waits for ever.
    FlagTakenDownLate,
    /// What has ended is polled when it is woken.
    PolledOn,
    /// What has ended stays where it was.
    KeptOn,
    /// Each task is polled so often and no more.
    GivenUp,
}
use Way::{Careful, FlagTakenDownLate, GivenUp, KeptOn, PolledOn};

/// An executor that goes round until nobody is woken.
fn run(way: Way) -> impl FnMut(Vec<Task>) {
    let mut kept = Vec::new();
    move |tasks| {
        let flags: Vec<Arc<Flag>> = tasks.iter().map(|_| Arc::new(Flag(true.into()))).collect();
        let mut slots: Vec<(Option<Task>, usize)> = tasks.into_iter().map(|task| (Some(task), 0)).collect();
        while flags.iter().any(|flag| flag.0.load(SeqCst)) {
            for ((slot, polls), flag) in slots.iter_mut().zip(&flags).filter(|(_, flag)| flag.0.load(SeqCst)) {
                flag.0.store(false, SeqCst);
                let Some(task) = slot.as_mut().filter(|_| way != GivenUp || *polls < 6) else { continue };
                *polls += 1;
                let waker = Waker::from(Arc::clone(flag));
                let polled = Pin::new(task).poll(&mut Context::from_waker(&waker));
                if way == FlagTakenDownLate {
                    flag.0.store(false, SeqCst);
                }
                if polled.is_ready() {
                    match way {
                        PolledOn => {}
                        KeptOn => kept.extend(slot.take()),
                        _ => *slot = None,
                    }
                }
            }
        }
    }
}

fn law(way: Way) -> (Law, String) {
    let broken: Broken = executor(run(way)).expect_err("something is wrong with it");
    (broken.law.clone(), broken.to_string())
}

#[test]
fn a_wake_that_is_lost_is_found() {
    let (lost, told) = law(FlagTakenDownLate);
    assert!(matches!(lost, Law::Forgotten { .. }), "{told}");
    assert!(told.contains("was woken, and is not polled again") && told.contains(" wake-"), "{told}");
    assert!(matches!(law(GivenUp).0, Law::Forgotten { .. }));
}

#[test]
fn a_task_that_outlives_its_end_is_found() {
    assert!(matches!(law(PolledOn).0, Law::PolledAfterEnd { .. }));
    assert!(matches!(law(KeptOn).0, Law::Kept { .. }));
}
