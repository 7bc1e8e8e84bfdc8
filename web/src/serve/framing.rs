//! What a request's head must and must not say of where the message ends and whom it is for (RFC 9112, 3.2 and 6).
//!
//! hyper takes a request that announces its body in both ways by the one, and drops the other from its header fields
//! before anybody sees them; it then closes the connection, as it must. It takes a length that is said twice for one, and
//! codings that it does not undo for none. Such requests are nothing that a client in good faith sends, so they are refused
//! here. The head of a request that comes in one piece with the end of another's body is not scanned, and is left to hyper's
//! way.

use http::header::{EXPECT, HOST, TRANSFER_ENCODING as CODINGS};
use http::{HeaderMap, Method, StatusCode, Uri, Version};

const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";
const CONTENT_LENGTH: &[u8] = b"content-length:";

/// Reads heads as they come, for two header fields only.
#[derive(Default)]
pub(super) struct HeadScan {
    /// The beginning of a line that has not come whole, as far as names are told apart by it.
    line: [u8; TRANSFER_ENCODING.len()],
    line_bytes: usize,
    lines: usize,
    /// How often the end of the body is said.
    announced: usize,
    /// The head at hand has been read to its end.
    ended: bool,
}

impl HeadScan {
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while !self.ended
            && let Some(end) = memchr::memchr(b'\n', bytes)
        {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.line_bytes == 0 {
                self.end_line(line);
            } else {
                self.keep(line);
                let line = self.line;
                self.end_line(&line[..self.line_bytes.min(line.len())]);
            }
            self.line_bytes = 0;
        }
        if !self.ended {
            self.keep(bytes);
        }
    }

    /// Keeps the beginning of a line that comes in pieces.
    fn keep(&mut self, piece: &[u8]) {
        let free = self.line.get_mut(self.line_bytes..).unwrap_or_default();
        let count = piece.len().min(free.len());
        free[..count].copy_from_slice(&piece[..count]);
        self.line_bytes += piece.len();
    }

    fn end_line(&mut self, line: &[u8]) {
        if matches!(line, b"" | b"\r") {
            // Empty lines before a request mean nothing (RFC 9112, 2.2).
            self.ended = self.lines > 0;
            return;
        }
        let is = |name: &[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        self.announced += usize::from(is(CONTENT_LENGTH) || is(TRANSFER_ENCODING));
        self.lines += 1;
    }

    /// Whether what has come is no more than a part of a request line.
    pub(super) fn is_at_target(&self) -> bool {
        !self.ended && self.lines == 0 && self.line_bytes > 0
    }

    /// Whether the head just read announces its body more than once. The next one is read from its beginning.
    pub(super) fn take(&mut self) -> bool {
        std::mem::take(self).announced > 1
    }
}

/// What is wrong with how a request says whom it is for, if anything.
pub(super) fn misaddressed(version: Version, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Some("the request's target names a user (RFC 9110, 4.2.4)");
    }
    if version > Version::HTTP_11 {
        return match (uri.authority(), headers.get(HOST)) {
            (None, None) => Some("the request names no host"),
            (Some(authority), Some(host)) if !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes()) => {
                Some("the request names two hosts")
            }
            _ => None,
        };
    }
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => Some("the request has no Host"),
        (None, _) => None,
        (Some(_), Some(_)) => Some("the request has several Hosts"),
        (Some(host), None) if is_host(host.as_bytes()) => None,
        (Some(_), None) => Some("the request's Host is not a host"),
    }
}

/// Whether a target has a form that the method has (RFC 9112, 3.2; for HTTP/2, RFC 9113, 8.3.1): a path, `*` of the server's
/// options, or host and port of a CONNECT.
pub(super) fn is_target(method: &Method, uri: &Uri) -> bool {
    match uri.path() {
        _ if *method == Method::CONNECT => {
            uri.scheme().is_none()
                && uri.authority().and_then(http::uri::Authority::port_u16).is_some_and(|port| port > 0)
        }
        "*" => *method == Method::OPTIONS,
        path => path.starts_with('/'),
    }
}

