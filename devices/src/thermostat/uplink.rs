//! Brings the readings to the hub, one POST at a time, over a connection that is kept open.
//!
//! Whatever goes wrong, the connection is dropped and opened again after a [`Backoff`](crate::Backoff)
//! that grows until something goes right. A reading leaves the backlog by the hub's word alone.

use core::convert::Infallible;
use core::fmt::{Display, Write as _};
use core::pin::pin;

use embedded_io_async::{Read, Write};
use heapless::String;
use rand_core::Rng;
use wavetank_stack::http::{BodyError, Connection, Request, SendError};
use wavetank_stack::time::{sleep, timeout};
use wavetank_stack::{Clock, Probe};

use super::reading::{self, JSON_MAX, Reading, Sequence};
use super::shared::{Errand, Shared};
use super::{Config, metrics};
use crate::DeviceId;

/// Room for the hub's answer about this device.
const ANSWER_MAX: usize = 256;
/// `/devices/` and an id.
const TARGET_MAX: usize = 9 + DeviceId::LEN_MAX;
/// An IPv6 address in brackets, a scope and a port; or a name and a port, if it is not a very long one.
const HOST_MAX: usize = 64;

/// How the uplink comes by its streams.
pub(super) trait Dial {
    /// A connection to the hub.
    type Stream: Read + Write;

    /// Opens one; `None` if that fails. The caller sees to the time it takes.
    async fn dial(&mut self) -> Option<Self::Stream>;

    /// Cuts one off, without waiting for anything that it has not delivered.
    fn abort(&mut self, stream: Self::Stream);
}

/// How a connection to the hub ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It served, and then either side closed it as HTTP allows: open another at once.
    Closed,
    /// Something is wrong after it served: the next wait is short.
    FailedAfterService,
    /// It never served: waits grow.
    Failed,
}

/// Why an exchange brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setback {
    /// The stream ended or failed before an answer began.
    Gone,
    /// Anything else.
    Refused,
}

impl<E> From<SendError<E>> for Setback {
    fn from(error: SendError<E>) -> Self {
        match error {
            SendError::Closed | SendError::Io(_) => Setback::Gone,
            _ => Setback::Refused,
        }
    }
}

impl<E> From<BodyError<E>> for Setback {
    fn from(_: BodyError<E>) -> Self {
        Setback::Refused
    }
}

/// What the uplink works with, all of it borrowed from the device.
pub(super) struct Uplink<'a, H, C, P, const N: usize> {
    pub(super) config: &'a Config<H>,
    pub(super) clock: &'a C,
    pub(super) shared: &'a Shared<'a, P, N>,
}

