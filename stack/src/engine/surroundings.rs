//! What was learnt about our surroundings at run time: name servers, and who waits for such things to change.

use core::{
    net::IpAddr,
    task::{Poll, Waker},
};

use heapless::Vec;

use super::{Core, claim::ClaimState, connection::Role, groups::Membership, wakes::Waiter};
use crate::{config::DNS_SERVERS_MAX, tcp::Error};

/// How many can wait for a change at a time without being woken in vain.
const WATCHERS: usize = 2;

#[derive(Default)]
pub(crate) struct Surroundings {
    pub(crate) dns: Vec<IpAddr, DNS_SERVERS_MAX, u8>,
    pub(super) claim: ClaimState,
    pub(super) membership: Membership,
    watchers: [Option<Waiter>; WATCHERS],
    next_watcher: u8,
    /// Grows with each change.
    pub(crate) edition: u32,
}

impl Surroundings {
    pub(super) fn changed(&mut self) {
        self.edition = self.edition.wrapping_add(1);
    }
}

impl Core<'_> {
    pub(crate) fn set_dns(&mut self, servers: &[IpAddr]) {
        self.surroundings.dns = servers.iter().copied().take(DNS_SERVERS_MAX).collect();
        self.surroundings.changed();
    }

    /// Waits for another edition than `known`.
    pub(crate) fn poll_changed(&mut self, known: u32, waker: &Waker) -> (Poll<u32>, Option<Waiter>) {
        if self.surroundings.edition != known {
            return (Poll::Ready(self.surroundings.edition), None);
        }
        (Poll::Pending, self.watch(waker))
    }

    /// Lets somebody wait for whatever happens here. Answers with a waker to drop outside.
    pub(super) fn watch(&mut self, waker: &Waker) -> Option<Waiter> {
        let Surroundings { watchers, next_watcher, .. } = &mut self.surroundings;
        let own = watchers.iter().position(|place| place.as_ref().is_some_and(|waiter| waiter.will_wake(waker)));
        let free = || watchers.iter().position(Option::is_none);
        let at = own.or_else(free).unwrap_or_else(|| {
            // Whoever is pushed out is woken in vain, and waits again.
            *next_watcher = (*next_watcher + 1) % WATCHERS as u8;
            usize::from(*next_watcher)
        });
        let place = &mut watchers[at];
        if place.as_ref().is_some_and(|waiter| !waiter.will_wake(waker)) {
            self.wakes.wake(place);
        }
        self.wakes.wait(place, waker)
    }

    /// Has one of those woken who wait for a change; answers whether there was one.
    pub(crate) fn wake_watcher(&mut self) -> bool {
        let Some(place) = self.surroundings.watchers.iter_mut().find(|place| super::wakes::is_waited(place)) else {
            return false;
        };
        self.wakes.wake(place);
        true
    }

    /// Ends the first connection in a slot not before `from` whose address is no longer ours; answers with the slot
    /// after it, or `None` if there is none. The other side is told nothing: it would hear it from an address that may
    /// be somebody else's by now.
    pub(crate) fn end_lost(&mut self, from: u32) -> Option<u32> {
        let slots = &self.tables.connections.slots;
        let mut in_use = slots.iter().enumerate().skip(from as usize).filter(|(_, slot)| slot.role != Role::Free);
        let (at, _) = in_use.find(|(_, slot)| !self.local.is_own(slot.flow.local().ip()))?;
        let at = at as u32;
        let slot = &mut self.tables.connections.slots[at as usize];
        slot.error = Some(Error::AddressLost);
        slot.wipe();
        self.stop_waiting(at);
        self.settle(at);
        Some(at + 1)
    }
}
