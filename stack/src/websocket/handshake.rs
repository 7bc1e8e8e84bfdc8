//! The handshake (RFC 6455, section 4): a request of HTTP/1.1, and an answer that proves that it was understood.

use core::fmt;

use sha1::{Digest as _, Sha1};

use crate::http::{Cursor, is_field_value, is_token};

/// What is asked of the server.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The target: a path that starts with `/`, and a query if there is one.
    pub target: &'a str,
    /// The `Host` header: a name or an address, with a port unless it is the scheme's.
    pub host: &'a str,
    /// Which protocols we speak over the socket, best first (section 1.9). Default: none is named.
    pub protocols: &'a [&'a str],
    /// More headers, such as `Authorization` or `Origin`. Those of the handshake itself are refused.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Request<'a> {
    /// For `target` of `host`, without protocols and more headers.
    pub const fn new(target: &'a str, host: &'a str) -> Self {
        Self { target, host, protocols: &[], headers: &[] }
    }
}

/// Why there was no handshake, though an answer or a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The request's target is none.
    #[error("the target is no path")]
    Target,
    /// A header, the host or a protocol of the request has bytes that it must not have, or is the handshake's own.
    #[error("a header cannot be sent")]
    Header,
    /// The request is longer than the memory for sending.
    #[error("the request is longer than the memory for sending")]
    RequestTooLong,
    /// The answer is longer than the memory for what comes.
    #[error("the answer is longer than the memory for what comes")]
    AnswerTooLong,
    /// The answer is not one of HTTP/1.1, or has more than 32 headers.
    #[error("the answer is not HTTP")]
    Malformed,
    /// The answer does not change to WebSocket, by its `Upgrade` and `Connection`.
    #[error("the answer does not change to WebSocket")]
    NotUpgraded,
    /// The answer does not prove that the request was understood, by its `Sec-WebSocket-Accept`.
    #[error("the answer does not belong to the request")]
    Accept,
    /// The answer is in an extension, or a protocol, that was not asked for.
    #[error("an extension or protocol that was not asked for")]
    Unasked,
}

/// The length of 16 bytes in base64 (RFC 4648, section 4).
const KEY_LEN: usize = 24;
/// What stands for 16 random bytes in a request.
pub(super) type Key = [u8; KEY_LEN];
/// The length of a SHA-1 sum in base64.
const ACCEPT_LEN: usize = 28;
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const HEADERS_MAX: usize = 32;
const OWN: [&str; 8] = [
    "host",
    "upgrade",
    "connection",
    "content-length",
    "transfer-encoding",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
];

/// What stands for these 16 random bytes in the request.
pub(super) fn key(nonce: [u8; 16]) -> Key {
    let mut key = [0; KEY_LEN];
    base64(&nonce, &mut key);
    key
}

/// What the answer to a request with that key has to say (section 4.2.2).
fn accept(key: &Key) -> [u8; ACCEPT_LEN] {
    let sum: [u8; 20] = Sha1::new().chain_update(key).chain_update(GUID).finalize().into();
    let mut accept = [0; ACCEPT_LEN];
    base64(&sum, &mut accept);
    accept
}

/// Writes bytes in base64, with padding, into as much as that takes.
fn base64(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (group, place) in bytes.chunks(3).zip(out.chunks_mut(4)) {
        let bits = group.iter().enumerate().fold(0, |bits, (i, byte)| bits | u32::from(*byte) << (16 - 8 * i));
        for (i, place) in place.iter_mut().enumerate() {
            *place = if i <= group.len() { DIGITS[(bits >> (18 - 6 * i) & 63) as usize] } else { b'=' };
        }
    }
}

