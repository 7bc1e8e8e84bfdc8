//! `url` held against the WHATWG's own test data. What differs is listed, and nothing else may.

use std::fmt::Write as _;

use serde_json::Value;
use url::{Url, quirks};

const CASES: &str = include_str!("../data/urltestdata.json");
const DIFFERENCES: &str = include_str!("../data/url-differences.txt");

/// What differs from what a case expects, if anything does.
fn difference(case: &Value) -> Option<String> {
    let input = case["input"].as_str().unwrap();
    let parsed = match case["base"].as_str() {
        Some(base) => Url::parse(base).and_then(|base| base.join(input)),
        None => Url::parse(input),
    };
    let url = match (parsed, case["failure"].as_bool()) {
        (Err(_), Some(true)) => return None,
        (Ok(url), Some(true)) => return Some(format!("is no URL, and is parsed as {url}")),
        (Err(error), _) => return Some(format!("is a URL, and is refused: {error}")),
        (Ok(url), _) => url,
    };
    type Part = fn(&Url) -> &str;
    let parts: [(&str, Part); 10] = [
        ("href", quirks::href),
        ("protocol", quirks::protocol),
        ("username", quirks::username),
        ("password", quirks::password),
        ("host", quirks::host),
        ("hostname", quirks::hostname),
        ("port", quirks::port),
        ("pathname", quirks::pathname),
        ("search", quirks::search),
        ("hash", quirks::hash),
    ];
    let origin = case["origin"].as_str().filter(|origin| quirks::origin(&url) != *origin);
    let origin = origin.map(|origin| format!("the origin is {origin}, not {}", quirks::origin(&url)));
    let part = parts.into_iter().find_map(|(name, part)| {
        let (expected, own) = (case[name].as_str()?, part(&url));
        (expected != own).then(|| format!("{name} is {expected:?}, not {own:?}"))
    });
    part.or(origin)
}

#[test]
fn url_does_what_the_standard_says_but_for_what_is_listed() {
    let all: Vec<Value> = serde_json::from_str(CASES).unwrap();
    let cases: Vec<&Value> = all.iter().filter(|case| case.is_object()).collect();
    let mut differences = String::new();
    for case in &cases {
        if let Some(difference) = difference(case) {
            let base = case["base"].as_str().map(|base| format!(" against {base:?}")).unwrap_or_default();
            writeln!(differences, "{:?}{base}: {difference}", case["input"].as_str().unwrap()).unwrap();
        }
    }
    let expected: Vec<&str> = DIFFERENCES.lines().filter(|line| !line.starts_with('#')).collect();
    let found: Vec<&str> = differences.lines().collect();
    let only = |these: &[&str], those: &[&str]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).map(|line| (*line).to_owned()).collect()
    };
    let (new, gone) = (only(&found, &expected), only(&expected, &found));
    assert!(
        new.is_empty() && gone.is_empty(),
        "differences that are new:\n{}\n… that are gone:\n{}",
        new.join("\n"),
        gone.join("\n")
    );
    assert!(cases.len() > 800 && found.len() < cases.len() / 10, "{} of {}", found.len(), cases.len());
}
