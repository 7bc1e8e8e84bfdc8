//! The language as a JSON Schema, so that editors can complete and check scenario files.

use serde_json::{Map, Value, json};

use super::language::{FAULTS, Field, Lasting, SCENARIO, Shape, Table};
use crate::registry::Registry;
use crate::units::{Charge, Current, Probability, Rate, Resistance, SignedSize, SignedTime, Size, Time, Voltage};

/// The JSON Schema (2020-12) of scenario files, with the registry's kinds.
///
/// It knows what stands alone: keys, types, units, words, kinds and their configurations. What
/// names mean together is left to [`Plan::read`](crate::plan::Plan::read).
#[must_use]
pub fn json_schema(registry: &Registry) -> Value {
    let mut schema = table(&SCENARIO, registry);
    if let Some(root) = schema.as_object_mut() {
        root.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        root.insert("title".into(), "wavetank scenario".into());
    }
    schema
}

fn table(shape: &Table, registry: &Registry) -> Value {
    let mut properties = Map::new();
    for field in shape.fields {
        properties.insert(field.key.into(), property(field, registry));
    }
    let required = shape.fields.iter().filter(|field| field.required);
    let mut schema = json!({
        "type": "object",
        "description": shape.doc,
        "properties": properties,
        "required": required.map(|field| field.key).collect::<Vec<_>>(),
        "additionalProperties": false,
    });
    let has = |key: &str| shape.field(key).map(|field| field.shape);
    if let Some(Shape::Kind) = has("kind") {
        schema["allOf"] = registry.iter().map(|kind| kind_rule(&**kind)).collect();
    }
    if let Some(Shape::Fault) = has("kind") {
        schema["allOf"] = FAULTS
            .iter()
            .filter(|row| row.lasting == Lasting::No)
            .map(|row| json!({ "if": is_kind(row.name), "then": { "properties": { "for": false } } }))
            .collect();
    }
    if has("stable").is_some() {
        let demands = ["always", "never", "eventually", "stable", "sometimes", "flow", "linearizable"];
        schema["oneOf"] = demands.iter().map(|key| json!({ "required": [key] })).collect();
    }
    if has("unique").is_some() {
        schema["oneOf"] = json!([
            { "required": ["every", "reaches"] },
            { "required": ["every", "once"] },
            { "required": ["unique"] },
        ]);
    }
    schema
}

fn is_kind(name: &str) -> Value {
    json!({ "properties": { "kind": { "const": name } }, "required": ["kind"] })
}

/// A node of this kind has a configuration of this kind.
fn kind_rule(kind: &dyn crate::registry::Kind) -> Value {
    let schema = kind.schema();
    let config = schema.as_value();
    let demands = config.get("required").and_then(Value::as_array);
    let mut then = json!({ "properties": { "config": config } });
    let mut required = Vec::new();
    if kind.is_access_point() {
        then["properties"]["address"] = json!(false);
    } else {
        required.push("address");
    }
    if demands.is_some_and(|demands| !demands.is_empty()) {
        required.push("config");
    }
    then["required"] = json!(required);
    json!({ "if": is_kind(kind.name()), "then": then })
}

fn property(field: &Field, registry: &Registry) -> Value {
    let mut schema = or_left_open(value(field.shape, registry), field.shape);
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".into(), field.doc.into());
    }
    schema
}

/// What holds one quantity or word may be left to the seed.
fn or_left_open(settled: Value, shape: Shape) -> Value {
    let from_to = |number: &str| json!({ "type": "string", "pattern": format!("^ *{number} *\\.\\. *{number} *$") });
    let range = match shape {
        Shape::Integer { .. } => from_to("-?[0-9]+"),
        Shape::Number | Shape::Drift | Shape::Probability | Shape::ProbabilityOr(_) => from_to("-?[0-9]+(\\.[0-9]*)?"),
        Shape::Time
        | Shape::SignedTime
        | Shape::SignedSize
        | Shape::Rate
        | Shape::Size
        | Shape::Charge
        | Shape::Current
        | Shape::Voltage
        | Shape::Resistance
        | Shape::SizeOr(_)
        | Shape::Fault
        | Shape::Word(_) => Value::Null,
        _ => return settled,
    };
    let choice = json!({
        "type": "object",
        "description": "One of these, as the seed draws.",
        "properties": { "one_of": { "type": "array", "items": settled, "minItems": 1 } },
        "required": ["one_of"],
        "additionalProperties": false,
    });
    let any: Vec<Value> = [settled, range, choice].into_iter().filter(|schema| !schema.is_null()).collect();
    json!({ "anyOf": any })
}

