//! Frames on their way through links and switches.

use super::air::Airs;
use super::impair::Packet;
use super::link::{Destination, Link};
use super::switch::{Forward, Switch};
use super::{
    Direction, DropReason, Frame, LinkConfig, LinkId, NicCore, NicId, Partition, Pool, SwitchId, Tamperer, Tap,
};
use crate::executor::Wakee;
use crate::kernel::Kernel;
use crate::prefetch;
use crate::queue::Queue;
use crate::time::Instant;
use crate::trace::{Event, Trace};

use std::collections::BTreeMap;
use std::rc::Rc;

/// The network of a world.
pub(crate) struct Net {
    pub(super) seed: u64,
    pub(crate) links: Vec<Link>,
    /// What each link does where no fault changes it.
    pub(crate) configs: Vec<LinkConfig>,
    pub(crate) partition: Partition,
    pub(crate) switches: Vec<Switch>,
    pub(crate) nics: Vec<Rc<NicCore>>,
    pub(crate) taps: Vec<Box<dyn Tap>>,
    pub(crate) dropped: [u64; DropReason::ALL.len()],
    /// What stations share.
    pub(crate) airs: Airs,
    /// Who tampers with connections, by the places of their faults in the timeline.
    pub(crate) tamperers: BTreeMap<u32, Tamperer>,
    /// What chance did to frames, if anybody wants to know.
    pub(crate) record: Option<Vec<Packet>>,
    /// Frames in flight; an event names its place here.
    flights: Vec<Option<Box<Frame>>>,
    free: Vec<u32>,
}

