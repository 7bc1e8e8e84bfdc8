//! Where a client's session is kept while the power is off.

use core::convert::Infallible;
use core::fmt::Debug;

/// Keeps a few bytes, of which either the old or the new ones are there whenever the power goes.
pub trait Memory {
    /// What can go wrong.
    type Error: Debug;

    /// What was saved last, into `buffer`; `None` if nothing ever was.
    fn load(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<Option<usize>, Self::Error>>;

    /// Saves `state`; it is safe when this returns.
    fn save(&mut self, state: &[u8]) -> impl Future<Output = Result<(), Self::Error>>;
}

/// Nowhere: a session that ends with the power. Messages of quality 1 are sent again then, those of quality 2 may be; none is taken
/// for one of the life before.
impl Memory for () {
    type Error = Infallible;

    async fn load(&mut self, _: &mut [u8]) -> Result<Option<usize>, Infallible> {
        Ok(None)
    }

    async fn save(&mut self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<M: Memory> Memory for &mut M {
    type Error = M::Error;

    fn load(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<Option<usize>, M::Error>> {
        M::load(self, buffer)
    }

    fn save(&mut self, state: &[u8]) -> impl Future<Output = Result<(), M::Error>> {
        M::save(self, state)
    }
}

/// On flash, as the value of a key.
#[cfg(feature = "storage")]
#[derive(Debug)]
pub struct Kept<F> {
    store: crate::storage::KeyValue<F>,
    key: crate::storage::Key,
}

#[cfg(feature = "storage")]
impl<F> Kept<F> {
    /// In that store, as the value of that key.
    pub const fn new(store: crate::storage::KeyValue<F>, key: crate::storage::Key) -> Self {
        Kept { store, key }
    }
}

#[cfg(feature = "storage")]
impl<F: embedded_storage_async::nor_flash::NorFlash> Memory for Kept<F> {
    type Error = crate::storage::Error<F::Error>;

    async fn load(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Self::Error> {
        self.store.get(self.key, buffer).await
    }

    async fn save(&mut self, state: &[u8]) -> Result<(), Self::Error> {
        self.store.set(self.key, state).await
    }
}
