//! Packages of this tree that stand outside its workspace: boards, peers of the benchmarks, examples.

use std::path::{Path, PathBuf};

use crate::shell;
use crate::{Outcome, metadata};

/// Their manifests.
pub(crate) fn manifests() -> Outcome<Vec<PathBuf>> {
    let members: Vec<PathBuf> = metadata::workspace()?
        .packages
        .into_iter()
        .filter(|package| package.source.is_none())
        .map(|package| package.manifest_path)
        .collect();
    let root = shell::root();
    Ok(shell::files()?
        .into_iter()
        .filter(|file| file.ends_with("Cargo.toml"))
        .map(|file| root.join(file))
        .filter(|manifest| *manifest != root.join("Cargo.toml") && !members.contains(manifest))
        .collect())
}

/// The target of the board that is emulated, and what has to be there for that.
const EMULATED: &str = "thumbv7m-none-eabi";
const EMULATOR: &str = "qemu-system-arm";

/// Builds every board's package, and boots what is tested on an emulated board.
pub(crate) fn firmware() -> Outcome {
    let built = build("firmware-targets", &["--release"])?;
    println!("{built} firmware packages link");
    if !shell::has(EMULATOR, "--version") {
        println!("skipped: no firmware boots, as there is no {EMULATOR} here");
        return Ok(());
    }
    let images = metadata::workspace()?.target_directory.join(EMULATED).join("release");
    let mut boots = shell::cargo();
    // Of the workspace, so that what it stands on is what all tests stand on.
    boots.args(["test", "--quiet", "--workspace", "--test", "board"]);
    shell::run(boots.env("WAVETANK_FIRMWARE", images))
}

/// Builds every example that is no member of the workspace.
pub(crate) fn examples() -> Outcome {
    let built = build("examples", &[])?;
    println!("{built} examples outside the workspace build");
    Ok(())
}

/// Checks the form of every package below `folder` that stands outside the workspace and builds it, from its own
/// folder, so that its own `.cargo/config.toml` names its target.
fn build(folder: &str, profile: &[&str]) -> Outcome<usize> {
    let below = shell::root().join(folder);
    let artifacts = metadata::workspace()?.target_directory;
    let mut built = 0;
    for manifest in manifests()? {
        if !manifest.starts_with(&below) {
            continue;
        }
        let home = manifest.parent().expect("a manifest lies in a folder");
        println!("building {}", shell::from_root(home));
        install_targets_of(home)?;
        for arguments in [&["fmt", "--check"][..], &["clippy", "--", "-D", "warnings"], &[&["build"], profile].concat()]
        {
            // One folder of artifacts for all, so that what the workspace has built is not built again.
            shell::run(shell::cargo().current_dir(home).args(arguments).env("CARGO_TARGET_DIR", &artifacts))?;
        }
        built += 1;
    }
    Ok(built)
}

/// Installs the target that the package's `.cargo/config.toml` builds for.
fn install_targets_of(home: &Path) -> Outcome {
    for folder in home.ancestors().take_while(|folder| folder.starts_with(shell::root())) {
        let Ok(text) = std::fs::read_to_string(folder.join(".cargo/config.toml")) else {
            continue;
        };
        let config: toml::Table = toml::from_str(&text)?;
        let target = config.get("build").and_then(|build| build.get("target"));
        if let Some(target) = target.and_then(|target| target.as_str()) {
            return crate::no_std::install_target(target);
        }
    }
    Ok(())
}
