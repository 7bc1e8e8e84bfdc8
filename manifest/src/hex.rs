//! Bytes that are written as hex digits: hashes, signatures and keys.

use core::fmt;
use core::str::FromStr;

/// It is not that many hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} hex digits")]
pub struct InvalidHex {
    digits: usize,
}

macro_rules! hex {
    ($(#[$doc:meta])* $name:ident, $len:literal, $strict:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidHex;

            fn from_str(text: &str) -> Result<Self, InvalidHex> {
                decode(text.as_bytes(), $strict).map(Self).ok_or(InvalidHex { digits: 2 * $len })
            }
        }
    };
}

hex!(
    /// A SHA-256 hash (FIPS 180-4); as text 64 lower-case hex digits.
    Digest,
    32,
    true
);
hex!(
    /// An Ed25519 signature (RFC 8032, section 5.1.6); as text 128 lower-case hex digits.
    Signature,
    64,
    true
);
hex!(
    /// An Ed25519 public key (RFC 8032, section 5.1.5); as text 64 hex digits of either case.
    PublicKey,
    32,
    false
);

/// `strict`: there is one way to write it.
fn decode<const N: usize>(text: &[u8], strict: bool) -> Option<[u8; N]> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    let digit = |digit: u8| {
        let allowed = !strict || !digit.is_ascii_uppercase();
        char::from(digit).to_digit(16).filter(|_| allowed).and_then(|digit| u8::try_from(digit).ok())
    };
    let mut bytes = [0; N];
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}
