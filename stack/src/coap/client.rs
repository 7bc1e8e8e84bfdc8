//! Asking.

use core::{fmt, future::poll_fn, net::SocketAddr};

use rand_core::Rng;

use super::{
    BLOCK_BYTES, DATAGRAM_MAX, hash,
    message::{Block, Code, Kind, Message, OptionNumber, Token, Writer},
};
use crate::{
    draw::between,
    stack::Stack,
    time::{Clock, Duration, Instant, sleep, timeout},
    udp,
};

/// For how many seconds a response holds that does not say so (RFC 7252, section 5.10.5).
const MAX_AGE_SECS: u32 = 60;
/// A notification that is this old is fresh whatever its number (RFC 7641, section 3.4).
const REORDERING: Duration = Duration::from_secs(128);

/// How a client behaves: the RFC's transmission parameters (RFC 7252, section 4.8).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The shortest first wait for an acknowledgement; the longest is half as long again. Default: 2 s.
    pub ack_timeout: Duration,
    /// How often a message is sent again, each wait twice the one before. Default: 4.
    pub max_retransmit: u8,
    /// How long to wait for a response that was promised by an acknowledgement. Default: 60 s.
    pub patience: Duration,
    /// Payloads longer than this go in blocks of this size (RFC 7959): a power of two from 16 to [`BLOCK_BYTES`], which is the
    /// default; anything else counts as the next one below, or as 16. So a socket needs no more room than for one of them.
    pub block_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        let (ack_timeout, patience) = (Duration::from_secs(2), Duration::from_secs(60));
        Self { ack_timeout, max_retransmit: 4, patience, block_bytes: BLOCK_BYTES }
    }
}

/// What to do with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read it.
    Get,
    /// Have it process what is sent.
    Post,
    /// Replace it.
    Put,
    /// Remove it.
    Delete,
}

impl Method {
    const fn code(self) -> Code {
        match self {
            Method::Get => Code::GET,
            Method::Post => Code::POST,
            Method::Put => Code::PUT,
            Method::Delete => Code::DELETE,
        }
    }
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What to do.
    pub method: Method,
    /// With what, its segments between slashes.
    pub path: &'a str,
    /// The format of the payload (RFC 7252, section 12.3): 0 is text, 50 JSON.
    pub format: Option<u16>,
    /// What is sent; in blocks if it is long.
    pub payload: &'a [u8],
}

impl<'a> Request<'a> {
    /// To read what is there.
    pub const fn get(path: &'a str) -> Self {
        Self { method: Method::Get, path, format: None, payload: &[] }
    }

    /// To have that processed.
    pub const fn post(path: &'a str, format: u16, payload: &'a [u8]) -> Self {
        Self { method: Method::Post, path, format: Some(format), payload }
    }

    /// To put that in its place.
    pub const fn put(path: &'a str, format: u16, payload: &'a [u8]) -> Self {
        Self { method: Method::Put, path, format: Some(format), payload }
    }
}

/// What came back; what it carries is in the buffer that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// How it went.
    pub code: Code,
    /// How many bytes of the buffer it fills.
    pub len: usize,
    /// Their format, if it is told.
    pub format: Option<u16>,
    /// For how long it may be taken for what is so (Max-Age, RFC 7252, section 5.10.5): a minute, if it is not told. From a
    /// resource that is observed something newer comes by then (RFC 7641, section 3.3.1).
    pub max_age: Duration,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody acknowledged, or nobody answered afterwards.
    #[error("no answer")]
    TimedOut,
    /// The server could make no sense of the request.
    #[error("the request was rejected")]
    Reset,
    /// The request, or its answer, is longer than the buffer for it.
    #[error("too long")]
    TooLong,
    /// The blocks do not fit together: the resource changed meanwhile, for example.
    #[error("the blocks do not fit together")]
    Blocks,
    /// The resource cannot be observed.
    #[error("the resource cannot be observed")]
    NotObservable,
    /// It could not be sent, or the network says that it did not arrive.
    #[error("{0}")]
    NotSent(#[from] udp::Error),
}

/// A client: one request at a time. Takes one UDP socket.
pub struct Client<'r, C, R> {
    socket: udp::Socket<'r>,
    clock: C,
    rng: R,
    options: Options,
    next_id: u16,
}

/// What one exchange brings: the response's head, its block and observe options.
#[derive(Clone, Copy)]
struct Head {
    response: Response,
    block1: Option<Block>,
    block2: Option<Block>,
    observe: Option<u32>,
    /// A hash of what names the state of what is asked for (ETag); 0 if nothing does.
    tag: u32,
}

