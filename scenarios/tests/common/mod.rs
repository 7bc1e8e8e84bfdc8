//! What the tests of scenario files share.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::{Path, PathBuf};

use miette::{GraphicalReportHandler, GraphicalTheme};
use wavetank_scenarios::{Problems, Registry};

/// The kinds that wavetank brings along, as far as scenario files know them.
pub(crate) fn registry() -> Registry {
    Registry::builtin()
}

/// All scenario files of a folder of this package, by name.
pub(crate) fn folder(name: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let read = paths.into_iter().map(|path| {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("a text"))
    });
    read.collect()
}

/// All scenario files of the gallery, by name.
pub(crate) fn gallery() -> Vec<(String, String)> {
    folder("gallery")
}

/// Problems as a person sees them, without colours.
pub(crate) fn rendered(problems: &Problems) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::none()).with_width(100).with_links(false);
    let mut text = String::new();
    handler.render_report(&mut text, problems).expect("a string takes all");
    text
}
