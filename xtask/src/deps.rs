//! `deps`: who names whom, against the edges that `policy.toml` allows.
//!
//! Only normal and build edges count: a test may use anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::Outcome;
use crate::metadata::{self, Metadata};
use crate::policy::{self, Policy};

/// Holds the whole tree against the policy.
pub(crate) fn run() -> Outcome {
    let policy = policy::read()?;
    let mut findings = BTreeSet::new();
    let mut rooms = BTreeSet::new();
    for metadata in metadata::everything()? {
        let graph = Graph::of(&metadata);
        findings.extend(graph.findings(&policy));
        rooms.extend(graph.named.into_keys());
    }
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("{} packages name only what they may", rooms.len());
        Ok(())
    } else {
        Err(format!("{} edges that may not be", findings.len()).into())
    }
}

/// The packages of this tree by their folder, and which of each other they name.
#[derive(Debug, Default)]
struct Graph {
    named: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn of(metadata: &Metadata) -> Graph {
        let folders: BTreeMap<&str, String> =
            metadata.packages.iter().filter_map(|package| Some((package.id.as_str(), package.folder()?))).collect();
        let mut graph = Graph::default();
        for node in &metadata.resolve.nodes {
            let Some(folder) = folders.get(node.id.as_str()) else {
                continue;
            };
            let named = graph.named.entry(folder.clone()).or_default();
            let shipped = node.deps.iter().filter(|dep| dep.is_shipped());
            named.extend(shipped.filter_map(|dep| folders.get(dep.pkg.as_str()).cloned()));
        }
        graph
    }

    fn findings(&self, policy: &Policy) -> Vec<String> {
        let mut findings = Vec::new();
        for (folder, named) in &self.named {
            let Some(room) = room_of(folder, policy) else {
                findings.push(format!("{folder} is in no room of xtask/policy.toml"));
                continue;
            };
            let may = &policy.rooms[room];
            for other in named {
                let allowed = room_of(other, policy)
                    .is_some_and(|other| other == room || may.iter().any(|may| may == other || may == "*"));
                if !allowed {
                    findings.push(format!("{folder} names {other}, which {room} may not"));
                }
            }
            let Some(never) = policy.never.get(room) else {
                continue;
            };
            for path in self.paths(folder) {
                let end = path.last().expect("a path has a start");
                if room_of(end, policy).is_some_and(|end| never.iter().any(|never| never == end)) {
                    findings.push(format!("{folder} reaches {end}: {}", path.join(" → ")));
                }
            }
        }
        findings
    }

    /// A shortest path to each folder that can be reached in more than one step.
    fn paths<'a>(&'a self, start: &'a str) -> Vec<Vec<&'a str>> {
        let mut seen = BTreeSet::from([start]);
        let mut paths = vec![vec![start]];
        let mut next = 0;
        while next < paths.len() {
            let path = paths[next].clone();
            next += 1;
            let end = path[path.len() - 1];
            for other in self.named.get(end).into_iter().flatten() {
                if seen.insert(other) {
                    let mut path = path.clone();
                    path.push(other);
                    paths.push(path);
                }
            }
        }
        paths.retain(|path| path.len() > 2);
        paths
    }
}

/// The innermost room that a folder lies in.
fn room_of<'a>(folder: &str, policy: &'a Policy) -> Option<&'a str> {
    let contains = |room: &&String| {
        folder.strip_prefix(room.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    policy.rooms.keys().filter(contains).max_by_key(|room| room.len()).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let own = |folders: &[&str]| folders.iter().map(ToString::to_string).collect();
        Graph { named: edges.iter().map(|(folder, named)| (folder.to_string(), own(named))).collect() }
    }

    fn findings(edges: &[(&str, &[&str])]) -> Vec<String> {
        graph(edges).findings(&policy::read().unwrap())
    }

    #[test]
    fn the_edges_of_the_design_stand() {
        let edges: &[(&str, &[&str])] = &[
            ("sim", &[]),
            ("stack", &[]),
            ("devices", &["stack"]),
            ("web", &[]),
            ("web/hub", &["web"]),
            ("scenarios", &["sim", "stack", "devices", "web", "web/hub", "macros"]),
            ("cli", &["scenarios", "tui", "sim"]),
            ("firmware-targets/mps2", &["devices", "stack"]),
            ("bench/peers/turmoil", &["sim", "web/hub"]),
        ];
        assert_eq!(findings(edges), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_edge_is_named() {
        assert_eq!(findings(&[("stack", &["sim"]), ("sim", &[])]), ["stack names sim, which stack may not"]);
    }

    #[test]
    fn a_forbidden_path_is_shown_step_by_step() {
        let found = findings(&[("web", &["macros"]), ("macros", &["sim"]), ("sim", &[])]);
        assert!(found.contains(&"web reaches sim: web → macros → sim".to_owned()), "{found:?}");
    }

    #[test]
    fn the_innermost_room_counts() {
        let policy = policy::read().unwrap();
        assert_eq!(room_of("web/hub", &policy), Some("web/hub"));
        assert_eq!(room_of("web/macros", &policy), Some("web"));
        assert_eq!(room_of("website", &policy), None);
    }

    #[test]
    fn a_folder_without_a_room_is_an_error() {
        assert_eq!(findings(&[("attic", &[])]), ["attic is in no room of xtask/policy.toml"]);
    }

    #[test]
    fn every_room_that_a_rule_names_is_a_room() {
        let policy = policy::read().unwrap();
        for name in policy.rooms.values().chain(policy.never.values()).flatten() {
            assert!(name == "*" || policy.rooms.contains_key(name), "{name}");
        }
    }
}
