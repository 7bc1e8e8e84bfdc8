//! A router's interface, by cable or by radio, through which packets keep the origin that they came with.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use wavetank_sim::net::{Nic, NicRxToken, NicTxToken, Origin};
use wavetank_stack::lowpan::Options;

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
    port: Port<'m, Marked>,
    origins: Rc<Origins>,
}

/// What came in by a gate.
pub(super) type Came<'a> = PortRxToken<'a, MarkedRxToken<'a>>;

impl<'m> Gate<'m> {
    pub(super) fn new(nic: Nic, memory: &'m mut RadioMemory, clock: TankClock, options: Option<Options>) -> Self {
        let origins = Rc::new(Origins::default());
        let marked = Marked { nic, origins: Rc::clone(&origins) };
        Self { port: memory.port(marked, clock, options), origins }
    }

    pub(super) fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Option<Origin>, Came<'_>)> {
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

/// An interface that notes whose frames come, and marks those that go.
struct Marked {
    nic: Nic,
    origins: Rc<Origins>,
}

impl Driver for Marked {
    type RxToken<'a> = MarkedRxToken<'a>;
    type TxToken<'a> = MarkedTxToken<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(MarkedRxToken<'_>, MarkedTxToken<'_>)> {
        let origins = &self.origins;
        let (frame, _) = self.nic.receive(cx)?;
        origins.came.set(Some(frame.origin()));
        // An answer is written by whoever routes, and not by way of this token.
        Some((MarkedRxToken(frame), MarkedTxToken::Nowhere))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<MarkedTxToken<'_>> {
        match self.origins.goes.get() {
            Some(origin) => Some(MarkedTxToken::Relayed(&self.nic, origin)),
            None => self.nic.transmit(cx).map(MarkedTxToken::Own),
        }
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.nic.link_state(cx)
    }

    fn capabilities(&self) -> Capabilities {
        self.nic.capabilities()
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.nic.hardware_address()
    }
}

/// A frame that came.
pub(super) struct MarkedRxToken<'a>(NicRxToken<'a>);

impl RxToken for MarkedRxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        self.0.consume(read)
    }
}

/// Room for a frame.
pub(super) enum MarkedTxToken<'a> {
    /// Of the router's own.
    Own(NicTxToken<'a>),
    /// That somebody else sent first.
    Relayed(&'a Nic, Origin),
    /// Which nobody writes.
    Nowhere,
}

impl TxToken for MarkedTxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let relay = match self {
            Self::Own(room) => return room.consume(len, write),
            Self::Relayed(nic, origin) => Some((nic, origin)),
            Self::Nowhere => None,
        };
        let mut bytes = vec![0; len];
        let result = write(&mut bytes);
        if let Some((nic, origin)) = relay {
            nic.relay(origin, &bytes);
        }
        result
    }
}
