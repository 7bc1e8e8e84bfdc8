//! What faults do to links, to the ways between nodes, and to clocks; and whether they hit anything.

use serde::Serialize;

use crate::fault::{Fault, FaultKind};
use crate::hw::{Ailment, Case, Onset};
use crate::kernel::{Action, Kernel};
use crate::net::{CableId, Destination, DropReason, Link, LinkConfig, LinkId, Partition};
use crate::node::NodeId;
use crate::quirk::QuirkKind;
use crate::random::Stream;
use crate::time::{Duration, Instant, nanos};
use crate::trace::Event;

/// How a fault of the timeline fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultReport {
    /// What it is, with its target.
    pub name: String,
    /// Whether it has begun.
    pub began: bool,
    /// How much it hit so far: frames of a network, looks at a clock, the node that was on when it began, or what an ailing
    /// part did. A fault that hits nothing shows nothing.
    pub hits: u64,
}

/// What a fault has hit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hits {
    began: bool,
    active: bool,
    /// What the measure was when it began.
    before: u64,
    hits: u64,
}

impl Kernel {
    /// A fault begins: from here on it is looked at what it hits.
    pub(crate) fn watch_hits(&self, index: u32, kind: &FaultKind) {
        let before = self.measure(index, kind);
        let hits = match self.subject(kind) {
            Some(node) => u64::from(!self.node(node).is_off()),
            None => 0,
        };
        let mut all = self.hits.borrow_mut();
        if all.len() <= index as usize {
            all.resize(index as usize + 1, Hits::default());
        }
        all[index as usize] = Hits { began: true, active: true, before, hits };
    }

    pub(crate) fn settle_hits(&self, index: u32, kind: &FaultKind) {
        // What a clock gained or lost by these it keeps, and whoever looks at it later is misled, too.
        if matches!(kind, FaultKind::ClockDrift { .. } | FaultKind::ClockStop(_)) {
            return;
        }
        let measured = self.measure(index, kind);
        if let Some(hits) = self.hits.borrow_mut().get_mut(index as usize) {
            hits.hits += measured - hits.before;
            hits.active = false;
        }
    }

    /// How all faults of the timeline fared so far.
    pub(crate) fn fault_reports(&self) -> Vec<FaultReport> {
        let (faults, all, trace) = (self.faults.borrow(), self.hits.borrow(), self.trace.borrow());
        let report = |(index, fault): (usize, &crate::fault::Fault)| {
            let Hits { began, active, before, hits } = all.get(index).copied().unwrap_or_default();
            let more = if active { self.measure(index as u32, &fault.kind) - before } else { 0 };
            FaultReport { name: trace.names.fault(index as u32).to_owned(), began, hits: hits + more }
        };
        faults.iter().enumerate().map(report).collect()
    }

    /// The node that a fault of nodes is about.
    fn subject(&self, kind: &FaultKind) -> Option<NodeId> {
        match *kind {
            FaultKind::PowerCut(node)
            | FaultKind::BrownOut(node)
            | FaultKind::Drain { node, .. }
            | FaultKind::Crash(node)
            | FaultKind::Reset(node)
            | FaultKind::Pause(node)
            | FaultKind::Hang(node)
            | FaultKind::SlowCpu { node, .. }
            | FaultKind::Tell { node, .. } => Some(node),
            _ => None,
        }
    }

    /// What grows while a fault of the network or of a clock hits something.
    fn measure(&self, index: u32, kind: &FaultKind) -> u64 {
        let net = self.net.borrow();
        let sent = |link: LinkId| net.links[link.index()].sent;
        match *kind {
            FaultKind::Stray { ref frames, .. } => frames.iter().map(|(link, _)| sent(*link)).sum(),
            FaultKind::CutCable(cable) | FaultKind::Join(cable) => cable.links().into_iter().map(sent).sum(),
            FaultKind::CutLink(link) | FaultKind::Clog(link) | FaultKind::Retune { link, .. } => sent(link),
            FaultKind::Jam { air, .. } => net.airs.drowned(air),
            FaultKind::Tamper { .. } => net.tamperers.get(&index).map_or(0, |tamperer| tamperer.hits),
            FaultKind::ClockStep { node, .. } | FaultKind::ClockDrift { node, .. } | FaultKind::ClockStop(node) => {
                self.node(node).wall_looks.get()
            }
            FaultKind::Mtu { .. } => net.dropped[DropReason::TooBig as usize],
            FaultKind::Partition { .. } => net.dropped[DropReason::Partition as usize],
            _ => 0,
        }
    }

