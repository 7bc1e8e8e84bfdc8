//! Answering.

use core::{
    convert::Infallible,
    fmt,
    future::{Future, poll_fn, ready},
    net::{IpAddr, SocketAddr},
    pin::pin,
    task::Poll,
};

use heapless::Vec;

use super::{
    BLOCK_BYTES, DATAGRAM_MAX, PORT, hash,
    message::{Block, Code, Kind, Message, OptionNumber, Token, Writer},
};
use crate::{
    engine::splitmix,
    stack::Stack,
    time::{Clock, Duration, Instant, sleep_until},
    udp,
};

/// For how long a message id stays known (EXCHANGE_LIFETIME, RFC 7252, section 4.8.2).
const EXCHANGE_LIFETIME: Duration = Duration::from_secs(247);
/// How many answers are kept for requests that come again.
const REPLIES: usize = 4;
/// Of how many stations a [`Server`] remembers what it did, unless it is told otherwise.
const STATIONS: usize = 16;
/// The longest run of numbers: far less than there are, so that none comes around within its lifetime.
const RUN_MAX: u16 = 4_096;
/// How many can observe at a time.
const OBSERVERS: usize = 4;
/// How often a notification is sent before its observer is forgotten, and the shortest first wait for its acknowledgement; the
/// longest is half as long again (section 4.8).
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
    /// a long one is asked for once for each of them, if it reads (GET). Of the answer to anything else only the first block
    /// can be had ([`BLOCK_BYTES`]).
    fn answer(&mut self, asked: &Asked<'_>, buffer: &mut [u8]) -> Answer;

    /// Whether doing once more what is asked changes nothing more than doing it once did, because its method says so (PUT,
    /// DELETE) or because the resource knows again what it has (RFC 7252, section 4.5). Such requests are answered anew when they
    /// come again, and need not be remembered; so are those that read (GET), of which nobody is asked this.
    fn is_idempotent(&self, _message: &Message<'_>) -> bool {
        false
    }

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

/// Who asks: 18 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Station {
    address: [u8; 16],
    port: u16,
}

impl Station {
    fn of(remote: SocketAddr) -> Self {
        let address = match remote.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        Self { address, port: remote.port() }
    }
}

/// Requests that one station has numbered one after the other, and that are not to do anything again: 28 bytes.
#[derive(Clone, Copy)]
struct Run {
    station: Station,
    first: u16,
    len: u16,
    until_secs: u32,
}

impl Run {
    fn has(&self, station: &Station, id: u16) -> bool {
        self.station == *station && id.wrapping_sub(self.first) < self.len
    }

    /// Whether a request of that number goes on with it. A run that goes on for ever would reach around to its own beginning.
    fn is_before(&self, station: &Station, id: u16) -> bool {
        self.station == *station && id == self.first.wrapping_add(self.len) && self.len < RUN_MAX
    }
}

struct Reply {
    station: Station,
    id: u16,
    until_secs: u32,
    bytes: Vec<u8, DATAGRAM_MAX>,
}

struct Observer {
    remote: SocketAddr,
    token: Token,
    /// Its request, to be answered anew.
    request: Vec<u8, 64>,
    /// The notification that it has not acknowledged. It gets no other one meanwhile (RFC 7641, section 4.5.1).
    pending: Option<Pending>,
    edition: u32,
}

/// A notification that was sent and not acknowledged.
#[derive(Clone, Copy)]
struct Pending {
    id: u16,
    /// How often it was sent.
    sent: u8,
    /// How long its acknowledgement is waited for, and until when.
    wait: Duration,
    again: Instant,
}

