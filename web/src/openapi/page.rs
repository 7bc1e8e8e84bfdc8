//! The page that shows a description: three small files, and nothing from elsewhere.

use bytes::Bytes;
use http::header::CONTENT_TYPE;

use crate::middleware::SecurityHeaders;
use crate::{App, Response};

const PAGE: &str = include_str!("page/page.html");
const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");

pub(super) fn add_to<S: 'static>(app: &mut App<S>, path: &str, document: &str) {
    let below = |name: &str| format!("{path}/{name}");
    // The page's own references begin at its path, which may have come through other apps.
    let base = path.rsplit('/').next().unwrap_or_default().to_owned();
    let page = PAGE.replace("{base}", if base.is_empty() { "." } else { &base });
    let files = [
        (if path.is_empty() { "/".to_owned() } else { path.to_owned() }, "text/html; charset=utf-8", page),
        (below("openapi.json"), "application/json", document.to_owned()),
        (below("page.js"), "text/javascript; charset=utf-8", SCRIPT.to_owned()),
        (below("page.css"), "text/css; charset=utf-8", STYLE.to_owned()),
    ];
    for (path, media_type, text) in files {
        let bytes = Bytes::from(text);
        let respond = move || {
            let mut response = Response::new(bytes.clone().into());
            response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(media_type));
            std::future::ready(response)
        };
        app.at(&path).with(SecurityHeaders::default()).get(respond);
    }
}