/// What the network needs of the kernel while it moves frames.
pub(super) struct Port<'a> {
    pub(super) now: u64,
    pub(super) queue: &'a mut Queue,
    pub(super) trace: &'a mut Trace,
    pub(super) pool: &'a Pool,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            links: Vec::new(),
            configs: Vec::new(),
            partition: Partition::default(),
            switches: Vec::new(),
            nics: Vec::new(),
            taps: Vec::new(),
            dropped: [0; DropReason::ALL.len()],
            airs: Airs::default(),
            tamperers: BTreeMap::new(),
            record: None,
            flights: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn nic(&self, id: NicId) -> &Rc<NicCore> {
        &self.nics[id.0 as usize]
    }

    /// Whether an interface's link is not cut and, if a radio is at its other end, that has joined something.
    pub(super) fn is_up(&self, link: LinkId) -> bool {
        let link = &self.links[link.index()];
        !link.is_cut() && !matches!(link.to, Destination::Station(station) if !self.airs.has_carrier(station))
    }

    pub(super) fn offer(&mut self, port: &mut Port<'_>, id: LinkId, mut frame: Box<Frame>) {
        let link = &mut self.links[id.index()];
        frame.link = id.0;
        frame.ordinal = link.sent;
        frame.sent_at = port.now;
        link.sent += 1;
        let at = Instant::from_nanos(port.now);
        let (ordinal, bytes) = (frame.ordinal, frame.len());
        port.trace.record(at, Event::FrameSent { link: id, ordinal, bytes: bytes as u32, digest: frame.digest() });
        let (is_recorded, is_simple) = (self.record.is_some(), link.is_simple());
        let fate = match &mut link.special {
            None => link.offer(port.now, bytes),
            Some(special) if is_simple && !is_recorded => {
                let luck = special.luck(self.seed, ordinal);
                link.offer_with(port.now, bytes, luck)
            }
            Some(_) => return self.offer_special(port, id, frame),
        };
        if let Some(tap) = link.tap() {
            self.show(tap, at, id, &frame, fate.err());
        }
        match fate {
            Ok(arrival) => self.fly(port, frame, arrival),
            Err(reason) => self.lose(port, frame, reason),
        }
    }

    /// Offers a frame to a link, or says that it would have been offered if it had not been lost.
    pub(super) fn offer_or_lose(
        &mut self,
        port: &mut Port<'_>,
        id: LinkId,
        mut frame: Box<Frame>,
        lost: Option<DropReason>,
    ) {
        let Some(reason) = lost else { return self.offer(port, id, frame) };
        let link = &mut self.links[id.index()];
        (frame.link, frame.ordinal, frame.sent_at) = (id.0, link.sent, port.now);
        link.sent += 1;
        let (at, tap) = (Instant::from_nanos(port.now), link.tap());
        let (ordinal, bytes) = (frame.ordinal, frame.len() as u32);
        port.trace.record(at, Event::FrameSent { link: id, ordinal, bytes, digest: frame.digest() });
        if let Some(tap) = tap {
            self.show(tap, at, id, &frame, Some(reason));
        }
        self.lose(port, frame, reason);
    }

    /// Shows a frame that is offered to a link to the link's tap.
    #[cold]
    pub(super) fn show(&mut self, tap: u32, at: Instant, id: LinkId, frame: &Frame, dropped: Option<DropReason>) {
        let direction = if id.0.is_multiple_of(2) { Direction::Tx } else { Direction::Rx };
        self.taps[tap as usize].frame(at, direction, frame.bytes(), dropped);
    }

    #[inline]
    pub(super) fn board(&mut self, frame: Box<Frame>) -> u32 {
        if let Some(flight) = self.free.pop() {
            self.flights[flight as usize] = Some(frame);
            return flight;
        }
        self.flights.push(Some(frame));
        u32::try_from(self.flights.len() - 1).expect("fewer than 2^32 frames in flight")
    }

    /// A flight lands soon: the frame's head and what small packets carry are wanted then.
    #[inline]
    pub(crate) fn await_flight(&self, flight: u32) {
        if let Some(frame) = &self.flights[flight as usize] {
            prefetch::lines_now::<6, Frame>(frame);
        }
    }

    /// A flight lands next: what every hop reads of its frame is wanted then.
    #[inline]
    pub(crate) fn await_head(&self, flight: u32) {
        if let Some(frame) = &self.flights[flight as usize] {
            prefetch::lines_now::<1, Frame>(frame);
        }
    }

    /// How many frames are in flight.
    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        self.flights.len() - self.free.len()
    }

    /// A frame in flight.
    #[inline]
    pub(super) fn flight(&self, flight: u32) -> Option<&Frame> {
        self.flights[flight as usize].as_deref()
    }

    #[cold]
    pub(super) fn lose(&mut self, port: &mut Port<'_>, frame: Box<Frame>, reason: DropReason) {
        let (link, ordinal) = (LinkId(frame.link), frame.ordinal);
        self.dropped[reason as usize] += 1;
        self.links[link.index()].dropped += 1;
        port.trace.record(Instant::from_nanos(port.now), Event::FrameDropped { link, ordinal, reason });
        if frame.watch != 0 {
            self.tell_fate(port, &frame, Err(reason));
        }
        port.pool.put(frame);
    }

    /// Takes a frame off its link. Returns whom to wake if it reached an interface.
    #[inline]
    fn land(&mut self, port: &mut Port<'_>, flight: u32) -> Option<Wakee> {
        let frame = self.flights[flight as usize].take().expect("a flight lands once");
        self.free.push(flight);
        let link = &mut self.links[frame.link as usize];
        if link.lost_since(frame.sent_at) {
            self.lose(port, frame, DropReason::LinkDown);
            return None;
        }
        if let &Destination::Station(station) = &link.to {
            self.take_to_air(port, station, frame);
            return None;
        }
        if let Destination::Nic(nic) = &link.to
            && let Some(reason) = nic
                .refuses()
                .or_else(|| frame.damage_seen(nic.is_radio()))
                .or_else(|| self.partition.lies_between(frame.origin, nic.node.id).then_some(DropReason::Partition))
        {
            // A capture shows what came and was not whole, as it does where an interface has no offload.
            if reason == DropReason::BadChecksum
                && let Some(tap) = nic.tap.get()
            {
                let at = Instant::from_nanos(port.now);
                self.taps[tap as usize].frame(at, Direction::Rx, frame.bytes(), Some(reason));
            }
            self.lose(port, frame, reason);
            return None;
        }
        link.delivered += 1;
        let at = Instant::from_nanos(port.now);
        port.trace.record(at, Event::FrameDelivered { link: LinkId(frame.link), ordinal: frame.ordinal });
        match &link.to {
            Destination::Nic(nic) => {
                if let Some(tap) = nic.tap.get() {
                    self.taps[tap as usize].frame(at, Direction::Rx, frame.bytes(), None);
                }
                nic.node.draws(port.now, port.queue, |battery| battery.receive(frame.len()));
                nic.receive(frame);
                nic.wakee()
            }
            &Destination::Port { switch, port: ingress } => {
                self.switch(port, switch, ingress, frame);
                None
            }
            Destination::Station(_) => None,
        }
    }

    #[inline]
    fn switch(&mut self, port: &mut Port<'_>, id: SwitchId, ingress: u32, frame: Box<Frame>) {
        let switch = &mut self.switches[id.0 as usize];
        let forward = match &mut switch.bounded {
            None => switch.forward(ingress, frame.bytes()),
            Some(table) if table.vlans.is_some() => return self.switch_vlan(port, id, ingress, frame),
            Some(table) => table.forward(port.now, ingress, frame.bytes()),
        };
        match forward {
            Forward::To(out) => {
                let link = switch.ports[out as usize].link;
                self.offer(port, link, frame);
            }
            Forward::Flood => self.flood(port, id, ingress, frame),
            Forward::Nowhere => port.pool.put(frame),
        }
    }

    /// Passes a frame on within the virtual network that it is of.
    #[cold]
    fn switch_vlan(&mut self, port: &mut Port<'_>, id: SwitchId, ingress: u32, mut frame: Box<Frame>) {
        let switch = &mut self.switches[id.0 as usize];
        let Some(table) = &mut switch.bounded else { return port.pool.put(frame) };
        let Some(vlan) = table.vlan(ingress).network_of(&frame) else {
            self.links[frame.link as usize].delivered -= 1;
            return self.lose(port, frame, DropReason::Vlan);
        };
        frame.untag();
        match table.forward_within(port.now, ingress, vlan, frame.bytes()) {
            Forward::To(out) if self.switches[id.0 as usize].carries(out, vlan) => {
                self.leave_within(port, id, out, vlan, frame);
            }
            Forward::Flood => self.flood_within(port, id, ingress, vlan, frame),
            Forward::To(_) | Forward::Nowhere => port.pool.put(frame),
        }
    }

    fn flood_within(&mut self, port: &mut Port<'_>, id: SwitchId, ingress: u32, vlan: u16, frame: Box<Frame>) {
        let from_trunk = self.switches[id.0 as usize].ports[ingress as usize].is_trunk;
        for out in 0..self.switches[id.0 as usize].ports.len() as u32 {
            let switch = &self.switches[id.0 as usize];
            let turns_back = from_trunk && switch.ports[out as usize].is_trunk;
            if out != ingress && !turns_back && switch.carries(out, vlan) {
                self.leave_within(port, id, out, vlan, port.pool.copy(&frame));
            }
        }
        port.pool.put(frame);
    }

    /// Lets a frame of a virtual network out of a port that carries it, with a tag where the port wants one.
    fn leave_within(&mut self, port: &mut Port<'_>, id: SwitchId, out: u32, vlan: u16, mut frame: Box<Frame>) {
        let switch = &self.switches[id.0 as usize];
        let tags = switch.bounded.as_ref().is_some_and(|table| table.vlan(out).tags(vlan));
        let fits = !tags || frame.tag(vlan);
        self.offer_or_lose(port, switch.ports[out as usize].link, frame, (!fits).then_some(DropReason::TooLong));
    }

    #[cold]
    fn flood(&mut self, port: &mut Port<'_>, id: SwitchId, ingress: u32, frame: Box<Frame>) {
        let from_trunk = self.switches[id.0 as usize].ports[ingress as usize].is_trunk;
        for out in 0..self.switches[id.0 as usize].ports.len() {
            let leaving = &self.switches[id.0 as usize].ports[out];
            if out != ingress as usize && !(from_trunk && leaving.is_trunk) {
                let link = leaving.link;
                self.offer(port, link, port.pool.copy(&frame));
            }
        }
        port.pool.put(frame);
    }
}

