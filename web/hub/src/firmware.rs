//! Firmware that the hub hands out: images, what they are, and who vouches for them.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What an image is. Devices are told this before they fetch it, and check it with what they have fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What kind of firmware, such as `thermostat`.
    pub name: String,
    /// Which version of it.
    pub version: String,
    /// How many bytes.
    pub length: u64,
    /// The image's hash, in hex digits.
    pub sha256: String,
    /// An Ed25519 signature of [`Manifest::signed_text`], in hex digits; empty if nobody has signed.
    pub signature: String,
}

/// Why an image is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FirmwareError {
    /// Names and versions stand in paths.
    #[error("a name or a version is 1 to 64 ASCII letters, digits, `.`, `_` or `-`, and begins with a letter or digit")]
    Name,
    /// There is nothing to run.
    #[error("the image is empty")]
    Empty,
    /// The hub takes none without.
    #[error("the image must be signed: `Firmware-Signature`, 128 hex digits")]
    Unsigned,
    /// It says something else, or somebody else has made it.
    #[error("the signature is not one of this image by the hub's key")]
    Signature,
}

impl Manifest {
    /// Of this image, if the signature is good.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(
        name: &str,
        version: &str,
        image: &[u8],
        signature: Option<&str>,
        key: Option<&[u8; 32]>,
    ) -> Result<Self, FirmwareError> {
        if !crate::reading::is_plain_name(name) || !crate::reading::is_plain_name(version) {
            return Err(FirmwareError::Name);
        }
        if image.is_empty() {
            return Err(FirmwareError::Empty);
        }
        let manifest = Self {
            name: name.to_owned(),
            version: version.to_owned(),
            length: image.len() as u64,
            sha256: Hex(&Sha256::digest(image)).to_string(),
            signature: signature.unwrap_or_default().to_ascii_lowercase(),
        };
        if let Some(key) = key {
            let signature = signature.ok_or(FirmwareError::Unsigned)?;
            let signature = unhex::<64>(signature).ok_or(FirmwareError::Unsigned)?;
            let key = VerifyingKey::from_bytes(key).map_err(|_| FirmwareError::Signature)?;
            let text = manifest.signed_text();
            key.verify_strict(text.as_bytes(), &Signature::from_bytes(&signature))
                .map_err(|_| FirmwareError::Signature)?;
        }
        Ok(manifest)
    }

    /// What is signed: a line each for what this is, its name, its version, its length and its hash.
    #[must_use]
    pub fn signed_text(&self) -> String {
        let Self { name, version, length, sha256, .. } = self;
        format!("wavetank firmware 1\n{name}\n{version}\n{length}\n{sha256}\n")
    }

    /// Where the hub keeps it.
    pub(crate) fn place(name: &str, version: &str) -> String {
        format!("{name}/{version}")
    }
}

/// How far a version is rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Which version.
    pub version: String,
    /// For how many devices in a thousand.
    pub permille: u32,
    /// After so many that failed, nobody else is offered it.
    #[serde(default = "failures_max")]
    pub failures_max: u32,
}

fn failures_max() -> u32 {
    3
}

impl Rollout {
    /// Whether a device is among those that it is for by now. Who is among the first differs from version to version, and
    /// whoever is stays so when it goes further.
    #[must_use]
    pub fn is_for(&self, name: &str, device: &str) -> bool {
        let text = format!("{name}\0{}\0{device}", self.version);
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let [a, b, c, d, ..] = hash;
        u32::from_be_bytes([a, b, c, d]) % 1_000 < self.permille
    }
}

/// How far a device is with an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateState {
    /// It was told that there is one.
    Offered,
    /// It fetches the image.
    Downloading,
    /// It runs it.
    Installed,
    /// It could not fetch or take it.
    Failed,
    /// It ran it and went back.
    RolledBack,
}

impl UpdateState {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Downloading => "downloading",
            Self::Installed => "installed",
            Self::Failed => "failed",
            Self::RolledBack => "rolled back",
        }
    }

    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::RolledBack)
    }
}

/// What is known of a device's update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Of what kind of firmware.
    pub name: String,
    /// To which version.
    pub version: String,
    /// How far it is.
    pub state: UpdateState,
    /// What the device says of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Since when, in milliseconds since 1970 by the hub's clock.
    pub since_ms: u64,
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads hex digits, two a byte.
#[must_use]
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Vec<u8> = pairs.iter().map_while(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::{FirmwareError, Hex, Manifest, Rollout, unhex};

    #[test]
    fn an_image_is_taken_from_those_who_may_sign_it() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = key.verifying_key().to_bytes();
        let image = b"code";
        let plain = Manifest::new("thermostat", "1.2.0", image, None, None).expect("nobody asks for a signature");
        let signature = Hex(&key.sign(plain.signed_text().as_bytes()).to_bytes()).to_string();
        let signed = |image: &[u8], version, signature: Option<&str>, key| {
            Manifest::new("thermostat", version, image, signature, Some(key)).map(|manifest| manifest.length)
        };
        assert_eq!(signed(image, "1.2.0", Some(&signature), &public), Ok(4));
        assert_eq!(signed(image, "1.2.0", None, &public), Err(FirmwareError::Unsigned));
        assert_eq!(signed(image, "1.2.0", Some("00"), &public), Err(FirmwareError::Unsigned));
        assert_eq!(signed(b"c0de", "1.2.0", Some(&signature), &public), Err(FirmwareError::Signature));
        assert_eq!(signed(image, "1.2.1", Some(&signature), &public), Err(FirmwareError::Signature));
        let other = SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes();
        assert_eq!(signed(image, "1.2.0", Some(&signature), &other), Err(FirmwareError::Signature));
        assert_eq!(signed(image, "../1", Some(&signature), &public), Err(FirmwareError::Name));
        assert_eq!(signed(b"", "1.2.0", Some(&signature), &public), Err(FirmwareError::Empty));
        assert_eq!(unhex::<2>("0aF0"), Some([10, 240]));
        assert_eq!((unhex::<2>("0a"), unhex::<1>("0"), unhex::<1>("+1")), (None, None, None));
    }

    #[test]
    fn who_is_among_the_first_stays_so() {
        let at = |permille| Rollout { version: "2".into(), permille, failures_max: 0 };
        let count = |rollout: &Rollout| (0..1_000).filter(|n| rollout.is_for("t", &format!("d-{n}"))).count();
        assert_eq!((count(&at(0)), count(&at(1_000))), (0, 1_000));
        let few = count(&at(100));
        assert!((60..140).contains(&few), "{few}");
        let first = (0..1_000).map(|n| format!("d-{n}")).filter(|device| at(100).is_for("t", device));
        assert!(first.into_iter().all(|device| at(200).is_for("t", &device)));
    }
}
