//! A cable that loses frames both ways, by a seed.

use std::cell::RefCell;
use std::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A driver whose frames get lost, one in so many.
pub(crate) struct Lossy<D> {
    inner: D,
    one_in: Option<u32>,
    draws: RefCell<ChaCha8Rng>,
}

impl<D> Lossy<D> {
    /// None lost, or one in `one_in`, each way.
    pub(crate) fn new(inner: D, one_in: Option<u32>) -> Self {
        Self { inner, one_in, draws: RefCell::new(ChaCha8Rng::seed_from_u64(77)) }
    }
}

/// Whether the next frame is lost.
fn loses(draws: &RefCell<ChaCha8Rng>, one_in: Option<u32>) -> bool {
    one_in.is_some_and(|one_in| draws.borrow_mut().next_u32().is_multiple_of(one_in))
}

impl<D: Driver> Driver for Lossy<D> {
    type RxToken<'a>
        = Received<D::RxToken<'a>>
    where
        D: 'a;
    type TxToken<'a>
        = Room<'a, D::TxToken<'a>>
    where
        D: 'a;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let lost = loses(&self.draws, self.one_in);
        let (received, room) = self.inner.receive(cx)?;
        Some((Received { inner: received, lost }, Room { inner: room, draws: &self.draws, one_in: self.one_in }))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        let room = self.inner.transmit(cx)?;
        Some(Room { inner: room, draws: &self.draws, one_in: self.one_in })
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.inner.link_state(cx)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.inner.hardware_address()
    }
}

/// A frame, or what is left of one that got lost: nothing that anybody would take for a frame.
pub(crate) struct Received<T> {
    inner: T,
    lost: bool,
}

impl<T: RxToken> RxToken for Received<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        match self.lost {
            true => f(&mut []),
            false => self.inner.consume(f),
        }
    }
}

/// Room for a frame that may get lost.
pub(crate) struct Room<'a, T> {
    inner: T,
    draws: &'a RefCell<ChaCha8Rng>,
    one_in: Option<u32>,
}

impl<T: TxToken> TxToken for Room<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        match loses(self.draws, self.one_in) {
            true => f(&mut vec![0; len]),
            false => self.inner.consume(len, f),
        }
    }
}
