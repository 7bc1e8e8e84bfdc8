//! Turning the stack: frames in, application, frames out, deadlines.

use core::{
    cell::RefCell,
    convert::Infallible,
    fmt,
    future::{Future, pending},
    pin::Pin,
    task::{Context, Poll},
};

use embassy_net_driver::{Driver, LinkState, RxToken};
use pin_project_lite::pin_project;

use crate::{
    engine::{Core, Egress, Port},
    stack::{Stack, core_of},
    time::{Clock, Instant},
};

/// How many frames are taken in one turn, before the application and the frames to send have theirs.
const FRAMES_PER_TURN: usize = 64;

/// Moves a stack's frames between its driver and its sockets, and keeps its time.
///
/// Run it as a task of its own ([`Runner::run`]), or around the application ([`Runner::run_with`]).
pub struct Runner<'r, D, C> {
    stack: Stack<'r>,
    driver: D,
    clock: C,
}

impl<'r, D: Driver, C: Clock> Runner<'r, D, C> {
    pub(crate) fn new(stack: Stack<'r>, driver: D, clock: C) -> Self {
        Self { stack, driver, clock }
    }

    /// The stack that this runs.
    pub fn stack(&self) -> Stack<'r> {
        self.stack.clone()
    }

    /// Runs the stack, for ever: the application is elsewhere.
    ///
    /// Dropping the future stops the stack between two turns; running it again goes on from there.
    pub async fn run(&mut self) -> ! {
        match self.run_with(pending::<Infallible>()).await {}
    }

    /// Runs the stack until `app` is done.
    ///
    /// Each turn takes the frames that came, polls the application, and sends what it has to say in one go:
    /// an answer that is ready at once leaves with the acknowledgement of what it answers, and the executor
    /// is asked once per frame, not twice. What the application wrote last is handed to the driver, as far as
    /// that has room, before this returns.
    pub fn run_with<A: Future>(&mut self, app: A) -> RunWith<'_, 'r, D, C, A> {
        RunWith { runner: self, app, timer: None, alarm: Alarm { at: Instant::ZERO } }
    }

    fn turn<A: Future>(
        &mut self,
        mut app: Pin<&mut A>,
        mut timer: Pin<&mut Option<C::Timer>>,
        alarm: &mut Alarm,
        cx: &mut Context<'_>,
    ) -> Poll<A::Output> {
        let Self { stack, driver, clock } = self;
        let core = stack.core();
        let mut borrowed = core_of(core);
        let (is_another, last) = borrowed.wakes.begin_turn(cx.waker());
        let is_link_watched = borrowed.is_link_watched();
        drop(borrowed);
        drop(last);
        if is_another {
            // The timer calls who ran us before: it is set anew.
            alarm.at = Instant::ZERO;
        }
        if is_link_watched {
            stack.set_link(matches!(driver.link_state(cx), LinkState::Up));
        }
        let mut now = clock.now();
        core_of(core).begin_turn(now);
        take_frames(core, driver, now, cx);
        loop {
            core_of(core).wakes.begin_app();
            let polled = app.as_mut().poll(cx);
            let mut next_deadline = send_frames(core, driver, now, cx);
            if polled.is_ready() {
                core_of(core).wakes.end_turn();
                return polled;
            }
            while let Some(next) = next_deadline {
                if next > now {
                    if timer.is_some() && alarm.rings_by(next, now) {
                        break;
                    }
                    // Deadlines that moved later are looked at where a timer is to be set for them, and else not.
                    next_deadline = core_of(core).earliest_deadline();
                    let Some(next) = next_deadline else { break };
                    if alarm.wait(timer.as_mut(), next, clock, cx) {
                        break;
                    }
                    now = clock.now();
                    if next > now {
                        continue;
                    }
                }
                core_of(core).expire(now);
                next_deadline = send_frames(core, driver, now, cx);
            }
            let mut core = core_of(core);
            if !core.wakes.is_app_called() {
                core.wakes.end_turn();
                return Poll::Pending;
            }
        }
    }
}

pin_project! {
    /// [`Runner::run_with`]. A type of its own, because an `async fn` would hold the application twice: as what it was
    /// given, and where it pins it.
    #[must_use = "futures do nothing unless polled"]
    pub struct RunWith<'s, 'r, D, C: Clock, A> {
        runner: &'s mut Runner<'r, D, C>,
        #[pin]
        app: A,
        #[pin]
        timer: Option<C::Timer>,
        alarm: Alarm,
    }
}

