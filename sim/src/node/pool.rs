//! What a node has only so much of, for its program to ask: sockets, buffers, whatever it names.

use super::{Node, NodeCore};
use crate::kernel::{Effect, Kernel};
use crate::trace::{Event, Symbol};

/// A limit on something that a node's program has several of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// What, in one word.
    pub name: String,
    /// How many, or how many bytes.
    pub room: usize,
}

/// The limits of a node, and those that faults set meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    own: Vec<PoolSpec>,
    faults: Vec<(u32, PoolSpec)>,
}

impl Pools {
    pub(crate) fn new(own: Vec<PoolSpec>) -> Self {
        Self { own, faults: Vec::new() }
    }

    /// The strictest limit of that name.
    fn room(&self, name: &str) -> usize {
        let all = self.own.iter().chain(self.faults.iter().map(|(_, limit)| limit));
        all.filter(|limit| limit.name == name).map(|limit| limit.room).min().unwrap_or(usize::MAX)
    }
}

impl NodeCore {
    /// A fault sets a limit, or lifts it.
    pub(crate) fn limit(&self, fault: u32, name: &str, room: usize, begins: bool) {
        let Some(pools) = &mut *self.pools.borrow_mut() else { return };
        if begins {
            pools.faults.push((fault, PoolSpec { name: name.to_owned(), room }));
        } else {
            pools.faults.retain(|(other, _)| *other != fault);
        }
    }

    /// The faults whose limit a pool ran into.
    pub(crate) fn limited_by(&self, name: &str) -> Vec<u32> {
        let pools = self.pools.borrow();
        let Some(pools) = &*pools else { return Vec::new() };
        let room = pools.room(name);
        pools
            .faults
            .iter()
            .filter(|(_, limit)| limit.name == name && limit.room == room)
            .map(|(fault, _)| *fault)
            .collect()
    }
}

impl Node {
    /// Whether anything that its program has several of is limited, or may be by a fault.
    #[must_use]
    pub fn has_pools(&self) -> bool {
        self.core().pools.borrow().is_some()
    }

    /// How much there may be of what is called so, now.
    #[must_use]
    pub fn pool_room(&self, name: &str) -> usize {
        self.core().pools.borrow().as_ref().map_or(usize::MAX, |pools| pools.room(name))
    }

    /// Its program was refused something for want of room.
    pub fn pool_ran_out(&self, name: &str) {
        let pool = self.kernel().trace.borrow_mut().intern(name);
        self.kernel().effect(Effect::RanOut { node: self.id(), pool });
    }

    /// Its program has less of something than it asked for, and makes do with that. Only the faults that are behind it are told.
    pub fn pool_made_do(&self, name: &str) {
        let what = self.pool_room(name) as u64;
        for fault in self.core().limited_by(name) {
            self.kernel().effect(Effect::Felt { fault, what });
        }
    }
}

impl Kernel {
    /// Others see that a node's pool has run out.
    pub(crate) fn ran_out(&self, node: super::NodeId, pool: Symbol) {
        let node = self.node(node);
        let name = self.trace.borrow().names.symbol(pool).to_owned();
        let room = node.pools.borrow().as_ref().map_or(usize::MAX, |pools| pools.room(&name));
        self.record(Event::RanOut { node: node.id, pool, room: room as u64 });
        node.limited_by(&name).into_iter().for_each(|fault| self.felt(fault, room as u64));
    }
}
