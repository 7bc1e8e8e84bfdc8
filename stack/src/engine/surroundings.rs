//! What was learnt about our surroundings at run time: name servers, and who waits for such things to change.

use core::task::{Poll, Waker};

use heapless::Vec;

#[cfg(feature = "claim")]
use super::claim::ClaimState;
#[cfg(feature = "multicast")]
use super::groups::Membership;
use super::{Core, connection::Role, wakes::Waiter};
#[cfg(any(feature = "claim", feature = "multicast"))]
use super::{egress::Egress, port::Port};
use crate::{
    config::DNS_SERVERS_MAX,
    ip::{IpAddr, spoken},
    tcp::Error,
};

/// How many can wait for a change at a time without being woken in vain: where nothing can be allocated, a claim and one
/// more, or with several interfaces a few more.
const WATCHERS: usize = if cfg!(feature = "alloc") {
    64
} else if cfg!(feature = "multihome") {
    4
} else {
    2
};

/// What is known of the driver's link.
#[derive(Clone, Copy, Default)]
struct Link {
    /// Whether somebody wants to know.
    watched: bool,
    down: bool,
    /// How often it has come back.
    returns: u8,
}

#[derive(Default)]
pub(crate) struct Surroundings {
    pub(crate) dns: Vec<IpAddr, DNS_SERVERS_MAX, u8>,
    #[cfg(feature = "claim")]
    pub(super) claim: ClaimState,
    #[cfg(feature = "multicast")]
    pub(super) membership: Membership,
    /// Whether something is to be sent for a claim, or about groups: both are rare, and looked for as one.
    #[cfg(any(feature = "claim", feature = "multicast"))]
    pub(super) busy: bool,
    #[cfg(feature = "alloc")]
    watchers: alloc::vec::Vec<Option<Waiter>>,
    #[cfg(not(feature = "alloc"))]
    watchers: [Option<Waiter>; WATCHERS],
    next_watcher: u8,
    link: Link,
    /// Grows with each change.
    pub(crate) edition: u32,
}

impl Surroundings {
    /// Whether something is to be sent that this is about.
    #[cfg(any(feature = "claim", feature = "multicast"))]
    pub(super) fn has_news(&self) -> bool {
        #[cfg(feature = "claim")]
        if self.claim.due {
            return true;
        }
        #[cfg(feature = "multicast")]
        if !self.membership.is_quiet() {
            return true;
        }
        false
    }

    pub(super) fn changed(&mut self) {
        self.edition = self.edition.wrapping_add(1);
    }
}

impl Core<'_> {
    /// Sends the next thing that is to be sent about groups, or for a claim.
    #[cfg(any(feature = "claim", feature = "multicast"))]
    #[cold]
    pub(super) fn send_news(&mut self, port: &mut impl Port) -> Egress {
        #[cfg(all(feature = "claim", feature = "multicast"))]
        let sent = match self.surroundings.membership.is_quiet() {
            false => self.send_membership(port),
            true => self.send_claim(port),
        };
        #[cfg(all(feature = "claim", not(feature = "multicast")))]
        let sent = self.send_claim(port);
        #[cfg(not(feature = "claim"))]
        let sent = self.send_membership(port);
        self.surroundings.busy = self.surroundings.has_news();
        sent
    }

    pub(crate) fn set_dns(&mut self, servers: &[core::net::IpAddr]) {
        self.surroundings.dns = servers.iter().copied().filter_map(spoken).take(DNS_SERVERS_MAX).collect();
        self.surroundings.changed();
    }

    /// Whether the driver's link is up, as far as is known. From now on the runner asks the driver.
    pub(crate) fn watch_link(&mut self) -> bool {
        if !core::mem::replace(&mut self.surroundings.link.watched, true) {
            self.wakes.rouse();
        }
        !self.surroundings.link.down
    }

    /// Whether somebody wants to know of the driver's link.
    #[inline]
    pub(crate) fn is_link_watched(&self) -> bool {
        self.surroundings.link.watched
    }

    /// The driver says whether its link is up; answers whether it said something else before.
    ///
    /// A link that comes back may lead elsewhere than before: whom it led to is asked for anew.
    pub(crate) fn set_link(&mut self, is_up: bool) -> bool {
        let link = &mut self.surroundings.link;
        if link.down != is_up {
            return false;
        }
        link.down = !is_up;
        if is_up {
            link.returns = link.returns.wrapping_add(1);
            self.tables.neighbours.forget_known();
            #[cfg(feature = "multicast")]
            self.report_again();
        }
        self.surroundings.changed();
        true
    }

    /// How often the link has come back, counted round.
    #[cfg(any(feature = "dhcp", feature = "mdns", feature = "slaac"))]
    pub(crate) fn link_returns(&self) -> u8 {
        self.surroundings.link.returns
    }

    /// Waits until the link has come back more often than `known`.
    #[cfg(any(feature = "dhcp", feature = "mdns", feature = "slaac"))]
    pub(crate) fn poll_link_returned(&mut self, known: u8, waker: &Waker) -> (Poll<u8>, Option<Waiter>) {
        let Link { down, returns, .. } = self.surroundings.link;
        if returns != known && !down {
            return (Poll::Ready(returns), None);
        }
        (Poll::Pending, self.watch(waker))
    }

    /// Something outside changed that those who wait for a change here want to know of.
    #[cfg(feature = "multihome")]
    pub(crate) fn note_change(&mut self) {
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
        let mut at = own.or_else(|| watchers.iter().position(Option::is_none));
        #[cfg(feature = "alloc")]
        if at.is_none() && watchers.len() < WATCHERS {
            watchers.push(None);
            at = Some(watchers.len() - 1);
        }
        let at = *at.get_or_insert_with(|| {
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
        let (at, _) = in_use.find(|(_, slot)| !self.local.is_own(&slot.flow.local().ip()))?;
        let at = at as u32;
        let slot = &mut self.tables.connections.slots[at as usize];
        slot.error = Some(Error::AddressLost);
        slot.wipe();
        self.stop_waiting(at);
        self.settle(at);
        Some(at + 1)
    }
}
