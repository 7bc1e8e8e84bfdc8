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

/// Who sends from which address, as far as it passed by lately.
pub(super) struct Senders {
    known: RefCell<Lately<Origin>>,
    /// The device's own addresses.
    own: Vec<Ipv6Addr>,
}

impl Senders {
    pub(super) fn new(own: Vec<Ipv6Addr>) -> Rc<Self> {
        Rc::new(Self { known: RefCell::new(Lately::default()), own })
    }

    /// A packet came; what is on its link alone is not passed on.
    fn note(&self, source: Ipv6Addr, origin: Origin) {
        if !source.is_unicast_link_local() && !source.is_unspecified() && !self.own.contains(&source) {
            self.known.borrow_mut().note(source, origin);
        }
    }

    fn of(&self, source: Ipv6Addr) -> Option<Origin> {
        self.known.borrow().of(source).copied()
    }
}

/// How many addresses are noted before older ones are forgotten: more than packets can be inside a device at once, and once the last
/// of its packets has left, an address is not asked for.
const KNOWN_MAX: usize = 1_024;

/// What is known of addresses: at least of the latest [`KNOWN_MAX`], and of at most twice as many, whoever makes addresses up.
struct Lately<T> {
    latest: BTreeMap<Ipv6Addr, T>,
    /// Those before.
    older: BTreeMap<Ipv6Addr, T>,
}

impl<T> Default for Lately<T> {
    fn default() -> Self {
        Self { latest: BTreeMap::new(), older: BTreeMap::new() }
    }
}

impl<T> Lately<T> {
    fn note(&mut self, address: Ipv6Addr, known: T) {
        if self.latest.len() == KNOWN_MAX && !self.latest.contains_key(&address) {
            self.older = std::mem::take(&mut self.latest);
        }
        self.latest.insert(address, known);
    }

    fn of(&self, address: Ipv6Addr) -> Option<&T> {
        self.latest.get(&address).or_else(|| self.older.get(&address))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_addresses_takes_no_more_room_and_hides_nobody_who_still_sends() {
        let mut known = Lately::default();
        let device = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
        for forged in 0..100_000_u128 {
            if forged % KNOWN_MAX as u128 == 0 {
                known.note(device, 1);
            }
            known.note(Ipv6Addr::from(0xbad << 100 | forged), 2);
            assert_eq!(known.of(device), Some(&1), "after {forged}");
            assert!(known.latest.len() + known.older.len() <= 2 * KNOWN_MAX);
        }
        assert_eq!(known.of(Ipv6Addr::from(0xbad << 100)), None, "the first is long forgotten");
        // Who has moved to another node is that node's at once.
        known.note(device, 3);
        assert_eq!(known.of(device), Some(&3));
    }
}
