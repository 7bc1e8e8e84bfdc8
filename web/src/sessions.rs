//! Sessions: what is remembered of a client between its requests, at the server's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::cookies::{Cookie, Cookies, SameSite};
use crate::{Error, Extension, FromRequest, IntoResponse, Middleware, Next, Request, Response, Result};

/// Where sessions are kept.
pub trait SessionStore: 'static {
    /// What is remembered under this name, if anything.
    fn load(&self, id: &str) -> impl Future<Output = Result<Option<Map<String, Value>>>>;

    /// Remembers this.
    fn save(&self, id: &str, values: Map<String, Value>) -> impl Future<Output = Result<()>>;

    /// Forgets it.
    fn delete(&self, id: &str) -> impl Future<Output = Result<()>>;
}

/// Sessions in memory: gone when the server is. Beyond so many, the one that was saved longest ago is forgotten.
#[derive(Debug)]
pub struct MemorySessions {
    kept: RefCell<Kept>,
    sessions_max: usize,
}

#[derive(Debug, Default)]
struct Kept {
    by_id: BTreeMap<String, (u64, Map<String, Value>)>,
    by_age: BTreeMap<u64, String>,
    next: u64,
}

impl MemorySessions {
    /// Keeps up to so many.
    #[must_use]
    pub fn new(sessions_max: usize) -> Self {
        Self { kept: RefCell::default(), sessions_max: sessions_max.max(1) }
    }
}

impl SessionStore for MemorySessions {
    async fn load(&self, id: &str) -> Result<Option<Map<String, Value>>> {
        Ok(self.kept.borrow().by_id.get(id).map(|(_, values)| values.clone()))
    }

    async fn save(&self, id: &str, values: Map<String, Value>) -> Result<()> {
        let mut kept = self.kept.borrow_mut();
        let age = kept.next;
        kept.next += 1;
        if let Some((before, _)) = kept.by_id.insert(id.to_owned(), (age, values)) {
            kept.by_age.remove(&before);
        }
        kept.by_age.insert(age, id.to_owned());
        if kept.by_id.len() > self.sessions_max
            && let Some((_, oldest)) = kept.by_age.pop_first()
        {
            kept.by_id.remove(&oldest);
        }
        Ok(())
    }

    async fn delete(&self, id: &str) -> Result<()> {
        let mut kept = self.kept.borrow_mut();
        if let Some((age, _)) = kept.by_id.remove(id) {
            kept.by_age.remove(&age);
        }
        Ok(())
    }
}

/// Fills bytes that nobody can guess.
type Fill = Box<dyn FnMut(&mut [u8])>;

/// Gives every request a [`Session`]. A client is told its session's name in a cookie when something is first remembered;
/// the name is 32 random bytes, and a name that the server has not given is not taken over.
pub struct Sessions<Store> {
    store: Store,
    fill: RefCell<Fill>,
    cookie: &'static str,
    secure: bool,
}

impl<Store: SessionStore> Sessions<Store> {
    /// Sessions in this store, named by bytes that `fill` fills in: they must come from a source that nobody can guess.
    #[must_use]
    pub fn new(store: Store, fill: impl FnMut(&mut [u8]) + 'static) -> Self {
        Self { store, fill: RefCell::new(Box::new(fill)), cookie: "session", secure: true }
    }

    /// Sends the cookie over connections without TLS, too: on a LAN without, or in the tank.
    #[must_use]
    pub fn without_tls(mut self) -> Self {
        self.secure = false;
        self
    }

    /// Names the cookie otherwise than `session`: two apps at one host would take each other's away, whatever their ports and
    /// their paths (RFC 6265, 8.5). The name is a token, and one that begins with `__Host-` is this host's alone in browsers.
    ///
    /// # Panics
    /// If it is no token (RFC 9110, 5.6.2).
    #[must_use]
    pub fn named(mut self, cookie: &'static str) -> Self {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert!(!cookie.is_empty() && cookie.bytes().all(is_token), "`{cookie}` is no name of a cookie");
        self.cookie = cookie;
        self
    }

