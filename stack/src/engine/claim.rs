//! Claiming an address: asking whether somebody has it, saying that we do, and hearing who says so too
//! (RFC 5227 for IPv4; RFC 4862, section 5.4, for IPv6).
//!
//! When to do what is decided elsewhere.

use core::{
    net::Ipv4Addr,
    task::{Poll, Waker},
};

use embassy_net_driver::TxToken;

use super::{
    Core,
    egress::Egress,
    packet::Mac,
    port::Port,
    resolution::{Frame, Heard, Says},
    wakes::Waiter,
};
use crate::ip::IpAddr;

/// The address that is being claimed, one at a time.
#[derive(Default)]
pub(crate) struct ClaimState {
    claim: Option<Claim>,
    /// Whether something is to be sent for it.
    pub(super) due: bool,
}

struct Claim {
    address: IpAddr,
    /// What is to be sent next: a question whether somebody has it, or the word that we do.
    announces: bool,
    rival: Option<Mac>,
}

impl Core<'_> {
    /// Begins to listen for others that have `address`. Answers whether no other claim is under way.
    pub(crate) fn claim(&mut self, address: IpAddr) -> bool {
        let claim = &mut self.surroundings.claim.claim;
        if claim.is_some() {
            return false;
        }
        *claim = Some(Claim { address, announces: false, rival: None });
        // Whoever has it, or asks for it too, is heard only where we are known to listen.
        #[cfg(all(feature = "ipv6", feature = "multicast"))]
        if let IpAddr::V6(address) = address
            && self.local.mac.is_some()
        {
            self.listen_for(address);
        }
        true
    }

    /// The address that is being claimed.
    #[cfg(all(feature = "ipv6", feature = "multicast"))]
    pub(super) fn claimed(&self) -> Option<IpAddr> {
        self.surroundings.claim.claim.as_ref().map(|claim| claim.address)
    }

    /// Ends the claim.
    pub(crate) fn unclaim(&mut self) {
        self.surroundings.claim = ClaimState { claim: None, due: false };
        self.surroundings.busy = self.surroundings.has_news();
    }

    /// Has a question, or an announcement, sent.
    pub(crate) fn voice(&mut self, announces: bool) {
        if let Some(claim) = &mut self.surroundings.claim.claim {
            claim.announces = announces;
            (self.surroundings.claim.due, self.surroundings.busy) = (true, true);
            self.wakes.rouse();
        }
    }

    /// Waits for somebody else who has the address, or wants it.
    pub(crate) fn poll_rival(&mut self, waker: &Waker) -> (Poll<Mac>, Option<Waiter>) {
        match self.surroundings.claim.claim.as_mut().and_then(|claim| claim.rival.take()) {
            Some(rival) => (Poll::Ready(rival), None),
            None => (Poll::Pending, self.watch(waker)),
        }
    }

    /// Somebody said something about an address (RFC 5227, sections 2.1.1 and 2.4; RFC 4862, section 5.4.3).
    #[inline]
    pub(super) fn claim_heard(&mut self, heard: &Heard) {
        let Some(claim) = &mut self.surroundings.claim.claim else {
            return;
        };
        let wants = heard.address.is_none() && heard.says == Says::Asks(claim.address);
        if self.local.mac != Some(heard.mac) && (heard.address == Some(claim.address) || wants) {
            claim.rival = Some(heard.mac);
            while self.wake_watcher() {}
        }
    }

    /// Whether those who ask for the address that is being claimed ask in this group.
    #[cold]
    pub(super) fn is_about_claim(&self, group: IpAddr) -> bool {
        match (group, self.surroundings.claim.claim.as_ref().map(|claim| claim.address)) {
            #[cfg(feature = "ipv6")]
            (IpAddr::V6(group), Some(IpAddr::V6(address))) => group == super::resolution::solicited_node(address),
            _ => false,
        }
    }

    #[cold]
    pub(super) fn send_claim(&mut self, port: &mut impl Port) -> Egress {
        if let (true, Some(claim), Some(own)) =
            (self.surroundings.claim.due, &self.surroundings.claim.claim, self.local.mac)
        {
            let Some(room) = port.room() else {
                return Egress::Blocked;
            };
            let source = match (claim.announces, claim.address) {
                (true, address) => address,
                (false, IpAddr::V4(_)) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                #[cfg(feature = "ipv6")]
                (false, IpAddr::V6(_)) => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
            };
            if let Some(frame) = Frame::solicit(own, source, claim.address, None) {
                let bytes = frame.bytes();
                room.consume(bytes.len(), |buffer| buffer.copy_from_slice(bytes));
                self.stats.frames_sent += 1;
            }
        }
        self.surroundings.claim.due = false;
        Egress::Done
    }
}