impl Request<'_> {
    /// Writes the request, and says how long it is.
    pub(super) fn write(&self, key: &Key, buffer: &mut [u8]) -> Result<usize, HandshakeError> {
        self.check()?;
        let mut out = Cursor { buffer, len: 0 };
        self.write_into(key, &mut out).map_err(|fmt::Error| HandshakeError::RequestTooLong)?;
        Ok(out.len)
    }

    fn check(&self) -> Result<(), HandshakeError> {
        if !self.target.starts_with('/') || !self.target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HandshakeError::Target);
        }
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_token);
        let names = self.protocols.iter().all(|protocol| is_name(protocol));
        let headers = self.headers.iter().all(|(name, value)| {
            let own = OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) || is_protocol(name);
            is_name(name) && !own && value.bytes().all(is_field_value)
        });
        let host = !self.host.is_empty() && self.host.bytes().all(|byte| byte.is_ascii_graphic());
        if names && headers && host { Ok(()) } else { Err(HandshakeError::Header) }
    }

    fn write_into(&self, key: &Key, out: &mut Cursor<'_>) -> fmt::Result {
        let key = core::str::from_utf8(key).map_err(|_| fmt::Error)?;
        out.put(&["GET ", self.target, " HTTP/1.1\r\nHost: ", self.host])?;
        out.put(&[
            "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
        ])?;
        out.put(&[key, "\r\n"])?;
        for (at, protocol) in self.protocols.iter().enumerate() {
            out.put(&[if at == 0 { "Sec-WebSocket-Protocol: " } else { ", " }, protocol])?;
        }
        if !self.protocols.is_empty() {
            out.put(&["\r\n"])?;
        }
        for (name, value) in self.headers {
            out.put(&[name, ": ", value, "\r\n"])?;
        }
        out.put(&["\r\n"])
    }
}

fn is_protocol(name: &str) -> bool {
    name.eq_ignore_ascii_case("sec-websocket-protocol")
}

/// What an answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is not all there.
    Partial,
    /// The server does not: with this status.
    Refused(u16),
    /// The socket is open. The head is so long, and the server speaks that of our protocols.
    Opened { len: usize, protocol: Option<usize> },
}