/// A server, told the time and handed datagrams.
///
/// `BODY` is the longest representation, either way. `STATIONS` is of how many stations it remembers what it did for them, each in
/// 28 bytes, for 247 s after their last request: within that time a message may come again (RFC 7252, section 4.5), and what was
/// done is not done twice. One place is for requests that are numbered one after the other, as nearly everybody numbers them
/// (section 4.4); whoever leaves numbers out, or asks from another port each time, takes more. Requests that change nothing
/// (GET, and whatever the resource says is [idempotent](Resource::is_idempotent)), or are refused (4.xx), take none, and are
/// answered anew.
///
/// Who asks for something to be done while there is no place to remember it in is refused: 5.03, with the time until there is one
/// (Max-Age). Nobody may have more than half of them, so that one station that goes on and on does not shut out the others.
///
/// Of the answers the newest few are kept, first of all those to stations that have not asked anew since: a client has one
/// request under way (NSTART is 1), so whoever asks for the next has its answer. A request that comes again after its answer was
/// dropped is ignored: whoever sent it learns that it does not know what became of it, which is so.
pub struct Server<H, const BODY: usize, const STATIONS: usize = { self::STATIONS }> {
    resource: H,
    runs: Vec<Run, STATIONS>,
    replies: Vec<Reply, REPLIES>,
    observers: Vec<Observer, OBSERVERS>,
    /// What comes in blocks, from one client at a time, and until when it is waited for.
    upload: Option<(SocketAddr, Instant)>,
    uploaded: Vec<u8, BODY>,
    body: [u8; BODY],
    /// Whether something may have been done about the request at hand.
    done: bool,
    next_id: u16,
    sequence: u32,
    random: u64,
}

impl<H: Resource, const BODY: usize> Server<H, BODY> {
    /// A server that remembers as many stations as is usual. `seed` is where its message ids begin, and what it draws.
    pub fn new(resource: H, seed: u16) -> Self {
        Self::remembering(resource, seed)
    }
}

