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
        assert!(
            text.contains(&format!("#[test]\nfn {test}() {{")) || text.contains(&format!("\nfn {test}() {{")),
            "{file}::{test}"
        );
    }
}
