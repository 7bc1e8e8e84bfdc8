//! Answering.

use core::{
    convert::Infallible,
    fmt,
    future::{Future, poll_fn, ready},
    net::SocketAddr,
    pin::pin,
    task::Poll,
};

use heapless::Vec;

use super::{
    BLOCK_BYTES, DATAGRAM_MAX, PORT,
    message::{Block, Code, Kind, Message, OptionNumber, Token, Writer},
};
use crate::{
    stack::Stack,
    time::{Clock, Duration, Instant, sleep_until},
    udp,
};

/// For how long a message id stays known (EXCHANGE_LIFETIME, RFC 7252, section 4.8.2).
const EXCHANGE_LIFETIME: Duration = Duration::from_secs(247);
/// How many answers are kept for requests that come again.
const RECENT: usize = 4;
/// How many can observe at a time.
const OBSERVERS: usize = 4;
/// How often a notification is sent before its observer is forgotten, and the first wait (section 4.8).
const NOTIFICATIONS: u8 = 5;
const ACK_TIMEOUT: Duration = Duration::from_secs(2);
/// The options that are understood, among those that must be.
const CRITICAL: [OptionNumber; 7] = [
    OptionNumber::UriHost,
    OptionNumber::UriPort,
    OptionNumber::UriPath,
    OptionNumber::UriQuery,
    OptionNumber::Accept,
    OptionNumber::Block2,
    OptionNumber::Block1,
];

/// What is asked of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// GET, POST, PUT or DELETE.
    pub method: Code,
    /// The request, for its path and other options.
    pub message: &'a Message<'a>,
    /// What was sent; whole, if it came in blocks.
    pub payload: &'a [u8],
    /// Who asks.
    pub remote: SocketAddr,
}

/// What a resource says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it went.
    pub code: Code,
    /// The format of what was written into the buffer.
    pub format: Option<u16>,
    /// How many bytes were written into the buffer.
    pub len: usize,
    /// Whether the resource may be observed: [`Resource::edition`] then tells of each change.
    pub observable: bool,
}

impl Answer {
    /// Just how it went.
    pub const fn just(code: Code) -> Self {
        Self { code, format: None, len: 0, observable: false }
    }
}

/// What a server serves.
pub trait Resource {
    /// Answers a request; what it carries is written into `buffer`, whole: it is cut into blocks elsewhere, and so
    /// a long one is asked for once for each of them.
    fn answer(&mut self, asked: &Asked<'_>, buffer: &mut [u8]) -> Answer;

    /// Which edition of the observable resources this is: whoever changes one changes this. At each change
    /// everybody who observes is told anew.
    fn edition(&self) -> u32 {
        0
    }

    /// Completes when an answer may leave: when all that has to be written down for it to be true is. [`serve`] waits for
    /// it before each.
    fn settle(&mut self) -> impl Future<Output = ()> {
        ready(())
    }
}

struct Recent {
    remote: SocketAddr,
    id: u16,
    until: Instant,
    reply: Vec<u8, DATAGRAM_MAX>,
}

struct Observer {
    remote: SocketAddr,
    token: Token,
    /// Its request, to be answered anew.
    request: Vec<u8, 64>,
    /// The notification that it has not acknowledged: its id, how often it was sent, when it is sent again.
    pending: Option<(u16, u8, Instant)>,
    edition: u32,
}

/// A server, told the time and handed datagrams.
///
/// `BODY` is the longest representation, either way.
pub struct Server<H, const BODY: usize> {
    resource: H,
    recent: Vec<Recent, RECENT>,
    observers: Vec<Observer, OBSERVERS>,
    /// What comes in blocks, from one client at a time, and until when it is waited for.
    upload: Option<(SocketAddr, Instant)>,
    uploaded: Vec<u8, BODY>,
    body: [u8; BODY],
    next_id: u16,
    sequence: u32,
}

impl<H: Resource, const BODY: usize> Server<H, BODY> {
    /// A server. `seed` is where its message ids begin.
    pub fn new(resource: H, seed: u16) -> Self {
        Self {
            resource,
            recent: Vec::new(),
            observers: Vec::new(),
            upload: None,
            uploaded: Vec::new(),
            body: [0; BODY],
            next_id: seed,
            sequence: 1,
        }
    }

    /// What it serves.
    pub fn resource(&mut self) -> &mut H {
        &mut self.resource
    }

    /// How many observe.
    pub fn observers(&self) -> usize {
        self.observers.len()
    }

