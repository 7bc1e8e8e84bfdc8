//! `wavetank kinds`: what a node can be.

use std::io::Write;

use anstyle::Style;
use serde_json::{Value, json};
use wavetank_scenarios::{Kind, Registry};

use crate::arguments::Kinds;
use crate::command::Trouble;
use crate::exit::Exit;

const NAME: Style = Style::new().bold();

/// Lists the registry.
pub(crate) fn run(arguments: &Kinds, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    if arguments.json {
        let kinds: Value = registry.iter().map(|kind| object(&**kind)).collect();
        writeln!(out, "{kinds:#}")?;
        return Ok(Exit::Pass);
    }
    for (index, kind) in registry.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write!(out, "{}", text(&**kind))?;
    }
    Ok(Exit::Pass)
}

fn text(kind: &dyn Kind) -> String {
    let mut text = format!("{NAME}{}{NAME:#}  {}\n", kind.name(), kind.summary());
    let config = options(kind);
    let metrics: Vec<(&str, &str)> = kind.metrics().iter().map(|metric| (metric.name, metric.doc)).collect();
    let flows: Vec<(&str, &str)> = kind.flows().iter().map(|flow| (flow.name, flow.doc)).collect();
    let config: Vec<(&str, &str)> = config.iter().map(|(name, doc)| (name.as_str(), doc.as_str())).collect();
    for (title, rows) in [("config", config), ("metrics", metrics), ("flows", flows)] {
        if rows.is_empty() {
            continue;
        }
        text.push_str(&format!("  {title}\n"));
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, doc) in rows {
            text.push_str(&format!("    {name:width$}  {doc}"));
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
    }
    text
}

/// The keys of a kind's configuration with what their schema says of them, on one line.
fn options(kind: &dyn Kind) -> Vec<(String, String)> {
    let schema = kind.schema();
    let properties = schema.get("properties").and_then(Value::as_object);
    let described = |(key, property): (&String, &Value)| {
        let doc = property.get("description").and_then(Value::as_str).unwrap_or_default();
        (key.clone(), doc.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    properties.into_iter().flatten().map(described).collect()
}

fn object(kind: &dyn Kind) -> Value {
    let metrics: Value =
        kind.metrics().iter().map(|metric| json!({ "name": metric.name, "doc": metric.doc })).collect();
    let flows: Value = kind.flows().iter().map(|flow| json!({ "name": flow.name, "doc": flow.doc })).collect();
    json!({
        "name": kind.name(),
        "summary": kind.summary(),
        "config": kind.schema(),
        "metrics": metrics,
        "flows": flows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_with_what_it_reports() {
        let mut out = Vec::new();
        run(&Kinds { json: false }, &Registry::builtin(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for kind in &Registry::builtin() {
            assert!(text.contains(kind.name()), "{text}");
            for metric in kind.metrics() {
                assert!(text.contains(metric.name), "{text}");
            }
        }
    }

    #[test]
    fn the_json_array_has_every_kinds_schema() {
        let mut out = Vec::new();
        run(&Kinds { json: true }, &Registry::builtin(), &mut out).unwrap();
        let kinds: Vec<Value> = serde_json::from_slice(&out).unwrap();
        assert_eq!(kinds.len(), Registry::builtin().iter().count());
        assert!(kinds.iter().all(|kind| kind["config"].is_object() && kind["name"].is_string()));
    }
}
