//! The flood gauge: float switches up a pole by the river, and a desk that is told how high the water stands.
//!
//! - The level is the number of switches under water, counted from below. It is looked at several times a second; what
//!   two looks agree on counts.
//! - Every change of it gets the next number and is reported by `PUT /gauges/{name}` with the body `{number} {level}`,
//!   over a connection of its own, until the desk has said that it has it. If the level changes again meanwhile, only
//!   the last change is still worth reporting.
//! - What the desk has said that it has is told again now and then: a desk may forget.
//! - After a restart the gauge asks `GET /gauges/{name}` where its numbers stand, and goes on from there.

use core::cell::Cell;
use core::convert::Infallible;
use core::fmt::Write as _;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::pin;
use core::slice;
use core::task::{Poll, Waker};

use embassy_futures::join::join;
use embassy_net_driver::Driver;
use embedded_hal::digital::InputPin;
use heapless::String;
use rand_core::Rng;
use wavetank_stack::http::{Connection, Method, Request};
use wavetank_stack::time::{sleep, timeout};
use wavetank_stack::{Cidr, Clock, Duration, FlowId, Probe, Resources, Stack, tcp};

/// Float switches on the pole.
pub const SWITCHES: usize = 4;
/// The longest name of a gauge, in bytes.
pub const NAME_MAX: usize = 32;
/// The longest body of the desk's answers, and of ours: a number and a level.
const BODY_MAX: usize = 32;

/// One connection that reports, and one that the network still works off.
type Memory<'r> = Resources<'r, 2, 0, 512, 128, 0, 4>;

/// What a gauge is made of.
#[derive(Clone, Debug)]
pub struct Parts<S, N, C, R, P> {
    /// The float switches, the lowest first: high under water.
    pub switches: [S; SWITCHES],
    /// The network interface.
    pub net: N,
    /// The monotonic clock.
    pub clock: C,
    /// Entropy.
    pub rng: R,
    /// Who is told what the gauge does.
    pub probe: P,
}

/// What a gauge is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name at the desk.
    pub name: String<NAME_MAX>,
    /// Its own address, and with it the network that it is in.
    pub address: Cidr,
    /// Where the desk listens.
    pub desk: SocketAddr,
    /// From one look at the switches to the next.
    pub look_every: Duration,
    /// How long the desk may take to answer a report, the opening of the connection included.
    pub answer_timeout: Duration,
    /// The longest wait before a report is tried again.
    pub retry: Duration,
    /// How often the level is told again while it does not change.
    pub repeat_every: Duration,
}

/// Runs the gauge for ever; it is stopped by dropping the future.
pub async fn run<S, N, C, R, P>(parts: Parts<S, N, C, R, P>, config: Config) -> Infallible
where
    S: InputPin,
    N: Driver,
    C: Clock,
    R: Rng,
    P: Probe,
{
    let Parts { mut switches, net, clock, mut rng, probe } = parts;
    let mut memory = Memory::new();
    let network = wavetank_stack::Config::new(slice::from_ref(&config.address), &[]);
    let (stack, mut runner) = Stack::new(&mut memory, net, &clock, &network, rng.next_u64());
    let news = News::default();
    let gauge = Gauge { config: &config, clock: &clock, probe: &probe, news: &news };
    let (never, _) = runner.run_with(join(gauge.look(&mut switches), gauge.tell(&stack, &mut rng))).await;
    never
}

/// How high the water stands, by the switches: the lowest that is dry ends the count.
///
/// # Errors
///
/// The first error of a pin.
pub fn level<S: InputPin>(switches: &mut [S; SWITCHES]) -> Result<u8, S::Error> {
    let mut level = 0;
    for switch in switches {
        if switch.is_low()? {
            break;
        }
        level += 1;
    }
    Ok(level)
}

/// A change of the level since the gauge was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Change {
    /// Its number; 0 before the first.
    number: u64,
    level: u8,
}

/// The last change, from who looks to who tells.
#[derive(Default)]
struct News {
    last: Cell<Change>,
    teller: Cell<Option<Waker>>,
}

impl News {
    fn publish(&self, change: Change) {
        self.last.set(change);
        if let Some(teller) = self.teller.take() {
            teller.wake();
        }
    }