    /// A fault of links or clocks begins, or ends.
    pub(crate) fn affect(&self, index: u32, kind: &FaultKind, begins: bool) {
        let now = self.now.get();
        match kind {
            FaultKind::CutCable(cable) => cable.links().into_iter().for_each(|link| self.cut(link, begins)),
            FaultKind::CutLink(link) => self.cut(*link, begins),
            FaultKind::Join(cable) => cable.links().into_iter().for_each(|link| self.cut(link, !begins)),
            FaultKind::Stray { frames, every, .. } => {
                if begins {
                    self.send_stray(index, frames, *every);
                }
            }
            FaultKind::Deauthenticate { node, every } => {
                if begins {
                    self.send_deauthentication(index, *node, *every);
                }
            }
            FaultKind::Limit { node, pool, room } => self.node(*node).limit(index, pool, *room, begins),
            FaultKind::Jam { air, noise_cdb, .. } => self.disturb(*air, *noise_cdb, begins),
            FaultKind::Tell { node, name, what } => {
                let node = self.node(*node);
                node.powered.borrow().iter().for_each(|part| part.told(name, what, begins, self.world_now()));
            }
            FaultKind::Clog(link) => self.clog(*link, begins),
            FaultKind::Tamper { cable, what } => self.tamper(index, *cable, *what, begins),
            FaultKind::Partition { from, to } => self.net.borrow_mut().partition.change(from, to, begins),
            FaultKind::Retune { link, config } => {
                let config = (**config).clone();
                self.layer(*link, index, begins, Box::new(move |_| config.clone()));
            }
            FaultKind::Mtu { link, bytes } => {
                let bytes = *bytes;
                let shorten = move |mut config: LinkConfig| {
                    config.impairments.get_or_insert_default().mtu = Some(bytes);
                    config
                };
                self.layer(*link, index, begins, Box::new(shorten));
            }
            FaultKind::SlowCpu { node, poll } => {
                let node = self.node(*node);
                let (poll_ns, more_ns) = (node.poll_ns.get(), nanos(*poll));
                node.poll_ns.set(if begins { poll_ns + more_ns } else { poll_ns.saturating_sub(more_ns) });
            }
            FaultKind::ClockStep { node, by_ns } => {
                self.node(*node).wander(|wander| wander.step(if begins { *by_ns } else { -*by_ns }));
            }
            FaultKind::ClockDrift { node, ppb } => {
                self.node(*node).wander(|wander| wander.drift(now, if begins { *ppb } else { -*ppb }));
            }
            FaultKind::ClockStop(node) => {
                let node = self.node(*node);
                let running_ns = self.running_wall_ns(&node);
                node.wander(|wander| if begins { wander.stop(running_ns) } else { wander.go(running_ns) });
            }
            FaultKind::SpuriousPolls { node, odds } => self.quirk(index, *node, QuirkKind::Spurious(*odds), begins),
            FaultKind::LateWakes { node, odds, by } => {
                self.quirk(index, *node, QuirkKind::Late(*odds, nanos(*by)), begins);
            }
            FaultKind::Starve(node) => self.quirk(index, *node, QuirkKind::Starve, begins),
            FaultKind::DropTasks { node, odds } => self.quirk(index, *node, QuirkKind::Drop(*odds), begins),
            FaultKind::Cancel { node, odds } => self.quirk(index, *node, QuirkKind::Cancel(*odds), begins),
            FaultKind::Part { node, part, ailment } => self.ail(index, *node, part, *ailment, begins),
            FaultKind::Drain { node, na } => self.drain(&self.node(*node), index, *na, begins),
            FaultKind::PowerCut(_)
            | FaultKind::BrownOut(_)
            | FaultKind::Crash(_)
            | FaultKind::Reset(_)
            | FaultKind::Pause(_)
            | FaultKind::Hang(_) => {}
        }
    }

    /// A part of a node's board begins to be ailing, or is well again. What chance there is in it is drawn from a stream
    /// that the ailment, its part and its time name, so that other faults shift nothing.
    fn ail(&self, fault: u32, node: NodeId, part: &str, ailment: Ailment, begins: bool) {
        let (node, case, now_ns) = (self.node(node), Case { world: self.id, fault }, self.now.get());
        let parts = node.parts.borrow();
        let Some((_, ailing)) = parts.iter().find(|(name, _)| name == part) else { return };
        if begins {
            let label = format!("fault/{}/{}/{part}/{now_ns}", ailment.name(), node.spec.name);
            ailing.begin(ailment, Onset { now_ns, case, stream: Stream::new(self.seed, &label) });
        } else {
            ailing.end(case);
        }
    }

    /// The turns of a node's tasks begin to be odd in some way, or cease to.
    fn quirk(&self, fault: u32, node: NodeId, kind: QuirkKind, begins: bool) {
        let node = self.node(node);
        if begins {
            let name = self.faults.borrow()[fault as usize].kind.name();
            let label = format!("fault/{name}/{}/{}", node.spec.name, self.now.get());
            self.begin_quirk(&node, fault, kind, Stream::new(self.seed, &label));
        } else {
            self.end_quirk(&node, fault);
        }
    }

    /// A fault was felt once more.
    pub(crate) fn felt(&self, fault: u32, what: u64) {
        self.felt_by(fault, 1, what);
    }

    /// A fault was felt by so many.
    fn felt_by(&self, fault: u32, many: u64, what: u64) {
        if let Some(hits) = self.hits.borrow_mut().get_mut(fault as usize) {
            hits.hits += many;
        }
        self.record(Event::FaultFelt { fault, what });
    }

