//! A medium that stations share: they hear each other by where they are, take turns, and collide.
//!
//! A station is plugged to its node by a cable like any other. What the node sends comes to the station by the cable's
//! first direction and waits there for the air to be free; what the station receives comes to the node by the second. So
//! all that can be done to links can be done to a radio, and a frame counts as delivered by the first direction when the
//! station is done with it: sent, and acknowledged if it asked for that.
//!
//! What is modelled is IEEE 802.15.4's unslotted CSMA/CA (clause 7.5.1.4): backoffs are drawn, the air is sensed at the
//! end of its eight symbols, unicasts are acknowledged and sent again, a radio that sends hears nothing. Signals fade with
//! the distance ([`Fading`]), vary besides if that is said ([`Waver`]), take no time to arrive, and are understood whole or not at all: those that are at
//! least as strong as the receiver is sensitive, and stronger by the capture ratio than each other one that overlaps them.
//!
//! Not here: beacons, guaranteed slots, joining a network, security, channels of IEEE 802.15.4. Two airs never disturb each
//! other. The other medium, IEEE 802.11, takes its turns and joins its networks in [`wifi`]; who hears whom is decided here
//! for both.
//!
//! A transmission looks at those whom it reaches and at nobody else: who they are is found in a grid when a station first
//! sends, and looked for again only when one of them has moved.

mod access;
mod config;
mod duty;
mod frame;
mod place;
mod watch;
mod waver;
pub mod wifi;

pub use config::{Access, AirConfig, Phy, StationConfig};
pub use duty::DutyCycle;
pub use place::{Fading, Point, Track, Waypoint};
pub use watch::{Fate, Watch};
pub use waver::{Multipath, Shadowing, Waver};

use std::collections::VecDeque;
use std::rc::Rc;

use super::{Frame, LinkId};
use crate::hash::Map;
use crate::queue::EntryId;
use crate::random::Stream;
use crate::time::nanos;
use duty::Airtime;
use place::Grid;
pub(in crate::net) use watch::Watched;
use waver::Variation;
use wifi::{Radio, WifiConfig};

/// A shared medium of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AirId(pub(crate) u32);

/// A station of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StationId(pub(crate) u32);

/// What an event of the air is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum AirEvent {
    /// A station comes to the next step of its turn.
    Turn,
    /// A transmission ends.
    Ends,
    /// An acknowledgement begins.
    Acknowledges,
    /// A moving station's place is looked at.
    Moves,
    /// It is time for an access point's beacon.
    Beacon,
    /// A station comes to the next step of joining a network, or looks whether it still is in one.
    Joins,
    /// Nodes learn what became of their radios, or of their frames.
    Tells,
}

impl AirEvent {
    pub(crate) const fn of(word: u32) -> Self {
        match word {
            0 => Self::Turn,
            1 => Self::Ends,
            2 => Self::Acknowledges,
            3 => Self::Moves,
            4 => Self::Beacon,
            5 => Self::Joins,
            _ => Self::Tells,
        }
    }
}

/// All shared media of a world.
#[derive(Default)]
pub(crate) struct Airs {
    airs: Vec<Air>,
    stations: Vec<Station>,
    transmissions: Vec<Option<Transmission>>,
    free: Vec<u32>,
    /// The stations of IEEE 802.11 that nodes have.
    by_node: Map<u32, Vec<u32>>,
    /// What nodes have not been told of them yet.
    news: Vec<wifi::News>,
}

/// How stations take turns.
enum Method {
    /// IEEE 802.15.4.
    Pan(AirConfig),
    /// IEEE 802.11.
    Wifi(WifiConfig),
}

impl Method {
    /// The medium's name.
    fn name(&self) -> &str {
        match self {
            Self::Pan(config) => &config.name,
            Self::Wifi(config) => &config.name,
        }
    }
}

struct Air {
    method: Method,
    fading: Fading,
    variation: Variation,
    sensitivity_cdbm: i32,
    capture_cdb: u32,
    queue_frames_max: usize,
    /// By how much faults make it noisier, in hundredths of a decibel.
    noise_cdb: u32,
    /// How often that kept a signal from being understood, or the air from being free.
    drowned: u64,
    /// Its stations by their EUI-64 or EUI-48.
    by_address: Map<u64, u32>,
    members: Vec<u32>,
    /// Where they are, once that is asked for.
    grid: Option<Grid>,
}

/// Who is reached by a station, and how strongly.
#[derive(Clone, Copy)]
struct Neighbour {
    station: u32,
    power_cdbm: i32,
}

