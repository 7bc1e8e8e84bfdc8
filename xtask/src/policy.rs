//! `policy.toml`: what the tree is held to.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Outcome;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Policy {
    /// By folder: the folders whose packages it may name; `*` is any.
    pub(crate) rooms: BTreeMap<String, Vec<String>>,
    /// By folder: the folders whose packages it may not reach.
    pub(crate) never: BTreeMap<String, Vec<String>>,
    pub(crate) licences: Licences,
    /// By package: why it is not wanted anywhere.
    pub(crate) banned: BTreeMap<String, String>,
    /// By package: why no room names it.
    pub(crate) banned_directly: BTreeMap<String, String>,
    pub(crate) no_std: NoStd,
    pub(crate) elsewhere: Elsewhere,
    pub(crate) tidy: Tidy,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Licences {
    pub(crate) allowed: Vec<String>,
    /// By package: why it may be under another licence.
    pub(crate) exceptions: BTreeMap<String, String>,
    pub(crate) sources: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoStd {
    pub(crate) packages: Vec<String>,
    pub(crate) features: Vec<String>,
    pub(crate) lean: Vec<Vec<String>>,
    pub(crate) targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Elsewhere {
    pub(crate) packages: Vec<String>,
    pub(crate) features: Vec<String>,
    pub(crate) targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tidy {
    pub(crate) file_lines_max: usize,
    pub(crate) names: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) get_functions: Vec<String>,
    pub(crate) unsafe_files: Vec<String>,
    pub(crate) foreign_paths: Vec<String>,
}

/// The policy of this tree.
pub(crate) fn read() -> Outcome<Policy> {
    toml::from_str(include_str!("../policy.toml")).map_err(|error| format!("xtask/policy.toml: {error}").into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_policy_of_this_tree_can_be_read() {
        super::read().unwrap();
    }
}
