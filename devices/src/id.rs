//! Names of devices.

use core::fmt;

use heapless::String;
use thiserror::Error;

/// A device's name, unique among those that report to one hub.
///
/// Letters, digits, `-`, `_` and `.`, the first a letter or digit, so that it stands in a URL, in JSON and
/// in a file name as it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DeviceId(String<{ DeviceId::LEN_MAX }>);

/// The text names no device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a device id is 1 to 32 letters, digits, '-', '_' or '.', and begins with a letter or digit")]
pub struct InvalidDeviceId;

impl DeviceId {
    /// The longest name, in bytes.
    pub const LEN_MAX: usize = 32;

    /// Takes `name` as an id.
    ///
    /// # Errors
    ///
    /// [`InvalidDeviceId`] if it is empty, too long or has other characters.
    pub fn new(name: &str) -> Result<Self, InvalidDeviceId> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !begins || !name.bytes().all(fits) {
            return Err(InvalidDeviceId);
        }
        String::try_from(name).map(DeviceId).map_err(|_| InvalidDeviceId)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::str::FromStr for DeviceId {
    type Err = InvalidDeviceId;

    fn from_str(name: &str) -> Result<Self, InvalidDeviceId> {
        DeviceId::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_ids() {
        assert_eq!(DeviceId::new("thermostat-1").as_ref().map(DeviceId::as_str), Ok("thermostat-1"));
        for name in ["", "a b", "a/b", "\"", "é", "a\n", ".hidden", "-option", "123456789012345678901234567890123"] {
            assert_eq!(DeviceId::new(name), Err(InvalidDeviceId), "{name:?}");
        }
    }
}