/// A resource that tells when it changes.
#[derive(Clone, Debug)]
pub struct Observation {
    server: SocketAddr,
    token: Token,
    last: (u32, Instant),
}

impl<'r, C: Clock, R: Rng> Client<'r, C, R> {
    /// A client with a port of its own.
    ///
    /// # Errors
    /// If no slot for a socket is free.
    pub fn new(stack: &Stack<'r>, clock: C, mut rng: R, options: Options) -> Result<Self, udp::Error> {
        let mut sizes = udp::Options::default();
        (sizes.datagrams, sizes.receive_bytes, sizes.send_bytes) = (4, 2 * 1_280, 2 * DATAGRAM_MAX);
        sizes.errors = true;
        let socket = udp::Socket::bind(stack, 0, sizes)?;
        let next_id = rng.next_u32() as u16;
        Ok(Self { socket, clock, rng, options, next_id })
    }

    /// Sends a request, and waits for its response, which is put together in `buffer`.
    ///
    /// Dropping the future gives up; the server may have done what was asked.
    ///
    /// # Errors
    /// [`Error`]. A response that says that it went wrong is a response, not an error.
    pub async fn request(
        &mut self,
        server: SocketAddr,
        request: &Request<'_>,
        buffer: &mut [u8],
    ) -> Result<Response, Error> {
        let token = self.token();
        let head = self.upload(server, request, &token, None, buffer).await?;
        self.download(server, request, &token, head, buffer).await
    }

    /// Reads a resource, and asks to be told when it changes (RFC 7641, section 3.1).
    ///
    /// # Errors
    /// [`Error::NotObservable`] if the server only answers; then `buffer` has what it said.
    pub async fn observe(
        &mut self,
        server: SocketAddr,
        path: &str,
        buffer: &mut [u8],
    ) -> Result<(Observation, Response), Error> {
        let (token, request) = (self.token(), Request::get(path));
        let head = self.upload(server, &request, &token, Some(0), buffer).await?;
        let observe = head.observe.filter(|_| head.response.code.is_success()).ok_or(Error::NotObservable)?;
        let last = (observe, self.clock.now());
        let response = self.download(server, &request, &token, head, buffer).await?;
        Ok((Observation { server, token, last }, response))
    }

    /// Waits for the next news of a resource. Dropping the future loses none but those that a newer one replaces.
    ///
    /// A resource that says nothing for longer than its news may be kept ([`Response::max_age`]) may have forgotten us: observe it
    /// again.
    ///
    /// # Errors
    /// [`Error::TooLong`] if what came is longer than `buffer` or comes in blocks; [`Error::NotSent`].
    pub async fn next(&mut self, observation: &mut Observation, buffer: &mut [u8]) -> Result<Response, Error> {
        loop {
            let heard = self.hear(observation.server, &observation.token, None, buffer).await?;
            let Heard::Response { head, acknowledge } = heard else {
                continue;
            };
            if let Some(id) = acknowledge {
                self.send_empty(observation.server, Kind::Acknowledgement, id).await?;
            }
            let now = self.clock.now();
            match head.observe {
                Some(number) if !is_newer(number, observation.last, now) => continue,
                Some(number) => observation.last = (number, now),
                // The resource is gone, or is not observed any more: that is news as well.
                None => {}
            }
            if head.block2.is_some_and(|block| block.more) {
                return Err(Error::TooLong);
            }
            return Ok(head.response);
        }
    }

    /// Asks to be told no more (RFC 7641, section 3.6).
    ///
    /// # Errors
    /// [`Error`].
    pub async fn forget(&mut self, observation: Observation, path: &str, buffer: &mut [u8]) -> Result<(), Error> {
        let Observation { server, token, .. } = observation;
        self.upload(server, &Request::get(path), &token, Some(1), buffer).await.map(drop)
    }

    fn token(&mut self) -> Token {
        // As hard to guess as a port and a message id cannot be (RFC 7252, section 5.3.1).
        self.rng.next_u64().to_be_bytes()[..4].iter().copied().collect()
    }

