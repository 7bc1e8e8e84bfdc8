//! The list of what RFCs ask for names tests that there are.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_list_names_is_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let list = include_str!("../../docs/musts.md");
    let names: Vec<(&str, &str)> =
        list.split('`').filter_map(|word| word.split_once("::")).filter(|(_, test)| test.contains('_')).collect();
    assert!(names.len() > 60, "{}", names.len());
    for (file, test) in names {
        let text = fs::read_to_string(folder.join(format!("{file}.rs"))).unwrap_or_default();
        let before = text.split_once(&format!("\nfn {test}() {{")).map(|(before, _)| before);
        let mut attributes =
            before.into_iter().flat_map(|text| text.lines().rev().take_while(|line| line.starts_with("#[")));
        assert!(attributes.any(|line| line == "#[test]"), "{file}::{test}");
    }
}
