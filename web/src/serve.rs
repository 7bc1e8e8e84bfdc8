//! Serving: one future that accepts, answers and stops. Nothing is spawned: dropping the future ends it all.

mod closing;
mod connection;
mod crowd;
mod date;
mod exchange;
mod framing;
#[cfg(feature = "http2")]
mod http2;
mod metered;
mod refusal;
mod run;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::rt::Timer;
use hyper::server::conn::http1;
use tower_service::Service;

use crate::{BoxError, Listener, Peer, Runtime};

use connection::{Connection, Ended};
use crowd::Crowd;
use date::Date;

/// How a server behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections served at a time; more wait to be accepted. 10,240 unless set.
    pub connections_max: usize,
    /// Bytes of a request's head, beyond which it is refused with 431. 64 KiB unless set.
    pub head_bytes_max: usize,
    /// How long a connection may be without a complete request and without taking any of a response, be it idle or
    /// sending a head slowly. It is closed, in the second case with a 408, after at least this time and at most twice
    /// this: so a request costs no timer. 30 s unless set; `None` waits for ever.
    pub head_timeout: Option<Duration>,
    /// How long requests in progress may take when the server is told to stop. 10 s unless set.
    pub stop_timeout: Duration,
    /// Whether requests carry a [`PeerAddr`](crate::PeerAddr) extension, at the cost of an allocation each. Off unless
    /// set.
    pub peer_addr: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections_max: 10_240,
            head_bytes_max: 64 * 1024,
            head_timeout: Some(Duration::from_secs(30)),
            stop_timeout: Duration::from_secs(10),
            peer_addr: false,
        }
    }
}

/// What a server did until it was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Served {
    /// Connections accepted.
    pub connections: u64,
    /// Connections that ended in an error: broken off, timed out, or not HTTP.
    pub failed: u64,
    /// Connections still busy when the time to stop was up, which were then dropped.
    pub cut: u64,
}

/// Serves until `stop` resolves, with the default [`Options`].
///
/// The service may be an [`AppService`](crate::AppService), an axum `Router` or any other `tower_service::Service` of
/// `http` messages. It is cloned for each connection. A `Date` header from the runtime's clock is added where there is
/// none. A handler that panics, or a service that fails, is answered for with 500.
///
/// On `stop` the listener is dropped, idle connections are closed, and requests in progress are finished within
/// [`Options::stop_timeout`].
pub async fn serve<L, S, B, R>(listener: L, service: S, runtime: R, stop: impl Future<Output = ()>) -> Served
where
    L: Listener,
    R: Runtime,
    S: Service<http::Request<Incoming>, Response = http::Response<B>> + Clone + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    serve_with(Options::default(), listener, service, runtime, stop).await
}

/// Serves until `stop` resolves; see [`serve`].
pub async fn serve_with<L, S, B, R>(
    options: Options,
    listener: L,
    service: S,
    runtime: R,
    stop: impl Future<Output = ()>,
) -> Served
where
    L: Listener,
    R: Runtime,
    S: Service<http::Request<Incoming>, Response = http::Response<B>> + Clone + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    let timer = runtime.timer();
    let stop_timeout = options.stop_timeout;
    let connections_max = options.connections_max.max(1);
    let shared = Rc::new(Shared {
        http: builder(&options),
        date: Date::default(),
        time: Cell::new(None),
        runtime,
        timer: timer.clone(),
        options,
    });
    let mut served = Served::default();
    let mut connections = Crowd::new();
    {
        let mut accepted = pin!(accepted(listener, timer.clone()));
        let mut stop = pin!(stop);
        std::future::poll_fn(|cx| {
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            shared.look_at_the_clock();
            loop {
                if connections.len() < connections_max
                    && let Poll::Ready(Some((io, peer))) = accepted.as_mut().poll_next(cx)
                {
                    served.connections += 1;
                    connections.push(Connection::new(io, peer, service.clone(), Rc::clone(&shared)));
                    continue;
                }
                match connections.poll_next(cx) {
                    Poll::Ready(Some(ended)) => served.count(ended),
                    Poll::Ready(None) | Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }
    connections.change_all(Connection::stop);
    let mut deadline = timer.sleep(stop_timeout);
    std::future::poll_fn(|cx| {
        shared.look_at_the_clock();
        while let Poll::Ready(ended) = connections.poll_next(cx) {
            match ended {
                Some(ended) => served.count(ended),
                None => return Poll::Ready(()),
            }
        }
        deadline.as_mut().poll(cx)
    })
    .await;
    served.cut = connections.len() as u64;
    served
}

impl Served {
    fn count(&mut self, ended: Ended) {
        if matches!(ended, Ended::Failed) {
            self.failed += 1;
        }
    }
}

/// What all connections of a server have in common.
struct Shared<R: Runtime> {
    http: http1::Builder,
    date: Date,
    /// The time of what is answered in this go, once anything is.
    time: Cell<Option<SystemTime>>,
    runtime: R,
    timer: R::Timer,
    options: Options,
}

impl<R: Runtime> Shared<R> {
    /// To be said before connections are polled: all that is answered in one go has one date.
    fn look_at_the_clock(&self) {
        self.time.set(None);
    }

    fn date_now(&self) -> Option<http::HeaderValue> {
        let time = self.time.get().unwrap_or_else(|| self.runtime.wall_clock());
        self.time.set(Some(time));
        self.date.at(time)
    }
}

/// hyper is given no timer and writes no date, so it consults no clock that shows.
fn builder(options: &Options) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.auto_date_header(false).header_read_timeout(None).max_header_size(options.head_bytes_max);
    http
}

const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(5);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Connections as they come. Errors are logged and followed by a growing pause, for a shortage (of file descriptors,
/// say) is not over at once.
fn accepted<L: Listener>(listener: L, timer: impl Timer) -> impl Stream<Item = (L::Io, Peer)> {
    unfold((listener, timer), |(mut listener, timer)| async move {
        let mut pause = ACCEPT_PAUSE_MIN;
        loop {
            match listener.accept().await {
                Ok(accepted) => return Some((accepted, (listener, timer))),
                Err(error) if is_about_one_connection(&error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                }
                Err(error) => {
                    tracing::warn!(%error, ?pause, "cannot accept connections");
                    timer.sleep(pause).await;
                    pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                }
            }
        }
    })
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
