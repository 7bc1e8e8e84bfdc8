//! Where readings are kept.

mod redb;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Quantities, Reading};

pub use self::redb::RedbStore;

/// Keeps readings and what is known of devices. Calls are synchronous, as embedded databases are.
pub trait Store: 'static {
    /// Stores what is new of the batch and says of each reading, in order, what became of it. All of it or nothing is
    /// stored, and what is stored is durable on return. `heard_ms` is when it came, by the hub's clock.
    ///
    /// # Errors
    /// [`RecordError::Taken`] if a reading's number is taken by another reading; nothing is stored then.
    fn record(&self, batch: &[Reading], heard_ms: u64) -> Result<Vec<Recorded>, RecordError>;

    /// All devices, by name.
    ///
    /// # Errors
    /// If the store fails.
    fn devices(&self) -> Result<Vec<Device>, StoreError>;

    /// The device of this name, if it ever reported.
    ///
    /// # Errors
    /// If the store fails.
    fn device(&self, device: &str) -> Result<Option<Device>, StoreError>;

    /// One reading of a device.
    ///
    /// # Errors
    /// If the store fails.
    fn reading(&self, device: &str, sequence: u64) -> Result<Option<StoredReading>, StoreError>;

    /// Up to `limit` readings of a device by sequence, from `from` on.
    ///
    /// # Errors
    /// If the store fails.
    fn readings(&self, device: &str, from: u64, limit: usize) -> Result<Vec<StoredReading>, StoreError>;

    /// Keeps a document under this name on a shelf, or with `None` takes it away; durable on return. A store may keep
    /// readings alone.
    ///
    /// # Errors
    /// If the store fails, or keeps no documents.
    fn keep(&self, shelf: Shelf, name: &str, document: Option<&[u8]>) -> Result<(), StoreError> {
        let _ = (name, document);
        Err(StoreError::new(format!("this store keeps no documents such as {shelf:?}")))
    }

    /// The document of this name on a shelf.
    ///
    /// # Errors
    /// If the store fails.
    fn document(&self, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let _ = (shelf, name);
        Ok(None)
    }

    /// Up to `count` bytes of a document from `first` on; fewer if it ends before. It need not read the rest, and one that can do
    /// without should: images are handed out so.
    ///
    /// # Errors
    /// If the store fails.
    fn part(&self, shelf: Shelf, name: &str, first: u64, count: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let document = self.document(shelf, name)?;
        Ok(document.map(|document| part_of(&document, first, count).to_vec()))
    }

    /// All documents on a shelf whose names begin so, by name.
    ///
    /// # Errors
    /// If the store fails.
    fn documents(&self, shelf: Shelf, beginning: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let _ = (shelf, beginning);
        Ok(Vec::new())
    }
}

/// The bytes of a document that [`Store::part`] asks for.
fn part_of(document: &[u8], first: u64, count: usize) -> &[u8] {
    let first = usize::try_from(first).unwrap_or(usize::MAX).min(document.len());
    &document[first..first.saturating_add(count).min(document.len())]
}

/// What a hub keeps besides readings, each by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// Images of firmware: `NAME/VERSION`.
    Images,
    /// What they are: `NAME/VERSION`.
    Manifests,
    /// Which version is rolled out, how far: `NAME`.
    Rollouts,
    /// How far a device is with its update: `DEVICE`.
    Updates,
    /// What a device is to do: `DEVICE/NUMBER`.
    Commands,
    /// Which of its keys a device has: `DEVICE`.
    Keys,
    /// How a device is: `DEVICE`.
    Health,
}

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was new and is now stored.
    Stored,
    /// The very same was stored before.
    Duplicate,
}

/// What is known of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub device: String,
    /// The highest sequence number stored.
    pub last_sequence: u64,
    /// When a reading of it was last stored, in milliseconds since 1970 by the hub's clock.
    pub last_heard_ms: u64,
    /// How many readings of it are stored.
    pub count: u64,
}

/// A reading as it is stored, without its device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoredReading {
    /// Counts the device's readings, from 1.
    pub sequence: u64,
    /// The temperature in thousandths of a degree Celsius, of a device that measures one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celsius_milli: Option<i32>,
    /// What else was measured.
    #[serde(default, skip_serializing_if = "Quantities::is_empty")]
    pub quantities: Quantities,
    /// When it was taken, in milliseconds by the device's clock.
    pub at_ms: u64,
    /// When it came, in milliseconds since 1970 by the hub's clock.
    pub received_ms: u64,
}

impl StoredReading {
    /// Whether this is that reading: what the device said is the same.
    #[must_use]
    pub fn is(&self, reading: &Reading) -> bool {
        (self.sequence, self.celsius_milli, self.at_ms) == (reading.sequence, reading.celsius_milli, reading.at_ms)
            && self.quantities == reading.quantities
    }
}

/// Why a batch was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The number of a reading is taken by one that says something else.
    #[error("reading {index} of the batch bears a number that is taken by another")]
    Taken {
        /// Its place in the batch, from 0.
        index: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A store that failed. It tells the operator, not the client.
#[derive(Debug, thiserror::Error)]
#[error("the store failed")]
pub struct StoreError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps the store's own error.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}
