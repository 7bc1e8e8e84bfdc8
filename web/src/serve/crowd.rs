//! Futures side by side, each polled when it was woken: a server's connections.
//!
//! What `FuturesUnordered` does, for thousands of futures of which few have something to do. There every wake-up moves its
//! future to the head of a list, and so touches its neighbours, which lie anywhere in memory. Here a wake-up touches one
//! small block of its own, and a poll nothing but the future.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Futures that are polled together. They are polled in the order in which they were woken.
pub(super) struct Crowd<F> {
    members: Vec<Option<Member<F>>>,
    vacant: Vec<usize>,
    ready: Arc<Ready>,
}

struct Member<F> {
    future: Box<F>,
    call: Arc<Call>,
    /// `call` as a waker.
    waker: Waker,
}

/// Those that were woken, and whoever polls the crowd.
#[derive(Default)]
struct Ready {
    queue: Mutex<VecDeque<usize>>,
    poller: AtomicWaker,
}

/// A member's waker. It may outlive the member: then it has another one polled that has taken its place, or none.
struct Call {
    index: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Ready {
    fn queue(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.queue().push_back(self.index);
            self.ready.poller.wake();
        }
    }
}

impl<F: Future + Unpin> Crowd<F> {
    /// Nobody.
    pub(super) fn new() -> Self {
        Self { members: Vec::new(), vacant: Vec::new(), ready: Arc::default() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.members.len() - self.vacant.len()
    }

    /// One more, to be polled in its turn. Whoever pushes also polls.
    pub(super) fn push(&mut self, future: F) {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.members.push(None);
            self.members.len() - 1
        });
        let call = Arc::new(Call { index, queued: AtomicBool::new(true), ready: Arc::clone(&self.ready) });
        let waker = Waker::from(Arc::clone(&call));
        self.members[index] = Some(Member { future: Box::new(future), call, waker });
        self.ready.queue().push_back(index);
    }

    /// Polls those that were woken until one has ended, and gives its output; `None` if there is nobody. No more are polled
    /// in one go than there are members, so that members who wake themselves do not keep the thread for good.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        self.ready.poller.register(cx.waker());
        for _ in 0..self.len() {
            let Some(index) = self.ready.queue().pop_front() else {
                return Poll::Pending;
            };
            let Some(member) = &mut self.members[index] else { continue };
            // Before the poll: what wakes it from now on counts.
            member.call.queued.store(false, Ordering::Release);
            if let Poll::Ready(output) = Pin::new(&mut *member.future).poll(&mut Context::from_waker(&member.waker)) {
                self.members[index] = None;
                self.vacant.push(index);
                return Poll::Ready(Some(output));
            }
        }
        if self.len() == 0 {
            return Poll::Ready(None);
        }
        if !self.ready.queue().is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Changes every member, in the order of their places, and has all of them polled.
    pub(super) fn change_all(&mut self, mut change: impl FnMut(&mut F)) {
        for member in self.members.iter_mut().flatten() {
            change(&mut member.future);
            member.waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::rc::Rc;

    use super::*;

    type Log = Rc<RefCell<Vec<(&'static str, u32)>>>;
    type Told = Rc<RefCell<Vec<Waker>>>;

    /// Waits so many times, handing out its waker, and says when it was polled.
    fn waits(name: &'static str, times: u32, log: &Log, told: &Told) -> Pin<Box<dyn Future<Output = &'static str>>> {
        let (log, told, mut polls) = (Rc::clone(log), Rc::clone(told), 0);
        Box::pin(poll_fn(move |cx| {
            polls += 1;
            log.borrow_mut().push((name, polls));
            told.borrow_mut().push(cx.waker().clone());
            if polls > times { Poll::Ready(name) } else { Poll::Pending }
        }))
    }

    #[test]
    fn they_are_polled_as_they_were_woken_and_places_are_used_again() {
        let (log, told) = (Log::default(), Told::default());
        let cx = &mut Context::from_waker(Waker::noop());
        let mut crowd = Crowd::new();
        assert_eq!(crowd.poll_next(cx), Poll::Ready(None));
        for name in ["a", "b", "c"] {
            crowd.push(waits(name, 1, &log, &told));
        }
        assert_eq!(crowd.poll_next(cx), Poll::Pending);
        assert_eq!(crowd.poll_next(cx), Poll::Pending, "nobody was woken");
        let wakers = told.take();
        for place in [2, 0, 2] {
            wakers[place].wake_by_ref();
        }
        log.take();
        assert_eq!(crowd.poll_next(cx), Poll::Ready(Some("c")));
        assert_eq!(crowd.poll_next(cx), Poll::Ready(Some("a")));
        assert_eq!(log.take(), [("c", 2), ("a", 2)]);
        assert_eq!((crowd.len(), crowd.poll_next(cx)), (1, Poll::Pending));
        // The waker of one that has ended: whoever is in its place is polled once too often, and that is all.
        crowd.push(waits("d", 5, &log, &told));
        assert_eq!(crowd.poll_next(cx), Poll::Pending);
        wakers[0].wake_by_ref();
        assert_eq!(crowd.poll_next(cx), Poll::Pending);
        assert_eq!((crowd.len(), log.take()), (2, vec![("d", 1), ("d", 2)]));
        drop(crowd);
        wakers[1].wake_by_ref();
    }

    #[test]
    fn whoever_wakes_itself_leaves_the_others_their_turn() {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut crowd = Crowd::new();
        let mut polls = 0;
        let restless = poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls < 10 { Poll::Pending } else { Poll::Ready(()) }
        });
        crowd.push(Box::pin(restless));
        for _ in 0..9 {
            assert_eq!(crowd.poll_next(cx), Poll::Pending);
        }
        assert_eq!(crowd.poll_next(cx), Poll::Ready(Some(())));
    }

    #[test]
    fn a_change_has_everybody_polled() {
        let (log, told) = (Log::default(), Told::default());
        let cx = &mut Context::from_waker(Waker::noop());
        let mut crowd = Crowd::new();
        for name in ["a", "b"] {
            crowd.push(waits(name, 9, &log, &told));
        }
        assert_eq!(crowd.poll_next(cx), Poll::Pending);
        let mut changed = 0;
        crowd.change_all(|_| changed += 1);
        assert_eq!(crowd.poll_next(cx), Poll::Pending);
        assert_eq!((changed, log.take()), (2, vec![("a", 1), ("b", 1), ("a", 2), ("b", 2)]));
    }
}
