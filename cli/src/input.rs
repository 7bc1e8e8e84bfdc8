//! Scenario files from the disk or standard input, and what is wrong with them, ready to print.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use wavetank_scenarios::{Plan, Registry};

/// The plan of a scenario file.
///
/// # Errors
///
/// Everything that is wrong with it, as text with colours.
pub(crate) fn plan(file: &Path, registry: &Registry) -> Result<Plan, String> {
    plan_of(file, &text(file)?, registry)
}

/// Whether standard input is meant, which is named as other programs name it.
pub(crate) fn is_standard(file: &Path) -> bool {
    file == Path::new("-")
}

/// What a scenario file is called where people read it.
pub(crate) fn name(file: &Path) -> String {
    if is_standard(file) { "standard input".to_owned() } else { file.display().to_string() }
}

/// What came by standard input, which can be read once and is asked for by several: the run itself, and another process that
/// runs it again.
fn standard() -> Result<&'static str, String> {
    static READ: OnceLock<Result<String, String>> = OnceLock::new();
    let read = READ.get_or_init(|| {
        let mut input = io::stdin().lock();
        if input.is_terminal() {
            // Nobody is left to tell if this fails.
            let _ = writeln!(anstream::stderr(), "the scenario is read from standard input, until its end (Ctrl-D)");
        }
        let mut text = String::new();
        input.read_to_string(&mut text).map(|_| text).map_err(|error| unreadable(Path::new("-"), &error))
    });
    read.as_deref().map_err(Clone::clone)
}

/// Runs another process that is given this scenario file as well, and waits for it.
pub(crate) fn output(command: &mut Command, file: &Path) -> io::Result<Output> {
    if !is_standard(file) {
        return command.stdin(Stdio::null()).output();
    }
    let text = standard().map_err(io::Error::other)?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut to) = child.stdin.take() {
        // It reads all of it before it says anything, or ends and says why.
        let _ = to.write_all(text.as_bytes());
    }
    child.wait_with_output()
}

/// The text of a scenario file.
///
/// # Errors
///
/// If it cannot be read.
pub(crate) fn text(file: &Path) -> Result<String, String> {
    if is_standard(file) {
        return standard().map(str::to_owned);
    }
    if file.is_dir() {
        return Err(format!("{}: a folder; name one of the scenario files in it", file.display()));
    }
    fs::read_to_string(file).map_err(|error| unreadable(file, &error))
}

/// The plan of a scenario file's text.
///
/// # Errors
///
/// As for [`plan`].
pub(crate) fn plan_of(file: &Path, text: &str, registry: &Registry) -> Result<Plan, String> {
    Plan::read(&name(file), text, registry).map_err(|problems| rendered(&problems))
}

/// The plan of a run with that seed.
///
/// # Errors
///
/// If what the scenario leaves to the seed does not go together with this one.
pub(crate) fn settled(plan: Plan, seed: u64) -> Result<Arc<Plan>, String> {
    Arc::new(plan).settled(seed).map_err(|problems| rendered(&problems))
}

/// The scenario files that an argument means: itself, or those in a folder and the folders below it, sorted.
///
/// # Errors
///
/// If it cannot be read, or is a folder without one.
pub(crate) fn files(argument: &Path) -> Result<Vec<PathBuf>, String> {
    if is_standard(argument) || !argument.is_dir() {
        return Ok(vec![argument.to_owned()]);
    }
    let mut found = Vec::new();
    walk(argument, &mut found)?;
    found.sort();
    if found.is_empty() {
        return Err(format!("{}: no .toml file in this folder, nor below it", argument.display()));
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let path = entry.path();
        // A link to a folder is not followed: it may lead in a circle.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", name(path))
}

fn rendered(diagnostic: &dyn Diagnostic) -> String {
    let mut text = String::new();
    // Colours are stripped where the text is printed, if need be.
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode())
        .with_width(100)
        .render_report(&mut text, diagnostic)
        .expect("writing to a string does not fail");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_means_the_scenarios_in_it_and_below() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("deep")).unwrap();
        for name in ["b.toml", "deep/a.toml", "notes.md"] {
            fs::write(root.join(name), "").unwrap();
        }
        assert_eq!(files(root).unwrap(), [root.join("b.toml"), root.join("deep/a.toml")]);
        assert_eq!(files(&root.join("notes.md")).unwrap(), [root.join("notes.md")]);
    }

    #[test]
    fn a_folder_without_scenarios_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(files(folder.path()).unwrap_err().contains("no .toml file"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = plan(Path::new("no/such/file.toml"), &Registry::builtin()).unwrap_err();
        assert!(error.starts_with("no/such/file.toml: "), "{error}");
    }

    #[test]
    fn a_folder_is_no_scenario() {
        let folder = tempfile::tempdir().unwrap();
        let error = plan(folder.path(), &Registry::builtin()).unwrap_err();
        assert!(error.ends_with(": a folder; name one of the scenario files in it"), "{error}");
    }
}
