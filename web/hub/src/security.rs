//! Who may do what: an admin by a token or a login, devices by keys.
//!
//! A hub that is told no token has no admin, and one without a secret takes every device's word for its name: right for a
//! LAN of one's own, and for the tank.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use http::StatusCode;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use sha2::Sha256;
use wavetank_web::middleware::same_secret;
use wavetank_web::{Error, Request, Result};

use crate::firmware::PublicKey;
use crate::{Hub, Shelf};

/// What a hub knows that others do not, and whom it believes.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// What an admin shows, as a bearer token or to log in. There is no admin without.
    pub admin_token: Option<Secret>,
    /// What the keys of devices are made from. Without, no device needs one.
    pub device_secret: Option<Secret>,
    /// The Ed25519 key that firmware must be signed with. Without, none need be.
    pub firmware_key: Option<PublicKey>,
    /// Whether browsers come over TLS alone. A login's cookie then goes no other way.
    pub over_tls: bool,
}

/// Text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How long a login lasts.
const LOGIN_MS: u64 = 12 * 60 * 60 * 1_000;
const COOKIE_NAME: &str = "admin=";

/// Refuses whoever is not the admin.
pub(crate) fn admin(request: &Request<Hub>) -> Result<()> {
    let Some(token) = &request.state().config().security.admin_token else {
        return Err(Error::new(StatusCode::FORBIDDEN).detail("this hub has no admin: it was started without a token"));
    };
    if bearer(request.headers()).is_some_and(|shown| same_secret(shown, &token.0)) || is_logged_in(request) {
        return Ok(());
    }
    Err(unauthorised("this is for the hub's admin"))
}

/// Whether the request bears a login's cookie that still counts.
pub(crate) fn is_logged_in(request: &Request<Hub>) -> bool {
    let Some(token) = &request.state().config().security.admin_token else {
        return false;
    };
    let values = request.headers().get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let shown = values.flat_map(|value| value.split(';')).find_map(|cookie| cookie.trim().strip_prefix(COOKIE_NAME));
    let Some((until, mac)) = shown.and_then(|shown| shown.split_once('.')) else {
        return false;
    };
    until.parse::<u64>().is_ok_and(|until_ms| until_ms > request.state().now_ms())
        && same_secret(mac, &mac_of(&token.0, &["login", until]))
}

/// The cookie of a login, if this is the token.
pub(crate) fn log_in(hub: &Hub, shown: &str) -> Option<HeaderValue> {
    let token = hub.config().security.admin_token.as_ref().filter(|token| same_secret(shown, &token.0))?;
    let until = (hub.now_ms() + LOGIN_MS).to_string();
    let mac = mac_of(&token.0, &["login", &until]);
    let age_s = LOGIN_MS / 1_000;
    let secure = if hub.config().security.over_tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}{until}.{mac}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(cookie).ok()
}

/// The cookie that ends a login.
pub(crate) fn log_out() -> HeaderValue {
    HeaderValue::from_static("admin=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
}

/// Refuses whoever does not have this device's key, if devices have keys.
pub(crate) fn device(request: &Request<Hub>, device: &str) -> Result<()> {
    let Some(key) = device_key(request.state(), device)? else {
        return Ok(());
    };
    match bearer(request.headers()) {
        Some(shown) if same_secret(shown, &key) => Ok(()),
        _ => Err(unauthorised("this takes the device's own key")),
    }
}

/// The key that a device has now; `None` if devices have none.
pub(crate) fn device_key(hub: &Hub, device: &str) -> Result<Option<String>> {
    let Some(secret) = &hub.config().security.device_secret else {
        return Ok(None);
    };
    Ok(Some(mac_of(&secret.0, &["device", device, &turn(hub, device)?.to_string()])))
}

/// Gives a device another key: what it had before counts no more.
pub(crate) fn turn_device_key(hub: &Hub, device: &str) -> Result<String> {
    let next = (turn(hub, device)? + 1).to_string();
    hub.store().keep(Shelf::Keys, device, Some(next.as_bytes()))?;
    let key = device_key(hub, device)?;
    key.ok_or_else(|| Error::new(StatusCode::CONFLICT).detail("devices of this hub have no keys"))
}

/// How often a device's key was turned.
fn turn(hub: &Hub, device: &str) -> Result<u64> {
    let kept = hub.store().document(Shelf::Keys, device)?;
    let text = kept.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// A keyed hash of texts, none of which runs into the next.
fn mac_of(key: &str, texts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key may have any length");
    for text in texts {
        mac.update(&(text.len() as u64).to_be_bytes());
        mac.update(text.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorised(detail: &'static str) -> Error {
    let challenge = HeaderValue::from_static("Bearer realm=\"hub\"");
    Error::new(StatusCode::UNAUTHORIZED).detail(detail).header(WWW_AUTHENTICATE, challenge)
}
