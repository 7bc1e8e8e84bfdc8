//! One request and its response: between hyper's service and tower's.

use std::any::Any;
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, LAST_MODIFIED, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::Shared;
use super::framing::{Expected, are_trimmed, expected, is_of_http, is_target, misaddressed, miscoded};
use super::metered::Meter;
use super::run::{self, Run};
use crate::middleware::describe;
use crate::{Body, BoxError, Error, IntoResponse, PeerAddr, Runtime};

/// A tower service as hyper calls it: one a connection.
pub(super) struct Exchanges<S, R: Runtime> {
    pub(super) service: Rc<RefCell<S>>,
    pub(super) shared: Rc<Shared<R>>,
    pub(super) meter: Rc<Meter>,
    pub(super) peer: Option<PeerAddr>,
}

impl<S, R: Runtime> Clone for Exchanges<S, R> {
    fn clone(&self) -> Self {
        Self {
            service: Rc::clone(&self.service),
            shared: Rc::clone(&self.shared),
            meter: Rc::clone(&self.meter),
            peer: self.peer.clone(),
        }
    }
}

impl<S, B, R> hyper::service::Service<Request<Incoming>> for Exchanges<S, R>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    R: Runtime,
{
    type Response = Response<Answer<B>>;
    type Error = Infallible;
    type Future = Exchange<S, S::Future, R>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let is_http1 = request.version() <= Version::HTTP_11;
        let (misframed, may_expect) = if is_http1 {
            let mut framing = self.meter.framing.borrow_mut();
            (framing.take(), framing.may_expect())
        } else {
            (None, true)
        };
        let expected = if may_expect { expected(request.version(), request.headers()) } else { Expected::Nothing };
        let refused = Self::refuse(&request, misframed, expected);
        self.meter.unread.set(!request.body().is_end_stream());
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(peer.clone());
        }
        let asked = Asked {
            awaits_leave: expected == Expected::Leave,
            is_http1,
            is_http_11: request.version() == Version::HTTP_11,
            is_head: request.method() == Method::HEAD,
        };
        let answering = Some(Answering::new(&self.meter));
        let (request, future) = if refused.is_none() { self.begin(request) } else { (None, None) };
        Exchange {
            refused,
            asked,
            service: Rc::clone(&self.service),
            shared: Rc::clone(&self.shared),
            answering,
            request,
            future,
        }
    }
}

impl<S, B, R> Exchanges<S, R>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    R: Runtime,
{
    /// Calls a service that is ready, as an app always is: so the request is moved no further. It waits for one that is not; where
    /// neither is there, the service has panicked.
    fn begin(&self, request: Request<Incoming>) -> (Option<Box<Request<Incoming>>>, Option<S::Future>) {
        let begin = || {
            let mut service = self.service.borrow_mut();
            match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(())) => (None, Some(service.call(request))),
                // It is asked again, and says so again if it has failed.
                Poll::Ready(Err(_)) | Poll::Pending => (Some(Box::new(request)), None),
            }
        };
        catch_unwind(AssertUnwindSafe(begin)).unwrap_or_else(|panic| {
            tracing::error!(panic = describe(&*panic), "a service panicked");
            (None, None)
        })
    }
}

impl<S, R: Runtime> Exchanges<S, R> {
    /// What is wrong with a request's head, if anything is that hyper lets pass.
    fn refuse(
        request: &Request<Incoming>,
        misframed: Option<&'static str>,
        expected: Expected,
    ) -> Option<(StatusCode, &'static str)> {
        let is_http1 = request.version() <= Version::HTTP_11;
        if !is_target(request.method(), request.uri()) {
            return Some((StatusCode::BAD_REQUEST, "the request's target has not the form that its method asks for"));
        }
        if !is_of_http(request.uri()) {
            return Some((StatusCode::MISDIRECTED_REQUEST, "nothing is answered for here but `http` and `https`"));
        }
        if let Some(wrong) = misaddressed(request.version(), request.uri(), request.headers()) {
            return Some((StatusCode::BAD_REQUEST, wrong));
        }
        if expected == Expected::More {
            return Some((StatusCode::EXPECTATION_FAILED, "nothing but `100-continue` is known to be expected"));
        }
        if !is_http1 && !are_trimmed(request.headers()) {
            return Some((StatusCode::BAD_REQUEST, "a field of the request has white space around its value"));
        }
        let misframed = misframed.map(|wrong| (StatusCode::BAD_REQUEST, wrong));
        if !is_http1 || request.body().is_end_stream() { misframed } else { miscoded(request.headers()).or(misframed) }
    }
}

