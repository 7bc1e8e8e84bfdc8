//! The manifests that are shown to whoever begins a repository: what they ask of the packages here, those have.

use std::path::Path;

use toml::{Table, Value};

use crate::pages::root;

fn read(path: &Path) -> Table {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_the_manifests_ask_for_is_there() {
    let root = root();
    let workspace = read(&root.join("Cargo.toml"));
    let versions = &workspace["workspace"]["dependencies"];
    let version =
        |told: &Value| told.as_str().or_else(|| told.get("version")?.as_str()).map(str::to_owned);
    for shown in ["device", "tank"] {
        let manifest = read(&root.join(format!("book/manifests/{shown}.toml")));
        for (name, told) in manifest["dependencies"].as_table().expect("a table") {
            let Some(path) = told.get("path").and_then(Value::as_str) else {
                let own = versions.get(name).and_then(version);
                assert_eq!(
                    version(told),
                    own,
                    "{shown}.toml: `{name}` is to be of the version that is used here"
                );
                continue;
            };
            let Some(path) = path.strip_prefix("../../wavetank/") else { continue };
            let package = read(&root.join(path).join("Cargo.toml"));
            assert_eq!(package["package"]["name"].as_str(), Some(name.as_str()));
            for feature in told.get("features").and_then(Value::as_array).into_iter().flatten() {
                let feature = feature.as_str().expect("a name");
                assert!(
                    package["features"].get(feature).is_some(),
                    "{shown}.toml: `{name}` has no feature `{feature}`"
                );
            }
        }
    }
}
