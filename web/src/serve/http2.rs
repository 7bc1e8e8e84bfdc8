//! HTTP/2 (RFC 9113), for connections that begin with its preface. hyper spawns a future a stream; here they are
//! polled with their connection, and nothing leaves it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::rt::{Executor, Read, Write};
use hyper::server::conn::http2;
use tower_service::Service;

use super::Options;
use super::connection::Ended;
use super::exchange::Exchanges;
use crate::{BoxError, Runtime};

/// Streams that have begun and are not polled yet.
#[derive(Clone, Default)]
pub(super) struct Begun(Rc<RefCell<Vec<LocalBoxFuture<'static, ()>>>>);

impl<F: Future<Output = ()> + 'static> Executor<F> for Begun {
    fn execute(&self, future: F) {
        self.0.borrow_mut().push(Box::pin(future));
    }
}

/// How many requests may be in progress on one connection.
const STREAMS_MAX: u32 = 128;

/// A connection and its streams.
pub(super) struct Http2<Io, S, B, R>
where
    Io: Read + Write + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    R: Runtime,
{
    connection: http2::Connection<Io, Exchanges<S, R>, Begun>,
    begun: Begun,
    streams: FuturesUnordered<LocalBoxFuture<'static, ()>>,
}

impl<Io, S, B, R> Http2<Io, S, B, R>
where
    Io: Read + Write + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    R: Runtime,
{
    pub(super) fn new(io: Io, exchanges: Exchanges<S, R>, options: &Options) -> Self {
        let begun = Begun::default();
        let mut http = http2::Builder::new(begun.clone());
        let head_bytes_max = u32::try_from(options.head_bytes_max).unwrap_or(u32::MAX);
        http.auto_date_header(false).max_header_list_size(head_bytes_max).max_concurrent_streams(STREAMS_MAX);
        Self { connection: http.serve_connection(io, exchanges), begun, streams: FuturesUnordered::new() }
    }

    pub(super) fn stop(&mut self) {
        Pin::new(&mut self.connection).graceful_shutdown();
    }
}

impl<Io, S, B, R> Future for Http2<Io, S, B, R>
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
        loop {
            if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(cx) {
                return Poll::Ready(match ended {
                    Ok(()) => Ended::Well,
                    Err(error) => {
                        tracing::debug!(%error, "a connection failed");
                        Ended::Failed
                    }
                });
            }
            let begun = self.begun.0.take();
            self.streams.extend(begun);
            let mut progress = false;
            while let Poll::Ready(Some(())) = self.streams.poll_next_unpin(cx) {
                progress = true;
            }
            // What the streams did is for the connection to send.
            if !progress && self.begun.0.borrow().is_empty() {
                return Poll::Pending;
            }
        }
    }
}
