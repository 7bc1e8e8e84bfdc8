//! One connection: hyper's, with a timeout and an end of our own.
//!
//! hyper would start and cancel a timer for every request. Here one timer a connection looks now and then whether
//! anything has happened since it last looked.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::rt::{Read, Sleep, Timer, Write};
use hyper::server::conn::http1;
use tower_service::Service;

use super::Shared;
use super::closing::{Closing, LINGER};
use super::exchange::Exchanges;
#[cfg(feature = "http2")]
use super::http2::Http2;
use super::metered::{Meter, Metered};
use super::refusal;
use crate::middleware::describe;
use crate::upgrade::{self, Left, Upgraded};
use crate::{BoxError, Peer, PeerAddr, Runtime};

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Failed,
}

/// A connection being served.
pub(super) struct Connection<Io, S, B, R>
where
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    R: Runtime,
{
    stage: Stage<Io, S, B, R>,
    meter: Rc<Meter>,
    shared: Rc<Shared<R>>,
    watch: Option<Watch>,
    #[cfg(feature = "http2")]
    exchanges: Exchanges<S, R>,
}

/// What the connection is at.
#[allow(clippy::large_enum_variant, reason = "nearly every connection is of the largest, for nearly all of its time")]
enum Stage<Io, S, B, R>
where
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    R: Runtime,
{
    Http1(http1::Connection<Metered<Io>, Exchanges<S, R>>),
    #[cfg(feature = "http2")]
    Http2(Box<Http2<Metered<Upgraded>, S, B, R>>),
    Upgraded(LocalBoxFuture<'static, ()>, Left),
    Closing(Closing<Io>, Ended),
    ClosingUpgraded(Closing<upgrade::Io>),
    Over,
}

/// The next look at the connection, and what it had done at the last.
struct Watch {
    sleep: Pin<Box<dyn Sleep>>,
    steps: u64,
}

impl<Io, S, B, R> Connection<Io, S, B, R>
where
    Io: Read + Write + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    R: Runtime,
{
    pub(super) fn new(io: Io, peer: Peer, service: S, shared: Rc<Shared<R>>) -> Self {
        let meter = Rc::new(Meter::default());
        let exchanges = Exchanges {
            service: Rc::new(RefCell::new(service)),
            shared: Rc::clone(&shared),
            meter: Rc::clone(&meter),
            peer: shared.options.peer_addr.then_some(PeerAddr(peer)),
        };
        let io = Metered::http1(io, Rc::clone(&meter));
        #[cfg(feature = "http2")]
        let http = shared.http.serve_connection(io, exchanges.clone());
        #[cfg(not(feature = "http2"))]
        let http = shared.http.serve_connection(io, exchanges);
        let watch = shared.options.head_timeout.map(|after| Watch { sleep: shared.timer.sleep(after), steps: 0 });
        Self {
            stage: Stage::Http1(http),
            meter,
            shared,
            watch,
            #[cfg(feature = "http2")]
            exchanges,
        }
    }

    /// Tells it to end after the request that it is at; it notices when it is polled.
    pub(super) fn stop(&mut self) {
        match &mut self.stage {
            Stage::Http1(http) => Pin::new(http).graceful_shutdown(),
            #[cfg(feature = "http2")]
            Stage::Http2(http) => http.stop(),
            Stage::Upgraded(..) | Stage::Closing(..) | Stage::ClosingUpgraded(_) | Stage::Over => {}
        }
    }

    /// Ready when the connection has stood still for the time allowed.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(watch), Some(after)) = (&mut self.watch, self.shared.options.head_timeout) else {
            return Poll::Pending;
        };
        loop {
            ready!(watch.sleep.as_mut().poll(cx));
            let steps = self.meter.steps.get();
            let waits_for_peer = self.meter.at_work.get() == 0 || self.meter.blocked.get();
            if steps == watch.steps && waits_for_peer {
                return Poll::Ready(());
            }
            watch.steps = steps;
            watch.sleep = self.shared.timer.sleep(after);
        }
    }

    fn poll_stages(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            match &mut self.stage {
                Stage::Http1(_) => ready!(self.poll_http1(cx)),
                #[cfg(feature = "http2")]
                Stage::Http2(http) => match Pin::new(&mut **http).poll(cx) {
                    Poll::Ready(ended) => return Poll::Ready(ended),
                    Poll::Pending => {
                        ready!(self.poll_stalled(cx));
                        let idle = self.meter.answering.get() == 0 && !self.meter.blocked.get();
                        return Poll::Ready(if idle { Ended::Well } else { Ended::Failed });
                    }
                },
                Stage::Upgraded(future, left) => {
                    ready!(future.as_mut().poll(cx));
                    let Some(io) = left.take() else {
                        return Poll::Ready(Ended::Well);
                    };
                    // Whatever was said last must not be reset away by what the peer is still sending.
                    let deadline = self.shared.timer.sleep(LINGER);
                    self.stage = Stage::ClosingUpgraded(Closing::new(io, Vec::new(), true, deadline));
                }
                Stage::ClosingUpgraded(closing) => return Pin::new(closing).poll(cx).map(|()| Ended::Well),
                Stage::Closing(closing, ended) => {
                    let ended = *ended;
                    return Pin::new(closing).poll(cx).map(|()| ended);
                }
                Stage::Over => return Poll::Ready(Ended::Failed),
            }
        }
    }

    /// Ready when the connection has gone over to its next stage.
    fn poll_http1(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Stage::Http1(http) = &mut self.stage else {
            return Poll::Ready(());
        };
        let ended = Pin::new(http).poll(cx);
        if ended.is_pending() {
            ready!(self.poll_stalled(cx));
        }
        let Stage::Http1(http) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return Poll::Ready(());
        };
        let parts = http.into_parts();
        #[cfg(feature = "http2")]
        let watch = self.watch.take();
        #[cfg(not(feature = "http2"))]
        self.watch.take();
        let (io, read_ahead) = (parts.io.io, parts.read_buf);
        self.stage = match ended {
            Poll::Ready(Ok(())) => match self.meter.upgrade.take() {
                Some(upgrade) => {
                    let left = Left::default();
                    Stage::Upgraded(upgrade(Upgraded::new(io, read_ahead).leaving(&left)), left)
                }
                None if self.meter.broken.get() => self.closing(io, Vec::new(), Ended::Failed),
                None => self.closing(io, Vec::new(), Ended::Well),
            },
            #[cfg(feature = "http2")]
            Poll::Ready(Err(error)) if error.is_parse_version_h2() => {
                let io = Metered::http2(Upgraded::new(io, read_ahead), Rc::clone(&self.meter));
                self.watch = watch;
                self.meter.refused.set(None);
                Stage::Http2(Box::new(Http2::new(io, self.exchanges.clone(), &self.shared.options)))
            }
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a connection failed");
                match self.meter.refused.get() {
                    Some(status) => {
                        let at_target = self.meter.framing.borrow().is_at_target();
                        let status = refusal::status(status, &read_ahead, at_target);
                        let words = refusal::write(status, self.shared.date_now());
                        self.closing(io, words, Ended::Failed)
                    }
                    None => return Poll::Ready(()),
                }
            }
            Poll::Pending if self.meter.blocked.get() => return Poll::Ready(()),
            Poll::Pending if read_ahead.is_empty() => self.closing(io, Vec::new(), Ended::Well),
            Poll::Pending => {
                let words = refusal::write(408, self.shared.date_now());
                self.closing(io, words, Ended::Failed)
            }
        };
        Poll::Ready(())
    }

    fn closing(&self, io: Io, words: Vec<u8>, ended: Ended) -> Stage<Io, S, B, R> {
        let deadline = self.shared.timer.sleep(LINGER);
        Stage::Closing(Closing::new(io, words, self.meter.unread.get(), deadline), ended)
    }
}

impl<Io, S, B, R> Future for Connection<Io, S, B, R>
where
    Io: Read + Write + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    R: Runtime,
{
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        // A body that panics while it streams ends its connection; the connection is dropped, not polled again.
        catch_unwind(AssertUnwindSafe(|| self.poll_stages(cx))).unwrap_or_else(|panic| {
            tracing::error!(panic = describe(&*panic), "a connection panicked");
            Poll::Ready(Ended::Failed)
        })
    }
}
