//! `conformance`: the web framework against suites and programs that others wrote, on loopback.
//!
//! A suite gives cases, each passed or not. Those that do not pass stand in `xtask/conformance.toml` with their reason, or
//! they are failures; so is an exception that is no longer needed.

mod curl;
mod h2spec;
mod nginx;
mod openapi;
mod redbot;
mod smuggling;
mod sockets;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use crate::{Outcome, metadata, shell, tools};

const PROGRAMS: [(&str, &str); 3] = [("curl", "curl"), ("nginx", "nginx-light"), ("python3", "python3-venv")];

struct Suite {
    name: &'static str,
    run: fn(&Ground) -> Outcome<Vec<Case>>,
    /// The programs that it starts.
    needs: &'static [&'static str],
}

const SUITES: [Suite; 7] = [
    Suite { name: "sockets", run: sockets::run, needs: &["kosoku"] },
    Suite { name: "redbot", run: redbot::run, needs: &["redbot"] },
    Suite { name: "smuggling", run: smuggling::run, needs: &["python"] },
    Suite { name: "openapi", run: openapi::run, needs: &["openapi-spec-validator"] },
    // No registry has it. Whoever has built it has it found here.
    Suite { name: "h2spec", run: h2spec::run, needs: &["h2spec"] },
    Suite { name: "curl", run: curl::run, needs: &["curl"] },
    Suite { name: "nginx", run: nginx::run, needs: &["curl", "nginx", "kosoku"] },
];

/// What a suite says of one thing.
struct Case {
    name: String,
    /// What is wrong with it, if anything.
    wrong: Option<String>,
}

impl Case {
    fn new(name: impl Into<String>, wrong: Option<String>) -> Self {
        Self { name: name.into(), wrong }
    }
}

/// A case, or several by a `*` at the end, that is known not to pass.
#[derive(Deserialize)]
struct Exception {
    case: String,
    reason: String,
}

impl Exception {
    fn is_about(&self, case: &str) -> bool {
        match self.case.strip_suffix('*') {
            Some(beginning) => case.starts_with(beginning),
            None => self.case == case,
        }
    }
}

/// Runs the suites named; all if none is. One whose programs cannot be had is skipped by name.
pub(crate) fn run(names: &[&str]) -> Outcome {
    if let Some(unknown) = names.iter().find(|name| !SUITES.iter().any(|suite| suite.name == **name)) {
        let known: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
        return Err(format!("there is no suite `{unknown}`: {}", known.join(", ")).into());
    }
    tools::install(&PROGRAMS);
    let text = std::fs::read_to_string(shell::root().join("xtask/conformance.toml"))?;
    let exceptions: BTreeMap<String, Vec<Exception>> = toml::from_str(&text)?;
    let ground = Ground::prepare()?;
    let mut failures = 0;
    for Suite { name, run, needs } in SUITES {
        if !names.is_empty() && !names.contains(&name) {
            continue;
        }
        if let Some(absent) = needs.iter().find(|program| !ground.has(program)) {
            println!("{name}: skipped, there is no {absent} here");
            continue;
        }
        let cases = run(&ground).map_err(|error| format!("{name}: {error}"))?;
        failures += judge(name, &cases, exceptions.get(name).map_or(&[], Vec::as_slice));
    }
    if failures > 0 { Err(format!("{failures} cases do not pass").into()) } else { Ok(()) }
}

/// Prints what a suite came to; how many of it are failures.
fn judge(suite: &str, cases: &[Case], exceptions: &[Exception]) -> usize {
    let mut failures = 0;
    let mut excepted = 0;
    for case in cases {
        let Some(wrong) = &case.wrong else { continue };
        if exceptions.iter().any(|exception| exception.is_about(&case.name)) {
            excepted += 1;
        } else {
            failures += 1;
            println!("  ✗ {}: {wrong}", case.name);
        }
    }
    for exception in exceptions {
        let concerned = cases.iter().filter(|case| case.wrong.is_some() && exception.is_about(&case.name)).count();
        match concerned {
            0 => {
                failures += 1;
                println!("  ✗ the exception `{}` is about no case that does not pass", exception.case);
            }
            count => println!("  · {count} × {}: {}", exception.case, exception.reason),
        }
    }
    println!("{suite}: {} cases, {excepted} excepted, {failures} failed", cases.len());
    failures
}

/// Where the suites run: a server, a folder to write to, and Python with the suites that are written in it.
struct Ground {
    address: String,
    folder: PathBuf,
    python: PathBuf,
    server: Child,
}

impl Ground {
    fn prepare() -> Outcome<Self> {
        let target = metadata::workspace()?.target_directory;
        let folder = target.join("conformance");
        let files = folder.join("files");
        std::fs::create_dir_all(&files)?;
        let bytes: Vec<u8> =
            (0..300_000_u32).map(|n| u8::try_from(n % 251 * (n % 7) % 251).unwrap_or_default()).collect();
        std::fs::write(files.join("bytes.bin"), bytes)?;
        let python = folder.join("python/bin/python");
        if let Err(error) = install(&python) {
            println!("{error}");
        }
        // Of the workspace, so that what it stands on is what all tests stand on, and has all features.
        shell::run(shell::cargo().args(["build", "--workspace", "--example", "conformance"]))?;
        let mut server = Command::new(target.join("debug/examples/conformance"))
            .arg("127.0.0.1:0")
            .arg(&files)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(server.stdout.take().expect("stdout was asked for as a pipe")).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening at ").ok_or("the server does not say where it listens")?;
        Ok(Self { address: address.to_owned(), folder, python, server })
    }

    /// Whether a program is here, from the system or by pip.
    fn has(&self, program: &str) -> bool {
        tools::is_here(program) || self.python.with_file_name(program).is_file()
    }

    /// A program that pip installed.
    fn program(&self, name: &str) -> Command {
        Command::new(self.python.with_file_name(name))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Ground {
    /// The server ends with its standard input.
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        if let Err(error) = self.server.wait() {
            println!("the server cannot be waited for: {error}");
        }
    }
}

/// Has Python in a folder of its own, with what the suites need.
fn install(python: &Path) -> Outcome {
    if !python.is_file() {
        let home = python.ancestors().nth(2).expect("it lies in a folder's `bin`");
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(home))?;
    }
    let packages = ["kosoku==0.1.0", "openapi-spec-validator==0.9.0", "redbot==2.7.1", "pyyaml==6.0.3"];
    let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check", "install"];
    shell::run(Command::new(python).args(pip).args(packages))
}
