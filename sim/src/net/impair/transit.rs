//! Frames on links that do more than pass them.

use super::line::Served;
use super::special::Layer;
use super::{Fate, Packet, What};
use crate::kernel::{Action, Kernel};
use crate::net::transit::{Net, Port};
use crate::net::{DropReason, Frame, LinkConfig, LinkId};
use crate::time::Instant;
use crate::trace::Event;

impl Net {
    /// Takes a frame that has been offered to a special link.
    pub(in crate::net) fn offer_special(&mut self, port: &mut Port<'_>, id: LinkId, frame: Box<Frame>) {
        let Some(mut frame) = self.tampered(port, id, frame) else { return };
        let link = &mut self.links[id.index()];
        let (tap, is_cut) = (link.tap(), link.is_cut());
        let Some(special) = &mut link.special else { return port.pool.put(frame) };
        let mut fate = special.decide(self.seed, frame.ordinal, frame.len());
        let dropped = if is_cut {
            Some(DropReason::LinkDown)
        } else if special.is_too_big(&frame) {
            Some(DropReason::TooBig)
        } else {
            None
        };
        let is_marked = fate.lose && dropped.is_none() && special.marks_losses() && frame.mark_congestion();
        let clogs = special.clogs;
        if let Some(record) = &mut self.record {
            record.extend(fate.decided().map(|what| Packet { link: id, ordinal: frame.ordinal, what }));
        }
        if is_marked {
            fate.lose = false;
            let event = Event::FrameMarked { link: id, ordinal: frame.ordinal, digest: frame.digest() };
            port.trace.record(Instant::from_nanos(port.now), event);
        }
        if let Some(tap) = tap {
            let known = dropped.or(fate.lose.then_some(DropReason::Loss));
            self.show(tap, Instant::from_nanos(port.now), id, &frame, known);
        }
        if let Some(reason) = dropped {
            self.lose(port, frame, reason);
        } else if clogs > 0 {
            self.hold(id, frame, fate);
        } else {
            self.enter(port, id, frame, fate);
        }
    }

    /// A fault holds a frame back.
    #[cold]
    fn hold(&mut self, id: LinkId, frame: Box<Frame>, fate: Fate) {
        self.links[id.index()].special().held.push((frame, fate));
    }

    /// A frame comes to the queue in front of its link.
    fn enter(&mut self, port: &mut Port<'_>, id: LinkId, frame: Box<Frame>, fate: Fate) {
        let link = &mut self.links[id.index()];
        if link.special.as_ref().is_some_and(|special| special.line.is_some()) {
            return self.queue(port, id, frame, fate);
        }
        match link.departure(port.now, frame.len()) {
            Ok(departure) => self.depart(port, id, frame, &fate, departure),
            Err(reason) => self.lose(port, frame, reason),
        }
    }

    /// A frame comes to a queue that is not a plain one.
    fn queue(&mut self, port: &mut Port<'_>, id: LinkId, frame: Box<Frame>, fate: Fate) {
        let special = self.links[id.index()].special.as_mut();
        let Some(line) = special.and_then(|special| special.line.as_mut()) else { return port.pool.put(frame) };
        let ordinal = frame.ordinal;
        let hit = line.enqueue(port.now, frame, fate);
        if hit && let Some(record) = &mut self.record {
            record.push(Packet { link: id, ordinal, what: What::EarlyDrop });
        }
        self.serve(port, id);
    }

    /// Lets the queue of a link send what it can, and asks to be called when it can send more.
    fn serve(&mut self, port: &mut Port<'_>, id: LinkId) {
        loop {
            let link = &mut self.links[id.index()];
            let Some(line) = link.special.as_mut().and_then(|special| special.line.as_mut()) else { return };
            if let Some((frame, reason)) = line.refused() {
                self.lose(port, frame, reason);
                continue;
            }
            if link.busy_until > port.now {
                if line.wants_call() {
                    port.queue.push(link.busy_until, Action::LineFree(id.bits()).payload());
                }
                return;
            }
            let Some(Served { frame, fate, marked }) = line.dequeue(port.now) else {
                if line.has_refused() {
                    continue;
                }
                return;
            };
            if marked {
                let event = Event::FrameMarked { link: id, ordinal: frame.ordinal, digest: frame.digest() };
                port.trace.record(Instant::from_nanos(port.now), event);
            }
            let departure = link.depart_at(port.now, frame.len());
            self.depart(port, id, frame, &fate, departure);
        }
    }

