//! Asking whether a station is there.

use core::{fmt, future::poll_fn, net::IpAddr};

use super::Unreachable;
use crate::{
    engine::ECHO_HEADER,
    ip::{SocketAddr, spoken, told},
    stack::Stack,
    time::{Clock, Duration, Instant, timeout},
    udp::{self, Options},
};

/// The longest payload of an echo request sent here.
pub const PAYLOAD_MAX: usize = 64;

/// Asks stations whether they are there. Takes one of the stack's slots for UDP sockets.
pub struct Pinger<'r> {
    stack: Stack<'r>,
    at: u32,
    sequence: u16,
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer came in time.
    #[error("no answer")]
    TimedOut,
    /// The network said why there is none; `by` is who said so.
    #[error("{why}, says {by}")]
    Unreachable {
        /// The router or station that said so.
        by: IpAddr,
        /// What it said.
        why: Unreachable,
    },
    /// It could not be asked.
    #[error("{0}")]
    NotSent(#[from] udp::Error),
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Who answered.
    pub from: IpAddr,
    /// From asking to hearing the answer.
    pub round_trip: Duration,
    /// The request's sequence number.
    pub sequence: u16,
}

impl<'r> Pinger<'r> {
    /// A pinger with an identifier of its own.
    ///
    /// # Errors
    /// [`udp::Error::Full`] if every slot for a socket is taken.
    pub fn new(stack: &Stack<'r>) -> Result<Self, udp::Error> {
        let mut options = Options::default();
        (options.datagrams, options.receive_bytes, options.send_bytes) = (4, 512, 256);
        options.errors = true;
        let at = stack.with(|core| core.bind_echo(&options))?;
        Ok(Self { stack: stack.clone(), at, sequence: 0 })
    }

    /// How many routers the requests may pass: for finding out which there are.
    pub fn set_hop_limit(&mut self, hops: u8) {
        self.stack.with(|core| core.set_hop_limit(self.at, hops));
    }

    /// Asks `to` once, with `len` bytes of payload, at most [`PAYLOAD_MAX`], and waits for the answer at most
    /// `patience`. Answers to earlier requests are let go by.
    ///
    /// # Errors
    /// [`Error`] says why there is no answer.
    pub async fn ping<C: Clock + ?Sized>(
        &mut self,
        clock: &C,
        to: IpAddr,
        len: usize,
        patience: Duration,
    ) -> Result<Reply, Error> {
        let to = spoken(to).ok_or(udp::Error::NoRoute)?;
        self.sequence = self.sequence.wrapping_add(1);
        let (sequence, at) = (self.sequence, self.at);
        let mut message = [0; ECHO_HEADER + PAYLOAD_MAX];
        let message = &mut message[..ECHO_HEADER + len.min(PAYLOAD_MAX)];
        self.stack.with(|core| core.echo_header(at, to, sequence, message));
        for (i, byte) in message[ECHO_HEADER..].iter_mut().enumerate() {
            *byte = i as u8;
        }
        // What was said about earlier requests is no answer to this one.
        self.stack.with(|core| core.take_trouble(at));
        let asked = clock.now();
        let to = SocketAddr::new(to, 0);
        poll_fn(|cx| {
            self.stack.poll_in_place(|core, replaced| core.poll_send(at, message, to, None, cx.waker(), replaced))
        })
        .await
        .map_err(crate::udp::Error::from)?;
        timeout(clock, patience, self.answer(clock, asked, message)).await.unwrap_or(Err(Error::TimedOut))
    }

    async fn answer<C: Clock + ?Sized>(&self, clock: &C, asked: Instant, request: &[u8]) -> Result<Reply, Error> {
        loop {
            let heard = poll_fn(|cx| {
                self.stack.poll_in_place(|core, replaced| {
                    core.poll_echo(
                        self.at,
                        |reply, about| (reply.get(6..) == request.get(6..)).then_some(about.remote.ip()),
                        cx.waker(),
                        replaced,
                    )
                })
            })
            .await;
            match heard {
                Ok(Some(from)) => {
                    let round_trip = clock.now() - asked;
                    return Ok(Reply { from: told(from), round_trip, sequence: self.sequence });
                }
                Ok(None) => {}
                Err((by, why)) => return Err(Error::Unreachable { by: told(by), why }),
            }
        }
    }
}

impl Drop for Pinger<'_> {
    fn drop(&mut self) {
        let unheard = self.stack.with(|core| core.unbind(self.at));
        drop(unheard);
    }
}

impl fmt::Debug for Pinger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinger").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}
