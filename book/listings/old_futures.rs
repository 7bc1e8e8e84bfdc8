//! Futures of version 0.1 as those of the standard library.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_01::executor::{Notify, NotifyHandle, Spawn, spawn};
use futures_01::{Async, Future as OldFuture};

/// An old future, to be awaited.
///
/// The old `poll` takes no context: it asks a thread-local who the current task is. So the future
/// is wrapped in a task of the old kind, which sets that thread-local around every poll and hands
/// its wakes on to ours.
pub struct Compat<F>(Spawn<F>);

impl<F: OldFuture> Compat<F> {
    pub fn new(future: F) -> Self {
        Self(spawn(future))
    }
}

/// One of our wakers, as the old world notifies.
struct Woken(Waker);

impl Notify for Woken {
    fn notify(&self, _id: usize) {
        self.0.wake_by_ref();
    }
}

impl<F: OldFuture + Unpin> Future for Compat<F> {
    // An old future could always fail: its output and its error are the two sides of a `Result`.
    type Output = Result<F::Item, F::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let notify: NotifyHandle = Arc::new(Woken(cx.waker().clone())).into();
        match self.0.poll_future_notify(&notify, 0) {
            Ok(Async::Ready(item)) => Poll::Ready(Ok(item)),
            Ok(Async::NotReady) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

#[test]
fn an_old_future_keeps_the_new_contract() {
    let kept = wavetank_contract::polls(|_| {
        let (sender, receiver) = futures_01::sync::oneshot::channel();
        let chain = receiver.map(|number: u32| number * 2).map_err(|_cancelled| "nobody sent");
        let mut sender = Some(sender);
        (Compat::new(chain), move || sender.take().is_some_and(|sender| sender.send(21).is_ok()))
    });
    assert_eq!(kept, Ok(Ok(42)));
}

#[test]
fn old_and_new_are_joined() {
    let old = Compat::new(futures_01::future::ok::<_, ()>(1));
    let both = futures::executor::block_on(futures::future::join(old, async { 2 }));
    assert_eq!(both, (Ok(1), 2));
}
