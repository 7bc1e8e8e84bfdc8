//! Bridges between futures, callbacks and threads.

use std::sync::mpsc as blocking;
use std::thread;

use futures::channel::{mpsc, oneshot};
use futures::executor::block_on;
use futures::{SinkExt, Stream, StreamExt};

/// A library of the old world: it works on a thread of its own and calls back when it is done.
mod old {
    use std::thread;

    pub fn look_up(name: &'static str, done: impl FnOnce(Option<u32>) + Send + 'static) {
        thread::spawn(move || done((name == "hub").then_some(0x0A00_0002)));
    }
}

/// The callback as a future.
pub async fn look_up(name: &'static str) -> Option<u32> {
    let (sender, receiver) = oneshot::channel();
    old::look_up(name, |found| {
        // Nobody may be waiting any more: the future was dropped.
        let _ = sender.send(found);
    });
    // An error means that the callback was dropped uncalled.
    receiver.await.ok().flatten()
}

/// What blocks, on a thread of its own. Dropping the future does not stop the thread: nothing can.
pub async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> thread::Result<T> {
    let (sender, receiver) = oneshot::channel();
    let thread = thread::spawn(move || {
        let _ = sender.send(work());
    });
    match receiver.await {
        Ok(output) => Ok(output),
        // It panicked before it could send, and is at its end: joining it gives the panic.
        Err(oneshot::Canceled) => Err(thread.join().expect_err("it sent nothing")),
    }
}

/// What a blocking channel receives, as a stream. The thread ends with the channel, or when the
/// stream is dropped.
pub fn stream_of<T: Send + 'static>(receiver: blocking::Receiver<T>) -> impl Stream<Item = T> {
    let (mut sender, stream) = mpsc::channel(16);
    thread::spawn(move || {
        while let Ok(item) = receiver.recv() {
            // A full channel holds the thread back.
            if block_on(sender.send(item)).is_err() {
                return;
            }
        }
    });
    stream
}

#[test]
fn a_callback_is_awaited() {
    assert_eq!(block_on(look_up("hub")), Some(0x0A00_0002));
    assert_eq!(block_on(look_up("nobody")), None);
}

#[test]
fn blocking_work_is_awaited_and_so_is_its_panic() {
    assert_eq!(block_on(on_a_thread(|| (1..=10).sum::<u32>())).ok(), Some(55));
    let panic = block_on(on_a_thread(|| -> u32 { panic!("out of paper") }));
    assert_eq!(panic.expect_err("it panics").downcast_ref(), Some(&"out of paper"));
}

#[test]
fn a_blocking_channel_is_a_stream() {
    let (sender, receiver) = blocking::channel();
    let producer = thread::spawn(move || (0..100).try_for_each(|number| sender.send(number)));
    let all: Vec<i32> = block_on(stream_of(receiver).collect());
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    assert!(producer.join().is_ok_and(|sent| sent.is_ok()));
}
