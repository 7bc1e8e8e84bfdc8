//! Who is told what the hub does.

use std::rc::Rc;

use crate::StoreError;
use crate::firmware::Update;
use crate::health::Condition;

/// Learns of what happens at the hub, as it happens: to count it, to show it, or to check it. It is called in the midst
/// of a request and so should be quick.
pub trait Observer: 'static {
    /// A reading has been stored that was not stored before. It is durable, and not yet acknowledged.
    fn stored(&self, device: &str, sequence: u64) {
        let _ = (device, sequence);
    }

    /// A reading came that was stored already.
    fn duplicate(&self, device: &str, sequence: u64) {
        let _ = (device, sequence);
    }

    /// So many devices have ever reported. Told at the start and when it changes.
    fn known(&self, devices: usize) {
        let _ = devices;
    }

    /// So many devices have been heard lately. Told at the start and when it changes.
    fn online(&self, devices: usize) {
        let _ = devices;
    }

    /// A device is so far with an update, by its own word or by what it asks for.
    fn updated(&self, device: &str, update: &Update) {
        let _ = (device, update);
    }

    /// A device has said how it is, which is durable; and what was known of that before.
    fn reported(&self, device: &str, now: &Condition, before: Option<&Condition>) {
        let _ = (device, now, before);
    }

    /// The store failed, and whoever asked was told so. A database that has seen an I/O error may refuse everything until
    /// it is opened anew: then stop serving, and begin again.
    fn store_failed(&self, error: &StoreError) {
        let _ = error;
    }
}

/// Nobody is told.
impl Observer for () {}

impl<O: Observer + ?Sized> Observer for Rc<O> {
    fn stored(&self, device: &str, sequence: u64) {
        O::stored(self, device, sequence);
    }

    fn duplicate(&self, device: &str, sequence: u64) {
        O::duplicate(self, device, sequence);
    }

    fn known(&self, devices: usize) {
        O::known(self, devices);
    }

    fn online(&self, devices: usize) {
        O::online(self, devices);
    }

    fn updated(&self, device: &str, update: &Update) {
        O::updated(self, device, update);
    }

    fn reported(&self, device: &str, now: &Condition, before: Option<&Condition>) {
        O::reported(self, device, now, before);
    }

    fn store_failed(&self, error: &StoreError) {
        O::store_failed(self, error);
    }
}
