//! The planted bugs: how soon each is found, what is left of it, whether its twin is clean, and what the guided search does.

use crate::Outcome;
use crate::shell;

/// Runs the search, all of it or for the systems named, and writes the table if it was all.
pub(crate) fn run(names: &[&str]) -> Outcome {
    let program = ["run", "--release", "--quiet", "-p", "wavetank-planted", "--"];
    let heard = shell::listen(shell::cargo().args(program).args(names))?;
    if names.is_empty() {
        let guided = shell::listen(shell::cargo().args(program).arg("--guided"))?;
        let [table, guided] = [&heard, &guided].map(|heard| {
            let rows: Vec<&str> = heard.text.lines().filter(|line| line.starts_with('|')).collect();
            rows.join("\n")
        });
        let text = format!(
            "# Planted bugs\n\n\
            Written by `cargo xtask planted`. Each system in [`planted/`](planted/src/systems) has one bug and a twin without it. \
            Seeds are counted from the scenario's own; times are of the wall clock, side by side on as many processors as there \
            are. *Faults in that run* are all that went wrong in the first run that failed, each lost frame counted; *left* are \
            those without which `wavetank shrink` says it does not fail.\n\n\
            {}, {} of them.\n\n{table}\n\n\
            # Guided\n\n\
            How many runs `wavetank explore --guided` takes to the first failure, beside plain seeds: 24 searches of each kind, \
            from seeds of their own, 4,000 runs at most.\n\n{guided}\n",
            shell::processor(),
            std::thread::available_parallelism().map_or(1, usize::from),
        );
        std::fs::write(shell::root().join("bench/PLANTED.md"), text)?;
    }
    if heard.success { Ok(()) } else { Err("not all bugs were found, or a twin is not clean".into()) }
}
