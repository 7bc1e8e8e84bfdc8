//! Which Ethernet address belongs to which IP address on our networks (RFC 826; RFC 4861, section 7).
//!
//! An entry is found by hashing; it is asked for at most once a second, three times, on its own account:
//! however many neighbours are asked for at once, none waits for another. An answer is trusted for a while;
//! after that the first use asks again, by unicast, while the old answer is still used, unless whoever uses
//! it has heard from the neighbour since. Nothing happens to an entry that nobody uses. When the table is
//! full, one that was not used since the last round over the table makes room (second chance).

use super::packet::{Mac, halves, key};
use crate::{
    ip::IpAddr,
    table::{Deadlines, Index, Link, List, Storage, mix_two},
    time::{Duration, Instant},
};

/// Between two questions about one neighbour (RETRANS_TIMER).
const RETRY: Duration = Duration::from_secs(1);
/// Questions before giving up (MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT).
const ATTEMPTS: u8 = 3;
/// How many entries are looked at to find one that can make room.
const SWEEP: usize = 64;

/// One neighbour.
pub(crate) struct Neighbour {
    address: IpAddr,
    /// Which of our addresses asks.
    source: IpAddr,
    mac: Mac,
    /// Which of our addresses packets to it come from, if it is known that no router lies between.
    #[cfg(feature = "alloc")]
    direct_from: Option<IpAddr>,
    state: State,
    attempts: u8,
    used: bool,
    /// In the list of those whose question has to be sent, or whose waiting frames have.
    attention: Link,
    ask: bool,
    /// Frames that wait for the answer.
    pub(crate) frames: List,
    pub(crate) frame_count: u8,
    /// Connections that wait for the answer.
    pub(crate) connections: List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// Asked, no answer yet.
    Incomplete,
    /// Answered; trusted until then, and stale after.
    Reachable(Instant),
    /// Stale, asked again, still used.
    Probing,
    /// Did not answer; not asked again until then.
    Silent(Instant),
}

impl Neighbour {
    /// An entry for nobody.
    pub(crate) const FREE: Neighbour = Neighbour {
        address: IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
        source: IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
        mac: [0; 6],
        #[cfg(feature = "alloc")]
        direct_from: None,
        state: State::Free,
        attempts: 0,
        used: false,
        attention: Link::APART,
        ask: false,
        frames: List::EMPTY,
        frame_count: 0,
        connections: List::EMPTY,
    };

    fn has_waiters(&self) -> bool {
        !self.frames.is_empty() || !self.connections.is_empty()
    }
}

/// For how long an answer may be used without asking the table again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) neighbour: u32,
    until: Instant,
    edition: u32,
}

/// An entry that was found, and the edition of the table that it was found in. Where nothing is allocated few are looked at one
/// by one: there to find it again costs less than to remember it, and there is none.
#[cfg(not(feature = "alloc"))]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hint {}

/// An entry that was found, and the edition of the table that it was found in.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hint {
    neighbour: u32,
    edition: u32,
}

/// What is known about a neighbour that somebody wants to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Known(Mac, Lease),
    /// The question is on its way: wait at this entry.
    Asked(u32),
    /// It does not answer.
    Silent,
    /// The table is full of neighbours that are being asked for.
    Full,
}

/// What an entry that wants attention wants.
pub(crate) struct Question {
    pub(crate) address: IpAddr,
    pub(crate) source: IpAddr,
    /// Where it was last, if that is to be asked first.
    pub(crate) known: Option<Mac>,
}

pub(crate) struct Neighbours<'r> {
    pub(crate) entries: Storage<'r, Neighbour>,
    index: Index,
    deadlines: Deadlines<'r>,
    attention: List,
    hand: usize,
    /// Which edition of the table this is: another one for each change that ends leases early.
    edition: u32,
    max: usize,
    seed: u64,
    reachable: Duration,
}

impl<'r> Neighbours<'r> {
    /// Where the first of them lies: many a device speaks to its router alone.
    #[cfg(feature = "alloc")]
    pub(super) fn first(&self) -> &[Neighbour] {
        &self.entries[..self.entries.len().min(1)]
    }

    pub(crate) fn new(
        entries: Storage<'r, Neighbour>,
        index: Index,
        deadlines: Deadlines<'r>,
        max: usize,
        seed: u64,
        reachable: Duration,
    ) -> Self {
        Self { entries, index, deadlines, attention: List::EMPTY, hand: 0, edition: 0, max, seed, reachable }
    }

    #[inline]
    fn find(&self, address: IpAddr) -> Option<u32> {
        let hash = || hash(self.seed, address);
        self.index.find(&self.entries, hash, |entry| entry.address == address && entry.state != State::Free)
    }

