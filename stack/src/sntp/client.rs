//! Asking, and believing.

use core::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    net::{IpAddr, SocketAddr},
};

use rand_core::Rng;

use super::{
    PORT,
    packet::{Kiss, Times, Wrong, question, read},
};
use crate::{
    draw::between,
    stack::Stack,
    time::{Clock, Duration, Instant, WallClock, sleep, timeout},
    udp,
};

/// How often a server has to say something improbable before it is believed.
const INSISTENCE: u8 = 3;
/// How far two such words may lie apart.
const AGREEMENT: Duration = Duration::from_secs(1);

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long to wait for an answer. Default: 2 s.
    pub patience: Duration,
    /// The shortest time between two questions, and the first while all is well. Default: 64 s.
    pub interval_min: Duration,
    /// The longest, reached by doubling. Default: 1,024 s.
    pub interval_max: Duration,
    /// The first wait after a failure; doubled for each further one. Default: 4 s.
    pub retry: Duration,
    /// A clock that is this little off is left alone. Default: 1 ms.
    pub tolerance: Duration,
    /// A clock that is set is moved further than this only if it is said three times (RFC 5905's panic
    /// threshold). Default: 1,000 s.
    pub panic: Duration,
    /// No time before this is believed, in seconds since 1970. Default: the first of January 2026.
    pub earliest: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(2),
            interval_min: Duration::from_secs(64),
            interval_max: Duration::from_secs(1_024),
            retry: Duration::from_secs(4),
            tolerance: Duration::from_millis(1),
            panic: Duration::from_secs(1_000),
            earliest: 1_767_225_600,
        }
    }
}

/// What one answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The time of day when the answer came, in microseconds since 1970.
    pub unix_micros: u64,
    /// When that was.
    pub received_at: Instant,
    /// How long question and answer were on their way: the time is at most half of it wrong.
    pub round_trip: Duration,
    /// How far from a reference clock the server is.
    pub stratum: u8,
}

/// Why a question brought no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer came.
    #[error("no answer")]
    TimedOut,
    /// The server wants to be left alone.
    #[error("the server wants to be left alone: {0:?}")]
    Kissed(Kiss),
    /// The server does not know the time.
    #[error("the server does not know the time")]
    Unsynchronised,
    /// It names a time that cannot be.
    #[error("a time that cannot be")]
    Impossible,
    /// The question could not be sent.
    #[error("no question can be sent: {0}")]
    NotSent(udp::Error),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The clock was set, having been this many microseconds behind; `None` if it was not set before.
    Set {
        /// Microseconds that it was behind.
        behind_micros: Option<i64>,
        /// By this word.
        sample: Sample,
    },
    /// The clock is right.
    Right(Sample),
    /// A server wants to move the clock too far to be believed yet.
    Doubted(Sample),
    /// A server was of no help.
    Failed(IpAddr, Error),
}

/// An SNTP client for one clock.
pub struct Client<'a, 'r, C: ?Sized, W: ?Sized, R> {
    stack: &'a Stack<'r>,
    clock: &'a C,
    wall: &'a W,
    rng: R,
    options: Options,
    /// How far off the clock is said to be, and how often that was said in a row.
    doubt: Option<(i64, u8)>,
}

impl<'a, 'r, C: Clock + ?Sized, W: WallClock + ?Sized, R: Rng> Client<'a, 'r, C, W, R> {
    /// A client that has not asked yet.
    pub fn new(stack: &'a Stack<'r>, clock: &'a C, wall: &'a W, rng: R, options: Options) -> Self {
        Self { stack, clock, wall, rng, options, doubt: None }
    }