/// Whether the values of an HTTP/2 request have no white space around them (RFC 9113, 8.2.1). hyper looks at all else, and HTTP/1
/// has none.
pub(super) fn are_trimmed(headers: &HeaderMap) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    headers.values().all(|value| !is_space(value.as_bytes().first()) && !is_space(value.as_bytes().last()))
}

/// Whether a request expects what is not known here (RFC 9110, 10.1.1). HTTP/1.0 expects nothing.
pub(super) fn expects_more(version: Version, headers: &HeaderMap) -> bool {
    let mut expected = headers.get_all(EXPECT).into_iter();
    version > Version::HTTP_10 && !expected.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Why a body cannot be read as it is coded, if so: one that is chunked, and no more than that, can be (RFC 9112, 6.1).
pub(super) fn miscoded(headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let values = headers.get_all(CODINGS).into_iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let mut chunked = 0;
    for coding in values.map(<[u8]>::trim_ascii).filter(|coding| !coding.is_empty()) {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Some((StatusCode::NOT_IMPLEMENTED, "the body has a transfer coding that is not known here"));
        }
        chunked += 1;
    }
    (chunked > 1).then_some((StatusCode::BAD_REQUEST, "the body is chunked more than once"))
}

/// `uri-host [ ":" port ]` of RFC 9110, 7.2. It may be empty.
fn is_host(value: &[u8]) -> bool {
    let port = |rest: &[u8]| match rest {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if let [b'[', rest @ ..] = value {
        let Some(end) = rest.iter().position(|&byte| byte == b']') else {
            return false;
        };
        let address = &rest[..end];
        let is_address = std::str::from_utf8(address).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
        return (is_address || address.first() == Some(&b'v')) && port(&rest[end + 1..]);
    }
    let end = value.iter().position(|&byte| byte == b':').unwrap_or(value.len());
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
    value[..end].iter().all(is_name) && port(&value[end..])
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{HeadScan, is_host, miscoded};

    #[test]
    fn hosts_are_told_from_other_text() {
        for yes in ["", "hub", "hub:80", "hub:", "192.0.2.1:8080", "[2001:db8::1]:80", "[::1]", "a%20b"] {
            assert!(is_host(yes.as_bytes()), "{yes}");
        }
        for no in ["hub:http", "a b", "a/b", "user@hub", "[::1", "[hub]", "a:1:2", "hub?", "é", "[::1]x"] {
            assert!(!is_host(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn a_head_is_understood_however_it_is_cut() {
        let both = "\r\nPOST / HTTP/1.1\r\nhost: x\r\nContent-Length: 3\r\ntransfer-encoding:chunked\r\n\r\n";
        let body_only =
            "POST / HTTP/1.1\r\ncontent-length: 30\r\nx: transfer-encoding:\r\n\r\ntransfer-encoding: x\r\n";
        for step in 1..both.len() {
            let mut scan = HeadScan::default();
            both.as_bytes().chunks(step).for_each(|piece| scan.read(piece));
            assert!(scan.take());
            body_only.as_bytes().chunks(step).for_each(|piece| scan.read(piece));
            assert!(!scan.take());
        }
    }

    #[test]
    fn a_body_is_chunked_once_and_no_more() {
        let judge = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("transfer-encoding", HeaderValue::from_static(value));
            }
            miscoded(&headers).map(|(status, _)| status.as_u16())
        };
        for fine in [&[][..], &["chunked"], &["CHUNKED "], &[", chunked"], &["chunked", ""]] {
            assert_eq!(judge(fine), None, "{fine:?}");
        }
        assert_eq!(judge(&["chunked, chunked"]), Some(400));
        assert_eq!(judge(&["chunked", "chunked"]), Some(400));
        assert_eq!(judge(&["gzip, chunked"]), Some(501));
        assert_eq!(judge(&["identity", "chunked"]), Some(501));
    }
}
