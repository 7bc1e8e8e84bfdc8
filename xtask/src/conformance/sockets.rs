//! Autobahn's cases for WebSocket (RFC 6455), by kosoku, which runs them on a Python of today.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde::Deserialize;

use super::{Case, Ground};
use crate::Outcome;

#[derive(Deserialize)]
struct Verdict {
    behavior: String,
    #[serde(rename = "behaviorClose")]
    close: String,
}

pub(super) fn run(ground: &Ground) -> Outcome<Vec<Case>> {
    at(ground, &ground.address, "direct", &[])
}

/// Runs the cases with these names, all if there are none, against the server at this address.
pub(super) fn at(ground: &Ground, address: &str, name: &str, cases: &[&str]) -> Outcome<Vec<Case>> {
    let reports = ground.folder.join("sockets").join(name);
    let mut kosoku = ground.program("kosoku");
    kosoku.arg(address).args(["-p", "4", "-o"]).arg(&reports);
    for case in cases {
        kosoku.args(["-i", case]);
    }
    // Its exit code says that something failed, which its report says better.
    kosoku.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let text = std::fs::read_to_string(reports.join("index.json"))?;
    let index: BTreeMap<String, BTreeMap<String, Verdict>> = serde_json::from_str(&text)?;
    let verdicts = index.into_values().next().ok_or("the report is empty")?;
    Ok(verdicts.into_iter().map(|(name, verdict)| Case::new(name, wrong(&verdict))).collect())
}

/// "Informational" is about what the RFC leaves open.
fn wrong(verdict: &Verdict) -> Option<String> {
    let fine = |text: &str| matches!(text, "OK" | "INFORMATIONAL");
    (!fine(&verdict.behavior) || !fine(&verdict.close))
        .then(|| format!("{} and closed {}", verdict.behavior, verdict.close))
}