/// What of a request decides how it may be answered.
#[derive(Clone, Copy)]
struct Asked {
    awaits_leave: bool,
    is_http1: bool,
    is_http_11: bool,
    is_head: bool,
}

pin_project! {
    /// The response to come.
    pub(super) struct Exchange<S, F, R: Runtime> {
        refused: Option<(StatusCode, &'static str)>,
        asked: Asked,
        service: Rc<RefCell<S>>,
        shared: Rc<Shared<R>>,
        answering: Option<Answering>,
        request: Option<Box<Request<Incoming>>>,
        #[pin]
        future: Option<F>,
    }
}

impl<S, B, R> Future for Exchange<S, S::Future, R>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    R: Runtime,
{
    type Output = Result<Response<Answer<B>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some((status, wrong)) = self.refused {
            let this = self.project();
            let answering = this.answering.take();
            let error = Error::new(status).detail(wrong);
            let mut response = own(error.header(CONNECTION, HeaderValue::from_static("close")), answering);
            if let Some(date) = this.shared.date_now() {
                response.headers_mut().insert(DATE, date);
            }
            return Poll::Ready(Ok(response));
        }
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
        let mut answering = this.answering.take();
        // The body is asked for when the peer has room for it.
        answering.iter_mut().for_each(|answering| answering.set_at_work(false));
        let unread = answering.as_ref().is_some_and(|answering| answering.meter.unread.get());
        let mut response = match outcome {
            Ok(mut response) => {
                let meter = answering.as_ref().map(|answering| &*answering.meter);
                match meter.map_or(Ok(()), |meter| check_status(&mut response, meter, *this.asked)) {
                    Ok(()) => {
                        let joins = this.asked.is_http1;
                        response.map(|body| Answer::new(Source::Service { body }, answering, joins))
                    }
                    Err(error) => own(error, answering),
                }
            }
            Err(error) => own(error, answering),
        };
        // What is too large is not read to its end, so the connection cannot go on (RFC 9110, 15.5.14).
        if response.status() == StatusCode::PAYLOAD_TOO_LARGE && unread {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        // The fields of a response are few: looking through them once is less than looking up two of them.
        let (mut is_dated, mut is_of_a_time, mut is_framed) = (false, false, false);
        for name in response.headers().keys() {
            is_dated |= *name == DATE;
            is_of_a_time |= *name == LAST_MODIFIED;
            is_framed |= *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING;
        }
        if !is_dated && let Some(date) = this.shared.date_now() {
            response.headers_mut().insert(DATE, date);
        }
        if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
            silence(&mut response);
        }
        if is_framed {
            frame(&mut response, this.asked.is_head);
        }
        if is_of_a_time {
            bound_last_modified(response.headers_mut());
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
        let Some(request) = this.request.take() else {
            return Poll::Ready(Err("the service panicked when it was called".into()));
        };
        let mut service = this.service.borrow_mut();
        if service.poll_ready(cx).map_err(Into::into)?.is_pending() {
            *this.request = Some(request);
            return Poll::Pending;
        }
        this.future.set(Some(service.call(*request)));
        drop(service);
        this.future.as_pin_mut().expect("it was just set").poll(cx).map_err(Into::into)
    }
}

fn own<B>(error: Error, answering: Option<Answering>) -> Response<Answer<B>> {
    error.into_response().map(|body| Answer::new(Source::Own { body }, answering, false))
}

/// Whether a response may be sent with the status that it has. One that goes over to another protocol tells the meter of it.
fn check_status<B: 'static>(response: &mut Response<B>, meter: &Meter, asked: Asked) -> Result<(), Error> {
    let wrong = |why: &str| Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR).caused_by(io::Error::other(why)));
    match response.status().as_u16() {
        101 => {}
        200..=599 => return Ok(()),
        _ => return wrong("the handler's status is none that ends an answer (RFC 9110, 15)"),
    }
    // The other protocol begins after the request (RFC 9110, 7.8), and nobody knows whether the service has read all of it.
    if meter.unread.get() {
        let error = Error::new(StatusCode::BAD_REQUEST).detail("a request with a body goes over to no other protocol");
        return Err(error.header(CONNECTION, HeaderValue::from_static("close")));
    }
    if !asked.is_http_11 || !response.headers().contains_key(UPGRADE) {
        return wrong("a 101 is for HTTP/1.1 alone, and says by `Upgrade` to what it goes over (RFC 9110, 15.2.2)");
    }
    let body = (response.body_mut() as &mut dyn Any).downcast_mut::<Body>();
    let Some(upgrade) = body.and_then(Body::take_upgrade) else {
        return wrong("the handler's 101 has nothing that takes the connection over: that is `Body::upgrade`");
    };
    meter.upgrade.replace(Some(upgrade));
    if asked.awaits_leave {
        meter.give_leave();
    }
    Ok(())
}

