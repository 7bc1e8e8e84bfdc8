//! The rules, each over what one file says.

use super::is_test_file;
use super::source::{Kind, Name, Source};
use crate::policy::Tidy;

/// Every place of the file that breaks a rule, as `path:line: what`.
pub(super) fn findings(source: &Source, policy: &Tidy) -> Vec<String> {
    let path = &source.path;
    let mut findings = Vec::new();
    let own_lines = source.lines - source.test_lines;
    if own_lines > policy.file_lines_max && !is_test_file(path) {
        findings.push(format!("{path}:1: {own_lines} lines, more than {}", policy.file_lines_max));
    }
    for name in &source.names {
        if let Some(reason) = banned(name, policy) {
            findings.push(format!("{path}:{}: {}: {reason}", name.line, name.text));
        }
    }
    for line in &source.unreasoned {
        findings.push(format!("{path}:{line}: a lint is let go without a reason"));
    }
    if !policy.unsafe_files.contains(path) {
        for line in &source.unsafe_lines {
            findings.push(format!("{path}:{line}: unsafe, in a file that ARCHITECTURE.md does not name"));
        }
    }
    findings
}

fn banned(name: &Name, policy: &Tidy) -> Option<String> {
    let words = words(&name.text);
    let listed = |list: &[String], word: &str| list.iter().any(|banned| banned.eq_ignore_ascii_case(word));
    if let Some(word) = words.iter().find(|word| listed(&policy.names, word)) {
        return Some(format!("`{word}` says nothing"));
    }
    match name.kind {
        Kind::Type => {
            let last = words.last().filter(|word| listed(&policy.types, word))?;
            Some(format!("`{last}` says nothing of a type"))
        }
        Kind::Function => {
            let gets = name.text.starts_with("get_") && !policy.get_functions.contains(&name.text);
            gets.then(|| "named for what it gives, without get_".to_owned())
        }
        Kind::Module => None,
    }
}

/// The words of a name in either case: `FlowTable` and `flow_table` have two.
fn words(name: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for part in name.split('_').filter(|part| !part.is_empty()) {
        let mut start = 0;
        let mut lower = false;
        for (at, c) in part.char_indices() {
            if c.is_uppercase() && lower {
                words.push(&part[start..at]);
                start = at;
            }
            lower = !c.is_uppercase();
        }
        words.push(&part[start..]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;

    fn findings_in(text: &str) -> Vec<String> {
        let source = Source::parse("room/src/file.rs", text).unwrap();
        findings(&source, &policy::read().unwrap().tidy)
    }

    #[test]
    fn words_are_found_in_either_case() {
        assert_eq!(words("FlowTable"), ["Flow", "Table"]);
        assert_eq!(words("flow_table"), ["flow", "table"]);
        assert_eq!(words("TCPUtil"), ["TCPUtil"]);
        assert_eq!(words("Sht4x"), ["Sht4x"]);
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        let found = findings_in("struct FlowManager;\nmod util {}\nfn read_helper() {}\nstruct SensorData;\n");
        assert_eq!(
            found,
            [
                "room/src/file.rs:1: FlowManager: `Manager` says nothing",
                "room/src/file.rs:2: util: `util` says nothing",
                "room/src/file.rs:3: read_helper: `helper` says nothing",
                "room/src/file.rs:4: SensorData: `Data` says nothing of a type",
            ]
        );
    }

    #[test]
    fn names_that_only_sound_alike_are_not() {
        assert_eq!(findings_in("struct Database; struct DataFrame; fn utilisation() {}"), Vec::<String>::new());
    }

    #[test]
    fn functions_do_not_get() {
        assert_eq!(
            findings_in("struct A; impl A { fn get_x(&self) {} fn get_mut(&mut self) {} fn get(&self) {} }").len(),
            1
        );
        assert_eq!(findings_in("struct A; impl Foreign for A { fn get_x(&self) {} }"), Vec::<String>::new());
    }

    #[test]
    fn unsafe_is_found_in_macros_and_not_in_words() {
        let found =
            findings_in("//! unsafe\nmacro_rules! m { () => { unsafe { f() } } }\nconst S: &str = \"unsafe\";\n");
        assert_eq!(found, ["room/src/file.rs:2: unsafe, in a file that ARCHITECTURE.md does not name"]);
    }

    #[test]
    fn letting_a_lint_go_needs_a_reason() {
        assert_eq!(
            findings_in(
                "#![allow(dead_code)]\n#[expect(dead_code, reason = \"shown\")]\nfn f() { #[allow(unused)] let x = 1; }\n"
            ),
            [
                "room/src/file.rs:1: a lint is let go without a reason",
                "room/src/file.rs:3: a lint is let go without a reason",
            ]
        );
    }

    #[test]
    fn tests_do_not_count_towards_a_files_length() {
        let long = "fn f() {}\n".repeat(700);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "#[test] fn t() {}\n".repeat(200));
        assert_eq!(findings_in(&format!("{long}{tests}")), Vec::<String>::new());
        assert_eq!(findings_in(&format!("{long}{}", "fn g() {}\n".repeat(200))).len(), 1);
    }
}
