//! A service: from a request to a future of an answer.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::executor::block_on;
use http::{Request, Response, StatusCode};
use tower_service::Service;
use wavetank_web::App;

/// Counts what goes through it; a middleware. What it wraps may be any service.
#[derive(Clone)]
pub struct Counting<S> {
    inner: S,
    requests: Rc<Cell<u32>>,
}

impl<S, R> Service<R> for Counting<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    /// Backpressure: whoever calls asks first, and waits while the service is busy.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    /// Nothing happens here but making the future: the work is in its polls.
    fn call(&mut self, request: R) -> S::Future {
        self.requests.set(self.requests.get() + 1);
        self.inner.call(request)
    }
}

/// Asks a service once, whatever it is.
pub async fn ask<S, B, A>(service: &mut S, request: Request<B>) -> Result<Response<A>, S::Error>
where
    S: Service<Request<B>, Response = Response<A>>,
{
    std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(request).await
}

/// A service of one's own.
#[derive(Clone)]
struct Teapot;

impl<B> Service<Request<B>> for Teapot {
    type Response = Response<&'static str>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut response = Response::new("short and stout");
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        std::future::ready(Ok(response))
    }
}

#[test]
fn an_app_is_a_service_and_so_is_what_wraps_it() -> Result<(), Box<dyn std::error::Error>> {
    let mut app = App::new();
    app.at("/tide").get(async || "high");
    let requests = Rc::new(Cell::new(0));
    let mut service = Counting { inner: app.into_service()?, requests: Rc::clone(&requests) };
    for (path, status) in [("/tide", StatusCode::OK), ("/moon", StatusCode::NOT_FOUND)] {
        let Ok(response) = block_on(ask(&mut service, Request::get(path).body(String::new())?));
        assert_eq!(response.status(), status);
    }
    assert_eq!(requests.get(), 2);
    let mut teapot = Counting { inner: Teapot, requests };
    let Ok(response) = block_on(ask(&mut teapot, Request::get("/").body(())?));
    assert_eq!((response.status(), *response.body()), (StatusCode::IM_A_TEAPOT, "short and stout"));
    Ok(())
}
