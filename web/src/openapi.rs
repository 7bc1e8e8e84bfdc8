//! Operations whose types are said once: for the handler that answers, for the client that asks, and for a description after
//! [OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.0) with a page to read and try it by.
//!
//! ```
//! # futures::executor::block_on(async {
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use wavetank_web::openapi::{About, Asked, Caller, Operation};
//! use wavetank_web::{App, Result, State};
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Device {
//!     /// Its name.
//!     device: String,
//! }
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Reading {
//!     celsius_milli: i32,
//! }
//!
//! const NEWEST: Operation<Device, (), (), Reading> =
//!     Operation::get("/devices/:device/newest").name("newestReading").summary("The newest reading of a device");
//!
//! async fn newest(state: State<i32>, asked: Asked<Device>) -> Result<Reading> {
//!     assert_eq!(asked.params.device, "thermostat 1");
//!     Ok(Reading { celsius_milli: *state })
//! }
//!
//! let mut app = App::with_state(21_375);
//! app.answer(&NEWEST, newest);
//! app.describe("/docs", &About { title: "Devices", version: "1.0.0", summary: "" });
//!
//! let caller = Caller::new(app.into_service()?, "http://hub.example".parse()?);
//! let reading = caller.call(&NEWEST, &Device { device: "thermostat 1".into() }, &(), &()).await?;
//! assert_eq!(reading.celsius_milli, 21_375);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Here the caller asks the app itself, as a test does. Over the network it asks by any client that is a tower service, such as
//! hyper-util's: [`Caller::by_client`].
//!
//! It describes nothing that it is not told: handlers that are given to [`Route::get`](crate::Route::get) and its kin are not
//! there unless [`Route::described`](crate::Route::described) says what they do. Nothing checks that a client's requests obey
//! the description beyond what their types hold.

mod caller;
mod content;
mod document;
mod page;

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::de::value::UnitDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde::{Deserialize, Serialize};

use crate::{App, FromRequest, IntoResponse, Params, Request, Response, Result, Route, RouteError};

pub use caller::{CallError, Caller, Client};
pub use content::{Content, File, FileForm, Octets, Text, Whole};
pub use document::About;

pub use crate::middleware::Security;

pub(crate) use document::Described;

/// What can be part of an operation: it is written, read and described. `()` is nothing.
pub trait Part: Serialize + DeserializeOwned + JsonSchema + 'static {}

impl<T: Serialize + DeserializeOwned + JsonSchema + 'static> Part for T {}

/// Something that can be asked of an app: by which method and path, with which parameters of the path (as for
/// [`Params`]), which query (a struct), and which body, and what is answered. Bodies are [`Content`]: JSON, or
/// [`Octets`], [`Text`] and [`FileForm`]; `()` is none.
pub struct Operation<Params = (), Query = (), Body = (), Answer = ()> {
    method: Method,
    path: &'static str,
    name: &'static str,
    summary: &'static str,
    status: Option<u16>,
    more: More,
    types: PhantomData<Types<Params, Query, Body, Answer>>,
}

/// What an operation says besides its types.
#[derive(Clone, Copy)]
struct More {
    headers: &'static [(&'static str, &'static str)],
    also: &'static [(u16, &'static str)],
    has_text: bool,
    security: Option<Secured>,
}

/// What its handler itself asks of whoever asks.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Secured {
    by: Security,
    always: bool,
}

type Types<Params, Query, Body, Answer> = fn(Params, Query, Body) -> Answer;

macro_rules! methods {
    ($($name:ident $method:ident),+ $(,)?) => {$(
        #[doc = concat!("`", stringify!($method), "` of this path, which is written as for [`App::at`].")]
        #[must_use]
        pub const fn $name(path: &'static str) -> Self {
            Self::new(Method::$method, path)
        }
    )+};
}

impl<P, Q, B, A> Operation<P, Q, B, A> {
    methods! {
        get GET, post POST, put PUT, patch PATCH, delete DELETE,
    }

    const fn new(method: Method, path: &'static str) -> Self {
        Self {
            method,
            path,
            name: "",
            summary: "",
            status: None,
            more: More { headers: &[], also: &[], has_text: false, security: None },
            types: PhantomData,
        }
    }

