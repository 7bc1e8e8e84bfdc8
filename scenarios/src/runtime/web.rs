//! A node as what a web server runs on: the stack's listener, the node's timers and date.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use hyper::rt::Sleep;
use wavetank_sim::node::{Clock, Timer};
use wavetank_stack::tcp;
use wavetank_web::Peer;

use super::HyperIo;

/// The clocks of a node, for [`wavetank_web::serve`].
#[derive(Clone, Copy, Debug)]
pub struct TankRuntime {
    timer: TankTimer,
}

impl TankRuntime {
    /// The runtime of a node with this clock. Make it in the node's own code: it notes what time it is there.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { timer: TankTimer::new(clock) }
    }
}

impl wavetank_web::Runtime for TankRuntime {
    type Timer = TankTimer;

    fn timer(&self) -> TankTimer {
        self.timer
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.timer.clock.wall()
    }
}

/// A node's timers as hyper's.
///
/// hyper speaks of [`std::time::Instant`], which only the operating system makes. So one is asked for at the beginning,
/// where it stands for the node's time then, and all others are counted from it by the node's clock.
#[derive(Clone, Copy, Debug)]
pub struct TankTimer {
    clock: Clock,
    base: Instant,
    base_local: wavetank_sim::time::Instant,
}

impl TankTimer {
    #[expect(clippy::disallowed_methods, reason = "only differences from it are used, and the guard answers it")]
    fn new(clock: Clock) -> Self {
        Self { clock, base: Instant::now(), base_local: clock.now() }
    }
}

impl hyper::rt::Timer for TankTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(TankSleep(self.clock.sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(TankSleep(self.timer(deadline)))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        if let Some(mut sleep) = sleep.as_mut().downcast_mut_pin::<TankSleep>() {
            sleep.0 = self.timer(deadline);
        }
    }

    fn now(&self) -> Instant {
        self.base + (self.clock.now() - self.base_local)
    }
}

impl TankTimer {
    fn timer(&self, deadline: Instant) -> Timer {
        self.clock.timer(self.base_local + deadline.saturating_duration_since(self.base))
    }
}

struct TankSleep(Timer);

impl Future for TankSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl Sleep for TankSleep {}

/// Connections of a node's stack, for [`wavetank_web::serve`].
pub struct TankListener(pub tcp::Listener<'static>);

impl wavetank_web::Listener for TankListener {
    type Io = HyperIo;

    async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
        let stream = self.0.accept().await;
        let peer = stream.remote_addr();
        Ok((HyperIo(stream), peer.into()))
    }
}
