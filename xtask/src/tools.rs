//! Programs that tests and cases start: found, or had from apt.

use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::shell;

/// Has apt install the packages of those programs, or files by their whole paths, that are not here. That it cannot is no failure, but is said.
pub(crate) fn install(programs: &[(&str, &str)]) {
    let absent = || programs.iter().filter(|(program, _)| !is_here(program));
    let packages: Vec<&str> = absent().map(|(_, package)| *package).collect();
    if !packages.is_empty()
        && let Err(error) = apt(&["update"]).and_then(|()| apt(&[&["install", "--yes"], &packages[..]].concat()))
    {
        println!("{error}");
    }
    for (program, _) in absent() {
        println!("{program} is not here: what needs it is skipped");
    }
}

/// Whether a program lies where programs do, servers' folders included; or a file at its whole path.
pub(crate) fn is_here(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).to_path_buf()))
        .any(|folder| folder.join(program).is_file())
}

/// Gives up soon where there is no network.
fn apt(arguments: &[&str]) -> Outcome {
    let mut apt = Command::new("apt-get");
    apt.args(["--no-install-recommends", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20"]);
    shell::run(apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
}
