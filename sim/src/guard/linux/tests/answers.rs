//! Sources of disorder that answer from the world.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::{EPOCH_NS, poll};
use crate::guard::probe::UsedThread;
use crate::guard::{is_active, prepare_thread, probe};

#[test]
fn the_hooks_are_in_place() {
    assert_eq!(probe(), Ok(()));
    assert_eq!(poll(|_| is_active()), (true, vec![]));
}

#[test]
fn instant_is_the_nodes_clock() {
    let (elapsed, refused) = poll(|sea| {
        let before = Instant::now();
        let still = before.elapsed();
        sea.now_ns.set(42);
        (still, before.elapsed())
    });
    assert_eq!(elapsed, (Duration::ZERO, Duration::from_nanos(42)));
    assert!(refused.is_empty());
}

#[test]
fn system_time_is_the_nodes_wall_clock() {
    let (now, refused) = poll(|_| SystemTime::now());
    assert_eq!(now, SystemTime::UNIX_EPOCH + Duration::from_nanos(EPOCH_NS));
    assert!(refused.is_empty());
}

#[test]
fn entropy_is_the_nodes_by_every_way() {
    let (bytes, refused) = poll(|_| {
        let mut bytes = [[0; 4]; 3];
        getrandom_02::getrandom(&mut bytes[0]).expect("there is entropy");
        getrandom_03::fill(&mut bytes[1]).expect("there is entropy");
        getrandom_04::fill(&mut bytes[2]).expect("there is entropy");
        bytes
    });
    assert_eq!(bytes, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]);
    assert!(refused.is_empty());
}

#[test]
fn hash_maps_have_one_order_in_every_world_of_one_seed() {
    let order = || {
        poll(|_| {
            let maps = [(); 3].map(|()| (0..100).map(|n| (n, ())).collect::<HashMap<i32, ()>>());
            maps.map(|map| map.into_keys().collect::<Vec<_>>())
        })
    };
    let (first, _) = order();
    assert_eq!(first, order().0);
    // The standard library changes the key with every map, so equal orders above were no accident of one key.
    assert_ne!(first[0], first[1]);
}

#[test]
fn a_world_is_not_born_on_a_thread_that_has_hashed() {
    let born = thread::spawn(|| {
        drop(HashMap::<(), ()>::new());
        prepare_thread([0; 16])
    });
    assert_eq!(born.join().expect("no panic"), Err(UsedThread));
}

#[test]
fn there_is_one_processor_and_no_process() {
    let ((processors, process), refused) = poll(|_| (thread::available_parallelism().ok(), std::process::id()));
    assert_eq!(processors.map(usize::from), Some(1));
    assert!(process > 1 << 22, "Linux gives no such id");
    assert!(refused.is_empty());
}
