//! Answers to what is no request: it never reaches an app, and is answered on the connection itself.

use http::{HeaderValue, StatusCode};

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
