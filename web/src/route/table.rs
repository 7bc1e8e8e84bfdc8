//! All routes of an app, by path and method.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use http::header::{ALLOW, LOCATION};
use http::{HeaderValue, Method, StatusCode};

use super::tree::Tree;
use super::{Matched, Path, RouteError, Span, TrailingSlash};
use crate::handler::Endpoint;
use crate::{Error, IntoResponse, Request, Response};

/// What an app answers by itself, put where its middleware sees it.
pub(crate) type Surround<State> = Rc<dyn Fn(Fixed) -> Rc<dyn Endpoint<State>>>;

/// What a path serves, by method.
pub(crate) struct Methods<State> {
    pub(crate) path: Rc<Path>,
    pub(crate) by_method: Vec<(Method, Rc<dyn Endpoint<State>>)>,
    pub(crate) otherwise: Option<Rc<dyn Endpoint<State>>>,
    pub(crate) surround: Surround<State>,
    not_allowed: Rc<dyn Endpoint<State>>,
    options: Rc<dyn Endpoint<State>>,
}

impl<State: 'static> Methods<State> {
    fn new(path: Rc<Path>, surround: Surround<State>) -> Self {
        let unsettled: Rc<dyn Endpoint<State>> = Rc::new(Fixed::NotFound);
        Self {
            path,
            by_method: Vec::new(),
            otherwise: None,
            surround,
            not_allowed: Rc::clone(&unsettled),
            options: unsettled,
        }
    }

    /// Adds a handler, for a method or for all that have none.
    pub(crate) fn add(&mut self, method: Option<Method>, endpoint: Rc<dyn Endpoint<State>>) -> Result<(), RouteError> {
        match method {
            Some(method) if self.find(&method).is_some() => {
                Err(RouteError::SameMethod { path: self.path.text.clone(), method })
            }
            Some(method) => {
                self.by_method.push((method, endpoint));
                Ok(())
            }
            None if self.otherwise.is_some() => Err(RouteError::SameOtherwise { path: self.path.text.clone() }),
            None => {
                self.otherwise = Some(endpoint);
                Ok(())
            }
        }
    }

    fn find(&self, method: &Method) -> Option<&Rc<dyn Endpoint<State>>> {
        self.by_method.iter().find(|(own, _)| own == method).map(|(_, endpoint)| endpoint)
    }

    /// Who answers this method. There is always someone.
    fn endpoint(&self, method: &Method) -> &Rc<dyn Endpoint<State>> {
        let get = || self.find(&Method::GET).filter(|_| method == Method::HEAD);
        let own = self.find(method).or(self.otherwise.as_ref()).or_else(get);
        own.unwrap_or(if method == Method::OPTIONS { &self.options } else { &self.not_allowed })
    }

    /// The methods that are answered, those without a handler of their own included.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_method.iter().map(|(method, _)| method.as_str()).collect();
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
        if !names.contains(&"OPTIONS") {
            names.push("OPTIONS");
        }
        names
    }

    /// Writes down `Allow` (RFC 9110, 10.2.1). These methods are known somewhere in the app.
    fn settle(&mut self, known: &Rc<[Method]>) {
        let allow = HeaderValue::try_from(self.names().join(", ")).expect("methods are tokens");
        self.not_allowed = (self.surround)(Fixed::NotAllowed { allow: allow.clone(), known: Rc::clone(known) });
        self.options = (self.surround)(Fixed::Options(Some(allow)));
    }
}

/// All paths of an app, and who answers where there is none.
pub(crate) struct Table<State> {
    tree: Tree,
    pub(crate) routes: Vec<Methods<State>>,
    /// The most specific first, once the table is settled.
    pub(crate) fallbacks: Vec<(Path, Rc<dyn Endpoint<State>>)>,
    not_found: Rc<dyn Endpoint<State>>,
    not_implemented: Rc<dyn Endpoint<State>>,
    options: Rc<dyn Endpoint<State>>,
    redirect: Rc<dyn Endpoint<State>>,
    slash: TrailingSlash,
}

