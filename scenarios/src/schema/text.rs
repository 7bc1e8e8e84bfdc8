//! A string of the file that knows where each of its characters was written.

use crate::diagnose::Span;

/// The value of a TOML string, with its place and the way back from one to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    value: String,
    span: Span,
    map: Map,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Map {
    /// Written as it is, from this byte of the file.
    Verbatim(usize),
    /// With escapes: for each byte of the value and its end, the byte of the file.
    Escaped(Vec<usize>),
    /// In a way that is not followed, such as lines joined by a backslash.
    Unknown,
}

impl Text {
    /// A string that stands at `span` of `source`, quotes included, and means `value`.
    #[must_use]
    pub fn new(value: &str, span: Span, source: &str) -> Self {
        let raw = source.get(span.clone()).unwrap_or("");
        Self { value: value.to_owned(), map: Map::of(value, raw, span.start), span }
    }

    /// What it means.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// Where it stands, quotes included.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Where a part of the value stands in the file.
    #[must_use]
    pub fn place(&self, part: &Span) -> Span {
        match &self.map {
            Map::Verbatim(start) => start + part.start..start + part.end,
            Map::Escaped(bytes) => match (bytes.get(part.start), bytes.get(part.end)) {
                (Some(start), Some(end)) => *start..*end,
                _ => self.span(),
            },
            Map::Unknown => self.span(),
        }
    }
}

impl Map {
    fn of(value: &str, raw: &str, start: usize) -> Self {
        let quotes = ["\"\"\"", "'''", "\"", "'"];
        let Some(quote) = quotes.into_iter().find(|quote| raw.starts_with(quote)) else {
            return Self::Unknown;
        };
        let mut from = quote.len();
        if quote.len() == 3 && raw[from..].starts_with('\n') {
            from += 1;
        }
        let inner = raw.get(from..raw.len().saturating_sub(quote.len())).unwrap_or("");
        if inner == value {
            return Self::Verbatim(start + from);
        }
        if quote != "\"" {
            return Self::Unknown;
        }
        let mut bytes = Vec::with_capacity(value.len() + 1);
        let mut at = 0;
        for character in value.chars() {
            let rest = inner.get(at..).unwrap_or("");
            let length = match rest.as_bytes() {
                [b'\\', b'u', ..] => 6,
                [b'\\', b'U', ..] => 10,
                [b'\\', b'x', ..] => 4,
                [b'\\', ..] => 2,
                _ => character.len_utf8(),
            };
            bytes.extend(std::iter::repeat_n(start + from + at, character.len_utf8()));
            at += length;
        }
        bytes.push(start + from + at);
        if at == inner.len() { Self::Escaped(bytes) } else { Self::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_where_it_was_written() {
        let source = r#"key = "sum(\"a\", b)" "#;
        let text = Text::new("sum(\"a\", b)", 6..source.len() - 1, source);
        assert_eq!(&source[text.place(&(4..7))], r#"\"a\""#);
        assert_eq!(&source[text.place(&(9..10))], "b");
        let literal = "key = 'sum'";
        let text = Text::new("sum", 6..11, literal);
        assert_eq!(&literal[text.place(&(0..3))], "sum");
        let lines = "key = '''\nsum'''";
        let text = Text::new("sum", 6..lines.len(), lines);
        assert_eq!(&lines[text.place(&(0..3))], "sum");
    }
}