impl Kernel {
    /// The network with what it needs to move frames.
    pub(super) fn with_net<R>(&self, f: impl FnOnce(&mut Net, &mut Port<'_>) -> R) -> R {
        let mut net = self.net.borrow_mut();
        let (queue, trace) = (&mut *self.queue.borrow_mut(), &mut *self.trace.borrow_mut());
        f(&mut net, &mut Port { now: self.now.get(), queue, trace, pool: &self.pool })
    }

    /// Sends a sealed frame out of an interface.
    pub(crate) fn transmit(&self, nic: NicId, mut frame: Box<Frame>) {
        let net = &mut *self.net.borrow_mut();
        frame.origin = net.nics[nic.0 as usize].node.id.bits();
        self.emit(net, nic, frame);
    }

    /// Sends a sealed frame that keeps its origin.
    #[cold]
    pub(crate) fn relay(&self, nic: NicId, frame: Box<Frame>) {
        self.emit(&mut self.net.borrow_mut(), nic, frame);
    }

    #[inline(always)]
    fn emit(&self, net: &mut Net, nic: NicId, frame: Box<Frame>) {
        let now = self.now.get();
        let nic = &net.nics[nic.0 as usize];
        self.draws(&nic.node, |battery| battery.transmit(frame.len()));
        if let Some(tap) = nic.tap.get() {
            net.taps[tap as usize].frame(Instant::from_nanos(now), Direction::Tx, frame.bytes(), None);
        }
        let Some(link) = nic.link.get() else {
            net.dropped[DropReason::Unplugged as usize] += 1;
            return self.pool.put(frame);
        };
        let (queue, trace) = (&mut *self.queue.borrow_mut(), &mut *self.trace.borrow_mut());
        net.offer(&mut Port { now, queue, trace, pool: &self.pool }, link, frame);
    }

    /// Lets a link carry a frame that no node sent.
    pub(crate) fn stray(&self, link: LinkId, bytes: &[u8]) {
        let Some(mut frame) = self.pool.take(bytes.len()) else { return };
        frame.bytes_mut().copy_from_slice(bytes);
        frame.origin = u32::MAX;
        frame.seal();
        self.with_net(|net, port| net.offer(port, link, frame));
    }

    /// A frame comes out of its link.
    #[inline]
    pub(crate) fn land(&self, flight: u32) {
        let wakee = self.with_net(|net, port| net.land(port, flight));
        if let Some(wakee) = wakee {
            self.wake(wakee);
        }
    }
}
