//! A redb database on a node's disk.

use std::io;

use redb::Database;
use wavetank_sim::disk::{Disk, File, RedbBackend};

/// How long the magic number is with which every finished redb file begins (redb's docs/design.md, “Super-header”).
const MAGIC_BYTES: usize = 9;

/// The database in that file of the disk: as it was left, or a new one; to be opened at each boot. A file whose making a power cut
/// has cut short is begun anew.
///
/// # Errors
/// If the disk or the file will not do. Whatever a database answers after its disk has failed once is an error until it is opened
/// again: a program ends then, and is started anew ([`Exit::SleepUntil`](wavetank_sim::node::Exit::SleepUntil)).
pub fn database(disk: &Disk, name: &str) -> Result<Database, redb::Error> {
    let file = disk.open(name);
    discard_unfinished(&file)?;
    Ok(Database::builder().create_with_backend(RedbBackend::new(file))?)
}

/// Empties a database file whose making was cut short: such a file never held anything.
fn discard_unfinished(file: &File) -> io::Result<()> {
    if is_unfinished(file)? { file.set_len(0) } else { Ok(()) }
}

/// How often a file must seem to be unfinished to be emptied: a disk may lie.
const LOOKS: usize = 3;

/// Whether redb never finished making the file. It writes its magic number last, and until then there are zeros in its place; a
/// power cut leaves a sector as it was or as it was to be. Whatever else stands there was read wrongly, or written by somebody
/// else: redb refuses that.
fn is_unfinished(file: &File) -> io::Result<bool> {
    const NOTHING: [u8; MAGIC_BYTES] = [0; MAGIC_BYTES];
    if file.len()? < MAGIC_BYTES as u64 {
        return Ok(true);
    }
    for _ in 0..LOOKS {
        let mut magic = NOTHING;
        file.read_at(0, &mut magic)?;
        if magic != NOTHING {
            return Ok(false);
        }
    }
    Ok(true)
}
