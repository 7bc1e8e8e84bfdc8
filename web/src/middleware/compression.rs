//! Content codings (RFC 9110, 8.4): responses made smaller, and requests that were.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderValue, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, StatusCode};
use http_body::{Body as HttpBody, Frame};

use crate::negotiation::weighted;
use crate::{Body, BodyError, Error, IntoResponse, Middleware, Next, Request, Response};

/// A coding that this build knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    #[cfg(feature = "zstd")]
    Zstd,
    #[cfg(feature = "brotli")]
    Brotli,
    #[cfg(feature = "gzip")]
    Gzip,
}

/// What is preferred stands first.
const CODINGS: &[Coding] = &[
    #[cfg(feature = "zstd")]
    Coding::Zstd,
    #[cfg(feature = "brotli")]
    Coding::Brotli,
    #[cfg(feature = "gzip")]
    Coding::Gzip,
];

impl Coding {
    fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
            #[cfg(feature = "brotli")]
            Self::Brotli => "br",
            #[cfg(feature = "gzip")]
            Self::Gzip => "gzip",
        }
    }

    fn encoder(self) -> io::Result<Coder> {
        let sink = Sink::new(u64::MAX);
        Ok(match self {
            #[cfg(feature = "zstd")]
            Self::Zstd => Coder::ZstdEncoder(Box::new(zstd::stream::write::Encoder::new(sink, 3)?)),
            #[cfg(feature = "brotli")]
            Self::Brotli => Coder::BrotliEncoder(Box::new(brotli::CompressorWriter::new(sink, 4_096, 4, 20))),
            #[cfg(feature = "gzip")]
            Self::Gzip => {
                Coder::GzipEncoder(Box::new(flate2::write::GzEncoder::new(sink, flate2::Compression::new(4))))
            }
        })
    }

    fn decoder(self, bytes_max: u64) -> io::Result<Coder> {
        let sink = Sink::new(bytes_max);
        Ok(match self {
            #[cfg(feature = "zstd")]
            Self::Zstd => {
                let mut decoder = zstd::stream::write::Decoder::new(sink)?;
                decoder.window_log_max(23)?;
                Coder::ZstdDecoder(Box::new(decoder))
            }
            #[cfg(feature = "brotli")]
            Self::Brotli => Coder::BrotliDecoder(Box::new(brotli::DecompressorWriter::new(sink, 4_096))),
            #[cfg(feature = "gzip")]
            Self::Gzip => Coder::GzipDecoder(Box::new(flate2::write::MultiGzDecoder::new(sink))),
        })
    }
}

/// The coding that a client likes best of those known here (RFC 9110, 12.5.3); `None` is to leave it as it is.
fn choose(headers: &HeaderMap) -> Option<Coding> {
    // What is coded is sent rather than what is not, if both are liked as well.
    let plain = named(headers, "identity").unwrap_or(0);
    let mut best = None;
    for &coding in CODINGS {
        let quality = named(headers, coding.name()).or_else(|| named(headers, "*")).unwrap_or(0);
        if quality > best.map_or(0, |(quality, _)| quality) && quality >= plain {
            best = Some((quality, coding));
        }
    }
    best.map(|(_, coding)| coding)
}

/// How well a coding is liked by its name, in thousandths.
fn named(headers: &HeaderMap, name: &str) -> Option<u16> {
    weighted(headers, &ACCEPT_ENCODING)
        .filter(|(coding, _)| coding.eq_ignore_ascii_case(name))
        .map(|(_, weight)| weight)
        .last()
}

/// Makes responses smaller for clients that take them so: text, JSON and the like, of 256 bytes and more. It leaves alone
/// what is coded already, parts of a whole, event streams, and what says `no-transform`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compress;

const WORTH_BYTES: u64 = 256;

impl<State: 'static> Middleware<State> for Compress {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        let coding = choose(request.headers());
        let known = request.headers().get_all(IF_NONE_MATCH).iter().cloned().collect::<Vec<_>>();
        let mut response = next.run(request).await;
        if response.status() == StatusCode::NOT_MODIFIED {
            describe_unmodified(response.headers_mut(), &known);
            return response;
        }
        if !is_worth_it(&response) {
            return response;
        }
        response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
        // A part is one of what is not coded, and says all the same what the whole depends on (RFC 9110, 15.3.7).
        if response.status() == StatusCode::PARTIAL_CONTENT {
            return response;
        }
        let Some((coding, coder)) = coding.and_then(|coding| Some((coding, coding.encoder().ok()?))) else {
            return response;
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        headers.remove(CONTENT_LENGTH);
        headers.remove(ACCEPT_RANGES);
        // What is coded otherwise is the same in meaning only.
        if let Some(weak) = weakened(headers) {
            headers.insert(ETAG, weak);
        }
        response.map(|body| Body::new(Coded::new(body, coder, false)))
    }
}

