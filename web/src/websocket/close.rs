//! Why a socket is closed (RFC 6455, 7.4).

use std::fmt;

/// What a closing frame says: why, for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// For programs.
    pub code: CloseCode,
    /// For people, or empty.
    pub reason: String,
}

/// A status of a closing frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// What the socket was for is done.
    pub const NORMAL: Self = Self(1000);
    /// The server is being stopped, or the page was left.
    pub const GOING_AWAY: Self = Self(1001);
    /// What was said broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// A message was of a kind that is not taken here: bytes, say.
    pub const UNSUPPORTED: Self = Self(1003);
    /// A message was not what its kind says: text that is no UTF-8.
    pub const INVALID: Self = Self(1007);
    /// A message is not allowed, and no other code says why.
    pub const POLICY: Self = Self(1008);
    /// A message was too long.
    pub const TOO_LONG: Self = Self(1009);
    /// The server cannot go on.
    pub const FAILED: Self = Self(1011);
    /// The server is being restarted: come again.
    pub const RESTART: Self = Self(1012);
    /// The server has too much to do: come again later.
    pub const TRY_LATER: Self = Self(1013);

    /// A code of an application's own, or of one that is registered for it.
    ///
    /// # Panics
    /// If it is not in 3000..=4999; in a constant the compiler says so.
    #[must_use]
    pub const fn own(code: u16) -> Self {
        assert!(3000 <= code && code <= 4999, "an application's own code is in 3000..=4999");
        Self(code)
    }

    pub(super) const fn received(code: u16) -> Self {
        Self(code)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// So much of a reason fits into a frame of control beside the code (RFC 6455, 5.5).
const REASON_BYTES_MAX: usize = 123;

/// As much of it as fits, in whole characters.
pub(super) fn fitting(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(fitting("gone"), "gone");
        assert_eq!(fitting(&"é".repeat(62)), "é".repeat(61), "124 bytes are one too many");
        assert_eq!(fitting(&"x".repeat(124)).len(), 123);
    }

    #[test]
    #[should_panic(expected = "3000..=4999")]
    fn codes_that_mean_something_else_are_nobodys_own() {
        let _ = CloseCode::own(1006);
    }
}
