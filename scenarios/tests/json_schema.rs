//! The JSON Schema for editors tells the same as the reader, as far as it goes.

mod common;

use common::{folder, gallery, registry};
use std::sync::Arc;

use serde_json::Value;
use wavetank_scenarios::plan::Plan;
use wavetank_scenarios::schema::json_schema;

/// The part of JSON Schema 2020-12 that the schema uses; anything else is a failure of this test.
fn accepts(schema: &Value, value: &Value) -> Result<(), String> {
    let Some(rules) = schema.as_object() else {
        return if schema == &Value::Bool(false) { Err("nothing is allowed here".into()) } else { Ok(()) };
    };
    for (rule, wanted) in rules {
        let list = || wanted.as_array().expect("a list of schemas").iter();
        let good = match rule.as_str() {
            "description" | "title" | "examples" | "default" | "format" | "$schema" => true,
            "type" => has_type(wanted, value),
            "const" => wanted == value,
            "enum" => list().any(|allowed| allowed == value),
            "minimum" => value.as_f64() >= wanted.as_f64(),
            "maximum" => !value.is_number() || value.as_f64() <= wanted.as_f64(),
            "minLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap_or(0))
            }
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap_or(0)),
            "pattern" => value.as_str().is_none_or(|text| like(wanted.as_str().expect("a pattern"), text)),
            "required" => {
                value.as_object().is_none_or(|keys| list().all(|key| keys.contains_key(key.as_str().expect("a key"))))
            }
            "allOf" => {
                for part in list() {
                    accepts(part, value)?;
                }
                true
            }
            "anyOf" => list().any(|part| accepts(part, value).is_ok()),
            "oneOf" => list().filter(|part| accepts(part, value).is_ok()).count() == 1,
            "if" => {
                let then = &schema["then"];
                if accepts(wanted, value).is_ok() {
                    accepts(then, value)?;
                }
                true
            }
            "then" => true,
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    accepts(wanted, item).map_err(|why| format!("{index}: {why}"))?;
                }
                true
            }
            "properties" | "additionalProperties" => {
                keys(schema, value)?;
                true
            }
            other => panic!("this test does not know the rule {other}"),
        };
        if !good {
            return Err(format!("{value} breaks {rule} {wanted}"));
        }
    }
    Ok(())
}

fn keys(schema: &Value, value: &Value) -> Result<(), String> {
    for (key, item) in value.as_object().into_iter().flatten() {
        let own = schema["properties"].get(key);
        if let Some(part) = own.or(schema.get("additionalProperties")) {
            accepts(part, item).map_err(|why| format!("{key}: {why}"))?;
        }
    }
    Ok(())
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    match wanted {
        Value::Array(any) => any.iter().any(|wanted| has_type(wanted, value)),
        _ => match wanted.as_str().expect("a type") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            other => panic!("this test does not know the type {other}"),
        },
    }
}

/// A stand-in for a regular expression engine: quantities begin with a number and end with a unit
/// of the pattern's.
fn like(pattern: &str, text: &str) -> bool {
    if pattern.contains("0x") {
        return text.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, 'x' | '_'));
    }
    if let Some((least, most)) = text.split_once("..") {
        return pattern.contains(r"\.\.") && like(pattern, least) && like(pattern, most);
    }
    let text = text.trim().trim_start_matches(['+', '-']);
    if pattern.starts_with("^ *-?[0-9]") {
        return text.chars().all(|c| c.is_ascii_digit() || c == '.' && pattern.contains(r"(\."));
    }
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').trim();
    let units = [
        "ns", "us", "µs", "ms", "s", "min", "h", "d", "bit/s", "kbit/s", "Mbit/s", "B", "kB", "KiB", "%", "ppm", "uA",
        "mA", "mAh", "V", "Ohm",
    ];
    let family = |unit: &str| match unit {
        "%" | "ppm" => "%",
        "B" | "kB" | "KiB" => "B",
        "uA" | "mA" => r")?A\s",
        "mAh" => "Ah",
        "V" => "V",
        "Ohm" => "Ohm",
        _ if unit.ends_with("bit/s") => "bit/s",
        _ => "min",
    };
    text.starts_with(|c: char| c.is_ascii_digit()) && units.contains(&unit) && pattern.contains(family(unit))
}