    /// Where to send what goes to `address`. `heard` is when the caller last heard from whom it is sending to.
    #[inline]
    pub(crate) fn resolve(&mut self, address: IpAddr, source: IpAddr, heard: Option<Instant>, now: Instant) -> Answer {
        let Some(at) = self.find(address) else {
            return self.ask_for(address, source, now);
        };
        let entry = &mut self.entries[at as usize];
        entry.used = true;
        match entry.state {
            State::Reachable(until) if now < until => {
                Answer::Known(entry.mac, Lease { neighbour: at, until, edition: self.edition })
            }
            State::Reachable(_) | State::Probing => {
                let mac = entry.mac;
                self.doubt(at, source, heard, now);
                // To be asked for again at once: the answer is in doubt.
                Answer::Known(mac, Lease { neighbour: at, until: now, edition: self.edition })
            }
            State::Incomplete => Answer::Asked(at),
            State::Silent(until) if now < until => Answer::Silent,
            State::Silent(_) | State::Free => {
                self.begin(at, State::Incomplete, source, now);
                Answer::Asked(at)
            }
        }
    }

    /// Whether an answer may still be used, which counts as using it.
    #[inline]
    pub(crate) fn is_current(&mut self, lease: Lease, now: Instant) -> bool {
        let current = lease.edition == self.edition && now < lease.until;
        if current {
            self.entries[lease.neighbour as usize].used = true;
        }
        current
    }

