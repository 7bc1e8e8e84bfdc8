//! How much room a folder takes, and how much its disk has left, as `du` and `df` tell.

use std::fmt;
use std::path::Path;
use std::process::Command;

use crate::{Outcome, shell};

/// An amount of disk, in the kibibytes that `du` and `df` count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Room(u64);

impl Room {
    pub(crate) const fn gib(gib: u64) -> Self {
        Self(gib << 20)
    }

    /// What the folder takes; a file with several names counts once.
    pub(crate) fn taken(folder: &Path) -> Outcome<Self> {
        let text = shell::read(Command::new("du").arg("-sk").arg(folder))?;
        field(&text, 0)
    }

    /// What the disk has left that the folder lies on.
    pub(crate) fn left(folder: &Path) -> Outcome<Self> {
        let text = shell::read(Command::new("df").arg("-Pk").arg(folder))?;
        // Below a line of headings: the disk, its size, what is used, what is left.
        field(text.lines().nth(1).unwrap_or_default(), 3)
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} GiB", self.0 as f64 / f64::from(1 << 20))
    }
}

fn field(line: &str, at: usize) -> Outcome<Room> {
    let number = line.split_whitespace().nth(at).and_then(|word| word.parse().ok());
    Ok(Room(number.ok_or_else(|| format!("`{line}` does not say how much"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_what_it_takes_and_leaves_the_rest() {
        let folder = std::env::temp_dir().join(format!("wavetank-room-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let empty = Room::taken(&folder).unwrap();
        std::fs::write(folder.join("file"), vec![1; 1 << 20]).unwrap();
        let full = Room::taken(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(full.0 - empty.0 >= 1 << 10, "{empty:?}, then {full:?}");
        assert!(Room::left(&std::env::temp_dir()).unwrap() > Room::default());
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        assert_eq!(field("/dev/sda 100 60 40 60% /", 3).unwrap(), Room(40));
        assert!(field("", 3).is_err());
        assert_eq!(Room::gib(3).to_string(), "3.0 GiB");
    }
}
