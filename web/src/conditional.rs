//! Requests that depend on what the client has already (RFC 9110, 13) or that want a part (14): pure functions of header
//! fields, for whoever serves representations.

use std::time::{Duration, SystemTime};

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use http::{HeaderMap, HeaderValue, Method};

/// What may be compared of a representation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// Its entity tag, quotes and all: `"abc"`, or `W/"abc"` for a weak one.
    pub etag: Option<HeaderValue>,
    /// When it was last changed. Where there is no entity tag, a part is given of the state of a date (`If-Range`): then it must
    /// not change twice within a second (8.8.2.2). Where there is one, a date names no state exactly enough for that.
    pub last_modified: Option<SystemTime>,
}

/// What is to be done with a conditional request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// What it asks for.
    Proceed,
    /// The client has it already: 304, with neither body nor change.
    NotModified,
    /// It is not what the client takes it for: 412.
    Failed,
}

impl Validators {
    /// Evaluates the conditions in their order (RFC 9110, 13.2.2). To be asked of what there is, where the answer would be a
    /// 2xx. Methods that neither select nor change it have no conditions (13.2.1).
    #[must_use]
    pub fn judge(&self, method: &Method, headers: &HeaderMap) -> Verdict {
        if matches!(*method, Method::CONNECT | Method::OPTIONS | Method::TRACE) {
            return Verdict::Proceed;
        }
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if headers.contains_key(IF_MATCH) {
            if !tags(headers, IF_MATCH).any(|tag| tag == "*" || self.is_strongly(tag)) {
                return Verdict::Failed;
            }
        } else if let Some(since) = date(headers, IF_UNMODIFIED_SINCE)
            && self.seconds().is_some_and(|own| own > since)
        {
            return Verdict::Failed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            if tags(headers, IF_NONE_MATCH).any(|tag| tag == "*" || self.is_weakly(tag)) {
                return if reads { Verdict::NotModified } else { Verdict::Failed };
            }
        } else if let Some(since) = date(headers, IF_MODIFIED_SINCE)
            && reads
            && self.seconds().is_some_and(|own| own <= since)
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    /// The part that a GET asks for, of a representation of so many bytes.
    #[must_use]
    pub fn range(&self, method: &Method, headers: &HeaderMap, length: u64) -> Part {
        let Some(range) = only(headers, RANGE).filter(|_| *method == Method::GET) else {
            return Part::Whole;
        };
        if headers.contains_key(IF_RANGE) {
            let Some(validator) = only(headers, IF_RANGE) else {
                return Part::Whole;
            };
            let same = match validator.to_str() {
                Ok(tag) if tag.starts_with('"') || tag.starts_with("W/") => self.is_strongly(tag),
                // What is neither a tag nor a date names no state of it, nor does a date where there is a tag.
                Ok(_) if self.etag.is_some() => false,
                Ok(text) => httpdate::parse_http_date(text).is_ok_and(|date| self.seconds() == Some(date)),
                Err(_) => false,
            };
            if !same {
                return Part::Whole;
            }
        }
        range.to_str().map_or(Part::Whole, |range| parse_range(range, length))
    }

    /// HTTP's dates have whole seconds.
    fn seconds(&self) -> Option<SystemTime> {
        let since_1970 = self.last_modified?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970.as_secs()))
    }

    fn own(&self) -> Option<&str> {
        self.etag.as_ref()?.to_str().ok()
    }

    fn is_strongly(&self, tag: &str) -> bool {
        !tag.starts_with("W/") && self.own() == Some(tag)
    }

    fn is_weakly(&self, tag: &str) -> bool {
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        self.own().is_some_and(|own| opaque(own) == opaque(tag))
    }
}

/// How much of a representation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it: a 200.
    Whole,
    /// From this byte to that, both included: a 206.
    Bytes {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// Nothing that it has: a 416.
    Unsatisfiable,
}

/// A single range of bytes (RFC 9110, 14.1.2). Several, or another unit, may be ignored, and are.
fn parse_range(text: &str, length: u64) -> Part {
    let (unit, range) = text.split_once('=').unwrap_or_default();
    let Some((first, last)) = range.trim().split_once('-').filter(|_| unit.eq_ignore_ascii_case("bytes")) else {
        return Part::Whole;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) || (first.is_empty() && last.is_empty()) {
        return Part::Whole;
    }
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    if first.is_empty() {
        let count = number(last).min(length);
        return match count {
            0 => Part::Unsatisfiable,
            _ => Part::Bytes { first: length - count, last: length - 1 },
        };
    }
    let (first, last) = (number(first), if last.is_empty() { u64::MAX } else { number(last) });
    if last < first {
        return Part::Whole;
    }
    if first >= length {
        return Part::Unsatisfiable;
    }
    Part::Bytes { first, last: last.min(length - 1) }
}

fn tags(headers: &HeaderMap, name: http::HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok()).flat_map(|list| Tags { list })
}

