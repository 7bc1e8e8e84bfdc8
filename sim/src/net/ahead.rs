//! The network's part of what the next events will read.

use super::link::Destination;
use super::switch::Switch;
use super::{Net, NicCore, NicId};
use crate::ahead::Ahead;
use crate::executor::{OWN_STEPS, Tasks};
use crate::node::NodeCore;
use crate::prefetch;

use std::rc::Rc;

/// How many of a node's interfaces are fetched before it is polled.
const WAYS: usize = 2;
/// In how many steps they are.
pub(crate) const WAY_STEPS: u8 = 3;
/// The step in which what an interface refers to is fetched.
const FURTHER: u8 = 2;

impl Net {
    /// A frame lands soon: its head is fetched, which is all that a switch reads of it.
    #[inline]
    pub(crate) fn fetch_flight(&self, flight: u32) {
        if let Some(frame) = self.flight(flight) {
            prefetch::first(frame);
        }
    }

    /// A frame lands soon among few nodes: what its receiver's program will read for it is fetched. Whether there is more.
    pub(crate) fn fetch_foreseen(&self, ahead: &mut Ahead) -> bool {
        let Some(frame) = self.flight(ahead.place) else { return false };
        let Destination::Nic(nic) = &self.links[frame.link as usize].to else { return false };
        if ahead.step == 0 {
            frame.fetch_rest();
            return true;
        }
        nic.fetch_foreseen(frame.bytes(), ahead.step - 1, &mut ahead.memo)
    }

    /// A frame lands soon: its link is fetched first, then where that leads, then what is there. Whether there is more.
    pub(crate) fn fetch(&self, ahead: &mut Ahead, tasks: &Tasks, nodes: &[Rc<NodeCore>]) -> bool {
        let Some(frame) = self.flight(ahead.place) else { return false };
        let link = &self.links[frame.link as usize];
        match (ahead.step, &link.to) {
            (0, _) => prefetch::first(link),
            (1, Destination::Nic(nic)) => {
                frame.fetch_rest();
                nic.fetch();
            }
            (FURTHER, Destination::Nic(nic)) => nic.fetch_further(tasks),
            (step, Destination::Nic(nic)) => {
                // The task that waits for it, and as soon as what that always reads is near, what it will read for this one.
                let step = step - FURTHER - 1;
                let is_polled = nic.slot().is_some_and(|slot| tasks.fetch(slot, step, nodes, self));
                ahead.foresees = ahead.foresees
                    && (step < OWN_STEPS || nic.fetch_foreseen(frame.bytes(), step - OWN_STEPS, &mut ahead.memo));
                return is_polled || ahead.foresees;
            }
            (_, Destination::Station(_)) => return false,
            (1, Destination::Port { switch, .. }) => prefetch::lines::<2, Switch>(&self.switches[switch.0 as usize]),
            (step, &Destination::Port { switch, port }) => {
                let switch = &self.switches[switch.0 as usize];
                match step {
                    2 => switch.fetch(port, frame.bytes()),
                    3 => switch.fetch_egress(frame.bytes()),
                    _ => {
                        if let Some(out) = switch.egress(frame.bytes()) {
                            prefetch::first(&self.links[out.link.index()]);
                        }
                        return false;
                    }
                }
            }
        }
        true
    }

    /// A node may send soon by one of these: what the network has of them is fetched, in [`WAY_STEPS`].
    pub(crate) fn fetch_ways(&self, nics: &[NicId], step: u8) {
        for nic in nics.iter().take(WAYS) {
            let nic = &self.nics[nic.0 as usize];
            match step {
                0 => prefetch::first::<Rc<NicCore>>(nic),
                1 => nic.fetch(),
                _ => {
                    if let Some(link) = nic.link.get() {
                        prefetch::first(&self.links[link.index()]);
                    }
                }
            }
        }
    }
}
