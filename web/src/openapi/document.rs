//! The description of an app's operations.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use http::{Method, StatusCode};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::content::TEXT;
use super::{Content, More, Operation, Part, Security, is_nothing};
use crate::RouteError;

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
    /// The host that it is answered for alone, if there is one.
    host: Option<String>,
    name: &'static str,
    summary: &'static str,
    success: StatusCode,
    more: More,
    /// What must be shown to what surrounds it.
    security: BTreeSet<Security>,
    types: Rc<dyn Fn(&mut SchemaGenerator) -> Types>,
    /// Of the types.
    identity: TypeId,
}

/// The schemas of an operation's parts; none where there is nothing.
struct Types {
    params: Option<Value>,
    query: Option<Value>,
    body: Option<(&'static str, Value)>,
    answer: Option<(&'static str, Value)>,
}

impl Described {
    pub(super) fn new<P: Part, Q: Part, B: Content, A: Content>(operation: &Operation<P, Q, B, A>) -> Self {
        Self {
            method: operation.method.clone(),
            path: operation.path.to_owned(),
            host: None,
            name: operation.name,
            summary: operation.summary,
            success: operation.success(),
            more: operation.more,
            security: operation.more.security.iter().filter(|own| own.always).map(|own| own.by).collect(),
            types: Rc::new(|generator| Types {
                params: spread::<P>(generator),
                query: spread::<Q>(generator),
                body: B::describe(generator),
                answer: A::describe(generator),
            }),
            identity: TypeId::of::<super::Types<P, Q, B, A>>(),
        }
    }

    /// The same, as an operation of an app that this one's is nested in.
    pub(crate) fn below(&self, prefix: &str) -> Self {
        Self { path: crate::route::join(prefix, &self.path), ..self.clone() }
    }

    /// The same, as an operation of an app for this host alone.
    pub(crate) fn at_host(&self, host: &str) -> Self {
        Self { host: Some(host.to_owned()), ..self.clone() }
    }

    /// The same, surrounded by what asks for this.
    pub(crate) fn behind(&self, security: &[Security]) -> Self {
        let mut surrounded = self.clone();
        surrounded.security.extend(security);
        surrounded
    }

    /// What must be shown, as alternatives (OpenAPI 3.1, 4.8.30), and all that may be.
    fn requirements(&self) -> (Option<Value>, BTreeSet<Security>) {
        let all = |shown: &BTreeSet<Security>| -> Value {
            shown.iter().map(|by| (scheme(*by).to_owned(), json!([]))).collect::<Map<_, _>>().into()
        };
        match self.more.security {
            Some(own) if !own.always && self.security.is_empty() => {
                let shown = BTreeSet::from([own.by]);
                (Some(json!([{}, all(&shown)])), shown)
            }
            _ => ((!self.security.is_empty()).then(|| json!([all(&self.security)])), self.security.clone()),
        }
    }

    /// Whether OpenAPI has one place for this one and that: the same method of paths that differ in the names of their parameters
    /// alone (OpenAPI 3.1, 4.8.8), whatever host they are of, and whether a parameter is a segment or all that is left.
    fn shares_its_place_with(&self, other: &Self) -> bool {
        self.method == other.method && shape(&self.path) == shape(&other.path)
    }

    /// Whether this is the same operation as that, but for its host.
    fn is(&self, other: &Self) -> bool {
        (&self.path, self.name, self.summary, self.success, self.identity, self.requirements())
            == (&other.path, other.name, other.summary, other.success, other.identity, other.requirements())
    }

    /// Its path's parameters are called as in `template`, which is its own or of the same shape.
    fn document(&self, generator: &mut SchemaGenerator, template: &str) -> Value {
        let types = (self.types)(generator);
        let mut parameters = self.in_path(types.params.as_ref(), template);
        parameters.extend(in_query(types.query.as_ref()));
        parameters.extend(self.more.headers.iter().map(|(name, what)| in_header(name, what)));
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
        if let Some((media_type, schema)) = types.body {
            let content = json!({ media_type: { "schema": schema } });
            document.insert("requestBody".into(), json!({ "required": true, "content": content }));
        }
        if let Some(requirements) = self.requirements().0 {
            document.insert("security".into(), requirements);
        }
        let mut responses = Map::new();
        let content = types.answer.map(|(media_type, schema)| {
            let mut content = json!({ media_type: { "schema": schema } });
            if self.more.has_text {
                content[TEXT] = json!({ "schema": { "type": "string" } });
            }
            content
        });
        let mut succeed = |status: StatusCode, description: &str| {
            let mut success = json!({ "description": description });
            if let Some(content) = content.as_ref().filter(|_| status != StatusCode::NO_CONTENT) {
                success["content"] = content.clone();
            }
            responses.insert(status.as_str().to_owned(), success);
        };
        succeed(self.success, self.success.canonical_reason().unwrap_or("Success"));
        for (status, when) in self.more.also {
            succeed(StatusCode::from_u16(*status).expect("`also` takes those of success"), when);
        }
        let problem = |whose: &str| {
            json!({
                "description": whose,
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            })
        };
        // Not `default`: that would have another status of success be a problem.
        responses.insert("4XX".into(), problem("What is wrong with what was asked"));
        responses.insert("5XX".into(), problem("What is wrong with the server"));
        document.insert("responses".into(), responses.into());
        document.into()
    }

    /// The path's parameters, by the names that it has for them. A tuple is of the last ones, and a single value is the last, as
    /// for whoever reads them: those before are of what the app is nested under.
    fn in_path(&self, schema: Option<&Value>, template: &str) -> Vec<Value> {
        let names: Vec<&str> = self.path.split('/').filter_map(|segment| segment.strip_prefix([':', '*'])).collect();
        let schema = schema.unwrap_or(&Value::Null);
        let own = |index: usize, name: &str| match (&schema["properties"], &schema["prefixItems"]) {
            (Value::Object(properties), _) => properties.get(name),
            (_, Value::Array(items)) => {
                (index + items.len()).checked_sub(names.len()).and_then(|index| items.get(index))
            }
            _ => (schema.is_object() && index + 1 == names.len()).then_some(schema),
        };
        let text = json!({ "type": "string" });
        let written = template.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let described = names.iter().zip(written).enumerate();
        described
            .map(|(index, (name, written))| parameter("path", written, own(index, name).unwrap_or(&text), true))
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

    /// Where it is to be asked, for one that is not asked where the others are (OpenAPI 3.1, 4.8.5). Whether that is secured is
    /// as of the document.
    fn server(host: &str) -> Value {
        match host.strip_prefix("*.") {
            Some(domain) => json!({
                "url": format!("//{{name}}.{domain}/"),
                "variables": { "name": { "default": "www", "description": format!("Any name below {domain}") } },
            }),
            None => json!({ "url": format!("//{host}/") }),
        }
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.host.as_deref().unwrap_or_default(), self.path)
    }
}

/// A path without the names of its parameters.
fn shape(path: &str) -> Vec<Option<&str>> {
    path.split('/').map(|segment| (!segment.starts_with([':', '*'])).then_some(segment)).collect()
}

/// Two operations for which a document has but one place, if there are any.
///
/// # Errors
/// [`RouteError::SamePlace`], which names both.
pub(super) fn check(operations: &[Described]) -> Result<(), RouteError> {
    for (index, operation) in operations.iter().enumerate() {
        let clash =
            operations[..index].iter().find(|other| operation.shares_its_place_with(other) && !operation.is(other));
        if let Some(other) = clash {
            return Err(RouteError::SamePlace { operation: operation.to_string(), with: other.to_string() });
        }
    }
    Ok(())
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

fn in_header(name: &str, what: &str) -> Value {
    parameter("header", name, &json!({ "type": "string", "description": what }), false)
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
pub(super) fn referred_to<T: JsonSchema + 'static>(generator: &mut SchemaGenerator) -> Option<Value> {
    (!is_nothing::<T>()).then(|| generator.subschema_for::<T>().to_value())
}

/// The whole document, of operations that [`check`] has nothing against and whose app is at `root`. Schemas are in JSON Schema
/// 2020-12, which is OpenAPI 3.1's own.
pub(super) fn of(about: &About<'_>, operations: &[Described], root: &str) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut templates: BTreeMap<Vec<Option<&str>>, String> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for (index, operation) in operations.iter().enumerate() {
        let has_place = |other: &&Described| operation.shares_its_place_with(other);
        if operations[..index].iter().any(|other| has_place(&other)) {
            continue;
        }
        // Paths of one shape are one path (OpenAPI 3.1, 4.8.8), by the names of the first.
        let template = templates.entry(shape(&operation.path)).or_insert_with(|| operation.template());
        let mut document = operation.document(&mut generator, template);
        // No two may bear one name (OpenAPI 3.1, 4.8.10): those of an app that is nested twice would.
        if !names.insert(operation.name)
            && let Some(fields) = document.as_object_mut()
        {
            fields.remove("operationId");
        }
        let hosts: Vec<Option<&str>> =
            operations[index..].iter().filter(has_place).map(|operation| operation.host.as_deref()).collect();
        if hosts.iter().any(Option::is_some) {
            let server = |host: &Option<&str>| host.map_or_else(|| json!({ "url": root }), Described::server);
            document["servers"] = hosts.iter().map(server).collect();
        }
        let methods = paths.entry(template.clone()).or_default();
        methods.insert(operation.method.as_str().to_ascii_lowercase(), document);
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".into(), problem());
    let mut info = json!({ "title": about.title, "version": about.version });
    if !about.summary.is_empty() {
        info["description"] = about.summary.into();
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": info,
        "servers": [{ "url": root }],
        "paths": paths,
        "components": { "schemas": schemas },
    });
    let shown: BTreeSet<Security> = operations.iter().flat_map(|operation| operation.requirements().1).collect();
    if !shown.is_empty() {
        let schemes =
            shown.into_iter().map(|by| (scheme(by).to_owned(), json!({ "type": "http", "scheme": scheme(by) })));
        document["components"]["securitySchemes"] = schemes.collect::<Map<_, _>>().into();
    }
    document
}

/// What HTTP calls it (RFC 9110, 11.1), and a document, too.
fn scheme(by: Security) -> &'static str {
    match by {
        Security::Basic => "basic",
        Security::Bearer => "bearer",
    }
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
