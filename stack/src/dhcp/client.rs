//! The client's way through its states (RFC 2131, section 4.4), written as one way through a future.

use core::{
    cell::RefCell,
    convert::Infallible,
    fmt,
    future::poll_fn,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    task::{Context, Poll, ready},
};

#[cfg(feature = "claim")]
use core::{
    future::Future,
    pin::{Pin, pin},
};
use rand_core::Rng;

#[cfg(feature = "claim")]
use super::link_local;
use super::{
    CLIENT_PORT, SERVER_PORT,
    held::Held,
    lease::{Event, Lease},
    message::*,
};
#[cfg(feature = "claim")]
use crate::claim::{Claim, Claiming};
use crate::{
    draw::between,
    stack::Stack,
    time::{Clock, Duration, Instant, sleep, sleep_until, timeout},
    udp,
};

/// The first and the longest wait for an answer (section 4.1); each is a second longer or shorter.
const WAIT_FIRST: Duration = Duration::from_secs(4);
const WAIT_MAX: Duration = Duration::from_secs(64);
const WAIT_JITTER: Duration = Duration::from_secs(1);
/// How often a request for an offered address is sent before it is given up.
const REQUESTS: u32 = 4;
/// How often an address that we had is asked for, in an earlier life or before the link went down.
const REBOOT_REQUESTS: u32 = 2;
/// How long to wait after a conflict (section 3.1, step 5).
#[cfg(feature = "claim")]
const AFTER_DECLINE: Duration = Duration::from_secs(10);
/// The shortest time between two requests for renewal (section 4.4.5).
const RENEWAL_MIN: Duration = Duration::from_secs(60);
const BROADCAST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::BROADCAST), SERVER_PORT);

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options<'a> {
    /// The name to go by, as the server may tell a name server; at most 32 bytes. Default: none.
    pub host_name: Option<&'a str>,
    /// The address of an earlier life, to be asked for first (INIT-REBOOT). Default: none.
    pub previous: Option<Ipv4Addr>,
    /// How to make sure that nobody else has the address; only with the feature `claim`. Default: [`Claiming::QUICK`].
    #[cfg(feature = "claim")]
    pub claiming: Claiming,
    /// After how long without a lease to take a link-local address meanwhile; only with the feature `claim`. Default: never.
    #[cfg(feature = "claim")]
    pub link_local_after: Option<Duration>,
    /// The longest wait before the first message, so that stations that got their power back together do not all ask
    /// at once; and after the link came back, as a switch's do together. The RFC has one to ten seconds (section 4.4.1).
    /// Default: a second.
    pub start_wait_max: Duration,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            host_name: None,
            previous: None,
            #[cfg(feature = "claim")]
            claiming: Claiming::QUICK,
            #[cfg(feature = "claim")]
            link_local_after: None,
            start_wait_max: Duration::from_secs(1),
        }
    }
}

/// A DHCP client for one stack on Ethernet.
///
/// It has the stack watch its link. When that comes back, it may lead to another network: whoever has a lease asks whether it
/// holds there (section 3.7), and gives it up when a server says no; where nobody answers it holds for as long as it was lent.
/// Until then its address is used, so that a link that was down for a moment costs no connection. Whoever has none asks at
/// once, however long the wait had become.
pub struct Client<'a, 'r, C: ?Sized, R> {
    stack: &'a Stack<'r>,
    clock: &'a C,
    rng: R,
    options: Options<'a>,
    mac: [u8; 6],
    /// How often the link had come back when we last asked because of that.
    link: u8,
}

/// What came of waiting for an answer.
enum Answer {
    Said(Message),
    /// Nothing came in time.
    Nothing,
    /// The link came back, so often by now: whoever was to answer may not have been there.
    LinkBack(u8),
}

/// How holding a lease ended.
enum End {
    Expired,
    Refused,
    #[cfg(feature = "claim")]
    Rival([u8; 6]),
}

/// Who is told.
type Tell<'t> = RefCell<&'t mut dyn FnMut(Event)>;

impl<'a, 'r, C: Clock + ?Sized, R: Rng> Client<'a, 'r, C, R> {
    /// A client that has not asked yet.
    pub fn new(stack: &'a Stack<'r>, clock: &'a C, rng: R, options: Options<'a>) -> Self {
        Self { mac: stack.hardware_address().unwrap_or_default(), stack, clock, rng, options, link: 0 }
    }