/// Where a response ends is the server's to say (RFC 9112, 6). A length that is not the body's would have the next response taken
/// for a part of this one, or this for a part of nothing, and hyper writes it as it is; and no coding that a handler names is
/// applied. Without the body, the length is what the handler says: of a response to HEAD, or a 304.
fn frame<B: HttpBody<Data = Bytes, Error: Into<BoxError>>>(response: &mut Response<Answer<B>>, is_head: bool) {
    let is_without_body = is_head || response.status() == StatusCode::NOT_MODIFIED;
    let own = if is_without_body { None } else { response.body().size_hint().exact() };
    let headers = response.headers_mut();
    headers.remove(TRANSFER_ENCODING);
    let mut said = headers.get_all(CONTENT_LENGTH).iter().map(|value| value.to_str().ok()?.parse::<u64>().ok());
    let Some(first) = said.next() else { return };
    let is_sound = first.is_some() && said.all(|other| other == first) && own.is_none_or(|own| first == Some(own));
    if !is_sound {
        tracing::warn!(?first, ?own, "a handler's Content-Length is not the length of its body, and not sent");
    }
    match own.or(first.filter(|_| is_sound)) {
        Some(length) => drop(headers.insert(CONTENT_LENGTH, HeaderValue::from(length))),
        None => drop(headers.remove(CONTENT_LENGTH)),
    }
}

