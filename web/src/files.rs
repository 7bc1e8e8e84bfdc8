//! Files of a folder, and bytes at hand, as responses: with entity tags, dates and ranges.
//!
//! Files are read on the server's own thread, a piece at a time, as the client takes them: made for local disks.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, StreamExt as _};
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, LOCATION,
};
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::percent_decode_str;

use crate::conditional::{Part, Validators, Verdict};
use crate::{Body, BoxError, Error, IntoResponse as _, Request, Response, Result};

/// The files below a folder: `app.at("/static/*path").get(files.handler())`.
///
/// A path may not leave the folder: `..`, absolute paths, encoded slashes and names that begin with a dot are not found,
/// and neither are symbolic links out of it. A folder is answered by its `index.html`, at its path with a slash at the end, for
/// what that page refers to lies below it: without one the client is sent there, by 308.
#[derive(Debug, Clone)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    /// Serves what is below this folder.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn new(root: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self { root: root.as_ref().canonicalize()? })
    }

    /// A handler for a route whose last segment is `*path`; for any other it serves the folder's `index.html`.
    pub fn handler<State: 'static>(self) -> impl Fn(Request<State>) -> LocalBoxFuture<'static, Result<Response>> {
        move |request| Box::pin(std::future::ready(self.respond(&request)))
    }

    fn respond<State>(&self, request: &Request<State>) -> Result<Response> {
        let missing = || Error::new(StatusCode::NOT_FOUND);
        let target = request.uri().path();
        let raw = request.matched().and_then(|matched| matched.param("path", target)).unwrap_or_default();
        let mut path = self.locate(raw).ok_or_else(missing)?;
        let is_folder = path.is_dir();
        if is_folder {
            path.push("index.html");
        }
        let path = path.canonicalize().ok().filter(|path| path.starts_with(&self.root)).ok_or_else(missing)?;
        let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file).ok_or_else(missing)?;
        match (is_folder, raw.ends_with('/')) {
            (true, false) if !raw.is_empty() => return Ok(below(target, request.uri().query())),
            (false, true) => return Err(missing()),
            _ => {}
        }
        let modified = metadata.modified().ok();
        let since_1970 = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let tag = format!("\"{:x}-{:x}\"", since_1970.as_nanos(), metadata.len());
        let representation = Representation {
            media_type: media_type(&path),
            validators: Validators { etag: HeaderValue::try_from(tag).ok(), last_modified: modified },
            length: metadata.len(),
        };
        representation.respond(request.method(), request.headers(), |first, count| {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(first))?;
            Ok(pieces(file, count))
        })
    }

    /// The path of a file that may be served, if the request's is one.
    fn locate(&self, raw: &str) -> Option<PathBuf> {
        let mut path = self.root.clone();
        for segment in raw.strip_suffix('/').unwrap_or(raw).split('/').filter(|_| !raw.is_empty()) {
            let name = percent_decode_str(segment).decode_utf8().ok()?;
            let mut components = Path::new(&*name).components();
            let is_plain = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
            if !is_plain || name.starts_with('.') || name.contains(['/', '\\', '\0', ':']) {
                return None;
            }
            path.push(&*name);
        }
        Some(path)
    }
}

/// Sends the client to the same path with a slash at its end. One of several leading slashes would name another host.
fn below(target: &str, query: Option<&str>) -> Response {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let to = format!("/{}/{query}", target.trim_start_matches('/'));
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, to)], ()).into_response()
}

const PIECE_BYTES: usize = 64 * 1024;

/// So many bytes of a file, as they are taken. One that has become shorter breaks the response off.
fn pieces(file: File, count: u64) -> Body {
    let pieces = stream::unfold((file, count), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(left).unwrap_or(PIECE_BYTES))];
        let read = match file.read(&mut piece) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                piece.truncate(count);
                Ok(Bytes::from(piece))
            }
            Err(error) => Err(error),
        };
        let left = read.as_ref().map_or(0, |piece| left - piece.len() as u64);
        Some((read, (file, left)))
    });
    Body::from_stream(pieces)
}

