//! How often a client may ask.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use hyper::rt::Timer;

use crate::{Error, IntoResponse, Middleware, Next, Peer, PeerAddr, Request, Response};

/// Lets each client ask once an interval on average, and so many times at once after it was quiet; answers with 429 and
/// `Retry-After` beyond that (the generic cell rate algorithm: one instant a client is all that is kept).
///
/// Clients are told apart by their address, if [`Options::peer_addr`](crate::Options::peer_addr) is set, or by
/// [`RateLimit::by`]. Those that cannot be told apart are one client.
pub struct RateLimit<T, State> {
    timer: T,
    interval: Duration,
    burst: u32,
    key: Key<State>,
    /// When each client will have paid for what it asked.
    paid: RefCell<BTreeMap<String, Instant>>,
}

/// Tells clients apart.
type Key<State> = Box<dyn Fn(&Request<State>) -> Option<String>>;

/// How many clients are remembered. When there are more, those that have paid are forgotten; if all owe, newcomers share
/// one account, so that no flood of names fills the memory.
const CLIENTS_MAX: usize = 10_000;

impl<T: Timer, State> RateLimit<T, State> {
    /// Lets a client ask once an `interval`, and `burst` times at once.
    #[must_use]
    pub fn new(timer: T, interval: Duration, burst: u32) -> Self {
        let key = |request: &Request<State>| match request.extensions().get::<PeerAddr>() {
            Some(PeerAddr(Peer::Ip(address))) => Some(address.ip().to_string()),
            Some(PeerAddr(_)) | None => None,
        };
        Self { timer, interval, burst: burst.max(1), key: Box::new(key), paid: RefCell::default() }
    }

    /// Tells clients apart by this function: by a user's name, say.
    #[must_use]
    pub fn by(mut self, key: impl Fn(&Request<State>) -> Option<String> + 'static) -> Self {
        self.key = Box::new(key);
        self
    }

    /// How long the client has to wait; nothing if it may ask now.
    fn charge(&self, client: String) -> Option<Duration> {
        let now = self.timer.now();
        let mut paid = self.paid.borrow_mut();
        let client = if paid.len() >= CLIENTS_MAX && !paid.contains_key(&client) {
            paid.retain(|_, at| *at > now);
            if paid.len() >= CLIENTS_MAX { String::new() } else { client }
        } else {
            client
        };
        let due = paid.get(&client).map_or(now, |at| (*at).max(now)) + self.interval;
        let wait = due.saturating_duration_since(now).saturating_sub(self.interval * self.burst);
        if wait.is_zero() {
            paid.insert(client, due);
            return None;
        }
        Some(wait)
    }
}

impl<State: 'static, T: Timer + 'static> Middleware<State> for RateLimit<T, State> {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        let client = (self.key)(&request).unwrap_or_default();
        match self.charge(client) {
            None => next.run(request).await,
            Some(wait) => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Error::new(StatusCode::TOO_MANY_REQUESTS)
                    .detail("this client asks too often")
                    .header(RETRY_AFTER, HeaderValue::from(seconds))
                    .into_response()
            }
        }
    }
}

impl<T, State> fmt::Debug for RateLimit<T, State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("interval", &self.interval)
            .field("burst", &self.burst)
            .finish_non_exhaustive()
    }
}
