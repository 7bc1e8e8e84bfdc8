//! The uplink against a hub that is played by a closure.

extern crate std;

use core::convert::Infallible;
use core::future::Future;
use core::pin::{Pin, pin};
use std::boxed::Box;
use std::collections::VecDeque;
use std::format;
use std::string::String;
use std::vec::Vec;

use embedded_io_async::{ErrorType, Read, Write};
use wavetank_stack::{Clock, Duration, Instant};

use super::{Seen, config};
use crate::Backoff;
use crate::testing::{ManualClock, Notebook, Words, run_until};
use crate::thermostat::shared::Shared;
use crate::thermostat::uplink::{Dial, End, Uplink};
use crate::thermostat::{Config, Fixed, metrics};

/// What the hub does when a request has come.
enum Reply {
    Answer(u16, String),
    AnswerAndClose(u16),
    Close,
    Silence,
}

/// The device's end of a connection to a hub that answers at once.
struct Line<F> {
    hub: F,
    incoming: Vec<u8>,
    outgoing: VecDeque<u8>,
    closed: bool,
}

impl<F: FnMut(Seen) -> Reply> Line<F> {
    fn to(hub: F) -> Self {
        Line { hub, incoming: Vec::new(), outgoing: VecDeque::new(), closed: false }
    }

    fn receive(&mut self) {
        let Some(seen) = Seen::parse(&self.incoming) else {
            return;
        };
        self.incoming.clear();
        match (self.hub)(seen) {
            Reply::Answer(status, body) => self.answer(status, "", &body),
            Reply::AnswerAndClose(status) => self.answer(status, "Connection: close\r\n", ""),
            Reply::Close => self.closed = true,
            Reply::Silence => {}
        }
    }

    fn answer(&mut self, status: u16, header: &str, body: &str) {
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\n{header}Content-Length: {length}\r\n\r\n{body}");
        self.outgoing.extend(answer.into_bytes());
    }
}

impl<F> ErrorType for Line<F> {
    type Error = Infallible;
}

impl<F: FnMut(Seen) -> Reply> Read for Line<F> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        if self.outgoing.is_empty() && !self.closed {
            core::future::pending::<()>().await;
        }
        let count = out.len().min(self.outgoing.len());
        out.iter_mut().zip(self.outgoing.drain(..count)).for_each(|(to, from)| *to = from);
        Ok(count)
    }
}

impl<F: FnMut(Seen) -> Reply> Write for Line<F> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.incoming.extend_from_slice(bytes);
        self.receive();
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A device without sensor or network: what the uplink sees of it.
struct Bench<'a> {
    config: &'a Config,
    clock: ManualClock,
    notebook: &'a Notebook,
    shared: Shared<'a, Notebook, 8>,
}

impl<'a> Bench<'a> {
    fn new(config: &'a Config, notebook: &'a Notebook) -> Self {
        let shared = Shared::new(&config.id, notebook, None);
        Bench { config, clock: ManualClock::default(), notebook, shared }
    }

    fn measure(&self, celsius_milli: i32) {
        self.shared.push(self.clock_now(), celsius_milli);
    }

    fn clock_now(&self) -> Instant {
        self.clock.now()
    }

    /// One connection, for ten seconds at most: how it ended, if it did.
    fn connect(&self, hub: impl FnMut(Seen) -> Reply) -> Option<End> {
        let mut dial = Once(Some(Line::to(hub)));
        let mut buffer = [0; 512];
        let uplink = self.uplink();
        let connect = pin!(uplink.connect(&mut dial, &mut buffer));
        self.run_for(Duration::from_secs(10), connect)
    }

    fn uplink(&self) -> Uplink<'_, Fixed, ManualClock, Notebook, 8> {
        Uplink { config: self.config, clock: &self.clock, shared: &self.shared }
    }

    fn run_for<F: Future>(&self, time: Duration, future: Pin<&mut F>) -> Option<F::Output> {
        run_until(&self.clock, self.clock_now() + time, future)
    }

    fn acknowledged(&self) -> Vec<u64> {
        self.notebook.flowed(metrics::FLOW_ACKNOWLEDGED)
    }
}

/// Opens one connection.
struct Once<S>(Option<S>);

impl<S: Read + Write> Dial for Once<S> {
    type Stream = S;

