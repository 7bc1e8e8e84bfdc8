//! Outside a poll, and on the threads beside one, nothing changes.

use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::{EPOCH_NS, poll};

/// Asks for everything that a polled node gets from the world or is refused.
fn the_real_world_answers() {
    let before = Instant::now();
    thread::sleep(Duration::from_nanos(1));
    assert!(before.elapsed() > Duration::ZERO);
    let years = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() / 31_556_952;
    assert!(years < EPOCH_NS / 1_000_000_000 / 31_556_952);

    let mut bytes = [[0; 16]; 4];
    getrandom_02::getrandom(&mut bytes[0]).expect("there is entropy");
    getrandom_03::fill(&mut bytes[1]).expect("there is entropy");
    getrandom_04::fill(&mut bytes[2]).expect("there is entropy");
    assert!((0..3).all(|n| bytes[n] != bytes[n + 1]));

    let [one, other] = [(); 2].map(|()| thread::spawn(|| RandomState::new().hash_one(0)));
    assert_ne!(one.join().expect("no panic"), other.join().expect("no panic"));

    let listener = TcpListener::bind("127.0.0.1:0").expect("the host has a network");
    let address = listener.local_addr().expect("bound");
    TcpStream::connect(address).expect("listening").write_all(b"sea").expect("connected");
    let mut heard = String::new();
    listener.accept().expect("connected").0.read_to_string(&mut heard).expect("utf-8");
    assert_eq!(heard, "sea");

    let (_sender, receiver) = channel::<()>();
    assert!(receiver.recv_timeout(Duration::from_nanos(1)).is_err());
    assert!(std::fs::File::open("/dev/urandom").is_ok());
    assert!(std::process::id() <= 1 << 22);
    assert!(std::process::Command::new("true").status().is_ok_and(|status| status.success()));
}

#[test]
fn outside_a_poll() {
    the_real_world_answers();
}

#[test]
fn after_a_poll_on_the_same_thread() {
    let ((), refused) = poll(|_| ());
    assert!(refused.is_empty());
    the_real_world_answers();
}

#[test]
fn beside_a_poll_on_another_thread() {
    let start = Arc::new(Barrier::new(2));
    let end = start.clone();
    let beside = {
        let start = start.clone();
        thread::spawn(move || {
            start.wait();
            let lived = std::panic::catch_unwind(the_real_world_answers);
            start.wait();
            lived
        })
    };
    // A wait without a timeout passes, and so does a lock that another thread holds.
    let ((), refused) = poll(move |_| {
        end.wait();
        end.wait();
    });
    assert!(refused.is_empty());
    assert!(beside.join().expect("caught").is_ok());
}

#[test]
fn a_lock_held_by_another_thread_is_waited_for() {
    let lock = Arc::new(Mutex::new(0));
    let held = lock.clone();
    let (holds, held_now) = channel();
    let holder = thread::spawn(move || {
        let mut value = held.lock().expect("not poisoned");
        holds.send(()).expect("received");
        for _ in 0..1_000 {
            thread::yield_now();
        }
        *value = 1;
    });
    held_now.recv().expect("sent");
    let (value, refused) = poll(move |_| *lock.lock().expect("not poisoned"));
    assert_eq!(value, 1);
    assert!(refused.is_empty());
    holder.join().expect("no panic");
}