    /// Takes a datagram; the answer, if there is one, is written into `reply`, and has that length.
    pub fn handle(
        &mut self,
        bytes: &[u8],
        remote: SocketAddr,
        now: Instant,
        reply: &mut [u8; DATAGRAM_MAX],
    ) -> Option<usize> {
        let Ok(message) = Message::parse(bytes) else {
            // A confirmable message that cannot be read is rejected, if its id can be (section 4.2).
            let &[first, _, i0, i1, ..] = bytes else {
                return None;
            };
            let rejected = first >> 4 == 0b0100;
            return rejected.then(|| empty(reply, Kind::Reset, u16::from_be_bytes([i0, i1]))).flatten();
        };
        match message.kind {
            Kind::Acknowledgement => {
                let acknowledged = |observer: &&mut Observer| {
                    observer.remote == remote && observer.pending.is_some_and(|(id, ..)| id == message.id)
                };
                if let Some(observer) = self.observers.iter_mut().find(acknowledged) {
                    observer.pending = None;
                }
                return None;
            }
            Kind::Reset => {
                self.observers.retain(|observer| {
                    observer.remote != remote || observer.pending.is_none_or(|(id, ..)| id != message.id)
                });
                return None;
            }
            Kind::Confirmable | Kind::NonConfirmable => {}
        }
        if !message.code.is_request() {
            // An empty confirmable message is a ping.
            let confirmable = message.kind == Kind::Confirmable;
            return confirmable.then(|| empty(reply, Kind::Reset, message.id)).flatten();
        }
        self.recent.retain(|recent| now < recent.until);
        if let Some(known) = self.recent.iter().find(|known| known.remote == remote && known.id == message.id) {
            reply[..known.reply.len()].copy_from_slice(&known.reply);
            return Some(known.reply.len());
        }
        let len = self.answer(&message, bytes, remote, now, reply)?;
        if self.recent.is_full() {
            self.recent.remove(0);
        }
        let kept = reply[..len].iter().copied().collect();
        let _ = self.recent.push(Recent { remote, id: message.id, until: now + EXCHANGE_LIFETIME, reply: kept });
        Some(len)
    }

    fn answer(
        &mut self,
        message: &Message<'_>,
        bytes: &[u8],
        remote: SocketAddr,
        now: Instant,
        reply: &mut [u8; DATAGRAM_MAX],
    ) -> Option<usize> {
        let (kind, id) = match message.kind {
            Kind::Confirmable => (Kind::Acknowledgement, message.id),
            _ => (Kind::NonConfirmable, self.id()),
        };
        let begin = |reply, code| Writer::new(reply, kind, code, id, &message.token);
        if message.has_unknown_critical(&CRITICAL) {
            return begin(reply, Code::BAD_OPTION).payload(&[]);
        }
        let block1 = message.block(OptionNumber::Block1);
        match self.take_block(message, block1, remote, now) {
            Ok(true) => {}
            Ok(false) => {
                let value = block1.map_or(0, Block::value);
                return begin(reply, Code::CONTINUE).number(OptionNumber::Block1, value).payload(&[]);
            }
            Err(code) => return begin(reply, code).payload(&[]),
        }
        let payload = if block1.is_some() { &self.uploaded[..] } else { message.payload };
        let asked = Asked { method: message.code, message, payload, remote };
        let answer = self.resource.answer(&asked, &mut self.body);
        if block1.is_some() {
            self.upload = None;
        }
        let observe = self.register(message, bytes, remote, &answer);
        let wanted = message.block(OptionNumber::Block2);
        self.write(begin(reply, answer.code), &answer, observe, wanted, block1)
    }

    /// Takes a block of what is sent in several; answers whether that is all of it.
    fn take_block(
        &mut self,
        message: &Message<'_>,
        block: Option<Block>,
        remote: SocketAddr,
        now: Instant,
    ) -> Result<bool, Code> {
        let Some(block) = block else {
            return Ok(true);
        };
        let others = |&(other, until): &(SocketAddr, Instant)| other != remote && now < until;
        if self.upload.as_ref().is_some_and(others) {
            return Err(Code::new(5, 3));
        }
        if block.number == 0 {
            self.uploaded.clear();
        } else if self.upload.is_none_or(|(own, _)| own != remote) || self.uploaded.len() != block.start() {
            return Err(Code::ENTITY_INCOMPLETE);
        }
        if block.more && message.payload.len() != block.size {
            return Err(Code::BAD_REQUEST);
        }
        self.upload = Some((remote, now + EXCHANGE_LIFETIME));
        self.uploaded.extend_from_slice(message.payload).map_err(|_| Code::TOO_LARGE)?;
        Ok(!block.more)
    }

    /// Adds or removes an observer, as its request says (RFC 7641, section 4.1); answers with the number to tell it.
    fn register(&mut self, message: &Message<'_>, bytes: &[u8], remote: SocketAddr, answer: &Answer) -> Option<u32> {
        let observe = message.number(OptionNumber::Observe).filter(|_| message.code == Code::GET)?;
        self.observers.retain(|known| known.remote != remote || known.token != message.token);
        if observe != 0 || !answer.observable || !answer.code.is_success() {
            return None;
        }
        let request = bytes.iter().copied();
        let observer = Observer {
            remote,
            token: message.token.clone(),
            request: if bytes.len() <= 64 { request.collect() } else { return None },
            pending: None,
            edition: self.resource.edition(),
        };
        // Who finds no room is answered, and not told again.
        self.observers.push(observer).ok()?;
        self.sequence += 1;
        Some(self.sequence & 0xff_ffff)
    }

