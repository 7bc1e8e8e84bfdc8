//! What node code holds: an open file.

use std::io;
use std::time::Duration;

use super::ills::Lie;
use super::page::Stamp;
use super::{Disk, Operation, State};

/// An open file of a [`Disk`]. Operations are positioned and take `&self`, as `pread` and `pwrite` do.
///
/// Once its program has crashed or the power was cut, every operation fails: open the file again.
#[derive(Clone, Debug)]
pub struct File {
    disk: Disk,
    index: usize,
    life: u64,
}

impl File {
    pub(super) fn new(disk: Disk, index: usize, life: u64) -> Self {
        File { disk, index, life }
    }

    /// The length in bytes.
    ///
    /// # Errors
    /// When the program that opened it is dead.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks a file whether it is empty")]
    pub fn len(&self) -> io::Result<u64> {
        self.with(|state| Ok(state.files[self.index].current.len))
    }

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before; an I/O error when told to fail; when the program that opened it is dead.
    pub fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.with(|state| {
            state.meet(Operation::Read, Duration::ZERO)?;
            let image = &state.files[self.index].current;
            let end = offset.checked_add(bytes.len() as u64);
            if end.is_none_or(|end| end > image.len) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (len, file_len) = (bytes.len(), image.len);
            match state.lie(Operation::Read, offset, len, file_len) {
                None => state.files[self.index].current.read(offset, bytes),
                Some(Lie::Elsewhere(other)) => state.files[self.index].current.read(other, bytes),
                Some(Lie::Garble(from, garbage)) => {
                    state.files[self.index].current.read(offset, bytes);
                    bytes[from..from + garbage.len()].copy_from_slice(&garbage);
                }
            }
            Ok(())
        })
    }

    /// Puts `bytes` at `offset`; the file grows when they reach beyond its end. Durable after [`sync`](Self::sync).
    ///
    /// # Errors
    /// `StorageFull` when the disk is full, `FileTooLarge` beyond 2⁶³ bytes; an I/O error when told to fail; when
    /// the program that opened it is dead. Nothing is written then.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|state| {
            state.meet(Operation::Write, Duration::ZERO)?;
            check_end(offset.checked_add(bytes.len() as u64))?;
            let holes = state.files[self.index].holes(offset, bytes.len());
            state.take_pages(holes)?;
            let file_len = state.files[self.index].current.len;
            let lie = state.lie(Operation::Write, offset, bytes.len(), file_len);
            let stamp = state.stamp();
            let file = &mut state.files[self.index];
            match lie {
                None => file.write(stamp, offset, bytes),
                Some(Lie::Elsewhere(other)) => file.write_astray(stamp, offset, other, bytes),
                Some(Lie::Garble(from, garbage)) => {
                    let mut garbled = bytes.to_vec();
                    garbled[from..from + garbage.len()].copy_from_slice(&garbage);
                    file.write(stamp, offset, &garbled);
                }
            }
            Ok(())
        })
    }

    /// Cuts the file off, or lets it grow by a hole that reads as zeroes and takes no space.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|state| {
            state.meet(Operation::Write, Duration::ZERO)?;
            check_end(Some(len))?;
            let stamp = state.stamp();
            state.used_pages -= state.files[self.index].set_len(stamp, len);
            Ok(())
        })
    }

    /// Makes durable what was written to this file, and keeps the node busy for as long as that takes.
    ///
    /// # Errors
    /// An I/O error when told to fail; when the program that opened it is dead.
    pub fn sync(&self) -> io::Result<()> {
        self.with(|state| {
            let pages = state.files[self.index].dirty_pages();
            let duration = state.sync_duration(pages);
            state.cost.busy(duration);
            state.meet(Operation::Sync, duration)?;
            state.counts.syncs += 1;
            state.counts.synced_bytes += pages * super::PAGE_SIZE as u64;
            let (now_ns, done_ns) = (state.cost.now_ns(), state.reached_ns());
            let contents = &mut state.files[self.index];
            contents.sync(done_ns);
            contents.settle(now_ns);
            Ok(())
        })
    }

    fn with<T>(&self, operation: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.lock();
        if state.lives != self.life {
            return Err(io::Error::other("this file was opened by a program that is dead"));
        }
        operation(&mut state)
    }
}

impl State {
    fn stamp(&mut self) -> Stamp {
        self.counts.writes += 1;
        self.sequence += 1;
        Stamp { at_ns: self.reached_ns(), sequence: self.sequence, world_ns: self.cost.now_ns() }
    }

    fn take_pages(&mut self, count: u64) -> io::Result<()> {
        let used_pages = self.used_pages + count;
        let capacity_pages = self.spec.capacity_bytes / super::PAGE_SIZE as u64;
        if count > 0 && (used_pages > capacity_pages || self.is_full(used_pages)) {
            self.counts.errors += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.used_pages = used_pages;
        Ok(())
    }
}

fn check_end(end: Option<u64>) -> io::Result<()> {
    match end {
        Some(end) if i64::try_from(end).is_ok() => Ok(()),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}