/// A 304 has the fields that the 200 had which the client knows (RFC 9110, 15.4.5): the tag as it was sent, and that it
/// depends on what codings are taken.
fn describe_unmodified(headers: &mut HeaderMap, known: &[HeaderValue]) {
    headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    let Some(weak) = weakened(headers) else {
        return;
    };
    let mut tags = known.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if tags.any(|tag| tag.trim().as_bytes() == weak.as_bytes()) {
        headers.insert(ETAG, weak);
    }
}

/// The weak form of a strong entity tag.
fn weakened(headers: &HeaderMap) -> Option<HeaderValue> {
    let tag = headers.get(ETAG)?.to_str().ok().filter(|tag| tag.starts_with('"'))?;
    Some(HeaderValue::try_from(format!("W/{tag}")).expect("it was a header's value before"))
}

fn is_worth_it(response: &Response) -> bool {
    let headers = response.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type: &str = text(CONTENT_TYPE);
    let is_text = media_type.starts_with("text/") && !media_type.starts_with("text/event-stream")
        || ["json", "javascript", "xml", "wasm"].iter().any(|kind| media_type.contains(kind));
    is_text
        && !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        && (response.status() == StatusCode::PARTIAL_CONTENT || !headers.contains_key(CONTENT_RANGE))
        && !headers.contains_key(CONTENT_ENCODING)
        && !text(CACHE_CONTROL).contains("no-transform")
        && whole_bytes(response).is_none_or(|bytes| bytes >= WORTH_BYTES)
}

/// How much a response to GET without a range has, as far as this one says: one to HEAD has no body, and one of a part not all.
fn whole_bytes(response: &Response) -> Option<u64> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let said = match text(CONTENT_RANGE) {
        Some(range) => range.rsplit('/').next(),
        None => text(CONTENT_LENGTH),
    };
    said.and_then(|digits| digits.parse().ok()).or_else(|| response.body().size_hint().exact())
}

/// Undoes the coding of request bodies. What comes out is bounded, however little goes in: beyond that is a 413. A coding
/// that is not known is a 415, with those that are.
#[derive(Debug, Clone, Copy)]
pub struct Decompress {
    bytes_max: u64,
}

impl Decompress {
    /// Lets up to so many bytes come out of a body.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self { bytes_max }
    }
}

impl<State: 'static> Middleware<State> for Decompress {
    async fn handle(&self, mut request: Request<State>, next: Next<State>) -> Response {
        let mut values = request.headers().get_all(CONTENT_ENCODING).iter();
        let (Some(value), more) = (values.next(), values.next()) else {
            return next.run(request).await;
        };
        let name = value.to_str().unwrap_or_default().trim().to_ascii_lowercase();
        let name = name.strip_prefix("x-").unwrap_or(&name);
        if name == "identity" && more.is_none() {
            return next.run(request).await;
        }
        let coding = CODINGS.iter().find(|coding| coding.name() == name && more.is_none());
        let coder = match coding.map(|coding| coding.decoder(self.bytes_max)) {
            Some(Ok(coder)) => coder,
            Some(Err(error)) => return Error::from(error).into_response(),
            None => {
                let known: Vec<&str> = CODINGS.iter().map(|coding| coding.name()).collect();
                let known = HeaderValue::try_from(known.join(", ")).expect("names of codings");
                return Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                    .detail("the body's coding is not known here")
                    .header(ACCEPT_ENCODING, known)
                    .into_response();
            }
        };
        request.headers_mut().remove(CONTENT_ENCODING);
        request.headers_mut().remove(CONTENT_LENGTH);
        let body = request.take_body();
        request.set_body(Body::new(Coded::new(body, coder, true)));
        next.run(request).await
    }
}

/// A body on its way through a coder.
struct Coded {
    body: Body,
    /// Until it is finished.
    coder: Option<Coder>,
    decodes: bool,
    /// They come when all else is written.
    trailers: Option<Frame<Bytes>>,
}