/// What is of a status that has no content gets none, whatever the service gave it (RFC 9110, 8.6, 15.3.5, 15.3.6 and 15.4.5). A
/// 304 may have the length of what is not sent.
fn silence<B>(response: &mut Response<Answer<B>>) {
    response.body_mut().body = Source::Nothing;
    if response.status() != StatusCode::NOT_MODIFIED {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
}

/// Nothing was changed after it is sent: a later date is that of the message (RFC 9110, 8.8.2.1).
fn bound_last_modified(headers: &mut HeaderMap) {
    let date = |value: &HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
    if let (Some(changed), Some(sent)) = (headers.get(LAST_MODIFIED), headers.get(DATE))
        && date(changed) > date(sent)
    {
        let sent = sent.clone();
        headers.insert(LAST_MODIFIED, sent);
    }
}

/// While one of these lives, the connection is busy with a request.
struct Answering {
    meter: Rc<Meter>,
    /// Whether it is the service that has to go on, and not the peer, who has yet to take what there is.
    at_work: bool,
}

impl Answering {
    fn new(meter: &Rc<Meter>) -> Self {
        meter.answering.set(meter.answering.get() + 1);
        meter.owing.set(true);
        meter.step();
        let mut answering = Self { meter: Rc::clone(meter), at_work: false };
        answering.set_at_work(true);
        answering
    }

    fn set_at_work(&mut self, at_work: bool) {
        let others = self.meter.at_work.get() - u32::from(self.at_work);
        self.meter.at_work.set(others + u32::from(at_work));
        self.at_work = at_work;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.set_at_work(false);
        self.meter.answering.set(self.meter.answering.get() - 1);
    }
}

pin_project! {
    /// A response's body, from the service or from the server itself.
    pub(super) struct Answer<B> {
        #[pin]
        body: Source<B>,
        answering: Option<Answering>,
        // Whether pieces are given together: not in HTTP/2, where the peer says how much it takes.
        joins: bool,
        // Once there was more than one.
        joining: Option<Box<Joining>>,
    }
}

impl<B> Answer<B> {
    fn new(body: Source<B>, answering: Option<Answering>, joins: bool) -> Self {
        Self { body, answering, joins, joining: None }
    }
}

/// What has become of pieces that are given together.
#[derive(Default)]
struct Joining {
    /// What came when more was looked for: an error, or trailers; or that there is no more.
    next: Option<Option<Result<Frame<Run>, BoxError>>>,
    /// How much has been given since the connection last wrote, and at which step that was.
    given: usize,
    step: u64,
}

pin_project! {
    #[project = SourceProjected]
    enum Source<B> {
        Service { #[pin] body: B },
        Own { body: Body },
        Nothing,
    }
}

impl<B> Source<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    fn poll_piece(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project() {
            SourceProjected::Service { body } => body.poll_frame(cx).map_err(Into::into),
            SourceProjected::Own { body } => Pin::new(body).poll_frame(cx).map_err(Into::into),
            SourceProjected::Nothing => Poll::Ready(None),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Service { body } => body.is_end_stream(),
            Self::Own { body } => body.is_end_stream(),
            Self::Nothing => true,
        }
    }
}

impl Joining {
    /// Whether more may be joined to what is given next: no more is kept for a peer that does not take it than hyper would keep.
    fn may_join(&mut self, meter: &Meter) -> bool {
        let step = meter.steps.get();
        if self.step != step {
            (self.step, self.given) = (step, 0);
        }
        !meter.blocked.get() && self.given < run::BYTES_MAX
    }

    fn join<B>(&mut self, run: &mut Run, mut body: Pin<&mut Source<B>>, cx: &mut Context<'_>)
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        while run.has_room() && !body.is_over() {
            match body.as_mut().poll_piece(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => run.push(piece),
                    Err(other) => {
                        self.next = Some(Some(Ok(other.map_data(Run::One))));
                        return;
                    }
                },
                Poll::Ready(Some(Err(error))) => {
                    self.next = Some(Some(Err(error)));
                    return;
                }
                Poll::Ready(None) => {
                    self.next = Some(None);
                    return;
                }
                Poll::Pending => return,
            }
        }
    }
}

impl<B> HttpBody for Answer<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Run;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Run>, BoxError>>> {
        let mut this = self.project();
        if let Some(next) = this.joining.as_mut().and_then(|joining| joining.next.as_mut()) {
            return Poll::Ready(next.take());
        }
        let poll = this.body.as_mut().poll_piece(cx);
        this.answering.iter_mut().for_each(|answering| answering.set_at_work(poll.is_pending()));
        let mut frame = match ready!(poll) {
            Some(Ok(frame)) => frame.map_data(Run::One),
            other => return Poll::Ready(other.map(|frame| frame.map(|frame| frame.map_data(Run::One)))),
        };
        if *this.joins
            && !this.body.is_over()
            && let (Some(answering), Some(run)) = (this.answering, frame.data_mut())
        {
            let joining = this.joining.get_or_insert_default();
            if joining.may_join(&answering.meter) {
                joining.join(run, this.body, cx);
            }
            joining.given += run.remaining();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match self.joining.as_ref().and_then(|joining| joining.next.as_ref()) {
            Some(next) => next.is_none(),
            None => self.body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Source::Service { body } => body.size_hint(),
            Source::Own { body } => body.size_hint(),
            Source::Nothing => SizeHint::with_exact(0),
        }
    }
}
