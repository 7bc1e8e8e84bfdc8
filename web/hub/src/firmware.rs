//! Firmware that the hub hands out: images, what they are, and who vouches for them.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use wavetank_manifest::{
    ImageError, InvalidName, InvalidVersion, Manifest, Name, PublicKey, Signature, SignatureError, Version,
};

/// Why an image is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FirmwareError {
    /// Names stand in paths.
    #[error("{0}")]
    Name(#[from] InvalidName),
    /// Devices have to know which of two versions is the older one.
    #[error("{0}")]
    Version(#[from] InvalidVersion),
    /// There is nothing to run, or nobody may.
    #[error("{0}")]
    Image(#[from] ImageError),
    /// The hub takes none without.
    #[error("the image must be signed: `Firmware-Signature`, an Ed25519 signature of `signed_text` in 128 hex digits")]
    Unsigned,
    /// It says something else, or somebody else has made it.
    #[error(
        "the signature is not one of this image, its name, its version and its `Firmware-Minimum` by the hub's key"
    )]
    Signature,
}

/// The manifest of an image that is put to the hub, if whoever owns `key` vouches for it.
///
/// # Errors
/// What is wrong with it.
pub fn manifest(put: &Put<'_>, image: &[u8], key: Option<&PublicKey>) -> Result<Manifest, FirmwareError> {
    let minimum = put.minimum.map(str::parse).transpose()?.unwrap_or_default();
    let mut manifest = Manifest::of(put.name.parse()?, put.version.parse()?, minimum, image)?;
    if let Some(signature) = put.signature {
        manifest.signature = Some(signature.to_ascii_lowercase().parse().map_err(|_| FirmwareError::Unsigned)?);
    }
    let Some(key) = key else { return Ok(manifest) };
    match manifest.verify(key) {
        Ok(()) => Ok(manifest),
        Err(SignatureError::Unsigned) => Err(FirmwareError::Unsigned),
        Err(_) => Err(FirmwareError::Signature),
    }
}

/// What is to be signed of an image that is put to the hub, for whoever has not, or has signed something else.
pub(crate) fn text_to_sign(put: &Put<'_>, image: &[u8]) -> Option<String> {
    let minimum = put.minimum.map(str::parse).transpose().ok()?.unwrap_or_default();
    let manifest = Manifest::of(put.name.parse().ok()?, put.version.parse().ok()?, minimum, image).ok()?;
    Some(manifest.signed_text().to_string())
}

/// What is said of an image that is put to the hub.
#[derive(Debug, Clone, Copy)]
pub struct Put<'a> {
    /// What kind of firmware.
    pub name: &'a str,
    /// Which version of it.
    pub version: &'a str,
    /// The oldest version that devices run once they have confirmed this one; any, if nothing is said.
    pub minimum: Option<&'a str>,
    /// Its signature.
    pub signature: Option<&'a str>,
}

/// Where the hub keeps an image and its manifest.
pub(crate) fn place(name: &str, version: impl std::fmt::Display) -> String {
    format!("{name}/{version}")
}

/// How far a version is rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Which version.
    pub version: Version,
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
    /// It runs it, and has yet to prove it.
    Trying,
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
            Self::Trying => "trying",
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
    pub name: Name,
    /// To which version.
    pub version: Version,
    /// How far it is.
    pub state: UpdateState,
    /// What the device says of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Since when, in milliseconds since 1970 by the hub's clock.
    pub since_ms: u64,
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::{
        FirmwareError, ImageError, InvalidName, InvalidVersion, PublicKey, Put, Rollout, Signature, Version, manifest,
    };

    #[test]
    fn an_image_is_taken_from_those_who_may_sign_it() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = PublicKey(key.verifying_key().to_bytes());
        let image = b"code";
        let put = Put { name: "thermostat", version: "1.2.0", minimum: Some("1.0.0"), signature: None };
        let plain = manifest(&put, image, None).expect("nobody asks for a signature");
        let text = plain.signed_text().to_string();
        let signature = Signature(key.sign(text.as_bytes()).to_bytes()).to_string();
        let put = Put { signature: Some(&signature), ..put };
        let signed = |put: Put<'_>, image: &[u8]| manifest(&put, image, Some(&public)).map(|manifest| manifest.length);
        assert_eq!(signed(put, image), Ok(4));
        let shouted = signature.to_ascii_uppercase();
        assert_eq!(signed(Put { signature: Some(&shouted), ..put }, image), Ok(4));
        assert_eq!(signed(Put { signature: None, ..put }, image), Err(FirmwareError::Unsigned));
        assert_eq!(signed(Put { signature: Some("00"), ..put }, image), Err(FirmwareError::Unsigned));
        assert_eq!(signed(put, b"c0de"), Err(FirmwareError::Signature));
        assert_eq!(signed(Put { version: "1.2.1", ..put }, image), Err(FirmwareError::Signature));
        assert_eq!(signed(Put { minimum: None, ..put }, image), Err(FirmwareError::Signature));
        let other = PublicKey(SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes());
        assert_eq!(manifest(&put, image, Some(&other)), Err(FirmwareError::Signature));
        assert_eq!(signed(Put { name: "../1", ..put }, image), Err(FirmwareError::Name(InvalidName)));
        assert_eq!(signed(Put { version: "1.2", ..put }, image), Err(FirmwareError::Version(InvalidVersion)));
        assert_eq!(signed(put, b""), Err(FirmwareError::Image(ImageError::Empty)));
        let forbids_itself = Put { minimum: Some("1.2.1"), ..put };
        assert_eq!(signed(forbids_itself, image), Err(FirmwareError::Image(ImageError::Minimum)));
    }

    #[test]
    fn who_is_among_the_first_stays_so() {
        let at = |permille| Rollout { version: Version::new(2, 0, 0), permille, failures_max: 0 };
        let count = |rollout: &Rollout| (0..1_000).filter(|n| rollout.is_for("t", &format!("d-{n}"))).count();
        assert_eq!((count(&at(0)), count(&at(1_000))), (0, 1_000));
        let few = count(&at(100));
        assert!((60..140).contains(&few), "{few}");
        let first = (0..1_000).map(|n| format!("d-{n}")).filter(|device| at(100).is_for("t", device));
        assert!(first.into_iter().all(|device| at(200).is_for("t", &device)));
    }
}
