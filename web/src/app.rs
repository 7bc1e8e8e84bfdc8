//! The app: routes, middleware and state, made into a service.

mod listing;
mod mount;
mod service;

use std::fmt;
use std::rc::Rc;

use http::Method;

use crate::handler::{Endpoint, endpoint};
use crate::middleware::Chain;
use crate::route::{HostPattern, Path, Surround, Table, TrailingSlash, join};
use crate::{Handler, Middleware, RouteError};

pub use listing::Listed;
pub use service::{AppService, Respond, RespondInfallibly};

use mount::{Layered, Mount};

/// An application being put together: what it serves where, what surrounds that, and the state they share.
///
/// ```
/// use wavetank_web::{App, Json, Request, Result};
///
/// async fn device(request: Request<Vec<String>>) -> Result<Json<String>> {
///     let index: usize = request.param("index")?;
///     Ok(Json(request.state()[index].clone()))
/// }
///
/// let mut app = App::with_state(vec!["thermostat".to_owned()]);
/// app.at("/health").get(async || "ok");
/// app.at("/devices/:index").get(device);
/// let service = app.into_service()?;
/// # Ok::<(), wavetank_web::RouteError>(())
/// ```
///
/// A path is made of fixed segments, `:name` for one segment, and `*name` for the rest. A fixed segment is preferred to
/// a parameter, and that to the rest; two paths between which nothing decides are an error of [`App::into_service`],
/// which names both. `HEAD` is answered where `GET` is, `OPTIONS` everywhere, and a known path with another method by
/// 405 with `Allow`.
pub struct App<State = ()> {
    state: Rc<State>,
    table: Table<State>,
    hosts: Vec<(HostPattern, Table<State>)>,
    middleware: Chain<State>,
    slash: TrailingSlash,
    surround: Surround<State>,
    first_error: Option<RouteError>,
    /// What is known of the operations that it answers.
    #[cfg(feature = "openapi")]
    pub(crate) operations: Vec<crate::openapi::Described>,
}

impl App {
    /// An app without state.
    #[must_use]
    pub fn new() -> Self {
        Self::with_state(())
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl<State: 'static> App<State> {
    /// An app whose handlers share this state.
    #[must_use]
    pub fn with_state(state: State) -> Self {
        Self {
            state: Rc::new(state),
            table: Table::new(),
            hosts: Vec::new(),
            middleware: Chain::default(),
            slash: TrailingSlash::Strict,
            surround: Rc::new(|fixed| Rc::new(fixed)),
            first_error: None,
            #[cfg(feature = "openapi")]
            operations: Vec::new(),
        }
    }

    /// The route of this path, to give it handlers. The same path may be mentioned again.
    pub fn at(&mut self, path: &str) -> Route<'_, State> {
        Route { app: self, path: path.to_owned(), middleware: Chain::default() }
    }

    /// Surrounds all handlers, present and to come, with a middleware. The first one added is the outermost. It also
    /// sees requests that match no route.
    pub fn with(&mut self, middleware: impl Middleware<State>) -> &mut Self {
        self.middleware.push(middleware);
        self
    }

    /// Answers, by this handler, requests that match no route; 404 otherwise. A nested app's own fallback answers
    /// below its path, this one elsewhere; of several nested apps' the one whose path is preferred, as among routes. Two that
    /// answer the same requests are an error.
    pub fn fallback<Arguments: 'static>(&mut self, handler: impl Handler<State, Arguments>) -> &mut Self {
        let root = Path::parse("/").expect("it starts with a slash");
        let registered = self.table.add_fallback(root, endpoint(handler));
        self.note(registered);
        self
    }

    /// What is done about slashes at the end of paths. The policy of the outermost app counts.
    pub fn trailing_slash(&mut self, policy: TrailingSlash) -> &mut Self {
        self.slash = policy;
        self
    }

    /// Serves requests for this host by an app of their own: `api.example.net`, or `*.example.net` for all names below
    /// it. An exact name is preferred, then the longer domain. What surrounds this app surrounds that one, too.
    pub fn host<Other: 'static>(&mut self, host: &str, app: App<Other>) -> &mut Self {
        let registered = HostPattern::parse(host).and_then(|pattern| {
            if self.hosts.iter().any(|(other, _)| *other == pattern) {
                return Err(RouteError::SameHost { host: host.to_owned() });
            }
            let mut table = Table::new();
            #[cfg(feature = "openapi")]
            self.operations.extend(app.described().map(|operation| operation.at_host(&pattern.text())));
            app.mount_in(&mut table, "")?;
            self.hosts.push((pattern, table));
            Ok(())
        });
        self.note(registered);
        self
    }

    /// Makes the app ready to serve.
    ///
    /// # Errors
    /// The first path that could not be registered.
    pub fn into_service(mut self) -> Result<AppService<State>, RouteError> {
        if let Some(error) = self.first_error {
            return Err(error);
        }
        self.hosts.sort_by_key(|(host, _)| std::cmp::Reverse(host.rank()));
        for table in self.hosts.iter_mut().map(|(_, table)| table).chain([&mut self.table]) {
            table.settle(self.slash);
        }
        Ok(AppService::new(self.state, self.table, self.hosts, self.middleware))
    }

    /// What is known of its operations, with what surrounds them all so far.
    #[cfg(feature = "openapi")]
    pub(crate) fn described(&self) -> impl Iterator<Item = crate::openapi::Described> {
        self.operations.iter().map(|operation| operation.behind(self.middleware.security()))
    }

    fn register(&mut self, path: &str, method: Option<Method>, endpoint: Rc<dyn Endpoint<State>>) {
        let registered = self.table.entry(path, &self.surround).and_then(|methods| methods.add(method, endpoint));
        self.note(registered);
    }

    pub(crate) fn note(&mut self, registered: Result<(), RouteError>) {
        if let Err(error) = registered {
            self.first_error.get_or_insert(error);
        }
    }

    /// Registers all that this app serves with another one's table, below a prefix.
    fn mount_in<Outer: 'static>(self, table: &mut Table<Outer>, prefix: &str) -> Result<(), RouteError> {
        if let Some(error) = self.first_error {
            return Err(error);
        }
        if let Some((host, _)) = self.hosts.first() {
            return Err(RouteError::NestedHost { path: prefix.to_owned(), host: host.text() });
        }
        let segments = if prefix.is_empty() { 0 } else { Path::parse(prefix)?.depth() };
        let mount = Rc::new(Mount { state: self.state, chain: Rc::new(self.middleware), segments });
        for methods in self.table.routes {
            let surround = mount.surround::<Outer>(Rc::clone(&methods.surround));
            let mut paths = vec![join(prefix, &methods.path.text)];
            if methods.path.text == "/" && segments > 0 {
                paths.push(format!("{prefix}/"));
            }
            for path in paths {
                let entry = table.entry(&path, &surround)?;
                for (method, endpoint) in &methods.by_method {
                    entry.add(Some(method.clone()), mount.endpoint(endpoint))?;
                }
                if let Some(endpoint) = &methods.otherwise {
                    entry.add(None, mount.endpoint(endpoint))?;
                }
            }
        }
        for (below, endpoint) in self.table.fallbacks {
            table.add_fallback(Path::parse(&join(prefix, &below.text))?, mount.endpoint(&endpoint))?;
        }
        Ok(())
    }
}

