//! A router's interface, by cable or by radio, through which packets keep the origin that they came with.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Context;

use embassy_net_driver::{Driver, TxToken};
use wavetank_sim::net::{Nic, Origin};
use wavetank_stack::lowpan::Options;

use super::marked::{Marked, Marks};
use crate::runtime::{Port, PortRxToken, RadioMemory, TankClock};

/// Who sent what passes first.
#[derive(Default)]
struct Origins {
    /// The last frame that came in. A packet that is put together of several is of who sent its last one.
    came: Cell<Option<Origin>>,
    /// What goes out.
    goes: Cell<Option<Origin>>,
}

/// An interface.
pub(super) struct Gate<'m> {
    port: Port<'m, Marked<Rc<Origins>>>,
    origins: Rc<Origins>,
}

impl<'m> Gate<'m> {
    pub(super) fn new(nic: Nic, memory: &'m mut RadioMemory, clock: TankClock, options: Option<Options>) -> Self {
        let origins = Rc::new(Origins::default());
        let marked = Marked::new(nic, Rc::clone(&origins));
        Self { port: memory.port(marked, clock, options), origins }
    }

    pub(super) fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Option<Origin>, PortRxToken<'_>)> {
        let (token, _) = self.port.receive(cx)?;
        Some((self.origins.came.get(), token))
    }

    pub(super) fn send(&mut self, cx: &mut Context<'_>, origin: Option<Origin>, frame: &[u8]) {
        self.origins.goes.set(origin);
        if let Some(room) = self.port.transmit(cx) {
            room.consume(frame.len(), |bytes| bytes.copy_from_slice(frame));
        }
        // What goes by radio leaves when the radio is asked for room again.
        let _ = self.port.transmit(cx).map(drop);
    }
}

impl Marks for Rc<Origins> {
    fn comes(&self, _: &[u8], origin: Origin) {
        self.came.set(Some(origin));
    }

    fn goes(&self, _: &[u8]) -> Option<Origin> {
        self.goes.get()
    }
}
