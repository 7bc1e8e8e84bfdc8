//! Running other programs, and where the tree stands.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;

/// The folder that the workspace's Cargo.toml lies in.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in a folder of the workspace")
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // `cargo run` leaves what it knows of this package behind. Build scripts that ask for it must not see it: they, and all that
    // stands on them, would be built anew whenever cargo is started here after it was started by hand, and the other way about.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command with its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| format!("{}: {error}", line(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", line(command)).into()) }
}

/// Runs a command for what it prints on its standard output.
pub(crate) fn read(command: &mut Command) -> Outcome<String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("{}: {error}", line(command)))?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        Err(format!("{}: {}", line(command), output.status).into())
    }
}

/// What a command printed while its output also went where ours goes, and whether it succeeded.
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) success: bool,
}

/// Runs a command with its output going where ours goes, and listens in.
pub(crate) fn listen(command: &mut Command) -> Outcome<Heard> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", line(command)))?;
    let stdout = child.stdout.take().expect("stdout was asked for as a pipe");
    let stderr = child.stderr.take().expect("stderr was asked for as a pipe");
    let text = std::thread::scope(|scope| {
        let errors = scope.spawn(|| pass_on(stderr, std::io::stderr()));
        let mut text = pass_on(stdout, std::io::stdout());
        text.push_str(&errors.join().expect("passing lines on does not panic"));
        text
    });
    let success = child.wait()?.success();
    Ok(Heard { text, success })
}

fn pass_on(from: impl Read, mut to: impl Write) -> String {
    let mut text = String::new();
    let mut from = BufReader::new(from);
    let mut bytes = Vec::new();
    while from.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
        // A closed terminal must not end the run that is being listened to.
        let _ = to.write_all(&bytes);
        text.push_str(&String::from_utf8_lossy(&bytes));
        bytes.clear();
    }
    text
}

/// Whether a program can be started.
pub(crate) fn has(program: &str, argument: &str) -> bool {
    Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What the processor calls itself, where the system tells.
pub(crate) fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("an unnamed processor", |(_, model)| model.trim()).to_owned()
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// A path as it reads from the workspace's root, with forward slashes.
pub(crate) fn from_root(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Every file that git tracks or would track, from the root.
pub(crate) fn files() -> Outcome<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut files: Vec<PathBuf> = read(&mut git)?
        .split_terminator('\0')
        .map(PathBuf::from)
        // Deleted, but not yet in the index.
        .filter(|file| root().join(file).is_file())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// What it is measured on, and what else that was doing.
pub(crate) fn machine() -> String {
    let model = processor();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!("{cores} cores of {model}; load average at the end {load}.")
}