    /// Gets an address and keeps it, for ever; `tell` hears what happens. Takes one UDP socket.
    ///
    /// Dropping the future takes the address back without a word to the server, as a power cut would.
    ///
    /// # Errors
    /// If the client's port, 68, cannot be had.
    pub async fn run(&mut self, mut tell: impl FnMut(Event)) -> Result<Infallible, udp::Error> {
        let mut sizes = udp::Options::default();
        (sizes.datagrams, sizes.receive_bytes, sizes.send_bytes) = (4, 2_048, 1_024);
        let socket = udp::Socket::bind(self.stack, CLIENT_PORT, sizes)?;
        let tell: Tell<'_> = RefCell::new(&mut tell);
        let mut previous = self.options.previous;
        let mut refusals = 0;
        self.stack.is_link_up();
        self.settle(self.stack.with(|core| core.link_returns()), Instant::MAX).await;
        loop {
            #[cfg(feature = "claim")]
            let lease = self.acquire_or_improvise(&socket, previous.take(), &tell).await?;
            #[cfg(not(feature = "claim"))]
            let lease = self.acquire(&socket, previous.take()).await?;
            let Some(lease) = lease else {
                self.say(&tell, Event::Refused);
                self.pause(&mut refusals).await;
                continue;
            };
            #[cfg(feature = "claim")]
            let Some(claim) = Claim::begin(self.stack, lease.own().into()) else {
                // Somebody else of this program is claiming an address: it will be done.
                self.pause(&mut refusals).await;
                continue;
            };
            #[cfg(feature = "claim")]
            if let Err(rival) = claim.ask(self.clock, &mut self.rng, self.options.claiming).await {
                self.decline(&socket, &lease).await?;
                self.say(&tell, Event::Conflict { address: lease.own(), rival });
                sleep(self.clock, AFTER_DECLINE).await;
                continue;
            }
            let own = lease.own();
            refusals = 0;
            #[cfg(feature = "claim")]
            let end = self.hold(&socket, lease, &claim, &tell).await?;
            #[cfg(not(feature = "claim"))]
            let end = self.hold(&socket, lease, &tell).await?;
            match end {
                End::Expired => self.say(&tell, Event::Expired(own)),
                End::Refused => {
                    self.say(&tell, Event::Refused);
                    self.pause(&mut refusals).await;
                }
                #[cfg(feature = "claim")]
                End::Rival(rival) => {
                    self.say(&tell, Event::Conflict { address: own, rival });
                    sleep(self.clock, AFTER_DECLINE).await;
                }
            }
        }
    }

    /// Waits a little, so that those whose power or link came back together do not all ask at once.
    async fn settle(&mut self, link_returns: u8, until: Instant) {
        self.link = link_returns;
        let wait = between(&mut self.rng, Duration::ZERO, self.options.start_wait_max);
        sleep_until(self.clock, (self.clock.now() + wait).min(until)).await;
    }

    fn say(&self, tell: &Tell<'_>, event: Event) {
        (tell.borrow_mut())(event);
    }

    /// Longer after each refusal: a server that refuses everything shall not have us ask for ever.
    async fn pause(&mut self, refusals: &mut u32) {
        let longest = Duration::from_secs(1 << (*refusals).min(6));
        *refusals += 1;
        let wait = between(&mut self.rng, longest / 2, longest);
        sleep(self.clock, wait).await;
    }

    /// Asks for a lease, for ever if need be, with a link-local address meanwhile if that is wished.
    #[cfg(feature = "claim")]
    async fn acquire_or_improvise(
        &mut self,
        socket: &udp::Socket<'_>,
        previous: Option<Ipv4Addr>,
        tell: &Tell<'_>,
    ) -> Result<Option<Lease>, udp::Error> {
        let (stack, clock) = (self.stack, self.clock);
        let Some(after) = self.options.link_local_after else {
            return self.acquire(socket, previous).await;
        };
        let mut seeds = Draws(self.rng.next_u64());
        let acquiring = pin!(self.acquire(socket, previous));
        let improvising = pin!(async {
            sleep(clock, after).await;
            link_local::keep(stack, clock, &mut seeds, tell).await
        });
        first(acquiring, improvising).await
    }

