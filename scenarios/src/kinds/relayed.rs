//! Whose packets a device passes on, which knows nothing of the tank: its interfaces find out by the packets' own addresses.
//!
//! What comes in from an address is noted with the node that sent it first, and what goes out from that address, by whichever
//! interface, is relayed as that node's. So whoever is held apart stays apart across the device, though its program is the one that
//! boards run. What it says itself comes from addresses of its own. Of what goes by radio in several frames the first says whose
//! it is: a radio sends one packet after the other.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::rc::Rc;

use wavetank_sim::net::Origin;
use wavetank_stack::lowpan::{self, Sniffed};

use super::marked::{Marked, Marks};

/// Who sends from which address, as far as it passed by.
pub(super) struct Senders {
    known: RefCell<BTreeMap<Ipv6Addr, Origin>>,
    /// The device's own addresses.
    own: Vec<Ipv6Addr>,
}

impl Senders {
    pub(super) fn new(own: Vec<Ipv6Addr>) -> Rc<Self> {
        Rc::new(Self { known: RefCell::default(), own })
    }

    /// A packet came; what is on its link alone is not passed on.
    fn note(&self, source: Ipv6Addr, origin: Origin) {
        if !source.is_unicast_link_local() && !source.is_unspecified() && !self.own.contains(&source) {
            self.known.borrow_mut().insert(source, origin);
        }
    }

    fn of(&self, source: Ipv6Addr) -> Option<Origin> {
        self.known.borrow().get(&source).copied()
    }
}

/// What frames are on an interface.
pub(super) enum Frames {
    /// Ethernet's.
    Ethernet,
    /// 6LoWPAN's, of a network that has agreed on that.
    Lowpan(lowpan::Options),
}

impl Frames {
    /// What a frame says of the packet in it.
    fn sniff(&self, frame: &[u8]) -> Option<Sniffed> {
        match self {
            Self::Lowpan(options) => lowpan::sniff(frame, options, None),
            Self::Ethernet => {
                let packet = frame.get(12..)?.strip_prefix(&[0x86, 0xdd])?;
                let address = |at: usize| Some(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?));
                Some(Sniffed::Begins { source: address(8)?, destination: address(24)? })
            }
        }
    }
}

/// An interface of such a device.
pub(super) type Relayed = Marked<Passing>;

/// What tells whose frames are.
pub(super) struct Passing {
    frames: Frames,
    senders: Rc<Senders>,
    /// Whose packet is under way.
    under_way: Cell<Option<Origin>>,
}

impl Passing {
    pub(super) fn new(frames: Frames, senders: &Rc<Senders>) -> Self {
        Self { frames, senders: Rc::clone(senders), under_way: Cell::new(None) }
    }
}

impl Marks for Passing {
    fn comes(&self, frame: &[u8], origin: Origin) {
        if let Some(Sniffed::Begins { source, .. }) = self.frames.sniff(frame) {
            self.senders.note(source, origin);
        }
    }

    fn goes(&self, frame: &[u8]) -> Option<Origin> {
        match self.frames.sniff(frame) {
            Some(Sniffed::Begins { source, .. }) => self.under_way.set(self.senders.of(source)),
            Some(Sniffed::GoesOn) => {}
            None => self.under_way.set(None),
        }
        self.under_way.get()
    }
}
