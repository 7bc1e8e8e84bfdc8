//! The pages, and the fenced blocks in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The book's folder.
pub fn book() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The repository's folder.
pub fn root() -> &'static Path {
    book().parent().expect("the book is in the repository")
}

/// Whether what has changed is written down instead of refused.
pub fn blesses() -> bool {
    std::env::var_os("WAVETANK_BOOK_BLESS").is_some()
}

/// Whoever may rewrite pages reads and writes them while nobody else does.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A page of the book.
pub struct Page {
    /// From the folder of the pages.
    pub path: PathBuf,
    pub text: String,
}

/// All pages but the table of contents, in the order of their paths.
pub fn all() -> Vec<Page> {
    let pages = book().join("src");
    let mut folders = vec![pages.clone()];
    let mut all = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the pages are there") {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md")
                && !path.ends_with("SUMMARY.md")
            {
                let text = fs::read_to_string(&path).expect("a page is text");
                let path = path.strip_prefix(&pages).expect("it was found there").to_owned();
                all.push(Page { path, text });
            }
        }
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub struct Block<'p> {
    /// What the comment on the line before it says: `<!-- listing: … -->`.
    pub marker: Option<&'p str>,
    /// What stands behind its fence.
    pub language: &'p str,
    /// The number of its first line, counted from 1.
    pub line: usize,
    pub body: Vec<&'p str>,
}

impl Page {
    pub fn file(&self) -> PathBuf {
        book().join("src").join(&self.path)
    }

    /// Where a line of it is, for whoever has to mend it.
    pub fn place(&self, line: usize) -> String {
        format!("book/src/{}:{line}", self.path.display())
    }

    pub fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks: Vec<Block<'_>> = Vec::new();
        let (mut open, mut before) = (false, "");
        for (index, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), open) {
                (Some(language), false) => {
                    let marker =
                        before.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
                    blocks.push(Block { marker, language, line: index + 2, body: Vec::new() });
                    open = true;
                }
                (Some(_), true) => open = false,
                (None, true) => blocks.last_mut().expect("one is open").body.push(line),
                (None, false) => {}
            }
            before = line;
        }
        blocks
    }

    /// The lines outside of blocks, with their numbers.
    pub fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut open = false;
        self.text.lines().enumerate().filter_map(move |(index, line)| {
            if line.starts_with("```") {
                open = !open;
                return None;
            }
            (!open).then_some((index + 1, line))
        })
    }

    /// Writes other bodies for some blocks, told by the number of their first lines.
    pub fn rewrite(&self, bodies: &[(usize, String)]) {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut text = String::new();
        let mut at = 0;
        for block in self.blocks() {
            let Some((first, body)) = bodies.iter().find(|(line, _)| *line == block.line) else {
                continue;
            };
            for line in &lines[at..first - 1] {
                text.push_str(line);
                text.push('\n');
            }
            text.push_str(body.trim_end_matches('\n'));
            text.push('\n');
            at = first - 1 + block.body.len();
        }
        for line in &lines[at..] {
            text.push_str(line);
            text.push('\n');
        }
        write(&self.file(), &text);
    }
}

/// Writes a page at once: others may be reading it.
pub fn write(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text)
        .and_then(|()| fs::rename(&beside, file))
        .expect("a page can be written");
}

/// Fails if there is anything to say.
pub fn nothing_found(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn blocks_have_their_markers_and_places() {
    let text = "a\n<!-- listing: x.rs -->\n```rust\none\n\ntwo\n```\n\n```text\n```\n".to_owned();
    let page = Page { path: "a.md".into(), text };
    let first = Block {
        marker: Some("listing: x.rs"),
        language: "rust",
        line: 4,
        body: vec!["one", "", "two"],
    };
    let second = Block { marker: None, language: "text", line: 10, body: vec![] };
    assert_eq!(page.blocks(), [first, second]);
    assert_eq!(
        page.prose().collect::<Vec<_>>(),
        [(1, "a"), (2, "<!-- listing: x.rs -->"), (8, "")]
    );
}
