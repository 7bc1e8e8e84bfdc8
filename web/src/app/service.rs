//! An app that answers.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method};
use http_body::Body as HttpBody;

use crate::middleware::{Chain, Next};
use crate::request::host;
use crate::route::{HostPattern, Table};
use crate::{Body, BoxError, Request, Response};

/// An app ready to serve: a `tower_service::Service` for any body of bytes, cheap to clone, for one thread.
pub struct AppService<State = ()> {
    inner: Rc<Inner<State>>,
}

struct Inner<State> {
    state: Rc<State>,
    table: Table<State>,
    hosts: Vec<(HostPattern, Table<State>)>,
    middleware: Rc<Chain<State>>,
}

impl<State: 'static> AppService<State> {
    pub(super) fn new(
        state: Rc<State>,
        table: Table<State>,
        hosts: Vec<(HostPattern, Table<State>)>,
        middleware: Chain<State>,
    ) -> Self {
        Self { inner: Rc::new(Inner { state, table, hosts, middleware: Rc::new(middleware) }) }
    }

    /// Answers one request, without any socket. What is served over a socket goes the same way.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use wavetank_web::App;
    ///
    /// let mut app = App::new();
    /// app.at("/health").get(async || "ok");
    /// let service = app.into_service()?;
    /// let response = service.respond(http::Request::get("/health").body("")?).await;
    /// assert_eq!(response.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn respond(&self, request: http::Request<impl Into<Body>>) -> Respond {
        let (parts, body) = request.into_parts();
        let head = parts.method == Method::HEAD;
        let inner = &*self.inner;
        let table = match &inner.hosts[..] {
            [] => &inner.table,
            hosts => {
                let host = host(&parts.uri, &parts.headers).unwrap_or_default();
                hosts.iter().find(|(pattern, _)| pattern.matches(host)).map_or(&inner.table, |(_, table)| table)
            }
        };
        let (endpoint, matched) = table.find(&parts.method, parts.uri.path());
        let request = Request::new(parts, body.into(), Rc::clone(&inner.state), matched);
        let answer = Next::new(Rc::clone(&inner.middleware), endpoint).run(request);
        Respond { answer, head }
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = (Option<String>, &Table<State>)> {
        let hosts = self.inner.hosts.iter().map(|(host, table)| (Some(host.text()), table));
        hosts.chain([(None, &self.inner.table)])
    }
}

impl<State> Clone for AppService<State> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<State> fmt::Debug for AppService<State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppService").finish_non_exhaustive()
    }
}

impl<State, B> tower_service::Service<http::Request<B>> for AppService<State>
where
    State: 'static,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RespondInfallibly;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> RespondInfallibly {
        RespondInfallibly(self.respond(request.map(Body::new)))
    }
}

/// The answer to come of [`AppService::respond`].
#[must_use = "futures do nothing unless polled"]
pub struct Respond {
    answer: LocalBoxFuture<'static, Response>,
    head: bool,
}

impl Future for Respond {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        self.answer.as_mut().poll(cx).map(|response| if self.head { without_body(response) } else { response })
    }
}

impl fmt::Debug for Respond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Respond").finish_non_exhaustive()
    }
}

/// The same as a service's future.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct RespondInfallibly(Respond);

impl Future for RespondInfallibly {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(Ok)
    }
}

/// A response to HEAD has the header fields of one to GET and no body (RFC 9110, 9.3.2).
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact()
        && length > 0
        && !parts.headers.contains_key(CONTENT_LENGTH)
    {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}