impl<State: 'static> Table<State> {
    pub(crate) fn new() -> Self {
        Self {
            tree: Tree::new(),
            routes: Vec::new(),
            fallbacks: Vec::new(),
            not_found: Rc::new(Fixed::NotFound),
            not_implemented: Rc::new(Fixed::NotImplemented),
            options: Rc::new(Fixed::Options(None)),
            redirect: Rc::new(Fixed::OtherSlash),
            slash: TrailingSlash::Strict,
        }
    }

    /// The entry of this path, made at its first mention.
    pub(crate) fn entry(&mut self, text: &str, surround: &Surround<State>) -> Result<&mut Methods<State>, RouteError> {
        if let Some(index) = self.routes.iter().position(|route| route.path.text == text) {
            return Ok(&mut self.routes[index]);
        }
        let path = Path::parse(text)?;
        let index = self.routes.len();
        self.tree
            .insert(text, index)
            .map_err(|other| RouteError::Conflict { path: text.into(), with: self.routes[other].path.text.clone() })?;
        self.routes.push(Methods::new(Rc::new(path), Rc::clone(surround)));
        Ok(&mut self.routes[index])
    }

    /// Who answers below a prefix what matches no route.
    pub(crate) fn add_fallback(&mut self, prefix: Path, endpoint: Rc<dyn Endpoint<State>>) -> Result<(), RouteError> {
        if let Some((other, _)) = self.fallbacks.iter().find(|(other, _)| other.rank() == prefix.rank()) {
            return Err(RouteError::SameFallback { path: prefix.text, with: other.text.clone() });
        }
        self.fallbacks.push((prefix, endpoint));
        Ok(())
    }

    /// Makes the table ready to be asked.
    pub(crate) fn settle(&mut self, slash: TrailingSlash) {
        self.slash = slash;
        let of_routes = self.routes.iter().flat_map(|route| route.by_method.iter().map(|(method, _)| method.clone()));
        let known: Rc<[Method]> = STANDARD.into_iter().chain(of_routes).collect();
        self.routes.iter_mut().for_each(|route| route.settle(&known));
        self.fallbacks.sort_by(|(one, _), (other, _)| one.rank().cmp(&other.rank()));
    }

    /// Who answers, and under which path. There is always someone. A CONNECT has no path, and whoever answers it by a 2xx for
    /// want of anything better has promised a tunnel: an app has none (RFC 9110, 9.3.6).
    pub(crate) fn find(&self, method: &Method, path: &str) -> (Rc<dyn Endpoint<State>>, Option<Matched>) {
        if method == Method::CONNECT {
            return (Rc::clone(&self.not_implemented), None);
        }
        let mut values = [Span::default(); super::PARAMS_MAX];
        if let Some(index) = self.tree.find(path, false, &mut values) {
            return self.found(index, method, values);
        }
        if self.slash != TrailingSlash::Strict
            && let Some(index) = self.with_other_slash(path, &mut values)
        {
            return match self.slash {
                TrailingSlash::Redirect => (Rc::clone(&self.redirect), None),
                _ => self.found(index, method, values),
            };
        }
        if path == "*" && method == Method::OPTIONS {
            return (Rc::clone(&self.options), None);
        }
        let fallback = self.fallbacks.iter().find(|(prefix, _)| prefix.is_prefix_of(path));
        (Rc::clone(fallback.map_or(&self.not_found, |(_, endpoint)| endpoint)), None)
    }

    fn found(&self, index: usize, method: &Method, values: [Span; 8]) -> (Rc<dyn Endpoint<State>>, Option<Matched>) {
        let methods = &self.routes[index];
        (Rc::clone(methods.endpoint(method)), Some(Matched { path: Rc::clone(&methods.path), values }))
    }

    /// A path of several leading slashes is left alone: as a redirect it would name another host. Browsers take backslashes
    /// for slashes.
    fn with_other_slash(&self, path: &str, values: &mut [Span; 8]) -> Option<usize> {
        if path.starts_with("//") || path.contains('\\') {
            return None;
        }
        match path.strip_suffix('/') {
            Some("") => None,
            Some(path) => self.tree.find(path, false, values),
            None => self.tree.find(path, true, values),
        }
    }
}

/// The methods of RFC 9110 and RFC 5789, which are not allowed where there is no handler for them. Others are not known.
const STANDARD: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// Endpoints that every app has.
pub(crate) enum Fixed {
    NotFound,
    /// 405, or 501 where the method is not known anywhere (RFC 9110, 9.1).
    NotAllowed {
        allow: HeaderValue,
        known: Rc<[Method]>,
    },
    NotImplemented,
    Options(Option<HeaderValue>),
    OtherSlash,
}

