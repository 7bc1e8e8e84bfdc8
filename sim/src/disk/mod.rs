//! A disk for server nodes: named files behind a page cache, and what a power cut leaves of them.
//!
//! Writes go to the cache and cost nothing; [`File::sync`] makes them durable and keeps the node busy meanwhile. A power
//! cut ([`Disk::cut`]) leaves any part of what was not synced: nothing, everything, all up to some write, pages here and
//! there, or sectors torn out of pages. What was synced before the cut is whole, always.
//!
//! A sync takes time, and a node's poll runs ahead of the world's clock by its debt. The disk knows at which instant each
//! write and sync happens; a cut that falls in between takes back what had not happened yet.
//!
//! A file's name becomes durable with the file's first sync. Not here: renames and removals, the time of reads that miss
//! the cache.
//!
//! What a disk can be ailing with ([`Ailment`](crate::hw::Ailment)): slowness, errors, want of space, rot, and a power
//! that fails in the midst of its nth operation.
//!
//! Node code speaks to it through [`File`], or as the storage of a redb database ([`RedbBackend`]).

mod cut;
mod file;
mod ills;
mod page;
mod redb;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand_core::Rng;

pub use self::file::File;
pub use self::redb::RedbBackend;
pub use crate::hw::{Cost, Meter};

use crate::hw::Ills;
use crate::node::Powered;
use crate::random::Stream;
use crate::time::Instant;

use self::page::{Contents, PAGE_SIZE};

/// How large a disk is and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// What fits on it. Files take whole pages of 4 KiB, where they were written.
    pub capacity_bytes: u64,
    /// What a sync takes however little it writes: the drive empties its own cache.
    pub flush: Duration,
    /// How fast dirty pages are written back. Zero is taken for one.
    pub write_bytes_per_s: u64,
}

impl Default for Spec {
    /// 1 GiB of a plain SSD: 1 ms a flush, 500 MB/s.
    fn default() -> Self {
        Spec { capacity_bytes: 1 << 30, flush: Duration::from_millis(1), write_bytes_per_s: 500_000_000 }
    }
}

/// What a disk can be told to fail at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`File::read_at`].
    Read,
    /// [`File::write_at`] and [`File::set_len`].
    Write,
    /// [`File::sync`]. What it should have written stays in the cache, dirty.
    Sync,
}

/// What a disk has done since the world's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Writes to the cache, and changes of length.
    pub writes: u64,
    /// Syncs.
    pub syncs: u64,
    /// Bytes that syncs have written back, in whole pages.
    pub synced_bytes: u64,
    /// Operations that failed, because they were told to or for want of space.
    pub errors: u64,
    /// Power cuts.
    pub cuts: u64,
}

/// A disk; a cheap handle. It is part of the board and outlives the node's restarts.
///
/// The handle is `Send + Sync` because redb asks for it. One thread uses it.
#[derive(Clone)]
pub struct Disk {
    state: Arc<Mutex<State>>,
}

struct State {
    spec: Spec,
    cost: Box<dyn Cost + Send>,
    /// Contents stay where they are for the disk's life; a [`File`] holds the index.
    files: Vec<Contents>,
    names: BTreeMap<String, usize>,
    /// Counts the ends of programs: a file that was opened before the last is dead.
    lives: u64,
    used_pages: u64,
    /// Numbers all writes, so that those of several files have an order.
    sequence: u64,
    failing: Vec<(Operation, u32)>,
    ills: Ills,
    counts: Counts,
}

impl Disk {
    /// An empty disk that charges `cost` for its work.
    pub fn new(spec: Spec, cost: impl Cost + Send + 'static) -> Self {
        Disk {
            state: Arc::new(Mutex::new(State {
                spec,
                cost: Box::new(cost),
                files: Vec::new(),
                names: BTreeMap::new(),
                lives: 0,
                used_pages: 0,
                sequence: 0,
                failing: Vec::new(),
                ills: Ills::default(),
                counts: Counts::default(),
            })),
        }
    }

