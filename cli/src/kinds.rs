//! `wavetank kinds`: what a node can be.

use std::io::Write;
use std::sync::Arc;

use anstyle::Style;
use serde_json::{Value, json};
use wavetank_scenarios::diagnose::{did_you_mean, list};
use wavetank_scenarios::registry::STACK_METRICS;
use wavetank_scenarios::{Kind, Registry};

use crate::arguments::Kinds;
use crate::command::Trouble;
use crate::exit::Exit;

const NAME: Style = Style::new().bold();

/// Lists the registry, or what of it is asked for.
pub(crate) fn run(arguments: &Kinds, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    let kinds = match &arguments.names[..] {
        [] => registry.iter().collect(),
        names => names.iter().map(|name| find(name, registry)).collect::<Result<Vec<_>, _>>()?,
    };
    if arguments.json {
        let kinds: Value = kinds.iter().map(|kind| object(&***kind)).collect();
        writeln!(out, "{kinds:#}")?;
        return Ok(Exit::Pass);
    }
    for (index, kind) in kinds.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write!(out, "{}", text(&***kind))?;
    }
    Ok(Exit::Pass)
}

fn find<'r>(name: &str, registry: &'r Registry) -> Result<&'r Arc<dyn Kind>, String> {
    registry.kind(name).ok_or_else(|| {
        let names = || registry.iter().map(|kind| kind.name());
        let meant = did_you_mean(name, names()).map(|meant| format!("did you mean \"{meant}\"? The "));
        let (meant, all) = (meant.unwrap_or_default(), list(names()));
        format!("there is no kind of node called \"{name}\": {meant}kinds are {all}")
    })
}

fn text(kind: &dyn Kind) -> String {
    let mut text = format!("{NAME}{}{NAME:#}  {}\n", kind.name(), kind.summary());
    let config = options(kind);
    let mut metrics: Vec<(&str, &str)> = kind.metrics().iter().map(|metric| (metric.name, metric.doc)).collect();
    if kind.counts_its_stack() {
        metrics.push(("stack.*", "what its network stack drops, sends again and resets: in --json by name"));
    }
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
    let of_stack = if kind.counts_its_stack() { &STACK_METRICS[..] } else { &[] };
    let metrics: Value =
        kind.metrics().iter().chain(of_stack).map(|metric| json!({ "name": metric.name, "doc": metric.doc })).collect();
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
        run(&Kinds { names: Vec::new(), json: false }, &Registry::builtin(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for kind in &Registry::builtin() {
            assert!(text.contains(kind.name()), "{text}");
            for metric in kind.metrics() {
                assert!(text.contains(metric.name), "{text}");
            }
        }
    }

    #[test]
    fn those_that_are_asked_for_are_shown_alone_and_others_are_said_not_to_be_there() {
        let ask = |names: &[&str], json| {
            let mut out = Vec::new();
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let outcome = run(&Kinds { names, json }, &Registry::builtin(), &mut out);
            (outcome, anstream::adapter::strip_bytes(&out).into_vec())
        };
        let (outcome, text) = ask(&["pinger", "lamp"], false);
        assert!(outcome.is_ok());
        let text = String::from_utf8(text).unwrap();
        let titles: Vec<&str> = text.lines().filter(|line| line.starts_with(|char: char| char != ' ')).collect();
        assert!(titles.len() == 2 && titles[0].starts_with("pinger ") && titles[1].starts_with("lamp "), "{text}");
        let kinds: Vec<Value> = serde_json::from_slice(&ask(&["lamp"], true).1).unwrap();
        assert_eq!((kinds.len(), &kinds[0]["name"]), (1, &json!("lamp")));
        let wrong = find("termostat", &Registry::builtin()).err().unwrap();
        let expected = "there is no kind of node called \"termostat\": did you mean \"thermostat\"? The kinds are `";
        assert!(wrong.starts_with(expected), "{wrong}");
        assert!(ask(&["lamp", "termostat"], false).0.is_err());
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
        run(&Kinds { names: Vec::new(), json: true }, &Registry::builtin(), &mut out).unwrap();
        let kinds: Vec<Value> = serde_json::from_slice(&out).unwrap();
        assert_eq!(kinds.len(), Registry::builtin().iter().count());
        assert!(kinds.iter().all(|kind| kind["config"].is_object() && kind["name"].is_string()));
    }
}