struct Station {
    air: u32,
    address: u64,
    track: Track,
    point: Point,
    power_cdbm: i32,
    /// The link to its node.
    down: Option<LinkId>,
    /// Frames to send, each with the life of the node that it is of.
    queue: VecDeque<(Box<Frame>, u32)>,
    turn: Turn,
    timer: Option<EntryId>,
    attempt: Attempt,
    /// What is on the air here.
    arrivals: Vec<Arrival>,
    /// How many transmissions of its own are on the air, or about to be.
    sending: u32,
    /// How many acknowledgements it is about to send.
    owes: u32,
    neighbours: Option<Rc<[Neighbour]>>,
    /// Until when they are those.
    neighbours_until: u64,
    dice: Option<Box<Stream>>,
    /// For whoever watches what becomes of its frames.
    watched: Option<Rc<Watched>>,
    airtime: Airtime,
    /// Which channel it is tuned to; where there are none it is 0.
    channel: u8,
    /// What it is besides, if it is one of IEEE 802.11.
    wifi: Option<Box<Radio>>,
}

/// Where a station is with its first frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There is none.
    Idle,
    /// It has been on the air for so long that it must wait.
    Held,
    /// It waits for its backoff, and senses the air at the end.
    Backoff,
    /// The air is free: the radio turns to sending.
    Turning,
    Sending,
    AwaitsAck,
    /// The space behind a frame.
    Spacing,
}

/// How often it was tried.
#[derive(Clone, Copy, Default)]
struct Attempt {
    backoffs: u32,
    exponent: u32,
    retries: u32,
}

/// A transmission as one station hears it.
#[derive(Clone, Copy)]
struct Arrival {
    transmission: u32,
    power_cdbm: i32,
    /// The strongest other that was there at the same time.
    rival_cdbm: i32,
    /// The station was sending meanwhile.
    deaf: bool,
}

struct Transmission {
    station: u32,
    what: What,
    /// When it began.
    since: u64,
    reached: Rc<[Neighbour]>,
}

#[derive(Clone, Copy)]
enum What {
    /// The station's first frame, sent by the node in this life.
    Frame { life: u32 },
    /// An acknowledgement to a station.
    Ack { to: u32, airtime_ns: u64 },
    /// A station of IEEE 802.11 sends the first that it has to send, at this rate; to one station if it is not for all.
    Wifi { rate: usize, to: Option<u32> },
}

/// How one of those fared for whom a transmission was.
struct Heard {
    station: u32,
    power_cdbm: i32,
    /// Why it was not understood.
    lost: Option<super::DropReason>,
}

impl Airs {
    pub(crate) fn add(&mut self, config: &AirConfig, seed: u64) -> AirId {
        let signals = (config.fading, Variation { waver: config.waver, seed });
        let (sensitivity_cdbm, capture_cdb) = (config.sensitivity_cdbm, config.capture_cdb);
        self.enter(Method::Pan(config.clone()), signals, sensitivity_cdbm, capture_cdb, config.queue_frames_max)
    }

    /// Adds a medium of IEEE 802.11.
    pub(crate) fn add_wifi(&mut self, config: &WifiConfig, seed: u64) -> AirId {
        let signals = (config.fading, Variation { waver: config.waver, seed });
        let (capture_cdb, queue_frames_max) = (config.capture_cdb, config.queue_frames_max);
        let sensitivity_cdbm = wifi::sensitivity_cdbm();
        self.enter(Method::Wifi(config.clone()), signals, sensitivity_cdbm, capture_cdb, queue_frames_max)
    }

    fn enter(
        &mut self,
        method: Method,
        (fading, variation): (Fading, Variation),
        sensitivity_cdbm: i32,
        capture_cdb: u32,
        queue_frames_max: usize,
    ) -> AirId {
        let id = AirId(u32::try_from(self.airs.len()).expect("fewer than 2^32 media"));
        self.airs.push(Air {
            method,
            fading,
            variation,
            sensitivity_cdbm,
            capture_cdb,
            queue_frames_max,
            noise_cdb: 0,
            drowned: 0,
            by_address: Map::default(),
            members: Vec::new(),
            grid: None,
        });
        id
    }

    /// Adds a station, and says when it first moves.
    pub(crate) fn add_station(&mut self, air: AirId, config: &StationConfig, now: u64) -> (StationId, Option<u64>) {
        let address = u64::from_be_bytes(config.eui);
        self.enrol(air, address, &config.track, config.power_cdbm, now)
    }

