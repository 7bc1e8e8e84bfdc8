//! The pages that nobody writes: what can go wrong and what a node can be, as the command lists them.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use wavetank::Registry;
use wavetank::scenarios::Kind;
use wavetank::scenarios::schema::{Listed, Sort, listing};

use crate::pages::{blesses, book};

const FAULTS: &str = "\
# Faults, impairments, storms, media

Written by `cargo xtask book --bless` from what `wavetank faults` lists; every example is a test
(`scenarios/tests/sea.rs`). A quantity is a text with its unit, such as `\"250ms\"`; where a range or a choice stands
instead, the seed settles it.
";

const KINDS: &str = "\
# Kinds of node

Written by `cargo xtask book --bless` from what `wavetank kinds` lists: the kinds that wavetank brings along. Your own
are made as in [A kind of node of your own](../tank/kind.md).
";

/// A cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

fn faults() -> String {
    let mut page = FAULTS.to_owned();
    for (sort, title) in [
        (Sort::Fault, "Faults: entries `[[fault]]`"),
        (Sort::Impairment, "Impairments: keys of a `[profile.NAME]`, or of its `up` and `down`"),
        (Sort::Storm, "Storms: entries `[[storm]]`"),
        (Sort::Medium, "Shared media: what a `[network.NAME]` says of the air"),
    ] {
        write!(page, "\n## {title}\n").expect("a string takes all");
        for listed in listing().iter().filter(|listed| listed.sort == sort) {
            write!(page, "\n{}", entry(listed)).expect("a string takes all");
        }
    }
    page
}

fn entry(listed: &Listed) -> String {
    let mut entry = format!("### {}\n\n{}\n", listed.name, cell(listed.doc));
    if !listed.parameters.is_empty() {
        entry += "\n| key | value | what it means |\n|---|---|---|\n";
        for parameter in &listed.parameters {
            let must = if parameter.required { " (needed)" } else { "" };
            let (value, doc) = (cell(&parameter.value), cell(parameter.doc));
            writeln!(entry, "| `{}`{must} | {value} | {doc} |", parameter.key).expect("a string takes all");
        }
    }
    // Not a block of TOML: those are shown from files.
    write!(entry, "\n```text\n{}\n```\n", listed.example.trim_end()).expect("a string takes all");
    entry
}

fn kinds() -> String {
    let mut page = KINDS.to_owned();
    for kind in &Registry::builtin() {
        write!(page, "\n## {}\n\n{}\n", kind.name(), cell(kind.summary())).expect("a string takes all");
        let rows = |rows: &[(&str, String)], title: &str| table(title, rows);
        let mut config = Vec::new();
        keys("", kind.schema().as_value(), &mut config);
        let config: Vec<(&str, String)> = config.iter().map(|(key, doc)| (key.as_str(), doc.clone())).collect();
        page += &rows(&config, "config");
        page += &rows(&parts(&**kind), "part");
        page += &rows(
            &kind.metrics().iter().map(|metric| (metric.name, metric.doc.to_owned())).collect::<Vec<_>>(),
            "metric",
        );
        page += &rows(&kind.flows().iter().map(|flow| (flow.name, flow.doc.to_owned())).collect::<Vec<_>>(), "flow");
        let histories: Vec<_> = kind.histories().iter().map(|history| (history.name, history.doc.to_owned())).collect();
        page += &rows(&histories, "history");
    }
    page
}

fn parts(kind: &dyn Kind) -> Vec<(&'static str, String)> {
    kind.parts().iter().map(|part| (part.name, format!("{}: {}", part.sort.name(), part.doc))).collect()
}

fn table(title: &str, rows: &[(&str, String)]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: String = rows.iter().map(|(name, doc)| format!("| `{name}` | {} |\n", cell(doc))).collect();
    format!("\n| {title} | |\n|---|---|\n{rows}")
}

/// The keys of a configuration with what its schema says of them, those of tables behind their tables' names.
fn keys(prefix: &str, schema: &Value, rows: &mut Vec<(String, String)>) {
    let needed = |key: &str| schema["required"].as_array().is_some_and(|keys| keys.iter().any(|needed| needed == key));
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let mut doc = property["description"].as_str().unwrap_or_default().to_owned();
        match &property["default"] {
            _ if needed(key) => doc += " (needed)",
            Value::Null | Value::Object(_) => {}
            default => write!(doc, " (default: {default})").expect("a string takes all"),
        }
        rows.push((format!("{prefix}{key}"), doc));
        keys(&format!("{prefix}{key}."), property, rows);
    }
}

fn compare(name: &str, page: &str) {
    let file = book().join("src/reference").join(name);
    if blesses() {
        fs::write(&file, page).expect("a page can be written");
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(written == page, "book/src/reference/{name} is not what the command lists; cargo xtask book --bless");
}

#[test]
fn the_page_of_faults_is_what_the_command_lists() {
    compare("faults.md", &faults());
}

#[test]
fn the_page_of_kinds_is_what_the_command_lists() {
    compare("kinds.md", &kinds());
}
