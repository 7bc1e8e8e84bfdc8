//! Time as the stack sees it: instants, a clock with cancelling timers, and what stands on them.
//!
//! Nothing in this crate asks the operating system or the hardware for the time. Pure logic is told it as an
//! argument; only the async layer holds a [`Clock`], which the caller supplies.
//!
//! [`Instant`] is monotonic and says nothing about the calendar: see [`WallClock`] for that.

use core::{
    cell::Cell,
    future::Future,
    ops::{Add, AddAssign, Sub, SubAssign},
    pin::Pin,
    task::{Context, Poll},
};

pub use core::time::Duration;

use pin_project_lite::pin_project;

/// A point in monotonic time, in whole microseconds since an arbitrary start (usually the boot).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    micros: u64,
}

impl Instant {
    /// The start of time.
    pub const ZERO: Instant = Instant::from_micros(0);
    /// The end of time: a timer set to it never fires.
    pub const MAX: Instant = Instant::from_micros(u64::MAX);

    /// The instant that many microseconds after the start.
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// The instant that many milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self::from_micros(millis.saturating_mul(1_000))
    }

    /// The instant that many seconds after the start.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_micros(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.micros
    }

    /// Whole milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.micros / 1_000
    }

    /// Whole seconds since the start.
    pub const fn as_secs(self) -> u64 {
        self.micros / 1_000_000
    }

    /// This instant moved later, not past [`Instant::MAX`].
    ///
    /// A duration that is not a whole number of microseconds is rounded up, so that a timer never fires early.
    // On boards it is worth its bytes once: there is arithmetic of 64 bits in it.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self::from_micros(self.micros.saturating_add(micros_ceil(duration)))
    }

    /// This instant moved earlier, not before [`Instant::ZERO`].
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self::from_micros(self.micros.saturating_sub(micros_ceil(duration)))
    }

    /// This instant moved later, or `None` past the end of time.
    pub const fn checked_add(self, duration: Duration) -> Option<Self> {
        match self.micros.checked_add(micros_ceil(duration)) {
            Some(micros) => Some(Self::from_micros(micros)),
            None => None,
        }
    }

    /// How long after `earlier` this instant is; zero if it is not.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub const fn saturating_duration_since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.micros.saturating_sub(earlier.micros))
    }

    /// How long after `earlier` this instant is; `None` if it is before it.
    pub const fn checked_duration_since(self, earlier: Instant) -> Option<Duration> {
        match self.micros.checked_sub(earlier.micros) {
            Some(micros) => Some(Duration::from_micros(micros)),
            None => None,
        }
    }
}

const fn micros_ceil(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000).saturating_add(duration.subsec_nanos().div_ceil(1_000) as u64)
}

/// A duration as it is kept where it is added to instants all the time: in whole microseconds, rounded up. What takes longer than
/// that counts is [`Span::FOREVER`], and ends at [`Instant::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(u64);

impl Span {
    pub(crate) const FOREVER: Span = Span(u64::MAX);

    #[cfg(feature = "recovery")]
    pub(crate) const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    pub(crate) const fn of(duration: Duration) -> Self {
        Self(micros_ceil(duration))
    }
}

