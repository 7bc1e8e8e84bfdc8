//! Where each request ends, and what its head must and must not say of that and of whom it is for (RFC 9112, 3.2, 6 and 7).
//!
//! hyper takes a request that announces its body in both ways by the one, and drops the other from its header fields
//! before anybody sees them; it then closes the connection, as it must. It takes a length that is said twice for one,
//! codings that it does not undo for none, a line feed for the end of a line, and anything for what a chunk is extended by.
//! Such requests are nothing that a client in good faith sends, and two who read them may read two things. So requests are
//! followed here as they come, their bodies too, and refused.

use http::header::{EXPECT, HOST, TRANSFER_ENCODING as CODINGS};
use http::uri::Scheme;
use http::{HeaderMap, Method, StatusCode, Uri, Version};

mod chunks;

use chunks::{Chunks, Read as ChunkRead};

const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";
const CONTENT_LENGTH: &[u8] = b"content-length:";
const EXPECTING: &[u8] = b"expect:";

/// So much of a line is kept where it comes in pieces: any length of a body, and any name that is looked for.
const LINE_BYTES: usize = 64;

/// Follows the requests of a connection as they come: their heads for two header fields and the ends of their lines, their
/// bodies to where they end.
#[derive(Default)]
pub(super) struct Framing {
    at: At,
    line: Line,
    head: Head,
    /// How many heads have been read to their end, and how many requests of them were taken.
    heads: u64,
    taken: u64,
    /// The one that is to be refused, by its number from 1. Nothing after it is looked at.
    wrong: Option<(u64, &'static str)>,
    /// The last of them that expects something.
    expecting: u64,
}

/// What comes next.
#[derive(Default)]
enum At {
    #[default]
    Head,
    /// So many bytes of a body.
    Body(u64),
    Chunks(Chunks),
    Trailers,
    /// A request that is refused, with which the connection ends.
    Refused,
    /// What is no chunk: the body has no end.
    Broken,
}

/// What a head has said so far.
#[derive(Default)]
struct Head {
    lines: usize,
    /// How often the end of the body is said.
    announced: usize,
    length: u64,
    is_chunked: bool,
    wrong: Option<&'static str>,
}

/// The beginning of a line that has not come whole.
struct Line {
    kept: [u8; LINE_BYTES],
    bytes: usize,
    last: u8,
}

impl Default for Line {
    fn default() -> Self {
        Self { kept: [0; LINE_BYTES], bytes: 0, last: 0 }
    }
}

impl Line {
    fn keep(&mut self, piece: &[u8]) {
        let Some(last) = piece.last() else { return };
        let free = self.kept.get_mut(self.bytes..).unwrap_or_default();
        let count = piece.len().min(free.len());
        free[..count].copy_from_slice(&piece[..count]);
        self.bytes += piece.len();
        self.last = *last;
    }
}

impl Framing {
    /// How many of these bytes may be passed on: all, or those before what is no chunk.
    pub(super) fn read(&mut self, bytes: &[u8]) -> usize {
        let mut read = 0;
        while read < bytes.len() {
            let rest = &bytes[read..];
            read += match &mut self.at {
                At::Head | At::Trailers => self.read_line(rest),
                At::Body(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= count as u64;
                    if *left == 0 {
                        self.at = At::Head;
                    }
                    count
                }
                At::Chunks(chunks) => match chunks.read(rest) {
                    ChunkRead::More => rest.len(),
                    ChunkRead::Ended(count) => {
                        self.at = At::Trailers;
                        count
                    }
                    ChunkRead::Wrong(count) => {
                        self.at = At::Broken;
                        return read + count;
                    }
                },
                At::Refused => return bytes.len(),
                At::Broken => return read,
            };
        }
        read
    }

