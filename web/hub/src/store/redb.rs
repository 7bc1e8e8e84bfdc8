//! Readings in a redb database: a file, memory, or any `redb::StorageBackend`.

use std::cell::Cell;

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use super::{Device, RecordError, Recorded, Shelf, Store, StoreError, StoredReading, part_of};
use crate::{Quantities, Reading};

type Row = (i32, u64, u64);
type Summary = (u64, u64, u64);

/// (device, sequence) → (celsius_milli, at_ms, received_ms)
///
/// A reading without a temperature has [`NO_CELSIUS`].
const READINGS: TableDefinition<'_, (&str, u64), Row> = TableDefinition::new("readings");
/// device → (last_sequence, last_heard_ms, count)
const DEVICES: TableDefinition<'_, &str, Summary> = TableDefinition::new("devices");

/// Colder than what a reading may say.
const NO_CELSIUS: i32 = i32::MIN;

/// (device, sequence) → the reading's quantities, as JSON. It is made with the first of them, as `DOCUMENTS` is.
const QUANTITIES: Quantified<'_> = TableDefinition::new("quantities");
type Quantified<'t> = TableDefinition<'t, (&'static str, u64), &'static [u8]>;

/// (shelf, name) → document. It is made with the first of them, so that a hub that keeps none has no such table.
const DOCUMENTS: TableDefinition<'_, (u8, &str), &[u8]> = TableDefinition::new("documents");

/// (shelf, name, number of the piece) → its bytes: documents that are longer than a piece, so that a part of one costs no more than
/// the pieces that it lies in. It is made with the first of them.
const PIECES: TableDefinition<'_, (u8, &str, u64), &[u8]> = TableDefinition::new("pieces");

/// So many bytes are in all pieces of a document but its last: with what redb writes beside them they fill 64 KiB.
const PIECE_BYTES: usize = 64 * 1024 - 512;

/// A store in a redb database. Every batch that holds anything new is one commit, durable when it returns.
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
    /// There are readings with quantities: else nobody has to look for them.
    has_quantities: Cell<bool>,
    /// There are documents in pieces, or have been.
    has_pieces: Cell<bool>,
}

impl RedbStore {
    /// Takes over a database, new or used before.
    ///
    /// # Errors
    /// If the database cannot be written, or holds tables of these names with other contents.
    pub fn open(database: Database) -> Result<Self, StoreError> {
        let transaction = database.begin_write()?;
        {
            transaction.open_table(READINGS)?;
            transaction.open_table(DEVICES)?;
        }
        transaction.commit()?;
        let reading = database.begin_read()?;
        let has_quantities = if_there(reading.open_table(QUANTITIES))?.is_some();
        let has_pieces = if_there(reading.open_table(PIECES))?.is_some();
        Ok(Self { database, has_quantities: Cell::new(has_quantities), has_pieces: Cell::new(has_pieces) })
    }

    /// A store that is gone when it is dropped.
    ///
    /// # Errors
    /// If the database cannot be made.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::open(Database::builder().create_with_backend(redb::backends::InMemoryBackend::new())?)
    }
}

