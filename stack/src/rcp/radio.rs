//! The driver: frames that wait on either side of it.

use core::cell::RefCell;
use core::fmt;
use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use heapless::{Deque, Vec};

use super::FRAME_MAX;

pub(super) type Frame = Vec<u8, FRAME_MAX>;

/// What both halves know.
pub(super) struct Shared<const FRAMES: usize> {
    /// Frames that were heard.
    pub(super) arrived: Deque<Frame, FRAMES>,
    /// Frames that are to be sent.
    pub(super) leaving: Deque<Frame, FRAMES>,
    /// Whether the co-processor is set up.
    pub(super) is_up: bool,
    /// Frames that were to be sent while it was not.
    pub(super) unsent: u32,
    /// Who drives the radio.
    driver: Option<Waker>,
    /// Who runs the link.
    pub(super) link: Option<Waker>,
}

impl<const FRAMES: usize> Shared<FRAMES> {
    pub(super) const fn new() -> Self {
        Self { arrived: Deque::new(), leaving: Deque::new(), is_up: false, unsent: 0, driver: None, link: None }
    }

    /// Something is new for the driver.
    pub(super) fn wake_driver(&mut self) {
        if let Some(waker) = self.driver.take() {
            waker.wake();
        }
    }

    /// The co-processor is there, or not.
    pub(super) fn set_up(&mut self, is_up: bool) {
        if !is_up {
            self.unsent = self.unsent.saturating_add(self.leaving.len() as u32);
            self.leaving.clear();
        }
        self.is_up = is_up;
        self.wake_driver();
    }
}

pub(super) fn keep(slot: &mut Option<Waker>, cx: &Context<'_>) {
    if !slot.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
        *slot = Some(cx.waker().clone());
    }
}

/// A radio of IEEE 802.15.4. See the [module](super).
pub struct Radio<'m, const FRAMES: usize> {
    shared: &'m RefCell<Shared<FRAMES>>,
    address: [u8; 8],
}

impl<'m, const FRAMES: usize> Radio<'m, FRAMES> {
    pub(super) const fn new(shared: &'m RefCell<Shared<FRAMES>>, address: [u8; 8]) -> Self {
        Self { shared, address }
    }
}

impl<'m, const FRAMES: usize> Driver for Radio<'m, FRAMES> {
    type RxToken<'t>
        = Received<'t, FRAMES>
    where
        Self: 't;
    type TxToken<'t>
        = Room<'t, FRAMES>
    where
        Self: 't;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_, FRAMES>, Room<'_, FRAMES>)> {
        let mut shared = self.shared.borrow_mut();
        if shared.arrived.is_empty() || (shared.is_up && shared.leaving.is_full()) {
            keep(&mut shared.driver, cx);
            return None;
        }
        drop(shared);
        Some((Received(self.shared), Room(self.shared)))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Room<'_, FRAMES>> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_up && shared.leaving.is_full() {
            keep(&mut shared.driver, cx);
            return None;
        }
        drop(shared);
        Some(Room(self.shared))
    }

    /// Up while the co-processor is set up and answers.
    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        let mut shared = self.shared.borrow_mut();
        keep(&mut shared.driver, cx);
        if shared.is_up { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ieee802154(self.address)
    }
}

/// A frame that was heard.
pub struct Received<'t, const FRAMES: usize>(&'t RefCell<Shared<FRAMES>>);

impl<const FRAMES: usize> RxToken for Received<'_, FRAMES> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        let frame = self.0.borrow_mut().arrived.pop_front();
        f(&mut frame.expect("a token stands for a frame"))
    }
}

/// Room for a frame that is to be sent.
pub struct Room<'t, const FRAMES: usize>(&'t RefCell<Shared<FRAMES>>);

impl<const FRAMES: usize> TxToken for Room<'_, FRAMES> {
    /// # Panics
    /// If the frame is longer than [`FRAME_MAX`].
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = Frame::new();
        frame.resize_default(len).expect("no frame is longer than its driver says");
        let result = f(&mut frame);
        let mut shared = self.0.borrow_mut();
        if !shared.is_up || shared.leaving.push_back(frame).is_err() {
            shared.unsent = shared.unsent.saturating_add(1);
        }
        if let Some(waker) = &shared.link {
            waker.wake_by_ref();
        }
        result
    }
}

impl<const FRAMES: usize> fmt::Debug for Radio<'_, FRAMES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Radio").field("address", &self.address).finish_non_exhaustive()
    }
}

impl<const FRAMES: usize> fmt::Debug for Received<'_, FRAMES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received").finish_non_exhaustive()
    }
}

impl<const FRAMES: usize> fmt::Debug for Room<'_, FRAMES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").finish_non_exhaustive()
    }
}
