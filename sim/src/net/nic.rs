//! A network interface, as the node's driver sees it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::task::Context;

use embassy_net_driver::{Capabilities, Checksum, Driver, HardwareAddress, LinkState, RxToken, TxToken};

use super::air::Watched;
use super::{DropReason, FRAME_BYTES_MAX, Frame, LinkId, NicId};
use crate::executor::{Tasks, Wakee};
use crate::kernel::{Effect, Kernel};
use crate::node::NodeCore;
use crate::prefetch::{self, Foresight};

/// An Ethernet address (EUI-48).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

pub(crate) struct NicCore {
    id: NicId,
    pub(crate) node: Rc<NodeCore>,
    mac: Mac,
    /// Its EUI-64, if it is a radio.
    eui: Option<[u8; 8]>,
    /// The link out of this interface, once a cable is plugged in.
    pub(crate) link: Cell<Option<LinkId>>,
    pub(crate) tap: Cell<Option<u32>>,
    ring: RefCell<VecDeque<Box<Frame>>>,
    ring_frames_max: usize,
    /// Whom to wake when a frame comes. It stays: a driver that looks once too often finds nothing.
    wakee: RefCell<Option<Wakee>>,
    /// What the program will read for a frame that lands here, and which of its ports this is.
    foresight: RefCell<Option<(Rc<dyn Foresight>, usize)>>,
}

/// aMaxPHYPacketSize without the check sequence (IEEE 802.15.4-2006, clause 6.4.1).
const RADIO_BYTES_MAX: usize = 125;

/// How many received frames wait for the driver before more are dropped, if the node does not say.
const RING_FRAMES: u32 = 256;

impl NicCore {
    pub(crate) fn new(id: NicId, node: Rc<NodeCore>, mac: Mac, eui: Option<[u8; 8]>) -> Self {
        let ring_frames_max = node.spec.ring_frames.unwrap_or(RING_FRAMES) as usize;
        Self {
            id,
            node,
            mac,
            eui,
            link: Cell::new(None),
            tap: Cell::new(None),
            ring: RefCell::default(),
            ring_frames_max,
            wakee: RefCell::default(),
            foresight: RefCell::default(),
        }
    }

    #[inline]
    pub(crate) fn is_radio(&self) -> bool {
        self.eui.is_some()
    }

    /// It is wanted soon.
    pub(crate) fn fetch(&self) {
        prefetch::lines::<3, Self>(self);
    }

    /// What it refers to is wanted soon.
    pub(crate) fn fetch_further(&self, tasks: &Tasks) {
        prefetch::lines::<2, NodeCore>(&self.node);
        prefetch::first(self.ring.borrow().as_slices().0);
        if let Some((foresight, _)) = &*self.foresight.borrow() {
            prefetch::whole(&**foresight);
        }
        if let Some(slot) = self.slot() {
            tasks.fetch_slot(slot);
        }
    }

    /// The place of the task that waits for frames.
    pub(crate) fn slot(&self) -> Option<u32> {
        match &*self.wakee.borrow() {
            Some(Wakee::Task(task)) => Some(task.slot),
            _ => None,
        }
    }

    /// What the program will read for a frame is wanted soon. Whether there is more of it.
    pub(crate) fn fetch_foreseen(&self, frame: &[u8], step: u8, memo: &mut u64) -> bool {
        matches!(&*self.foresight.borrow(), Some((foresight, port)) if foresight.fetch(*port, frame, step, memo))
    }

    /// Why it cannot take another frame, if it cannot.
    pub(crate) fn refuses(&self) -> Option<DropReason> {
        if self.node.is_off() {
            Some(DropReason::NodeDown)
        } else if self.ring.borrow().len() >= self.ring_frames_max {
            Some(DropReason::RingFull)
        } else {
            None
        }
    }

    #[inline]
    pub(crate) fn receive(&self, frame: Box<Frame>) {
        self.ring.borrow_mut().push_back(frame);
    }

    /// Who wants to know that a frame came, or that the cable's state changed.
    #[inline]
    pub(crate) fn wakee(&self) -> Option<Wakee> {
        self.wakee.borrow().clone()
    }

    /// The node lost its power.
    pub(crate) fn power_down(&self, kernel: &Kernel) {
        self.ring.borrow_mut().drain(..).for_each(|frame| kernel.pool.put(frame));
        let gone = (self.wakee.borrow_mut().take(), self.foresight.borrow_mut().take());
        drop(gone);
    }

    #[inline]
    fn register(&self, kernel: &Kernel, context: &Context<'_>) {
        let mut wakee = self.wakee.borrow_mut();
        if !wakee.as_ref().is_some_and(|wakee| kernel.is_wakee(wakee, context.waker())) {
            let old = wakee.replace(kernel.wakee(context.waker()));
            drop(wakee);
            drop(old);
        }
    }
}

