//! IEEE 802.11 with access points: stations join the one that they hear best, and change over as they move.
//!
//! An access point is a station whose cable leads to a switch: what its stations send comes out there, what is for them is
//! taken from there, and what they say to each other stays on the air. Whoever joins is announced at that cable by a frame
//! with its address (the Layer 2 Update frame of IEEE 802.11F-2003, clause 6), so that switches learn where it is now and the
//! access point that it left forgets it.
//!
//! Turns are taken by the distributed coordination function (IEEE 802.11-2020, clause 10.3): a station counts its backoff down
//! while the air is idle, holds it while it is busy, and doubles its window when nobody acknowledges. The rate is the fastest
//! that the signal allows with a margin, and one less with each attempt. Beacons, authentication, association
//! and deauthentication are frames on the air as all others; a station scans for a time, takes the strongest access point
//! that it hears, and looks for a stronger one when its own gets weak. While it changes over, what it has to send is held,
//! and what is sent to it is lost.
//!
//! Not here: EDCA and its classes, RTS/CTS, aggregation and faster physical layers than OFDM at 20 MHz, power saving, probe
//! frames (a scan takes its time and then knows who would have been heard), security but for the time that its handshake
//! takes, fast transition (802.11r), overlap of neighbouring channels. A backoff is drawn for every frame, even if the air
//! has long been idle.

mod dcf;
mod exchange;
mod join;
mod news;
mod rates;

pub use news::METRICS;
pub use rates::Band;

use std::collections::VecDeque;
use std::rc::Rc;

use serde::Serialize;

use super::{AirId, Airs, Fading, Method, StationId, Track, Waver};
use crate::hash::Map;
use crate::metric::MetricId;
use crate::net::{Frame, Mac};
use crate::node::NodeCore;
use crate::queue::EntryId;
use crate::time::Duration;
pub(in crate::net) use news::News;

/// A medium of IEEE 802.11.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WifiConfig {
    /// Its name, which decides what varies about its signals.
    pub name: String,
    /// Which part of the spectrum it is.
    pub band: Band,
    /// How signals fade.
    pub fading: Fading,
    /// How they vary besides.
    pub waver: Waver,
    /// How strongly all its stations send, in hundredths of a dBm.
    pub power_cdbm: i32,
    /// How much stronger than any other at the same time a signal must be to be understood, in hundredths of a decibel.
    pub capture_cdb: u32,
    /// From one beacon to the next (dot11BeaconPeriod).
    pub beacon: Duration,
    /// After so many beacons that it did not hear a station takes its access point to be gone.
    pub beacons_lost: u32,
    /// How long a scan of all channels takes.
    pub scan: Duration,
    /// How long the handshake takes once a station is associated.
    pub handshake: Duration,
    /// An access point that is heard more weakly has a station look for others, in hundredths of a dBm.
    pub roam_below_cdbm: i32,
    /// How much stronger another one must be, in hundredths of a decibel.
    pub hysteresis_cdb: u32,
    /// aCWmin and aCWmax are two to the power of these, less one.
    pub window_exponents: [u32; 2],
    /// How often a frame is sent again that nobody acknowledged (dot11ShortRetryLimit).
    pub retries_max: u32,
    /// How many frames wait at a station; more are dropped.
    pub queue_frames_max: usize,
}

impl Default for WifiConfig {
    /// 2.4 GHz in a house.
    fn default() -> Self {
        Self {
            name: "wifi".to_owned(),
            band: Band::Ghz2,
            fading: Fading { metre_cdb: 4_018, exponent_centi: 300 },
            waver: Waver::default(),
            power_cdbm: 1_500,
            capture_cdb: 1_000,
            beacon: Duration::from_micros(102_400),
            beacons_lost: 7,
            scan: Duration::from_millis(300),
            handshake: Duration::from_millis(20),
            roam_below_cdbm: -7_000,
            hysteresis_cdb: 800,
            window_exponents: [4, 10],
            retries_max: 7,
            queue_frames_max: 64,
        }
    }
}

/// Why a station is with its access point no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Parting {
    /// It heard no beacon for too long.
    BeaconsLost,
    /// It was told that it is not associated (reason 7), or somebody said so in the access point's name.
    Deauthenticated,
    /// Its own radio has no power.
    PowerLost,
}