impl<H: Display, C: Clock, P: Probe, const N: usize> Uplink<'_, H, C, P, N> {
    /// Keeps the hub told, for ever.
    pub(super) async fn run(&self, dial: &mut impl Dial, rng: &mut impl Rng, buffer: &mut [u8]) -> Infallible {
        // Devices that got their power back together need not ask all at once.
        self.pause(0, rng).await;
        let mut failures = 0;
        loop {
            // Nothing is opened before there is something to say.
            let _errand = self.shared.errand().await;
            let end = self.connect(dial, buffer).await;
            self.shared.reached(end == End::Closed);
            match end {
                End::Closed => failures = 0,
                End::FailedAfterService => {
                    self.pause(0, rng).await;
                    failures = 1;
                }
                End::Failed => {
                    self.pause(failures, rng).await;
                    failures = failures.saturating_add(1);
                }
            }
        }
    }

    async fn pause(&self, failures: u32, rng: &mut impl Rng) {
        sleep(self.clock, self.config.backoff.delay(failures, rng)).await;
    }

    /// One connection, from its opening to its end.
    pub(super) async fn connect(&self, dial: &mut impl Dial, buffer: &mut [u8]) -> End {
        let opened = {
            let opening = pin!(dial.dial());
            timeout(self.clock, self.config.connect_timeout, opening).await
        };
        let Ok(Some(mut stream)) = opened else {
            self.shared.count(metrics::CONNECTS_FAILED);
            return End::Failed;
        };
        let end = self.serve(&mut stream, buffer).await;
        if end != End::Closed {
            dial.abort(stream);
        }
        end
    }

    /// Runs errands over one open stream until it is of no more use.
    async fn serve<S: Read + Write>(&self, stream: &mut S, buffer: &mut [u8]) -> End {
        let mut host = String::<HOST_MAX>::new();
        if write!(host, "{}", self.config.network).is_err() {
            host.clear();
        }
        let mut connection = Connection::new(stream, buffer);
        let mut served = false;
        loop {
            let errand = self.shared.errand().await;
            let outcome = {
                // Pinned here, because a future that is handed on by value is stored twice.
                let exchange = pin!(self.exchange(&mut connection, &host, errand));
                timeout(self.clock, self.config.exchange_timeout, exchange).await
            };
            match outcome.unwrap_or(Err(Setback::Refused)) {
                Ok(()) => {
                    served = true;
                    self.shared.reached(true);
                }
                Err(setback) => {
                    self.count_failure(errand);
                    return match setback {
                        Setback::Gone if served => End::Closed,
                        _ if served => End::FailedAfterService,
                        _ => End::Failed,
                    };
                }
            }
            if !connection.is_ready() {
                return End::Closed;
            }
        }
    }

    fn count_failure(&self, errand: Errand) {
        if matches!(errand, Errand::Post(..)) {
            self.shared.count(metrics::POSTS_FAILED);
        }
    }

    async fn exchange<S: Read + Write>(
        &self,
        connection: &mut Connection<'_, S>,
        host: &str,
        errand: Errand,
    ) -> Result<(), Setback> {
        match errand {
            Errand::AskNumbering => self.ask_numbering(connection, host).await,
            Errand::Post(sequence, reading) => self.post(connection, host, sequence, &reading).await,
        }
    }

    async fn ask_numbering<S: Read + Write>(
        &self,
        connection: &mut Connection<'_, S>,
        host: &str,
    ) -> Result<(), Setback> {
        // What is needed for the question alone is gone before the answer takes its room.
        let mut response = {
            let mut target = String::<TARGET_MAX>::new();
            write!(target, "/devices/{}", self.config.id).expect("there is room for any id");
            connection.send(&Request::get(&target, host)).await?
        };
        let last = match response.status() {
            200 => {
                let mut answer = [0; ANSWER_MAX];
                let answer = response.read_to_end(&mut answer).await?;
                reading::decode_last_sequence(answer).ok_or(Setback::Refused)?
            }
            404 => {
                response.drain().await?;
                0
            }
            _ => return Err(Setback::Refused),
        };
        self.shared.resume(last);
        Ok(())
    }

    async fn post<S: Read + Write>(
        &self,
        connection: &mut Connection<'_, S>,
        host: &str,
        sequence: Sequence,
        reading: &Reading,
    ) -> Result<(), Setback> {
        let mut response = {
            let mut body = [0; JSON_MAX];
            let body = reading::encode(self.config.id.as_str(), sequence, reading, &mut body)
                .expect("there is room for any reading");
            let request = Request::post("/readings", host, body).with_headers(&[("Content-Type", "application/json")]);
            self.shared.attempt();
            connection.send(&request).await?
        };
        match response.status() {
            201 => self.shared.acknowledge(sequence),
            200 if reading.attempted => self.shared.acknowledge(sequence),
            // "I have it already", of a reading that was never sent before: it is another one's number.
            200 | 409 => {
                self.shared.set_aside(sequence);
                self.shared.doubt_numbering();
            }
            422 => self.shared.set_aside(sequence),
            _ => return Err(Setback::Refused),
        }
        // The word is given; a body that breaks off costs the connection, which then says so itself.
        let _ = response.drain().await;
        Ok(())
    }
}
