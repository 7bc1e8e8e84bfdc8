//! What a client likes best of what there is (RFC 9110, 12): pure functions of header fields.

use http::HeaderMap;
use http::header::ACCEPT;

/// The media type that a client likes best of those `offered`; `None` if it takes none of them (RFC 9110, 12.5.1), which is
/// a 406, or whatever the server has all the same.
///
/// Of those liked equally it is the one that is named first, and then the one that is offered first; without `Accept` the
/// first. The most special range that a type falls under says how well it is liked. Parameters other than `q` are passed over,
/// and offered types have none.
///
/// ```
/// use wavetank_web::{HeaderMap, HeaderValue, header, negotiation};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(header::ACCEPT, HeaderValue::from_static("text/*;q=0.4, application/json;q=0.9"));
/// assert_eq!(negotiation::media_type(&headers, &["text/html", "application/json"]), Some("application/json"));
/// ```
#[must_use]
pub fn media_type<'a>(headers: &HeaderMap, offered: &[&'a str]) -> Option<&'a str> {
    let mut best: Option<(Liking, &'a str)> = None;
    let mut has_named_any = false;
    for own in offered {
        let mut liking: Option<(Width, Liking)> = None;
        for (place, (range, weight)) in weighted(headers, &ACCEPT).enumerate() {
            has_named_any = true;
            let Some(width) = Width::of(range, own) else { continue };
            if liking.is_none_or(|(before, _)| width < before) {
                liking = Some((width, Liking { weight, place }));
            }
        }
        let Some((_, liking)) = liking.filter(|(_, liking)| liking.weight > 0) else { continue };
        if best.is_none_or(|(before, _)| liking.is_over(before)) {
            best = Some((liking, own));
        }
    }
    match best {
        Some((_, own)) => Some(own),
        None if has_named_any => None,
        None => offered.first().copied(),
    }
}

/// How well something is liked, and where the client says so.
#[derive(Clone, Copy)]
struct Liking {
    weight: u16,
    place: usize,
}

impl Liking {
    fn is_over(self, other: Self) -> bool {
        self.weight > other.weight || self.weight == other.weight && self.place < other.place
    }
}

/// How much a range takes in besides.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Width {
    Type,
    Kind,
    Everything,
}

impl Width {
    /// Of a range that takes in this type.
    fn of(range: &str, own: &str) -> Option<Self> {
        if range.eq_ignore_ascii_case(own) {
            return Some(Self::Type);
        }
        match range.strip_suffix("/*")? {
            "*" => Some(Self::Everything),
            kind => own.split_once('/').is_some_and(|(own, _)| own.eq_ignore_ascii_case(kind)).then_some(Self::Kind),
        }
    }
}

/// The members of a field that is a list with weights, each with its weight in thousandths (RFC 9110, 12.4.2). A weight that is
/// none is 0: nobody is sent what may have been meant to be refused.
pub(crate) fn weighted<'a>(
    headers: &'a HeaderMap,
    name: &http::HeaderName,
) -> impl Iterator<Item = (&'a str, u16)> + use<'a> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|member| {
        let mut parts = member.split(';').map(str::trim);
        let what = parts.next().filter(|what| !what.is_empty())?;
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some((what, weight.map_or(1_000, thousandths)))
    })
}

fn thousandths(text: &str) -> u16 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole, "0" | "1") || !is_number(part) {
        return 0;
    }
    let digits = part.bytes().chain(*b"000").take(3);
    let thousandths = digits.fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    (u16::from(whole == "1") * 1_000 + thousandths).min(1_000)
}

#[cfg(test)]
mod tests {
    use super::thousandths;

    #[test]
    fn weights_are_read() {
        for (text, expected) in [
            ("1", 1_000),
            ("1.0", 1_000),
            ("0", 0),
            ("0.", 0),
            ("0.5", 500),
            ("0.05", 50),
            ("0.0019", 1),
            ("1.5", 1_000),
            ("", 0),
            ("2", 0),
            ("-1", 0),
            ("0.5x", 0),
            ("0.+5", 0),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }
}