impl Parting {
    /// The reason as one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeaconsLost => "beacons-lost",
            Self::Deauthenticated => "deauthenticated",
            Self::PowerLost => "power-lost",
        }
    }
}

/// The weakest signal that is understood at any rate, in hundredths of a dBm.
pub(in crate::net) fn sensitivity_cdbm() -> i32 {
    rates::RATES[0].sensitivity_cdbm
}

/// What a station of IEEE 802.11 is besides a station.
pub(super) struct Radio {
    node: Rc<NodeCore>,
    role: Role,
    /// What it has to send, the first first.
    outbox: VecDeque<Item>,
    contention: Contention,
    /// How often the first was sent without success.
    attempt: u32,
    /// Its transmission that is on the air.
    on_air: Option<u32>,
    /// Under which numbers its node tells of it, once it has.
    told: Option<Box<[MetricId]>>,
}

enum Role {
    AccessPoint(AccessPoint),
    Client(Client),
}

struct AccessPoint {
    /// The stations that it has taken in, by their addresses.
    clients: Map<u64, Member>,
    clients_max: usize,
    beacon: Option<EntryId>,
}

struct Member {
    station: u32,
    /// The handshake is done: its frames are let through.
    is_in: bool,
}

impl AccessPoint {
    /// Takes a station in, whose handshake follows, if there is room; it may be one that was with it before.
    fn take_in(&mut self, mac: u64, station: u32) -> bool {
        if self.clients.len() >= self.clients_max && !self.clients.contains_key(&mac) {
            return false;
        }
        self.clients.insert(mac, Member { station, is_in: false });
        true
    }

    /// The station of that address, if its frames are let through.
    fn client(&self, mac: u64) -> Option<u32> {
        self.clients.get(&mac).filter(|member| member.is_in).map(|member| member.station)
    }
}

struct Client {
    mac: u64,
    step: Step,
    /// When the step is over.
    timer: Option<EntryId>,
    /// The access point that it is with.
    with: Option<u32>,
    /// The one that it is about to join.
    target: u32,
    /// How often it has asked for this step.
    asked: u32,
    /// Those that did not take it in since it last scanned.
    refused: Vec<u32>,
    /// When it last heard a beacon of its own access point.
    heard_at: u64,
    /// It does not look for a better one before this.
    settled_until: u64,
}

/// Where a station is on its way into a network.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Off,
    Scans,
    /// There was nobody; it waits before it scans again.
    Waits,
    Authenticates,
    Associates,
    /// The keys are agreed on.
    Shakes,
    Associated,
}

/// Something to send.
struct Item {
    what: Payload,
    /// The receiver has it, and only the acknowledgement was lost.
    is_received: bool,
}

enum Payload {
    /// A frame of a node's, or for one. One that an access point passes on between its stations counts on no link yet.
    Frame {
        frame: Box<Frame>,
        is_relayed: bool,
    },
    Management(Management, Option<u32>),
}

/// Management frames (clause 9.3.3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Management {
    Beacon,
    AuthenticationRequest,
    AuthenticationResponse,
    AssociationRequest,
    AssociationResponse { is_taken_in: bool },
    Deauthentication,
}

/// Where a station is with the first that it has to send.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contention {
    Idle,
    /// So many slots are left, which are not counted now.
    Held {
        slots: u32,
    },
    /// The air has been idle since then.
    Counts {
        slots: u32,
        since: u64,
    },
    Sending,
    AwaitsAck,
}

impl Radio {
    pub(super) fn is_access_point(&self) -> bool {
        matches!(self.role, Role::AccessPoint(_))
    }

    /// Whether an access point is at work; a station's radio is when its node is on.
    pub(super) fn is_on(&self) -> bool {
        match self.role {
            Role::AccessPoint(_) => self.node.is_at_work(),
            Role::Client(_) => !self.node.is_off(),
        }
    }

    fn client(&self) -> Option<&Client> {
        match &self.role {
            Role::Client(client) => Some(client),
            Role::AccessPoint(_) => None,
        }
    }

    fn client_mut(&mut self) -> Option<&mut Client> {
        match &mut self.role {
            Role::Client(client) => Some(client),
            Role::AccessPoint(_) => None,
        }
    }

