//! What is asked and answered about firmware, for the description: the types that are read and written know nothing of schemas,
//! for devices have them, too. A test holds the two against each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The parameters of an image's paths.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Image {
    /// What kind of firmware: lower-case letters, digits and hyphens.
    name: String,
    /// Which version of it: three numbers with dots.
    version: String,
}

/// The parameter of a roll-out's path.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Kind {
    /// What kind of firmware.
    name: String,
}

/// What an image is.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// What kind of firmware.
    name: String,
    /// Which version of it: three numbers with dots.
    version: String,
    /// Whoever has confirmed this version runs none older than this from then on.
    minimum: String,
    /// How many bytes.
    length: u32,
    /// The image's SHA-256, in hex digits.
    sha256: String,
    /// The Ed25519 signature of the manifest's text, in hex digits, if there is one.
    #[serde(default)]
    signature: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AllFirmware {
    firmware: Vec<Manifest>,
}

/// How far a version is to be rolled out.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollOut {
    /// Which version.
    version: String,
    /// For how many devices in a thousand, from 0 to 1,000.
    permille: u32,
    /// After so many that failed, nobody else is offered it; 3 if nothing is said.
    #[serde(default)]
    failures_max: Option<u32>,
}

/// How far a version is rolled out, and how devices take it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollout {
    name: String,
    version: String,
    /// For how many devices in a thousand.
    permille: u32,
    /// After so many that failed, nobody else is offered it.
    failures_max: u32,
    /// Whether that has come.
    halted: bool,
    devices: Devices,
}

/// How many devices are how far.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Devices {
    offered: u64,
    downloading: u64,
    trying: u64,
    installed: u64,
    failed: u64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollouts {
    rollouts: Vec<Rollout>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Asks {
    /// What kind of firmware the device runs.
    firmware: String,
    /// Which version of it.
    running: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It was told that there is one.
    Offered,
    /// It fetches the image.
    Downloading,
    /// It runs it, and has yet to prove it.
    Trying,
    /// It runs it.
    Installed,
    /// It could not fetch or take it.
    Failed,
    /// It ran it and went back.
    RolledBack,
}

/// How far a device is with its update.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// What kind of firmware.
    firmware: String,
    /// To which version.
    version: String,
    state: State,
    /// What else there is to say, in up to 200 bytes; more is cut off.
    #[serde(default)]
    detail: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::{Manifest, Said};
    use crate::firmware;

    /// Members that one side has and the other does not are refused by `deny_unknown_fields`, or missing.
    #[test]
    fn what_is_described_is_what_is_there() {
        let image = firmware::Manifest::of("t".parse().unwrap(), "1.2.3".parse().unwrap(), Default::default(), b"x");
        let mut manifest = image.unwrap();
        for signature in [None, Some("ab".repeat(64).parse().unwrap())] {
            manifest.signature = signature;
            let written = serde_json::to_value(&manifest).unwrap();
            let described: Manifest = from_value(written.clone()).unwrap();
            let mut again = serde_json::to_value(described).unwrap();
            if signature.is_none() {
                assert_eq!(again.as_object_mut().unwrap().remove("signature"), Some(Value::Null));
            }
            assert_eq!(again, written);
        }
        for state in ["offered", "downloading", "trying", "installed", "failed", "rolled-back"] {
            let said = json!({ "firmware": "t", "version": "1.2.3", "state": state, "detail": "" });
            let described: Said = from_value(said.clone()).unwrap();
            assert_eq!(serde_json::to_value(described).unwrap(), said);
            from_value::<super::super::Said>(said).unwrap();
        }
    }
}
