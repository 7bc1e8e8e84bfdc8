//! One request and its response: between hyper's service and tower's.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::DATE;
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::Shared;
use super::metered::Meter;
use crate::middleware::describe;
use crate::{Body, BoxError, Error, IntoResponse, PeerAddr, Runtime};

/// A tower service as hyper calls it. HTTP/1 requests of a connection come one after the other, so one service a
/// connection is enough.
pub(super) struct Exchanges<S, R: Runtime> {
    pub(super) service: Rc<RefCell<S>>,
    pub(super) shared: Rc<Shared<R>>,
    pub(super) meter: Rc<Meter>,
    pub(super) peer: Option<PeerAddr>,
}

impl<S, B, R> hyper::service::Service<Request<Incoming>> for Exchanges<S, R>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
    R: Runtime,
{
    type Response = Response<Answer<B>>;
    type Error = Infallible;
    type Future = Exchange<S, S::Future, R>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        Exchange {
            service: Rc::clone(&self.service),
            shared: Rc::clone(&self.shared),
            answering: Some(Answering::new(&self.meter)),
            request: Some(request),
            future: None,
        }
    }
}

pin_project! {
    /// The response to come.
    pub(super) struct Exchange<S, F, R: Runtime> {
        service: Rc<RefCell<S>>,
        shared: Rc<Shared<R>>,
        answering: Option<Answering>,
        request: Option<Request<Incoming>>,
        #[pin]
        future: Option<F>,
    }
}

impl<S, B, R> Future for Exchange<S, S::Future, R>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
    R: Runtime,
{
    type Output = Result<Response<Answer<B>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // After a panic the service's future is dropped here below and never polled again.
        let outcome = match catch_unwind(AssertUnwindSafe(|| self.as_mut().poll_service(cx))) {
            Ok(poll) => ready!(poll).map_err(|error| Error::new(StatusCode::INTERNAL_SERVER_ERROR).caused_by(error)),
            Err(panic) => {
                tracing::error!(panic = describe(&*panic), "a handler panicked");
                Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR))
            }
        };
        let mut this = self.project();
        this.future.set(None);
        let answering = this.answering.take();
        let mut response = match outcome {
            Ok(response) => response.map(|body| Answer { body: Source::Service { body }, answering }),
            Err(error) => error.into_response().map(|body| Answer { body: Source::Own { body }, answering }),
        };
        if !response.headers().contains_key(DATE)
            && let Some(date) = this.shared.date.at(this.shared.runtime.wall_clock())
        {
            response.headers_mut().insert(DATE, date);
        }
        Poll::Ready(Ok(response))
    }
}

impl<S, B, R> Exchange<S, S::Future, R>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    R: Runtime,
{
    fn poll_service(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Response<B>, BoxError>> {
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut() {
            return future.poll(cx).map_err(Into::into);
        }
        let mut service = this.service.borrow_mut();
        ready!(service.poll_ready(cx)).map_err(Into::into)?;
        let request = this.request.take().expect("the service is called once");
        this.future.set(Some(service.call(request)));
        drop(service);
        this.future.as_pin_mut().expect("it was just set").poll(cx).map_err(Into::into)
    }
}

/// While one of these lives, the connection is busy with a request.
struct Answering {
    meter: Rc<Meter>,
}

impl Answering {
    fn new(meter: &Rc<Meter>) -> Self {
        meter.answering.set(true);
        meter.step();
        Self { meter: Rc::clone(meter) }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.meter.answering.set(false);
    }
}

pin_project! {
    /// A response's body, from the service or from the server itself.
    pub(super) struct Answer<B> {
        #[pin]
        body: Source<B>,
        answering: Option<Answering>,
    }
}

pin_project! {
    #[project = SourceProjected]
    enum Source<B> {
        Service { #[pin] body: B },
        Own { body: Body },
    }
}

impl<B> HttpBody for Answer<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().body.project() {
            SourceProjected::Service { body } => body.poll_frame(cx).map_err(Into::into),
            SourceProjected::Own { body } => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Source::Service { body } => body.is_end_stream(),
            Source::Own { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Source::Service { body } => body.size_hint(),
            Source::Own { body } => body.size_hint(),
        }
    }
}