    fn access_point(&self) -> Option<&AccessPoint> {
        match &self.role {
            Role::AccessPoint(access_point) => Some(access_point),
            Role::Client(_) => None,
        }
    }

    fn access_point_mut(&mut self) -> Option<&mut AccessPoint> {
        match &mut self.role {
            Role::AccessPoint(access_point) => Some(access_point),
            Role::Client(_) => None,
        }
    }
}

/// An Ethernet address as a number.
fn number(mac: &[u8; 6]) -> u64 {
    mac.iter().fold(0, |number, &octet| number << 8 | u64::from(octet))
}

impl Airs {
    /// Adds an access point, whose power is its node's.
    pub(crate) fn add_access_point(
        &mut self,
        air: AirId,
        node: &Rc<NodeCore>,
        track: &Track,
        channel: u8,
        clients_max: usize,
        now: u64,
    ) -> (StationId, Option<u64>) {
        let access_point = AccessPoint { clients: Map::default(), clients_max, beacon: None };
        // It is known by no address: its stations know it by being with it.
        let address = 1 << 63 | u64::from(node.id.bits());
        self.enrol_radio(air, node, address, track, channel, Role::AccessPoint(access_point), now)
    }

    /// Adds the radio of a node's interface that has this address.
    pub(crate) fn add_client(
        &mut self,
        air: AirId,
        node: &Rc<NodeCore>,
        track: &Track,
        mac: Mac,
        now: u64,
    ) -> (StationId, Option<u64>) {
        let mac = number(&mac.0);
        let client = Client {
            mac,
            step: Step::Off,
            timer: None,
            with: None,
            target: 0,
            asked: 0,
            refused: Vec::new(),
            heard_at: 0,
            settled_until: 0,
        };
        self.enrol_radio(air, node, mac, track, 0, Role::Client(client), now)
    }

    #[expect(clippy::too_many_arguments, reason = "what both sorts of radio are made of")]
    fn enrol_radio(
        &mut self,
        air: AirId,
        node: &Rc<NodeCore>,
        address: u64,
        track: &Track,
        channel: u8,
        role: Role,
        now: u64,
    ) -> (StationId, Option<u64>) {
        let power_cdbm = self.wifi_of(air).power_cdbm;
        let (id, moves_at) = self.enrol(air, address, track, power_cdbm, now);
        let radio = Radio {
            node: Rc::clone(node),
            role,
            outbox: VecDeque::new(),
            contention: Contention::Idle,
            attempt: 0,
            on_air: None,
            told: None,
        };
        let own = &mut self.stations[id.0 as usize];
        (own.channel, own.wifi) = (channel, Some(Box::new(radio)));
        self.by_node.entry(node.id.bits()).or_default().push(id.0);
        (id, moves_at)
    }

    fn wifi_of(&self, air: AirId) -> &WifiConfig {
        match &self.airs[air.0 as usize].method {
            Method::Wifi(config) => config,
            Method::Pan(_) => unreachable!("access points and their stations are on media of IEEE 802.11"),
        }
    }

    fn wifi(&self, station: u32) -> &WifiConfig {
        self.wifi_of(AirId(self.stations[station as usize].air))
    }

    fn radio(&self, station: u32) -> Option<&Radio> {
        self.stations[station as usize].wifi.as_deref()
    }

    fn radio_mut(&mut self, station: u32) -> Option<&mut Radio> {
        self.stations[station as usize].wifi.as_deref_mut()
    }

    fn client(&self, station: u32) -> Option<&Client> {
        self.radio(station)?.client()
    }

    fn client_mut(&mut self, station: u32) -> Option<&mut Client> {
        self.radio_mut(station)?.client_mut()
    }

    fn access_point(&self, station: u32) -> Option<&AccessPoint> {
        self.radio(station)?.access_point()
    }

    fn access_point_mut(&mut self, station: u32) -> Option<&mut AccessPoint> {
        self.radio_mut(station)?.access_point_mut()
    }

    /// Whether a station is joined to anything; what is not of IEEE 802.11 always is.
    pub(crate) fn has_carrier(&self, station: u32) -> bool {
        self.client(station).is_none_or(|client| client.with.is_some())
    }

    /// The radios of IEEE 802.11 of a node.
    fn radios_of(&self, node: u32) -> Vec<u32> {
        self.by_node.get(&node).cloned().unwrap_or_default()
    }
}
