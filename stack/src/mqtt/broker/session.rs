//! What a broker knows of a client, whether it is connected or not.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use super::Limits;
use crate::mqtt::packet::{PacketId, QoS, Subscription};

/// A message as it is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: QoS,
    /// As its sender set it.
    pub(super) retain: bool,
}

impl Stored {
    /// How many bytes it takes: its payload, its topic, which lies there and among those of its kind, and what is around them.
    pub(super) fn footprint(&self) -> usize {
        2 * self.topic.len() + self.payload.len() + 64
    }
}

/// What somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) qos: QoS,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
}

impl Wish {
    pub(super) const fn of(subscription: &Subscription<'_>) -> Self {
        let Subscription { qos, no_local, retain_as_published, .. } = *subscription;
        Wish { qos, no_local, retain_as_published }
    }
}

/// How far a message for a client has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has no identifier yet.
    Waiting,
    Sent(PacketId),
    Released(PacketId),
}

/// A message of quality 1 or 2 for a client.
#[derive(Debug)]
pub(super) struct Queued {
    /// Its place among all that the session ever had.
    pub(super) sequence: u64,
    pub(super) message: Rc<Stored>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) phase: Phase,
    /// Whether the connection that there is has seen it.
    pub(super) seen: bool,
}

/// The session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// For how many seconds it outlives its connection; `u32::MAX` for good.
    pub(super) expiry_s: u32,
    pub(super) subscriptions: BTreeMap<String, Wish>,
    pub(super) queue: VecDeque<Queued>,
    /// How many bytes they take.
    queue_bytes: usize,
    /// Messages of quality 2 that the client may send again.
    pub(super) received: BTreeSet<PacketId>,
    pub(super) next_sequence: u64,
    last_id: u16,
    pub(super) connection: Option<u64>,
}

impl Session {
    /// An empty one that outlives its connection by so many seconds.
    pub(super) fn lasting(expiry_s: u32) -> Self {
        Session { expiry_s, ..Self::default() }
    }

    pub(super) fn push(&mut self, message: Rc<Stored>, qos: QoS, retain: bool) -> &Queued {
        let sequence = self.next_sequence;
        self.push_again(Queued { sequence, message, qos, retain, phase: Phase::Waiting, seen: false });
        self.queue.back().expect("it was just put there")
    }

    /// Puts one there that was there in an earlier life.
    pub(super) fn push_again(&mut self, queued: Queued) {
        self.next_sequence = self.next_sequence.max(queued.sequence.saturating_add(1));
        self.queue_bytes += queued.message.footprint();
        self.queue.push_back(queued);
    }

    /// Takes the message under way with that identifier out.
    pub(super) fn remove(&mut self, id: PacketId) -> Option<Queued> {
        let queued = self.queue.remove(self.position(id)?)?;
        self.queue_bytes -= queued.message.footprint();
        Some(queued)
    }

    /// Whether that message may wait, too.
    pub(super) fn has_room(&self, stored: &Stored, limits: &Limits) -> bool {
        let bytes = self.queue_bytes.saturating_add(stored.footprint());
        self.queue.len() < limits.queue_max && bytes <= limits.queue_bytes_max
    }

    /// An identifier that no message under way has.
    pub(super) fn next_id(&mut self) -> PacketId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if let Some(id) = PacketId::new(self.last_id)
                && self.position(id).is_none()
            {
                return id;
            }
        }
    }

    /// Where the message under way with that identifier is.
    pub(super) fn position(&self, id: PacketId) -> Option<usize> {
        let under_way = |queued: &Queued| matches!(queued.phase, Phase::Sent(own) | Phase::Released(own) if own == id);
        // What is under way stands before what waits.
        let mut queue = self.queue.iter().take_while(|queued| queued.phase != Phase::Waiting);
        queue.position(under_way)
    }
}