    /// One line, or what there is of it; how many of its bytes may be passed on.
    fn read_line(&mut self, bytes: &[u8]) -> usize {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.line.keep(bytes);
            return bytes.len();
        };
        let piece = &bytes[..end];
        if self.line.bytes == 0 {
            let text = piece.strip_suffix(b"\r");
            self.end_line(text.unwrap_or(piece), text.is_some(), piece.len() <= LINE_BYTES);
        } else {
            self.line.keep(piece);
            let Line { kept, bytes: length, last } = std::mem::take(&mut self.line);
            let is_whole = length <= LINE_BYTES;
            let text = &kept[..length.min(LINE_BYTES)];
            let text = if is_whole { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
            self.end_line(text, last == b'\r', is_whole);
        }
        if self.is_broken() { end } else { end + 1 }
    }

    fn end_line(&mut self, text: &[u8], ends_well: bool, is_whole: bool) {
        if matches!(self.at, At::Trailers) {
            match (ends_well, text) {
                (false, _) => self.at = At::Broken,
                (true, []) => self.at = At::Head,
                (true, _) => {}
            }
            return;
        }
        let head = &mut self.head;
        if !ends_well {
            head.wrong =
                Some("a line of the request's head does not end as lines do, by a carriage return and a line feed");
        }
        if text.is_empty() {
            // Empty lines before a request mean nothing (RFC 9112, 2.2).
            if head.lines > 0 {
                self.end_head();
            }
            return;
        }
        head.lines += 1;
        match text[0] {
            b'c' | b'C' if let Some(value) = after(CONTENT_LENGTH, text) => {
                head.announced += 1;
                match length(value).filter(|_| is_whole) {
                    Some(length) => head.length = length,
                    None => head.wrong = Some("the request's Content-Length is no length"),
                }
            }
            b't' | b'T' if after(TRANSFER_ENCODING, text).is_some() => {
                head.announced += 1;
                head.is_chunked = true;
            }
            b'e' | b'E' if after(EXPECTING, text).is_some() => self.expecting = self.heads + 1,
            _ => {}
        }
    }

    fn end_head(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.heads += 1;
        let twice = (head.announced > 1).then_some("the request says more than once where its body ends");
        self.at = match twice.or(head.wrong) {
            Some(wrong) => {
                self.wrong = Some((self.heads, wrong));
                At::Refused
            }
            None if head.is_chunked => At::Chunks(Chunks::default()),
            None if head.length > 0 => At::Body(head.length),
            None => At::Head,
        };
    }

    /// Whether what is read next is of a head.
    pub(super) fn is_at_head(&self) -> bool {
        matches!(self.at, At::Head)
    }

    /// Whether the body that was to come has no end.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.at, At::Broken)
    }

    /// Whether what has come is no more than a part of a request line.
    pub(super) fn is_at_target(&self) -> bool {
        self.is_at_head() && self.head.lines == 0 && self.line.bytes > 0
    }

    /// What is wrong with the framing of the next request, if anything. To be asked for each in turn.
    pub(super) fn take(&mut self) -> Option<&'static str> {
        self.taken += 1;
        self.wrong.filter(|(number, _)| *number == self.taken).map(|(_, wrong)| wrong)
    }

    /// Whether the request taken last may expect something, or one after it does.
    pub(super) fn may_expect(&self) -> bool {
        self.expecting >= self.taken
    }
}

/// What follows this name in a line, if it begins with it.
fn after<'a>(name: &[u8], line: &'a [u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(rest)
}