    /// Asks for a lease (sections 4.4.1 and 4.4.2); `None` if a server refused.
    async fn acquire(
        &mut self,
        socket: &udp::Socket<'_>,
        previous: Option<Ipv4Addr>,
    ) -> Result<Option<Lease>, udp::Error> {
        if let Some(previous) = previous {
            let mut request = self.message(Kind::Request);
            request.requested = Some(previous);
            if let Some(outcome) = self.request(socket, &request, None, REBOOT_REQUESTS, Instant::MAX).await? {
                return Ok(outcome);
            }
        }
        loop {
            let offer = self.discover(socket).await?;
            let mut request = self.message(Kind::Request);
            request.xid = offer.xid;
            (request.requested, request.server) = (Some(offer.yours), offer.server);
            if let Some(outcome) = self.request(socket, &request, offer.server, REQUESTS, Instant::MAX).await? {
                return Ok(outcome);
            }
        }
    }

    /// Asks until somebody makes an offer that can be taken.
    async fn discover(&mut self, socket: &udp::Socket<'_>) -> Result<Message, udp::Error> {
        let began = self.clock.now();
        let mut discover = self.message(Kind::Discover);
        let mut wait = WAIT_FIRST;
        loop {
            discover.secs = (self.clock.now() - began).as_secs().min(u16::MAX.into()) as u16;
            self.send(socket, &discover, Ipv4Addr::UNSPECIFIED, BROADCAST).await?;
            let patience = self.jittered(wait);
            let wanted = |message: &Message| message.kind == Kind::Offer && Lease::of(message, Instant::ZERO).is_some();
            match self.answer(socket, discover.xid, patience, &wanted).await {
                Answer::Said(offer) => return Ok(offer),
                Answer::Nothing => wait = (wait * 2).min(WAIT_MAX),
                Answer::LinkBack(times) => {
                    self.settle(times, Instant::MAX).await;
                    wait = WAIT_FIRST;
                }
            }
        }
    }

    /// Asks for one address, until then at the latest; `None` if nobody answers, `Some(None)` if it is refused.
    ///
    /// When the link comes back meanwhile, an address that we had is asked for from the beginning, and one that was offered
    /// not any more: it may have been offered elsewhere.
    async fn request(
        &mut self,
        socket: &udp::Socket<'_>,
        request: &Message,
        server: Option<Ipv4Addr>,
        attempts: u32,
        until: Instant,
    ) -> Result<Option<Option<Lease>>, udp::Error> {
        let (mut wait, mut left) = (WAIT_FIRST, attempts);
        while left > 0 && self.clock.now() < until {
            left -= 1;
            let asked_at = self.clock.now();
            self.send(socket, request, Ipv4Addr::UNSPECIFIED, BROADCAST).await?;
            let patience = self.jittered(wait).min(until - asked_at);
            let wanted = |message: &Message| (server.is_none() || message.server == server) && is_verdict(message);
            match self.answer(socket, request.xid, patience, &wanted).await {
                Answer::Said(answer) => {
                    return Ok(Some((answer.kind == Kind::Ack).then(|| Lease::of(&answer, asked_at)).flatten()));
                }
                Answer::Nothing => wait = (wait * 2).min(WAIT_MAX),
                Answer::LinkBack(times) => {
                    self.settle(times, until).await;
                    (wait, left) = (WAIT_FIRST, if server.is_none() { attempts } else { 0 });
                }
            }
        }
        Ok(None)
    }

    /// Tells the server that somebody has the address already.
    #[cfg(feature = "claim")]
    async fn decline(&mut self, socket: &udp::Socket<'_>, lease: &Lease) -> Result<(), udp::Error> {
        let mut decline = self.message(Kind::Decline);
        decline.broadcast = false;
        (decline.requested, decline.server) = (Some(lease.own()), Some(lease.server));
        self.send(socket, &decline, Ipv4Addr::UNSPECIFIED, BROADCAST).await
    }