    fn name(&self) -> String {
        let mut bytes = [0; 32];
        (self.fill.borrow_mut())(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    async fn settle(&self, id: Option<String>, session: &Session, response: &mut Response) -> Result<()> {
        let Inside { values, changed, renewed } = session.take();
        if !changed && !renewed {
            return Ok(());
        }
        let mut cookies = Cookies::default();
        let cookie = |value: String| {
            let cookie = Cookie::build((self.cookie, value)).path("/").http_only(true);
            cookie.secure(self.secure).same_site(SameSite::Lax).build()
        };
        let id = match id {
            Some(id) if renewed || values.is_empty() => {
                self.store.delete(&id).await?;
                None
            }
            id => id,
        };
        if values.is_empty() {
            let mut cookie = cookie(String::new());
            cookie.make_removal();
            cookies.add(cookie);
        } else {
            let id = match id {
                Some(id) => id,
                None => {
                    let id = self.name();
                    cookies.add(cookie(id.clone()));
                    id
                }
            };
            self.store.save(&id, values).await?;
        }
        cookies.write(response)
    }
}

impl<State: 'static, Store: SessionStore> Middleware<State> for Sessions<Store> {
    async fn handle(&self, mut request: Request<State>, next: Next<State>) -> Response {
        let given = Cookies::of(&request).get(self.cookie).map(|cookie| cookie.value().to_owned());
        let known = match given {
            Some(id) => match self.store.load(&id).await {
                Ok(values) => values.map(|values| (id, values)),
                Err(error) => return error.into_response(),
            },
            None => None,
        };
        let (id, values) = known.unzip();
        let session = Session::of(values.unwrap_or_default());
        request.extensions_mut().insert(session.clone());
        let mut response = next.run(request).await;
        match self.settle(id, &session, &mut response).await {
            Ok(()) => response,
            Err(error) => error.into_response(),
        }
    }
}

impl<Store> fmt::Debug for Sessions<Store> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

/// What is remembered of this client: an argument of a handler. It is saved when the handler has answered.
#[derive(Clone)]
pub struct Session {
    /// Extensions must be `Send`, though a request never leaves its thread.
    inside: Arc<Mutex<Inside>>,
}

#[derive(Default)]
struct Inside {
    values: Map<String, Value>,
    changed: bool,
    renewed: bool,
}

impl Session {
    fn of(values: Map<String, Value>) -> Self {
        Self { inside: Arc::new(Mutex::new(Inside { values, ..Inside::default() })) }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Inside) -> T) -> T {
        f(&mut self.inside.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self) -> Inside {
        self.with(std::mem::take)
    }

    /// What is remembered under this key, if it is a `T`.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.with(|inside| inside.values.get(key).cloned())?;
        serde_json::from_value(value).ok()
    }

    /// Remembers a value.
    ///
    /// # Errors
    /// 500 if it cannot be written as JSON.
    pub fn set(&self, key: &str, value: impl Serialize) -> Result<()> {
        let value = serde_json::to_value(value).map_err(Error::from)?;
        self.with(|inside| {
            inside.values.insert(key.to_owned(), value);
            inside.changed = true;
        });
        Ok(())
    }

    /// Forgets a value.
    pub fn remove(&self, key: &str) {
        self.with(|inside| inside.changed |= inside.values.remove(key).is_some());
    }

    /// Forgets everything: a user who logs out.
    pub fn clear(&self) {
        self.with(|inside| {
            inside.values.clear();
            inside.changed = true;
        });
    }

    /// Goes on under a new name: to be done when a user logs in, so that nobody who knew the old name is let in, too.
    pub fn renew(&self) {
        self.with(|inside| inside.renewed = true);
    }
}

impl<State> FromRequest<State> for Session {
    /// 500 where no [`Sessions`] surround the handler.
    async fn from_request(request: &mut Request<State>) -> Result<Self> {
        Extension::from_request(request).await.map(|Extension(session)| session)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