    /// Opens the file of that name; there will be an empty one if there was none.
    pub fn open(&self, name: &str) -> File {
        let mut state = self.lock();
        let index = state.names.get(name).copied().unwrap_or_else(|| {
            let index = state.files.len();
            let born_ns = state.reached_ns();
            state.files.push(Contents::born_at(born_ns));
            state.names.insert(name.to_owned(), index);
            index
        });
        File::new(self.clone(), index, state.lives)
    }

    /// Whether there is a file of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.lock().names.contains_key(name)
    }

    /// The names of all files, in their order.
    pub fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }

    /// What the files take, in whole pages.
    pub fn used_bytes(&self) -> u64 {
        self.lock().used_pages * PAGE_SIZE as u64
    }

    /// What the disk has done so far.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// The next `count` operations of that kind fail with an I/O error and change nothing.
    pub fn fail_next(&self, operation: Operation, count: u32) {
        self.lock().failing.push((operation, count));
    }

    /// Changes size and speed from now on. Files that do not fit any more stay.
    pub fn set_spec(&self, spec: Spec) {
        self.lock().spec = spec;
    }

    /// The power fails at `now_ns`, and `stream` decides what is left of all that was not durable by then.
    ///
    /// Files that are open are dead from now on: their operations fail and change nothing. So this must come before
    /// the node's tasks are dropped: a database that is dropped tries to leave its file clean, and must not succeed.
    pub fn cut(&self, now_ns: u64, stream: &mut impl Rng) {
        let state = &mut *self.lock();
        state.counts.cuts += 1;
        state.end_life(|file| file.cut(now_ns, stream));
    }

    /// The program dies at `now_ns` (a crash, a panic, a reset by the watchdog) and the machine does not: the cache keeps
    /// what was written by then. Open files are dead; this, too, must come before the node's tasks are dropped.
    pub fn crash(&self, now_ns: u64) {
        self.lock().end_life(|file| {
            let made = file.born_ns <= now_ns;
            file.crash(now_ns);
            made
        });
    }

    /// A panic elsewhere while the lock was held leaves state that is still consistent between any two statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Kills open files, and leaves of each file what `end` does and of its name what it says.
    fn end_life(&mut self, mut end: impl FnMut(&mut Contents) -> bool) {
        self.lives += 1;
        let Self { files, names, .. } = self;
        names.retain(|_, index| end(&mut files[*index]));
        self.used_pages = names.values().map(|index| files[*index].used_pages()).sum();
    }

    fn fail_if_told(&mut self, operation: Operation) -> io::Result<()> {
        let Some(index) = self.failing.iter().position(|(kind, _)| *kind == operation) else {
            return Ok(());
        };
        let left = &mut self.failing[index].1;
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.failing.remove(index);
        }
        self.counts.errors += 1;
        Err(io::Error::other(format!("the disk was told to fail this {operation:?}")))
    }

    /// The instant at which the running poll is, on its way ahead of the world's clock.
    fn reached_ns(&self) -> u64 {
        self.cost.now_ns() + self.cost.debt_ns()
    }

    fn sync_duration(&self, pages: u64) -> Duration {
        let bytes = u128::from(pages * PAGE_SIZE as u64);
        let nanos = bytes * 1_000_000_000 / u128::from(self.spec.write_bytes_per_s.max(1));
        let writing = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.spec.flush.saturating_add(writing)
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        formatter
            .debug_struct("Disk")
            .field("spec", &state.spec)
            .field("names", &state.names)
            .field("counts", &state.counts)
            .finish_non_exhaustive()
    }
}

/// What becomes of the node becomes of its disk.
impl Powered for Disk {
    fn power_cut(&self, now: Instant, stream: &mut Stream) {
        self.cut(now.as_nanos(), stream);
    }

    fn program_ended(&self, now: Instant) {
        self.crash(now.as_nanos());
    }
}
