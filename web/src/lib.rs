#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod app;
mod body;
mod error;
mod handler;
pub mod middleware;
mod request;
mod response;
mod route;
mod runtime;
mod serve;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use app::{App, AppService, Respond, Route};
pub use body::{Body, BodyError, BoxError};
pub use error::{Error, Result};
pub use handler::{Handler, WithRequest, WithoutRequest};
pub use middleware::{Middleware, Next};
pub use request::Request;
pub use response::{IntoResponse, Json, Response};
pub use route::RouteError;
pub use runtime::{Listener, PeerAddr, Runtime};
pub use serve::{Options, Served, serve, serve_with};

pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
