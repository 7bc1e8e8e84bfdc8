//! One problem, and all problems of a file.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use super::Span;

/// What sort of mistake a [`Problem`] is. Its text form is stable: editors and tests may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The text is not TOML.
    Syntax,
    /// `version` names a language that this wavetank does not read.
    Version,
    /// A key that has no meaning where it stands.
    UnknownKey,
    /// A key that must be there and is not.
    MissingKey,
    /// Two keys that exclude each other, or one that means nothing without another.
    KeyConflict,
    /// A value of the wrong type.
    WrongType,
    /// A quantity without a unit, or with one that does not fit.
    WrongUnit,
    /// A value of the right type that is too small, too large, or impossible.
    OutOfRange,
    /// A word that is not one of those allowed.
    UnknownValue,
    /// A node kind that the registry does not have.
    UnknownKind,
    /// A profile or network that the file does not define.
    UnknownName,
    /// A name or glob that matches nothing.
    NoMatch,
    /// A name that cannot be a name.
    BadName,
    /// The same name or address twice.
    Duplicate,
    /// An address that is malformed, or cannot be used where it stands.
    Address,
    /// A node without a network, or a network whose members do not fit it.
    Topology,
    /// A fault outside the run.
    FaultTime,
    /// Faults that contradict each other.
    FaultConflict,
    /// An expression that does not parse or whose types do not fit.
    Expression,
    /// A metric or flow that no matching kind declares.
    UnknownMetric,
    /// A kind's own configuration is wrong.
    Config,
}

impl Code {
    /// The stable text form, such as `unknown-key`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Version => "version",
            Self::UnknownKey => "unknown-key",
            Self::MissingKey => "missing-key",
            Self::KeyConflict => "key-conflict",
            Self::WrongType => "wrong-type",
            Self::WrongUnit => "wrong-unit",
            Self::OutOfRange => "out-of-range",
            Self::UnknownValue => "unknown-value",
            Self::UnknownKind => "unknown-kind",
            Self::UnknownName => "unknown-name",
            Self::NoMatch => "no-match",
            Self::BadName => "bad-name",
            Self::Duplicate => "duplicate",
            Self::Address => "address",
            Self::Topology => "topology",
            Self::FaultTime => "fault-time",
            Self::FaultConflict => "fault-conflict",
            Self::Expression => "expression",
            Self::UnknownMetric => "unknown-metric",
            Self::Config => "config",
        }
    }
}

/// One mistake: what, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    what: String,
    span: Span,
    label: String,
    related: Vec<(Span, String)>,
    help: Option<String>,
}

impl Problem {
    /// A problem at `span`. `what` is a whole statement; `label` is the few words put under the
    /// text itself.
    pub fn new(code: Code, span: Span, what: impl Into<String>, label: impl Into<String>) -> Self {
        Self { code, what: what.into(), span, label: label.into(), related: Vec::new(), help: None }
    }

    /// How to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// How to mend it, where something is known.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Another place that has to do with it.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// What sort of mistake it is.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// Where it is.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The remedy, where one is known.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("scenario::{}", self.code.as_str())))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.help.as_ref()?;
        Some(Box::new(help))
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let first = LabeledSpan::new_primary_with_span(Some(self.label.clone()), self.span.clone());
        let others =
            self.related.iter().map(|(span, label)| LabeledSpan::new_with_span(Some(label.clone()), span.clone()));
        Some(Box::new(std::iter::once(first).chain(others)))
    }
}

/// All that is wrong with one scenario file, in the order of the text, with the text.
#[derive(Clone, Debug)]
pub struct Problems {
    source: NamedSource<Arc<str>>,
    list: Vec<Problem>,
}

impl Problems {
    /// Sorts the problems by place and leaves out repetitions.
    #[must_use]
    pub fn new(name: &str, text: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| (problem.span.start, problem.span.end));
        list.dedup();
        Self { source: NamedSource::new(name, Arc::from(text)).with_language("TOML"), list }
    }

    /// The problems, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// How many there are; never 0 in an `Err`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The line and column of a problem, both from 1; columns count characters.
    #[must_use]
    pub fn position(&self, problem: &Problem) -> (usize, usize) {
        let text: &str = self.source.inner();
        let mut at = problem.span.start.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.source.name();
        match self.list.len() {
            1 => write!(f, "1 problem in {name}"),
            many => write!(f, "{many} problems in {name}"),
        }
    }
}

impl std::error::Error for Problems {}

impl Diagnostic for Problems {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.list.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

/// Where readers put problems as they find them, and go on.
#[derive(Debug, Default)]
pub struct Sink {
    list: RefCell<Vec<Problem>>,
}

impl Sink {
    /// Notes a problem.
    pub fn push(&self, problem: Problem) {
        self.list.borrow_mut().push(problem);
    }

    /// How many were noted so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.borrow().len()
    }

    /// Whether none was noted so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// All that was noted.
    #[must_use]
    pub fn into_inner(self) -> Vec<Problem> {
        self.list.into_inner()
    }
}
