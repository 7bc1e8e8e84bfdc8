//! A board with two slots: its flash, its boot loader, and what plays its processor.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use embedded_hal_async::i2c::{ErrorType, I2c, Operation};
use futures::future::{Either, pending, select};
use wavetank_devices as devices;
use wavetank_devices::Backoff;
use wavetank_devices::updates::Settings;
use wavetank_sim::hw::i2c::Error as BusError;
use wavetank_sim::hw::{Ailment, Case, Faulty, Flash, Onset};
use wavetank_sim::node::{Exit, Mounted, Node, ResetCause};
use wavetank_sim::time::Duration;
use wavetank_stack::update::{Layout, Manifest, Reset, Trust, Version, boot};

use super::{Behaviour, Image, Signer, Updates, vendor};
use crate::kinds::board::{Cells, ERASE, WRITE};
use crate::runtime;
use crate::site::Site;

/// Pages for what is tried, confirmed and forbidden.
const STATE_PAGES: u32 = 4;
/// When an image that does not do well begins not to.
const GOES_WRONG_AFTER: Duration = Duration::from_secs(1);

/// What is soldered to the board and outlives the device's lives.
#[derive(Clone)]
pub(in crate::kinds) struct Board {
    pub(in crate::kinds) flash: Cells,
    layout: Layout,
    trust: Trust,
    updates: Updates,
    hub: SocketAddr,
    backoff: Backoff,
    /// The highest minimum of what was started as confirmed: seen from outside, whatever the flash says.
    floor: Rc<Cell<Version>>,
}

/// What the boot loader has started.
pub(in crate::kinds) struct Loaded {
    pub(in crate::kinds) updates: devices::updates::Updates<Flash<Mounted, WRITE, ERASE>>,
    pub(in crate::kinds) behaves: Behaviour,
}

impl Board {
    /// A board fresh from the factory: an image in slot A, behind the first `reserved` pages of its flash.
    pub(in crate::kinds) fn new(
        name: &str,
        reserved: u16,
        updates: &Updates,
        (hub, backoff): (SocketAddr, Backoff),
        site: &mut Site<'_>,
    ) -> Self {
        let (page, slot) = (ERASE as u32, u32::from(updates.slot_pages) * ERASE as u32);
        let a = u32::from(reserved) * page;
        let (b, state) = (a + slot, a + 2 * slot);
        let layout = Layout { a: a..b, b: b..state, state: state..state + STATE_PAGES * page };
        let flash = site.flash((layout.state.end / page) as usize);
        let image = Image::from_the_factory(name, updates.running.0, updates.size.as_bytes());
        let manifest = image.manifest();
        flash.burn(layout.a.start as usize, &image.bytes());
        let trailer = Manifest::TEXT_MAX.next_multiple_of(ERASE);
        flash.burn(layout.a.end as usize - trailer, manifest.text().as_bytes());
        let trust = Trust { key: vendor(), name: manifest.name };
        let hub = updates.hub.unwrap_or(hub);
        Self { flash, layout, trust, updates: updates.clone(), hub, backoff, floor: Rc::default() }
    }

    /// Runs the boot loader, and reads what it has started; `None` if there is nothing that a processor could run.
    pub(in crate::kinds) async fn boot(&self, node: &Node) -> Option<Loaded> {
        let reset = match node.reset_cause() {
            ResetCause::Watchdog | ResetCause::Panic | ResetCause::Software => Reset::Program,
            _ => Reset::Outside,
        };
        let mut flash = Flash::new(self.flash.clone(), node.part("flash"));
        let booted = boot(&mut flash, &self.layout, &self.trust, reset, self.updates.tries).await;
        let Ok(booted) = booted else {
            node.count("bricked", 1);
            return None;
        };
        let start = self.layout.slot(booted.slot).start as usize;
        let bytes = &self.flash.contents()[start..][..booted.manifest.length as usize];
        let Some(image) = Image::recognise(bytes) else {
            node.count("firmware.broken", 1);
            return None;
        };
        node.count("firmware.strange", u64::from(image.signed_by != Signer::Vendor));
        node.count("firmware.forbidden", u64::from(image.version.0 < self.floor.get()));
        if !booted.on_trial {
            self.floor.set(self.floor.get().max(image.minimum.0));
        }
        let mut settings = Settings::new(self.layout.clone(), booted.slot, self.trust.clone(), self.hub);
        settings.period = self.updates.period.as_duration();
        settings.trial = self.updates.trial.as_duration();
        settings.soak = self.updates.soak.as_duration();
        settings.backoff = self.backoff;
        Some(Loaded { updates: devices::updates::Updates { flash, settings }, behaves: image.behaves })
    }

    /// How long its watchdog waits.
    pub(in crate::kinds) fn watchdog(&self) -> Duration {
        self.updates.watchdog.as_duration()
    }
}

/// Runs a device as its image has it do, watched by a watchdog.
pub(in crate::kinds) async fn run(
    node: &Node,
    watchdog: Duration,
    behaves: Behaviour,
    device: Pin<Box<impl Future<Output = devices::Exit>>>,
) -> Exit {
    let watched = runtime::watched(node, watchdog, device);
    if matches!(behaves, Behaviour::Well | Behaviour::CannotMeasure) {
        return watched.await;
    }
    match select(Box::pin(watched), node.clock().sleep(GOES_WRONG_AFTER)).await {
        Either::Left((exit, _)) => exit,
        Either::Right(_) if behaves == Behaviour::Reboots => Exit::Reboot,
        // Nothing runs any more, and nobody feeds the watchdog.
        Either::Right((_, device)) => {
            drop(device);
            pending().await
        }
    }
}

/// A bus as an image's driver reaches it, or does not.
pub(in crate::kinds) struct Wired<I> {
    bus: I,
    is_deaf: bool,
}

impl<I> Wired<I> {
    pub(in crate::kinds) fn new(bus: I, behaves: Behaviour) -> Self {
        Self { bus, is_deaf: behaves == Behaviour::CannotMeasure }
    }
}

impl<I: ErrorType<Error = BusError>> ErrorType for Wired<I> {
    type Error = BusError;
}

impl<I: I2c<Error = BusError>> I2c for Wired<I> {
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        if self.is_deaf {
            return Err(BusError::NoAcknowledge(embedded_hal_async::i2c::NoAcknowledgeSource::Address));
        }
        self.bus.transaction(address, operations).await
    }
}

/// A part that this board does not have, though others of its kind do.
pub(in crate::kinds) struct Absent;

impl Faulty for Absent {
    fn begin(&self, _: Ailment, _: Onset) {}

    fn end(&self, _: Case) {}
}
