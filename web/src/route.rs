//! Paths with parameters, and what is found for a request path.
//!
//! Paths are matched as they were sent, byte by byte; only parameters are percent-decoded, and after the match, so
//! that an encoded slash cannot make a segment into two.

mod host;
mod table;
mod tree;

use std::rc::Rc;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

pub(crate) use host::HostPattern;
pub(crate) use table::{Surround, Table};

use tree::{Segment, segments};

/// How many parameters one path may have. They are kept in place, so that routing never allocates.
pub(crate) const PARAMS_MAX: usize = 8;

/// What is done with a path that would match if it ended in a slash, or if it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrailingSlash {
    /// It is another path, and not found.
    #[default]
    Strict,
    /// The client is sent to the path that matches, by 308.
    Redirect,
    /// It is served as if it were the path that matches.
    Ignore,
}

/// A path or a host that cannot be registered, or not beside another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The path does not start with a slash.
    #[error("the path `{path}` must start with `/`")]
    Relative {
        /// The path as registered.
        path: String,
    },
    /// No request's path holds this: clients send it in another way, or not at all.
    #[error("no request has `{char}` in its path, as `{path}` does: write it as clients send it, `{sent}`")]
    Unsent {
        /// The path as registered.
        path: String,
        /// What no path holds.
        char: char,
        /// Percent-encoded (RFC 3986, 2.1).
        sent: String,
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
    /// Two paths match the same requests.
    #[error("the paths `{path}` and `{with}` match the same requests")]
    Conflict {
        /// The path registered later.
        path: String,
        /// The path registered earlier.
        with: String,
    },
    /// Two nested apps' fallbacks answer for the same requests, or an app has two.
    #[error("the fallbacks below `{path}` and `{with}` answer the same requests")]
    SameFallback {
        /// The prefix of the later one.
        path: String,
        /// The prefix of the earlier one.
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
    /// A path was given two handlers for all methods without one of their own.
    #[error("`{path}` has two handlers for all other methods")]
    SameOtherwise {
        /// The path as registered.
        path: String,
    },
    /// A host that is neither a name nor `*.` and a name.
    #[error("`{host}` is not a host: write `api.example.net`, or `*.example.net`, without a port")]
    Host {
        /// The host as registered.
        host: String,
    },
    /// Two apps for one host.
    #[error("there are two apps for the host `{host}`")]
    SameHost {
        /// The host as registered.
        host: String,
    },
    /// An operation was given to another path than its own.
    #[error("the path `{path}` is not the operation's, which is `{operation}`")]
    OtherPath {
        /// The path as registered.
        path: String,
        /// The operation's.
        operation: String,
    },
    /// Two operations are to be described for which OpenAPI has one place.
    #[error(
        "`{operation}` and `{with}` cannot both be described: to OpenAPI they are one method of one path, for it knows no `*` and \
         no hosts"
    )]
    SamePlace {
        /// The later one, by its method, host and path.
        operation: String,
        /// The earlier one.
        with: String,
    },
    /// An app that tells hosts apart was nested.
    #[error("the app nested at `{path}` has a host of its own, `{host}`: hosts belong to the outermost app")]
    NestedHost {
        /// Where it was nested.
        path: String,
        /// The host in question.
        host: String,
    },
}