    /// A name that no other operation has, for generated code: `listDevices`. Where an app is nested twice, the description names
    /// the first of both alone.
    #[must_use]
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// What it does, in a line.
    #[must_use]
    pub const fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// The status of its success. Unless set it is 200, or 204 where nothing is answered.
    ///
    /// # Panics
    /// If it is not in 200..=299; in a constant the compiler says so.
    #[must_use]
    pub const fn status(mut self, status: u16) -> Self {
        assert!(200 <= status && status <= 299, "a status of success is in 200..=299");
        self.status = Some(status);
        self
    }

    /// Header fields that its handler looks at, none of which must be there: the name of each, and what it says.
    #[must_use]
    pub const fn headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.more.headers = headers;
        self
    }

    /// Other statuses of success that its handler may answer with, and when. What is answered with them is the same, but for a
    /// 204, which has no content.
    ///
    /// # Panics
    /// If one is not in 200..=299; in a constant the compiler says so.
    #[must_use]
    pub const fn also(mut self, statuses: &'static [(u16, &'static str)]) -> Self {
        let mut index = 0;
        while index < statuses.len() {
            assert!(200 <= statuses[index].0 && statuses[index].0 <= 299, "a status of success is in 200..=299");
            index += 1;
        }
        self.more.also = statuses;
        self
    }

    /// Says that its handler answers with text, too, where that is what the client likes best (`Accept`).
    #[must_use]
    pub const fn or_text(mut self) -> Self {
        self.more.has_text = true;
        self
    }

    /// Says that its handler looks itself at who asks. What an [`Auth`](crate::middleware::Auth) asks for that surrounds it is
    /// described without that.
    #[must_use]
    pub const fn secured(mut self, by: Security) -> Self {
        self.more.security = Some(Secured { by, always: true });
        self
    }

    /// Says that its handler looks itself at who asks, but not in every case or configuration.
    #[must_use]
    pub const fn secured_at_times(mut self, by: Security) -> Self {
        self.more.security = Some(Secured { by, always: false });
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path as it is registered.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path
    }
}

impl<P: Part, Q: Part, B: Content, A: Content> Operation<P, Q, B, A> {
    fn success(&self) -> StatusCode {
        let own = self.status.and_then(|status| StatusCode::from_u16(status).ok());
        own.unwrap_or(if is_nothing::<A>() { StatusCode::NO_CONTENT } else { StatusCode::OK })
    }
}

/// Whether nothing is meant by this type.
fn is_nothing<T: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<()>()
}

/// What an operation was asked with. An argument of its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked<P = (), Q = (), B = ()> {
    /// The path's parameters, decoded.
    pub params: P,
    /// The query.
    pub query: Q,
    /// The body.
    pub body: B,
}

impl<S, P: Part, Q: Part, B: Content> FromRequest<S> for Asked<P, Q, B> {
    /// As [`Params`], [`Query`](crate::Query) and the body's [`Content::read`] are refused.
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        let Params(params) = Params::from_request(request).await?;
        let query = if is_nothing::<Q>() { nothing()? } else { request.query()? };
        Ok(Self { params, query, body: B::read(request).await? })
    }
}

fn nothing<T: for<'de> Deserialize<'de>>() -> Result<T, serde::de::value::Error> {
    let unit: UnitDeserializer<serde::de::value::Error> = ().into_deserializer();
    T::deserialize(unit)
}