/// `1*DIGIT`, with white space around it.
fn length(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |length, digit| match digit {
        b'0'..=b'9' => length.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// What is wrong with how a request says whom it is for, if anything.
pub(super) fn misaddressed(version: Version, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Some("the request's target names a user (RFC 9110, 4.2.4)");
    }
    if uri.authority().is_some_and(|authority| !is_host(authority.as_str().as_bytes())) {
        return Some("the host in the request's target is none");
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
        // RFC 9110, 4.2.1: an URL of HTTP that names no host is refused.
        (Some(host), None) if host.is_empty() && uri.authority().is_none() && version == Version::HTTP_11 => {
            Some("the request's Host is empty")
        }
        (Some(host), None) if is_host(host.as_bytes()) => None,
        (Some(_), None) => Some("the request's Host is not a host"),
    }
}

/// Whether a target has a form that the method has (RFC 9112, 3.2; for HTTP/2, RFC 9113, 8.3.1): a path, `*` of the server's
/// options, or host and port of a CONNECT. What is not ASCII is in none of them (RFC 3986), nor is a backslash in a path, which
/// browsers take for a slash: `http` lets both pass.
pub(super) fn is_target(method: &Method, uri: &Uri) -> bool {
    match uri.path() {
        _ if *method == Method::CONNECT => {
            uri.scheme().is_none()
                && uri.authority().and_then(http::uri::Authority::port_u16).is_some_and(|port| port > 0)
        }
        "*" => *method == Method::OPTIONS,
        path => {
            path.starts_with('/')
                && memchr::memchr(b'\\', path.as_bytes()).is_none()
                && uri.path_and_query().is_none_or(|target| target.as_str().is_ascii())
        }
    }
}

/// Whether a target is one that HTTP knows how to answer for (RFC 9110, 7.4): what is found there by other means is somebody
/// else's to say. That `https` comes over TLS is not looked at, for whoever ends TLS before this server is trusted with it.
pub(super) fn is_of_http(uri: &Uri) -> bool {
    uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
}

/// Whether the values of an HTTP/2 request have no white space around them (RFC 9113, 8.2.1). hyper looks at all else, and HTTP/1
/// has none.
pub(super) fn are_trimmed(headers: &HeaderMap) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    headers.values().all(|value| !is_space(value.as_bytes().first()) && !is_space(value.as_bytes().last()))
}

/// What a request expects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Nothing,
    /// To be told to go on.
    Leave,
    /// What is not known here.
    More,
}

/// What a request expects (RFC 9110, 10.1.1). HTTP/1.0 expects nothing.
pub(super) fn expected(version: Version, headers: &HeaderMap) -> Expected {
    let mut values = headers.get_all(EXPECT).into_iter().peekable();
    if version == Version::HTTP_10 || values.peek().is_none() {
        return Expected::Nothing;
    }
    let is_leave = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if values.all(is_leave) { Expected::Leave } else { Expected::More }
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
    let mut value = value;
    loop {
        let end = value.iter().position(|&byte| !NAME[usize::from(byte)]).unwrap_or(value.len());
        match &value[end..] {
            // Two hexadecimal digits follow (RFC 3986, 2.1).
            [b'%', one, other, rest @ ..] if one.is_ascii_hexdigit() && other.is_ascii_hexdigit() => value = rest,
            rest => return port(rest),
        }
    }
}

