//! A node's interface as its stack's driver, by cable or by radio.

use std::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use wavetank_sim::net::{Nic, NicRxToken, NicTxToken};
use wavetank_stack::lowpan::{Counts, Lowpan, Memory, Options, Received, Room};

use super::TankClock;

/// What a stack needs besides, if its interface is a radio: memory for the packets that are put together.
#[derive(Debug, Default)]
pub struct RadioMemory(Option<Box<(Memory<4>, Counts)>>);

impl RadioMemory {
    pub(crate) fn new(is_radio: bool) -> Self {
        Self(is_radio.then(|| Box::new((Memory::new(), Counts::new()))))
    }

    pub(crate) fn port<'m, D: Driver>(&'m mut self, nic: D, clock: TankClock, options: Option<Options>) -> Port<'m, D> {
        match (&mut self.0, options) {
            (Some(memory), Some(options)) => {
                let (memory, counts) = &mut **memory;
                Port::Radio(Box::new(Lowpan::new(nic, clock, memory, counts, options)))
            }
            _ => Port::Cable(nic),
        }
    }
}

/// A node's interface: Ethernet, or IPv6 over IEEE 802.15.4.
#[derive(Debug)]
pub enum Port<'m, D = Nic> {
    /// A cable.
    Cable(D),
    /// A radio.
    Radio(Box<Lowpan<'m, D, TankClock>>),
}

impl<'m, D: Driver> Driver for Port<'m, D> {
    type RxToken<'a>
        = PortRxToken<'a, D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = PortTxToken<'a, 'm, D::TxToken<'a>>
    where
        Self: 'a;

    #[inline]
    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        match self {
            Self::Cable(nic) => nic.receive(cx).map(|(rx, tx)| (PortRxToken::Cable(rx), PortTxToken::Cable(tx))),
            Self::Radio(radio) => radio.receive(cx).map(|(rx, tx)| (PortRxToken::Radio(rx), PortTxToken::Radio(tx))),
        }
    }

    #[inline]
    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        match self {
            Self::Cable(nic) => nic.transmit(cx).map(PortTxToken::Cable),
            Self::Radio(radio) => radio.transmit(cx).map(PortTxToken::Radio),
        }
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        match self {
            Self::Cable(nic) => nic.link_state(cx),
            Self::Radio(radio) => radio.link_state(cx),
        }
    }

    fn capabilities(&self) -> Capabilities {
        match self {
            Self::Cable(nic) => nic.capabilities(),
            Self::Radio(radio) => radio.capabilities(),
        }
    }

    fn hardware_address(&self) -> HardwareAddress {
        match self {
            Self::Cable(nic) => nic.hardware_address(),
            Self::Radio(radio) => radio.hardware_address(),
        }
    }
}

/// What was received.
#[derive(Debug)]
pub enum PortRxToken<'a, T = NicRxToken<'a>> {
    /// A frame.
    Cable(T),
    /// A packet.
    Radio(Received<'a>),
}

impl<T: RxToken> RxToken for PortRxToken<'_, T> {
    #[inline]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        match self {
            Self::Cable(frame) => frame.consume(read),
            Self::Radio(packet) => packet.consume(read),
        }
    }
}

/// Room for what is to be sent.
#[derive(Debug)]
pub enum PortTxToken<'a, 'm, T = NicTxToken<'a>> {
    /// A frame.
    Cable(T),
    /// A packet.
    Radio(Room<'a, 'm>),
}

impl<T: TxToken> TxToken for PortTxToken<'_, '_, T> {
    #[inline]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        match self {
            Self::Cable(room) => room.consume(len, write),
            Self::Radio(room) => room.consume(len, write),
        }
    }
}