    /// Waits for a change after the one numbered `told`. For one waiter.
    async fn after(&self, told: u64) -> Change {
        poll_fn(|cx| match self.last.get() {
            change if change.number > told => Poll::Ready(change),
            _ => {
                self.teller.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

struct Gauge<'a, C, P> {
    config: &'a Config,
    clock: &'a C,
    probe: &'a P,
    news: &'a News,
}

impl<C: Clock, P: Probe> Gauge<'_, C, P> {
    async fn look<S: InputPin>(&self, switches: &mut [S; SWITCHES]) -> Infallible {
        let mut before = None;
        loop {
            match level(switches) {
                Ok(seen) => {
                    let last = self.news.last.get();
                    if before == Some(seen) && (last.number == 0 || last.level != seen) {
                        self.change(Change { number: last.number + 1, level: seen });
                    }
                    before = Some(seen);
                }
                Err(_) => self.probe.count("switches.failed", 1),
            }
            sleep(self.clock, self.config.look_every).await;
        }
    }

    fn change(&self, change: Change) {
        self.probe.gauge("level", change.level.into());
        self.news.publish(change);
    }

    async fn tell(&self, stack: &Stack<'_>, rng: &mut impl Rng) -> Infallible {
        let base = loop {
            match self.in_time(self.ask(stack)).await {
                Some(number) => break number,
                None => sleep(self.clock, self.pause(rng)).await,
            }
        };
        // Before the first change there is nothing to repeat.
        self.news.after(0).await;
        let mut told = Change::default();
        loop {
            let news = timeout(self.clock, self.config.repeat_every, self.news.after(told.number)).await;
            let change = news.unwrap_or(told);
            let number = base + change.number;
            self.probe.count("reports.sent", 1);
            if self.in_time(self.report(stack, number, change.level)).await.is_some() {
                told = change;
                self.probe.flow("level.told", FlowId { source: &self.config.name, sequence: number });
            } else {
                self.probe.count("reports.failed", 1);
                // What cannot be repeated is news again: the desk may have forgotten it.
                told = Change::default();
                sleep(self.clock, self.pause(rng)).await;
            }
        }
    }

    async fn in_time<T>(&self, exchange: impl Future<Output = Option<T>>) -> Option<T> {
        timeout(self.clock, self.config.answer_timeout, pin!(exchange)).await.ok().flatten()
    }

    /// Asks for the number of the last report that the desk has; `None` if it cannot be reached, or makes no sense.
    async fn ask(&self, stack: &Stack<'_>) -> Option<u64> {
        let mut body = [0; BODY_MAX];
        match self.exchange(stack, Method::Get, &[], &mut body).await? {
            (200, body) => str::from_utf8(body).ok()?.split_once(' ')?.0.parse().ok(),
            (404, _) => Some(0),
            _ => None,
        }
    }

    /// Tells the desk; `None` if it cannot be reached, or says no.
    async fn report(&self, stack: &Stack<'_>, number: u64, level: u8) -> Option<()> {
        let (mut report, mut body) = (String::<BODY_MAX>::new(), [0; BODY_MAX]);
        write!(report, "{number} {level}").ok()?;
        let (status, _) = self.exchange(stack, Method::Put, report.as_bytes(), &mut body).await?;
        (status == 204).then_some(())
    }

    /// One request about this gauge, over a connection of its own; its answer's body comes to lie in `answer`.
    async fn exchange<'b>(
        &self,
        stack: &Stack<'_>,
        method: Method,
        body: &[u8],
        answer: &'b mut [u8],
    ) -> Option<(u16, &'b [u8])> {
        let (mut target, mut host) = (String::<48>::new(), String::<64>::new());
        write!(target, "/gauges/{}", self.config.name).ok()?;
        write!(host, "{}", self.config.desk).ok()?;
        let mut request = Request::new(method, &target, &host);
        request.body = body;
        request.close = true;
        let stream = tcp::Stream::connect(stack, self.config.desk, tcp::Options::default()).await.ok()?;
        let mut buffer = [0; 256];
        let mut connection = Connection::new(stream, &mut buffer);
        let mut response = connection.send(&request).await.ok()?;
        let status = response.status();
        let body = response.read_to_end(answer).await.ok()?;
        Some((status, body))
    }

    /// Between nothing and the longest wait: gauges that lost the same desk need not come back all at once.
    fn pause(&self, rng: &mut impl Rng) -> Duration {
        self.config.retry * (rng.next_u32() >> 16) / (1 << 16)
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    use super::*;

    /// The level that these states make, by as many looks as there are states.
    fn level_of(states: &[State]) -> u8 {
        let mut looks = states.iter();
        let mut switches: [Mock; SWITCHES] = core::array::from_fn(|_| {
            let look: Vec<_> = looks.next().map(|state| Transaction::get(*state)).into_iter().collect();
            Mock::new(&look)
        });
        let level = level(&mut switches).unwrap();
        switches.iter_mut().for_each(Mock::done);
        level
    }

    #[test]
    fn the_level_is_the_number_of_switches_under_water() {
        use State::{High, Low};
        assert_eq!(level_of(&[Low]), 0);
        assert_eq!(level_of(&[High, Low]), 1);
        assert_eq!(level_of(&[High, High, High, High]), 4);
    }
}
