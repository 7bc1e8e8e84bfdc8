//! What cannot be had in a world, what asking for it returns, and what the refusal reads like.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{TcpStream, UdpSocket};
use std::panic::catch_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::poll;
use crate::guard::refusal;

#[test]
fn a_thread() {
    let (error, refused) = poll(|_| thread::Builder::new().spawn(|| ()).map(drop).unwrap_err().kind());
    assert_eq!(error, ErrorKind::WouldBlock);
    assert_eq!(refused, [refusal::THREAD_SPAWN]);
    assert_eq!(refusal::instead(refused[0]), Some("a node has one thread: run a future on it"));
}

#[test]
fn a_thread_that_must_start() {
    let (panicked, refused) = poll(|_| catch_unwind(|| drop(thread::spawn(|| ()))).is_err());
    assert!(panicked);
    assert_eq!(refused, [refusal::THREAD_SPAWN]);
}

#[test]
fn a_sleep() {
    let ((), refused) = poll(|_| thread::sleep(Duration::from_secs(3600)));
    assert_eq!(refused, [refusal::SLEEP]);
}

#[test]
fn a_wait_with_a_timeout() {
    let hour = Duration::from_secs(3600);
    let ((), refused) = poll(move |_| thread::park_timeout(hour));
    assert_eq!(refused, [refusal::TIMED_WAIT]);

    let (timed_out, refused) = poll(move |_| {
        let lock = Mutex::new(());
        let guard = lock.lock().expect("not poisoned");
        Condvar::new().wait_timeout(guard, hour).expect("not poisoned").1.timed_out()
    });
    assert!(timed_out);
    assert_eq!(refused, [refusal::TIMED_WAIT]);

    let (received, refused) = poll(move |_| {
        let (_sender, receiver) = channel::<()>();
        receiver.recv_timeout(Duration::from_millis(2))
    });
    assert_eq!(received, Err(RecvTimeoutError::Timeout));
    assert_eq!(refused[0], refusal::TIMED_WAIT);
}

#[test]
fn the_hosts_network() {
    let (error, refused) = poll(|_| {
        [UdpSocket::bind("127.0.0.1:0").unwrap_err().kind(), TcpStream::connect("127.0.0.1:1").unwrap_err().kind()]
    });
    assert_eq!(error, [ErrorKind::PermissionDenied; 2]);
    assert_eq!(refused, [refusal::SOCKET; 2]);

    // A static musl reads its files first, and what it then asks of the network is refused as a socket.
    #[cfg(not(target_feature = "crt-static"))]
    {
        use std::net::ToSocketAddrs;
        let (failed, refused) = poll(|_| ("localhost", 80).to_socket_addrs().is_err());
        assert!(failed);
        assert_eq!(refused, [refusal::NAME_LOOKUP]);
    }
}

#[test]
#[cfg(not(target_feature = "crt-static"))]
fn a_process() {
    let (error, refused) = poll(|_| std::process::Command::new("true").spawn().unwrap_err().kind());
    assert_eq!(error, ErrorKind::PermissionDenied);
    assert_eq!(refused, [refusal::PROCESS_SPAWN]);
}

#[test]
fn the_hosts_random_device() {
    let (error, refused) = poll(|_| {
        assert!(File::open("/dev/null").is_ok());
        ["/dev/random", "/dev/urandom"].map(|device| File::open(device).unwrap_err().kind())
    });
    assert_eq!(error, [ErrorKind::PermissionDenied; 2]);
    assert_eq!(refused, [refusal::RANDOM_DEVICE; 2]);
}