    /// A frame leaves, and is lost, or arrives once or twice, perhaps damaged.
    fn depart(&mut self, port: &mut Port<'_>, id: LinkId, frame: Box<Frame>, fate: &Fate, departure: u64) {
        if fate.lose {
            return self.lose(port, frame, DropReason::Loss);
        }
        let link = &mut self.links[id.index()];
        let Some(special) = &mut link.special else { return port.pool.put(frame) };
        let arrival = special.arrival(departure, link.latency_ns, frame.len(), fate, &mut link.last_arrival);
        if fate.changes_frame() {
            return self.fly_changed(port, id, frame, fate, arrival);
        }
        self.fly(port, frame, arrival);
    }

    /// A frame is on its way, damaged or twice.
    #[cold]
    fn fly_changed(&mut self, port: &mut Port<'_>, id: LinkId, mut frame: Box<Frame>, fate: &Fate, arrival: u64) {
        let (at, ordinal) = (Instant::from_nanos(port.now), frame.ordinal);
        if let Some(damage) = &fate.damage {
            frame.damage(damage);
            port.trace.record(at, Event::FrameDamaged { link: id, ordinal, digest: frame.digest() });
        }
        let copy = fate.duplicate.map(|later_ns| {
            let link = &mut self.links[id.index()];
            link.duplicated += 1;
            port.trace.record(at, Event::FrameDuplicated { link: id, ordinal });
            let later = arrival.saturating_add(later_ns);
            let later = link.special.as_mut().map_or(later, |special| special.slot(later, frame.len(), fate));
            (port.pool.copy(&frame), later)
        });
        self.fly(port, frame, arrival);
        if let Some((mut copy, arrival)) = copy {
            (copy.link, copy.ordinal, copy.sent_at) = (id.bits(), ordinal, port.now);
            self.fly(port, copy, arrival);
        }
    }

    #[inline]
    pub(in crate::net) fn fly(&mut self, port: &mut Port<'_>, frame: Box<Frame>, arrival: u64) {
        let flight = self.board(frame);
        port.queue.push(arrival, Action::Frame(flight).payload());
    }

    /// Lets a link do from now on what its configuration and the faults that change it say. What waited in its queue
    /// comes to its new one.
    fn retune(&mut self, port: &mut Port<'_>, id: LinkId) {
        let link = &mut self.links[id.index()];
        let mut config = self.configs[id.index()].clone();
        for (_, layer) in link.special.iter().flat_map(|special| &special.layers) {
            config = layer(config);
        }
        for (frame, fate) in link.tune(&config) {
            self.enter(port, id, frame, fate);
        }
    }
}

impl Kernel {
    /// Lets a link do from now on what `config` says, where no fault changes it.
    pub(crate) fn retune(&self, link: LinkId, config: &LinkConfig) {
        self.with_net(|net, port| {
            net.configs[link.index()] = config.clone();
            net.retune(port, link);
        });
    }

    /// A fault changes what a link does, or no longer does.
    pub(crate) fn layer(&self, link: LinkId, fault: u32, begins: bool, change: Layer) {
        self.with_net(|net, port| {
            let layers = &mut net.links[link.index()].special().layers;
            if begins {
                layers.push((fault, change));
            } else {
                layers.retain(|(other, _)| *other != fault);
            }
            net.retune(port, link);
        });
    }

    /// A fault holds back what is offered to a link, or no longer does.
    pub(crate) fn clog(&self, link: LinkId, begins: bool) {
        self.with_net(|net, port| {
            let special = net.links[link.index()].special();
            special.clogs = if begins { special.clogs + 1 } else { special.clogs - 1 };
            if special.clogs == 0 {
                for (frame, fate) in std::mem::take(&mut special.held) {
                    net.enter(port, link, frame, fate);
                }
            }
        });
    }

    /// A link with a queue of its own has sent a frame.
    pub(crate) fn line_free(&self, link: u32) {
        self.with_net(|net, port| {
            let link = LinkId(link);
            if let Some(line) = net.links[link.index()].special.as_mut().and_then(|special| special.line.as_mut()) {
                line.called();
            }
            net.serve(port, link);
        });
    }
}
