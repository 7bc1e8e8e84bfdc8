//! The pages that nobody writes: what can go wrong and what a node can be, as the command lists them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use wavetank::Registry;
use wavetank::scenarios::Kind;
use wavetank::scenarios::registry::STACK_METRICS;
use wavetank::scenarios::schema::{Listed, Parameter, Sort, listing};

use crate::pages::{blesses, book, nothing_found, write};

const FAULTS: &str = "\
# Faults, impairments, storms, media

Written by `cargo xtask book --bless` from what `wavetank faults` lists. Every example is a test (`scenarios/tests/sea.rs`). A
quantity is a text with its unit, such as `\"250ms\"`. Where a range or a choice stands instead, the seed settles it
([A scenario of your own](../tank/scenario.md#what-can-go-wrong)).
";

const KINDS: &str = "\
# Kinds of node

Written by `cargo xtask book --bless` from what `wavetank kinds` lists: the kinds that wavetank brings along. Your own are made
as in [A kind of node of your own](../tank/kind.md). What can ail a part is among the [faults](faults.md).

| kind | what it is |
|---|---|
";

/// A cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

fn faults() -> String {
    let mut page = FAULTS.to_owned();
    let (all, mut seen) = (listing(), BTreeMap::new());
    for (sort, title) in [
        (Sort::Fault, "Faults: entries `[[fault]]`"),
        (Sort::Impairment, "Impairments: keys of a `[profile.NAME]`, or of its `up` and `down`"),
        (Sort::Storm, "Storms: entries `[[storm]]`"),
        (Sort::Medium, "Shared media: what a `[network.NAME]` says of the air"),
    ] {
        let sorted: Vec<&Listed> = all.iter().filter(|listed| listed.sort == sort).collect();
        let names: Vec<String> = sorted.iter().map(|listed| link(listed.name, &mut seen)).collect();
        write!(page, "\n## {title}\n\n{}\n", wrapped(&names)).expect("a string takes all");
        let common = common(&sorted);
        if !common.is_empty() {
            let rows =
                table(&common.iter().map(|(key, _)| common_row(key, &sorted)).collect::<Vec<_>>());
            write!(page, "\nWhat all of them can be told:\n\n{rows}").expect("a string takes all");
        }
        for listed in sorted {
            write!(page, "\n{}", entry(listed, &common)).expect("a string takes all");
        }
    }
    page
}

/// A link to the heading of that name: the second of a name bears a number.
fn link(name: &'static str, seen: &mut BTreeMap<&'static str, u32>) -> String {
    let before = seen.entry(name).or_default();
    *before += 1;
    match *before - 1 {
        0 => format!("[{name}](#{name})"),
        n => format!("[{name}](#{name}-{n})"),
    }
}

/// Words with commas, in lines of at most 120 characters.
fn wrapped(words: &[String]) -> String {
    let (mut text, mut column) = (String::new(), 0);
    for (n, word) in words.iter().enumerate() {
        let comma = if n + 1 < words.len() { "," } else { "" };
        let space = match column {
            0 => "",
            _ if column + word.len() + 2 > 120 => "\n",
            _ => " ",
        };
        column = if space == "\n" { 0 } else { column + space.len() } + word.len() + comma.len();
        text += &format!("{space}{word}{comma}");
    }
    text
}

/// The keys that several entries have, and what they mean there, if it is the same for whichever has them. `for` is one of
/// them, though some things are over at once.
fn common(sorted: &[&Listed]) -> Vec<(&'static str, &'static str)> {
    let [first, _, ..] = sorted else { return Vec::new() };
    let is_shared = |parameter: &&Parameter| {
        let same = |listed: &&Listed| {
            listed.parameters.iter().any(|other| (other.key, other.doc) == key(parameter))
        };
        parameter.key == "for" || sorted.iter().all(same)
    };
    first.parameters.iter().filter(is_shared).map(key).collect()
}

fn key(parameter: &Parameter) -> (&'static str, &'static str) {
    (parameter.key, parameter.doc)
}

fn common_row<'l>(key: &str, sorted: &[&'l Listed]) -> &'l Parameter {
    let mut all = sorted.iter().flat_map(|listed| &listed.parameters);
    all.find(|parameter| parameter.key == key).expect("somebody has it, since it is shared")
}

fn table(parameters: &[&Parameter]) -> String {
    let mut table = "| key | value | what it means |\n|---|---|---|\n".to_owned();
    for parameter in parameters {
        let must = if parameter.required { " (needed)" } else { "" };
        let (value, doc) = (cell(&parameter.value), cell(parameter.doc));
        writeln!(table, "| `{}`{must} | {value} | {doc} |", parameter.key)
            .expect("a string takes all");
    }
    table
}

