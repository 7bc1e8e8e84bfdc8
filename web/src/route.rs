//! Paths with parameters, and the table that finds a route for a request path.
//!
//! Paths are matched as they were sent, byte by byte; only parameters are percent-decoded, and after the match, so
//! that an encoded slash cannot make a segment into two.

use std::rc::Rc;

use http::{HeaderValue, Method};
use matchit::{InsertError, Router};

use crate::handler::Endpoint;

/// How many parameters one path may have. They are kept in place, so that routing never allocates.
pub(crate) const PARAMS_MAX: usize = 8;

/// A path that cannot be registered, or not beside another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The path does not start with a slash.
    #[error("the path `{path}` must start with `/`")]
    Relative {
        /// The path as registered.
        path: String,
    },
    /// A `:` or `*` without a name after it.
    #[error("a parameter in `{path}` has no name: write `:name`, or `*name` for the rest of the path")]
    Unnamed {
        /// The path as registered.
        path: String,
    },
    /// Two parameters of one path bear the same name.
    #[error("the path `{path}` has two parameters named `{name}`")]
    SameName {
        /// The path as registered.
        path: String,
        /// The name in question.
        name: String,
    },
    /// A `*rest` that is not the last segment.
    #[error("in `{path}`, `*` takes the rest of the path and so must come last")]
    RestNotLast {
        /// The path as registered.
        path: String,
    },
    /// More parameters than a path may have.
    #[error("the path `{path}` has more than {PARAMS_MAX} parameters")]
    TooManyParams {
        /// The path as registered.
        path: String,
    },
    /// Two paths could match the same requests, and neither is more specific.
    #[error("the paths `{path}` and `{with}` match the same requests")]
    Conflict {
        /// The path registered later.
        path: String,
        /// The path registered earlier.
        with: String,
    },
    /// A path was given two handlers for one method.
    #[error("`{method} {path}` has two handlers")]
    SameMethod {
        /// The path as registered.
        path: String,
        /// The method in question.
        method: Method,
    },
}

/// What a path serves, by method.
pub(crate) struct Methods<State> {
    pub(crate) path: Rc<Path>,
    pub(crate) by_method: Vec<(Method, Rc<dyn Endpoint<State>>)>,
    pub(crate) otherwise: Option<Rc<dyn Endpoint<State>>>,
    pub(crate) allow: HeaderValue,
}

impl<State> Methods<State> {
    pub(crate) fn new(path: Rc<Path>) -> Self {
        Self { path, by_method: Vec::new(), otherwise: None, allow: HeaderValue::from_static("") }
    }

    pub(crate) fn find(&self, method: &Method) -> Option<&Rc<dyn Endpoint<State>>> {
        self.by_method.iter().find(|(own, _)| own == method).map(|(_, endpoint)| endpoint)
    }

    /// Writes down `Allow` (RFC 9110, 10.2.1), with the methods that are answered without a handler of their own.
    pub(crate) fn settle(&mut self) {
        let mut names: Vec<&str> = self.by_method.iter().map(|(method, _)| method.as_str()).collect();
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
        if !names.contains(&"OPTIONS") {
            names.push("OPTIONS");
        }
        self.allow = HeaderValue::try_from(names.join(", ")).expect("methods are tokens");
    }
}

/// A registered path and the names of its parameters, in order.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) text: String,
    names: Vec<String>,
}

/// All paths of an app.
pub(crate) struct Table<State> {
    router: Router<usize>,
    routes: Vec<Methods<State>>,
}

impl<State> Table<State> {
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), routes: Vec::new() }
    }

    /// The entry of this path, made at its first mention.
    pub(crate) fn entry(&mut self, text: &str) -> Result<&mut Methods<State>, RouteError> {
        if let Some(index) = self.routes.iter().position(|route| route.path.text == text) {
            return Ok(&mut self.routes[index]);
        }
        let (path, pattern) = parse(text)?;
        if let Some(other) = self.routes.iter().find(|route| ambiguous(&route.path.text, text)) {
            return Err(RouteError::Conflict { path: text.into(), with: other.path.text.clone() });
        }
        let index = self.routes.len();
        self.router.insert(pattern, index).map_err(|error| match error {
            InsertError::Conflict { with } => RouteError::Conflict { path: text.into(), with },
            InsertError::InvalidCatchAll => RouteError::RestNotLast { path: text.into() },
            _ => RouteError::Unnamed { path: text.into() },
        })?;
        self.routes.push(Methods::new(Rc::new(path)));
        Ok(&mut self.routes[index])
    }

    pub(crate) fn settle(&mut self) {
        self.routes.iter_mut().for_each(Methods::settle);
    }

    /// Finds the route of a request path. Does not allocate for up to three parameters.
    pub(crate) fn find(&self, path: &str) -> Option<(&Methods<State>, Matched)> {
        let found = self.router.at(path).ok()?;
        let methods = &self.routes[*found.value];
        let mut values = [Span::default(); PARAMS_MAX];
        for (span, (_, value)) in values.iter_mut().zip(found.params.iter()) {
            *span = Span::of(value, path)?;
        }
        Some((methods, Matched { path: Rc::clone(&methods.path), values }))
    }
}