impl<State: 'static> Endpoint<State> for Fixed {
    fn call(&self, request: Request<State>) -> LocalBoxFuture<'static, Response> {
        let response = match self {
            Self::NotFound => Error::new(StatusCode::NOT_FOUND).into_response(),
            Self::NotImplemented => Error::new(StatusCode::NOT_IMPLEMENTED).into_response(),
            Self::NotAllowed { allow, known } if !known.contains(request.method()) => {
                Error::new(StatusCode::NOT_IMPLEMENTED).header(ALLOW, allow.clone()).into_response()
            }
            Self::NotAllowed { allow, .. } => {
                Error::new(StatusCode::METHOD_NOT_ALLOWED).header(ALLOW, allow.clone()).into_response()
            }
            Self::Options(allow) => {
                let mut response = StatusCode::NO_CONTENT.into_response();
                if let Some(allow) = allow {
                    response.headers_mut().insert(ALLOW, allow.clone());
                }
                response
            }
            Self::OtherSlash => {
                let path = request.uri().path();
                let mut to = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
                if let Some(query) = request.uri().query() {
                    to.push('?');
                    to.push_str(query);
                }
                (StatusCode::PERMANENT_REDIRECT, [(LOCATION, to)], ()).into_response()
            }
        };
        Box::pin(std::future::ready(response))
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use http::Method;

    use super::{RouteError, Surround, Table};

    fn table(paths: &[&str]) -> Result<Table<()>, RouteError> {
        let mut table = Table::new();
        let surround: Surround<()> = Rc::new(|fixed| Rc::new(fixed));
        for path in paths {
            table.entry(path, &surround)?;
        }
        Ok(table)
    }

    fn find(table: &Table<()>, path: &str) -> Option<String> {
        table.find(&Method::GET, path).1.map(|matched| matched.path().to_owned())
    }

    #[test]
    fn the_most_specific_path_wins() {
        let paths = ["/", "/devices", "/devices/:id", "/devices/all", "/devices/:id/readings", "/files/*rest"];
        let table = table(&paths).expect("no conflicts");
        for (path, route) in [
            ("/", "/"),
            ("/devices", "/devices"),
            ("/devices/all", "/devices/all"),
            ("/devices/7", "/devices/:id"),
            ("/devices/all/readings", "/devices/:id/readings"),
            ("/files/a/b.css", "/files/*rest"),
        ] {
            assert_eq!(find(&table, path).as_deref(), Some(route));
        }
        for nothing in ["", "*", "/devices/", "/files/", "/devices/7/x", "//", "x"] {
            assert_eq!(find(&table, nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_left_for_what_is_less_specific() {
        let table = table(&["/a/:b/c", "/a/x/d", "/:p/x/e", "/*rest", "/a/:b/*rest"]).expect("no conflicts");
        assert_eq!(find(&table, "/a/x/c").as_deref(), Some("/a/:b/c"));
        assert_eq!(find(&table, "/a/x/d").as_deref(), Some("/a/x/d"));
        assert_eq!(find(&table, "/a/x/e").as_deref(), Some("/a/:b/*rest"));
        assert_eq!(find(&table, "/b/x/e").as_deref(), Some("/:p/x/e"));
        assert_eq!(find(&table, "/a/x").as_deref(), Some("/*rest"));
    }

    #[test]
    fn params_are_read_where_they_stand() {
        let table = table(&["/a/:one/b/:two/*rest", "/{literal}/:x"]).expect("no conflicts");
        let path = "/a/1/b/2/3/4";
        let matched = table.find(&Method::GET, path).1.expect("matches");
        let param = |name| matched.param(name, path);
        assert_eq!((param("one"), param("two"), param("rest")), (Some("1"), Some("2"), Some("3/4")));
        assert_eq!(param("none"), None);
        assert_eq!(matched.params(path).collect::<Vec<_>>(), [("one", "1"), ("two", "2"), ("rest", "3/4")]);
        assert_eq!(find(&table, "/{literal}/y").as_deref(), Some("/{literal}/:x"));
        assert_eq!(find(&table, "/other/y"), None);
    }

    #[test]
    fn routing_allocates_nothing() {
        let paths = ["/", "/a/:b/c", "/a/x/d", "/:a/:b/:c/:d/:e/:f/:g/:h", "/files/*rest"];
        let mut table = table(&paths).expect("no conflicts");
        table.settle(super::TrailingSlash::Ignore);
        for path in ["/", "/a/x/c/", "/a/x/d", "/1/2/3/4/5/6/7/8", "/files/a/b/c/d", "/nothing", "//", "*"] {
            for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT] {
                let counted = allocation_counter::measure(|| drop(table.find(&method, path)));
                assert_eq!(counted.count_total, 0, "{method} {path}");
            }
        }
    }

    #[test]
    fn what_cannot_be_registered_says_why() {
        let refused = |paths: &[&str]| table(paths).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(refused(&["devices"]), "the path `devices` must start with `/`");
        assert_eq!(refused(&["/:id/:id"]), "the path `/:id/:id` has two parameters named `id`");
        assert_eq!(refused(&["/*rest/x"]), "in `/*rest/x`, `*` takes the rest of the path and so must come last");
        assert_eq!(
            refused(&["/x/*"]),
            "a parameter in `/x/*` has no name: write `:name`, or `*name` for the rest of the path"
        );
        assert_eq!(
            refused(&["/:a/:b/:c/:d/:e/:f/:g/:h/:i"]),
            "the path `/:a/:b/:c/:d/:e/:f/:g/:h/:i` has more than 8 parameters"
        );
        assert_eq!(refused(&["/d/:id", "/d/:name"]), "the paths `/d/:name` and `/d/:id` match the same requests");
        assert_eq!(refused(&["/d/*a", "/d/*b"]), "the paths `/d/*b` and `/d/*a` match the same requests");
        assert_eq!(refused(&["/d/:id/x", "/d/:name/y", "/d/all", "/d/*rest"]), "");
    }
}