/// What a name or an address in a Host is made of: `unreserved` and `sub-delims` (RFC 3986, 3.2.2), but for what is escaped.
const NAME: [bool; 256] = {
    let marks = b"-._~!$&'()*+,;=";
    let mut is = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        is[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut place = 0;
    while place < marks.len() {
        is[marks[place] as usize] = true;
        place += 1;
    }
    is
};

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Framing, is_host, miscoded};

    #[test]
    fn hosts_are_told_from_other_text() {
        for yes in ["", "hub", "hub:80", "hub:", "192.0.2.1:8080", "[2001:db8::1]:80", "[::1]", "a%20b"] {
            assert!(is_host(yes.as_bytes()), "{yes}");
        }
        for no in [
            "hub:http", "a b", "a/b", "user@hub", "a%", "a%4", "a%zzb", "%2g:80", "[::1", "[hub]", "a:1:2", "hub?",
            "é", "[::1]x",
        ] {
            assert!(!is_host(no.as_bytes()), "{no}");
        }
    }

    /// For each request whether it is refused, and how many of the bytes may be passed on. It must be the same however they
    /// are cut.
    fn followed(text: &str, requests: usize) -> (Vec<bool>, usize) {
        let at_steps_of = |step: usize| {
            let mut framing = Framing::default();
            let passed: usize = text.as_bytes().chunks(step).map(|piece| framing.read(piece)).sum();
            let refused: Vec<bool> = (0..requests).map(|_| framing.take().is_some()).collect();
            (refused, passed)
        };
        let whole = at_steps_of(text.len());
        for step in 1..text.len() {
            assert_eq!(at_steps_of(step), whole, "{step}: {text:?}");
        }
        whole
    }

    #[test]
    fn requests_are_followed_however_they_are_cut() {
        let sound = [
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "\r\nPOST / HTTP/1.1\r\ncontent-length: 30\r\nx: transfer-encoding:\r\n\r\ntransfer-encoding: x\n\ncontent-l",
            "POST / HTTP/1.1\r\nTransfer-Encoding:chunked\r\n\r\n3;a=b\r\none\r\n0\r\ncontent-length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        ];
        let both = "\r\nPOST / HTTP/1.1\r\nhost: x\r\nContent-Length: 3\r\ntransfer-encoding:chunked\r\n\r\n";
        for before in [vec![], vec![0], vec![1], vec![2, 3], vec![2, 1, 0]] {
            let text: String = before.iter().map(|&index| sound[index]).chain([both]).collect();
            let (refused, passed) = followed(&text, before.len() + 1);
            assert_eq!(refused.iter().position(|&refused| refused), Some(before.len()), "{before:?}");
            assert_eq!(passed, text.len());
        }
        assert_eq!(followed(&sound.concat(), 4), (vec![false; 4], sound.concat().len()));
    }

    #[test]
    fn what_is_expected_is_noticed() {
        let (calm, expecting) = ("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nExpect:x\r\n\r\n");
        let mut framing = Framing::default();
        let mut noticed = Vec::new();
        for text in [calm.to_owned(), expecting.to_owned(), [calm, expecting, calm].concat()] {
            framing.read(text.as_bytes());
            while framing.taken < framing.heads {
                framing.take();
                noticed.push(framing.may_expect());
            }
        }
        assert_eq!(noticed, [false, true, true, true, false]);
    }

    #[test]
    fn heads_that_two_may_read_as_two_things_are_refused() {
        for head in [
            "GET / HTTP/1.1\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n\n",
            "\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 3, 3\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length:\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 18446744073709551616\r\n\r\n",
        ] {
            assert_eq!(followed(head, 1), (vec![true], head.len()), "{head:?}");
        }
        let long = format!("POST / HTTP/1.1\r\ncontent-length: {:0>80}\r\n\r\n", 3);
        assert_eq!(followed(&long, 1), (vec![true], long.len()));
    }

    #[test]
    fn what_is_no_chunk_is_not_passed_on() {
        let passed = |body: &str| {
            let head = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
            followed(&format!("{head}{body}"), 1).1 - head.len()
        };
        for sound in [
            "0\r\n\r\n",
            "3\r\none\r\n0\r\nx: y\r\nz:\r\n\r\n",
            "00a ; b = c ;d=\"e;\\\"\\\\ \";f\r\n0123456789\r\n0\t;x\r\n\r\n",
            "FFFFFFFFFFFFFFFF\r\n",
        ] {
            assert_eq!(passed(sound), sound.len(), "{sound:?}");
        }
        for (wrong, at) in [
            ("x", 0),
            (" 3", 0),
            ("3 \r\n", 2),
            ("3\n", 1),
            ("3;\r\n", 2),
            ("3;a=\r\n", 4),
            ("3;[\r\n", 2),
            ("3;a b\r\n", 4),
            ("3;a=\"b\n", 6),
            ("3;a=\"b\"c", 7),
            ("3;a\n", 3),
            ("3\rone", 2),
            ("3\r\nonetwo", 6),
            ("3\r\none\n", 6),
            ("3\r\none\r0", 7),
            ("0\r\n\n", 3),
            ("0\r\nx: y\n", 7),
            ("10000000000000000\r\n", 16),
        ] {
            assert_eq!(passed(wrong), at, "{wrong:?}");
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