impl<State> fmt::Debug for App<State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// A path of an app, waiting for its handlers.
#[must_use = "a route without a handler serves nothing"]
pub struct Route<'app, State: 'static> {
    pub(crate) app: &'app mut App<State>,
    pub(crate) path: String,
    pub(crate) middleware: Chain<State>,
}

macro_rules! methods {
    ($($name:ident $method:ident),+ $(,)?) => {$(
        #[doc = concat!("Answers `", stringify!($method), "` by this handler.")]
        pub fn $name<Arguments: 'static>(&mut self, handler: impl Handler<State, Arguments>) -> &mut Self {
            self.method(Method::$method, handler)
        }
    )+};
}

impl<State: 'static> Route<'_, State> {
    methods! {
        get GET, head HEAD, post POST, put PUT, patch PATCH, delete DELETE, options OPTIONS,
    }

    /// Answers this method by this handler.
    pub fn method<Arguments: 'static>(&mut self, method: Method, handler: impl Handler<State, Arguments>) -> &mut Self {
        self.register(Some(method), endpoint(handler))
    }

    /// Answers every method that has no handler of its own, `HEAD` and `OPTIONS` included.
    pub fn all<Arguments: 'static>(&mut self, handler: impl Handler<State, Arguments>) -> &mut Self {
        self.register(None, endpoint(handler))
    }

    /// Surrounds the handlers that this route is given from here on with a middleware, inside those of the app. What
    /// the app answers by itself (405, `OPTIONS`) is not surrounded.
    pub fn with(&mut self, middleware: impl Middleware<State>) -> &mut Self {
        self.middleware.push(middleware);
        self
    }

    /// Serves another app below this path. It sees [paths](crate::Request::path) without this one, has a state,
    /// middleware and a fallback of its own, and may take the path's parameters.
    ///
    /// ```
    /// use wavetank_web::{App, Request};
    ///
    /// let mut tenant = App::new();
    /// tenant.at("/orders/:order").get(async |request: Request| -> wavetank_web::Result<String> {
    ///     assert_eq!(request.path(), "/orders/7");
    ///     request.param("tenant")
    /// });
    /// let mut app = App::new();
    /// app.at("/tenants/:tenant").nest(tenant);
    /// # let service = app.into_service()?;
    /// # futures::executor::block_on(async {
    /// # let response = service.respond(http::Request::get("/tenants/acme/orders/7").body("").unwrap()).await;
    /// # assert_eq!(response.status(), 200);
    /// # });
    /// # Ok::<(), wavetank_web::RouteError>(())
    /// ```
    pub fn nest<Other: 'static>(&mut self, app: App<Other>) -> &mut Self {
        let prefix = self.path.strip_suffix('/').unwrap_or(&self.path).to_owned();
        #[cfg(feature = "openapi")]
        self.app.operations.extend(app.described().map(|operation| operation.below(&prefix)));
        let mounted = app.mount_in(&mut self.app.table, &prefix);
        self.app.note(mounted);
        self
    }

    fn register(&mut self, method: Option<Method>, endpoint: Rc<dyn Endpoint<State>>) -> &mut Self {
        let endpoint =
            if self.middleware.is_empty() { endpoint } else { Layered::around(self.middleware.clone(), endpoint) };
        self.app.register(&self.path, method, endpoint);
        self
    }
}

impl<State> fmt::Debug for Route<'_, State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("path", &self.path).finish_non_exhaustive()
    }
}