    async fn dial(&mut self) -> Option<S> {
        self.0.take()
    }

    fn abort(&mut self, _: S) {}
}

/// A hub that is down, and the instants at which it was called.
struct Dead<'a> {
    clock: &'a ManualClock,
    called_at: Vec<Instant>,
    /// Whether calls are refused, or not even answered.
    refuses: bool,
}

impl Dial for Dead<'_> {
    type Stream = Line<fn(Seen) -> Reply>;

    async fn dial(&mut self) -> Option<Self::Stream> {
        self.called_at.push(self.clock.now());
        if !self.refuses {
            core::future::pending::<()>().await;
        }
        None
    }

    fn abort(&mut self, _: Self::Stream) {}
}

fn known(last: u64) -> Reply {
    Reply::Answer(200, format!(r#"{{"device":"thermostat-1","last_sequence":{last}}}"#))
}

fn status(status: u16) -> Reply {
    Reply::Answer(status, String::new())
}

#[test]
fn the_numbering_is_asked_for_and_readings_follow_in_order() {
    let (config, notebook) = (config(), Notebook::default());
    let bench = Bench::new(&config, &notebook);
    bench.measure(21_000);
    bench.measure(-500);
    let mut requests = Vec::new();
    let end = bench.connect(|seen| {
        requests.push(seen.clone());
        if seen.is_get() { known(41) } else { status(201) }
    });
    assert_eq!(end, None, "the connection stays open");
    assert_eq!(requests.len(), 3);
    assert!(requests[0].is_get());
    assert_eq!(requests[1].line, "POST /readings HTTP/1.1");
    assert_eq!(requests[1].body, r#"{"device":"thermostat-1","sequence":42,"celsius_milli":21000,"at_ms":0}"#);
    assert!(requests[2].body.contains(r#""sequence":43,"celsius_milli":-500"#));
    assert_eq!(notebook.flowed(metrics::FLOW_TAKEN), [42, 43]);
    assert_eq!(bench.acknowledged(), [42, 43]);
    assert_eq!(notebook.counted(metrics::READINGS_TAKEN), 2);
    assert_eq!(notebook.counted(metrics::READINGS_ACKNOWLEDGED), 2);
    assert_eq!(notebook.counted(metrics::POSTS_SENT), 2);
    assert_eq!(notebook.gauged(metrics::BACKLOG), Some(0));
}

#[test]
fn a_device_that_the_hub_does_not_know_begins_at_one() {
    let (config, notebook) = (config(), Notebook::default());
    let bench = Bench::new(&config, &notebook);
    bench.measure(0);
    bench.connect(|seen| status(if seen.is_get() { 404 } else { 201 }));
    assert_eq!(bench.acknowledged(), [1]);
}

#[test]
fn nothing_is_sent_before_the_numbering_is_known() {
    for reply in [|| status(500), || Reply::Answer(200, "{}".into()), || Reply::Close, || Reply::Silence] {
        let (config, notebook) = (config(), Notebook::default());
        let bench = Bench::new(&config, &notebook);
        bench.measure(0);
        assert_eq!(bench.connect(|_| reply()), Some(End::Failed));
        assert_eq!(notebook.counted(metrics::POSTS_SENT), 0);
        assert_eq!(notebook.flowed(metrics::FLOW_TAKEN), []);
        bench.connect(|seen| if seen.is_get() { known(7) } else { status(201) });
        assert_eq!(bench.acknowledged(), [8]);
    }
}

#[test]
fn a_reading_whose_answer_was_lost_is_sent_again_under_its_number() {
    let (config, notebook) = (config(), Notebook::default());
    let bench = Bench::new(&config, &notebook);
    bench.measure(1);
    bench.measure(2);
    let mut bodies = Vec::new();
    let end = bench.connect(|seen| {
        if seen.is_get() {
            return known(0);
        }
        bodies.push(seen.body);
        Reply::Silence
    });
    assert_eq!(end, Some(End::FailedAfterService));
    assert_eq!(bench.clock_now(), Instant::ZERO + config.exchange_timeout);
    assert_eq!(notebook.counted(metrics::POSTS_FAILED), 1);
    bench.connect(|seen| {
        let again = seen.body == bodies[0];
        bodies.push(seen.body);
        status(if again { 200 } else { 201 })
    });
    assert_eq!(bodies.len(), 3);
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bench.acknowledged(), [1, 2]);
}

#[test]
fn a_connection_that_the_hub_closes_between_requests_is_no_failure() {
    let (config, notebook) = (config(), Notebook::default());
    let bench = Bench::new(&config, &notebook);
    bench.measure(1);
    let polite = bench.connect(|seen| if seen.is_get() { known(0) } else { Reply::AnswerAndClose(201) });
    assert_eq!(polite, Some(End::Closed));
    bench.measure(2);
    let mut answers = [status(201), Reply::Close].into_iter();
    bench.measure(3);
    let abrupt = bench.connect(|_| answers.next().expect("two requests"));
    assert_eq!(abrupt, Some(End::Closed));
    assert_eq!(bench.acknowledged(), [1, 2]);
    assert_eq!(bench.connect(|_| status(201)), None);
    assert_eq!(bench.acknowledged(), [1, 2, 3]);
}

#[test]
fn trouble_at_the_hub_keeps_the_reading() {
    for code in [400, 404, 408, 429, 500, 503] {
        let (config, notebook) = (config(), Notebook::default());
        let bench = Bench::new(&config, &notebook);
        bench.measure(1);
        bench.connect(|seen| if seen.is_get() { known(0) } else { status(code) });
        assert_eq!(bench.connect(|_| status(code)), Some(End::Failed));
        assert_eq!(notebook.counted(metrics::POSTS_FAILED), 2);
        bench.connect(|_| status(200));
        assert_eq!(bench.acknowledged(), [1], "after {code}");
    }
}

#[test]
fn a_reading_that_is_refused_for_good_is_set_aside() {
    let (config, notebook) = (config(), Notebook::default());
    let bench = Bench::new(&config, &notebook);
    bench.measure(1);
    bench.measure(2);
    bench.connect(|seen| match seen.is_get() {
        true => known(0),
        false => status(if seen.body.contains(r#""sequence":1,"#) { 422 } else { 201 }),
    });
    assert_eq!(bench.acknowledged(), [2]);
    assert_eq!(notebook.counted(metrics::READINGS_REJECTED), 1);
    assert_eq!(notebook.gauged(metrics::BACKLOG), Some(0));
}

#[test]
fn a_number_that_is_taken_is_never_taken_for_ours() {
    // 409, or the claim to have had a reading already that was never sent before.
    for claim in [409, 200] {
        let (config, notebook) = (config(), Notebook::default());
        let bench = Bench::new(&config, &notebook);
        bench.measure(1);
        bench.measure(2);
        let mut last = 4;
        let mut posts = Vec::new();
        bench.connect(|seen| {
            if seen.is_get() {
                return known(last);
            }
            posts.push(seen.body.clone());
            last = 5;
            status(if seen.body.contains(r#""sequence":5,"#) { claim } else { 201 })
        });
        assert_eq!(bench.acknowledged(), [7], "after {claim}");
        assert_eq!(posts.len(), 2);
        assert!(posts[1].contains(r#""celsius_milli":2"#), "{}", posts[1]);
        assert_eq!(notebook.counted(metrics::READINGS_REJECTED), 1);
    }
}

#[test]
fn a_hub_that_is_down_is_called_ever_more_rarely() {
    let mut config = config();
    config.backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(10) };
    for (refuses, called_at_s) in [(true, [1, 2, 4, 8, 16, 26, 36]), (false, [1, 7, 14, 23, 36, 51, 66])] {
        let notebook = Notebook::default();
        let bench = Bench::new(&config, &notebook);
        let uplink = bench.uplink();
        let mut dial = Dead { clock: &bench.clock, called_at: Vec::new(), refuses };
        let (mut rng, mut buffer) = (Words::new(&[u32::MAX]), [0; 512]);
        let run = Box::pin(uplink.run(&mut dial, &mut rng, &mut buffer));
        let seconds = if refuses { 37 } else { 67 };
        bench.run_for(Duration::from_secs(seconds), pin!(run));
        assert_eq!(dial.called_at, called_at_s.map(Instant::from_secs));
        let failed = if refuses { 7 } else { 6 };
        assert_eq!(notebook.counted(metrics::CONNECTS_FAILED), failed);
    }
}