    /// Uses a lease for as long as it lasts, and sees to it that it lasts (section 4.4.5).
    async fn hold(
        &mut self,
        socket: &udp::Socket<'_>,
        mut lease: Lease,
        #[cfg(feature = "claim")] claim: &Claim<'_>,
        tell: &Tell<'_>,
    ) -> Result<End, udp::Error> {
        let mut held = Held::of(self.stack, &lease);
        #[cfg(feature = "claim")]
        claim.announce();
        self.say(tell, Event::Bound(lease.clone()));
        #[cfg(feature = "claim")]
        let defending = pin!(claim.defend(self.clock));
        let keeping = async {
            loop {
                #[cfg(feature = "claim")]
                let kept = self.keep(socket, &lease, claim).await?;
                #[cfg(not(feature = "claim"))]
                let kept = self.keep(socket, &lease).await?;
                match kept {
                    Ok(renewed) => lease = renewed,
                    Err(end) => return Ok(end),
                }
                if !held.is_of(&lease) {
                    held.replace(&lease);
                }
                self.say(tell, Event::Renewed(lease.clone()));
            }
        };
        #[cfg(feature = "claim")]
        let ended = either(pin!(keeping), pin!(async { Ok(End::Rival(defending.await)) })).await;
        #[cfg(not(feature = "claim"))]
        let ended = keeping.await;
        ended
    }

    /// Has the lease prolonged when it is time for that, or when the link has come back.
    async fn keep(
        &mut self,
        socket: &udp::Socket<'_>,
        lease: &Lease,
        #[cfg(feature = "claim")] claim: &Claim<'_>,
    ) -> Result<Result<Lease, End>, udp::Error> {
        loop {
            let patience = lease.renew_at - self.clock.now();
            if let Ok(times) = timeout(self.clock, patience, poll_fn(|cx| self.poll_link(cx))).await {
                self.settle(times, lease.expires_at).await;
            } else if let Some(verdict) = self.renew(socket, lease).await? {
                return Ok(verdict);
            }
            #[cfg(feature = "claim")]
            let verdict = self.reconfirm(socket, lease, claim).await?;
            #[cfg(not(feature = "claim"))]
            let verdict = self.reconfirm(socket, lease).await?;
            if let Some(verdict) = verdict {
                return Ok(verdict);
            }
        }
    }

    /// Asks for more time: the server that granted the lease, then any; `None` if the link came back meanwhile.
    async fn renew(
        &mut self,
        socket: &udp::Socket<'_>,
        lease: &Lease,
    ) -> Result<Option<Result<Lease, End>>, udp::Error> {
        let mut request = self.message(Kind::Request);
        request.broadcast = false;
        request.client = lease.own();
        loop {
            let now = self.clock.now();
            if now >= lease.expires_at {
                return Ok(Some(Err(End::Expired)));
            }
            let rebinding = now >= lease.rebind_at;
            let (to, until) = match rebinding {
                false => (SocketAddr::new(lease.server.into(), SERVER_PORT), lease.rebind_at),
                true => (BROADCAST, lease.expires_at),
            };
            match self.send(socket, &request, lease.own(), to).await {
                // The server may be where no route leads any more: then others are asked in time.
                Ok(()) | Err(udp::Error::NoRoute) => {}
                Err(error) => return Err(error),
            }
            let left = until - now;
            let patience = (left / 2).max(RENEWAL_MIN).min(left);
            let own = lease.own();
            let wanted = |message: &Message| is_verdict(message) && (message.kind == Kind::Nak || message.yours == own);
            match self.answer(socket, request.xid, patience, &wanted).await {
                Answer::Said(answer) => {
                    let lease = (answer.kind == Kind::Ack).then(|| Lease::of(&answer, now)).flatten();
                    return Ok(Some(lease.ok_or(End::Refused)));
                }
                Answer::Nothing => {}
                Answer::LinkBack(times) => {
                    self.settle(times, lease.expires_at).await;
                    return Ok(None);
                }
            }
        }
    }

