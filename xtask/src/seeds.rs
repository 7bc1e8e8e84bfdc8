//! What running many seeds costs.

use crate::Outcome;
use crate::shell;

/// Measures, and writes the table.
pub(crate) fn run() -> Outcome {
    let program = ["run", "--release", "--quiet", "-p", "wavetank-bench", "--example", "seeds"];
    let heard = shell::listen(shell::cargo().args(program))?;
    if !heard.success {
        return Err("it could not be measured".into());
    }
    let rows: Vec<&str> = heard.text.lines().filter(|line| line.starts_with('|')).collect();
    let text = format!(
        "# What seeds cost\n\n\
        Written by `cargo xtask seeds`. Rates are the medians of five rounds, one and two workers in turn; two workers are no \
        faster than the machine's two processors are free.\n\n\
        {}\n\n\
        | what | seen | wanted |\n|---|---|---|\n{}\n",
        shell::machine(),
        rows.join("\n"),
    );
    std::fs::write(shell::root().join("bench/SEEDS.md"), text)?;
    Ok(())
}
