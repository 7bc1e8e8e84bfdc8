//! Code on the pages is the code of files that are compiled or run.
//!
//! `<!-- listing: FILE -->` before a block shows a whole file; `<!-- listing: FILE: A; B -->` the items whose first lines
//! begin so, `pub` or not, with what is written right above them, and an empty line between. Paths are from `book/`.

use std::collections::BTreeSet;
use std::fs;

use crate::pages::{Block, all, alone, blesses, book, nothing_found};

/// The pages that [`reference`](crate::reference) writes.
const GENERATED: [&str; 2] = ["reference/faults.md", "reference/kinds.md"];

/// What a marker asks for.
fn wanted(listing: &str) -> Result<String, String> {
    let (file, items) = match listing.split_once(": ") {
        Some((file, items)) => (file, items.split("; ").collect()),
        None => (listing, Vec::new()),
    };
    let text = fs::read_to_string(book().join(file)).map_err(|error| format!("{file}: {error}"))?;
    if items.is_empty() {
        return Ok(text);
    }
    let lines: Vec<&str> = text.lines().collect();
    let found = items.into_iter().map(|item| {
        let found = if file.ends_with(".toml") { table(&lines, item) } else { code(&lines, item) };
        found.ok_or_else(|| format!("{file}: no line begins with {item:?}"))
    });
    Ok(found.collect::<Result<Vec<_>, _>>()?.join("\n\n"))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// An item of Rust, with its comments and attributes, moved to the left.
fn code(lines: &[&str], item: &str) -> Option<String> {
    let private = |text: &'_ str| text.strip_prefix("pub ").unwrap_or(text).to_owned();
    let begins = |line: &&str| private(line.trim_start()).starts_with(&private(item));
    let at = lines.iter().position(begins)?;
    let depth = indent(lines[at]);
    let belongs = |line: &&&str| {
        indent(line) == depth && ["//", "#["].iter().any(|sign| line.trim_start().starts_with(sign))
    };
    let above = lines[..at].iter().rev().take_while(belongs).count();
    // An item ends on its first line, or with the closing bracket below it.
    let ends = |line: &&str| {
        indent(line) == depth
            && ["}", ");", "})", "];"].iter().any(|sign| line.trim_start().starts_with(sign))
    };
    let below = match lines[at].trim_end().ends_with([';', '}']) {
        true => 0,
        false => lines[at..].iter().position(ends)?,
    };
    let item =
        lines[at - above..=at + below].iter().map(|line| line.get(depth..).unwrap_or_default());
    Some(item.collect::<Vec<_>>().join("\n"))
}

/// A table of TOML: up to the next one. `[[fault]]#2` is the second of its name.
fn table(lines: &[&str], item: &str) -> Option<String> {
    let (header, nth) =
        item.split_once('#').map_or((item, 1), |(header, nth)| (header, nth.parse().unwrap_or(1)));
    let (at, _) = lines.iter().enumerate().filter(|(_, line)| **line == header).nth(nth - 1)?;
    let mut below = lines[at + 1..].iter().take_while(|line| !line.starts_with('[')).count();
    // What stands right above the next table belongs to that.
    while below > 0 && (lines[at + below].is_empty() || lines[at + below].starts_with('#')) {
        below -= 1;
    }
    Some(lines[at..=at + below].join("\n").trim_end().to_owned())
}

fn listing<'p>(block: &Block<'p>) -> Option<&'p str> {
    block.marker.and_then(|marker| marker.strip_prefix("listing: "))
}

#[test]
fn code_on_the_pages_is_code_that_runs() {
    let _alone = alone();
    let mut findings = Vec::new();
    // What is generated is held to its source where it is made.
    for page in
        all().into_iter().filter(|page| !GENERATED.iter().any(|path| page.path.ends_with(path)))
    {
        let mut bodies = Vec::new();
        for block in page.blocks() {
            let place = page.place(block.line);
            match (block.language, listing(&block)) {
                ("rust" | "toml", Some(listing)) => match wanted(listing) {
                    Err(error) => findings.push(format!("{place}: {error}")),
                    Ok(wanted) if wanted.trim_end() == block.body.join("\n").trim_end() => {}
                    Ok(wanted) if blesses() => bodies.push((block.line, wanted)),
                    Ok(_) => findings.push(format!("{place}: is not {listing} any more; cargo xtask book --bless")),
                },
                ("console" | "sh" | "text", None) => {}
                (language, _) => findings.push(format!(
                    "{place}: a block of {language:?}: code is shown from a file that is run (<!-- listing: … -->), \
                     else it is console, sh or text"
                )),
            }
        }
        if !bodies.is_empty() {
            page.rewrite(&bodies);
        }
    }
    nothing_found(&findings);
}

#[test]
fn every_listing_is_run_and_shown() {
    let program =
        fs::read_to_string(book().join("tests/book/main.rs")).expect("this program is there");
    let pages = all();
    let shown: BTreeSet<String> = pages
        .iter()
        .flat_map(|page| {
            page.blocks().iter().filter_map(listing).map(str::to_owned).collect::<Vec<_>>()
        })
        .map(|listing| listing.split(": ").next().unwrap_or_default().to_owned())
        .collect();
    let mut findings = Vec::new();
    for entry in fs::read_dir(book().join("listings")).expect("there are listings") {
        let name = entry
            .expect("a folder can be read")
            .file_name()
            .into_string()
            .expect("names are plain");
        if name != "command.rs" && !program.contains(&format!("listings/{name}\"")) {
            findings.push(format!("book/listings/{name}: is no module of tests/book/main.rs"));
        }
        if !shown.contains(&format!("listings/{name}")) {
            findings.push(format!("book/listings/{name}: no page shows it"));
        }
    }
    nothing_found(&findings);
}

#[test]
fn items_are_found_with_what_belongs_to_them() {
    let lines: Vec<&str> = "mod a {\n    /// Says.\n    #[must_use]\n    fn f(\n        x: u8,\n    ) -> u8 {\n        x\n    }\n}\nstruct B;\n"
        .lines()
        .collect();
    assert_eq!(
        code(&lines, "fn f").as_deref(),
        Some("/// Says.\n#[must_use]\nfn f(\n    x: u8,\n) -> u8 {\n    x\n}")
    );
    assert_eq!(code(&lines, "struct B").as_deref(), Some("struct B;"));
    assert_eq!(code(&lines, "fn g"), None);
    let lines = ["[a]", "x = 1", "", "[[f]]", "y = 1", "[[f]]", "y = 2"];
    assert_eq!(table(&lines, "[a]").as_deref(), Some("[a]\nx = 1"));
    assert_eq!(table(&lines, "[[f]]#2").as_deref(), Some("[[f]]\ny = 2"));
}
