//! A redb database on a node's disk, as several kinds of server have one.

use redb::{Database, ReadableDatabase, TableDefinition};
use wavetank_sim::disk::{Disk, Spec};
use wavetank_sim::node::{Exit, Node};
use wavetank_sim::time::Duration;

use crate::registry::{Part, PartSort};
use crate::runtime::database;
use crate::site::Site;
use crate::units::Time;

/// What of such a server's machine can be ailing.
pub(super) static PARTS: &[Part] = &[Part { name: "disk", sort: PartSort::Disk, doc: "what its database lies on" }];

/// How long whoever keeps the server's program waits before starting it again.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// A disk for the node, which outlives it, and takes that long to make something durable.
pub(super) fn disk(commit_cost: Time, site: &mut Site<'_>) -> Disk {
    site.disk(Spec { flush: commit_cost.as_duration(), ..Spec::default() })
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
