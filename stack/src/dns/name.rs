//! Names of hosts, as they are written and as they are sent.

use core::{fmt, str};

use heapless::Vec;

/// The longest name that is resolved here, as text. The protocol's longest is 253; names of hosts are far shorter.
pub const NAME_MAX: usize = 96;
/// The longest label (RFC 1035, section 2.3.4).
const LABEL_MAX: usize = 63;

/// A name of a host, in lower case, without the dot at its end.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Name {
    text: Vec<u8, NAME_MAX, u8>,
}

/// Text that names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name: labels of letters, digits, '-' and '_', up to {LABEL_MAX} each and {NAME_MAX} in all")]
pub struct BadName;

impl Name {
    /// The name that `text` writes.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn new(text: &str) -> Result<Self, BadName> {
        let text = text.as_bytes();
        let text = text.strip_suffix(b".").unwrap_or(text);
        let mut name = Self::default();
        for label in text.split(|&byte| byte == b'.') {
            name.push(label)?;
        }
        Ok(name)
    }

    /// Adds a label as it came over the wire.
    pub(super) fn push(&mut self, label: &[u8]) -> Result<(), BadName> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if label.is_empty() || label.len() > LABEL_MAX || !label.iter().all(plain) {
            return Err(BadName);
        }
        if !self.text.is_empty() {
            self.text.push(b'.').map_err(|_| BadName)?;
        }
        self.text.extend_from_slice(label).map_err(|_| BadName)?;
        self.text.make_ascii_lowercase();
        Ok(())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.text).expect("labels are ASCII")
    }

    /// Whether it is the root's.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Its labels.
    pub(super) fn labels(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|&byte| byte == b'.')
    }

    /// How many bytes it takes on the wire.
    pub(super) fn wire_len(&self) -> usize {
        self.text.len() + 2
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_other_text() {
        assert_eq!(Name::new("Hub.LAN.").unwrap().as_str(), "hub.lan");
        for bad in ["", ".", "a..b", "hub lan", "hub/1", "ü.lan"] {
            assert_eq!(Name::new(bad), Err(BadName), "{bad}");
        }
        let long = "abcdefgh.".repeat(12);
        assert_eq!(Name::new(&long), Err(BadName));
        assert_eq!(Name::new(&"x".repeat(64)), Err(BadName));
    }
}
