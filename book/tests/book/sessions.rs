//! What a command prints is what it prints: `console` blocks are run, `sh` blocks and words in code are read.
//!
//! A session's commands run one after the other in a folder that has the repository in it and takes what they write; all
//! sessions of a page share it. `…` alone on a line stands for any lines; what the wall clock says is not compared.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::pages::{Page, all, alone, blesses, book, nothing_found, root};

/// A command and what the page says that it prints.
#[derive(Debug, PartialEq, Eq)]
struct Step<'p> {
    command: &'p str,
    output: Vec<&'p str>,
}

fn steps<'p>(body: &[&'p str]) -> Vec<Step<'p>> {
    let mut steps: Vec<Step<'p>> = Vec::new();
    for line in body {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command, output: Vec::new() }),
            (None, Some(step)) => step.output.push(line.trim_end()),
            (None, None) => {}
        }
    }
    steps
}

/// A folder with the repository's folders in it, and one of programs.
fn desk() -> tempfile::TempDir {
    let desk = tempfile::tempdir().expect("there is a folder for what is passing");
    for entry in fs::read_dir(root()).expect("the repository is there") {
        let entry = entry.expect("a folder can be read");
        let is_ours =
            !entry.file_name().to_string_lossy().starts_with('.') && entry.file_name() != "target";
        if is_ours {
            link(&entry.path(), &desk.path().join(entry.file_name()));
        }
    }
    fs::create_dir(desk.path().join(".bin")).expect("the folder is new");
    link(Path::new(env!("CARGO_BIN_EXE_wavetank-book")), &desk.path().join(".bin/wavetank"));
    desk
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) {
    std::os::unix::fs::symlink(to, at).expect("the folder is new");
}

/// What a command prints, on either output.
fn run(desk: &Path, command: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    // Each package with kinds of its own is the same command with more kinds.
    let command = command
        .replace("cargo run -p own-device -- ", "wavetank ")
        .replace("cargo run -p wavetank-book -- ", "wavetank ");
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(desk)
        .env("PATH", format!("{}:{path}", desk.join(".bin").display()))
        .env("NO_COLOR", "1")
        .output()
        .expect("there is a shell");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A line without what the wall clock says.
fn masked(line: &str) -> String {
    let is_timed =
        ["wall clock", "seeds a second", "runs in "].iter().any(|sign| line.contains(sign));
    let masked = |word: &str| match word.chars().any(|c| c.is_ascii_digit()) {
        true => "#".to_owned(),
        false => word.to_owned(),
    };
    match is_timed {
        true => line
            .split_whitespace()
            .map(masked)
            .collect::<Vec<_>>()
            .join(" ")
            .replace("µs", "s")
            .replace("ms", "s")
            .replace("workers", "worker"),
        false => line.trim_end().to_owned(),
    }
}

/// Whether the lines that were printed are those of the page, where `…` is any number of lines.
fn matches(shown: &[&str], printed: &[&str]) -> bool {
    match shown {
        [] => printed.is_empty(),
        ["…", rest @ ..] => (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..])),
        [first, rest @ ..] => printed
            .split_first()
            .is_some_and(|(line, others)| masked(first) == masked(line) && matches(rest, others)),
    }
}

#[test]
#[cfg(unix)]
fn what_commands_print_is_what_the_pages_say() {
    let _alone = alone();
    let mut findings = Vec::new();
    for page in all() {
        let (mut bodies, desk) = (Vec::new(), desk());
        for block in page.blocks().iter().filter(|block| block.language == "console") {
            let (mut body, mut differs) = (String::new(), false);
            for step in steps(&block.body) {
                let printed = run(desk.path(), step.command);
                let lines: Vec<&str> = printed.trim_end().lines().map(str::trim_end).collect();
                let same = matches(&step.output, &lines);
                let has_gaps = step.output.contains(&"…");
                if !same && (has_gaps || !blesses()) {
                    let place = page.place(block.line);
                    findings.push(format!("{place}: $ {}\nprints\n{printed}", step.command));
                }
                differs |= !same;
                let kept = if same || has_gaps { &step.output } else { &lines };
                body += &format!("$ {}\n", step.command);
                body.extend(kept.iter().map(|line| format!("{line}\n")));
            }
            if differs {
                bodies.push((block.line, body));
            }
        }
        if blesses() && !bodies.is_empty() {
            page.rewrite(&bodies);
        }
    }
    nothing_found(&findings);
}

/// The command lines of a page that are not run: blocks of `sh`, and words in code.
fn lines_to_read(page: &Page) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    for block in page.blocks().iter().filter(|block| block.language == "sh") {
        lines.extend(
            block.body.iter().enumerate().map(|(n, line)| (block.line + n, (*line).to_owned())),
        );
    }
    for (number, line) in page.prose() {
        let spans = line.split('`').skip(1).step_by(2);
        lines.extend(spans.map(|span| (number, span.to_owned())));
    }
    lines
}