    fn enrol(
        &mut self,
        air: AirId,
        address: u64,
        track: &Track,
        power_cdbm: i32,
        now: u64,
    ) -> (StationId, Option<u64>) {
        let id = u32::try_from(self.stations.len()).expect("fewer than 2^32 stations");
        let medium = &mut self.airs[air.0 as usize];
        medium.by_address.insert(address, id);
        medium.members.push(id);
        // Whoever was near is so no longer for certain. Nobody knows anybody before there is a grid.
        if medium.grid.take().is_some() {
            for member in &medium.members[..medium.members.len() - 1] {
                self.stations[*member as usize].neighbours = None;
            }
        }
        self.stations.push(Station {
            air: air.0,
            address,
            track: track.clone(),
            point: track.place(crate::time::Instant::from_nanos(now)),
            power_cdbm,
            down: None,
            queue: VecDeque::new(),
            turn: Turn::Idle,
            timer: None,
            attempt: Attempt::default(),
            arrivals: Vec::new(),
            sending: 0,
            owes: 0,
            neighbours: None,
            neighbours_until: 0,
            dice: None,
            watched: None,
            airtime: Airtime::default(),
            channel: 0,
            wifi: None,
        });
        (StationId(id), track.moves_at(now))
    }

    /// Lets what a station receives leave by a link.
    pub(crate) fn plug(&mut self, station: StationId, down: LinkId) {
        self.stations[station.0 as usize].down = Some(down);
    }

    fn air(&self, station: u32) -> &Air {
        &self.airs[self.stations[station as usize].air as usize]
    }

    /// What a station of IEEE 802.15.4 shares with others.
    fn pan(&self, station: u32) -> &AirConfig {
        match &self.air(station).method {
            Method::Pan(config) => config,
            Method::Wifi(_) => unreachable!("stations of IEEE 802.11 take their turns in `wifi`"),
        }
    }

    /// Whom a station reaches: those who understand it, and those whom it can disturb.
    fn reached(&mut self, station: u32, now: u64) -> Rc<[Neighbour]> {
        let own = &self.stations[station as usize];
        if let Some(known) = own.neighbours.as_ref().filter(|_| now < own.neighbours_until) {
            return Rc::clone(known);
        }
        let (point, power_cdbm, index, address) = (own.point, own.power_cdbm, own.air as usize, own.address);
        self.survey(index);
        let air = &self.airs[index];
        let floor_cdbm = air.floor_cdbm();
        let around = air.grid.as_ref().map_or_else(Vec::new, |grid| grid.around(point));
        let found = around.into_iter().filter(|other| *other != station).filter_map(|other| {
            let far = &self.stations[other as usize];
            let gain_cdb = air.variation.gain_cdb(air.method.name(), address, far.address, now);
            let power_cdbm = power_cdbm - air.fading.loss_cdb(point.distance_mm(far.point)) + gain_cdb;
            (power_cdbm >= floor_cdbm).then_some(Neighbour { station: other, power_cdbm })
        });
        let found: Rc<[Neighbour]> = found.collect();
        let until = air.variation.waver.holds_until(now);
        let own = &mut self.stations[station as usize];
        (own.neighbours, own.neighbours_until) = (Some(Rc::clone(&found)), until);
        found
    }

    /// Notes where all stations of an air are, unless that is known.
    fn survey(&mut self, air: usize) {
        if self.airs[air].grid.is_some() {
            return;
        }
        let medium = &self.airs[air];
        let Air { fading, members, .. } = medium;
        let strongest_cdbm = members.iter().map(|member| self.stations[*member as usize].power_cdbm).max();
        let budget_cdb = strongest_cdbm.unwrap_or(0).saturating_sub(medium.floor_cdbm());
        let most_cdb = medium.variation.waver.most_cdb();
        let mut grid = Grid::new(fading.reach_mm(budget_cdb.saturating_add(most_cdb)));
        members.iter().for_each(|member| grid.put(*member, self.stations[*member as usize].point));
        self.airs[air].grid = Some(grid);
    }

    /// A station is somewhere else. Returns when it is to be looked at again.
    fn relocate(&mut self, station: u32, now: u64) -> Option<u64> {
        let air = self.stations[station as usize].air as usize;
        self.survey(air);
        let own = &mut self.stations[station as usize];
        let before = own.point;
        own.point = own.track.place(crate::time::Instant::from_nanos(now));
        let (after, again) = (own.point, own.track.moves_at(now));
        if let Some(grid) = &mut self.airs[air].grid {
            grid.take(station, before);
            let mut near = grid.around(before);
            grid.put(station, after);
            near.extend(grid.around(after));
            near.into_iter().for_each(|other| self.stations[other as usize].neighbours = None);
        }
        self.stations[station as usize].neighbours = None;
        again
    }
}

