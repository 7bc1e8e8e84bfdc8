//! Handlers: the functions that answer requests.

use std::future::Future;
use std::rc::Rc;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use crate::{IntoResponse, Request, Response};

/// An async function that answers requests: `async fn(Request<State>) -> impl IntoResponse`, or without the argument.
///
/// Neither the function nor its future need be `Send`. `Arguments` only tells the implementations apart and is never
/// written by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler for an app with this state",
    label = "expected `async fn(Request<{State}>) -> impl IntoResponse` or `async fn() -> impl IntoResponse`"
)]
pub trait Handler<State, Arguments>: 'static {
    /// Answers one request.
    fn handle(&self, request: Request<State>) -> impl Future<Output = Response> + 'static;
}

/// Marks handlers that take the request.
#[derive(Debug)]
pub enum WithRequest {}

/// Marks handlers that take nothing.
#[derive(Debug)]
pub enum WithoutRequest {}

impl<State, F, Answer> Handler<State, WithRequest> for F
where
    F: Fn(Request<State>) -> Answer + 'static,
    Answer: Future<Output: IntoResponse> + 'static,
{
    fn handle(&self, request: Request<State>) -> impl Future<Output = Response> + 'static {
        self(request).map(IntoResponse::into_response)
    }
}

impl<State, F, Answer> Handler<State, WithoutRequest> for F
where
    F: Fn() -> Answer + 'static,
    Answer: Future<Output: IntoResponse> + 'static,
{
    fn handle(&self, _: Request<State>) -> impl Future<Output = Response> + 'static {
        self().map(IntoResponse::into_response)
    }
}

/// What a chain of middleware ends in. One allocation a request: the handler's future.
pub(crate) trait Endpoint<State> {
    fn call(&self, request: Request<State>) -> LocalBoxFuture<'static, Response>;
}

pub(crate) fn endpoint<State, Arguments, H>(handler: H) -> Rc<dyn Endpoint<State>>
where
    State: 'static,
    Arguments: 'static,
    H: Handler<State, Arguments>,
{
    Rc::new(Erased { handler, arguments: std::marker::PhantomData })
}

struct Erased<H, Arguments> {
    handler: H,
    arguments: std::marker::PhantomData<Arguments>,
}

impl<State, Arguments, H: Handler<State, Arguments>> Endpoint<State> for Erased<H, Arguments> {
    fn call(&self, request: Request<State>) -> LocalBoxFuture<'static, Response> {
        Box::pin(self.handler.handle(request))
    }
}
