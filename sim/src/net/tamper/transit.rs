//! Frames on links with which somebody tampers.

use super::{Made, Tamperer, Tampering};
use crate::kernel::{Action, Kernel};
use crate::net::transit::{Net, Port};
use crate::net::{CableId, DropReason, Frame, LinkId};
use crate::random::Stream;
use crate::time::Instant;
use crate::trace::Event;

/// Nobody looks at the frame any more.
const ALL: u32 = u32::MAX;

impl Net {
    /// Shows a frame that is offered to a link to those who tamper with it. Returns it if it goes on as it is.
    #[inline]
    pub(in crate::net) fn tampered(
        &mut self,
        port: &mut Port<'_>,
        id: LinkId,
        mut frame: Box<Frame>,
    ) -> Option<Box<Frame>> {
        let link = &self.links[id.index()];
        let nobody = link.special.as_ref().is_none_or(|special| special.tampers.is_empty());
        let beyond = std::mem::take(&mut frame.beyond);
        if nobody || link.is_cut() || frame.is_damaged() {
            return Some(frame);
        }
        self.show_to_tamperers(port, id, frame, beyond)
    }

    #[cold]
    fn show_to_tamperers(
        &mut self,
        port: &mut Port<'_>,
        id: LinkId,
        frame: Box<Frame>,
        beyond: u32,
    ) -> Option<Box<Frame>> {
        let course = (id.bits() % 2) as usize;
        let mut from = beyond;
        while let Some(fault) = self.links[id.index()].special().tampers.iter().copied().find(|fault| *fault >= from) {
            from = fault + 1;
            let Some(tamperer) = self.tamperers.get_mut(&fault) else { continue };
            if tamperer.lets_pass(port.now, course, frame.bytes(), frame.origin) {
                self.carry_out(port, fault);
                continue;
            }
            if let Some(tap) = self.links[id.index()].tap() {
                self.show(tap, Instant::from_nanos(port.now), id, &frame, Some(DropReason::Tampered));
            }
            self.lose(port, frame, DropReason::Tampered);
            self.carry_out(port, fault);
            return None;
        }
        Some(frame)
    }

    /// Notes what a fault has done, sends what it makes, and has it called.
    fn carry_out(&mut self, port: &mut Port<'_>, fault: u32) {
        let Some(tamperer) = self.tamperers.get_mut(&fault) else { return };
        let at = Instant::from_nanos(port.now);
        for what in tamperer.felt.drain(..) {
            port.trace.record(at, Event::FaultFelt { fault, what });
        }
        if let Some(at) = tamperer.wants_call() {
            port.queue.push(at, Action::FaultRepeats(fault).payload());
        }
        let (cable, made) = (tamperer.cable, std::mem::take(&mut tamperer.made));
        // What it has cut and kept is for whoever comes behind it to look at; what it made up is for nobody.
        self.send_made(port, cable, made, fault + 1);
    }

    fn send_made(&mut self, port: &mut Port<'_>, cable: CableId, made: Vec<Made>, beyond: u32) {
        for Made { course, origin, bytes } in made {
            let link = cable.links()[course];
            let Some(mut frame) = port.pool.take(bytes.len()) else { continue };
            frame.bytes_mut().copy_from_slice(&bytes);
            frame.origin = origin.unwrap_or(u32::MAX);
            // Who has gone leaves nothing to be told on a link that nobody is left to look at.
            let nobody = self.links[link.index()].special().tampers.is_empty();
            frame.beyond = match origin {
                _ if nobody => 0,
                Some(_) => beyond,
                None => ALL,
            };
            frame.seal();
            self.offer(port, link, frame);
        }
    }
}

impl Kernel {
    /// Somebody begins to tamper with the connections of a cable, or ceases to.
    pub(crate) fn tamper(&self, fault: u32, cable: CableId, what: Tampering, begins: bool) {
        let name = self.trace.borrow().names.cable(cable).to_owned();
        let label = format!("fault/{}/{name}/{}", what.name(), self.now.get());
        self.with_net(|net, port| {
            for link in cable.links() {
                let tampers = &mut net.links[link.index()].special().tampers;
                tampers.retain(|other| *other != fault);
                if begins {
                    tampers.push(fault);
                    tampers.sort_unstable();
                }
            }
            if begins {
                net.tamperers.insert(fault, Tamperer::new(cable, what, Stream::new(self.seed, &label)));
            } else if let Some(tamperer) = net.tamperers.remove(&fault) {
                net.send_made(port, cable, tamperer.leave(), fault + 1);
            }
        });
    }

    /// A middlebox has something to do.
    pub(crate) fn call_tamperer(&self, fault: u32) {
        self.with_net(|net, port| {
            if let Some(tamperer) = net.tamperers.get_mut(&fault) {
                tamperer.call(port.now);
                net.carry_out(port, fault);
            }
        });
    }
}