impl Add<Span> for Instant {
    type Output = Instant;
    /// Saturates at [`Instant::MAX`].
    #[inline]
    fn add(self, span: Span) -> Instant {
        Self::from_micros(self.micros.saturating_add(span.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    /// Saturates at [`Instant::MAX`].
    fn add(self, duration: Duration) -> Instant {
        self.saturating_add(duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;
    /// Saturates at [`Instant::ZERO`].
    fn sub(self, duration: Duration) -> Instant {
        self.saturating_sub(duration)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;
    /// Zero where `earlier` is not earlier.
    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

/// A monotonic clock with timers.
///
/// The one seam between the stack (and everything that stands on it) and whatever keeps time below it.
pub trait Clock {
    /// Completes when its instant has come. Dropping it cancels it, leaving nothing behind.
    type Timer: Future<Output = ()>;

    /// The time now. Never goes backwards.
    fn now(&self) -> Instant;

    /// A timer that completes at `at`, at once if that is not in the future.
    fn timer(&self, at: Instant) -> Self::Timer;
}

impl<C: Clock + ?Sized> Clock for &C {
    type Timer = C::Timer;

    fn now(&self) -> Instant {
        C::now(self)
    }

    fn timer(&self, at: Instant) -> Self::Timer {
        C::timer(self, at)
    }
}

/// A clock that knows the calendar, once somebody told it: apart from [`Clock`], because it may jump.
pub trait WallClock {
    /// Microseconds since 1970-01-01T00:00:00Z, not counting leap seconds; `None` while unknown.
    fn now_unix_micros(&self) -> Option<u64>;

    /// Sets the calendar time, as a time protocol or an operator knows it.
    fn set_unix_micros(&self, micros: u64);
}

impl<W: WallClock + ?Sized> WallClock for &W {
    fn now_unix_micros(&self) -> Option<u64> {
        W::now_unix_micros(self)
    }

    fn set_unix_micros(&self, micros: u64) {
        W::set_unix_micros(self, micros);
    }
}

/// A [`WallClock`] over a [`Clock`]: remembers when it was set, and counts on from there.
#[derive(Debug)]
pub struct SetClock<C> {
    clock: C,
    /// Calendar microseconds at the clock's start.
    start_unix_micros: Cell<Option<u64>>,
}

impl<C: Clock> SetClock<C> {
    /// A wall clock that does not know the time yet.
    pub const fn new(clock: C) -> Self {
        Self { clock, start_unix_micros: Cell::new(None) }
    }
}

impl<C: Clock> WallClock for SetClock<C> {
    fn now_unix_micros(&self) -> Option<u64> {
        let start = self.start_unix_micros.get()?;
        Some(start.wrapping_add(self.clock.now().as_micros()))
    }

    fn set_unix_micros(&self, micros: u64) {
        let start = micros.wrapping_sub(self.clock.now().as_micros());
        self.start_unix_micros.set(Some(start));
    }
}

/// Waits for that long.
pub async fn sleep<C: Clock + ?Sized>(clock: &C, duration: Duration) {
    sleep_until(clock, clock.now() + duration).await;
}

/// Waits until that instant.
pub async fn sleep_until<C: Clock + ?Sized>(clock: &C, at: Instant) {
    clock.timer(at).await;
}

/// The time given to [`timeout`] ran out before its future completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct TimedOut;

/// Runs `future` for at most `duration` from this call on, then gives up.
///
/// A future that completes at the very instant of the deadline has made it.
///
/// # Errors
/// [`TimedOut`] when the time ran out first.
pub fn timeout<C, F>(clock: &C, duration: Duration, future: F) -> Timeout<F, C::Timer>
where
    C: Clock + ?Sized,
    F: Future,
{
    Timeout { future, timer: clock.timer(clock.now() + duration) }
}

pin_project! {
    /// [`timeout`]. A type of its own, because an `async fn` would hold the future twice: as what it was given, and
    /// where it pins it.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Timeout<F, T> {
        #[pin]
        future: F,
        #[pin]
        timer: T,
    }
}

impl<F: Future, T: Future<Output = ()>> Future for Timeout<F, T> {
    type Output = Result<F::Output, TimedOut>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        this.timer.poll(cx).map(|()| Err(TimedOut))
    }
}

/// `embedded-hal-async`'s delay over a [`Clock`], for sensor drivers.
#[derive(Clone, Copy, Debug)]
pub struct Delay<C> {
    clock: C,
}

impl<C: Clock> Delay<C> {
    /// A delay that waits by `clock`.
    pub const fn new(clock: C) -> Self {
        Self { clock }
    }
}

impl<C: Clock> embedded_hal_async::delay::DelayNs for Delay<C> {
    async fn delay_ns(&mut self, ns: u32) {
        sleep(&self.clock, Duration::from_nanos(ns.into())).await;
    }

    async fn delay_us(&mut self, us: u32) {
        sleep(&self.clock, Duration::from_micros(us.into())).await;
    }

    async fn delay_ms(&mut self, ms: u32) {
        sleep(&self.clock, Duration::from_millis(ms.into())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_microsecond_counts_as_one() {
        let at = Instant::ZERO + Duration::from_nanos(1);
        assert_eq!(at.as_micros(), 1);
        assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
        assert_eq!(Instant::ZERO - Duration::from_secs(1), Instant::ZERO);
        assert_eq!(Instant::ZERO - Instant::from_secs(1), Duration::ZERO);
    }
}