    /// Asks whether the lease holds on the network that the link leads to now (section 3.7), and whether somebody there has the
    /// address (RFC 5227, section 2.1); `None` if no server answers: then it holds for as long as it was lent.
    async fn reconfirm(
        &mut self,
        socket: &udp::Socket<'_>,
        lease: &Lease,
        #[cfg(feature = "claim")] claim: &Claim<'_>,
    ) -> Result<Option<Result<Lease, End>>, udp::Error> {
        let mut request = self.message(Kind::Request);
        request.requested = Some(lease.own());
        let Some(granted) = self.request(socket, &request, None, REBOOT_REQUESTS, lease.expires_at).await? else {
            return Ok(None);
        };
        let Some(granted) = granted.filter(|granted| granted.own() == lease.own()) else {
            return Ok(Some(Err(End::Refused)));
        };
        #[cfg(feature = "claim")]
        {
            if let Err(rival) = claim.ask(self.clock, &mut self.rng, self.options.claiming).await {
                self.decline(socket, &granted).await?;
                return Ok(Some(Err(End::Rival(rival))));
            }
            claim.announce();
        }
        Ok(Some(Ok(granted)))
    }

    fn message(&mut self, kind: Kind) -> Message {
        let mut message = Message::new(kind, self.rng.next_u32(), self.mac);
        // Answers could not reach an address that we do not have yet.
        message.broadcast = true;
        message
    }

    fn jittered(&mut self, wait: Duration) -> Duration {
        between(&mut self.rng, wait - WAIT_JITTER, wait + WAIT_JITTER)
    }

    async fn send(
        &self,
        socket: &udp::Socket<'_>,
        message: &Message,
        from: Ipv4Addr,
        to: SocketAddr,
    ) -> Result<(), udp::Error> {
        // Written anew each time that there may be room, rather than kept in the future all the while.
        poll_fn(|cx| {
            let mut buffer = [0; MESSAGE_MAX];
            let bytes = message.emit(self.options.host_name, &mut buffer);
            socket.poll_send_from(cx, bytes, from.into(), to)
        })
        .await
    }

    /// Waits for a server's message about this exchange, for so long at most.
    async fn answer(
        &self,
        socket: &udp::Socket<'_>,
        xid: u32,
        patience: Duration,
        // One function for all that is waited for, as it takes a kilobyte.
        wanted: &dyn Fn(&Message) -> bool,
    ) -> Answer {
        let listening = poll_fn(|cx| {
            if let Poll::Ready(times) = self.poll_link(cx) {
                return Poll::Ready(Answer::LinkBack(times));
            }
            loop {
                let heard = ready!(socket.poll_recv_with(cx, |bytes, _| Message::parse(bytes)));
                if let Ok(message) = heard
                    && message.kind.is_reply()
                    && (message.xid, message.mac) == (xid, self.mac)
                    && wanted(&message)
                {
                    return Poll::Ready(Answer::Said(message));
                }
            }
        });
        timeout(self.clock, patience, listening).await.unwrap_or(Answer::Nothing)
    }

    /// Waits until the link has come back once more; answers with how often it has.
    fn poll_link(&self, cx: &Context<'_>) -> Poll<u8> {
        self.stack.poll(|core| core.poll_link_returned(self.link, cx.waker()))
    }
}

/// Whether it grants or refuses; a grant that leaves out what a lease needs is none.
fn is_verdict(message: &Message) -> bool {
    message.kind == Kind::Nak || (message.kind == Kind::Ack && Lease::of(message, Instant::ZERO).is_some())
}

impl<C: ?Sized, R> fmt::Debug for Client<'_, '_, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The first of two futures, the second of which never ends.
#[cfg(feature = "claim")]
async fn first<T>(
    mut one: Pin<&mut impl Future<Output = T>>,
    mut never: Pin<&mut impl Future<Output = Infallible>>,
) -> T {
    poll_fn(|cx| {
        if let Poll::Ready(output) = one.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        never.as_mut().poll(cx).map(|never| match never {})
    })
    .await
}

/// Whichever of two futures ends first.
#[cfg(feature = "claim")]
async fn either<T>(mut one: Pin<&mut impl Future<Output = T>>, mut other: Pin<&mut impl Future<Output = T>>) -> T {
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(output),
        Poll::Pending => other.as_mut().poll(cx),
    })
    .await
}

/// Numbers for a future that cannot share the client's generator (SplitMix64).
#[cfg(feature = "claim")]
struct Draws(u64);

#[cfg(feature = "claim")]
impl rand_core::TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|word| (word >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(crate::engine::splitmix(&mut self.0))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&crate::engine::splitmix(&mut self.0).to_be_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