/// Bytes that are part of the program: a page's style sheet, say.
///
/// ```
/// use wavetank_web::{App, Asset, Request};
///
/// static STYLE: Asset = Asset::new("text/css; charset=utf-8", b"body { margin: 0 }", "\"1\"");
///
/// let mut app = App::new();
/// app.at("/style.css").get(async |request: Request| STYLE.respond(&request));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    media_type: &'static str,
    bytes: &'static [u8],
    etag: &'static str,
}

impl Asset {
    /// Bytes of this type. The entity tag, quotes and all, changes whenever they do.
    #[must_use]
    pub const fn new(media_type: &'static str, bytes: &'static [u8], etag: &'static str) -> Self {
        Self { media_type, bytes, etag }
    }

    /// Answers a request for it.
    ///
    /// # Errors
    /// 412 and 416, as the request's conditions and its range have it.
    pub fn respond<State>(&self, request: &Request<State>) -> Result<Response> {
        let representation = Representation {
            media_type: self.media_type,
            validators: Validators { etag: HeaderValue::from_str(self.etag).ok(), last_modified: None },
            length: self.bytes.len() as u64,
        };
        representation.respond(request.method(), request.headers(), |first, count| {
            let first = usize::try_from(first).unwrap_or(usize::MAX);
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            Ok(Bytes::from_static(self.bytes).slice(first..first.saturating_add(count)).into())
        })
    }
}

/// Bytes at hand that are served whole or in parts: what a database keeps, say.
#[derive(Debug, Clone)]
pub struct Content {
    media_type: &'static str,
    bytes: Bytes,
    etag: String,
}

impl Content {
    /// Bytes of this type. The entity tag, quotes and all, changes whenever they do; without quotes there is none.
    #[must_use]
    pub fn new(media_type: &'static str, bytes: impl Into<Bytes>, etag: impl Into<String>) -> Self {
        Self { media_type, bytes: bytes.into(), etag: etag.into() }
    }

    /// Answers a request for it.
    ///
    /// # Errors
    /// 412 and 416, as the request's conditions and its range have it.
    pub fn respond<State>(&self, request: &Request<State>) -> Result<Response> {
        let etag = HeaderValue::from_str(&self.etag).ok().filter(|_| self.etag.ends_with('"'));
        let representation = Representation {
            media_type: self.media_type,
            validators: Validators { etag, last_modified: None },
            length: self.bytes.len() as u64,
        };
        representation.respond(request.method(), request.headers(), |first, count| {
            let first = usize::try_from(first).unwrap_or(usize::MAX);
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            Ok(self.bytes.slice(first..first.saturating_add(count)).into())
        })
    }
}

/// Bytes that are read as the client takes them, whole or in parts: what a database keeps in pieces, say.
///
/// ```
/// use wavetank_web::{App, Pieces, Request};
///
/// let mut app = App::new();
/// app.at("/zeros").get(async |request: Request| {
///     let zeros = Pieces::new("application/octet-stream", 1 << 40, "\"zeros\"", |_, count| Ok(vec![0; count].into()));
///     zeros.respond(&request)
/// });
/// ```
#[derive(Clone)]
pub struct Pieces<Read> {
    media_type: &'static str,
    length: u64,
    etag: String,
    read: Read,
}

