#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod app;
mod body;
mod client;
pub mod components;
pub mod conditional;
#[cfg(feature = "cookies")]
pub mod cookies;
mod error;
mod extract;
mod files;
mod handler;
mod listeners;
pub mod middleware;
mod multipart;
pub mod negotiation;
#[cfg(feature = "openapi")]
pub mod openapi;
mod request;
mod response;
mod route;
mod runtime;
mod serve;
#[cfg(feature = "cookies")]
pub mod sessions;
mod sse;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "tower")]
pub mod tower;
mod upgrade;
#[cfg(feature = "websocket")]
mod websocket;

pub use app::{App, AppService, Listed, Respond, RespondInfallibly, Route};
pub use body::{Body, BodyError, BoxError};
#[cfg(feature = "websocket")]
pub use client::ClientSocket;
pub use client::{Answer, Asking, Client};
pub use error::{Error, Result};
pub use extract::{Extension, Form, FromRequest, Params, Query, State};
pub use files::{Asset, Content, Files, Pieces};
pub use handler::{Handler, WithParts, WithPartsAndRequest, WithRequest, WithoutRequest};
pub use listeners::{AnyIo, Listeners};
pub use middleware::{Middleware, Next};
pub use multipart::{FormPart, Multipart};
pub use request::Request;
pub use response::{IntoResponse, Json, Response};
pub use route::{RouteError, TrailingSlash};
pub use runtime::{Listener, Peer, PeerAddr, Runtime};
pub use serve::{Options, Served, serve, serve_with};
pub use sse::{Event as SseEvent, Sse};
pub use upgrade::Upgraded;
#[cfg(feature = "websocket")]
pub use websocket::{Close, CloseCode, Message, SocketError, SocketOptions, WebSocket, websocket, websocket_with};

pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