/// The members of a list of entity tags (RFC 9110, 8.8.3): a tag may hold commas. What is no tag is a member as well, and
/// equals none.
struct Tags<'a> {
    list: &'a str,
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let list = self.list.trim_start_matches([',', ' ', '\t']);
        if list.is_empty() {
            return None;
        }
        let opaque = list.strip_prefix("W/").unwrap_or(list).strip_prefix('"');
        let end = match opaque {
            Some(opaque) => opaque.find('"').map(|end| list.len() - opaque.len() + end + 1),
            None => list.find(','),
        };
        let (tag, rest) = list.split_at(end.unwrap_or(list.len()));
        self.list = rest;
        Some(tag.trim_end())
    }
}

/// A field that is no list and stands there once: several are as good as none.
fn only(headers: &HeaderMap, name: http::HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    Some(value)
}

/// A date that stands alone (RFC 9110, 13.1.3 and 13.1.4).
fn date(headers: &HeaderMap, name: http::HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(only(headers, name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::header::{IF_RANGE, RANGE};
    use http::{HeaderMap, HeaderValue, Method};

    use super::{Part, Validators, Verdict, parse_range};

    fn judge(method: &Method, fields: &[(&'static str, &'static str)]) -> Verdict {
        let validators = Validators {
            etag: Some(HeaderValue::from_static("\"a\"")),
            last_modified: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_500)),
        };
        let headers: HeaderMap = fields
            .iter()
            .map(|&(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        validators.judge(method, &headers)
    }

    #[test]
    fn conditions_are_judged_in_their_order() {
        let (then, later) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT");
        let before = "Sun, 06 Nov 1994 08:49:36 GMT";
        assert_eq!(judge(&Method::GET, &[]), Verdict::Proceed);
        assert_eq!(judge(&Method::GET, &[("if-none-match", "\"b\", W/\"a\"")]), Verdict::NotModified);
        assert_eq!(judge(&Method::PUT, &[("if-none-match", "*")]), Verdict::Failed);
        assert_eq!(judge(&Method::PUT, &[("if-match", "\"a\"")]), Verdict::Proceed);
        assert_eq!(judge(&Method::PUT, &[("if-match", "W/\"a\"")]), Verdict::Failed);
        assert_eq!(judge(&Method::PUT, &[("if-unmodified-since", before)]), Verdict::Failed);
        assert_eq!(judge(&Method::PUT, &[("if-unmodified-since", then)]), Verdict::Proceed);
        assert_eq!(judge(&Method::GET, &[("if-modified-since", then)]), Verdict::NotModified);
        assert_eq!(judge(&Method::GET, &[("if-modified-since", later)]), Verdict::NotModified);
        assert_eq!(judge(&Method::GET, &[("if-modified-since", before)]), Verdict::Proceed);
        assert_eq!(judge(&Method::PUT, &[("if-modified-since", then)]), Verdict::Proceed);
        let both = [("if-none-match", "\"b\""), ("if-modified-since", then)];
        assert_eq!(judge(&Method::GET, &both), Verdict::Proceed, "the tag counts");
        assert_eq!(judge(&Method::GET, &[("if-modified-since", "yesterday")]), Verdict::Proceed);
    }

    #[test]
    fn a_range_is_given_of_the_state_that_was_asked_for() {
        let part = |validators: &Validators, validator: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, HeaderValue::from_static("bytes=2-4"));
            headers.insert(IF_RANGE, HeaderValue::from_static(validator));
            validators.range(&Method::GET, &headers, 10)
        };
        let some = Part::Bytes { first: 2, last: 4 };
        let tagged = Validators { etag: Some(HeaderValue::from_static("\"a\"")), last_modified: None };
        for (validator, given) in [
            ("\"a\"", some),
            ("\"b\"", Part::Whole),
            ("W/\"a\"", Part::Whole),
            ("garbage", Part::Whole),
            ("", Part::Whole),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Part::Whole),
        ] {
            assert_eq!(part(&tagged, validator), given, "{validator}");
        }
        // Neither field is a list: two name no state, and no part.
        for twice in [RANGE, IF_RANGE] {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, HeaderValue::from_static("bytes=2-4"));
            headers.insert(IF_RANGE, HeaderValue::from_static("\"a\""));
            assert_eq!(tagged.range(&Method::GET, &headers, 10), some);
            let again = headers[&twice].clone();
            headers.append(&twice, again);
            assert_eq!(tagged.range(&Method::GET, &headers, 10), Part::Whole, "{twice}");
        }
        // A Wednesday, which begins as a weak tag does.
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        let dated = Validators { etag: None, last_modified: Some(modified) };
        assert_eq!(part(&dated, "Wed, 21 Oct 2015 07:28:00 GMT"), some);
        assert_eq!(part(&dated, "Wed, 21 Oct 2015 07:28:01 GMT"), Part::Whole);
        assert_eq!(part(&dated, "Wed"), Part::Whole);
    }

    #[test]
    fn ranges_are_read() {
        let bytes = |first, last| Part::Bytes { first, last };
        for (text, part) in [
            ("bytes=0-0", bytes(0, 0)),
            ("bytes=2-", bytes(2, 9)),
            ("bytes=-3", bytes(7, 9)),
            ("bytes=-30", bytes(0, 9)),
            ("bytes=5-99999999999999999999999", bytes(5, 9)),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=3-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=0-1", Part::Whole),
        ] {
            assert_eq!(parse_range(text, 10), part, "{text}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Part::Unsatisfiable);
    }
}
