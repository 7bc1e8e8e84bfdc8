//! The description of an app's operations.

use std::collections::BTreeMap;
use std::rc::Rc;

use http::{Method, StatusCode};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{Operation, Part, is_nothing};

/// What a description says of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About<'a> {
    /// What the app is called.
    pub title: &'a str,
    /// The version of what it can be asked, not of the program: `1.0.0`.
    pub version: &'a str,
    /// What it is for; nothing if empty.
    pub summary: &'a str,
}

/// What a description says, kept until somebody asks for it.
pub(super) struct Owned([String; 3]);

impl From<&About<'_>> for Owned {
    fn from(about: &About<'_>) -> Self {
        Self([about.title, about.version, about.summary].map(str::to_owned))
    }
}

impl Owned {
    pub(super) fn lent(&self) -> About<'_> {
        let [title, version, summary] = &self.0;
        About { title, version, summary }
    }
}

/// An operation whose types are not told any more, but can be described.
#[derive(Clone)]
pub(crate) struct Described {
    method: Method,
    /// Below all that it is nested under.
    path: String,
    name: &'static str,
    summary: &'static str,
    success: StatusCode,
    types: Rc<dyn Fn(&mut SchemaGenerator) -> Types>,
}

/// The schemas of an operation's parts; none where there is nothing.
struct Types {
    params: Option<Value>,
    query: Option<Value>,
    body: Option<Value>,
    answer: Option<Value>,
}

impl Described {
    pub(super) fn new<P: Part, Q: Part, B: Part, A: Part>(operation: &Operation<P, Q, B, A>) -> Self {
        Self {
            method: operation.method.clone(),
            path: operation.path.to_owned(),
            name: operation.name,
            summary: operation.summary,
            success: operation.success(),
            types: Rc::new(|generator| Types {
                params: spread::<P>(generator),
                query: spread::<Q>(generator),
                body: referred_to::<B>(generator),
                answer: referred_to::<A>(generator),
            }),
        }
    }

    /// The same, as an operation of an app that this one's is nested in.
    pub(crate) fn below(&self, prefix: &str) -> Self {
        Self { path: crate::route::join(prefix, &self.path), ..self.clone() }
    }

    fn document(&self, generator: &mut SchemaGenerator) -> Value {
        let types = (self.types)(generator);
        let mut parameters = self.in_path(types.params.as_ref());
        parameters.extend(in_query(types.query.as_ref()));
        let mut document = Map::new();
        if !self.name.is_empty() {
            document.insert("operationId".into(), self.name.into());
        }
        if !self.summary.is_empty() {
            document.insert("summary".into(), self.summary.into());
        }
        if !parameters.is_empty() {
            document.insert("parameters".into(), parameters.into());
        }
        if let Some(body) = types.body {
            let content = json!({ "application/json": { "schema": body } });
            document.insert("requestBody".into(), json!({ "required": true, "content": content }));
        }
        let mut success = json!({ "description": self.success.canonical_reason().unwrap_or("Success") });
        if let Some(answer) = types.answer {
            success["content"] = json!({ "application/json": { "schema": answer } });
        }
        let problem = |whose: &str| {
            json!({
                "description": whose,
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            })
        };
        let (asked, server) = (problem("What is wrong with what was asked"), problem("What is wrong with the server"));
        // Not `default`: that would have another status of success be a problem.
        document.insert("responses".into(), json!({ self.success.as_str(): success, "4XX": asked, "5XX": server }));
        document.into()
    }

    /// The path's parameters, by the names that it has for them.
    fn in_path(&self, schema: Option<&Value>) -> Vec<Value> {
        let names = self.path.split('/').filter_map(|segment| segment.strip_prefix([':', '*']));
        names
            .enumerate()
            .map(|(index, name)| {
                let nothing = &Value::Null;
                let schema = schema.unwrap_or(nothing);
                let own = match (&schema["properties"], &schema["prefixItems"]) {
                    (Value::Object(properties), _) => properties.get(name),
                    (_, Value::Array(items)) => items.get(index),
                    _ => schema.is_object().then_some(schema),
                };
                let text = json!({ "type": "string" });
                parameter("path", name, own.unwrap_or(&text), true)
            })
            .collect()
    }

    /// The path as OpenAPI writes it.
    fn template(&self) -> String {
        let segments = self.path.split('/').map(|segment| match segment.strip_prefix([':', '*']) {
            Some(name) => format!("{{{name}}}"),
            None => segment.to_owned(),
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

fn in_query(schema: Option<&Value>) -> Vec<Value> {
    let Some(schema) = schema else {
        return Vec::new();
    };
    let is_required = |name: &str| {
        schema["required"].as_array().is_some_and(|required| required.iter().any(|own| own.as_str() == Some(name)))
    };
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(|(name, schema)| parameter("query", name, schema, is_required(name))).collect()
}

/// What a property's schema says for people is the parameter's.
fn parameter(place: &str, name: &str, schema: &Value, required: bool) -> Value {
    let mut schema = schema.clone();
    let described = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let mut parameter = json!({ "name": name, "in": place, "required": required, "schema": schema });
    if let Some(description) = described {
        parameter["description"] = description;
    }
    parameter
}

/// A schema as it is, for its properties are looked at.
fn spread<T: JsonSchema + 'static>(generator: &mut SchemaGenerator) -> Option<Value> {
    (!is_nothing::<T>()).then(|| T::json_schema(generator).to_value())
}

/// A schema by its name, if it has one.
fn referred_to<T: JsonSchema + 'static>(generator: &mut SchemaGenerator) -> Option<Value> {
    (!is_nothing::<T>()).then(|| generator.subschema_for::<T>().to_value())
}

/// The whole document. Schemas are in JSON Schema 2020-12, which is OpenAPI 3.1's own.
pub(super) fn of(about: &About<'_>, operations: &[Described]) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let methods = paths.entry(operation.template()).or_default();
        methods.insert(operation.method.as_str().to_ascii_lowercase(), operation.document(&mut generator));
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".into(), problem());
    let mut info = json!({ "title": about.title, "version": about.version });
    if !about.summary.is_empty() {
        info["description"] = about.summary.into();
    }
    json!({ "openapi": "3.1.0", "info": info, "paths": paths, "components": { "schemas": schemas } })
}

/// What is sent when something is wrong (RFC 9457).
fn problem() -> Value {
    json!({
        "type": "object",
        "properties": {
            "type": { "type": "string", "format": "uri-reference" },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string" },
        },
        "required": ["title", "status"],
    })
}
