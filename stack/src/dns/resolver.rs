//! Asking.

use core::{
    cell::RefCell,
    fmt,
    future::poll_fn,
    net::{IpAddr, SocketAddr},
};

#[cfg(feature = "dns-tcp")]
use embedded_io_async::{Read, Write};
use heapless::Vec;
use rand_core::Rng;

use super::{
    PORT,
    cache::Cache,
    message::{Answer, QUESTION_MAX, Rcode, RecordType, emit_question},
    name::{BadName, Name},
};
use crate::{
    ip::{parse, told},
    pools::Pool,
    stack::Stack,
    time::{Clock, Duration, timeout},
    udp,
};

/// How many addresses of one name are told.
pub const ADDRESSES_MAX: usize = 4;
/// The addresses of one name.
pub type Addresses = Vec<IpAddr, ADDRESSES_MAX, u8>;

/// How many aliases that servers leave to us are followed.
const ALIASES_MAX: u8 = 8;
/// For how long it is remembered that there is nothing, if the zone does not say.
const NEGATIVE_TTL: u32 = 5;
/// For how long that is remembered at most (RFC 2308, section 5).
const NEGATIVE_TTL_MAX: u32 = 3 * 3_600;

/// How a resolver asks.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long to wait for a server the first time; twice as long each further round. Default: a second.
    pub patience: Duration,
    /// How often each server is asked. Default: 3.
    pub rounds: u8,
    /// Whether to draw the case of each letter: some very old servers do not repeat it. Default: yes.
    pub random_case: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { patience: Duration::from_secs(1), rounds: 3, random_case: true }
    }
}

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// Whichever we have an address of, IPv4 first.
    Any,
}

/// Why there is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name cannot be a host's.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// There is no such name.
    #[error("no such name")]
    NoSuchName,
    /// The name has no address of the family.
    #[error("the name has no such address")]
    NoAddress,
    /// Nobody told us a name server.
    #[error("no name server is known")]
    NoServers,
    /// No server answered.
    #[error("no name server answered")]
    TimedOut,
    /// The servers that answered could not or would not tell.
    #[error("the name servers do not tell")]
    Failed(Rcode),
    /// A question could not be sent.
    #[error("no question can be sent: {0}")]
    NotSent(udp::Error),
}

/// Resolves names by the servers that its stack knows ([`Stack::set_dns_servers`]). Several may ask at once.
///
/// Each question takes one UDP socket while it lasts, and with the feature `dns-tcp` a TCP connection if the answer is too
/// long for a datagram; without it such a server is of no use.
pub struct Resolver<'r, C, R, const ENTRIES: usize = 4> {
    stack: Stack<'r>,
    clock: C,
    rng: RefCell<R>,
    cache: RefCell<Cache<ENTRIES>>,
    options: Options,
}

/// What one server said.
enum Word {
    Addresses(Addresses, u32),
    /// It leads on to another name, about which it says nothing.
    Alias(Name, u32),
    Nothing(Error, u32),
    Truncated,
    Useless(Rcode),
}

impl<'r, C: Clock, R: Rng, const ENTRIES: usize> Resolver<'r, C, R, ENTRIES> {
    /// A resolver that knows nothing yet, and remembers up to `ENTRIES` answers; with 0 it has no memory, nor code for one.
    pub fn new(stack: &Stack<'r>, clock: C, rng: R, options: Options) -> Self {
        Self { stack: stack.clone(), clock, rng: RefCell::new(rng), cache: RefCell::new(Cache::new()), options }
    }

    /// Forgets what was learnt, as when the network changed.
    pub fn forget(&self) {
        self.cache.borrow_mut().clear();
    }

