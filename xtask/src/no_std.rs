//! `no-std`: the stack and the devices build for bare metal, and link where there is no allocator.
//!
//! A library builds for a bare target even if it names `alloc`; only linking asks who allocates. So each
//! package is linked into an empty static library that has a panic handler and no allocator.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::policy;
use crate::shell;
use crate::{Outcome, metadata};

/// Builds every package of the policy for every target of the policy.
pub(crate) fn run() -> Outcome {
    let policy = policy::read()?.no_std;
    let target_directory = metadata::workspace()?.target_directory;
    let scratch = target_directory.join("no-std");
    std::fs::create_dir_all(&scratch)?;
    for target in &policy.targets {
        install_target(target)?;
        let built = build(&policy, target)?;
        for package in &policy.packages {
            let library = built
                .iter()
                .find(|artifact| artifact.target.name == package.replace('-', "_"))
                .and_then(Artifact::library)
                .ok_or_else(|| format!("{package} built no library"))?;
            let dependencies = [
                library.with_file_name("deps"),
                // Macros run on the host.
                target_directory.join("debug/deps"),
            ];
            link(package, library, &dependencies, target, &scratch)?;
        }
        println!("{target}: {} link without std and without an allocator", policy.packages.join(", "));
    }
    lean(&policy)
}

/// Checks the stack with little of what it can be, and runs the tests of a package that has it so: within the workspace every
/// feature is on.
fn lean(policy: &policy::NoStd) -> Outcome {
    let Some(target) = policy.targets.first() else { return Ok(()) };
    for features in &policy.lean {
        let features = features.join(",");
        let mut cargo = shell::cargo();
        cargo.args(["clippy", "--lib", "--package", "wavetank-stack", "--target", target]);
        cargo.args(["--no-default-features", "--features", &features]);
        shell::run(cargo.args(["--", "-D", "warnings"]))?;
        println!("{target}: wavetank-stack with {features} and nothing else");
    }
    let artifacts = metadata::workspace()?.target_directory;
    let mut tests = shell::cargo();
    tests.current_dir(shell::root().join("stack/lean")).env("CARGO_TARGET_DIR", artifacts);
    shell::run(tests.args(["test", "--quiet", "--locked"]))
}

/// Has rustup install a target, unless it is there.
pub(crate) fn install_target(target: &str) -> Outcome {
    let libraries = shell::read(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    shell::run(Command::new("rustup").args(["target", "add", target]))
}

/// The part of cargo's build messages that says where a library lies.
#[derive(Debug, Deserialize)]
struct Artifact {
    target: Target,
    filenames: Vec<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

impl Artifact {
    fn library(&self) -> Option<&Path> {
        self.filenames
            .iter()
            .map(PathBuf::as_path)
            .find(|file| file.extension().is_some_and(|extension| extension == "rlib"))
    }
}

fn build(policy: &policy::NoStd, target: &str) -> Outcome<Vec<Artifact>> {
    let mut cargo = shell::cargo();
    cargo.args([
        "build",
        "--lib",
        "--no-default-features",
        "--message-format",
        "json-render-diagnostics",
        "--target",
        target,
        "--features",
    ]);
    cargo.arg(policy.features.join(","));
    for package in &policy.packages {
        cargo.args(["--package", package]);
    }
    // Messages of other kinds have other shapes.
    Ok(shell::read(&mut cargo)?.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn link(package: &str, library: &Path, dependencies: &[PathBuf], target: &str, scratch: &Path) -> Outcome {
    let name = package.replace('-', "_");
    let source = scratch.join(format!("{name}.rs"));
    std::fs::write(&source, probe(&name))?;
    let mut rustc = Command::new("rustc");
    rustc
        .args(["--edition", "2024", "--crate-type", "staticlib", "-C", "panic=abort"])
        .args(["--target", target, "--extern"])
        .arg(format!("{name}={}", library.display()));
    for folder in dependencies {
        rustc.arg("-L").arg(format!("dependency={}", folder.display()));
    }
    rustc.arg("-o").arg(scratch.join(format!("{name}-{target}.a"))).arg(source);
    shell::run(&mut rustc)
        .map_err(|error| format!("{package} does not link for {target} without an allocator: {error}").into())
}

fn probe(name: &str) -> String {
    format!(
        "#![no_std]\n\
         extern crate {name};\n\
         #[panic_handler]\n\
         fn panic(_: &core::panic::PanicInfo<'_>) -> ! {{\n    loop {{}}\n}}\n"
    )
}
