//! What a lamp is told, and which of two commands is the newer.

use serde::{Deserialize, Serialize};

/// A command on the flash: its number, who gave it, what it says.
pub(super) const COMMAND_LEN: usize = 4 + 1 + 1;
/// Bytes that suffice for any command's JSON.
pub const JSON_MAX: usize = 40;

/// A command, and, as what a lamp obeys, its state: `{"n":17,"by":2,"on":true}`.
///
/// Whoever commands takes a number above the highest that they have heard of (a Lamport clock), and has a rank of their
/// own, so that no two commands are equal, and everybody agrees which is the newer: the one with the higher number, of two
/// with the same number that of the higher rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Command {
    /// Its number.
    #[serde(rename = "n")]
    pub number: u32,
    /// The rank of who gave it.
    #[serde(default)]
    pub by: u8,
    /// Whether the lamp is to be on.
    pub on: bool,
}

/// What came as a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// One with a number.
    Numbered(Command),
    /// `on` or `off`, from somebody who does not number: newer than all that were before it.
    Plain(bool),
}

impl Said {
    /// Reads what came; `None` if it is no command.
    pub fn read(bytes: &[u8]) -> Option<Said> {
        match bytes.trim_ascii() {
            b"on" => Some(Said::Plain(true)),
            b"off" => Some(Said::Plain(false)),
            json => serde_json_core::from_slice(json)
                .ok()
                .filter(|(_, len)| *len == json.len())
                .map(|(it, _)| Said::Numbered(it)),
        }
    }
}

impl Command {
    /// The command as one number: the higher, the newer.
    pub const fn id(&self) -> u64 {
        (self.number as u64) << 9 | (self.by as u64) << 1 | self.on as u64
    }

    /// The command of which that is the [`id`](Self::id); `None` if it is nobody's.
    pub const fn from_id(id: u64) -> Option<Command> {
        if id >> (9 + u32::BITS) != 0 {
            return None;
        }
        Some(Command { number: (id >> 9) as u32, by: (id >> 1) as u8, on: id & 1 == 1 })
    }

    /// Whether it is to be obeyed by one who obeys `other`.
    pub fn is_newer_than(&self, other: &Command) -> bool {
        (self.number, self.by) > (other.number, other.by)
    }

    /// Writes it into `out` as JSON.
    pub fn json<'o>(&self, out: &'o mut [u8; JSON_MAX]) -> &'o [u8] {
        let len = serde_json_core::to_slice(self, out).expect("there is room for the longest numbers");
        &out[..len]
    }

    pub(super) fn encode(&self) -> [u8; COMMAND_LEN] {
        let [n0, n1, n2, n3] = self.number.to_le_bytes();
        [n0, n1, n2, n3, self.by, u8::from(self.on)]
    }

    /// `None` of bytes that are no command.
    pub(super) fn decode(bytes: &[u8]) -> Option<Command> {
        match *bytes {
            [n0, n1, n2, n3, by, on @ (0 | 1)] => {
                Some(Command { number: u32::from_le_bytes([n0, n1, n2, n3]), by, on: on == 1 })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_command_is_read_as_people_and_programs_write_it() {
        let numbered = |number, by, on| Some(Said::Numbered(Command { number, by, on }));
        assert_eq!(Said::read(b" on\n"), Some(Said::Plain(true)));
        assert_eq!(Said::read(b"off"), Some(Said::Plain(false)));
        assert_eq!(Said::read(br#"{"n":17,"by":2,"on":true}"#), numbered(17, 2, true));
        assert_eq!(Said::read(br#"{"on":false,"n":17}"#), numbered(17, 0, false));
        for wrong in ["", "ON", "toggle", "{}", r#"{"n":17}"#, r#"{"n":-1,"on":true}"#, r#"{"n":1,"on":true}x"#] {
            assert_eq!(Said::read(wrong.as_bytes()), None, "{wrong}");
        }
        let most = Command { number: u32::MAX, by: u8::MAX, on: false };
        assert_eq!(Said::read(most.json(&mut [0; JSON_MAX])), Some(Said::Numbered(most)));
        assert_eq!(Command::from_id(most.id() + 2), None, "behind the last there is no other");
    }

    proptest! {
        #[test]
        fn what_is_written_down_is_read(number: u32, by: u8, on: bool) {
            let command = Command { number, by, on };
            prop_assert_eq!(Command::decode(&command.encode()), Some(command));
            prop_assert_eq!(Command::from_id(command.id()), Some(command));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = (Command::decode(&bytes), Said::read(&bytes));
        }

        #[test]
        fn the_higher_id_is_the_newer_command(one: (u32, u8, bool), other: (u32, u8, bool)) {
            let command = |(number, by, on)| Command { number, by, on };
            let (one, other) = (command(one), command(other));
            prop_assume!((one.number, one.by) != (other.number, other.by));
            prop_assert_eq!(one.is_newer_than(&other), one.id() > other.id());
        }
    }
}
