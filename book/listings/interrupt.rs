//! From an interrupt to a waker, with nothing but `core` and a cell for one waker.

use core::future::poll_fn;
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use core::task::{Context, Poll};

use futures::task::AtomicWaker;

/// Counts pulses of a pin, in its interrupt handler. It can be a `static`.
pub struct Pulses {
    seen: AtomicU32,
    waiter: AtomicWaker,
}

impl Pulses {
    pub const fn new() -> Self {
        Self { seen: AtomicU32::new(0), waiter: AtomicWaker::new() }
    }

    /// In the interrupt handler: says what happened first, and wakes then.
    pub fn on_interrupt(&self) {
        self.seen.fetch_add(1, SeqCst);
        self.waiter.wake();
    }

    /// Waits for pulses: how many there were since the last time. For one waiter.
    pub async fn some(&self) -> u32 {
        poll_fn(|cx| {
            // Registered first, and asked then. The other way round, an interrupt in between would
            // find nobody to wake.
            self.waiter.register(cx.waker());
            match self.seen.swap(0, SeqCst) {
                0 => Poll::Pending,
                pulses => Poll::Ready(pulses),
            }
        })
        .await
    }
}

impl Default for Pulses {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs one future on the thread's stack: no heap, no queue. `wait` sleeps until something may have
/// happened; a board's is the instruction that waits for an interrupt.
pub fn run<T>(future: impl Future<Output = T>, cx: &mut Context<'_>, mut wait: impl FnMut()) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return output;
        }
        wait();
    }
}

#[test]
fn an_interrupt_wakes_whoever_waits() {
    use std::sync::Arc;
    use std::task::{Wake, Waker};
    use std::thread::{self, Thread};

    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    static PULSES: Pulses = Pulses::new();
    let pin = thread::spawn(|| (0..1_000).for_each(|_| PULSES.on_interrupt()));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let counted = async {
        let mut all = 0;
        while all < 1_000 {
            all += PULSES.some().await;
        }
        all
    };
    // `park` returns at once if it was unparked since it last returned: no wake is lost between
    // poll and wait.
    assert_eq!(run(counted, &mut Context::from_waker(&waker), thread::park), 1_000);
    pin.join().expect("it only counts");
}
