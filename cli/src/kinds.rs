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
    let histories: Vec<(&str, &str)> = kind.histories().iter().map(|history| (history.name, history.doc)).collect();
    let config: Vec<(&str, &str)> = config.iter().map(|(name, doc)| (name.as_str(), doc.as_str())).collect();
    let parts: Vec<(&str, String)> =
        kind.parts().iter().map(|part| (part.name, format!("{}: {}", part.sort.name(), part.doc))).collect();
    let parts = parts.iter().map(|(name, doc)| (*name, doc.as_str())).collect();
    for (title, rows) in
        [("config", config), ("parts", parts), ("metrics", metrics), ("flows", flows), ("histories", histories)]
    {
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

/// The keys of a kind's configuration, and of the tables nested in it, with what their schema says of them, on one line.
fn options(kind: &dyn Kind) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    collect("", kind.schema().as_value(), &mut rows);
    rows
}

/// What must be written comes first, nested tables last.
fn collect(prefix: &str, schema: &Value, rows: &mut Vec<(String, String)>) {
    let properties: Vec<(&String, &Value)> =
        schema.get("properties").and_then(Value::as_object).into_iter().flatten().collect();
    let required = |name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.into_iter().flatten().any(|required| required == name)
    };
    let nested = |property: &Value| property.get("properties").is_some();
    let (tables, values): (Vec<_>, Vec<_>) = properties.into_iter().partition(|(_, property)| nested(property));
    let (must, may): (Vec<_>, Vec<_>) = values.into_iter().partition(|(name, _)| required(name));
    for (name, property) in must.into_iter().chain(may).chain(tables) {
        let doc = property.get("description").and_then(Value::as_str).unwrap_or_default();
        let mut told = doc.split_whitespace().collect::<Vec<_>>().join(" ");
        match property.get("default") {
            _ if required(name) => told.push_str(" [required]"),
            Some(default) if !nested(property) && !default.is_null() => {
                told.push_str(&format!(" [default: {default}]"));
            }
            _ => {}
        }
        rows.push((format!("{prefix}{name}"), told));
        if nested(property) {
            collect(&format!("{prefix}{name}."), property, rows);
        }
    }
}

fn object(kind: &dyn Kind) -> Value {
    let metrics: Value =
        kind.metrics().iter().map(|metric| json!({ "name": metric.name, "doc": metric.doc })).collect();
    let flows: Value = kind.flows().iter().map(|flow| json!({ "name": flow.name, "doc": flow.doc })).collect();
    let histories: Value =
        kind.histories().iter().map(|history| json!({ "name": history.name, "doc": history.doc })).collect();
    let parts: Value = kind
        .parts()
        .iter()
        .map(|part| json!({ "name": part.name, "sort": part.sort.name(), "doc": part.doc }))
        .collect();
    json!({
        "name": kind.name(),
        "summary": kind.summary(),
        "config": kind.schema(),
        "parts": parts,
        "metrics": metrics,
        "flows": flows,
        "histories": histories,
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
    fn what_is_required_comes_first_and_nested_tables_are_told_with_their_defaults() {
        let registry = Registry::builtin();
        let text = anstream::adapter::strip_str(&text(&**registry.kind("thermostat").unwrap())).to_string();
        let rows: Vec<&str> = text
            .lines()
            .skip(2)
            .take_while(|line| !matches!(*line, "  parts" | "  metrics"))
            .map(str::trim_end)
            .collect();
        assert!(rows[0].starts_with("    hub ") && rows[0].ends_with(" [required]"), "{text}");
        assert!(rows.iter().any(|row| row.starts_with("    period ") && row.ends_with(" [default: \"1s\"]")), "{text}");
        let nested = rows.iter().position(|row| row.starts_with("    sensor ")).unwrap();
        let end = rows[nested + 1..].iter().position(|row| !row.starts_with("    sensor.")).unwrap() + nested + 1;
        assert!(end > nested + 1 && rows[end].starts_with("    updates "), "{text}");
        assert!(rows[end + 1..].iter().all(|row| row.starts_with("    updates.")), "{text}");
        let mean = rows.iter().find(|row| row.starts_with("    sensor.mean_millicelsius ")).unwrap();
        assert!(mean.ends_with(" [default: 21000]"), "{text}");
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
