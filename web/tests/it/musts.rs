//! The list of what RFCs ask for, and the table of what others have, name tests that there are.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_list_names_is_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let named = |list: &'static str| {
        let words = list.split('`').filter_map(|word| word.split_once("::"));
        words.filter(|(_, test)| test.contains('_')).collect::<Vec<(&str, &str)>>()
    };
    let musts = named(include_str!("../../docs/musts.md"));
    let (_, table) = include_str!("../../README.md").split_once("# Tide, axum and this").expect("there is the table");
    let compared = named(table);
    assert!(musts.len() > 110 && compared.len() > 20, "{} {}", musts.len(), compared.len());
    let names = musts.into_iter().chain(compared);
    for (file, test) in names {
        let text = fs::read_to_string(folder.join(format!("{file}.rs"))).unwrap_or_default();
        let before = text.split_once(&format!("\nfn {test}() {{")).map(|(before, _)| before);
        let mut attributes =
            before.into_iter().flat_map(|text| text.lines().rev().take_while(|line| line.starts_with("#[")));
        assert!(attributes.any(|line| line == "#[test]"), "{file}::{test}");
    }
}