fn value(shape: Shape, registry: &Registry) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string", "minLength": 1 }),
        Shape::Expression => json!({
            "type": "string",
            "minLength": 1,
            "examples": ["metric(\"hub\", \"devices.online\") == 3"],
        }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Seed => json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^(0x[0-9a-fA-F_]+|[0-9]+)$" },
        ] }),
        Shape::Time => unit::<Time>(),
        Shape::SignedTime => unit::<SignedTime>(),
        Shape::SignedSize => unit::<SignedSize>(),
        Shape::Rate => unit::<Rate>(),
        Shape::Size => unit::<Size>(),
        Shape::Probability => json!({ "anyOf": [
            { "type": "number", "minimum": 0, "maximum": 1 },
            unit::<Probability>(),
        ] }),
        Shape::Charge => unit::<Charge>(),
        Shape::Current => unit::<Current>(),
        Shape::Voltage => unit::<Voltage>(),
        Shape::Resistance => unit::<Resistance>(),
        Shape::Currents => json!({ "type": "object", "additionalProperties": unit::<Current>() }),
        Shape::VoltageByCharge => json!({ "type": "object", "additionalProperties": unit::<Voltage>() }),
        Shape::Points => json!({
            "type": "array",
            "items": { "type": "array", "items": { "anyOf": [unit::<Time>(), { "type": "number" }] }, "minItems": 2 },
            "minItems": 1,
        }),
        Shape::Drift => json!({ "type": "number", "minimum": -100_000, "maximum": 100_000 }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Moment => json!({ "anyOf": [{ "const": "calm" }, unit::<Time>()] }),
        Shape::Word(words) => words_of(words.iter().copied()),
        Shape::Words(words) => json!({ "type": "array", "items": words_of(words.iter().copied()) }),
        Shape::Integers { min, max } => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": min, "maximum": max }, "minItems": 1 })
        }
        Shape::Fault => words_of(FAULTS.iter().map(|row| (row.name, row.doc))),
        Shape::Kind => words_of(registry.iter().map(|kind| (kind.name(), kind.summary()))),
        Shape::Config => json!({ "type": "object" }),
        Shape::Names => one_or_many(),
        Shape::Subnets => one_or_many(),
        Shape::NamesByKey => json!({ "type": "object", "additionalProperties": one_or_many() }),
        Shape::Addresses => json!({ "anyOf": [
            one_or_many(),
            { "type": "object", "additionalProperties": one_or_many() },
        ] }),
        Shape::Table(shape) => table(shape, registry),
        Shape::ProbabilityOr(shape) => json!({ "anyOf": [
            { "type": "number", "minimum": 0, "maximum": 1 },
            unit::<Probability>(),
            table(shape, registry),
        ] }),
        Shape::SizeOr(shape) => json!({ "anyOf": [unit::<Size>(), table(shape, registry)] }),
        Shape::Map(shape) => {
            json!({ "type": "object", "additionalProperties": table(shape, registry) })
        }
        Shape::List(shape) => json!({ "type": "array", "items": table(shape, registry) }),
    }
}

fn unit<T: schemars::JsonSchema>() -> Value {
    T::json_schema(&mut schemars::SchemaGenerator::default()).to_value()
}

fn one_or_many() -> Value {
    json!({ "anyOf": [
        { "type": "string" },
        { "type": "array", "items": { "type": "string" }, "minItems": 1 },
    ] })
}

/// Words with what they mean, which editors show beside each.
fn words_of<'a>(words: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let each = words.map(|(word, doc)| json!({ "const": word, "description": doc }));
    json!({ "oneOf": each.collect::<Vec<_>>() })
}