/// A network interface of a node: Ethernet, 1514 bytes a frame, no offload on sending; or a radio of IEEE 802.15.4, 125
/// bytes a frame, whose check sequence, acknowledgements and access to the air are its own.
///
/// Received checksums need not be verified: links that damage frames verify what they have touched.
pub struct Nic {
    pub(super) core: Rc<NicCore>,
    pub(super) kernel: Rc<Kernel>,
    /// Whoever watches what becomes of the frames that it sends.
    pub(super) watched: Option<Rc<Watched>>,
}

impl Nic {
    pub(crate) fn new(core: Rc<NicCore>, kernel: Rc<Kernel>) -> Self {
        Self { core, kernel, watched: None }
    }

    /// Its Ethernet address; a radio is known by its EUI-64, [`hardware_address`](Driver::hardware_address).
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.core.mac
    }

    /// Says who knows what the program reads when a frame comes, and by which of its ports. A hint, for as long as the node
    /// has power.
    pub fn foresee(&self, by: Rc<dyn Foresight>, port: usize) {
        let before = self.core.foresight.borrow_mut().replace((by, port));
        drop(before);
    }
}

/// The node that sent a frame first, however often it was passed on by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin(u32);

impl Driver for Nic {
    type RxToken<'a> = NicRxToken<'a>;
    type TxToken<'a> = NicTxToken<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(NicRxToken<'_>, NicTxToken<'_>)> {
        let frame = self.core.ring.borrow_mut().pop_front();
        let Some(frame) = frame else {
            self.core.register(&self.kernel, context);
            return None;
        };
        Some((NicRxToken { frame, kernel: &self.kernel }, NicTxToken { nic: self }))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<NicTxToken<'_>> {
        Some(NicTxToken { nic: self })
    }

    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        self.core.register(&self.kernel, context);
        match self.core.link.get() {
            Some(link) if self.kernel.net.borrow().is_up(link) => LinkState::Up,
            _ => LinkState::Down,
        }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        if self.core.is_radio() {
            capabilities.max_transmission_unit = RADIO_BYTES_MAX;
            return capabilities;
        }
        capabilities.max_transmission_unit = 1514;
        let checksum = &mut capabilities.checksum;
        checksum.ipv4 = Checksum::Tx;
        checksum.tcp = Checksum::Tx;
        checksum.udp = Checksum::Tx;
        checksum.icmpv4 = Checksum::Tx;
        checksum.icmpv6 = Checksum::Tx;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        match self.core.eui {
            Some(eui) => HardwareAddress::Ieee802154(eui),
            None => HardwareAddress::Ethernet(self.core.mac.0),
        }
    }
}

/// A received frame.
pub struct NicRxToken<'a> {
    frame: Box<Frame>,
    kernel: &'a Kernel,
}

impl NicRxToken<'_> {
    /// Who sent it first.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin(self.frame.origin)
    }

    /// What it is.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.frame.bytes()
    }
}

impl RxToken for NicRxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, read: F) -> R {
        let result = read(self.frame.bytes_mut());
        self.kernel.pool.put(self.frame);
        result
    }
}

/// Room for a frame to send.
pub struct NicTxToken<'a> {
    nic: &'a Nic,
}

impl NicTxToken<'_> {
    /// Sends what `write` writes; `whose` is shown it, and says who sent it first, if that was another node: what lies between
    /// that node and others lies between this frame and them, too. A frame that no link carries is counted as
    /// [`DropReason::TooLong`].
    #[inline]
    pub fn relay<R>(
        self,
        len: usize,
        write: impl FnOnce(&mut [u8]) -> R,
        whose: impl FnOnce(&[u8]) -> Option<Origin>,
    ) -> R {
        let kernel = &self.nic.kernel;
        let fits = len <= RADIO_BYTES_MAX || !self.nic.core.is_radio();
        let Some(mut frame) = fits.then(|| kernel.pool.take(len)).flatten() else {
            debug_assert!(len > FRAME_BYTES_MAX || !fits);
            kernel.net.borrow_mut().dropped[DropReason::TooLong as usize] += 1;
            return write(&mut vec![0; len]);
        };
        let result = write(frame.bytes_mut());
        frame.seal();
        if let Some(watched) = &self.nic.watched {
            frame.watch = watched.enlist();
        }
        let nic = self.nic.core.id;
        kernel.effect(match whose(frame.bytes()) {
            None => Effect::Frame(nic, frame),
            Some(origin) => {
                frame.origin = origin.0;
                Effect::Relay(nic, frame)
            }
        });
        result
    }
}

impl TxToken for NicTxToken<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        self.relay(len, write, |_| None)
    }
}