    /// Writes an answer, or the block of it that is wanted.
    fn write(
        &self,
        mut writer: Writer<'_>,
        answer: &Answer,
        observe: Option<u32>,
        wanted: Option<Block>,
        block1: Option<Block>,
    ) -> Option<usize> {
        let body = &self.body[..answer.len.min(BODY)];
        let size = wanted.map_or(BLOCK_BYTES, |wanted| wanted.size.min(BLOCK_BYTES));
        let start = wanted.map_or(0, |wanted| wanted.number as usize * size);
        if let Some(observe) = observe {
            writer = writer.number(OptionNumber::Observe, observe);
        }
        if let Some(format) = answer.format.filter(|_| !body.is_empty()) {
            writer = writer.number(OptionNumber::ContentFormat, format.into());
        }
        let end = body.len().min(start.saturating_add(size));
        let chunk = body.get(start..end).unwrap_or(&[]);
        if body.len() > size || wanted.is_some_and(|wanted| wanted.number > 0) {
            let block = Block { number: (start / size) as u32, more: end < body.len(), size };
            writer = writer.number(OptionNumber::Block2, block.value());
        }
        if let Some(block1) = block1 {
            writer = writer.number(OptionNumber::Block1, block1.value());
        }
        writer.payload(chunk)
    }

    /// The next notification that is due: to whom, and its length in `reply`. To be called until there is none, and
    /// again at [`Server::next_deadline`], or when the resource changed.
    pub fn notify(&mut self, now: Instant, reply: &mut [u8; DATAGRAM_MAX]) -> Option<(SocketAddr, usize)> {
        let edition = self.resource.edition();
        // Whoever never answers is forgotten.
        self.observers
            .retain(|observer| observer.pending.is_none_or(|(_, sent, again)| now < again || sent < NOTIFICATIONS));
        let is_due =
            |observer: &Observer| observer.pending.map_or(observer.edition != edition, |(.., again)| again <= now);
        let at = self.observers.iter().position(is_due)?;
        let id = self.id();
        self.sequence += 1;
        let sequence = self.sequence & 0xff_ffff;
        let observer = &mut self.observers[at];
        let sent = observer.pending.map_or(0, |(_, sent, _)| sent);
        // What is sent again is the newest there is (RFC 7641, section 4.5.2).
        observer.edition = edition;
        observer.pending = Some((id, sent + 1, now + ACK_TIMEOUT * (1 << sent)));
        let (remote, token, request) = (observer.remote, observer.token.clone(), observer.request.clone());
        let message = Message::parse(&request).ok()?;
        let asked = Asked { method: message.code, message: &message, payload: &[], remote };
        let answer = self.resource.answer(&asked, &mut self.body);
        let gone = !answer.code.is_success() || !answer.observable;
        if gone {
            self.observers.swap_remove(at);
        }
        let writer = Writer::new(reply, Kind::Confirmable, answer.code, id, &token);
        let len = self.write(writer, &answer, (!gone).then_some(sequence), None, None)?;
        Some((remote, len))
    }

    /// When [`Server::notify`] next has something to send again.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.observers.iter().filter_map(|observer| observer.pending).map(|(.., again)| again).min()
    }

    fn id(&mut self) -> u16 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }
}

fn empty(reply: &mut [u8], kind: Kind, id: u16) -> Option<usize> {
    Writer::new(reply, kind, Code::EMPTY, id, &[]).payload(&[])
}

impl<H, const BODY: usize> fmt::Debug for Server<H, BODY> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// Serves a stack's network, for ever. `changed` completes when a resource may have changed; it is called again and
/// again. Takes one UDP socket.
///
/// # Errors
/// If the port, 5683, cannot be had.
pub async fn serve<H: Resource, C: Clock, F: Future<Output = ()>, const BODY: usize>(
    stack: &Stack<'_>,
    clock: &C,
    server: &mut Server<H, BODY>,
    mut changed: impl FnMut() -> F,
) -> Result<Infallible, udp::Error> {
    let socket = udp::Socket::bind(stack, PORT, udp::Options::default())?;
    let mut reply = [0; DATAGRAM_MAX];
    loop {
        while let Some((remote, len)) = server.notify(clock.now(), &mut reply) {
            // Whoever cannot be reached any more does not acknowledge.
            let _ = socket.send_to(&reply[..len], remote).await;
        }
        let deadline = server.next_deadline().unwrap_or(Instant::MAX);
        let (mut due, mut news) = (pin!(sleep_until(clock, deadline)), pin!(changed()));
        let heard = poll_fn(|cx| {
            let taken = socket.poll_recv_with(cx, |bytes, arrival| {
                (server.handle(bytes, arrival.remote, clock.now(), &mut reply), arrival)
            });
            if let Poll::Ready(taken) = taken {
                return Poll::Ready(Some(taken));
            }
            match (due.as_mut().poll(cx), news.as_mut().poll(cx)) {
                (Poll::Pending, Poll::Pending) => Poll::Pending,
                _ => Poll::Ready(None),
            }
        })
        .await;
        if let Some((Some(len), arrival)) = heard {
            server.resource.settle().await;
            let _ = match arrival.local {
                Some(own) => socket.send_from(&reply[..len], own, arrival.remote).await,
                None => socket.send_to(&reply[..len], arrival.remote).await,
            };
        }
    }
}