    /// Sends a request with its payload, block by block if it is long (RFC 7959, section 2.5). Answers with the first
    /// block of the response, which is in `buffer`.
    async fn upload(
        &mut self,
        server: SocketAddr,
        request: &Request<'_>,
        token: &Token,
        observe: Option<u32>,
        buffer: &mut [u8],
    ) -> Result<Head, Error> {
        let mut size = 1 << self.options.block_bytes.clamp(16, BLOCK_BYTES).ilog2();
        if request.payload.len() <= size {
            return self.exchange(server, request, token, observe, (None, None), request.payload, buffer).await;
        }
        let mut sent = 0;
        loop {
            let end = (sent + size).min(request.payload.len());
            let block = Block { number: (sent / size) as u32, more: end < request.payload.len(), size };
            let chunk = &request.payload[sent..end];
            let head = self.exchange(server, request, token, observe, (Some(block), None), chunk, buffer).await?;
            let shorter = head.block1.map_or(size, |wanted| wanted.size.min(size));
            let refused = head.response.code == Code::TOO_LARGE && sent == 0 && shorter < size;
            if !refused && (!block.more || head.response.code != Code::CONTINUE) {
                return Ok(head);
            }
            // The server may want shorter ones from here on, or have said that only such would do (section 2.9.3).
            sent = if refused { 0 } else { end };
            size = shorter;
        }
    }

    /// Asks for what the first block left over (RFC 7959, section 2.4).
    async fn download(
        &mut self,
        server: SocketAddr,
        request: &Request<'_>,
        token: &Token,
        first: Head,
        buffer: &mut [u8],
    ) -> Result<Response, Error> {
        let (mut response, mut block, tag) = (first.response, first.block2, first.tag);
        while let Some(known) = block.filter(|known| known.more) {
            if response.len != known.start() + known.size {
                return Err(Error::Blocks);
            }
            let next = Block { number: known.number + 1, more: false, size: known.size };
            let rest = buffer.get_mut(response.len..).ok_or(Error::TooLong)?;
            let head = self.exchange(server, request, token, None, (None, Some(next)), &[], rest).await?;
            let same = head.tag == tag || head.tag == 0 || tag == 0;
            let fits = same && head.block2.is_some_and(|got| (got.number, got.size) == (next.number, next.size));
            if head.response.code != response.code || !fits {
                return Err(Error::Blocks);
            }
            response.len += head.response.len;
            block = head.block2;
        }
        Ok(response)
    }

    /// One request, sent until it is acknowledged, and its response (RFC 7252, sections 4.2 and 5.2).
    #[expect(clippy::too_many_arguments, reason = "what a request is made of")]
    async fn exchange(
        &mut self,
        server: SocketAddr,
        request: &Request<'_>,
        token: &Token,
        observe: Option<u32>,
        (block1, block2): (Option<Block>, Option<Block>),
        payload: &[u8],
        buffer: &mut [u8],
    ) -> Result<Head, Error> {
        self.next_id = self.next_id.wrapping_add(1);
        let id = self.next_id;
        let write = |datagram: &mut [u8]| {
            let mut writer = Writer::new(datagram, Kind::Confirmable, request.method.code(), id, token);
            if let Some(observe) = observe {
                writer = writer.number(OptionNumber::Observe, observe);
            }
            writer = writer.path(request.path);
            if let Some(format) = request.format {
                writer = writer.number(OptionNumber::ContentFormat, format.into());
            }
            for (number, block) in [(OptionNumber::Block2, block2), (OptionNumber::Block1, block1)] {
                if let Some(block) = block {
                    writer = writer.number(number, block.value());
                }
            }
            writer.payload(payload).ok_or(Error::TooLong)
        };
        // What a router said about an earlier request is no answer to this one.
        let mut wait = between(&mut self.rng, self.options.ack_timeout, self.options.ack_timeout * 3 / 2);
        for _ in 0..=self.options.max_retransmit {
            // Written anew each time: while the answer is waited for, nobody has to keep it.
            poll_fn(|cx| {
                let mut datagram = [0; DATAGRAM_MAX];
                let len = write(&mut datagram)?;
                self.socket.poll_send_to(cx, &datagram[..len], server).map_err(Error::from)
            })
            .await?;
            match timeout(&self.clock, wait, self.hear(server, token, Some(id), buffer)).await {
                Ok(Ok(Heard::Response { head, acknowledge })) => {
                    if let Some(id) = acknowledge {
                        self.send_empty(server, Kind::Acknowledgement, id).await?;
                    }
                    return Ok(head);
                }
                Ok(Ok(Heard::Acknowledged)) => return self.promised(server, token, buffer).await,
                Ok(Err(error)) => return Err(error),
                Err(_) => wait *= 2,
            }
        }
        Err(Error::TimedOut)
    }