    /// The addresses of `host`, which may be written as an address too. Dropping the future gives up.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn resolve(&self, host: &str, family: Family) -> Result<Addresses, Error> {
        if let Some(address) = parse(host).map(told) {
            let fits = match family {
                Family::Any => true,
                Family::V4 => address.is_ipv4(),
                Family::V6 => address.is_ipv6(),
            };
            return if fits { Ok([address].into_iter().collect()) } else { Err(Error::NoAddress) };
        }
        let name = Name::new(host)?;
        let has = |v4: bool| self.stack.addresses().any(|own| own.address().is_ipv4() == v4);
        let wanted = match family {
            Family::V4 => [true, false],
            Family::V6 => [false, true],
            Family::Any => [has(true), has(false)],
        };
        let mut outcome = Err(Error::NoAddress);
        for record_type in [RecordType::A, RecordType::Aaaa] {
            if wanted[usize::from(record_type == RecordType::Aaaa)] {
                outcome = self.resolve_one(&name, record_type).await;
                if outcome.is_ok() {
                    return outcome;
                }
            }
        }
        outcome
    }

    async fn resolve_one(&self, name: &Name, record_type: RecordType) -> Result<Addresses, Error> {
        let (mut target, mut longest) = (name.clone(), u32::MAX);
        for _ in 0..ALIASES_MAX {
            if let Some(known) = self.cache.borrow_mut().find(&target, record_type, self.clock.now()) {
                return if known.is_empty() { Err(Error::NoAddress) } else { Ok(known) };
            }
            match self.ask_all(&target, record_type).await? {
                Word::Addresses(addresses, ttl) => {
                    self.remember(name, record_type, &addresses, ttl.min(longest));
                    return Ok(addresses);
                }
                Word::Alias(next, ttl) => (target, longest) = (next, ttl.min(longest)),
                Word::Nothing(error, ttl) => {
                    self.remember(name, record_type, &[], ttl.min(longest).min(NEGATIVE_TTL_MAX));
                    return Err(error);
                }
                Word::Truncated | Word::Useless(_) => break,
            }
        }
        Err(Error::Failed(Rcode::ServerFailure))
    }

    fn remember(&self, name: &Name, record_type: RecordType, addresses: &[IpAddr], ttl: u32) {
        let room = |entries| self.stack.core().borrow().limits().within(Pool::Names, entries);
        self.cache.borrow_mut().remember((name, record_type), addresses, ttl, self.clock.now(), room);
    }

    /// Asks each server in turn, round after round, until one says something of use.
    async fn ask_all(&self, name: &Name, record_type: RecordType) -> Result<Word, Error> {
        if self.stack.dns_servers().next().is_none() {
            return Err(Error::NoServers);
        }
        let mut last = Error::TimedOut;
        let mut patience = self.options.patience;
        for _ in 0..self.options.rounds.max(1) {
            for server in self.stack.dns_servers() {
                match timeout(&self.clock, patience, self.ask(server, name, record_type)).await {
                    Ok(Ok(Word::Useless(rcode))) => last = Error::Failed(rcode),
                    Ok(Ok(word)) => return Ok(word),
                    // A server that no route leads to, or that is not there, is no reason not to ask the next.
                    Ok(Err(error)) => last = error,
                    Err(_) => {}
                }
            }
            patience *= 2;
        }
        Err(last)
    }

    /// Asks one server once.
    async fn ask(&self, server: IpAddr, name: &Name, record_type: RecordType) -> Result<Word, Error> {
        let mut buffer = [0; QUESTION_MAX];
        let (id, cases) = {
            let mut rng = self.rng.borrow_mut();
            (rng.next_u32() as u16, rng.next_u64())
        };
        let cases = if self.options.random_case { cases } else { 0 };
        let len = emit_question(id, name, record_type, cases, &mut buffer);
        let question = &buffer[..len];
        let server = SocketAddr::new(server, PORT);
        // The socket's port is drawn anew for each question (RFC 5452, section 9.2).
        let mut options = udp::Options::default();
        (options.datagrams, options.receive_bytes, options.send_bytes) = (2, 1_024, 256);
        options.errors = true;
        let socket = udp::Socket::bind(&self.stack, 0, options).map_err(Error::NotSent)?;
        poll_fn(|cx| socket.poll_send_to(cx, question, server)).await.map_err(Error::NotSent)?;
        let word = loop {
            let heard = poll_fn(|cx| {
                socket.poll_recv_noting(cx, |bytes, arrival| {
                    let answer = Answer::parse(bytes, question).ok().filter(|_| arrival.remote == server);
                    answer.map(|answer| read(&answer, name, record_type))
                })
            })
            .await;
            match heard {
                Ok(Some(word)) => break word,
                // Somebody else's, or a forged one: the right one may still come.
                Ok(None) => {}
                Err(error) => return Err(Error::NotSent(error)),
            }
        };
        drop(socket);
        match word {
            #[cfg(feature = "dns-tcp")]
            Word::Truncated => self.ask_by_tcp(server, question, name, record_type).await,
            #[cfg(not(feature = "dns-tcp"))]
            Word::Truncated => Ok(Word::Useless(Rcode::ServerFailure)),
            word => Ok(word),
        }
    }

    /// Asks for what was too long for a datagram (RFC 7766). Of that, what fits a small buffer is looked at.
    #[cfg(feature = "dns-tcp")]
    async fn ask_by_tcp(
        &self,
        server: SocketAddr,
        question: &[u8],
        name: &Name,
        record_type: RecordType,
    ) -> Result<Word, Error> {
        const LOOKED_AT: usize = 512;
        let useless = Word::Useless(Rcode::ServerFailure);
        let Ok(mut stream) = crate::tcp::Stream::connect(&self.stack, server, crate::tcp::Options::default()).await
        else {
            return Ok(useless);
        };
        let exchange = async {
            stream.write_all(&(question.len() as u16).to_be_bytes()).await.ok()?;
            stream.write_all(question).await.ok()?;
            let mut len = [0; 2];
            stream.read_exact(&mut len).await.ok()?;
            let mut bytes = [0; LOOKED_AT];
            let bytes = &mut bytes[..usize::from(u16::from_be_bytes(len)).min(LOOKED_AT)];
            stream.read_exact(bytes).await.ok()?;
            let answer = Answer::parse(bytes, question).ok()?;
            Some(read(&answer, name, record_type))
        };
        let word = exchange.await;
        stream.abort();
        Ok(word.filter(|word| !matches!(word, Word::Truncated)).unwrap_or(useless))
    }
}

