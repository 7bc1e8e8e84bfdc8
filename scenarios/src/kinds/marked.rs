//! An interface of whoever passes on what others sent first.

use std::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, TxToken};
use wavetank_sim::net::air::Watch;
use wavetank_sim::net::{Nic, NicRxToken, NicTxToken, Origin};

/// What knows whose frames are.
pub(super) trait Marks {
    /// A frame came, which that node sent first.
    fn comes(&self, frame: &[u8], origin: Origin);

    /// Who sent first what goes; `None` if it is the node's own.
    fn goes(&self, frame: &[u8]) -> Option<Origin>;
}

/// An interface by which frames go as those of who sent them first.
pub(super) struct Marked<M> {
    nic: Nic,
    marks: M,
}

impl<M: Marks> Marked<M> {
    pub(super) fn new(nic: Nic, marks: M) -> Self {
        Self { nic, marks }
    }

    /// What becomes of the frames that it sends, if it is a radio. See [`Nic::watch`].
    pub(super) fn watch(&mut self) -> Option<Watch> {
        self.nic.watch()
    }
}

impl<M: Marks> Driver for Marked<M> {
    type RxToken<'a>
        = NicRxToken<'a>
    where
        M: 'a;
    type TxToken<'a>
        = MarkedTxToken<'a, M>
    where
        M: 'a;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(NicRxToken<'_>, MarkedTxToken<'_, M>)> {
        let Self { nic, marks } = self;
        let (frame, room) = nic.receive(cx)?;
        marks.comes(frame.bytes(), frame.origin());
        Some((frame, MarkedTxToken { room, marks }))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<MarkedTxToken<'_, M>> {
        let Self { nic, marks } = self;
        nic.transmit(cx).map(|room| MarkedTxToken { room, marks })
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

/// Room for a frame.
pub(super) struct MarkedTxToken<'a, M> {
    room: NicTxToken<'a>,
    marks: &'a M,
}

impl<M: Marks> TxToken for MarkedTxToken<'_, M> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        self.room.relay(len, write, |frame| self.marks.goes(frame))
    }
}