/// What is wrong with a command line of ours; nothing if it is somebody else's.
fn wrong(line: &str, help: &mut dyn FnMut(&str) -> String) -> Option<String> {
    let line = line.split(" # ").next().unwrap_or(line).trim();
    let mut words = line.split_whitespace();
    let rest: Vec<&str> = match words.next()? {
        "wavetank" => words.collect(),
        "cargo" => match words.next() {
            Some("xtask") => {
                let verb = words.next()?;
                let usage =
                    fs::read_to_string(root().join("xtask/src/main.rs")).expect("xtask is there");
                return (!usage.contains(&format!("\n  {verb} ")))
                    .then(|| format!("xtask has no verb {verb}"));
            }
            Some(_) => {
                let words: Vec<&str> = words.collect();
                if let Some(at) = words.iter().position(|word| *word == "-p")
                    && !packages()
                        .iter()
                        .any(|package| Some(&package.as_str()) == words.get(at + 1))
                {
                    return Some("there is no such package".to_owned());
                }
                let is_ours = !words.contains(&"--bin") && !words.contains(&"test");
                let at = words
                    .iter()
                    .position(|word| *word == "--")
                    .filter(|_| is_ours && line.starts_with("cargo run"))?;
                words[at + 1..].to_vec()
            }
            None => return None,
        },
        _ => return None,
    };
    let verb = rest.first().filter(|verb| verb.chars().all(|c| c.is_ascii_lowercase()))?;
    let told = help(verb);
    if !told.contains(&format!("Usage: wavetank {verb}")) {
        return Some(format!("there is no verb {verb}"));
    }
    let flags = rest
        .iter()
        .filter(|word| word.starts_with("--"))
        .map(|word| word.split('=').next().unwrap_or(word));
    let unknown: Vec<&str> = flags.filter(|flag| !told.contains(&format!("{flag} "))).collect();
    (!unknown.is_empty()).then(|| format!("{verb} has no {}", unknown.join(", ")))
}

/// The names of the workspace's packages.
fn packages() -> Vec<String> {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace is there");
    let members = workspace
        .split("members = [")
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .unwrap_or_default();
    let manifests =
        members.split('"').skip(1).step_by(2).map(|member| root().join(member).join("Cargo.toml"));
    let texts = manifests.map(|path| fs::read_to_string(path).expect("a member has a manifest"));
    texts
        .filter_map(|text| Some(text.split("name = \"").nth(1)?.split('"').next()?.to_owned()))
        .collect()
}

#[test]
#[cfg(unix)]
fn commands_that_are_not_run_have_the_verbs_and_flags_that_there_are() {
    let desk = desk();
    let mut known = std::collections::BTreeMap::new();
    let mut help = |verb: &str| {
        let told = known.entry(verb.to_owned());
        told.or_insert_with(|| {
            let deeper = if verb == "serve" { " telemetry-hub" } else { "" };
            // A flag without a value ends its line.
            run(desk.path(), &format!("wavetank {verb}{deeper} --help")).replace('\n', " \n")
        })
        .clone()
    };
    let mut findings = Vec::new();
    for page in all() {
        for (number, line) in lines_to_read(&page) {
            if let Some(wrong) = wrong(&line, &mut help) {
                findings.push(format!("{}: {line}: {wrong}", page.place(number)));
            }
        }
    }
    assert!(
        wrong("wavetank fly", &mut help).is_some()
            && wrong("wavetank run FILE --fast", &mut help).is_some()
    );
    assert!(
        wrong("cargo xtask fly", &mut help).is_some()
            && wrong("wavetank run FILE --seed 3", &mut help).is_none()
    );
    nothing_found(&findings);
}

#[test]
#[cfg(unix)]
fn every_scenario_of_the_book_is_well_formed_and_used() {
    let printed = run(desk().path(), "wavetank check book/scenarios");
    assert!(!printed.contains('×') && !printed.contains("error"), "{printed}");
    let pages: String = all().iter().map(|page| page.text.clone()).collect();
    for entry in fs::read_dir(book().join("scenarios")).expect("there are scenarios") {
        let name = entry.expect("a folder can be read").file_name();
        assert!(
            pages.contains(&format!("scenarios/{}", name.to_string_lossy())),
            "no page has {}",
            name.display()
        );
    }
}

#[test]
fn steps_and_gaps_are_told_apart() {
    let body = ["$ a b", "one", "…", "two", "$ c"];
    let expected = [
        Step { command: "a b", output: vec!["one", "…", "two"] },
        Step { command: "c", output: vec![] },
    ];
    assert_eq!(steps(&body), expected);
    assert!(
        matches(&["one", "…", "two"], &["one", "x", "y", "two"])
            && matches(&["one", "…"], &["one"])
    );
    assert!(!matches(&["one", "…", "two"], &["one", "two", "three"]) && !matches(&["one"], &[]));
    let time = |took: &str| format!("time  60 s virtual in {took}, 1,339 times the wall clock's");
    assert!(matches(&[&time("44.8 ms")], &[&time("1.2 s")]));
}
