//! A file of a disk as the storage of a redb database.

use std::io;

use super::File;

/// What `redb::Builder::create_with_backend` takes. One database at a time: there are no locks.
///
/// A power cut while redb 4.6 creates a database can leave a file that it refuses ("magic number mismatch"). As redb
/// writes its magic number last, such a file never held anything: its owner may cut it to length zero and begin anew.
#[derive(Debug)]
pub struct RedbBackend {
    file: File,
}

impl RedbBackend {
    /// The database in `file`; an empty file becomes one.
    pub fn new(file: File) -> Self {
        RedbBackend { file }
    }
}

impl redb::StorageBackend for RedbBackend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }
}
