//! What a firmware image is, and who vouches for it.
//!
//! A [`Manifest`] is a text of six lines, which are what is signed, and a seventh with the signature:
//!
//! ```text
//! wavetank firmware 2
//! thermostat
//! 1.2.0
//! 1.0.0
//! 98304
//! 4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb
//! 7f1c…
//! ```
//!
//! They are: what this is; the name of the firmware; its [`Version`]; the oldest version that whoever has come to trust this
//! one runs from then on; the image's length in bytes; its SHA-256 in hex digits; and the Ed25519 signature (RFC 8032) of the
//! six lines with their line ends, in hex digits, or nothing. There is one way to write a manifest, so what was read is what
//! was signed.
//!
//! Those who hand out firmware and those who take it use this definition, in memory that is bounded. Not here: where images
//! come from and where they go.

#![no_std]
#![forbid(unsafe_code)]

mod hex;
#[cfg(feature = "serde")]
mod json;
mod name;
#[cfg(test)]
mod tests;
mod version;

use core::fmt;

use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};

pub use hex::{Digest, InvalidHex, PublicKey, Signature};
pub use name::{InvalidName, Name};
pub use version::{InvalidVersion, Version};

/// What an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Manifest {
    /// What kind of firmware, such as `thermostat`.
    pub name: Name,
    /// Which version of it.
    pub version: Version,
    /// Whoever has come to trust this version runs none older than this from then on. It is not above `version`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub minimum: Version,
    /// How many bytes, at least one.
    pub length: u32,
    /// The image's hash.
    pub sha256: Digest,
    /// Who vouches for it, if anybody does.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub signature: Option<Signature>,
}

/// Why an image has no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is nothing to run.
    #[error("the image is empty")]
    Empty,
    /// More than any device has room for.
    #[error("the image is longer than 4 GiB")]
    TooLong,
    /// The version would forbid itself.
    #[error("the version is older than the oldest that may be run once it is trusted")]
    Minimum,
}

/// Why a text is no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// It does not begin with the line that every manifest of this kind begins with.
    #[error("this is no manifest, or one of another kind")]
    Kind,
    /// It is longer than any manifest, not ASCII, or a line is missing or too many.
    #[error("a manifest is seven lines")]
    Lines,
    /// A line is not what it should be.
    #[error("the line with the {0} is malformed")]
    Line(&'static str),
    /// The version would forbid itself.
    #[error("the version is older than the oldest that may be run once it is trusted")]
    Minimum,
}

/// Why nobody vouches for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// There is no signature.
    #[error("it is not signed")]
    Unsigned,
    /// The key is not one.
    #[error("the public key is not one")]
    Key,
    /// Somebody else has signed, or something else was signed.
    #[error("the signature is not one of this manifest by that key")]
    Forged,
}

/// What every manifest begins with.
const KIND: &str = "wavetank firmware 2";

impl Manifest {
    /// The longest text of one, in bytes.
    pub const TEXT_MAX: usize =
        KIND.len() + 1 + Name::LEN_MAX + 1 + 2 * (Version::LEN_MAX + 1) + 10 + 1 + 64 + 1 + 128 + 1;

    /// The manifest of this image, which nobody has signed yet.
    ///
    /// # Errors
    /// [`ImageError`]
    pub fn of(name: Name, version: Version, minimum: Version, image: &[u8]) -> Result<Self, ImageError> {
        let length = u32::try_from(image.len()).map_err(|_| ImageError::TooLong)?;
        if length == 0 {
            return Err(ImageError::Empty);
        }
        if minimum > version {
            return Err(ImageError::Minimum);
        }
        let sha256 = Digest(Sha256::digest(image).into());
        Ok(Self { name, version, minimum, length, sha256, signature: None })
    }

    /// Reads a manifest's text, all of it.
    ///
    /// # Errors
    /// [`ParseError`]. Whether somebody vouches for it is another question: [`verify`](Self::verify).
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        let text = Some(text).filter(|text| text.len() <= Self::TEXT_MAX).ok_or(ParseError::Lines)?;
        let text = core::str::from_utf8(text).map_err(|_| ParseError::Lines)?;
        let mut lines = text.split('\n');
        if lines.next() != Some(KIND) {
            return Err(ParseError::Kind);
        }
        let mut line = || lines.next().ok_or(ParseError::Lines);
        let name = line()?.parse().map_err(|_| ParseError::Line("name"))?;
        let version = line()?.parse().map_err(|_| ParseError::Line("version"))?;
        let minimum = line()?.parse().map_err(|_| ParseError::Line("oldest version"))?;
        let length = version::decimal(line()?, 10).filter(|length| *length > 0).ok_or(ParseError::Line("length"))?;
        let sha256 = line()?.parse().map_err(|_| ParseError::Line("hash"))?;
        let signature = match line()? {
            "" => None,
            digits => Some(digits.parse().map_err(|_| ParseError::Line("signature"))?),
        };
        if (lines.next(), lines.next()) != (Some(""), None) {
            return Err(ParseError::Lines);
        }
        if minimum > version {
            return Err(ParseError::Minimum);
        }
        Ok(Self { name, version, minimum, length, sha256, signature })
    }

    /// What is signed: the first six lines.
    #[must_use]
    pub fn signed_text(&self) -> impl fmt::Display + '_ {
        SignedText(self)
    }

    /// Whether the owner of that key vouches for it.
    ///
    /// # Errors
    /// [`SignatureError`]
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        let signature = self.signature.as_ref().ok_or(SignatureError::Unsigned)?;
        let key = VerifyingKey::from_bytes(&key.0).map_err(|_| SignatureError::Key)?;
        let text = Text::<{ Self::TEXT_MAX }>::of(&SignedText(self));
        key.verify_strict(text.as_bytes(), &ed25519_dalek::Signature::from_bytes(&signature.0))
            .map_err(|_| SignatureError::Forged)
    }

    /// Whether those bytes are the image. For an image that comes in pieces, compare the hash.
    #[must_use]
    pub fn is_of(&self, image: &[u8]) -> bool {
        u32::try_from(image.len()) == Ok(self.length) && Digest(Sha256::digest(image).into()) == self.sha256
    }

    /// Its text, in memory of its own.
    #[must_use]
    pub fn text(&self) -> Text<{ Self::TEXT_MAX }> {
        Text::of(self)
    }
}

/// The whole text, with the signature.
impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SignedText(self).fmt(f)?;
        match &self.signature {
            Some(signature) => writeln!(f, "{signature}"),
            None => writeln!(f),
        }
    }
}

struct SignedText<'a>(&'a Manifest);

impl fmt::Display for SignedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Manifest { name, version, minimum, length, sha256, signature: _ } = self.0;
        write!(f, "{KIND}\n{name}\n{version}\n{minimum}\n{length}\n{sha256}\n")
    }
}

/// Text of at most `N` bytes, without an allocator.
#[derive(Clone, Debug)]
pub struct Text<const N: usize>(heapless::String<N>);

impl<const N: usize> Text<N> {
    /// What is longer than `N` bytes is cut off; no manifest is longer than its [`TEXT_MAX`](Manifest::TEXT_MAX).
    fn of(text: &impl fmt::Display) -> Self {
        let mut string = heapless::String::new();
        // A text that has no room shows as one that is not what it should be.
        let _ = fmt::Write::write_fmt(&mut string, format_args!("{text}"));
        Self(string)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
