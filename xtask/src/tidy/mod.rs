//! `tidy`: what the compiler does not see of how the code reads.
//!
//! Lengths are a report, to be read by people; names, reasons, unsafe code and stray paths are rules.

mod rules;
mod source;

use std::path::Path;

use crate::Outcome;
use crate::policy::{self, Tidy};
use crate::shell;
use source::{Function, Source};

/// How many of the longest files and functions the report names.
const SHOWN: usize = 10;

/// Reports, and holds every file of the tree against the rules.
pub(crate) fn run() -> Outcome {
    let policy = policy::read()?.tidy;
    let mut findings = Vec::new();
    let mut report = Report::default();
    for file in shell::files()? {
        let path = shell::from_root(&file);
        // Pictures and captures are not text.
        let Ok(text) = std::fs::read_to_string(shell::root().join(&file)) else {
            continue;
        };
        findings.extend(foreign_paths(&path, &text, &policy));
        if file.extension().is_some_and(|extension| extension == "rs") {
            let source = Source::parse(&path, &text)?;
            findings.extend(rules::findings(&source, &policy));
            report.add(&source);
        }
    }
    findings.extend(unsafe_files(&policy)?);
    report.print();
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() { Ok(()) } else { Err(format!("{} untidy places", findings.len()).into()) }
}

fn foreign_paths(path: &str, text: &str, policy: &Tidy) -> Vec<String> {
    // The list itself.
    if path == "xtask/policy.toml" {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for foreign in policy.foreign_paths.iter().filter(|foreign| begins_a_path(line, foreign)) {
            findings.push(format!("{path}:{}: names {foreign}, a folder of one machine", index + 1));
        }
    }
    findings
}

/// Whether `foreign` stands in the line as the start of a path, not in the middle of a longer one.
fn begins_a_path(line: &str, foreign: &str) -> bool {
    line.match_indices(foreign)
        .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || ".-_~}".contains(before)))
}

/// The list of files with unsafe code must be true, and stand in ARCHITECTURE.md.
fn unsafe_files(policy: &Tidy) -> Outcome<Vec<String>> {
    let page = std::fs::read_to_string(shell::root().join("ARCHITECTURE.md"))
        .map_err(|error| format!("ARCHITECTURE.md: {error}"))?;
    let mut findings = Vec::new();
    for file in &policy.unsafe_files {
        let has_unsafe = match std::fs::read_to_string(shell::root().join(file)) {
            Ok(text) => !Source::parse(file, &text)?.unsafe_lines.is_empty(),
            Err(_) => false,
        };
        if !has_unsafe {
            findings.push(format!("xtask/policy.toml: {file} holds no unsafe code"));
        }
        if !page.contains(&format!("`{file}`")) {
            findings.push(format!("ARCHITECTURE.md: does not name {file} among the files with unsafe code"));
        }
    }
    Ok(findings)
}

#[derive(Default)]
struct Report {
    files: Vec<(usize, String)>,
    functions: Vec<(usize, String)>,
    lines: usize,
}

impl Report {
    fn add(&mut self, source: &Source) {
        self.lines += source.lines;
        if is_test_file(&source.path) {
            return;
        }
        self.files.push((source.lines - source.test_lines, source.path.clone()));
        let place = |function: &Function| format!("{}:{} {}", source.path, function.line, function.name);
        let own = source.functions.iter().filter(|function| !function.is_test);
        self.functions.extend(own.map(|function| (function.lines, place(function))));
    }

    fn print(mut self) {
        println!("{} lines of Rust; the longest files and functions, tests aside:", self.lines);
        for rows in [&mut self.files, &mut self.functions] {
            rows.sort_by(|a, b| b.cmp(a));
            for (lines, place) in rows.iter().take(SHOWN) {
                println!("{lines:>6} {place}");
            }
        }
    }
}

/// Whether a whole file is tests or measurements.
fn is_test_file(path: &str) -> bool {
    Path::new(path).components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches" | "tests.rs")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_machine_is_found_where_it_begins() {
        assert!(begins_a_path("see /mine/main", "/mine/"));
        assert!(begins_a_path("`/mine/.cargo`", "/mine/"));
        assert!(!begins_a_path("https://example.org/mine/plan", "/mine/"));
        assert!(!begins_a_path("$root/mine/x ./mine/x ../mine/x", "/mine/"));
    }
}
