//! Every page is in the table of contents, and every link, heading and path that a page names is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::pages::{Page, all, book, nothing_found, root};

/// The headings of a page as mdBook names them in links.
fn headings(page: &Page) -> BTreeSet<String> {
    let titles = page
        .prose()
        .filter_map(|(_, line)| line.strip_prefix('#'))
        .map(|line| line.trim_start_matches('#'));
    let (mut seen, mut ids) = (BTreeMap::<String, u32>::new(), BTreeSet::new());
    for id in titles.map(|title| id(title.trim())) {
        // The second of a name bears a number.
        let before = seen.entry(id.clone()).or_default();
        ids.insert(if *before == 0 { id } else { format!("{id}-{before}") });
        *before += 1;
    }
    ids
}

fn id(title: &str) -> String {
    let kept = title
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .collect::<String>();
    kept.replace(' ', "-")
}

/// The targets of the links on a line: what stands between `](` and `)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn the_table_of_contents_has_every_page_by_its_title() {
    let summary =
        fs::read_to_string(book().join("src/SUMMARY.md")).expect("there is a table of contents");
    let mut listed = BTreeMap::new();
    for line in summary.lines() {
        if let (Some(target), Some(title)) = (targets(line).next(), line.split('[').nth(1)) {
            let title = title.split("](").next().unwrap_or_default().to_owned();
            assert!(
                listed.insert(PathBuf::from(target), title).is_none(),
                "{target} is listed twice"
            );
        }
    }
    let mut findings = Vec::new();
    for page in all() {
        let title =
            page.text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
        match listed.remove(&page.path) {
            None => findings.push(format!("SUMMARY.md lacks {}", page.path.display())),
            Some(listed) if listed != title => {
                findings.push(format!(
                    "SUMMARY.md calls {} {listed:?}, its heading is {title:?}",
                    page.path.display()
                ));
            }
            Some(_) => {}
        }
    }
    findings
        .extend(listed.keys().map(|path| format!("SUMMARY.md: {} is not there", path.display())));
    nothing_found(&findings);
}

#[test]
fn links_lead_somewhere() {
    let pages = all();
    let known: BTreeMap<PathBuf, BTreeSet<String>> =
        pages.iter().map(|page| (page.path.clone(), headings(page))).collect();
    let mut findings = Vec::new();
    for page in &pages {
        for (number, line) in page.prose() {
            for target in targets(line).filter(|target| !target.starts_with("https://")) {
                let (path, heading) =
                    target.split_once('#').map_or((target, None), |(path, id)| (path, Some(id)));
                let folder = page.path.parent().unwrap_or(Path::new(""));
                let path =
                    if path.is_empty() { page.path.clone() } else { plain(&folder.join(path)) };
                let is_there = known
                    .get(&path)
                    .is_some_and(|ids| heading.is_none_or(|heading| ids.contains(heading)));
                if !is_there {
                    findings.push(format!("{}: {target} leads nowhere", page.place(number)));
                }
            }
        }
    }
    nothing_found(&findings);
}

/// Whether a word in code is a path from the root of the repository.
fn is_path(word: &str) -> bool {
    let folder = word.split('/').next().unwrap_or_default();
    word.contains('/')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
        && !folder.is_empty()
        && root().join(folder).is_dir()
}

#[test]
fn files_that_pages_name_are_there() {
    let mut findings = Vec::new();
    for page in all() {
        for (number, line) in page.prose() {
            for word in line
                .split('`')
                .skip(1)
                .step_by(2)
                .flat_map(str::split_whitespace)
                .filter(|word| is_path(word))
            {
                if !root().join(word).exists() {
                    findings.push(format!("{}: there is no {word}", page.place(number)));
                }
            }
        }
    }
    nothing_found(&findings);
}

#[test]
fn headings_are_named_as_mdbook_names_them() {
    assert_eq!(id("Pin, and why"), "pin-and-why");
    assert_eq!(id("`!Send` futures"), "send-futures");
    assert!(is_path("stack/README.md") && !is_path("and/or") && !is_path("stack"));
    assert_eq!(plain(Path::new("a/../b/c.md")), Path::new("b/c.md"));
    assert_eq!(targets("see [a](b.md#c) and [d](e.md)").collect::<Vec<_>>(), ["b.md#c", "e.md"]);
}