/// What an answer comes to.
fn read(answer: &Answer<'_>, name: &Name, record_type: RecordType) -> Word {
    if answer.is_truncated() {
        return Word::Truncated;
    }
    let mut addresses = Addresses::new();
    // More than there is room for are not looked at; an answer cut by our own buffer ends in an error, but what came
    // before counts.
    let found = answer.addresses(name, record_type, |address| {
        let _ = addresses.push(address);
    });
    let nothing = |error| Word::Nothing(error, answer.negative_ttl().unwrap_or(NEGATIVE_TTL));
    match (answer.rcode(), found) {
        (Rcode::NoError, Ok((_, ttl))) if !addresses.is_empty() => Word::Addresses(addresses, ttl),
        (Rcode::NoError, Err(_)) if !addresses.is_empty() => Word::Addresses(addresses, 0),
        (Rcode::NoError, Ok((alias, ttl))) if alias != *name => Word::Alias(alias, ttl),
        (Rcode::NoError, Ok(_)) => nothing(Error::NoAddress),
        (Rcode::NoSuchName, _) => nothing(Error::NoSuchName),
        (Rcode::NoError, Err(_)) => Word::Useless(Rcode::FormatError),
        (rcode, _) => Word::Useless(rcode),
    }
}

impl<C, R, const ENTRIES: usize> fmt::Debug for Resolver<'_, C, R, ENTRIES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("options", &self.options).finish_non_exhaustive()
    }
}