    /// Sets the clock and keeps it right by those servers, for ever; `tell` hears what happens. A server that wants
    /// not to be asked is not asked again, but for the last one, and that seldom.
    pub async fn run(&mut self, servers: &[IpAddr], mut tell: impl FnMut(Event)) -> Infallible {
        // As many as there are bits.
        let mut shunned = 0_u32;
        let (mut next, mut failures) = (0, 0_u32);
        let mut interval = self.options.interval_min;
        loop {
            let candidates = || (0..servers.len().min(32)).filter(|i| shunned >> i & 1 == 0);
            let at = candidates().find(|&i| i >= next).or_else(|| candidates().next()).unwrap_or(0);
            let Some(&server) = servers.get(at) else {
                sleep(self.clock, self.options.interval_max).await;
                continue;
            };
            let wait = match self.ask(SocketAddr::new(server, PORT)).await {
                Ok(sample) => {
                    (failures, next) = (0, at);
                    let (event, settled) = self.judge(sample);
                    tell(event);
                    match settled {
                        true => {
                            let wait = interval;
                            interval = (interval * 2).min(self.options.interval_max);
                            wait
                        }
                        false => {
                            interval = self.options.interval_min;
                            interval
                        }
                    }
                }
                Err(error) => {
                    tell(Event::Failed(server, error));
                    next = at + 1;
                    match error {
                        Error::Kissed(Kiss::Rate) => {
                            interval = (interval * 2).min(self.options.interval_max);
                            interval
                        }
                        Error::Kissed(_) => {
                            shunned |= 1 << at;
                            // Another one may serve us.
                            let is_alone = (0..servers.len().min(32)).all(|i| shunned >> i & 1 == 1);
                            if is_alone { self.options.interval_max } else { self.options.retry }
                        }
                        _ => {
                            let wait = self.options.retry * (1 << failures.min(10));
                            failures += 1;
                            wait.min(self.options.interval_max)
                        }
                    }
                }
            };
            // Not all at the same beat.
            let wait = between(&mut self.rng, wait - wait / 16, wait + wait / 16);
            sleep(self.clock, wait).await;
        }
    }

    /// Asks one server once.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn ask(&mut self, server: SocketAddr) -> Result<Sample, Error> {
        let nonce = self.rng.next_u64();
        let mut options = udp::Options::default();
        (options.datagrams, options.receive_bytes, options.send_bytes) = (2, 256, 64);
        options.errors = true;
        let socket = udp::Socket::bind(self.stack, 0, options).map_err(Error::NotSent)?;
        socket.send_to(&question(nonce), server).await.map_err(Error::NotSent)?;
        let asked_at = self.clock.now();
        let answered = async {
            loop {
                let heard = poll_fn(|cx| {
                    socket.poll_recv_noting(cx, |bytes, arrival| match arrival.remote == server {
                        true => read(bytes, nonce),
                        false => Err(Wrong::NotOurs),
                    })
                });
                match heard.await {
                    Ok(Ok(times)) => return Ok(times),
                    Ok(Err(Wrong::NotOurs)) => {}
                    Ok(Err(Wrong::Kiss(kiss))) => return Err(Error::Kissed(kiss)),
                    Ok(Err(Wrong::Unsynchronised)) => return Err(Error::Unsynchronised),
                    Err(error) => return Err(Error::NotSent(error)),
                }
            }
        };
        let answered = timeout(self.clock, self.options.patience, answered).await;
        let times = answered.unwrap_or(Err(Error::TimedOut))?;
        self.sample(times, asked_at)
    }

    /// What the server's times mean to us (RFC 5905, section 8).
    fn sample(&self, times: Times, asked_at: Instant) -> Result<Sample, Error> {
        let received_at = self.clock.now();
        let held = times.answered.checked_sub(times.received).ok_or(Error::Impossible)?;
        let round_trip = (received_at - asked_at).saturating_sub(Duration::from_micros(held));
        let unix_micros = times.answered + round_trip.as_micros() as u64 / 2;
        if unix_micros / 1_000_000 < self.options.earliest {
            return Err(Error::Impossible);
        }
        Ok(Sample { unix_micros, received_at, round_trip, stratum: times.stratum })
    }

    /// Sets the clock, if the sample is to be believed. Answers with what happened, and whether all is well.
    fn judge(&mut self, sample: Sample) -> (Event, bool) {
        let since = (self.clock.now() - sample.received_at).as_micros() as u64;
        let now = sample.unix_micros + since;
        let Some(known) = self.wall.now_unix_micros() else {
            self.wall.set_unix_micros(now);
            return (Event::Set { behind_micros: None, sample }, true);
        };
        let behind = now.wrapping_sub(known) as i64;
        let off = Duration::from_micros(behind.unsigned_abs());
        if off <= self.options.tolerance.max(sample.round_trip / 2) {
            self.doubt = None;
            return (Event::Right(sample), true);
        }
        if off > self.options.panic {
            let said = match self.doubt {
                Some((before, said)) if Duration::from_micros(behind.abs_diff(before)) <= AGREEMENT => said + 1,
                _ => 1,
            };
            if said < INSISTENCE {
                self.doubt = Some((behind, said));
                return (Event::Doubted(sample), false);
            }
        }
        self.doubt = None;
        self.wall.set_unix_micros(now);
        (Event::Set { behind_micros: Some(behind), sample }, true)
    }
}

impl<C: ?Sized, W: ?Sized, R> fmt::Debug for Client<'_, '_, C, W, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}
