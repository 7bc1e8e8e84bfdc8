//! Who asks: HTTP's Basic (RFC 7617) and Bearer (RFC 6750) authentication.

use std::fmt;
use std::future::Future;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::LocalBoxFuture;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use subtle::ConstantTimeEq as _;

use crate::{Error, IntoResponse, Middleware, Next, Request, Response};

/// Lets those in whose credentials a function knows, and answers the others with 401. What it returns is attached to the
/// request as an extension.
///
/// ```
/// use wavetank_web::middleware::{Auth, same_secret};
/// use wavetank_web::{App, Extension};
///
/// #[derive(Clone)]
/// struct Operator;
///
/// let mut app = App::new();
/// app.with(Auth::bearer("hub", async |token: String| same_secret(&token, "s3cret").then_some(Operator)));
/// app.at("/").get(async |Extension(Operator): Extension<Operator>| "welcome");
/// ```
pub struct Auth<User> {
    challenge: HeaderValue,
    /// To whoever has shown what is not known.
    refusal: HeaderValue,
    scheme: Security,
    verify: Box<dyn Fn(Credentials) -> LocalBoxFuture<'static, Option<User>>>,
}

/// How whoever asks shows who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Security {
    /// By a name and a password (RFC 7617).
    Basic,
    /// By a token (RFC 6750).
    Bearer,
}

enum Credentials {
    Basic(String, String),
    Bearer(String),
}

impl<User: 'static> Auth<User> {
    /// A name and a password, which a browser asks its user for. `realm` tells the user for what.
    #[must_use]
    pub fn basic<F>(realm: &str, verify: impl Fn(String, String) -> F + 'static) -> Self
    where
        F: Future<Output = Option<User>> + 'static,
    {
        let verify = move |credentials| -> LocalBoxFuture<'static, Option<User>> {
            match credentials {
                Credentials::Basic(name, password) => Box::pin(verify(name, password)),
                Credentials::Bearer(_) => Box::pin(std::future::ready(None)),
            }
        };
        let challenge = challenge("Basic", realm, ", charset=\"UTF-8\"");
        Self { refusal: challenge.clone(), challenge, scheme: Security::Basic, verify: Box::new(verify) }
    }

    /// A token. Whoever shows a wrong one is told so (RFC 6750, 3.1: `invalid_token`), and not whoever shows none.
    #[must_use]
    pub fn bearer<F>(realm: &str, verify: impl Fn(String) -> F + 'static) -> Self
    where
        F: Future<Output = Option<User>> + 'static,
    {
        let verify = move |credentials| -> LocalBoxFuture<'static, Option<User>> {
            match credentials {
                Credentials::Bearer(token) => Box::pin(verify(token)),
                Credentials::Basic(..) => Box::pin(std::future::ready(None)),
            }
        };
        let refusal = challenge("Bearer", realm, ", error=\"invalid_token\"");
        Self { challenge: challenge("Bearer", realm, ""), refusal, scheme: Security::Bearer, verify: Box::new(verify) }
    }

    fn credentials(&self, value: &HeaderValue) -> Option<Credentials> {
        let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
        let rest = rest.trim();
        match self.scheme {
            Security::Bearer if scheme.eq_ignore_ascii_case("bearer") => Some(Credentials::Bearer(rest.to_owned())),
            Security::Basic if scheme.eq_ignore_ascii_case("basic") => {
                let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
                let (name, password) = text.split_once(':')?;
                Some(Credentials::Basic(name.to_owned(), password.to_owned()))
            }
            Security::Basic | Security::Bearer => None,
        }
    }
}

fn challenge(scheme: &str, realm: &str, more: &str) -> HeaderValue {
    let realm: String = realm.chars().filter(|char| char.is_ascii_graphic() || *char == ' ').collect();
    let realm = realm.replace(['"', '\\'], "");
    HeaderValue::try_from(format!("{scheme} realm=\"{realm}\"{more}")).expect("printable ASCII only")
}

impl<State: 'static, User: Clone + Send + Sync + 'static> Middleware<State> for Auth<User> {
    async fn handle(&self, mut request: Request<State>, next: Next<State>) -> Response {
        let credentials = request.headers().get(AUTHORIZATION).and_then(|value| self.credentials(value));
        let (user, challenge) = match credentials {
            Some(credentials) => ((self.verify)(credentials).await, &self.refusal),
            None => (None, &self.challenge),
        };
        let Some(user) = user else {
            return Error::new(StatusCode::UNAUTHORIZED).header(WWW_AUTHENTICATE, challenge.clone()).into_response();
        };
        request.extensions_mut().insert(user);
        next.run(request).await
    }

    fn security(&self) -> Option<Security> {
        Some(self.scheme)
    }
}

impl<User> fmt::Debug for Auth<User> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Whether two secrets are the same, in a time that tells nothing of them but their length.
#[must_use]
pub fn same_secret(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
