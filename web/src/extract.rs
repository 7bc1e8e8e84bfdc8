//! What handlers take as arguments besides the request: parts of it, already understood.

mod params;

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::rc::Rc;

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::response::typed;
use crate::{Body, Error, HeaderValue, IntoResponse, Json, PeerAddr, Request, Response, Result};

/// Whatever can be taken from a request as an argument of a handler.
///
/// Arguments are taken from left to right. One of them may take the body; to a second it is empty.
///
/// ```
/// use wavetank_web::{App, Json, Params, Query, Result, State};
///
/// #[derive(serde::Deserialize)]
/// struct Page {
///     #[serde(default)]
///     from: usize,
/// }
///
/// async fn readings(Params(device): Params<String>, Query(page): Query<Page>, state: State<Vec<u32>>) -> Json<Vec<u32>> {
///     let _ = device;
///     Json(state.iter().copied().skip(page.from).collect())
/// }
///
/// let mut app = App::with_state(vec![1, 2, 3]);
/// app.at("/devices/:device/readings").get(readings);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken from a request",
    label = "an argument of a handler must implement `FromRequest<{State}>`",
    note = "`Json<T>`, `Form<T>`, `Query<T>`, `Params<T>`, `State<S>`, `Extension<T>`, `Bytes`, `String`, `Body`, `Method`, `Uri`, `HeaderMap`, and `Option`, `Result` and tuples of these can; `Request<S>` may come last"
)]
pub trait FromRequest<State>: Sized {
    /// Takes it.
    ///
    /// # Errors
    /// What the client is told if the request does not have it.
    fn from_request(request: &mut Request<State>) -> impl Future<Output = Result<Self>>;
}

/// The query string, deserialised: see [`Request::query`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query<T>(pub T);

/// A form as the body: see [`Request::body_form`]. It can also be sent as a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Form<T>(pub T);

/// The path's parameters, percent-decoded and deserialised: as a struct by their names, or a tuple in their order, or a single one
/// as any simple type. A tuple is of the last ones, and a single value is the last, so that an app's handlers mean its own
/// parameters whatever it is nested under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Params<T>(pub T);

/// The state of the app.
pub struct State<S>(pub Rc<S>);

/// A value that middleware or the server has attached to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extension<T>(pub T);

impl<S, T: DeserializeOwned> FromRequest<S> for Query<T> {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        request.query().map(Self)
    }
}

impl<S, T: DeserializeOwned> FromRequest<S> for Form<T> {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        request.body_form().await.map(Self)
    }
}

impl<S, T: DeserializeOwned> FromRequest<S> for Json<T> {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        request.body_json().await.map(Self)
    }
}

impl<S, T: DeserializeOwned> FromRequest<S> for Params<T> {
    /// 400 if a parameter does not fit; 500 if the route has not the parameters that are asked for.
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        params::read(request).map(Self)
    }
}

impl<S> FromRequest<S> for State<S> {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        Ok(Self(Rc::clone(request.shared_state())))
    }
}

impl<S, T: Clone + Send + Sync + 'static> FromRequest<S> for Extension<T> {
    /// 500 if nobody has attached it.
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        let missing = || std::io::Error::other(format!("no `{}` is attached", std::any::type_name::<T>()));
        Ok(Self(request.extensions().get().cloned().ok_or_else(missing)?))
    }
}

impl<S> FromRequest<S> for () {
    async fn from_request(_: &mut Request<S>) -> Result<Self> {
        Ok(())
    }
}

macro_rules! several {
    ($($Part:ident)+) => {
        /// From left to right, as a handler's arguments.
        impl<S, $($Part: FromRequest<S>),+> FromRequest<S> for ($($Part,)+) {
            async fn from_request(request: &mut Request<S>) -> Result<Self> {
                Ok(($($Part::from_request(request).await?,)+))
            }
        }
    };
}

several!(A B);
several!(A B C);
several!(A B C D);

impl<S> FromRequest<S> for PeerAddr {
    /// 500 unless [`Options::peer_addr`](crate::Options::peer_addr) is set.
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        Extension::from_request(request).await.map(|Extension(peer)| peer)
    }
}

impl<S> FromRequest<S> for Bytes {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        request.body_bytes().await
    }
}

impl<S> FromRequest<S> for String {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        request.body_text().await
    }
}

impl<S> FromRequest<S> for Body {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        Ok(request.take_body())
    }
}

impl<S> FromRequest<S> for Method {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        Ok(request.method().clone())
    }
}

impl<S> FromRequest<S> for Uri {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        Ok(request.uri().clone())
    }
}

impl<S> FromRequest<S> for Version {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        Ok(request.version())
    }
}

impl<S> FromRequest<S> for HeaderMap {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        Ok(request.headers().clone())
    }
}

impl<S> FromRequest<S> for Extensions {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        Ok(request.extensions().clone())
    }
}

impl<S, T: FromRequest<S>> FromRequest<S> for Result<T> {
    /// The error is the handler's to answer.
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        Ok(T::from_request(request).await)
    }
}

impl<S, T: FromRequest<S>> FromRequest<S> for Option<T> {
    /// `None` where it would be the client's fault; a 5xx stays an error.
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        match T::from_request(request).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.status().is_server_error() => Err(error),
            Err(_) => Ok(None),
        }
    }
}

impl<S> Deref for State<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S> Clone for State<S> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<S> fmt::Debug for State<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State<{}>", std::any::type_name::<S>())
    }
}

impl<T: Serialize> IntoResponse for Form<T> {
    fn into_response(self) -> Response {
        match serde_html_form::to_string(&self.0) {
            Ok(text) => typed(HeaderValue::from_static("application/x-www-form-urlencoded"), text),
            Err(error) => Error::new(StatusCode::INTERNAL_SERVER_ERROR).caused_by(error).into_response(),
        }
    }
}
