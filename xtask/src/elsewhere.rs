//! `elsewhere`: the command for platforms that CI does not run on, as far as the compiler can tell.

use crate::Outcome;
use crate::no_std::install_target;
use crate::policy;
use crate::shell;

/// Checks the policy's packages for the policy's targets. Nothing is linked: that takes the platform's own linker.
pub(crate) fn run() -> Outcome {
    let policy = policy::read()?.elsewhere;
    for target in &policy.targets {
        install_target(target)?;
        let mut cargo = shell::cargo();
        cargo.args(["clippy", "--target", target]);
        for package in &policy.packages {
            cargo.args(["--package", package]);
        }
        cargo.args(["--no-default-features", "--features", &policy.features.join(",")]);
        shell::run(cargo.args(["--", "-D", "warnings"]))?;
        println!("{target}: {} would build", policy.packages.join(", "));
    }
    Ok(())
}
