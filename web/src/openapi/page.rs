//! The page that shows a description: three small files, and nothing from elsewhere.

use std::cell::OnceCell;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::middleware::SecurityHeaders;
use crate::{App, Response};

const PAGE: &str = include_str!("page/page.html");
const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");

/// Adds the page below a path, with the document that `write` writes once when it is first asked for.
pub(super) fn add_to<S: 'static>(app: &mut App<S>, path: &str, write: impl Fn() -> String + 'static) {
    let below = |name: &str| format!("{path}/{name}");
    // The page's own references begin at its path, which may have come through other apps.
    let page = PAGE.replace("{base}", &reference(path.rsplit('/').next().unwrap_or_default()));
    serve(app, if path.is_empty() { "/" } else { path }, "text/html; charset=utf-8", constant(page.into()));
    serve(app, &below("page.js"), "text/javascript; charset=utf-8", constant(Bytes::from_static(SCRIPT.as_bytes())));
    serve(app, &below("page.css"), "text/css; charset=utf-8", constant(Bytes::from_static(STYLE.as_bytes())));
    let written = OnceCell::new();
    serve(app, &below("openapi.json"), "application/json", move || {
        written.get_or_init(|| Bytes::from(write())).clone()
    });
}

fn constant(bytes: Bytes) -> impl Fn() -> Bytes {
    move || bytes.clone()
}

fn serve<S: 'static>(app: &mut App<S>, path: &str, media_type: &'static str, bytes: impl Fn() -> Bytes + 'static) {
    app.at(path).with(SecurityHeaders::default()).get(move || {
        let mut response = Response::new(bytes().into());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        std::future::ready(response)
    });
}

/// A segment as a reference relative to it, which stands in a page's attributes: `./` before it, for `a:b` would be a scheme
/// (RFC 3986, 4.2).
fn reference(segment: &str) -> String {
    match segment {
        "" => ".".to_owned(),
        // What is escaped already stays so.
        _ => format!("./{}", utf8_percent_encode(segment, UNSAFE)),
    }
}

/// All that may not stand in a segment (RFC 3986, 3.3), or means something in HTML.
const UNSAFE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'&')
    .add(b'\'')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'[')
    .add(b']')
    .add(b'|')
    .add(b'\\')
    .add(b'^')
    .add(b'/');

#[cfg(test)]
mod tests {
    use super::reference;

    #[test]
    fn a_segment_is_referred_to_as_a_url_has_it() {
        for (segment, expected) in [
            ("", "."),
            ("docs", "./docs"),
            ("a:b", "./a:b"),
            ("a b", "./a%20b"),
            ("\"><script>", "./%22%3E%3Cscript%3E"),
            ("d\u{f6}cs", "./d%C3%B6cs"),
            ("100%25", "./100%25"),
            ("a&amp;b?c#d", "./a%26amp;b%3Fc%23d"),
        ] {
            assert_eq!(reference(segment), expected, "{segment}");
        }
    }
}
