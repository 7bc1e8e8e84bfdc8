//! Forms with files: `multipart/form-data` (RFC 7578), read as it comes. Nothing is kept but the piece at hand.

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::request::essence;
use crate::{Body, Error, FromRequest, Request, Result};

/// How long the head of a part may be, in bytes.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// How many parts a form may have.
const PARTS_MAX: usize = 1_000;

/// The parts of a form, one after the other. An argument of a handler.
///
/// ```
/// use wavetank_web::{App, Multipart, Result};
///
/// async fn upload(mut form: Multipart) -> Result<String> {
///     let mut bytes = 0;
///     while let Some(mut part) = form.next().await? {
///         while let Some(piece) = part.chunk().await? {
///             bytes += piece.len();
///         }
///     }
///     Ok(format!("{bytes} bytes"))
/// }
///
/// let mut app = App::new();
/// app.at("/upload").post(upload);
/// ```
#[derive(Debug)]
pub struct Multipart {
    body: Body,
    buffer: BytesMut,
    /// What stands between parts, the line break before it included.
    delimiter: Vec<u8>,
    parts: usize,
    ended: bool,
}

/// A part of a form.
#[derive(Debug)]
pub struct FormPart<'form> {
    form: &'form mut Multipart,
    headers: HeaderMap,
    name: String,
    file_name: Option<String>,
    ended: bool,
}

fn malformed(detail: &'static str) -> Error {
    Error::new(StatusCode::BAD_REQUEST).detail(detail)
}

impl Multipart {
    /// Reads this body, whose content type names the boundary.
    ///
    /// # Errors
    /// 415 unless the type is `multipart/form-data`, 400 if it names no valid boundary.
    pub fn new(content_type: &HeaderValue, body: Body) -> Result<Self> {
        let bytes = content_type.as_bytes();
        if !essence(bytes).eq_ignore_ascii_case(b"multipart/form-data") {
            return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail("the body must be multipart/form-data"));
        }
        let text = content_type.to_str().map_err(|_| malformed("the content type is not text"))?;
        let boundary = parameter(text, "boundary").filter(|boundary| (1..=70).contains(&boundary.len()));
        let boundary = boundary.ok_or_else(|| malformed("the content type must name a boundary of 1 to 70 bytes"))?;
        // The first delimiter need not follow a line break; with one before the body it does as all others do.
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        Ok(Self { body, buffer: BytesMut::from(&b"\r\n"[..]), delimiter, parts: 0, ended: false })
    }

    /// The next part, or `None` after the last. What is left of the one before is skipped.
    ///
    /// # Errors
    /// 400 if the body is not such a form or breaks off, 413 if it is too long.
    pub async fn next(&mut self) -> Result<Option<FormPart<'_>>> {
        if self.ended {
            return Ok(None);
        }
        while self.piece().await?.is_some() {}
        self.buffer.advance(self.delimiter.len());
        // After the boundary stands the end of the line, or two dashes and the end of the form.
        self.fill_to(2).await?;
        if self.buffer.starts_with(b"--") {
            self.ended = true;
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE).detail("the form has too many parts"));
        }
        let headers = self.head().await?;
        let disposition = headers.get(CONTENT_DISPOSITION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let disposition = disposition.ok_or_else(|| malformed("a part of the form has no Content-Disposition"))?;
        if !essence(disposition.as_bytes()).eq_ignore_ascii_case(b"form-data") {
            return Err(malformed("a part of the form is no part of a form (RFC 7578, 4.2)"));
        }
        let name = parameter(disposition, "name").ok_or_else(|| malformed("a part of the form has no name"))?;
        let file_name = parameter(disposition, "filename");
        Ok(Some(FormPart { form: self, headers, name, file_name, ended: false }))
    }

    async fn head(&mut self) -> Result<HeaderMap> {
        let end = loop {
            let found = self.buffer.windows(4).position(|window| window == b"\r\n\r\n");
            match found {
                Some(end) => break end + 4,
                None if self.buffer.len() > HEAD_BYTES_MAX => return Err(malformed("a part's head is too long")),
                None => self.fill_to(self.buffer.len() + 1).await?,
            }
        };
        let head = self.buffer.split_to(end);
        let start = head.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or_default();
        let head =
            head[start..].strip_prefix(b"\r\n").ok_or_else(|| malformed("a boundary is not on a line of its own"))?;
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(head, &mut fields) else {
            return Err(malformed("a part's head is malformed"));
        };
        let mut headers = HeaderMap::new();
        for field in fields {
            let name =
                HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| malformed("a part's head is malformed"))?;
            let value = HeaderValue::from_bytes(field.value).map_err(|_| malformed("a part's head is malformed"))?;
            headers.append(name, value);
        }
        Ok(headers)
    }

    /// What comes before the next delimiter, piece by piece; `None` when that is next.
    async fn piece(&mut self) -> Result<Option<Bytes>> {
        loop {
            let (found, safe) = search(&self.buffer, &self.delimiter);
            match (found, safe) {
                (true, 0) => return Ok(None),
                (_, safe) if safe > 0 => return Ok(Some(self.buffer.split_to(safe).freeze())),
                _ => self.fill_to(self.buffer.len() + 1).await?,
            }
        }
    }

    async fn fill_to(&mut self, bytes: usize) -> Result<()> {
        while self.buffer.len() < bytes {
            match self.body.chunk().await? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None => return Err(malformed("the form breaks off")),
            }
        }
        Ok(())
    }
}

