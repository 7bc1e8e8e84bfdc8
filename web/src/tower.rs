//! tower's vocabulary: its layers as [`Middleware`] here, its services as handlers, and middleware here as its layers.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::StatusCode;
use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;

use crate::{App, AppService, Body, BoxError, Error, Handler, IntoResponse, Middleware, Next, Request, Response};

/// A tower layer as middleware: `app.with(FromLayer::new(layer))`. What surrounds the handler is made anew for each
/// request, so state that is to last belongs into the layer. An error of the layer's is a 500.
#[derive(Debug, Clone)]
pub struct FromLayer<L> {
    layer: L,
}

impl<L> FromLayer<L> {
    /// Takes the layer.
    pub fn new(layer: L) -> Self {
        Self { layer }
    }
}

impl<State, L, S, B> Middleware<State> for FromLayer<L>
where
    State: 'static,
    L: Layer<Inward<State>, Service = S> + 'static,
    S: Service<http::Request<Body>, Response = http::Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        let (request, rest) = request.apart();
        let inward = Inward { way: Rc::new(RefCell::new(Some((rest, next)))) };
        let mut service = self.layer.layer(inward);
        match call(&mut service, request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => Error::new(StatusCode::INTERNAL_SERVER_ERROR).caused_by(error).into_response(),
        }
    }
}

async fn call<S, B, In>(service: &mut S, request: http::Request<In>) -> Result<http::Response<B>, BoxError>
where
    S: Service<http::Request<In>, Response = http::Response<B>>,
    S::Error: Into<BoxError>,
{
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
    service.call(request).await.map_err(Into::into)
}

/// What lies further in, as a tower service that a layer surrounds. It answers one request; its clones share that one.
pub struct Inward<State> {
    way: Rc<RefCell<Option<Way<State>>>>,
}

type Way<State> = (crate::request::Rest<State>, Next<State>);

impl<State: 'static, B> Service<http::Request<B>> for Inward<State>
where
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let way = self.way.borrow_mut().take();
        Box::pin(async move {
            let Some((rest, next)) = way else {
                let error = "a layer sent a request inward twice, whose body is gone";
                return Ok(Error::new(StatusCode::INTERNAL_SERVER_ERROR).caused_by(error).into_response());
            };
            Ok(next.run(Request::together(request.map(Body::new), rest)).await)
        })
    }
}

impl<State> Clone for Inward<State> {
    fn clone(&self) -> Self {
        Self { way: Rc::clone(&self.way) }
    }
}

impl<State> fmt::Debug for Inward<State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inward").finish_non_exhaustive()
    }
}

/// A tower service as a handler: `app.at("/files/*path").all(FromService::new(service))`. It is cloned for each request,
/// and sees the target as it came. Its bodies need not be `Send`, so a service that asks for such (axum's router) is not one;
/// it is served by itself, by [`serve`](crate::serve()).
#[derive(Debug, Clone)]
pub struct FromService<S> {
    service: S,
}

impl<S> FromService<S> {
    /// Takes the service.
    pub fn new(service: S) -> Self {
        Self { service }
    }
}

/// Marks handlers that are services.
#[derive(Debug)]
pub struct WithService<B>(PhantomData<B>);

#[diagnostic::do_not_recommend]
impl<State, S, B> Handler<State, WithService<B>> for FromService<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    fn handle(self: Rc<Self>, request: Request<State>) -> impl Future<Output = Response> + 'static {
        let mut service = self.service.clone();
        let request = request.into_http();
        async move {
            match call(&mut service, request).await {
                Ok(response) => response.map(Body::new),
                Err(error) => Error::new(StatusCode::INTERNAL_SERVER_ERROR).caused_by(error).into_response(),
            }
        }
    }
}

/// Middleware as a tower layer, for services of other frameworks.
#[derive(Debug, Clone)]
pub struct IntoLayer<M> {
    middleware: Rc<M>,
}

impl<M: Middleware<()>> IntoLayer<M> {
    /// Takes the middleware, which may not ask for an app's state.
    pub fn new(middleware: M) -> Self {
        Self { middleware: Rc::new(middleware) }
    }
}

impl<M, S, B> Layer<S> for IntoLayer<M>
where
    M: Middleware<()>,
    S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    type Service = AppService;

    fn layer(&self, service: S) -> AppService {
        let mut app = App::new();
        app.with(Shared(Rc::clone(&self.middleware)));
        app.fallback(FromService::new(service));
        app.into_service().expect("it has no routes that could contradict each other")
    }
}

struct Shared<M>(Rc<M>);

impl<M: Middleware<()>> Middleware<()> for Shared<M> {
    async fn handle(&self, request: Request, next: Next<()>) -> Response {
        self.0.handle(request, next).await
    }
}