impl Store for RedbStore {
    fn record(&self, batch: &[Reading], heard_ms: u64) -> Result<Vec<Recorded>, RecordError> {
        // As long as a reader may still look at the pages that a commit replaces, redb leaves them to the next commit to
        // give back. Else it does so at once, in a second commit that takes a quarter of the whole.
        let _reader = self.database.begin_read().map_err(StoreError::from)?;
        let mut transaction = self.database.begin_write().map_err(StoreError::from)?;
        transaction.set_durability(Durability::Immediate).map_err(StoreError::from)?;
        let mut recorded = Vec::with_capacity(batch.len());
        let with_quantities = self.has_quantities.get() || batch.iter().any(|reading| !reading.quantities.is_empty());
        {
            let mut quantities = match with_quantities {
                true => Some(transaction.open_table(QUANTITIES).map_err(StoreError::from)?),
                false => None,
            };
            let mut readings = transaction.open_table(READINGS).map_err(StoreError::from)?;
            let mut devices = transaction.open_table(DEVICES).map_err(StoreError::from)?;
            for (index, reading) in batch.iter().enumerate() {
                let key = (reading.device.as_str(), reading.sequence);
                let row = readings.get(key).map_err(StoreError::from)?.map(|row| row.value());
                let row = match row {
                    Some(row) => Some(stored(key.1, row, quantities_at(quantities.as_ref(), key)?)),
                    None => None,
                };
                match row {
                    Some(row) if row.is(reading) => recorded.push(Recorded::Duplicate),
                    Some(_) => return Err(RecordError::Taken { index }),
                    None => {
                        let row = (reading.celsius_milli.unwrap_or(NO_CELSIUS), reading.at_ms, heard_ms);
                        readings.insert(key, row).map_err(StoreError::from)?;
                        if let Some(quantities) = quantities.as_mut().filter(|_| !reading.quantities.is_empty()) {
                            let json = serde_json::to_vec(&reading.quantities).map_err(StoreError::new)?;
                            quantities.insert(key, json.as_slice()).map_err(StoreError::from)?;
                        }
                        let before = devices.get(key.0).map_err(StoreError::from)?;
                        let (last, _, count) = before.map_or((0, 0, 0), |summary| summary.value());
                        let summary = (last.max(key.1), heard_ms, count + 1);
                        devices.insert(key.0, summary).map_err(StoreError::from)?;
                        recorded.push(Recorded::Stored);
                    }
                }
            }
        }
        if recorded.contains(&Recorded::Stored) {
            transaction.commit().map_err(StoreError::from)?;
            self.has_quantities.set(with_quantities);
        } else {
            transaction.abort().map_err(StoreError::from)?;
        }
        Ok(recorded)
    }

    fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let devices = self.database.begin_read()?.open_table(DEVICES)?;
        let rows = devices.iter()?;
        rows.map(|row| {
            let (name, summary) = row?;
            Ok(device(name.value(), summary.value()))
        })
        .collect()
    }

    fn device(&self, name: &str) -> Result<Option<Device>, StoreError> {
        let devices = self.database.begin_read()?.open_table(DEVICES)?;
        Ok(devices.get(name)?.map(|summary| device(name, summary.value())))
    }

    fn reading(&self, device: &str, sequence: u64) -> Result<Option<StoredReading>, StoreError> {
        let reading = self.database.begin_read()?;
        let Some(row) = reading.open_table(READINGS)?.get((device, sequence))?.map(|row| row.value()) else {
            return Ok(None);
        };
        let quantities = match self.has_quantities.get() {
            true => quantities_at(Some(&reading.open_table(QUANTITIES)?), (device, sequence))?,
            false => Quantities::new(),
        };
        Ok(Some(stored(sequence, row, quantities)))
    }

    fn readings(&self, device: &str, from: u64, limit: usize) -> Result<Vec<StoredReading>, StoreError> {
        let reading = self.database.begin_read()?;
        let readings = reading.open_table(READINGS)?;
        let quantities = match self.has_quantities.get() {
            true => Some(reading.open_table(QUANTITIES)?),
            false => None,
        };
        let rows = readings.range((device, from)..=(device, u64::MAX))?;
        rows.take(limit)
            .map(|row| {
                let (key, row) = row?;
                let key = key.value();
                Ok(stored(key.1, row.value(), quantities_at(quantities.as_ref(), key)?))
            })
            .collect()
    }

    fn keep(&self, shelf: Shelf, name: &str, document: Option<&[u8]>) -> Result<(), StoreError> {
        let is_long = document.is_some_and(|document| document.len() > PIECE_BYTES);
        let with_pieces = is_long || self.has_pieces.get();
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut documents = transaction.open_table(DOCUMENTS)?;
            match document.filter(|_| !is_long) {
                Some(document) => drop(documents.insert((number(shelf), name), document)?),
                None => drop(documents.remove((number(shelf), name))?),
            }
        }
        if with_pieces {
            let mut pieces = transaction.open_table(PIECES)?;
            pieces.retain_in((number(shelf), name, 0)..=(number(shelf), name, u64::MAX), |_, _| false)?;
            let long = document.filter(|_| is_long).into_iter().flat_map(|document| document.chunks(PIECE_BYTES));
            for (index, piece) in (0..).zip(long) {
                pieces.insert((number(shelf), name, index), piece)?;
            }
        }
        transaction.commit()?;
        self.has_pieces.set(with_pieces);
        Ok(())
    }

    fn document(&self, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.part(shelf, name, 0, usize::MAX)
    }

    fn part(&self, shelf: Shelf, name: &str, first: u64, count: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let reading = self.database.begin_read()?;
        if let Some(documents) = if_there(reading.open_table(DOCUMENTS))?
            && let Some(document) = documents.get((number(shelf), name))?
        {
            return Ok(Some(part_of(document.value(), first, count).to_vec()));
        }
        if !self.has_pieces.get() {
            return Ok(None);
        }
        let Some(pieces) = if_there(reading.open_table(PIECES))? else { return Ok(None) };
        let after = first.saturating_add(count as u64);
        let from = first / PIECE_BYTES as u64;
        let to = from.max(after.saturating_sub(1) / PIECE_BYTES as u64);
        let mut part = Vec::new();
        for row in pieces.range((number(shelf), name, from)..=(number(shelf), name, to))? {
            let (key, piece) = row?;
            let (.., index) = key.value();
            // What of the part lies in this piece.
            let begins = index * PIECE_BYTES as u64;
            let skipped = first.saturating_sub(begins);
            let wanted = usize::try_from(after - begins - skipped).unwrap_or(usize::MAX);
            part.extend_from_slice(part_of(piece.value(), skipped, wanted));
        }
        let is_there = !part.is_empty() || pieces.get((number(shelf), name, 0))?.is_some();
        Ok(is_there.then_some(part))
    }

    fn documents(&self, shelf: Shelf, beginning: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let reading = self.database.begin_read()?;
        let mut found = Vec::new();
        if let Some(documents) = if_there(reading.open_table(DOCUMENTS))? {
            for row in documents.range((number(shelf), beginning)..(number(shelf) + 1, ""))? {
                let (key, document) = row?;
                let (_, name) = key.value();
                if !name.starts_with(beginning) {
                    break;
                }
                found.push((name.to_owned(), document.value().to_vec()));
            }
        }
        if !self.has_pieces.get() {
            return Ok(found);
        }
        if let Some(pieces) = if_there(reading.open_table(PIECES))? {
            let short = found.len();
            for row in pieces.range((number(shelf), beginning, 0)..(number(shelf) + 1, "", 0))? {
                let (key, piece) = row?;
                let (_, name, index) = key.value();
                if !name.starts_with(beginning) {
                    break;
                }
                match found.last_mut().filter(|_| index > 0) {
                    Some((_, document)) => document.extend_from_slice(piece.value()),
                    None => found.push((name.to_owned(), piece.value().to_vec())),
                }
            }
            if found.len() > short {
                found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            }
        }
        Ok(found)
    }
}

