//! Handlers: the functions that answer requests.

use std::future::Future;
use std::marker::PhantomData;
use std::rc::Rc;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use crate::{FromRequest, IntoResponse, Request, Response};

/// An async function that answers requests.
///
/// It takes the whole request, nothing, or up to eight [extractors](FromRequest), of which the last may again be the
/// request: `async fn(Params<u32>, Json<Order>) -> Result<Json<Receipt>>`. Neither the function nor its future need be
/// `Send`.
///
/// `Arguments` only tells the implementations apart, and need not be written by hand. Where a function is no handler, the compiler
/// has several of them to choose from, and so cannot say what is wrong. Once it is told which is meant, it names the argument, or the
/// answer, that will not do:
///
/// ```compile_fail,E0277
/// use wavetank_web::{App, Params, WithParts};
///
/// async fn device(Params(_): Params<u32>, index: usize) -> String {
///     index.to_string()
/// }
///
/// let mut app = App::new();
/// app.at("/:id").get::<WithParts<(_, _)>>(device); // `usize` cannot be taken from a request
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler for an app whose state is `{State}`",
    label = "expected `async fn(…) -> impl IntoResponse`, whose arguments can be taken from a request",
    note = "it may take nothing, `Request<{State}>`, or up to eight extractors such as `Json<T>`, `Query<T>`, `Params<T>` and `State<{State}>`, and the request after them",
    note = "what it returns must implement `IntoResponse`: text, bytes, `Json<T>`, a `StatusCode`, tuples of these, or `Result` of one and an error that implements `std::error::Error`",
    note = "to be told which of these it is, say what it takes: `get::<WithParts<(_, _)>>(…)` for two extractors, `WithPartsAndRequest<(_,)>` for one and the request, `WithRequest` or `WithoutRequest`"
)]
pub trait Handler<State, Arguments>: 'static {
    /// Answers one request.
    fn handle(self: Rc<Self>, request: Request<State>) -> impl Future<Output = Response> + 'static;
}

/// Marks handlers that take the request.
#[derive(Debug)]
pub enum WithRequest {}

/// Marks handlers that take nothing.
#[derive(Debug)]
pub enum WithoutRequest {}

/// Marks handlers that take parts of the request, as a tuple.
#[derive(Debug)]
pub struct WithParts<Parts>(PhantomData<Parts>);

/// Marks handlers that take parts of the request, as a tuple, and then the request.
#[derive(Debug)]
pub struct WithPartsAndRequest<Parts>(PhantomData<Parts>);

impl<State, F, Answer> Handler<State, WithRequest> for F
where
    F: Fn(Request<State>) -> Answer + 'static,
    Answer: Future<Output: IntoResponse> + 'static,
{
    fn handle(self: Rc<Self>, request: Request<State>) -> impl Future<Output = Response> + 'static {
        self(request).map(IntoResponse::into_response)
    }
}

impl<State, F, Answer> Handler<State, WithoutRequest> for F
where
    F: Fn() -> Answer + 'static,
    Answer: Future<Output: IntoResponse> + 'static,
{
    fn handle(self: Rc<Self>, _: Request<State>) -> impl Future<Output = Response> + 'static {
        self().map(IntoResponse::into_response)
    }
}

macro_rules! handlers_of_parts {
    ($($Part:ident)+) => {
        impl<State, F, Answer, $($Part),+> Handler<State, WithParts<($($Part,)+)>> for F
        where
            State: 'static,
            F: Fn($($Part),+) -> Answer + 'static,
            Answer: Future<Output: IntoResponse> + 'static,
            $($Part: FromRequest<State> + 'static,)+
        {
            #[allow(non_snake_case, reason = "a value is named as its type")]
            fn handle(self: Rc<Self>, mut request: Request<State>) -> impl Future<Output = Response> + 'static {
                async move {
                    $(let $Part = match $Part::from_request(&mut request).await {
                        Ok(part) => part,
                        Err(error) => return error.into_response(),
                    };)+
                    self($($Part),+).await.into_response()
                }
            }
        }

        impl<State, F, Answer, $($Part),+> Handler<State, WithPartsAndRequest<($($Part,)+)>> for F
        where
            State: 'static,
            F: Fn($($Part,)+ Request<State>) -> Answer + 'static,
            Answer: Future<Output: IntoResponse> + 'static,
            $($Part: FromRequest<State> + 'static,)+
        {
            #[allow(non_snake_case, reason = "a value is named as its type")]
            fn handle(self: Rc<Self>, mut request: Request<State>) -> impl Future<Output = Response> + 'static {
                async move {
                    $(let $Part = match $Part::from_request(&mut request).await {
                        Ok(part) => part,
                        Err(error) => return error.into_response(),
                    };)+
                    self($($Part,)+ request).await.into_response()
                }
            }
        }
    };
}

handlers_of_parts!(A);
handlers_of_parts!(A B);
handlers_of_parts!(A B C);
handlers_of_parts!(A B C D);
handlers_of_parts!(A B C D E);
handlers_of_parts!(A B C D E G);
handlers_of_parts!(A B C D E G H);
handlers_of_parts!(A B C D E G H I);

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
    Rc::new(Erased { handler: Rc::new(handler), arguments: PhantomData })
}

struct Erased<H, Arguments> {
    handler: Rc<H>,
    arguments: PhantomData<Arguments>,
}

impl<State, Arguments, H: Handler<State, Arguments>> Endpoint<State> for Erased<H, Arguments> {
    fn call(&self, request: Request<State>) -> LocalBoxFuture<'static, Response> {
        Box::pin(Rc::clone(&self.handler).handle(request))
    }
}