impl<H: Resource, const BODY: usize, const STATIONS: usize> Server<H, BODY, STATIONS> {
    /// A server that remembers `STATIONS` stations. `seed` is where its message ids begin, and what it draws.
    pub fn remembering(resource: H, seed: u16) -> Self {
        const { assert!(STATIONS >= 2, "nobody has more than half of the places") };
        Self {
            resource,
            runs: Vec::new(),
            replies: Vec::new(),
            observers: Vec::new(),
            upload: None,
            uploaded: Vec::new(),
            body: [0; BODY],
            done: false,
            next_id: seed,
            sequence: 1,
            random: seed.into(),
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
                    observer.remote == remote && observer.pending.is_some_and(|pending| pending.id == message.id)
                };
                if let Some(observer) = self.observers.iter_mut().find(acknowledged) {
                    observer.pending = None;
                }
                return None;
            }
            Kind::Reset => {
                self.observers.retain(|observer| {
                    observer.remote != remote || observer.pending.is_none_or(|pending| pending.id != message.id)
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
        let station = Station::of(remote);
        let now_secs = now.as_secs() as u32;
        // A second more than it takes, since what is told is rounded down.
        let until_secs = (now + EXCHANGE_LIFETIME).as_secs() as u32 + 1;
        if is_harmless(&message) || self.resource.is_idempotent(&message) {
            if let Some(run) = self.runs.iter_mut().find(|run| run.is_before(&station, message.id)) {
                (run.len, run.until_secs) = (run.len + 1, until_secs);
            }
            return self.answer(&message, bytes, remote, now, reply);
        }
        self.runs.retain(|run| run.until_secs > now_secs);
        self.replies.retain(|reply| reply.until_secs > now_secs);
        if self.runs.iter().any(|run| run.has(&station, message.id)) {
            let kept = self.replies.iter().find(|kept| (kept.station, kept.id) == (station, message.id))?;
            reply[..kept.bytes.len()].copy_from_slice(&kept.bytes);
            return Some(kept.bytes.len());
        }
        if let Some(over_secs) = self.full_until(&station, message.id) {
            let wait_secs = over_secs.saturating_sub(now_secs).max(1);
            let refusal = self.begin(&message, Code::SERVICE_UNAVAILABLE, reply);
            return refusal.number(OptionNumber::MaxAge, wait_secs).payload(&[]);
        }
        self.done = false;
        let len = self.answer(&message, bytes, remote, now, reply);
        if self.done {
            self.remember(station, message.id, until_secs, len.map(|len| &reply[..len]));
        }
        len
    }

    /// When there will be a place to remember a request in, if there is none now.
    fn full_until(&self, station: &Station, id: u16) -> Option<u32> {
        if self.runs.iter().any(|run| run.is_before(station, id)) {
            return None;
        }
        let own = || self.runs.iter().filter(|run| run.station == *station);
        let first_over = |mut runs: &mut dyn Iterator<Item = &Run>| (&mut runs).map(|run| run.until_secs).min();
        match own().count() >= STATIONS / 2 {
            true => first_over(&mut own()),
            false if self.runs.is_full() => first_over(&mut self.runs.iter()),
            false => None,
        }
    }

    /// Remembers that something was done, and what was said to it.
    fn remember(&mut self, station: Station, id: u16, until_secs: u32, reply: Option<&[u8]>) {
        match self.runs.iter_mut().find(|run| run.is_before(&station, id)) {
            Some(run) => (run.len, run.until_secs) = (run.len + 1, until_secs),
            // There is room, as was seen to.
            None => drop(self.runs.push(Run { station, first: id, len: 1, until_secs })),
        }
        let Some(reply) = reply else { return };
        if self.replies.is_full() {
            let answered = self.replies.iter().position(|kept| kept.station == station);
            self.replies.remove(answered.unwrap_or(0));
        }
        let _ = self.replies.push(Reply { station, id, until_secs, bytes: reply.iter().copied().collect() });
    }

    /// Begins an answer.
    fn begin<'b>(&mut self, message: &Message<'_>, code: Code, reply: &'b mut [u8; DATAGRAM_MAX]) -> Writer<'b> {
        let (kind, id) = match message.kind {
            Kind::Confirmable => (Kind::Acknowledgement, message.id),
            _ => (Kind::NonConfirmable, self.id()),
        };
        Writer::new(reply, kind, code, id, &message.token)
    }

    fn answer(
        &mut self,
        message: &Message<'_>,
        bytes: &[u8],
        remote: SocketAddr,
        now: Instant,
        reply: &mut [u8; DATAGRAM_MAX],
    ) -> Option<usize> {
        if message.has_unknown_critical(&CRITICAL) {
            return self.begin(message, Code::BAD_OPTION, reply).payload(&[]);
        }
        let block1 = message.block(OptionNumber::Block1);
        match self.take_block(message, block1, remote, now) {
            Ok(true) => {}
            Ok(false) => {
                let value = block1.map_or(0, Block::value);
                return self.begin(message, Code::CONTINUE, reply).number(OptionNumber::Block1, value).payload(&[]);
            }
            Err(code) => return self.begin(message, code, reply).payload(&[]),
        }
        let payload = if block1.is_some() { &self.uploaded[..] } else { message.payload };
        if payload.len() > BODY {
            return self.begin(message, Code::TOO_LARGE, reply).payload(&[]);
        }
        let wanted = message.block(OptionNumber::Block2);
        if message.code != Code::GET && wanted.is_some_and(|wanted| wanted.number > 0) {
            // Of an answer to what was done there is the beginning: to make the rest it would have to be done again.
            return self.begin(message, Code::ENTITY_INCOMPLETE, reply).payload(&[]);
        }
        let asked = Asked { method: message.code, message, payload, remote };
        let answer = self.resource.answer(&asked, &mut self.body);
        // What was refused was not done.
        self.done = answer.code.class() != 4;
        if block1.is_some() {
            self.upload = None;
        }
        let observe = self.register(message, bytes, remote, &answer);
        let writer = self.begin(message, answer.code, reply);
        self.write(writer, &answer, observe, wanted, block1)
    }

    /// Takes a block of what is sent in several; answers whether that is all of it. A block that came before is as good as new:
    /// so none but the last, which has something done, need be remembered.
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
            return Err(Code::SERVICE_UNAVAILABLE);
        }
        if block.more && message.payload.len() != block.size {
            return Err(Code::BAD_REQUEST);
        }
        let goes_on = self.upload.is_some_and(|(own, _)| own == remote);
        let come =
            block.start().checked_add(message.payload.len()).and_then(|end| self.uploaded.get(block.start()..end));
        if goes_on && block.more && come == Some(message.payload) {
            return Ok(false);
        }
        if block.number == 0 {
            self.uploaded.clear();
        } else if !goes_on || self.uploaded.len() != block.start() {
            return Err(Code::ENTITY_INCOMPLETE);
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
        let start = wanted.map_or(0, |wanted| (wanted.number as usize).saturating_mul(size));
        let is_piece = body.len() > size || wanted.is_some_and(|wanted| wanted.number > 0);
        if is_piece {
            writer = writer.option(OptionNumber::ETag, &tag(body));
        }
        if let Some(observe) = observe {
            writer = writer.number(OptionNumber::Observe, observe);
        }
        if let Some(format) = answer.format.filter(|_| !body.is_empty()) {
            writer = writer.number(OptionNumber::ContentFormat, format.into());
        }
        let end = body.len().min(start.saturating_add(size));
        let chunk = body.get(start..end).unwrap_or(&[]);
        if is_piece {
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
            .retain(|observer| observer.pending.is_none_or(|last| now < last.again || last.sent < NOTIFICATIONS));
        let is_due =
            |observer: &Observer| observer.pending.map_or(observer.edition != edition, |last| last.again <= now);
        let at = self.observers.iter().position(is_due)?;
        let (id, first) = (self.id(), self.first_wait());
        self.sequence += 1;
        let sequence = self.sequence & 0xff_ffff;
        let observer = &mut self.observers[at];
        let (sent, wait) = observer.pending.map_or((1, first), |last| (last.sent + 1, last.wait * 2));
        // What is sent again is the newest there is, and no sooner for that (RFC 7641, section 4.5.2).
        observer.edition = edition;
        observer.pending = Some(Pending { id, sent, wait, again: now + wait });
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
        self.observers.iter().filter_map(|observer| observer.pending).map(|pending| pending.again).min()
    }

    /// How long a notification's acknowledgement is waited for at first: drawn, so that those who lost theirs together are not told
    /// together again (RFC 7252, section 4.2).
    fn first_wait(&mut self) -> Duration {
        let drawn = splitmix(&mut self.random) >> 32;
        ACK_TIMEOUT + Duration::from_micros((drawn * (ACK_TIMEOUT.as_micros() as u64 / 2)) >> 32)
    }

    fn id(&mut self) -> u16 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }
}

/// Whether doing what is asked once more changes nothing: reading, and a block that others are to follow.
fn is_harmless(message: &Message<'_>) -> bool {
    message.code == Code::GET || message.block(OptionNumber::Block1).is_some_and(|block| block.more)
}

/// What names this state of a representation, so that blocks of two are not taken for one (RFC 7959, section 2.4).
fn tag(body: &[u8]) -> [u8; 4] {
    hash(body).to_be_bytes()
}

/// Whether a message may answer what was sent to many: not a word of what went wrong, nor one that says that it came, for as many
/// would say so at once (RFC 7252, sections 8.1 and 8.2).
fn is_for_a_group(reply: &[u8; DATAGRAM_MAX]) -> bool {
    reply[0] >> 4 & 3 == Kind::NonConfirmable as u8 && reply[1] >> 5 == 2
}

fn empty(reply: &mut [u8], kind: Kind, id: u16) -> Option<usize> {
    Writer::new(reply, kind, Code::EMPTY, id, &[]).payload(&[])
}

impl<H, const BODY: usize, const STATIONS: usize> fmt::Debug for Server<H, BODY, STATIONS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// Serves a stack's network, for ever. `changed` completes when a resource may have changed; it is called again and
/// again. Takes one UDP socket.
///
/// # Errors
/// If the port, 5683, cannot be had.
pub async fn serve<H: Resource, C: Clock, F: Future<Output = ()>, const BODY: usize, const STATIONS: usize>(
    stack: &Stack<'_>,
    clock: &C,
    server: &mut Server<H, BODY, STATIONS>,
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
            if arrival.local.is_none() && !is_for_a_group(&reply) {
                continue;
            }
            let _ = match arrival.local {
                Some(own) => socket.send_from(&reply[..len], own, arrival.remote).await,
                None => socket.send_to(&reply[..len], arrival.remote).await,
            };
        }
    }
}
