//! What waits for nobody: a stream whose other side has said everything already, a clock that stands still, and how to run
//! what needs no more than these.

use std::convert::Infallible;
use std::future::{Future, Pending, pending};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embedded_io_async::{ErrorType, Read, Write};
use wavetank_stack::{Clock, Instant};

/// A stream that brings these bytes, a portion at a read, and then ends.
pub(super) struct Script<'a> {
    rest: &'a [u8],
    portion: usize,
    pub(super) sent: Vec<u8>,
}

impl<'a> Script<'a> {
    /// `portion` is the most that one read brings; 0 stands for no limit.
    pub(super) fn new(rest: &'a [u8], portion: u8) -> Self {
        let portion = if portion == 0 { usize::MAX } else { portion.into() };
        Self { rest, portion, sent: Vec::new() }
    }
}

impl ErrorType for Script<'_> {
    type Error = Infallible;
}

impl Read for Script<'_> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        let (came, rest) = self.rest.split_at(self.rest.len().min(out.len()).min(self.portion));
        out[..came.len()].copy_from_slice(came);
        self.rest = rest;
        Ok(came.len())
    }
}

impl Write for Script<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.sent.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Time that stands still.
#[derive(Clone, Copy)]
pub(super) struct Still;

impl Clock for Still {
    type Timer = Pending<()>;

    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn timer(&self, _: Instant) -> Pending<()> {
        pending()
    }
}

/// Runs a future that waits for nobody but itself.
///
/// # Panics
/// If it waits for somebody.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
    panic!("the future waits");
}
