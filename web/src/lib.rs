#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod app;
mod body;
mod error;
mod extract;
mod handler;
pub mod middleware;
mod request;
mod response;
mod route;
mod runtime;
mod serve;
#[cfg(feature = "tokio")]
pub mod tokio;
mod upgrade;

pub use app::{App, AppService, Listed, Respond, RespondInfallibly, Route};
pub use body::{Body, BodyError, BoxError};
pub use error::{Error, Result};
pub use extract::{Extension, Form, FromRequest, Params, Query, State};
pub use handler::{Handler, WithParts, WithPartsAndRequest, WithRequest, WithoutRequest};
pub use middleware::{Middleware, Next};
pub use request::Request;
pub use response::{IntoResponse, Json, Response};
pub use route::{RouteError, TrailingSlash};
pub use runtime::{Listener, Peer, PeerAddr, Runtime};
pub use serve::{Options, Served, serve, serve_with};
pub use upgrade::Upgraded;

pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
