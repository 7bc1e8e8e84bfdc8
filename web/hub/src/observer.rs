//! Who is told what the hub does.

use std::rc::Rc;

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
}