impl<Read: FnMut(u64, usize) -> Result<Bytes, BoxError> + 'static> Pieces<Read> {
    /// So many bytes of this type, of which `read` gives those from a place on: as many as it is asked for, which are up to
    /// 64 KiB, or fewer, but not none. The entity tag, quotes and all, changes whenever they do; without quotes there is none.
    #[must_use]
    pub fn new(media_type: &'static str, length: u64, etag: impl Into<String>, read: Read) -> Self {
        Self { media_type, length, etag: etag.into(), read }
    }

    /// Answers a request for it. What fits into a piece is read at once, more as it is taken: an error then breaks the response
    /// off.
    ///
    /// # Errors
    /// 412 and 416, as the request's conditions and its range have it; 500 if the first piece cannot be read.
    pub fn respond<State>(self, request: &Request<State>) -> Result<Response> {
        let Self { media_type, length, etag, mut read } = self;
        let etag = HeaderValue::from_str(&etag).ok().filter(|_| etag.ends_with('"'));
        let validators = Validators { etag, last_modified: None };
        let representation = Representation { media_type, validators, length };
        representation.respond(request.method(), request.headers(), move |first, count| {
            let begun = read_piece(&mut read, first, count).map_err(io::Error::other)?;
            let left = count - begun.len() as u64;
            if left == 0 {
                return Ok(begun.into());
            }
            let next = first + begun.len() as u64;
            let rest = stream::unfold((read, next, left), |(mut read, next, left)| async move {
                if left == 0 {
                    return None;
                }
                match read_piece(&mut read, next, left) {
                    Ok(piece) => {
                        let count = piece.len() as u64;
                        Some((Ok(piece), (read, next + count, left - count)))
                    }
                    Err(error) => Some((Err(error), (read, next, 0))),
                }
            });
            Ok(Body::from_stream(stream::once(std::future::ready(Ok(begun))).chain(rest)))
        })
    }
}

/// The next of so many bytes that are left.
fn read_piece(
    read: &mut impl FnMut(u64, usize) -> Result<Bytes, BoxError>,
    first: u64,
    left: u64,
) -> Result<Bytes, BoxError> {
    let wanted = PIECE_BYTES.min(usize::try_from(left).unwrap_or(PIECE_BYTES));
    let mut piece = read(first, wanted)?;
    if piece.is_empty() && wanted > 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    piece.truncate(wanted);
    Ok(piece)
}

impl<Read> fmt::Debug for Pieces<Read> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces")
            .field("media_type", &self.media_type)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// What is served, but for its bytes.
struct Representation {
    media_type: &'static str,
    validators: Validators,
    length: u64,
}

impl Representation {
    fn respond(
        &self,
        method: &Method,
        headers: &HeaderMap,
        body: impl FnOnce(u64, u64) -> io::Result<Body>,
    ) -> Result<Response> {
        let mut response = Response::new(Body::empty());
        self.describe(response.headers_mut());
        match self.validators.judge(method, headers) {
            Verdict::NotModified => {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                return Ok(response);
            }
            Verdict::Failed => return Err(Error::new(StatusCode::PRECONDITION_FAILED)),
            Verdict::Proceed => {}
        }
        let length = self.length;
        let (first, count) = match self.validators.range(method, headers, length) {
            Part::Whole => (0, length),
            Part::Bytes { first, last } => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                response.headers_mut().insert(CONTENT_RANGE, text(format!("bytes {first}-{last}/{length}")));
                (first, last - first + 1)
            }
            Part::Unsatisfiable => {
                return Err(Error::new(StatusCode::RANGE_NOT_SATISFIABLE)
                    .header(CONTENT_RANGE, text(format!("bytes */{length}"))));
            }
        };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(count));
        if *method != Method::HEAD {
            *response.body_mut() = body(first, count)?;
        }
        Ok(response)
    }

    fn describe(&self, headers: &mut HeaderMap) {
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(tag) = &self.validators.etag {
            headers.insert(ETAG, tag.clone());
        }
        if let Some(date) = self.validators.last_modified.and_then(http_date) {
            headers.insert(LAST_MODIFIED, date);
        }
    }
}

fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits and punctuation")
}

/// HTTP knows no dates before 1970 nor after 9999.
fn http_date(at: SystemTime) -> Option<HeaderValue> {
    let seconds = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds < 253_402_300_800).then(|| text(httpdate::fmt_http_date(at)))
}

/// The types that browsers care about, by a file's ending.
fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "txt" | "md" | "toml" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        "pdf" => "application/pdf",
        "xml" => "application/xml",
        "csv" => "text/csv; charset=utf-8",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}