fn entry(listed: &Listed, common: &[(&'static str, &'static str)]) -> String {
    let mut entry = format!("### {}\n\n{}", listed.name, cell(listed.doc));
    if listed.sort == Sort::Fault {
        let lasts = listed.parameters.iter().any(|parameter| parameter.key == "for");
        let once = if lasts { "" } else { " It is over at once: there is no `for`." };
        write!(entry, " It happens to {}.{once}", listed.target).expect("a string takes all");
    }
    entry.push('\n');
    let own: Vec<&Parameter> =
        listed.parameters.iter().filter(|parameter| !common.contains(&key(parameter))).collect();
    match own[..] {
        [] => {}
        [only] if only.doc == listed.doc => {
            write!(entry, "\nIts value: {}.\n", cell(&only.value)).expect("a string takes all");
        }
        _ => write!(entry, "\n{}", table(&own)).expect("a string takes all"),
    }
    write!(entry, "\n```toml\n{}\n```\n", listed.example.trim_end()).expect("a string takes all");
    entry
}

fn kinds() -> String {
    let mut page = KINDS.to_owned();
    let registry = Registry::builtin();
    for kind in &registry {
        writeln!(page, "| [{0}](#{0}) | {1} |", kind.name(), cell(kind.summary()))
            .expect("a string takes all");
    }
    for kind in &registry {
        write!(page, "\n## {}\n\n{}\n", kind.name(), cell(kind.summary()))
            .expect("a string takes all");
        let mut config = Vec::new();
        keys("", kind.schema().as_value(), &mut config);
        let config: Vec<(&str, String)> =
            config.iter().map(|(key, doc)| (key.as_str(), doc.clone())).collect();
        let mut metrics: Vec<_> =
            kind.metrics().iter().map(|metric| (metric.name, metric.doc.to_owned())).collect();
        if kind.counts_its_stack() {
            metrics.push((
                "stack.*",
                "what its [network stack](#what-network-stacks-count) comes across".to_owned(),
            ));
        }
        let flows: Vec<_> =
            kind.flows().iter().map(|flow| (flow.name, flow.doc.to_owned())).collect();
        let histories: Vec<_> =
            kind.histories().iter().map(|history| (history.name, history.doc.to_owned())).collect();
        for (title, rows) in [
            ("config", config),
            ("part", parts(&**kind)),
            ("metric", metrics),
            ("flow", flows),
            ("history", histories),
        ] {
            page += &rows_of(title, &rows);
        }
    }
    page += "\n## What network stacks count\n\nBeside the metrics of their kinds, those that have a `stack.*`. One that nothing \
             was counted by is not there.\n";
    let counters: Vec<_> =
        STACK_METRICS.iter().map(|metric| (metric.name, metric.doc.to_owned())).collect();
    page += &rows_of("metric", &counters);
    page
}

fn parts(kind: &dyn Kind) -> Vec<(&'static str, String)> {
    kind.parts()
        .iter()
        .map(|part| (part.name, format!("{}: {}", part.sort.name(), part.doc)))
        .collect()
}

fn rows_of(title: &str, rows: &[(&str, String)]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: String =
        rows.iter().map(|(name, doc)| format!("| `{name}` | {} |\n", cell(doc))).collect();
    format!("\n| {title} | |\n|---|---|\n{rows}")
}

/// The keys of a configuration with what its schema says of them: those that are needed first, those of tables behind
/// their tables' names.
fn keys(prefix: &str, schema: &Value, rows: &mut Vec<(String, String)>) {
    let needed = |key: &str| {
        schema["required"].as_array().is_some_and(|keys| keys.iter().any(|needed| needed == key))
    };
    let all: Vec<(&String, &Value)> =
        schema["properties"].as_object().into_iter().flatten().collect();
    let (must, may): (Vec<_>, Vec<_>) = all.into_iter().partition(|(key, _)| needed(key));
    for (key, property) in must.into_iter().chain(may) {
        let mut doc = property["description"].as_str().unwrap_or_default().to_owned();
        match &property["default"] {
            _ if needed(key) => doc += " (needed)",
            Value::Null | Value::Object(_) => {}
            default => write!(doc, " (default: `{default}`)").expect("a string takes all"),
        }
        rows.push((format!("{prefix}{key}"), doc));
        keys(&format!("{prefix}{key}."), property, rows);
    }
}

fn compare(name: &str, page: &str) {
    let file = book().join("src/reference").join(name);
    if blesses() {
        write(&file, page);
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page,
        "book/src/reference/{name} is not what the command lists; cargo xtask book --bless"
    );
}

#[test]
fn the_page_of_faults_is_what_the_command_lists() {
    compare("faults.md", &faults());
}

#[test]
fn the_page_of_kinds_is_what_the_command_lists() {
    compare("kinds.md", &kinds());
}

/// What the page of other tools' words says in code about the tank is a word of the language.
#[test]
fn what_others_call_it_is_here() {
    let language = wavetank::scenarios::schema::json_schema(&Registry::builtin()).to_string();
    let page = fs::read_to_string(book().join("src/reference/coming-from.md")).expect("a page");
    let mut findings = Vec::new();
    for (number, line) in page.lines().enumerate().filter(|(_, line)| line.starts_with("| ")) {
        let ours = line.split(" | ").nth(1).expect("two columns");
        for word in ours.split('`').skip(1).step_by(2) {
            if !language.contains(&format!("\"{word}\"")) {
                findings.push(format!("coming-from.md:{}: there is no {word}", number + 1));
            }
        }
    }
    nothing_found(&findings);
}
