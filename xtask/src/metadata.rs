//! What `cargo metadata` says of a workspace, as far as the verbs ask.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Outcome;
use crate::shell;

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) resolve: Resolve,
    pub(crate) target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// The SPDX expression of its manifest.
    pub(crate) license: Option<String>,
    /// Where it came from; `None` for a path.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: PathBuf,
}

impl Package {
    /// The folder that the package lies in, from the root of this tree; `None` for others' packages.
    pub(crate) fn folder(&self) -> Option<String> {
        let folder = self.manifest_path.parent()?;
        (self.source.is_none() && folder.starts_with(shell::root())).then(|| shell::from_root(folder))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<NodeDep>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NodeDep {
    pub(crate) pkg: String,
    pub(crate) dep_kinds: Vec<DepKind>,
}

impl NodeDep {
    /// Whether the edge is there for those who use the package, not only for its own tests.
    pub(crate) fn is_shipped(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct DepKind {
    /// `None` is a normal edge.
    kind: Option<String>,
}

/// Of the workspace with all its features on.
pub(crate) fn workspace() -> Outcome<Metadata> {
    of(&shell::root().join("Cargo.toml"))
}

/// Of the package or workspace with this manifest, with all its features on.
pub(crate) fn of(manifest: &Path) -> Outcome<Metadata> {
    let mut cargo = shell::cargo();
    cargo.args(["metadata", "--format-version", "1", "--all-features", "--manifest-path"]).arg(manifest);
    Ok(serde_json::from_str(&shell::read(&mut cargo)?)?)
}

/// Of the workspace, and of every package of this tree that stands outside it.
pub(crate) fn everything() -> Outcome<Vec<Metadata>> {
    let mut all = vec![workspace()?];
    for manifest in crate::outside::manifests()? {
        let known = |metadata: &Metadata| metadata.packages.iter().any(|package| package.manifest_path == manifest);
        if !all.iter().any(known) {
            all.push(of(&manifest)?);
        }
    }
    Ok(all)
}
