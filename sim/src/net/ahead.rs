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
    pub(crate) fn fetch_flight(&self, flight: u32) -> Ahead {
        self.flight(flight).map_or(Ahead::Done, |frame| {
            prefetch::first(frame);
            Ahead::Frame { flight, step: 0, foresees: true, memo: 0 }
        })
    }

    /// A frame lands soon among few nodes: what its receiver's program will read for it is fetched.
    pub(crate) fn fetch_foreseen(&self, flight: u32, step: u8, mut memo: u64) -> Ahead {
        let Some(frame) = self.flight(flight) else { return Ahead::Done };
        let Destination::Nic(nic) = &self.links[frame.link as usize].to else { return Ahead::Done };
        let is_on = match step {
            0 => {
                frame.fetch_rest();
                true
            }
            _ => nic.fetch_foreseen(frame.bytes(), step - 1, &mut memo),
        };
        if is_on { Ahead::Frame { flight, step: step + 1, foresees: true, memo } } else { Ahead::Done }
    }

    /// A frame lands soon: its link is fetched first, then where that leads, then what is there.
    pub(crate) fn fetch(
        &self,
        flight: u32,
        step: u8,
        (mut foresees, mut memo): (bool, u64),
        tasks: &Tasks,
        nodes: &[Rc<NodeCore>],
    ) -> Ahead {
        let Some(frame) = self.flight(flight) else { return Ahead::Done };
        let link = &self.links[frame.link as usize];
        match (step, &link.to) {
            (0, _) => prefetch::first(link),
            (1, Destination::Nic(nic)) => {
                frame.fetch_rest();
                nic.fetch();
            }
            (FURTHER, Destination::Nic(nic)) => nic.fetch_further(tasks),
            (_, Destination::Nic(nic)) => {
                // The task that waits for it, and as soon as what that always reads is near, what it will read for this one.
                let step = step - FURTHER - 1;
                let task = nic.slot().map_or(Ahead::Done, |slot| tasks.fetch(slot, step, nodes, self));
                foresees = foresees
                    && (step < OWN_STEPS || nic.fetch_foreseen(frame.bytes(), step - OWN_STEPS, &mut memo));
                if !foresees && task == Ahead::Done {
                    return Ahead::Done;
                }
            }
            (_, Destination::Station(_)) => return Ahead::Done,
            (1, Destination::Port { switch, .. }) => prefetch::lines::<2, Switch>(&self.switches[switch.0 as usize]),
            (_, &Destination::Port { switch, port }) => {
                let switch = &self.switches[switch.0 as usize];
                match step {
                    2 => switch.fetch(port, frame.bytes()),
                    3 => switch.fetch_egress(frame.bytes()),
                    _ => {
                        if let Some(out) = switch.egress(frame.bytes()) {
                            prefetch::first(&self.links[out.link.index()]);
                        }
                        return Ahead::Done;
                    }
                }
            }
        }
        Ahead::Frame { flight, step: step + 1, foresees, memo }
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