    /// Finds the neighbour with the address `to`, if packets to it are known to need no router.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn hint(&self, to: IpAddr) -> Option<Hint> {
        let at = self.find(to)?;
        self.entries[at as usize].direct_from.map(|_| Hint { neighbour: at, edition: self.edition })
    }

    /// Where the neighbour that was found is, and which address of ours packets to it come from, if nothing
    /// about that is in doubt. Counts as using it.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn follow(&mut self, hint: Hint, now: Instant) -> Option<(Mac, IpAddr)> {
        if hint.edition != self.edition {
            return None;
        }
        let entry = &mut self.entries[hint.neighbour as usize];
        let source = entry.direct_from?;
        match entry.state {
            State::Reachable(until) if now < until => {
                entry.used = true;
                Some((entry.mac, source))
            }
            _ => None,
        }
    }

    /// Packets to `to` go to this neighbour: remembers, if that is the neighbour itself, that they need no
    /// router, and come from `source`.
    #[cfg(feature = "alloc")]
    pub(crate) fn is_direct(&mut self, neighbour: u32, to: IpAddr, source: Option<IpAddr>) {
        let entry = &mut self.entries[neighbour as usize];
        if entry.address == to {
            entry.direct_from = source;
        }
    }

    /// No way is remembered.
    #[cfg(not(feature = "alloc"))]
    pub(crate) fn follow(&mut self, hint: Hint, _now: Instant) -> Option<(Mac, IpAddr)> {
        match hint {}
    }

    /// Forgets what followed from our addresses and routes.
    pub(crate) fn forget_ways(&mut self) {
        self.end_leases();
        #[cfg(feature = "alloc")]
        for entry in &mut *self.entries {
            entry.direct_from = None;
        }
    }

    /// Forgets where neighbours were, but for those that somebody is waiting for.
    #[cold]
    pub(crate) fn forget_known(&mut self) {
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            if !matches!(entry.state, State::Free | State::Incomplete) && !entry.has_waiters() {
                self.forget(at as u32);
            }
        }
    }

    /// Ends all leases.
    pub(crate) fn end_leases(&mut self) {
        self.edition = self.edition.wrapping_add(1);
    }

    /// A stale answer is used: asks again, unless the neighbour was heard meanwhile.
    #[cold]
    fn doubt(&mut self, at: u32, source: IpAddr, heard: Option<Instant>, now: Instant) {
        let confirmed = heard.map(|heard| heard + self.reachable);
        if let Some(until) = confirmed.filter(|until| now < *until) {
            self.entries[at as usize].state = State::Reachable(until);
            self.deadlines.cancel(at);
        } else if self.entries[at as usize].state != State::Probing {
            self.begin(at, State::Probing, source, now);
        }
    }

    #[cold]
    fn ask_for(&mut self, address: IpAddr, source: IpAddr, now: Instant) -> Answer {
        let Some(at) = self.claim(address) else {
            return Answer::Full;
        };
        self.begin(at, State::Incomplete, source, now);
        Answer::Asked(at)
    }

    fn begin(&mut self, at: u32, state: State, source: IpAddr, now: Instant) {
        let entry = &mut self.entries[at as usize];
        entry.state = state;
        entry.source = source;
        entry.attempts = 0;
        self.ask(at, now);
    }

    fn ask(&mut self, at: u32, now: Instant) {
        let entry = &mut self.entries[at as usize];
        entry.attempts += 1;
        entry.ask = true;
        self.attend(at);
        self.deadlines.no_later_than(at, now + RETRY);
    }

    fn attend(&mut self, at: u32) {
        if !self.entries[at as usize].attention.is_linked() {
            self.attention.push_back(&mut self.entries, |entry| &mut entry.attention, at);
        }
    }

    /// An entry for `address`, which has none: a new one, or one that nobody used of late.
    fn claim(&mut self, address: IpAddr) -> Option<u32> {
        let fresh = if self.entries.len() < self.max { self.entries.grow(|| Neighbour::FREE) } else { None };
        self.deadlines.reserve(self.entries.len());
        let at = fresh.or_else(|| self.reclaim())?;
        let seed = self.seed;
        let entry = &mut self.entries[at as usize];
        entry.address = address;
        entry.used = true;
        self.index.insert(&self.entries, at, |entry| hash(seed, entry.address));
        Some(at)
    }

    fn reclaim(&mut self) -> Option<u32> {
        let steps = SWEEP.min(2 * self.entries.len());
        for _ in 0..steps {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.entries.len();
            let entry = &mut self.entries[at];
            let busy = entry.state == State::Incomplete || entry.has_waiters();
            if busy || core::mem::take(&mut entry.used) {
                continue;
            }
            if entry.state != State::Free {
                self.forget(at as u32);
            }
            return Some(at as u32);
        }
        None
    }

    fn forget(&mut self, at: u32) {
        self.end_leases();
        let seed = self.seed;
        self.index.remove(&self.entries, at, |entry| hash(seed, entry.address));
        self.deadlines.cancel(at);
        if self.entries[at as usize].attention.is_linked() {
            self.attention.remove(&mut self.entries, |entry| &mut entry.attention, at);
        }
        self.entries[at as usize] = Neighbour::FREE;
    }

    /// A neighbour told its Ethernet address. `insert`: remember it even if nobody asked. `confirms`: it
    /// proves that our frames reach it. `overrides`: it replaces another address.
    pub(crate) fn learn(&mut self, address: IpAddr, mac: Mac, [insert, confirms, overrides]: [bool; 3], now: Instant) {
        let Some(at) = self.find(address).or_else(|| insert.then(|| self.claim(address)).flatten()) else {
            return;
        };
        if self.entries[at as usize].mac != mac {
            self.end_leases();
        }
        let trusted_until = if confirms { now + self.reachable } else { now };
        let entry = &mut self.entries[at as usize];
        match entry.state {
            State::Reachable(until) if entry.mac == mac => {
                entry.state = State::Reachable(until.max(trusted_until));
                return;
            }
            State::Reachable(_) | State::Probing if entry.mac != mac && !overrides => {
                // Doubtful now, and settled by the next use.
                entry.state = State::Reachable(now);
                self.deadlines.cancel(at);
                return;
            }
            State::Probing if !confirms && entry.mac == mac => return,
            _ => {}
        }
        entry.mac = mac;
        entry.state = State::Reachable(trusted_until);
        entry.ask = false;
        self.deadlines.cancel(at);
        if self.entries[at as usize].has_waiters() {
            self.attend(at);
        }
    }

    /// When a question is next due, or before.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// When a question is next due.
    pub(crate) fn earliest_deadline(&mut self) -> Option<Instant> {
        self.deadlines.earliest()
    }

    /// Asks again where that is due. Answers with a neighbour that did not answer in the end, whose waiters
    /// the caller must release; call until `None`.
    pub(crate) fn pop_silent(&mut self, now: Instant) -> Option<u32> {
        while let Some(at) = self.deadlines.pop_due(now) {
            let entry = &mut self.entries[at as usize];
            if entry.attempts < ATTEMPTS {
                self.ask(at, now);
                continue;
            }
            let asked_for = entry.state == State::Incomplete;
            entry.state = State::Silent(if asked_for { now + RETRY } else { now });
            if asked_for {
                return Some(at);
            }
        }
        None
    }

    /// The next entry that has a question to send.
    #[inline]
    pub(crate) fn attention(&self) -> Option<u32> {
        self.attention.front()
    }

    /// The question to send for the entry at the front of the attention list, and what it asks.
    pub(crate) fn question(&self, at: u32) -> Option<Question> {
        let entry = &self.entries[at as usize];
        entry.ask.then(|| Question {
            address: entry.address,
            source: entry.source,
            known: (entry.state == State::Probing).then_some(entry.mac),
        })
    }

    /// The question was sent.
    pub(crate) fn asked(&mut self, at: u32) {
        self.entries[at as usize].ask = false;
    }

    /// Where this neighbour is, if it can be sent to.
    pub(crate) fn mac(&self, at: u32) -> Option<Mac> {
        let entry = &self.entries[at as usize];
        matches!(entry.state, State::Reachable(_) | State::Probing).then_some(entry.mac)
    }

    pub(crate) fn address(&self, at: u32) -> IpAddr {
        self.entries[at as usize].address
    }

    /// The entry at the front of the attention list has had it.
    pub(crate) fn attended(&mut self, at: u32) {
        self.attention.remove(&mut self.entries, |entry| &mut entry.attention, at);
    }
}

#[inline]
fn hash(seed: u64, address: IpAddr) -> u64 {
    let [low, high] = halves(key(address));
    mix_two(seed, low, high)
}