impl<S: 'static> App<S> {
    /// Answers an operation by an async function of what was asked, and before it of something else of the request: mostly of the
    /// app's [`State`](crate::State), but whatever can be taken from a request may stand there, several in a tuple, or `()`. The types of what is
    /// asked and answered are the operation's, or it does not compile.
    ///
    /// ```
    /// use wavetank_web::openapi::{Asked, Operation};
    /// use wavetank_web::{App, Error, Extension, State};
    ///
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// const GREET: Operation<String, (), (), String> = Operation::get("/greetings/:name");
    ///
    /// let mut app = App::with_state("Hello".to_owned());
    /// app.answer(&GREET, async |(state, user): (State<String>, Extension<User>), asked: Asked<String>| {
    ///     Ok::<_, Error>(format!("{} {} from {}", *state, asked.params, user.0.0))
    /// });
    /// ```
    pub fn answer<T, P, Q, B, A, E, F, Answering>(&mut self, operation: &Operation<P, Q, B, A>, handler: F) -> &mut Self
    where
        P: Part,
        Q: Part,
        B: Content,
        A: Whole,
        E: Into<crate::Error>,
        T: FromRequest<S> + 'static,
        F: Fn(T, Asked<P, Q, B>) -> Answering + 'static,
        Answering: Future<Output = Result<A, E>> + 'static,
    {
        self.at(operation.path).answer(operation, handler);
        self
    }

    /// Serves a description of all operations so far, those of apps that were nested or given a host so far included: a page at
    /// this path, and the document it shows at `openapi.json` below it. The document's server is where it comes from, and that of
    /// an operation of a host alone is that host, at the scheme's own port. It is written when somebody first asks for it.
    ///
    /// OpenAPI knows a path by its shape alone. So two operations with one method, of `/files/:name` and `/files/*path` or of one
    /// path for two hosts, cannot both be described, unless they are the same operation: that is an error of
    /// [`App::into_service`], which names both. What comes after the description, or describes itself, is not in it.
    ///
    /// What an [`Auth`](crate::middleware::Auth) asks for that surrounds an operation, its app or an app that this is nested in is in
    /// the document, too, as are [`Operation::secured`] and its kin; the page asks for it once, and keeps it while it is open.
    ///
    /// # Panics
    /// If the path does not begin with a slash, or has parameters.
    pub fn describe(&mut self, path: &str, about: &About<'_>) -> &mut Self {
        assert!(path.starts_with('/'), "the path `{path}` must start with `/`");
        assert!(
            !path.contains("/:") && !path.contains("/*"),
            "the page at `{path}` is in one place: it takes no parameters"
        );
        let path = path.trim_end_matches('/');
        // Relative to where the document is (OpenAPI 3.1, 4.8.5), whatever the app is nested under.
        let up = "../".repeat(path.matches('/').count());
        let root = if up.is_empty() { "./".to_owned() } else { up };
        let operations: Vec<Described> = self.described().collect();
        self.note(document::check(&operations));
        let about = document::Owned::from(about);
        page::add_to(self, path, move || document::of(&about.lent(), &operations, &root).to_string());
        self
    }

    /// The description by itself, of an app at the root of its server.
    ///
    /// # Errors
    /// [`RouteError::SamePlace`] if two operations cannot both be described; see [`App::describe`].
    pub fn openapi(&self, about: &About<'_>) -> Result<serde_json::Value, RouteError> {
        let operations: Vec<Described> = self.described().collect();
        document::check(&operations)?;
        Ok(document::of(about, &operations, "/"))
    }
}

impl<S: 'static> Route<'_, S> {
    /// Answers an operation of this path; see [`App::answer`]. What was given to [`Route::with`] surrounds it.
    pub fn answer<T, P, Q, B, A, E, F, Answering>(&mut self, operation: &Operation<P, Q, B, A>, handler: F) -> &mut Self
    where
        P: Part,
        Q: Part,
        B: Content,
        A: Whole,
        E: Into<crate::Error>,
        T: FromRequest<S> + 'static,
        F: Fn(T, Asked<P, Q, B>) -> Answering + 'static,
        Answering: Future<Output = Result<A, E>> + 'static,
    {
        let success = operation.success();
        let answer = async move |taken: T, asked: Asked<P, Q, B>| -> Response {
            match handler(taken, asked).await {
                Ok(answer) => content::respond(&answer, success).into_response(),
                Err(error) => error.into().into_response(),
            }
        };
        let answer = std::rc::Rc::new(answer);
        self.method(operation.method.clone(), move |taken: T, asked: Asked<P, Q, B>| {
            let answer = std::rc::Rc::clone(&answer);
            async move { answer(taken, asked).await }
        });
        self.described(operation)
    }

    /// Says that the handler of this path and of the operation's method does what the operation says. Nobody checks that.
    pub fn described<P: Part, Q: Part, B: Content, A: Content>(
        &mut self,
        operation: &Operation<P, Q, B, A>,
    ) -> &mut Self {
        if operation.path == self.path {
            self.app.operations.push(Described::new(operation).behind(self.middleware.security()));
        } else {
            let (path, operation) = (self.path.clone(), operation.path.to_owned());
            self.app.note(Err(RouteError::OtherPath { path, operation }));
        }
        self
    }
}

impl<P, Q, B, A> fmt::Debug for Operation<P, Q, B, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}