impl Coded {
    fn new(body: Body, coder: Coder, decodes: bool) -> Self {
        Self { body, coder: Some(coder), decodes, trailers: None }
    }
}

impl HttpBody for Coded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            let Some(coder) = &mut this.coder else {
                return Poll::Ready(this.trailers.take().map(Ok));
            };
            let written = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                None => {
                    let ended = coder.finish();
                    this.coder = None;
                    ended
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => coder.write(&bytes),
                    Err(trailers) => {
                        this.trailers = Some(trailers);
                        continue;
                    }
                },
            };
            match written {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes.into())))),
                Err(error) => {
                    this.coder = None;
                    return Poll::Ready(Some(Err(BodyError::of_coding(error, this.decodes))));
                }
            }
        }
    }
}

/// A coder that writes to memory.
enum Coder {
    #[cfg(feature = "zstd")]
    ZstdEncoder(Box<zstd::stream::write::Encoder<'static, Sink>>),
    #[cfg(feature = "zstd")]
    ZstdDecoder(Box<zstd::stream::write::Decoder<'static, Sink>>),
    #[cfg(feature = "brotli")]
    BrotliEncoder(Box<brotli::CompressorWriter<Sink>>),
    #[cfg(feature = "brotli")]
    BrotliDecoder(Box<brotli::DecompressorWriter<Sink>>),
    #[cfg(feature = "gzip")]
    GzipEncoder(Box<flate2::write::GzEncoder<Sink>>),
    #[cfg(feature = "gzip")]
    GzipDecoder(Box<flate2::write::MultiGzDecoder<Sink>>),
}

impl Coder {
    /// What comes out for this.
    fn write(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            #[cfg(feature = "zstd")]
            Self::ZstdEncoder(coder) => {
                coder.write_all(bytes).and_then(|()| coder.flush()).map(|()| coder.get_mut().take())
            }
            #[cfg(feature = "zstd")]
            Self::ZstdDecoder(coder) => {
                coder.write_all(bytes).and_then(|()| coder.flush()).map(|()| coder.get_mut().take())
            }
            #[cfg(feature = "brotli")]
            Self::BrotliEncoder(coder) => {
                coder.write_all(bytes).and_then(|()| coder.flush()).map(|()| coder.get_mut().take())
            }
            #[cfg(feature = "brotli")]
            Self::BrotliDecoder(coder) => {
                coder.write_all(bytes).and_then(|()| coder.flush()).map(|()| coder.get_mut().take())
            }
            #[cfg(feature = "gzip")]
            Self::GzipEncoder(coder) => {
                coder.write_all(bytes).and_then(|()| coder.flush()).map(|()| coder.get_mut().take())
            }
            #[cfg(feature = "gzip")]
            Self::GzipDecoder(coder) => {
                coder.write_all(bytes).and_then(|()| coder.flush()).map(|()| coder.get_mut().take())
            }
        }
    }

    /// What comes out at the end; an error if a decoder has not been given all.
    fn finish(&mut self) -> io::Result<Vec<u8>> {
        match self {
            #[cfg(feature = "zstd")]
            Self::ZstdEncoder(coder) => coder.do_finish().map(|()| coder.get_mut().take()),
            #[cfg(feature = "zstd")]
            Self::ZstdDecoder(coder) => coder.flush().map(|()| coder.get_mut().take()),
            #[cfg(feature = "brotli")]
            Self::BrotliEncoder(coder) => {
                let sink = Sink::new(u64::MAX);
                let coder = std::mem::replace(&mut **coder, brotli::CompressorWriter::new(sink, 1, 0, 10));
                Ok(coder.into_inner().take())
            }
            #[cfg(feature = "brotli")]
            Self::BrotliDecoder(coder) => coder.close().map(|()| coder.get_mut().take()),
            #[cfg(feature = "gzip")]
            Self::GzipEncoder(coder) => coder.try_finish().map(|()| coder.get_mut().take()),
            #[cfg(feature = "gzip")]
            Self::GzipDecoder(coder) => coder.try_finish().map(|()| coder.get_mut().take()),
        }
    }
}

/// Memory of a bounded size.
struct Sink {
    bytes: Vec<u8>,
    left: u64,
    bytes_max: u64,
}

impl Sink {
    fn new(bytes_max: u64) -> Self {
        Self { bytes: Vec::new(), left: bytes_max, bytes_max }
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) => {
                self.left = left;
                self.bytes.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            None => Err(io::Error::other(BodyError::TooLarge { bytes_max: self.bytes_max })),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
