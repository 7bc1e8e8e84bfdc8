//! Answers to what is no request: it never reaches an app, and is answered on the connection itself.

use http::{HeaderValue, StatusCode};

/// The status that says more than hyper's own, of what is no request that can be taken: these are the bytes, which may be of
/// no more than a part of a request line.
pub(super) fn status(hypers: u16, bytes: &[u8], at_target: bool) -> u16 {
    match hypers {
        // RFC 9112, 3: a target that is too long is said to be so, be it the whole of what is too long; and so is a method that is
        // longer than any.
        431 if at_target && bytes.contains(&b' ') => 414,
        431 if at_target => 501,
        // RFC 9110, 15.6.6. A version 1.2 there is not, nor is it known what it would mean.
        400 if is_of_other_version(bytes) => 505,
        other => other,
    }
}

/// Whether the request line is one, but of a version other than 1.0 and 1.1.
fn is_of_other_version(bytes: &[u8]) -> bool {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or_default();
    let line = bytes[start..].split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let is_word = |word: Option<&[u8]>| word.is_some_and(|word| !word.is_empty());
    if !is_word(words.next()) || !is_word(words.next()) {
        return false;
    }
    let version = words.next().and_then(|word| word.strip_prefix(b"HTTP/")).unwrap_or_default();
    matches!(version, [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit())
        && !matches!(version, b"1.0" | b"1.1")
        && words.next().is_none()
}

/// A whole response, after which the connection is closed. hyper would write one without a date and without a word.
pub(super) fn write(status: u16, date: Option<HeaderValue>) -> Vec<u8> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let title = status.canonical_reason().unwrap_or("Error");
    let body = serde_json::json!({ "title": title, "status": status.as_u16() }).to_string();
    let mut response = format!("HTTP/1.1 {} {title}\r\n", status.as_u16()).into_bytes();
    if let Some(date) = date {
        response.extend_from_slice(b"date: ");
        response.extend_from_slice(date.as_bytes());
        response.extend_from_slice(b"\r\n");
    }
    let length = body.len();
    let fields = format!(
        "content-type: application/problem+json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    response.extend_from_slice(fields.as_bytes());
    response
}
