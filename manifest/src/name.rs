//! Names of firmware.

use core::fmt;
use core::ops::Deref;
use core::str::FromStr;

/// What kind of firmware it is: 1 to 64 ASCII letters, digits, `.`, `_` or `-`, the first a letter or digit, so that it
/// stands in a path as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(heapless::String<{ Name::LEN_MAX }>);

/// The text names no firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 64 ASCII letters, digits, `.`, `_` or `-`, and begins with a letter or digit")]
pub struct InvalidName;

impl Name {
    /// The longest name, in bytes.
    pub const LEN_MAX: usize = 64;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !begins || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            return Err(InvalidName);
        }
        heapless::String::try_from(text).map(Self).map_err(|_| InvalidName)
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