impl Air {
    /// Signals that are weaker do not even disturb one that is just understood.
    fn floor_cdbm(&self) -> i32 {
        self.sensitivity_cdbm.saturating_sub_unsigned(self.capture_cdb)
    }

    /// What is understood and sensed in the noise that there is.
    fn audible_cdbm(&self) -> i32 {
        self.sensitivity_cdbm.saturating_add_unsigned(self.noise_cdb)
    }

    /// Whether the noise alone makes it busy: it lies so far below the weakest signal that is understood, and is sensed as
    /// energy so far above that (IEEE 802.15.4-2006, clause 6.9.9: 10 dB; IEEE 802.11-2020, clause 17.3.10.6: 20 dB).
    fn is_drowned(&self) -> bool {
        let (below_cdb, above_cdb) = match self.method {
            Method::Pan(_) => (1_000, 1_000),
            Method::Wifi(_) => (900, 2_000),
        };
        self.noise_cdb >= below_cdb + above_cdb
    }
}

impl Airs {
    /// Whether a station senses anything on the air.
    fn is_busy(&mut self, station: u32) -> bool {
        let air = self.air(station);
        let (audible_cdbm, is_drowned) = (air.audible_cdbm(), air.is_drowned());
        let own = &self.stations[station as usize];
        let is_busy = own.is_busy(audible_cdbm);
        if is_drowned && !is_busy {
            self.airs[own.air as usize].drowned += 1;
        }
        is_busy || is_drowned
    }

    /// The noise on a medium becomes stronger, or weaker again.
    fn disturb(&mut self, air: AirId, noise_cdb: u32, begins: bool) {
        let noise = &mut self.airs[air.0 as usize].noise_cdb;
        *noise = if begins { noise.saturating_add(noise_cdb) } else { noise.saturating_sub(noise_cdb) };
    }

    /// What grows while noise on a medium hits something.
    pub(crate) fn drowned(&self, air: AirId) -> u64 {
        self.airs[air.0 as usize].drowned
    }
}

impl Station {
    /// Whether anything is on the air here that it senses.
    fn is_busy(&self, audible_cdbm: i32) -> bool {
        self.sending > 0 || self.owes > 0 || self.arrivals.iter().any(|arrival| arrival.power_cdbm >= audible_cdbm)
    }
}

impl Arrival {
    /// Why it was not understood, if it was not.
    fn lost(&self, capture_cdb: u32) -> Option<super::DropReason> {
        if self.deaf {
            Some(super::DropReason::Deaf)
        } else if self.rival_cdbm.saturating_add_unsigned(capture_cdb) > self.power_cdbm {
            Some(super::DropReason::Collision)
        } else {
            None
        }
    }
}

/// Times of the access method in nanoseconds (IEEE 802.15.4-2006, tables 22, 85 and 86).
#[derive(Clone, Copy)]
struct Timing {
    symbol_ns: u64,
    octet_symbols: u64,
}

impl Timing {
    fn of(phy: Phy) -> Self {
        Self { symbol_ns: nanos(phy.symbol), octet_symbols: phy.octet_symbols.into() }
    }

    /// aUnitBackoffPeriod.
    const fn period_ns(self) -> u64 {
        20 * self.symbol_ns
    }

    /// How long the air is sensed (clause 6.9.9).
    const fn sensing_ns(self) -> u64 {
        8 * self.symbol_ns
    }

    /// aTurnaroundTime.
    const fn turnaround_ns(self) -> u64 {
        12 * self.symbol_ns
    }

    /// macAckWaitDuration: a period, a turnaround, the header of the physical layer, and six octets (clause 7.4.2).
    const fn ack_wait_ns(self) -> u64 {
        self.period_ns() + self.turnaround_ns() + (5 + 6) * self.octet_symbols * self.symbol_ns
    }

    /// macMinLIFSPeriod and macMinSIFSPeriod, by the length of a frame with its check sequence (aMaxSIFSFrameSize).
    const fn space_ns(self, octets: usize) -> u64 {
        (if octets + 2 > 18 { 40 } else { 12 }) * self.symbol_ns
    }
}