impl<D: Driver, C: Clock, A: Future> Future for RunWith<'_, '_, D, C, A> {
    type Output = A::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        let this = self.project();
        this.runner.turn(this.app, this.timer, this.alarm, cx)
    }
}

impl<D, C: Clock, A> fmt::Debug for RunWith<'_, '_, D, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunWith").finish_non_exhaustive()
    }
}

/// Hands the frames that came to the core.
fn take_frames<D: Driver>(core: &RefCell<Core<'_>>, driver: &mut D, now: Instant, cx: &mut Context<'_>) {
    for _ in 0..FRAMES_PER_TURN {
        let Some((frame, room)) = driver.receive(cx) else {
            return;
        };
        let wakes = frame.consume(|frame| {
            let mut core = core_of(core);
            core.ingress(frame, room, now);
            !core.wakes.is_empty()
        });
        if wakes {
            wake(core);
        }
    }
    // There may be more: in another turn.
    cx.waker().wake_by_ref();
}

/// Hands what is to be sent, now that the application had its turn, to the driver, as far as it has room.
/// Answers with the next deadline.
#[inline]
fn send_frames<D: Driver>(
    core: &RefCell<Core<'_>>,
    driver: &mut D,
    now: Instant,
    cx: &mut Context<'_>,
) -> Option<Instant> {
    loop {
        let mut borrowed = core_of(core);
        borrowed.wakes.end_app();
        let mut sent = Egress::Idle;
        if !borrowed.is_idle() {
            sent = send_some(&mut borrowed, driver, now, cx);
        }
        let next_deadline = borrowed.next_deadline();
        if !borrowed.wakes.is_empty() {
            drop(borrowed);
            wake(core);
        }
        if sent != Egress::Done {
            return next_deadline;
        }
    }
}

/// Hands frames to the driver until there are no more, or no room, or somebody to be woken.
#[inline(never)]
fn send_some<D: Driver>(core: &mut Core<'_>, driver: &mut D, now: Instant, cx: &mut Context<'_>) -> Egress {
    let mut port = DriverPort { driver, cx };
    loop {
        let sent = core.egress(&mut port, now);
        if sent != Egress::Done || !core.wakes.is_empty() {
            return sent;
        }
    }
}

/// Wakes those whom the core has woken.
pub(crate) fn wake(core: &RefCell<Core<'_>>) {
    loop {
        let mut borrowed = core_of(core);
        let Some(waker) = borrowed.wakes.pop() else { return };
        let is_last = borrowed.wakes.is_empty();
        drop(borrowed);
        waker.wake();
        if is_last {
            return;
        }
    }
}

/// A driver as the core sees it.
struct DriverPort<'a, 'c, D> {
    driver: &'a mut D,
    cx: &'a mut Context<'c>,
}

impl<D: Driver> Port for DriverPort<'_, '_, D> {
    type Token<'t>
        = D::TxToken<'t>
    where
        Self: 't;

    #[inline]
    fn room(&mut self) -> Option<D::TxToken<'_>> {
        self.driver.transmit(self.cx)
    }
}

/// When the timer that we wait on is set for.
#[derive(Clone, Copy)]
struct Alarm {
    at: Instant,
}

impl Alarm {
    /// Whether it is set for a time that is still to come and no later than `next`: then it is kept, for deadlines mostly move
    /// later, and setting timers costs. One that will call is not polled again before its time.
    #[inline]
    fn rings_by(&self, next: Instant, now: Instant) -> bool {
        now < self.at && self.at <= next
    }

    /// Sees to it that we are polled at `next`. Answers whether that is still to come.
    fn wait<C: Clock>(
        &mut self,
        mut timer: Pin<&mut Option<C::Timer>>,
        next: Instant,
        clock: &C,
        cx: &mut Context<'_>,
    ) -> bool {
        timer.set(Some(clock.timer(next)));
        self.at = next;
        let pending = match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).is_pending(),
            None => false,
        };
        if !pending {
            timer.set(None);
        }
        pending
    }
}

impl<D, C> fmt::Debug for Runner<'_, D, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}
