//! Flow queueing with controlled delay (RFC 8290): a queue for each flow, new flows first, turns of a quantum each.

use std::collections::VecDeque;

use super::codel::{CoDel, CoDelConfig};
use super::tail::{Tail, TailConfig};
use super::{Refused, Waiting};
use crate::hash::Map;
use crate::net::DropReason;
use crate::trace::digest;

/// How an FQ-CoDel queue decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FqCoDelConfig {
    /// What holds for each flow; `frames_max` is of all flows together, usually 10,240.
    pub codel: CoDelConfig,
    /// Into how many queues flows are told apart by their addresses and ports: 1,024 is usual.
    pub flows: u32,
    /// How many bytes a flow sends in its turn: 1,514 is usual.
    pub quantum_bytes: u32,
}

impl Default for FqCoDelConfig {
    fn default() -> Self {
        Self { codel: CoDelConfig { frames_max: 10_240, ..CoDelConfig::default() }, flows: 1_024, quantum_bytes: 1_514 }
    }
}

struct Flow {
    law: CoDel,
    queue: Tail,
    /// How many bytes it may still send in its turn.
    credit: i64,
    listed: bool,
}

pub(super) struct FqCoDel {
    config: FqCoDelConfig,
    /// Flows are made as they come.
    flows: Vec<Flow>,
    by_hash: Map<u32, u32>,
    fresh: VecDeque<u32>,
    old: VecDeque<u32>,
    frames: usize,
}

impl FqCoDel {
    pub(super) fn new(config: FqCoDelConfig) -> Self {
        Self {
            config,
            flows: Vec::new(),
            by_hash: Map::default(),
            fresh: VecDeque::new(),
            old: VecDeque::new(),
            frames: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames == 0
    }

    pub(super) fn enqueue(&mut self, waiting: Waiting, refused: &mut Refused) {
        let hash = (flow_hash(waiting.frame.bytes()) % u128::from(self.config.flows.max(1))) as u32;
        let (flows, config) = (&mut self.flows, &self.config);
        let index = *self.by_hash.entry(hash).or_insert_with(|| {
            let queue = Tail::new(TailConfig::default());
            flows.push(Flow { law: CoDel::new(&config.codel), queue, credit: 0, listed: false });
            flows.len() as u32 - 1
        });
        let flow = &mut self.flows[index as usize];
        flow.queue.push(waiting);
        self.frames += 1;
        if !flow.listed {
            flow.listed = true;
            flow.credit = self.config.quantum_bytes.into();
            self.fresh.push_back(index);
        }
        if self.frames > self.config.codel.frames_max as usize {
            self.relieve(refused);
        }
    }

    /// Too many frames: the longest flow loses its oldest.
    fn relieve(&mut self, refused: &mut Refused) {
        let longest = self.flows.iter_mut().max_by_key(|flow| flow.queue.bytes());
        if let Some(waiting) = longest.and_then(|flow| flow.queue.dequeue()) {
            self.frames -= 1;
            refused.push(waiting, DropReason::QueueFull);
        }
    }

    pub(super) fn dequeue(&mut self, now: u64, refused: &mut Refused) -> Option<Waiting> {
        loop {
            let is_fresh = !self.fresh.is_empty();
            let index = *if is_fresh { self.fresh.front() } else { self.old.front() }?;
            let flow = &mut self.flows[index as usize];
            if flow.credit <= 0 {
                flow.credit += i64::from(self.config.quantum_bytes.max(1));
                self.rotate(is_fresh);
                continue;
            }
            let before = refused.0.len();
            let waiting = flow.law.dequeue(now, &mut flow.queue, refused);
            self.frames -= refused.0.len() - before + usize::from(waiting.is_some());
            if let Some(waiting) = waiting {
                flow.credit -= waiting.len() as i64;
                return Some(waiting);
            }
            // An empty new flow has a turn among the old ones before it is forgotten, lest it be new again at once.
            if is_fresh && !self.old.is_empty() {
                self.rotate(true);
            } else {
                flow.listed = false;
                if is_fresh {
                    self.fresh.pop_front()
                } else {
                    self.old.pop_front()
                };
            }
        }
    }

    /// Moves the first flow to the end of the old ones.
    fn rotate(&mut self, is_fresh: bool) {
        let first = if is_fresh { self.fresh.pop_front() } else { self.old.pop_front() };
        self.old.extend(first);
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.flows.iter_mut().filter(|flow| !flow.queue.is_empty());
        let oldest = waiting.min_by_key(|flow| flow.queue.front().map_or(u64::MAX, |waiting| waiting.since));
        let waiting = oldest?.queue.dequeue();
        self.frames -= usize::from(waiting.is_some());
        waiting
    }
}

/// IP protocols with ports at their head: TCP, UDP, DCCP, SCTP and UDP-Lite. Others have something else there, such as a checksum: by
/// that, packets of one flow would be so many flows.
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

/// The hash of what tells a flow: addresses, protocol, ports; of the Ethernet header where there is no IP.
fn flow_hash(frame: &[u8]) -> u128 {
    let mut key = [0; 40];
    let mut put = |at: usize, bytes: Option<&[u8]>| {
        if let Some(bytes) = bytes {
            key[at..at + bytes.len()].copy_from_slice(bytes);
        }
    };
    let (protocol, transport) = match frame.get(12..15) {
        Some([0x08, 0x00, first]) => {
            put(0, frame.get(26..34));
            let is_fragment = frame.get(20..22).is_some_and(|bytes| bytes[0] & 0x3F != 0 || bytes[1] != 0);
            (frame.get(23..24), (!is_fragment).then_some(14 + usize::from(first & 0x0F) * 4))
        }
        Some([0x86, 0xDD, _]) => {
            put(0, frame.get(22..54));
            (frame.get(20..21), Some(54))
        }
        _ => {
            put(0, frame.get(0..14));
            (None, None)
        }
    };
    put(32, protocol);
    if let (Some(at), true) = (transport, protocol.is_some_and(|protocol| WITH_PORTS.contains(&protocol[0]))) {
        put(33, frame.get(at..at + 4));
    }
    digest(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of IPv4 with that protocol, and that at its payload's beginning.
    fn packet(protocol: u8, head: [u8; 4]) -> Vec<u8> {
        let mut frame = vec![0; 60];
        frame[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
        frame[23] = protocol;
        frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        frame[34..38].copy_from_slice(&head);
        frame
    }

    #[test]
    fn ports_tell_flows_apart_where_there_are_ports() {
        let differ = |protocol| {
            let [one, other] = [[1, 2, 3, 4], [1, 2, 9, 9]].map(|head| flow_hash(&packet(protocol, head)));
            one != other
        };
        assert!(differ(6) && differ(17));
        assert!(!differ(1) && !differ(50), "an echo's checksum is no port, nor is what is encrypted");
        assert_ne!(flow_hash(&packet(1, [0; 4])), flow_hash(&packet(6, [0; 4])));
    }
}
