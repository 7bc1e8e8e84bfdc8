//! The app: routes, middleware and state, made into a service.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::header::{ALLOW, CONTENT_LENGTH};
use http::{HeaderValue, Method, StatusCode};
use http_body::Body as HttpBody;

use crate::handler::{Endpoint, endpoint};
use crate::middleware::{Chain, Next};
use crate::route::{Matched, Table};
use crate::{Body, BoxError, Error, Handler, IntoResponse, Middleware, Request, Response, RouteError};

/// An application being put together: what it serves where, what surrounds that, and the state they share.
///
/// ```
/// use wavetank_web::{App, Json, Request, Result};
///
/// async fn device(request: Request<Vec<String>>) -> Result<Json<String>> {
///     let index: usize = request.param("index")?;
///     Ok(Json(request.state()[index].clone()))
/// }
///
/// let mut app = App::with_state(vec!["thermostat".to_owned()]);
/// app.at("/health").get(async || "ok");
/// app.at("/devices/:index").get(device);
/// let service = app.into_service()?;
/// # Ok::<(), wavetank_web::RouteError>(())
/// ```
///
/// A path is made of fixed segments, `:name` for one segment, and `*name` for the rest. A fixed segment is preferred to
/// a parameter; two paths between which nothing decides are an error of [`App::into_service`], which names both.
/// `HEAD` is answered where `GET` is, `OPTIONS` everywhere, and a known path with another method by 405 with `Allow`.
pub struct App<State = ()> {
    state: Rc<State>,
    table: Table<State>,
    middleware: Chain<State>,
    first_error: Option<RouteError>,
}

impl App {
    /// An app without state.
    #[must_use]
    pub fn new() -> Self {
        Self::with_state(())
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl<State: 'static> App<State> {
    /// An app whose handlers share this state.
    #[must_use]
    pub fn with_state(state: State) -> Self {
        Self { state: Rc::new(state), table: Table::new(), middleware: Chain::default(), first_error: None }
    }

    /// The route of this path, to give it handlers. The same path may be mentioned again.
    pub fn at(&mut self, path: &str) -> Route<'_, State> {
        Route { app: self, path: path.to_owned() }
    }

    /// Surrounds all handlers, present and to come, with a middleware. The first one added is the outermost. It also
    /// sees requests that match no route.
    pub fn with(&mut self, middleware: impl Middleware<State>) -> &mut Self {
        self.middleware.push(middleware);
        self
    }

    /// Makes the app ready to serve.
    ///
    /// # Errors
    /// The first path that could not be registered.
    pub fn into_service(mut self) -> Result<AppService<State>, RouteError> {
        if let Some(error) = self.first_error {
            return Err(error);
        }
        self.table.settle();
        let not_found: Rc<dyn Endpoint<State>> = Rc::new(Fixed::NotFound);
        Ok(AppService {
            inner: Rc::new(Inner {
                state: self.state,
                table: self.table,
                middleware: Rc::new(self.middleware),
                not_found,
            }),
        })
    }

    fn register(&mut self, path: &str, method: Option<Method>, endpoint: Rc<dyn Endpoint<State>>) {
        let registered = self.table.entry(path).and_then(|methods| match method {
            None => {
                methods.otherwise = Some(endpoint);
                Ok(())
            }
            Some(method) if methods.find(&method).is_some() => {
                Err(RouteError::SameMethod { path: path.to_owned(), method })
            }
            Some(method) => {
                methods.by_method.push((method, endpoint));
                Ok(())
            }
        });
        if let Err(error) = registered {
            self.first_error.get_or_insert(error);
        }
    }
}

impl<State> fmt::Debug for App<State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// A path of an app, waiting for its handlers.
#[must_use = "a route without a handler serves nothing"]
pub struct Route<'app, State> {
    app: &'app mut App<State>,
    path: String,
}

macro_rules! methods {
    ($($name:ident $method:ident),+ $(,)?) => {$(
        #[doc = concat!("Answers `", stringify!($method), "` by this handler.")]
        pub fn $name<Arguments: 'static>(&mut self, handler: impl Handler<State, Arguments>) -> &mut Self {
            self.method(Method::$method, handler)
        }
    )+};
}

impl<State: 'static> Route<'_, State> {
    methods! {
        get GET, head HEAD, post POST, put PUT, patch PATCH, delete DELETE, options OPTIONS,
    }

    /// Answers this method by this handler.
    pub fn method<Arguments: 'static>(&mut self, method: Method, handler: impl Handler<State, Arguments>) -> &mut Self {
        self.app.register(&self.path, Some(method), endpoint(handler));
        self
    }

    /// Answers every method that has no handler of its own, `HEAD` and `OPTIONS` included.
    pub fn all<Arguments: 'static>(&mut self, handler: impl Handler<State, Arguments>) -> &mut Self {
        self.app.register(&self.path, None, endpoint(handler));
        self
    }
}

impl<State> fmt::Debug for Route<'_, State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("path", &self.path).finish_non_exhaustive()
    }
}

/// An app ready to serve: a `tower_service::Service` for any body of bytes, cheap to clone, for one thread.
pub struct AppService<State = ()> {
    inner: Rc<Inner<State>>,
}

struct Inner<State> {
    state: Rc<State>,
    table: Table<State>,
    middleware: Rc<Chain<State>>,
    not_found: Rc<dyn Endpoint<State>>,
}

impl<State: 'static> AppService<State> {
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
        let (endpoint, matched) = self.inner.route(&parts.method, parts.uri.path());
        let request = Request::new(parts, body.into(), Rc::clone(&self.inner.state), matched);
        let answer = Next::new(Rc::clone(&self.inner.middleware), endpoint).run(request);
        Respond { answer, head }
    }
}

impl<State: 'static> Inner<State> {
    /// Who answers, and under which path. There is always someone.
    fn route(&self, method: &Method, path: &str) -> (Rc<dyn Endpoint<State>>, Option<Matched>) {
        let Some((methods, matched)) = self.table.find(path) else {
            if method == Method::OPTIONS && path == "*" {
                return (Rc::new(Fixed::Options(None)), None);
            }
            return (Rc::clone(&self.not_found), None);
        };
        let get = || methods.find(&Method::GET).filter(|_| method == Method::HEAD);
        let endpoint: Rc<dyn Endpoint<State>> = match methods.find(method).or(methods.otherwise.as_ref()).or_else(get) {
            Some(endpoint) => Rc::clone(endpoint),
            None if method == Method::OPTIONS => Rc::new(Fixed::Options(Some(methods.allow.clone()))),
            None => Rc::new(Fixed::NotAllowed(methods.allow.clone())),
        };
        (endpoint, Some(matched))
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

/// Endpoints that every app has.
enum Fixed {
    NotFound,
    NotAllowed(HeaderValue),
    Options(Option<HeaderValue>),
}

impl<State> Endpoint<State> for Fixed {
    fn call(&self, _: Request<State>) -> LocalBoxFuture<'static, Response> {
        let response = match self {
            Self::NotFound => Error::new(StatusCode::NOT_FOUND).into_response(),
            Self::NotAllowed(allow) => {
                Error::new(StatusCode::METHOD_NOT_ALLOWED).header(ALLOW, allow.clone()).into_response()
            }
            Self::Options(allow) => {
                let mut response = StatusCode::NO_CONTENT.into_response();
                if let Some(allow) = allow {
                    response.headers_mut().insert(ALLOW, allow.clone());
                }
                response
            }
        };
        Box::pin(std::future::ready(response))
    }
}
