//! What bodies are: JSON, bytes, text, or forms with files.

use std::borrow::Cow;
use std::marker::PhantomData;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::document::referred_to;
use super::{Part, is_nothing, nothing};
use crate::request::essence;
use crate::{Body, Error, FromRequest as _, Multipart, Request, Response, Result};

/// What the body of a request or of an answer can be: any [`Part`] as JSON, `()` for none, [`Octets`], [`Text`], or for requests
/// alone a [`FileForm`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that the body of an operation can be",
    note = "it is JSON if it is `Serialize`, `Deserialize` and `schemars::JsonSchema`; else there are `Octets`, `Text`, `FileForm` and `()`"
)]
pub trait Content: Sized + 'static {
    /// The media type and its schema, as an OpenAPI document has it (3.1, 4.8.14); `None` where there is no body.
    fn describe(generator: &mut SchemaGenerator) -> Option<(&'static str, Value)>;

    /// Reads it off a request.
    ///
    /// # Errors
    /// 415 if the request says that its body is another type, and those of reading it.
    fn read<S>(request: &mut Request<S>) -> impl Future<Output = Result<Self>>;
}

/// What can be written and read as a whole, by either side.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that can be answered, or sent by a `Caller`",
    note = "it is JSON if it is `Serialize`, `Deserialize` and `schemars::JsonSchema`; else there are `Octets`, `Text` and `()`"
)]
pub trait Whole: Content {
    /// Its media type and bytes; `None` where there is nothing.
    ///
    /// # Errors
    /// If it cannot be written: a map whose keys are no text, say.
    fn write(&self) -> Result<Option<(&'static str, Bytes)>, serde_json::Error>;

    /// Reads it.
    ///
    /// # Errors
    /// If the bytes are something else.
    fn parse(bytes: Bytes) -> Result<Self, serde_json::Error>;
}

const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";
pub(super) const TEXT: &str = "text/plain";

impl<T: Part> Content for T {
    fn describe(generator: &mut SchemaGenerator) -> Option<(&'static str, Value)> {
        Some((JSON, referred_to::<T>(generator)?))
    }

    async fn read<S>(request: &mut Request<S>) -> Result<Self> {
        if is_nothing::<T>() { Ok(nothing()?) } else { request.body_json().await }
    }
}

impl<T: Part> Whole for T {
    fn write(&self) -> Result<Option<(&'static str, Bytes)>, serde_json::Error> {
        if is_nothing::<T>() {
            return Ok(None);
        }
        Ok(Some((JSON, serde_json::to_vec(self)?.into())))
    }

    fn parse(bytes: Bytes) -> Result<Self, serde_json::Error> {
        if is_nothing::<T>() {
            return nothing().map_err(|error: serde::de::value::Error| serde::de::Error::custom(error));
        }
        serde_json::from_slice(&bytes)
    }
}

/// Bytes: `application/octet-stream`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Octets(pub Bytes);

impl Content for Octets {
    fn describe(_: &mut SchemaGenerator) -> Option<(&'static str, Value)> {
        // JSON Schema says nothing of what is no text (OpenAPI 3.1, 4.8.14.2).
        Some((OCTETS, json!({})))
    }

    /// As [`Request::body_bytes`]. What says nothing of its type is taken for bytes.
    async fn read<S>(request: &mut Request<S>) -> Result<Self> {
        check_type(request, OCTETS)?;
        Ok(Self(request.body_bytes().await?))
    }
}

impl Whole for Octets {
    fn write(&self) -> Result<Option<(&'static str, Bytes)>, serde_json::Error> {
        Ok(Some((OCTETS, self.0.clone())))
    }

    fn parse(bytes: Bytes) -> Result<Self, serde_json::Error> {
        Ok(Self(bytes))
    }
}

/// Text in UTF-8: `text/plain`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl Content for Text {
    fn describe(_: &mut SchemaGenerator) -> Option<(&'static str, Value)> {
        Some((TEXT, json!({ "type": "string" })))
    }

    /// As [`Request::body_text`]. What says nothing of its type is taken for text.
    async fn read<S>(request: &mut Request<S>) -> Result<Self> {
        check_type(request, TEXT)?;
        Ok(Self(request.body_text().await?))
    }
}

impl Whole for Text {
    fn write(&self) -> Result<Option<(&'static str, Bytes)>, serde_json::Error> {
        Ok(Some(("text/plain; charset=utf-8", self.0.clone().into())))
    }

    fn parse(bytes: Bytes) -> Result<Self, serde_json::Error> {
        String::from_utf8(bytes.into()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A form with files, read as it comes: `multipart/form-data`, whose parts are described by the properties of `Parts`.
/// A [`File`] is a file.
#[derive(Debug)]
pub struct FileForm<Parts> {
    /// The parts, one after the other.
    pub form: Multipart,
    parts: PhantomData<fn() -> Parts>,
}

impl<Parts: JsonSchema + 'static> Content for FileForm<Parts> {
    fn describe(generator: &mut SchemaGenerator) -> Option<(&'static str, Value)> {
        Some(("multipart/form-data", generator.subschema_for::<Parts>().to_value()))
    }

    /// As [`Multipart`] is refused.
    async fn read<S>(request: &mut Request<S>) -> Result<Self> {
        Ok(Self { form: Multipart::from_request(request).await?, parts: PhantomData })
    }
}

/// A part of a [`FileForm`] that is a file: it stands for its bytes in a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File;

impl JsonSchema for File {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "File".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "contentMediaType": OCTETS })
    }
}

/// Refuses a body that says to be of another type.
fn check_type<S>(request: &Request<S>, expected: &'static str) -> Result<()> {
    let said = request.headers().get(CONTENT_TYPE).map(|value| essence(value.as_bytes()));
    if said.is_none_or(|said| said.eq_ignore_ascii_case(expected.as_bytes())) {
        return Ok(());
    }
    Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail(format!("the body must be {expected}")))
}

/// An answer as a response.
pub(super) fn respond<A: Whole>(answer: &A, status: StatusCode) -> Result<Response> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if let Some((media_type, bytes)) = answer.write()? {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        *response.body_mut() = bytes.into();
    }
    Ok(response)
}
