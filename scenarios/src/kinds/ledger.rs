//! A redb database on a node's disk, as several kinds of server have one.

use std::io;
use std::rc::Rc;

use redb::{Database, ReadableDatabase, TableDefinition};
use wavetank_sim::disk::{Disk, File, RedbBackend, Spec};
use wavetank_sim::node::{Charge, Exit, Node};
use wavetank_sim::time::Duration;

use crate::registry::{Part, PartSort};
use crate::site::Site;
use crate::units::Time;

/// What of such a server's machine can be ailing.
pub(super) static PARTS: &[Part] = &[Part { name: "disk", sort: PartSort::Disk, doc: "what its database lies on" }];

/// How long whoever keeps the server's program waits before starting it again.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// How long the magic number is with which every finished redb file begins (redb's docs/design.md, “Super-header”).
const MAGIC_BYTES: usize = 9;

/// A disk for the node, which outlives it, and takes that long to make something durable.
pub(super) fn disk(commit_cost: Time, site: &mut Site<'_>) -> Disk {
    let spec = Spec { flush: commit_cost.as_duration(), ..Spec::default() };
    let disk = Disk::new(spec, Charge);
    site.powered(Rc::new(disk.clone()));
    site.part("disk", Rc::new(disk.clone()));
    disk
}

/// The database in that file of the disk: as it was left, or a new one.
pub(super) fn database(disk: &Disk, name: &str) -> Result<Database, redb::Error> {
    let file = disk.open(name);
    discard_unfinished(&file)?;
    Ok(Database::builder().create_with_backend(RedbBackend::new(file))?)
}

/// Of each source the highest number that has come, on a disk: by it what comes twice is told apart, over power cuts.
pub(super) struct Numbers(Database);

const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

impl Numbers {
    /// Those in that file of the disk.
    pub(super) fn open(disk: &Disk, name: &str) -> Result<Self, redb::Error> {
        database(disk, name).map(Self)
    }

    /// The source's highest number so far, 0 if it has none; `number` is it from now on, and for good, if it is higher.
    pub(super) fn reach(&self, source: &str, number: u64) -> Result<u64, redb::Error> {
        let known = match self.0.begin_read()?.open_table(NUMBERS) {
            Ok(table) => table.get(source)?.map_or(0, |known| known.value()),
            Err(redb::TableError::TableDoesNotExist(_)) => 0,
            Err(error) => return Err(error.into()),
        };
        if number > known {
            let writing = self.0.begin_write()?;
            writing.open_table(NUMBERS)?.insert(source, number)?;
            writing.commit()?;
        }
        Ok(known)
    }
}

/// The end of a program whose database has failed: it goes on failing until it is opened anew.
pub(super) fn start_again(node: &Node) -> Exit {
    Exit::SleepUntil(node.clock().now() + RESTART_AFTER)
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