/// Whether the delimiter is there, and how many bytes before it, or before where it might begin.
fn search(buffer: &[u8], delimiter: &[u8]) -> (bool, usize) {
    let mut from = 0;
    while let Some(found) = buffer[from..].iter().position(|&byte| byte == b'\r') {
        let start = from + found;
        let there = &buffer[start..];
        if there.starts_with(delimiter) {
            return (true, start);
        }
        if delimiter.starts_with(there) {
            return (false, start);
        }
        from = start + 1;
    }
    (false, buffer.len())
}

impl FormPart<'_> {
    /// The field's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the client calls the file. It is the client's word: no path to write to.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// The part's media type, if it says one.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// All header fields of the part.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The next piece of its content, or `None` at the end.
    ///
    /// # Errors
    /// As [`Multipart::next`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if self.ended {
            return Ok(None);
        }
        let piece = self.form.piece().await?;
        self.ended = piece.is_none();
        Ok(piece)
    }

    /// All its content, if that is no longer than so many bytes.
    ///
    /// # Errors
    /// 413 beyond that, and as [`Multipart::next`].
    pub async fn bytes(&mut self, bytes_max: usize) -> Result<Bytes> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            if piece.len() > bytes_max - all.len() {
                let detail = format!("`{}` may have up to {bytes_max} bytes", self.name);
                return Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE).detail(detail));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

impl<State> FromRequest<State> for Multipart {
    async fn from_request(request: &mut Request<State>) -> Result<Self> {
        let missing = || Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail("the body must be multipart/form-data");
        let content_type = request.headers().get(CONTENT_TYPE).cloned().ok_or_else(missing)?;
        let body = request.take_body();
        Self::new(&content_type, body)
    }
}

/// A parameter of a header field: a token, or text in quotes.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, further) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let mut value = String::new();
                let mut chars = quoted.char_indices();
                let end = loop {
                    match chars.next()? {
                        (end, '"') => break end,
                        (_, '\\') => value.push(chars.next()?.1),
                        (_, char) => value.push(char),
                    }
                };
                (value, quoted[end + 1..].trim_start().strip_prefix(';'))
            }
            None => match after.split_once(';') {
                Some((value, further)) => (value.trim().to_owned(), Some(further)),
                None => (after.trim().to_owned(), None),
            },
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = further?;
    }
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn parameters_are_read() {
        let text = r#"form-data; name="a;\"b\""; FileName=c.txt ; x="#;
        assert_eq!(parameter(text, "name").as_deref(), Some("a;\"b\""));
        assert_eq!(parameter(text, "filename").as_deref(), Some("c.txt"));
        assert_eq!(parameter(text, "x").as_deref(), Some(""));
        for nothing in ["form-data", "form-data; name", "form-data; name=\"open", "", ";;=;"] {
            assert_eq!(parameter(nothing, "name"), None, "{nothing}");
        }
    }
}
