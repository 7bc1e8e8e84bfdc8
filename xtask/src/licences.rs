//! `licences`: every package that the tree can pull in, by licence, source and name.
//!
//! Packages of tests and of other platforms count as well: whoever clones the tree gets their code.

use std::collections::BTreeSet;

use crate::Outcome;
use crate::metadata::{self, Metadata};
use crate::policy::{self, Policy};

/// Holds every package against the policy.
pub(crate) fn run() -> Outcome {
    let policy = policy::read()?;
    let mut findings = BTreeSet::new();
    let mut packages = BTreeSet::new();
    let mut excepted: BTreeSet<&String> = policy.licences.exceptions.keys().collect();
    for metadata in metadata::everything()? {
        findings.extend(findings_of(&metadata, &policy));
        excepted.retain(|name| !metadata.packages.iter().any(|package| package.name == **name));
        packages.extend(metadata.packages.into_iter().map(|package| package.id));
    }
    findings.extend(excepted.into_iter().map(|name| format!("{name}: excepted, and not there")));
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("{} packages, all with a licence, a source and a name that may be", packages.len());
        Ok(())
    } else {
        Err(format!("{} packages that may not be", findings.len()).into())
    }
}

fn findings_of(metadata: &Metadata, policy: &Policy) -> Vec<String> {
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let who = format!("{} {}", package.name, package.version);
        match package.license.as_deref() {
            None => findings.push(format!("{who}: its manifest has no licence expression")),
            Some(_) if policy.licences.exceptions.contains_key(&package.name) => {}
            Some(expression) => {
                if let Err(reason) = satisfiable(expression, &policy.licences.allowed) {
                    findings.push(format!("{who}: {reason}"));
                }
            }
        }
        match &package.source {
            None if package.folder().is_none() => {
                findings.push(format!("{who}: lies outside the tree, at {}", package.manifest_path.display()));
            }
            Some(source) if !policy.licences.sources.contains(source) => {
                findings.push(format!("{who}: comes from {source}"));
            }
            _ => {}
        }
        if let Some(reason) = policy.banned.get(&package.name) {
            findings.push(format!("{who}: banned: {reason}"));
        }
    }
    let by_id = |id: &str| metadata.packages.iter().find(|package| package.id == id);
    for node in &metadata.resolve.nodes {
        let Some(folder) = by_id(&node.id).and_then(metadata::Package::folder) else {
            continue;
        };
        for other in node.deps.iter().filter_map(|dep| by_id(&dep.pkg)) {
            if let Some(reason) = policy.banned_directly.get(&other.name) {
                findings.push(format!("{folder} names {}: {reason}", other.name));
            }
        }
    }
    findings
}

/// Whether a licence expression can be satisfied with these licences alone.
fn satisfiable(expression: &str, allowed: &[String]) -> Result<(), String> {
    // Old manifests separate alternatives with a slash.
    let parsed = spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX)
        .map_err(|error| format!("its licence cannot be read: {expression}: {}", error.reason))?;
    let satisfied = parsed.evaluate(|licence| {
        let plain = licence.addition.is_none();
        let id = licence.license.id();
        plain && id.is_some_and(|id| allowed.iter().any(|allowed| allowed == id.name))
    });
    if satisfied { Ok(()) } else { Err(format!("licensed {expression}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(expression: &str) -> bool {
        satisfiable(expression, &policy::read().unwrap().licences.allowed).is_ok()
    }

    #[test]
    fn either_side_of_an_or_is_enough() {
        for expression in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "Apache-2.0 OR BSL-1.0",
            "CC0-1.0 OR MIT-0 OR Apache-2.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        ] {
            assert!(allowed(expression), "{expression}");
        }
    }

    #[test]
    fn both_sides_of_an_and_are_needed() {
        assert!(allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!allowed("MIT AND GPL-3.0-only"));
        assert!(!allowed("(MIT OR Apache-2.0) AND CC0-1.0"));
    }

    #[test]
    fn what_is_not_listed_is_refused() {
        for expression in
            ["BSL-1.0", "CC0-1.0", "GPL-2.0-or-later", "Apache-2.0 WITH LLVM-exception", "LicenseRef-mine"]
        {
            assert!(!allowed(expression), "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(satisfiable("no such licence", &[]).is_err());
    }
}