    /// Waits for a response that was promised by an empty acknowledgement.
    async fn promised(&mut self, server: SocketAddr, token: &Token, buffer: &mut [u8]) -> Result<Head, Error> {
        let until = self.clock.now() + self.options.patience;
        loop {
            let left = until - self.clock.now();
            match timeout(&self.clock, left, self.hear(server, token, None, buffer)).await {
                Ok(Ok(Heard::Response { head, acknowledge })) => {
                    if let Some(id) = acknowledge {
                        self.send_empty(server, Kind::Acknowledgement, id).await?;
                    }
                    return Ok(head);
                }
                Ok(Ok(Heard::Acknowledged)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(Error::TimedOut),
            }
        }
    }

    /// Waits for something about the request with that token, or that id. Other confirmable messages are rejected.
    async fn hear(
        &self,
        server: SocketAddr,
        token: &Token,
        id: Option<u16>,
        buffer: &mut [u8],
    ) -> Result<Heard, Error> {
        loop {
            let heard = poll_fn(|cx| {
                self.socket.poll_recv_noting(cx, |bytes, arrival| {
                    let message = Message::parse(bytes).ok().filter(|_| arrival.remote == server)?;
                    Some(sort(&message, token, id, buffer))
                })
            })
            .await?;
            match heard {
                Some(Sorted::Heard(heard)) => return heard,
                Some(Sorted::Reject(id)) => self.send_empty(server, Kind::Reset, id).await?,
                Some(Sorted::Ignore) | None => {}
            }
        }
    }

    async fn send_empty(&self, server: SocketAddr, kind: Kind, id: u16) -> Result<(), Error> {
        let mut datagram = [0; 4];
        let len = Writer::new(&mut datagram, kind, Code::EMPTY, id, &[]).payload(&[]).unwrap_or(0);
        Ok(self.socket.send_to(&datagram[..len], server).await?)
    }

    /// Lets time pass, by the client's clock.
    pub async fn pause(&self, duration: Duration) {
        sleep(&self.clock, duration).await;
    }
}

enum Heard {
    Response {
        head: Head,
        /// The message that wants to be acknowledged.
        acknowledge: Option<u16>,
    },
    Acknowledged,
}

enum Sorted {
    Heard(Result<Heard, Error>),
    Reject(u16),
    Ignore,
}

/// What a message is to whoever waits for an answer to that token and id; its payload goes into `buffer`.
fn sort(message: &Message<'_>, token: &Token, id: Option<u16>, buffer: &mut [u8]) -> Sorted {
    let about_it = id == Some(message.id);
    match message.kind {
        Kind::Reset if about_it => Sorted::Heard(Err(Error::Reset)),
        Kind::Acknowledgement if about_it && message.code == Code::EMPTY => Sorted::Heard(Ok(Heard::Acknowledged)),
        Kind::Reset => Sorted::Ignore,
        Kind::Acknowledgement if !about_it => Sorted::Ignore,
        _ if message.token == *token && !message.code.is_request() && message.code != Code::EMPTY => {
            let Some(place) = buffer.get_mut(..message.payload.len()) else {
                return Sorted::Heard(Err(Error::TooLong));
            };
            place.copy_from_slice(message.payload);
            let format = message.number(OptionNumber::ContentFormat).and_then(|format| format.try_into().ok());
            let max_age = Duration::from_secs(message.number(OptionNumber::MaxAge).unwrap_or(MAX_AGE_SECS).into());
            let tag = message.all(OptionNumber::ETag).next().map_or(0, |tag| hash(tag).max(1));
            let head = Head {
                response: Response { code: message.code, len: message.payload.len(), format, max_age },
                tag,
                block1: message.block(OptionNumber::Block1),
                block2: message.block(OptionNumber::Block2),
                observe: message.number(OptionNumber::Observe),
            };
            let acknowledge = (message.kind == Kind::Confirmable).then_some(message.id);
            Sorted::Heard(Ok(Heard::Response { head, acknowledge }))
        }
        Kind::Confirmable | Kind::NonConfirmable => Sorted::Reject(message.id),
        Kind::Acknowledgement => Sorted::Ignore,
    }
}

/// Whether a notification with that number came after the last one (RFC 7641, section 3.4).
fn is_newer(number: u32, (last, heard_at): (u32, Instant), now: Instant) -> bool {
    const HALF: u32 = 1 << 23;
    (last < number && number - last < HALF) || (last > number && last - number > HALF) || now > heard_at + REORDERING
}

impl<C, R> fmt::Debug for Client<'_, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_news_go_around() {
        let at = Instant::from_secs;
        assert!(is_newer(8, (7, at(0)), at(1)));
        assert!(!is_newer(7, (7, at(0)), at(1)));
        assert!(!is_newer(6, (7, at(0)), at(1)));
        assert!(is_newer(6, (7, at(0)), at(129)));
        assert!(is_newer(1, ((1 << 24) - 2, at(0)), at(1)));
        assert!(!is_newer((1 << 24) - 2, (1, at(0)), at(1)));
    }
}