/// A TOML text as JSON; `None` if it is not TOML.
fn json(text: &str) -> Option<Value> {
    serde_json::to_value(toml::from_str::<toml::Table>(text).ok()?).ok()
}

#[test]
fn every_gallery_scenario_is_accepted() {
    let schema = json_schema(&registry());
    for (name, text) in gallery() {
        let value = json(&text).expect(&name);
        accepts(&schema, &value).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

/// Numbers of every sort may be ranges, and what the schema accepts of them the reader understands.
#[test]
fn numbers_of_every_sort_may_be_ranges() {
    let schema = json_schema(&registry());
    let (_, text) = gallery().into_iter().find(|(name, _)| name == "first-light.toml").expect("in the gallery");
    let with = |loss: &str, drift: &str, value: &str| {
        let text = text.replace("\"1 %\"", &format!("\"{loss}\""));
        let more = [("clock-drift", "drift_ppm", drift), ("sensor-lie", "value", value)].map(|(kind, key, range)| {
            let what = format!("kind = \"{kind}\"\ntarget = \"thermostat-1\"\n{key} = \"{range}\"\n");
            format!("\n[[fault]]\nat = \"2s..4s\"\nfor = \"1s\"\n{what}")
        });
        text + &more.concat()
    };
    let good = with("0..0.05", "-0.5..0.5", "-2.5..-1");
    accepts(&schema, &json(&good).expect("TOML")).unwrap_or_else(|why| panic!("{why}"));
    let Ok(plan) = Plan::read("test.toml", &good, &registry()) else { panic!("not understood: {good}") };
    let plan = Arc::new(plan);
    assert!((0..20).all(|seed| plan.settled(seed).is_ok_and(|plan| plan.settings.len() == 5)));
    for bad in [with("0..x", "1..2", "1..2"), with("0..0.1", "a..2", "1..2"), with("0..0.1", "1..2", "1 m..2 m")] {
        assert!(accepts(&schema, &json(&bad).expect("TOML")).is_err(), "{bad}");
    }
}

#[test]
fn what_is_wrong_by_itself_is_refused() {
    let schema = json_schema(&registry());
    let alone = [
        "empty",
        "missing-keys",
        "unknown-key",
        "version-",
        "wrong-types",
        "units-",
        "verdict-",
        "kind-",
        "config-unknown",
        "config-missing",
        "config-of-another",
        "config-wrong",
        "fault-restart",
        "expect-demands",
        "out-of-range",
    ];
    let mut refused = 0;
    for (name, text) in folder("tests/broken") {
        let Some(value) = json(&text) else { continue };
        if alone.iter().any(|prefix| name.starts_with(prefix)) {
            assert!(accepts(&schema, &value).is_err(), "{name} is accepted");
            refused += 1;
        }
    }
    assert!(refused >= 15, "only {refused} files were tried");
}

#[test]
fn kinds_bring_their_own_configuration() {
    let schema = json_schema(&registry());
    let rules = &schema["properties"]["node"]["additionalProperties"]["allOf"];
    let rules = rules.as_array().expect("a rule a kind");
    assert_eq!(rules.len(), registry().iter().len());
    let is_of = |rule: &&Value, kind: &str| rule["if"]["properties"]["kind"]["const"] == kind;
    let thermostat = rules.iter().find(|rule| is_of(rule, "thermostat")).expect("a rule for thermostats");
    let thermostat = &thermostat["then"]["properties"]["config"];
    assert_eq!(thermostat["properties"]["period"]["default"], "1s");
    assert!(thermostat["properties"]["hub"]["description"].as_str().is_some_and(|doc| doc.contains("10.0.0.2:8080")));
}
