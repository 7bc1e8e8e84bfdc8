//! Who listens at which port, and the connections that came and are not accepted yet.

use super::wakes::Waiter;
use crate::{
    ip::IpAddr,
    table::{Index, List, Storage, mix_two},
    tcp::Options,
};

/// A slot for a listener.
pub(crate) struct Listener {
    pub(crate) in_use: bool,
    pub(crate) port: u16,
    /// The address of ours that it listens at; `None` for all.
    pub(crate) address: Option<IpAddr>,
    pub(crate) backlog: u32,
    /// How many connections are in the two lists.
    pub(crate) children: u32,
    /// Those that are being opened.
    pub(crate) pending: List,
    /// Those that may be accepted.
    pub(crate) ready: List,
    pub(crate) acceptor: Option<Waiter>,
    pub(crate) options: Options,
}

impl Listener {
    pub(crate) fn free() -> Self {
        Self {
            in_use: false,
            port: 0,
            address: None,
            backlog: 0,
            children: 0,
            pending: List::EMPTY,
            ready: List::EMPTY,
            acceptor: None,
            options: Options::default(),
        }
    }
}

pub(crate) struct Listeners<'r> {
    pub(crate) slots: Storage<'r, Listener>,
    index: Index,
}

impl<'r> Listeners<'r> {
    pub(crate) fn new(slots: Storage<'r, Listener>, index: Index) -> Self {
        Self { slots, index }
    }

    /// Who listens at that port of that address.
    #[inline]
    pub(crate) fn find(&self, address: IpAddr, port: u16) -> Option<u32> {
        self.at_port(port).filter(|&at| self.slots[at as usize].address.is_none_or(|own| own == address))
    }

    /// Who listens at that port of any address.
    #[inline]
    pub(crate) fn at_port(&self, port: u16) -> Option<u32> {
        self.index.find(&self.slots, || hash(port), |slot| slot.in_use && slot.port == port)
    }

    /// Takes a slot for `listener`; `None` if there is none.
    pub(crate) fn claim(&mut self, listener: Listener) -> Option<u32> {
        let free = self.slots.iter().position(|slot| !slot.in_use);
        let at = match free {
            Some(at) => at as u32,
            None => self.slots.grow(Listener::free)?,
        };
        self.slots[at as usize] = listener;
        self.slots[at as usize].in_use = true;
        self.index.insert(&self.slots, at, |slot| hash(slot.port));
        Some(at)
    }

    /// Frees a slot, whose lists are empty. Answers with whoever waited to accept, to be dropped outside.
    pub(crate) fn release(&mut self, at: u32) -> Option<Waiter> {
        self.index.remove(&self.slots, at, |slot| hash(slot.port));
        let listener = core::mem::replace(&mut self.slots[at as usize], Listener::free());
        debug_assert!(listener.pending.is_empty() && listener.ready.is_empty());
        listener.acceptor
    }
}

fn hash(port: u16) -> u64 {
    mix_two(0, port.into(), 0)
}