/// A registered path and the names of its parameters, in order.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) text: String,
    names: Vec<String>,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, RouteError> {
        let path = || text.to_owned();
        if !text.starts_with('/') {
            return Err(RouteError::Relative { path: path() });
        }
        let mut names: Vec<String> = Vec::new();
        let mut rest_seen = false;
        for segment in segments(text) {
            if rest_seen {
                return Err(RouteError::RestNotLast { path: path() });
            }
            let name = match segment {
                Segment::Param(name) | Segment::Rest(name) => name,
                Segment::Fixed(fixed) => {
                    if let Some(char) = fixed.chars().find(|&char| !is_sent(char)) {
                        let sent = utf8_percent_encode(char.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC).to_string();
                        return Err(RouteError::Unsent { path: path(), char, sent });
                    }
                    continue;
                }
            };
            rest_seen = matches!(segment, Segment::Rest(_));
            if name.is_empty() || name.contains(['{', '}', '*', ':']) {
                return Err(RouteError::Unnamed { path: path() });
            }
            if names.iter().any(|own| own == name) {
                return Err(RouteError::SameName { path: path(), name: name.to_owned() });
            }
            names.push(name.to_owned());
        }
        if names.len() > PARAMS_MAX {
            return Err(RouteError::TooManyParams { path: path() });
        }
        Ok(Self { text: path(), names })
    }

    /// How many leading segments of `path` this matches: all of its own, or `None`. An empty prefix matches anything.
    pub(crate) fn is_prefix_of(&self, path: &str) -> bool {
        if self.text == "/" {
            return true;
        }
        let mut given = path.strip_prefix('/').unwrap_or(path).split('/');
        segments(&self.text).all(|segment| match (segment, given.next()) {
            (Segment::Fixed(own), Some(text)) => own == text,
            (Segment::Param(_), Some(text)) => !text.is_empty(),
            (Segment::Rest(_), Some(_)) => true,
            (_, None) => false,
        })
    }

    pub(crate) fn depth(&self) -> usize {
        if self.text == "/" { 0 } else { segments(&self.text).count() }
    }

    /// How it stands to others as a prefix: those that are less are preferred, and those that are equal match the same. As among
    /// routes, a fixed segment comes before a parameter, that before the rest, and that before the end.
    pub(crate) fn rank(&self) -> Vec<Rank<'_>> {
        let root = self.text == "/";
        let ranks = segments(&self.text).filter(|_| !root).map(|segment| match segment {
            Segment::Fixed(text) => Rank::Fixed(text),
            Segment::Param(_) => Rank::Param,
            Segment::Rest(_) => Rank::Rest,
        });
        ranks.chain([Rank::End]).collect()
    }
}

/// Whether a path that a server takes may hold this. RFC 3986, 3.3 has less, and clients send more.
fn is_sent(char: char) -> bool {
    char.is_ascii_graphic() && !matches!(char, '?' | '#' | '<' | '>' | '`' | '\\')
}

/// A segment of a prefix, or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank<'path> {
    Fixed(&'path str),
    Param,
    Rest,
    End,
}

/// A prefix and a path below it, as one path. The root below a prefix is the prefix itself.
pub(crate) fn join(prefix: &str, path: &str) -> String {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    match path {
        "/" if !prefix.is_empty() => prefix.to_owned(),
        _ => format!("{prefix}{path}"),
    }
}

/// A route that matched, and where in the request path its parameters stand.
#[derive(Clone)]
pub(crate) struct Matched {
    path: Rc<Path>,
    values: [Span; PARAMS_MAX],
}

/// A part of the request path. `http` keeps targets under 64 KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    #[allow(clippy::cast_possible_truncation, reason = "the tree is given no path longer than a u16 counts")]
    fn new(start: usize, end: usize) -> Self {
        Self { start: start as u16, end: end as u16 }
    }
}

impl Matched {
    pub(crate) fn path(&self) -> &str {
        &self.path.text
    }

    /// The raw value of a parameter in the path that was matched.
    pub(crate) fn param<'path>(&self, name: &str, path: &'path str) -> Option<&'path str> {
        let index = self.path.names.iter().position(|own| own == name)?;
        self.value(index, path)
    }

    /// All parameters in order, by name and raw value.
    pub(crate) fn params<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let value = |index| self.value(index, path).unwrap_or_default();
        self.path.names.iter().enumerate().map(move |(index, name)| (name.as_str(), value(index)))
    }

    fn value<'path>(&self, index: usize, path: &'path str) -> Option<&'path str> {
        let Span { start, end } = self.values[index];
        path.get(start.into()..end.into())
    }
}