/// A table, unless none was made.
fn if_there<T>(table: Result<T, TableError>) -> Result<Option<T>, TableError> {
    match table {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        table => table.map(Some),
    }
}

/// As they are numbered in files: never to be changed.
fn number(shelf: Shelf) -> u8 {
    match shelf {
        Shelf::Images => 0,
        Shelf::Manifests => 1,
        Shelf::Rollouts => 2,
        Shelf::Updates => 3,
        Shelf::Commands => 4,
        Shelf::Keys => 5,
        Shelf::Health => 6,
    }
}

fn stored(sequence: u64, (celsius_milli, at_ms, received_ms): Row, quantities: Quantities) -> StoredReading {
    let celsius_milli = (celsius_milli != NO_CELSIUS).then_some(celsius_milli);
    StoredReading { sequence, celsius_milli, quantities, at_ms, received_ms }
}

/// A reading's quantities; none if there is no such table.
fn quantities_at(
    table: Option<&impl ReadableTable<(&'static str, u64), &'static [u8]>>,
    key: (&str, u64),
) -> Result<Quantities, StoreError> {
    match table.map(|table| table.get(key)).transpose()?.flatten() {
        Some(json) => serde_json::from_slice(json.value()).map_err(StoreError::new),
        None => Ok(Quantities::new()),
    }
}

fn device(name: &str, (last_sequence, last_heard_ms, count): Summary) -> Device {
    Device { device: name.to_owned(), last_sequence, last_heard_ms, count }
}

macro_rules! store_errors {
    ($($error:ty),+) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::new(error)
            }
        }
    )+};
}

store_errors!(
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);