/// A route that matched, and where in the request path its parameters stand.
#[derive(Clone)]
pub(crate) struct Matched {
    path: Rc<Path>,
    values: [Span; PARAMS_MAX],
}

/// A part of the request path. `http` keeps targets under 64 KiB.
#[derive(Clone, Copy, Default)]
struct Span {
    start: u16,
    end: u16,
}

impl Span {
    fn of(part: &str, whole: &str) -> Option<Self> {
        let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        let end = start + part.len();
        Some(Self { start: start.try_into().ok()?, end: end.try_into().ok()? })
    }
}

impl Matched {
    pub(crate) fn path(&self) -> &str {
        &self.path.text
    }

    /// The raw value of a parameter in the path that was matched.
    pub(crate) fn param<'path>(&self, name: &str, path: &'path str) -> Option<&'path str> {
        let index = self.path.names.iter().position(|own| own == name)?;
        let Span { start, end } = self.values[index];
        path.get(start.into()..end.into())
    }
}

/// Reads `/devices/:id/*rest` into its parameter names and the router's own syntax.
fn parse(text: &str) -> Result<(Path, String), RouteError> {
    let path = || text.to_owned();
    let Some(segments) = text.strip_prefix('/') else {
        return Err(RouteError::Relative { path: path() });
    };
    let mut names: Vec<String> = Vec::new();
    let mut pattern = String::with_capacity(text.len() + 8);
    let mut rest_seen = false;
    for segment in segments.split('/') {
        if rest_seen {
            return Err(RouteError::RestNotLast { path: path() });
        }
        pattern.push('/');
        let (name, is_rest) = match segment.as_bytes().first() {
            Some(b':') => (&segment[1..], false),
            Some(b'*') => (&segment[1..], true),
            _ => {
                pattern.push_str(&segment.replace('{', "{{").replace('}', "}}"));
                continue;
            }
        };
        if name.is_empty() || name.contains(['{', '}', '*', ':']) {
            return Err(RouteError::Unnamed { path: path() });
        }
        if names.iter().any(|own| own == name) {
            return Err(RouteError::SameName { path: path(), name: name.to_owned() });
        }
        rest_seen = is_rest;
        pattern.push_str(if is_rest { "{*" } else { "{" });
        pattern.push_str(name);
        pattern.push('}');
        names.push(name.to_owned());
    }
    if names.len() > PARAMS_MAX {
        return Err(RouteError::TooManyParams { path: path() });
    }
    Ok((Path { text: path(), names }, pattern))
}

/// Whether some request path matches both, with nothing to prefer one by: where they first differ in kind, a fixed
/// segment wins over a parameter, but `:name` and `*rest` are equals. The router would refuse the pair too, but it
/// cannot always say which path it was refused for.
fn ambiguous(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        let (a, b) = match (one.next(), other.next()) {
            (Some(a), Some(b)) => (a, b),
            (None, None) => return true,
            (Some(_), None) | (None, Some(_)) => return false,
        };
        let is_param = |segment: &str| segment.starts_with([':', '*']);
        match (is_param(a), is_param(b)) {
            (false, false) if a == b => {}
            (true, true) if a.as_bytes()[0] == b.as_bytes()[0] => {}
            (true, true) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RouteError, Table};

    fn table(paths: &[&str]) -> Result<Table<()>, RouteError> {
        let mut table = Table::new();
        for path in paths {
            table.entry(path)?;
        }
        Ok(table)
    }

    #[test]
    fn the_most_specific_path_wins() {
        let table = table(&["/", "/devices", "/devices/:id", "/devices/all", "/devices/:id/readings", "/files/*rest"])
            .expect("no conflicts");
        let find = |path: &str| table.find(path).map(|(_, matched)| matched.path().to_owned());
        assert_eq!(find("/").as_deref(), Some("/"));
        assert_eq!(find("/devices").as_deref(), Some("/devices"));
        assert_eq!(find("/devices/all").as_deref(), Some("/devices/all"));
        assert_eq!(find("/devices/7").as_deref(), Some("/devices/:id"));
        assert_eq!(find("/devices/all/readings").as_deref(), Some("/devices/:id/readings"));
        assert_eq!(find("/files/a/b.css").as_deref(), Some("/files/*rest"));
        for nothing in ["", "*", "/devices/", "/files/", "/devices/7/x", "//"] {
            assert_eq!(find(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn params_are_read_where_they_stand() {
        let table = table(&["/a/:one/b/:two/*rest", "/{literal}/:x"]).expect("no conflicts");
        let path = "/a/1/b/2/3/4";
        let (_, matched) = table.find(path).expect("matches");
        let param = |name| matched.param(name, path);
        assert_eq!((param("one"), param("two"), param("rest")), (Some("1"), Some("2"), Some("3/4")));
        assert_eq!(param("none"), None);
        let (_, matched) = table.find("/{literal}/y").expect("matches");
        assert_eq!(matched.param("x", "/{literal}/y"), Some("y"));
        assert!(table.find("/other/y").is_none());
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
        assert_eq!(refused(&["/d/:id/x", "/d/*rest"]), "the paths `/d/*rest` and `/d/:id/x` match the same requests");
        assert_eq!(refused(&["/d/:id/x", "/d/:name/y", "/d/all"]), "");
    }
}
