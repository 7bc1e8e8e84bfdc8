//! Images: what they do, and the bytes that say so.

use std::sync::LazyLock;

use ed25519_dalek::{Signer as _, SigningKey};
use rand_core::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wavetank_sim::random::Stream;
use wavetank_stack::update::{Manifest, Name, PublicKey, Signature, Version};

use super::FirmwareVersion;

/// What an image does once it is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// It does the device's work.
    #[default]
    Well,
    /// Its driver of the I2C bus is wrong: no part ever acknowledges, and the self-test fails.
    CannotMeasure,
    /// It does the device's work for a second, and then nothing any more: a watchdog ends it.
    Hangs,
    /// It does the device's work for a second, and starts over.
    Reboots,
}

/// Who has signed an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Signer {
    /// Whose key the devices have.
    #[default]
    Vendor,
    /// Somebody else.
    Stranger,
    /// Nobody.
    Nobody,
}

/// An image, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) version: FirmwareVersion,
    pub(crate) minimum: FirmwareVersion,
    pub(crate) size: u64,
    pub(crate) behaves: Behaviour,
    pub(crate) signed_by: Signer,
}

/// The key of the tank's one vendor; nothing outside a tank trusts it.
static VENDOR: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(b"the vendor of all that is tried "));
static STRANGER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(b"somebody who is not the vendor  "));

/// The key that devices have.
pub(crate) fn vendor() -> PublicKey {
    PublicKey(VENDOR.verifying_key().to_bytes())
}

impl Image {
    /// The description on a line, and what follows from it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("it has no maps");
        bytes.push(b'\n');
        let mut code = Stream::new(0, &String::from_utf8_lossy(&bytes));
        let described = bytes.len();
        bytes.resize(usize::try_from(self.size).expect("`check` saw to it").max(described), 0);
        code.fill_bytes(&mut bytes[described..]);
        bytes
    }

    /// The image that these bytes are; `None` if they are none, or not every one of them.
    pub(crate) fn recognise(bytes: &[u8]) -> Option<Self> {
        let line = bytes.split(|byte| *byte == b'\n').next()?;
        let image: Self = serde_json::from_slice(line).ok()?;
        (image.size == bytes.len() as u64 && image.bytes() == bytes).then_some(image)
    }

    /// What whoever hands it out says of it.
    pub(crate) fn manifest(&self) -> Manifest {
        let name: Name = self.name.parse().expect("`check` saw to it");
        let (FirmwareVersion(version), FirmwareVersion(minimum)) = (self.version, self.minimum);
        let mut manifest = Manifest::of(name, version, minimum, &self.bytes()).expect("`check` saw to it");
        let text = manifest.signed_text().to_string();
        let sign = |key: &SigningKey| Some(Signature(key.sign(text.as_bytes()).to_bytes()));
        manifest.signature = match self.signed_by {
            Signer::Vendor => sign(&VENDOR),
            Signer::Stranger => sign(&STRANGER),
            Signer::Nobody => None,
        };
        manifest
    }

    /// What a device leaves the factory with.
    pub(crate) fn from_the_factory(name: &str, version: Version, size: u64) -> Self {
        Self {
            name: name.to_owned(),
            version: FirmwareVersion(version),
            minimum: FirmwareVersion::default(),
            size,
            behaves: Behaviour::Well,
            signed_by: Signer::Vendor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_every_byte_of_it() {
        let image = Image::from_the_factory("lamp", Version::new(1, 2, 0), 2_000);
        let bytes = image.bytes();
        assert_eq!((bytes.len(), Image::recognise(&bytes)), (2_000, Some(image.clone())));
        for at in [0, 40, 1_000, 1_999] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(Image::recognise(&other), None, "{at}");
        }
        assert_eq!(Image::recognise(&bytes[..1_999]), None);
        assert_eq!(image.manifest().verify(&vendor()), Ok(()));
        for signed_by in [Signer::Stranger, Signer::Nobody] {
            assert!(Image { signed_by, ..image.clone() }.manifest().verify(&vendor()).is_err());
        }
    }
}
