//! Parts of a representation (RFC 9110, section 14): to go on where a download broke off, and to take a long one in
//! pieces that fit.

use core::fmt;

/// Which bytes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// From this one to the end.
    From(u64),
    /// From the first to the last, inclusive; what the end of the representation cuts off is not missed.
    Between(u64, u64),
    /// So many at the end.
    Last(u64),
}

impl Range {
    /// `len` bytes from `first` on; the next byte alone if `len` is 0.
    pub const fn piece(first: u64, len: u64) -> Self {
        Range::Between(first, first.saturating_add(len.saturating_sub(1)))
    }

    /// Whether a part is what was asked for, or as much of it as there is.
    pub(super) fn is_answered_by(&self, part: &ContentRange) -> bool {
        let ends_the_whole = part.complete.is_none_or(|complete| part.last + 1 == complete);
        match *self {
            Range::From(first) => part.first == first && ends_the_whole,
            Range::Between(first, last) => {
                part.first == first && part.last <= last && (part.last == last || ends_the_whole)
            }
            Range::Last(count) => part.len() <= count && ends_the_whole,
        }
    }
}

/// As the value of a `Range` header.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range::From(first) => write!(f, "bytes={first}-"),
            Range::Between(first, last) => write!(f, "bytes={first}-{last}"),
            Range::Last(count) => write!(f, "bytes=-{count}"),
        }
    }
}

/// Which bytes a part is (RFC 9110, section 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte, counted from 0.
    pub first: u64,
    /// The last byte, inclusive.
    pub last: u64,
    /// How many bytes the whole has, if the server knows.
    pub complete: Option<u64>,
}

impl ContentRange {
    /// Reads a header's value, of the unit `bytes`; `None` if it makes no sense.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (range, complete) = split(value)?;
        let dash = range.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (number(&range[..dash])?, number(&range[dash + 1..])?);
        let complete = if complete == b"*" { None } else { Some(number(complete)?) };
        let makes_sense = first <= last && last < u64::MAX && complete.is_none_or(|complete| last < complete);
        makes_sense.then_some(Self { first, last, complete })
    }

    /// How many bytes the part has.
    #[expect(clippy::len_without_is_empty, reason = "no part is empty")]
    pub const fn len(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// How long the whole is that a refused range is not in.
pub(super) fn complete_length(value: &[u8]) -> Option<u64> {
    let (range, complete) = split(value)?;
    (range == b"*").then(|| number(complete)).flatten()
}

/// The range and the length of the whole.
fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let (unit, rest) = value.split_at_checked(6)?;
    let slash = rest.iter().position(|&byte| byte == b'/')?;
    unit.eq_ignore_ascii_case(b"bytes ").then_some((&rest[..slash], &rest[slash + 1..]))
}

/// A number of decimal digits, without a sign, which `parse` would take.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(digit.into()) }
    })
}

/// Under which condition something is wanted (RFC 9110, section 13.1): what names a state is an entity tag, with its
/// quotes, or a date, as the server gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Only if it is not in this state any more: to look whether there is news.
    IfNoneMatch(&'a str),
    /// Only if it is in this state: to change nothing that somebody else has changed.
    IfMatch(&'a str),
    /// Only if it changed after this date.
    IfModifiedSince(&'a str),
    /// Only if it did not change after this date.
    IfUnmodifiedSince(&'a str),
    /// The part that is asked for if it is in this state, else all of it: to go on where a download broke off.
    IfRange(&'a str),
}

impl<'a> Condition<'a> {
    /// As a header.
    pub(super) fn header(&self) -> (&'static str, &'a str) {
        match *self {
            Condition::IfNoneMatch(tag) => ("If-None-Match", tag),
            Condition::IfMatch(tag) => ("If-Match", tag),
            Condition::IfModifiedSince(date) => ("If-Modified-Since", date),
            Condition::IfUnmodifiedSince(date) => ("If-Unmodified-Since", date),
            Condition::IfRange(validator) => ("If-Range", validator),
        }
    }
}

/// What an answer's body is to whoever asked for a part, or under a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, from its first byte: the server did not care for the range, or it is in another state by now.
    Whole,
    /// The part that was asked for, or as much of it as there is.
    Piece(ContentRange),
    /// Nothing: it is in the state that was named.
    Unchanged,
    /// Nothing of use: it is not in the state that was named.
    Changed,
    /// Nothing of use: the range begins behind the end of the whole, which is so long, if the server says so.
    Beyond(Option<u64>),
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_written_as_the_rfc_has_them() {
        for (range, text) in [
            (Range::From(500), "bytes=500-"),
            (Range::piece(0, 500), "bytes=0-499"),
            (Range::piece(7, 0), "bytes=7-7"),
            (Range::Last(500), "bytes=-500"),
        ] {
            assert_eq!(range.to_string(), text);
        }
    }

    #[test]
    fn parts_that_make_no_sense_are_none() {
        let part = |text: &str| ContentRange::parse(text.as_bytes());
        assert_eq!(part("bytes 0-4/10"), Some(ContentRange { first: 0, last: 4, complete: Some(10) }));
        assert_eq!(part("Bytes 3-3/*"), Some(ContentRange { first: 3, last: 3, complete: None }));
        for text in [
            "",
            "bytes",
            "bytes ",
            "bytes */10",
            "bytes 4-0/10",
            "bytes 0-10/10",
            "bytes 0-4",
            "bytes -4/10",
            "bytes +0-4/10",
            "bytes 0-4/",
            "bytes 0-4/+10",
            "octets 0-4/10",
            "bytes 0-18446744073709551615/*",
        ] {
            assert_eq!(part(text), None, "{text:?}");
        }
        assert_eq!(complete_length(b"bytes */10"), Some(10));
        assert_eq!(complete_length(b"bytes 0-4/10"), None);
    }

    proptest! {
        #[test]
        fn any_value_is_read_or_refused(value in prop::collection::vec(any::<u8>(), 0..40), right: bool) {
            let value = if right { [b"bytes ", &value[..]].concat() } else { value };
            if let Some(part) = ContentRange::parse(&value) {
                prop_assert!(part.len() > 0);
            }
            let _ = complete_length(&value);
        }

        #[test]
        fn a_part_that_is_cut_off_by_the_end_answers(first in 0_u64..100, len in 1_u64..100, complete in 1_u64..200) {
            let range = Range::piece(first, len);
            let last = (first + len - 1).min(complete - 1);
            prop_assume!(first < complete);
            let part = ContentRange { first, last, complete: Some(complete) };
            prop_assert!(range.is_answered_by(&part));
            let short = ContentRange { last: last.wrapping_sub(1), ..part };
            prop_assert!(last == first || !range.is_answered_by(&short));
            let late = ContentRange { first: first + 1, last: last + 1, complete: Some(complete + 1) };
            prop_assert!(!range.is_answered_by(&late));
        }
    }
}