    /// A fault of a part brings its node's power down.
    pub(crate) fn trip(&self, fault: u32, at_ns: u64) {
        let kind = self.faults.borrow()[fault as usize].kind.clone();
        if let FaultKind::Part { node, ailment: Ailment::DiskCut { off_ns, .. }, .. } = kind {
            let duration = Some(Duration::from_nanos(off_ns));
            self.add_fault(Fault { at: Instant::from_nanos(at_ns), duration, kind: FaultKind::PowerCut(node) });
        }
    }

    fn send_stray(&self, index: u32, frames: &[(LinkId, Vec<u8>)], every: Duration) {
        frames.iter().for_each(|(link, bytes)| self.stray(*link, bytes));
        self.repeat_after(index, every);
    }

    fn send_deauthentication(&self, index: u32, node: NodeId, every: Duration) {
        let gone = self.deauthenticate(&self.node(node));
        if gone > 0 {
            self.felt_by(index, gone, gone);
        }
        self.repeat_after(index, every);
    }

    fn repeat_after(&self, index: u32, every: Duration) {
        if every > Duration::ZERO {
            let at = self.now.get().saturating_add(nanos(every));
            self.queue.borrow_mut().push(at, Action::FaultRepeats(index).payload());
        }
    }

    /// A fault's frames are due again, if it has not ended.
    pub(crate) fn repeat_fault(&self, index: u32) {
        let is_active = self.hits.borrow().get(index as usize).is_some_and(|hits| hits.active);
        let kind = self.faults.borrow()[index as usize].kind.clone();
        match kind {
            _ if !is_active => {}
            FaultKind::Stray { frames, every, .. } => self.send_stray(index, &frames, every),
            FaultKind::Deauthenticate { node, every } => self.send_deauthentication(index, node, every),
            FaultKind::Tamper { .. } => self.call_tamperer(index),
            _ => {}
        }
    }

    /// Changes how many faults hold a link cut, and tells the interfaces at its cable's ends.
    fn cut(&self, link: LinkId, begins: bool) {
        let wakees = {
            let (now, mut net) = (self.now.get(), self.net.borrow_mut());
            let change = if begins { Link::cut } else { Link::mend };
            change(&mut net.links[link.index()], now);
            [link, link.reverse()].map(|link| match &net.links[link.index()].to {
                Destination::Nic(nic) => nic.wakee(),
                Destination::Port { .. } | Destination::Station(_) => None,
            })
        };
        wakees.into_iter().flatten().for_each(|wakee| self.wake(wakee));
    }

    /// What a fault is about, in words.
    pub(crate) fn describe(&self, kind: &FaultKind) -> String {
        let node = |node: &NodeId| self.node(*node).spec.name.clone();
        let link = |link: &LinkId| self.trace.borrow().names.link(*link).to_owned();
        let cable = |cable: &CableId| self.trace.borrow().names.cable(*cable).to_owned();
        let target = match kind {
            FaultKind::CutCable(target) | FaultKind::Join(target) | FaultKind::Tamper { cable: target, .. } => {
                cable(target)
            }
            FaultKind::CutLink(target) | FaultKind::Clog(target) => link(target),
            FaultKind::Retune { link: target, .. } | FaultKind::Mtu { link: target, .. } => link(target),
            FaultKind::Partition { from, to } => {
                let names = |nodes: &[NodeId]| nodes.iter().map(node).collect::<Vec<_>>().join(",");
                format!("{} -> {}", names(from), names(to))
            }
            FaultKind::PowerCut(target)
            | FaultKind::BrownOut(target)
            | FaultKind::Drain { node: target, .. }
            | FaultKind::Crash(target)
            | FaultKind::Reset(target)
            | FaultKind::Pause(target)
            | FaultKind::SlowCpu { node: target, .. }
            | FaultKind::ClockStep { node: target, .. }
            | FaultKind::ClockDrift { node: target, .. }
            | FaultKind::ClockStop(target)
            | FaultKind::Hang(target)
            | FaultKind::SpuriousPolls { node: target, .. }
            | FaultKind::LateWakes { node: target, .. }
            | FaultKind::Starve(target)
            | FaultKind::DropTasks { node: target, .. }
            | FaultKind::Cancel { node: target, .. }
            | FaultKind::Deauthenticate { node: target, .. }
            | FaultKind::Stray { about: (target, _), .. } => node(target),
            FaultKind::Limit { node: target, pool, .. } => format!("{} {pool}", node(target)),
            FaultKind::Jam { name, .. } => name.clone(),
            FaultKind::Part { node: target, part, .. } => format!("{}/{part}", node(target)),
            FaultKind::Tell { node: target, what, .. } => {
                let words = format!("{} {what}", node(target));
                words.trim_end().to_owned()
            }
        };
        format!("{kind} {target}")
    }
}

impl Partition {
    /// Frames of `from` no longer reach `to`, or do again once no other fault is in the way.
    fn change(&mut self, from: &[NodeId], to: &[NodeId], begins: bool) {
        for &one in from {
            for &other in to {
                self.hold(one, other, begins);
            }
        }
    }
}