/// Reads the answer to a request with that key.
pub(super) fn read(bytes: &[u8], key: &Key, protocols: &[&str]) -> Result<Answer, HandshakeError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let len = match response.parse(bytes) {
        Ok(httparse::Status::Partial) => return Ok(Answer::Partial),
        Ok(httparse::Status::Complete(len)) => len,
        Err(_) => return Err(HandshakeError::Malformed),
    };
    match (response.code, response.version) {
        (Some(101), Some(1)) => {}
        (Some(status), Some(_)) if status != 101 => return Ok(Answer::Refused(status)),
        _ => return Err(HandshakeError::Malformed),
    }
    let values = |name: &'static str| {
        let of_name = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        of_name.map(|header| header.value)
    };
    let names = |name, token: &[u8]| {
        let mut elements = values(name).flat_map(|value| value.split(|byte| *byte == b','));
        elements.any(|element| element.trim_ascii().eq_ignore_ascii_case(token))
    };
    if !names("upgrade", b"websocket") || !names("connection", b"upgrade") {
        return Err(HandshakeError::NotUpgraded);
    }
    let (mut accepts, expected) = (values("sec-websocket-accept"), accept(key));
    if accepts.next().map(<[u8]>::trim_ascii) != Some(&expected) || accepts.next().is_some() {
        return Err(HandshakeError::Accept);
    }
    let mut chosen = values("sec-websocket-protocol");
    let protocol = match chosen.next() {
        Some(chosen) => {
            let place = protocols.iter().position(|protocol| protocol.as_bytes() == chosen.trim_ascii());
            Some(place.ok_or(HandshakeError::Unasked)?)
        }
        None => None,
    };
    let extended = values("sec-websocket-extensions").any(|value| !value.trim_ascii().is_empty());
    if extended || chosen.next().is_some() {
        return Err(HandshakeError::Unasked);
    }
    Ok(Answer::Opened { len, protocol })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{string::String, vec};

    /// The example of section 1.3.
    const KEY: &Key = b"dGhlIHNhbXBsZSBub25jZQ==";

    fn answer(text: &str) -> Result<Answer, HandshakeError> {
        let text = text.replace('\n', "\r\n");
        read(text.as_bytes(), KEY, &["chat", "superchat"])
    }

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\nUpgrade: WebSocket\nConnection: keep-alive, Upgrade\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\nSec-WebSocket-Protocol: superchat\n\n";

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(key(*b"the sample nonce"), *KEY);
        assert_eq!(&accept(KEY), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let len = GOOD.len() + GOOD.matches('\n').count();
        assert_eq!(answer(GOOD), Ok(Answer::Opened { len, protocol: Some(1) }));
        assert_eq!(answer(&GOOD[..GOOD.len() - 1]), Ok(Answer::Partial));
    }

    #[test]
    fn answers_that_prove_nothing_are_refused() {
        let but = |what: &str, with: &str| answer(&GOOD.replace(what, with));
        assert_eq!(but("101", "403"), Ok(Answer::Refused(403)));
        assert_eq!(but("HTTP/1.1", "HTTP/1.0"), Err(HandshakeError::Malformed));
        assert_eq!(but("WebSocket\n", "h2c\n"), Err(HandshakeError::NotUpgraded));
        assert_eq!(but(", Upgrade", ""), Err(HandshakeError::NotUpgraded));
        assert_eq!(but("s3p", "S3p"), Err(HandshakeError::Accept));
        assert_eq!(but("superchat", "mqtt"), Err(HandshakeError::Unasked));
        let twice = "superchat\nSec-WebSocket-Protocol: chat";
        assert_eq!(but("superchat", twice), Err(HandshakeError::Unasked));
        let deflated = "superchat\nSec-WebSocket-Extensions: permessage-deflate";
        assert_eq!(but("superchat", deflated), Err(HandshakeError::Unasked));
    }

    #[test]
    fn requests_say_what_they_must_and_nothing_that_they_must_not() {
        let mut buffer = [0; 512];
        let mut request = Request::new("/readings?of=3", "hub.example");
        (request.protocols, request.headers) = (&["chat", "superchat"], &[("Origin", "http://hub.example")]);
        let len = request.write(KEY, &mut buffer).unwrap();
        let text = String::from_utf8(buffer[..len].to_vec()).unwrap();
        assert!(text.starts_with("GET /readings?of=3 HTTP/1.1\r\nHost: hub.example\r\n"), "{text}");
        assert!(text.contains("\r\nSec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://hub.example\r\n\r\n"));
        let mut write = |request: Request<'_>| request.write(KEY, &mut buffer);
        assert_eq!(write(Request::new("readings", "hub")), Err(HandshakeError::Target));
        assert_eq!(write(Request::new("/a b", "hub")), Err(HandshakeError::Target));
        assert_eq!(write(Request::new("/", "hub\r\n")), Err(HandshakeError::Header));
        assert_eq!(write(Request::new("/", "")), Err(HandshakeError::Header));
        for header in
            [("Sec-WebSocket-Key", "x"), ("X", "a\r\nB: c"), ("upgrade", "h2c"), ("Sec-WebSocket-Protocol", "x")]
        {
            let request = Request { headers: &[header], ..Request::new("/", "hub") };
            assert_eq!(write(request), Err(HandshakeError::Header), "{header:?}");
        }
        assert_eq!(write(Request { protocols: &["a b"], ..request }), Err(HandshakeError::Header));
        let long = vec!["chat"; 200];
        assert_eq!(write(Request { protocols: &long, ..request }), Err(HandshakeError::RequestTooLong));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), plausible: bool) {
            let bytes = if plausible { [b"HTTP/1.1 101 \r\n", &bytes[..]].concat() } else { bytes };
            let is_open = matches!(read(&bytes, KEY, &[]), Ok(Answer::Opened { .. }));
            prop_assert!(!is_open);
        }
    }
}
