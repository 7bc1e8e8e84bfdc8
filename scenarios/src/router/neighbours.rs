//! Who is where on the router's networks: Ethernet addresses by IP address, and what waits for them.
//!
//! An address that was heard not long ago is used as it is; an older one is used and asked for anew (RFC 4861, section
//! 7.3). Who does not answer three times is gone.

use std::collections::VecDeque;
use std::net::IpAddr;

use wavetank_sim::hash::{Flat, Map};
use wavetank_sim::net::Origin;
use wavetank_sim::time::{Duration, Instant};

use super::agenda::Agenda;
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

/// Where a neighbour was heard.
#[derive(Clone, Copy, Debug)]
struct Heard {
    fresh_until: Instant,
    mac: [u8; 6],
}

/// A neighbour that is asked for.
#[derive(Debug)]
struct Asked {
    /// How often.
    tries: u32,
    /// When the next thing is to happen.
    due: Instant,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
pub(super) struct Neighbours {
    /// How long what was heard is good for.
    reachable: Duration,
    heard: Flat<Place, Heard>,
    asked: Map<Place, Asked>,
    due: Agenda<Place>,
}

impl Neighbours {
    pub(super) fn new(reachable: Duration) -> Self {
        Self { reachable, heard: Flat::default(), asked: Map::default(), due: Agenda::default() }
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.due.next()
    }

    /// A neighbour is looked for soon.
    pub(super) fn fetch_place(&self, place: Place) {
        self.heard.fetch(place);
    }

    pub(super) fn is_known(&self, place: Place) -> bool {
        self.heard.get(place).is_some()
    }

    /// The neighbour's Ethernet address, if it is known, and whether to ask for it now.
    pub(super) fn find(&mut self, place: Place, now: Instant) -> (Option<[u8; 6]>, bool) {
        let heard = self.heard.get(place);
        if let Some(Heard { mac, .. }) = heard.filter(|heard| heard.fresh_until > now) {
            return (Some(mac), false);
        }
        let asks = !self.asked.contains_key(&place);
        if asks {
            let due = now + PATIENCE;
            self.asked.insert(place, Asked { tries: 1, due, waiting: VecDeque::new() });
            self.due.add(due, place);
        }
        (heard.map(|heard| heard.mac), asks)
    }

    /// Keeps a packet for a neighbour that is asked for.
    pub(super) fn wait(&mut self, place: Place, packet: Waiting) {
        let Some(Asked { waiting, .. }) = self.asked.get_mut(&place) else { return };
        if waiting.len() >= WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(packet);
    }

    /// Notes where a neighbour is, a new one only if it `spoke_to_us`. Returns what waited for that.
    pub(super) fn learn(&mut self, place: Place, mac: [u8; 6], spoke_to_us: bool, now: Instant) -> VecDeque<Waiting> {
        let asked = self.asked.remove(&place);
        if spoke_to_us || asked.is_some() || self.is_known(place) {
            self.heard.insert(place, Heard { fresh_until: now + self.reachable, mac });
        }
        asked.map_or_else(VecDeque::new, |Asked { due, waiting, .. }| {
            self.due.remove(due, place);
            waiting
        })
    }

    /// What is due: whom to ask again, or what waited in vain.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Due> {
        let (_, place) = self.due.take(now)?;
        let asked = self.asked.get_mut(&place)?;
        if asked.tries < TRIES {
            asked.tries += 1;
            asked.due = now + PATIENCE;
            self.due.add(asked.due, place);
            return Some(Due::Ask(place));
        }
        self.heard.remove(place);
        Some(Due::GiveUp(self.asked.remove(&place).map(|gone| gone.waiting).unwrap_or_default()))
    }
}

pub(super) enum Due {
    Ask(Place),
    GiveUp(VecDeque<Waiting>),
}
