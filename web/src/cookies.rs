//! Cookies (RFC 6265), plain, signed or encrypted, by the `cookie` crate.

use std::fmt;

pub use cookie::{Cookie, CookieJar, Key, SameSite};
use http::header::{COOKIE, HeaderValue, SET_COOKIE};

use crate::{Error, FromRequest, IntoResponse, Request, Response, Result};

/// The cookies of a request, and those that the response sets: an argument of a handler, and the first part of what it
/// returns.
///
/// ```
/// use wavetank_web::cookies::{Cookie, Cookies};
/// use wavetank_web::App;
///
/// async fn visit(mut cookies: Cookies) -> (Cookies, String) {
///     let visits = cookies.get("visits").and_then(|cookie| cookie.value().parse().ok()).unwrap_or(0_u32) + 1;
///     cookies.add(Cookie::build(("visits", visits.to_string())).http_only(true));
///     (cookies, format!("visit {visits}"))
/// }
///
/// let mut app = App::new();
/// app.at("/").get(visit);
/// ```
#[derive(Clone, Default)]
pub struct Cookies {
    jar: CookieJar,
}

impl Cookies {
    pub(crate) fn of<State>(request: &Request<State>) -> Self {
        let mut jar = CookieJar::new();
        let fields = request.headers().get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        for cookie in fields.flat_map(|field| field.split(';')) {
            // What is no cookie is nobody's: it is passed over, as browsers do.
            if let Ok(cookie) = Cookie::parse_encoded(cookie.trim().to_owned()) {
                jar.add_original(cookie);
            }
        }
        Self { jar }
    }

    /// The cookie of this name, as the client has it or as it was just set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Cookie<'static>> {
        self.jar.get(name)
    }

    /// The same of a cookie that was signed with this key: `None` if anybody else made it.
    #[must_use]
    pub fn signed(&self, key: &Key, name: &str) -> Option<Cookie<'static>> {
        self.jar.signed(key).get(name)
    }

    /// The same of a cookie that was encrypted with this key.
    #[must_use]
    pub fn private(&self, key: &Key, name: &str) -> Option<Cookie<'static>> {
        self.jar.private(key).get(name)
    }

    /// Sets a cookie.
    pub fn add(&mut self, cookie: impl Into<Cookie<'static>>) {
        self.jar.add(cookie);
    }

    /// Sets a cookie that the client can read and not change.
    pub fn add_signed(&mut self, key: &Key, cookie: impl Into<Cookie<'static>>) {
        self.jar.signed_mut(key).add(cookie);
    }

    /// Sets a cookie that the client can neither read nor change.
    pub fn add_private(&mut self, key: &Key, cookie: impl Into<Cookie<'static>>) {
        self.jar.private_mut(key).add(cookie);
    }

    /// Has the client forget a cookie. Path and domain must be those that it was set with.
    pub fn remove(&mut self, cookie: impl Into<Cookie<'static>>) {
        self.jar.remove(cookie);
    }

    pub(crate) fn write(&self, response: &mut Response) -> Result<()> {
        for cookie in self.jar.delta() {
            let value = HeaderValue::try_from(cookie.encoded().to_string()).map_err(Error::from)?;
            response.headers_mut().append(SET_COOKIE, value);
        }
        Ok(())
    }
}

impl<State> FromRequest<State> for Cookies {
    async fn from_request(request: &mut Request<State>) -> Result<Self> {
        Ok(Self::of(request))
    }
}

impl<T: IntoResponse> IntoResponse for (Cookies, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        match self.0.write(&mut response) {
            Ok(()) => response,
            Err(error) => error.into_response(),
        }
    }
}

impl fmt::Debug for Cookies {
    /// Without their values, which are secrets as often as not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.jar.iter().map(Cookie::name)).finish()
    }
}
