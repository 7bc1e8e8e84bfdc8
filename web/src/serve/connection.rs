//! One connection: hyper's, with a timeout of our own.
//!
//! hyper would start and cancel a timer for every request. Here one timer a connection looks now and then whether
//! anything has happened since it last looked.

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::rt::{Read, Sleep, Timer, Write};
use hyper::server::conn::http1;
use tower_service::Service;

use super::Shared;
use super::exchange::Exchanges;
use super::metered::{Meter, Metered};
use crate::middleware::describe;
use crate::{BoxError, PeerAddr, Runtime};

/// How a connection ended.
#[derive(Clone, Copy)]
pub(super) enum Ended {
    Well,
    Failed,
}

/// A connection being served.
pub(super) struct Connection<Io, S, B, R>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    R: Runtime,
{
    http: Option<http1::Connection<Metered<Io>, Exchanges<S, R>>>,
    meter: Rc<Meter>,
    shared: Rc<Shared<R>>,
    watch: Option<Watch>,
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
    pub(super) fn new(io: Io, peer: SocketAddr, service: S, shared: Rc<Shared<R>>) -> Self {
        let meter = Rc::new(Meter::default());
        let exchanges = Exchanges {
            service: Rc::new(RefCell::new(service)),
            shared: Rc::clone(&shared),
            meter: Rc::clone(&meter),
            peer: shared.options.peer_addr.then_some(PeerAddr(peer)),
        };
        let http = shared.http.serve_connection(Metered::new(io, Rc::clone(&meter)), exchanges);
        let watch = shared.options.head_timeout.map(|after| Watch { sleep: shared.timer.sleep(after), steps: 0 });
        Self { http: Some(http), meter, shared, watch }
    }

    /// The same connection, told to end after the request that it is at.
    pub(super) fn stopping(mut self) -> Self {
        if let Some(http) = &mut self.http {
            Pin::new(http).graceful_shutdown();
        }
        self
    }

    /// Ready when the connection has stood still for the time allowed.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(watch), Some(after)) = (&mut self.watch, self.shared.options.head_timeout) else {
            return Poll::Pending;
        };
        loop {
            ready!(watch.sleep.as_mut().poll(cx));
            let steps = self.meter.steps.get();
            let waits_for_peer = !self.meter.answering.get() || self.meter.blocked.get();
            if steps == watch.steps && waits_for_peer {
                return Poll::Ready(());
            }
            watch.steps = steps;
            watch.sleep = self.shared.timer.sleep(after);
        }
    }

    fn poll_http(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let http = self.http.as_mut().expect("a connection is not polled after its end");
        match Pin::new(http).poll(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ended::Well),
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a connection failed");
                return Poll::Ready(Ended::Failed);
            }
            Poll::Pending => ready!(self.poll_stalled(cx)),
        }
        let parts = self.http.take().expect("it was polled just now").into_parts();
        Poll::Ready(if self.meter.blocked.get() {
            Ended::Failed
        } else if parts.read_buf.is_empty() {
            say_and_close(parts.io, b"", cx);
            Ended::Well
        } else {
            say_and_close(parts.io, TIMED_OUT, cx);
            Ended::Failed
        })
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
        catch_unwind(AssertUnwindSafe(|| self.poll_http(cx))).unwrap_or_else(|panic| {
            tracing::error!(panic = describe(&*panic), "a connection panicked");
            Poll::Ready(Ended::Failed)
        })
    }
}

const TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Last words to a peer that did not finish its request (RFC 9110, 15.5.9), as far as it takes them at once: nobody
/// waits for it any longer.
fn say_and_close(mut io: impl Write + Unpin, mut words: &[u8], cx: &mut Context<'_>) {
    while !words.is_empty() {
        match Pin::new(&mut io).poll_write(cx, words) {
            Poll::Ready(Ok(written)) if written > 0 => words = &words[written..],
            Poll::Ready(_) | Poll::Pending => return,
        }
    }
    if let Poll::Ready(Err(error)) = Pin::new(&mut io).poll_shutdown(cx) {
        tracing::debug!(%error, "a connection that had timed out could not be shut down");
    }
}
