//! Who is where on the router's networks: Ethernet addresses by IP address, and what waits for them.
//!
//! An address that was heard not long ago is used as it is; an older one is used and asked for anew (RFC 4861, section
//! 7.3). Who does not answer three times is gone.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use wavetank_sim::hash::Map;
use wavetank_sim::net::Origin;
use wavetank_sim::prefetch;
use wavetank_sim::time::{Duration, Instant};

use super::packet::Packet;

/// How long an answer may take (RETRANS_TIMER).
const PATIENCE: Duration = Duration::from_secs(1);
/// How often is asked.
const TRIES: u32 = 3;
/// How many packets wait for one neighbour; the oldest goes first.
const WAITING_MAX: usize = 16;

/// An interface and a neighbour on it.
pub(super) type Place = (usize, IpAddr);

/// A packet that waits for its neighbour's Ethernet address.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) ingress: usize,
    pub(super) origin: Option<Origin>,
    pub(super) packet: Packet,
    /// As it came, if it was translated since.
    pub(super) untouched: Option<Packet>,
}

#[derive(Debug, Default)]
struct Neighbour {
    mac: Option<[u8; 6]>,
    fresh_until: Instant,
    /// How often was asked, and when the next thing is to happen.
    asking: Option<(u32, Instant)>,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
pub(super) struct Neighbours {
    /// How long what was heard is good for.
    reachable: Duration,
    table: Map<Place, Neighbour>,
    due: BTreeSet<(Instant, Place)>,
}

impl Neighbours {
    pub(super) fn new(reachable: Duration) -> Self {
        Self { reachable, table: Map::default(), due: BTreeSet::new() }
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// It is looked at soon.
    pub(super) fn fetch(&self) {
        if let Some(first) = self.due.first() {
            prefetch::whole(first);
        }
    }

    pub(super) fn is_known(&self, place: Place) -> bool {
        self.table.get(&place).is_some_and(|neighbour| neighbour.mac.is_some())
    }

    /// The neighbour's Ethernet address, if it is known, and whether to ask for it now.
    pub(super) fn find(&mut self, place: Place, now: Instant) -> (Option<[u8; 6]>, bool) {
        let neighbour = self.table.entry(place).or_default();
        let asks = neighbour.asking.is_none() && (neighbour.mac.is_none() || neighbour.fresh_until <= now);
        if asks {
            neighbour.asking = Some((1, now + PATIENCE));
            self.due.insert((now + PATIENCE, place));
        }
        (neighbour.mac, asks)
    }

    pub(super) fn wait(&mut self, place: Place, packet: Waiting) {
        let waiting = &mut self.table.entry(place).or_default().waiting;
        if waiting.len() >= WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(packet);
    }

    /// Notes where a neighbour is, a new one only if it `spoke_to_us`. Returns what waited for that.
    pub(super) fn learn(&mut self, place: Place, mac: [u8; 6], spoke_to_us: bool, now: Instant) -> VecDeque<Waiting> {
        if !spoke_to_us && !self.table.contains_key(&place) {
            return VecDeque::new();
        }
        let neighbour = self.table.entry(place).or_default();
        neighbour.mac = Some(mac);
        neighbour.fresh_until = now + self.reachable;
        if let Some((_, at)) = neighbour.asking.take() {
            self.due.remove(&(at, place));
        }
        std::mem::take(&mut neighbour.waiting)
    }

    /// What is due: whom to ask again, or what waited in vain.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Due> {
        let (at, place) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        self.due.remove(&(at, place));
        let neighbour = self.table.get_mut(&place)?;
        match neighbour.asking {
            Some((tries, _)) if tries < TRIES => {
                neighbour.asking = Some((tries + 1, now + PATIENCE));
                self.due.insert((now + PATIENCE, place));
                Some(Due::Ask(place))
            }
            _ => Some(Due::GiveUp(self.table.remove(&place).map(|gone| gone.waiting).unwrap_or_default())),
        }
    }
}

pub(super) enum Due {
    Ask(Place),
    GiveUp(VecDeque<Waiting>),
}
