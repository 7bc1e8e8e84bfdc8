//! A one-way link: queue → rate → delay. What more there is to it stands in [`impair`](super::impair).

use std::rc::Rc;

use serde::Serialize;

use super::impair::{Fate, Impairments, Luck, Special, Wire};
use super::{Frame, NicCore, SwitchId};
use crate::random::Probability;
use crate::time::{Duration, nanos};

/// What a link does to the frames that it is offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkConfig {
    /// From the last bit sent to the last bit received.
    pub latency: Duration,
    /// Up to this much more, drawn evenly for each frame. Frames stay in order.
    pub jitter: Duration,
    /// Bits per second; `None` is without limit.
    pub rate_bps: Option<u64>,
    /// How many bytes may wait for their turn; a frame that finds more is dropped. `None` is without limit.
    pub queue_bytes_max: Option<u64>,
    /// The share of frames that are lost on the way.
    pub loss: Probability,
    /// What else it does to them.
    pub impairments: Option<Box<Impairments>>,
}

/// Why a frame was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[repr(u8)]
pub enum DropReason {
    /// The link loses frames at random.
    Loss,
    /// The queue in front of the link was full.
    QueueFull,
    /// The cable was cut.
    LinkDown,
    /// The receiving node had no power.
    NodeDown,
    /// The receiving interface's ring was full.
    RingFull,
    /// The sending interface has no cable.
    Unplugged,
    /// It was longer than an interface can send.
    TooLong,
    /// It was longer than the link carries.
    TooBig,
    /// The queue in front of the link dropped it before it was full.
    EarlyDrop,
    /// It was damaged, and a checksum told the receiving interface.
    BadChecksum,
    /// A partition lay between the sender and the receiver.
    Partition,
    /// The air was busy each time that the station sensed it.
    AirBusy,
    /// Nobody acknowledged it, however often it was sent.
    NoAck,
    /// Another signal was there at the same time, and not much weaker.
    Collision,
    /// The receiving station was sending itself.
    Deaf,
    /// Too many frames waited at a station that had been on the air for as long as it may.
    DutyCycle,
    /// The switch's port is not in the virtual network that it says it is of.
    Vlan,
    /// The station that it is from or for is with no access point, or not with this one.
    NotAssociated,
    /// Somebody on the way kept it, or sent something else in its place.
    Tampered,
}

impl DropReason {
    /// All reasons, in the order of their discriminants.
    pub const ALL: [Self; 19] = [
        Self::Loss,
        Self::QueueFull,
        Self::LinkDown,
        Self::NodeDown,
        Self::RingFull,
        Self::Unplugged,
        Self::TooLong,
        Self::TooBig,
        Self::EarlyDrop,
        Self::BadChecksum,
        Self::Partition,
        Self::AirBusy,
        Self::NoAck,
        Self::Collision,
        Self::Deaf,
        Self::DutyCycle,
        Self::Vlan,
        Self::NotAssociated,
        Self::Tampered,
    ];

    /// The reason as one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::QueueFull => "queue-full",
            Self::LinkDown => "link-down",
            Self::NodeDown => "node-down",
            Self::RingFull => "ring-full",
            Self::Unplugged => "unplugged",
            Self::TooLong => "too-long",
            Self::TooBig => "too-big",
            Self::EarlyDrop => "early-drop",
            Self::BadChecksum => "bad-checksum",
            Self::Partition => "partition",
            Self::AirBusy => "air-busy",
            Self::NoAck => "no-ack",
            Self::Collision => "collision",
            Self::Deaf => "deaf",
            Self::DutyCycle => "duty-cycle",
            Self::Vlan => "vlan",
            Self::NotAssociated => "not-associated",
            Self::Tampered => "tampered",
        }
    }
}

/// How many frames were offered to a link and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LinkCounters {
    /// Offered.
    pub sent: u64,
    /// Came out at the far end.
    pub delivered: u64,
    /// Lost, whatever the reason.
    pub dropped: u64,
    /// Came twice: so many more were on the way than were offered.
    pub duplicated: u64,
}

/// Where a link leads.
pub(crate) enum Destination {
    Nic(Rc<NicCore>),
    Port {
        switch: SwitchId,
        port: u32,
    },
    /// A station, which sends what comes to it.
    Station(u32),
}

/// Preamble (8 bytes), frame check sequence (4) and inter-packet gap (12) that each frame costs on Ethernet
/// (IEEE 802.3, clauses 3 and 4).
const OVERHEAD_BYTES: i32 = 24;

/// What every frame wants lies in the first line of the cache; the others are of links that are slow, tapped or cut.
#[repr(C, align(64))]
pub(crate) struct Link {
    pub(crate) to: Destination,
    pub(super) latency_ns: u64,
    pub(super) last_arrival: u64,
    /// How many frames were offered.
    pub(crate) sent: u64,
    /// How many came out at the far end.
    pub(crate) delivered: u64,
    /// What it does besides; a plain link pays nothing for what others do.
    pub(super) special: Option<Box<Special>>,
    unusual: Unusual,

    wire: Wire,
    queue_ns_max: u64,
    /// When the last bit of the last accepted frame leaves.
    pub(super) busy_until: u64,
    /// How many faults hold it cut.
    cuts: u32,
    /// When it was last cut or mended; a frame sent before that never arrives.
    cut_at: u64,
    pub(crate) dropped: u64,
    pub(crate) duplicated: u64,
    tap: Option<u32>,
    label: Box<str>,
}

const _: () = assert!(std::mem::offset_of!(Link, wire) == 64);

/// For which of the seldom wanted a look at the rest of a link is due.
#[derive(Clone, Copy, Default)]
struct Unusual(u8);

impl Unusual {
    /// It is cut, or was.
    const CUT: u8 = 1;
    const TAPPED: u8 = 2;
    /// Its rate is limited.
    const SLOW: u8 = 4;
    /// It may do more to frames than to lose or to delay them, which has not been looked at since it was changed.
    const INTRICATE: u8 = 8;

    const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }
}

impl Link {
    pub(crate) fn new(label: &str, config: &LinkConfig, to: Destination) -> Self {
        let mut link = Self {
            to,
            latency_ns: 0,
            last_arrival: 0,
            sent: 0,
            delivered: 0,
            special: None,
            unusual: Unusual::default(),
            wire: Wire::default(),
            queue_ns_max: 0,
            busy_until: 0,
            cuts: 0,
            cut_at: 0,
            dropped: 0,
            duplicated: 0,
            tap: None,
            label: label.into(),
        };
        link.tune(config);
        link
    }

    /// How frames fared on it.
    pub(crate) const fn counters(&self) -> LinkCounters {
        let Self { sent, delivered, dropped, duplicated, .. } = *self;
        LinkCounters { sent, delivered, dropped, duplicated }
    }

    /// One more fault holds it cut; what is on it is lost.
    pub(crate) fn cut(&mut self, now: u64) {
        (self.cuts, self.cut_at) = (self.cuts + 1, now);
        self.unusual.0 |= Unusual::CUT;
    }

    /// A fault less holds it cut.
    pub(crate) fn mend(&mut self, now: u64) {
        (self.cuts, self.cut_at) = (self.cuts - 1, now);
    }

    #[inline]
    pub(crate) const fn is_cut(&self) -> bool {
        self.unusual.has(Unusual::CUT) && self.cuts > 0
    }

    /// Whether what was sent over it at that time is lost, for it is cut, or was meanwhile.
    #[inline]
    pub(super) const fn lost_since(&self, sent_at: u64) -> bool {
        self.unusual.has(Unusual::CUT) && (self.cuts > 0 || self.cut_at > sent_at)
    }

    /// Shows what it is offered to that tap.
    pub(crate) fn set_tap(&mut self, tap: u32) {
        self.tap = Some(tap);
        self.unusual.0 |= Unusual::TAPPED;
    }

    #[inline]
    pub(super) fn tap(&self) -> Option<u32> {
        self.tap.filter(|_| self.unusual.has(Unusual::TAPPED))
    }

    /// Does from now on what `config` says. Returns the frames that waited in a queue that is no more.
    pub(crate) fn tune(&mut self, config: &LinkConfig) -> Vec<(Box<Frame>, Fate)> {
        self.latency_ns = nanos(config.latency);
        self.wire = wire(config);
        let byte_ps = self.wire.byte_ps;
        self.unusual.0 &= !Unusual::SLOW;
        self.unusual.0 |= if byte_ps > 0 { Unusual::SLOW } else { 0 };
        self.queue_ns_max = config.queue_bytes_max.map_or(u64::MAX, |bytes| bytes.saturating_mul(byte_ps) / 1_000);
        if self.special.is_none() && !Special::is_needed(config) {
            return Vec::new();
        }
        self.unusual.0 |= Unusual::INTRICATE;
        self.special.get_or_insert_default().tune(&self.label, config, self.wire)
    }

    /// Its name, with the direction.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// What makes it more than a plain link, for whoever may change that.
    pub(crate) fn special(&mut self) -> &mut Special {
        self.unusual.0 |= Unusual::INTRICATE;
        self.special.get_or_insert_default()
    }

    /// Whether it does no more to frames than to lose or to delay them.
    #[inline]
    pub(super) fn is_simple(&mut self) -> bool {
        !self.unusual.has(Unusual::INTRICATE) || self.proves_simple()
    }

    #[inline(never)]
    fn proves_simple(&mut self) -> bool {
        let is_simple = self.special.as_ref().is_none_or(|special| special.is_simple());
        if is_simple {
            self.unusual.0 &= !Unusual::INTRICATE;
        }
        is_simple
    }

    /// When a frame of `bytes` that is offered now to a plain link arrives, or why it never does.
    #[inline]
    pub(crate) fn offer(&mut self, now: u64, bytes: usize) -> Result<u64, DropReason> {
        self.offer_with(now, bytes, Luck { lose: false, delay_ns: 0 })
    }

    /// The same on a link that does no more to frames than to lose or to delay them.
    #[inline]
    pub(super) fn offer_with(&mut self, now: u64, bytes: usize, luck: Luck) -> Result<u64, DropReason> {
        if self.is_cut() {
            return Err(DropReason::LinkDown);
        }
        let departure = self.departure(now, bytes)?;
        if luck.lose {
            return Err(DropReason::Loss);
        }
        let arrival = departure.saturating_add(self.latency_ns.saturating_add_signed(luck.delay_ns));
        self.last_arrival = arrival.max(self.last_arrival);
        Ok(self.last_arrival)
    }

    /// When the last bit of a frame leaves that comes to the queue now.
    #[inline]
    pub(super) fn departure(&mut self, now: u64, bytes: usize) -> Result<u64, DropReason> {
        if !self.unusual.has(Unusual::SLOW) {
            return Ok(now);
        }
        let start = self.busy_until.max(now);
        if start - now > self.queue_ns_max {
            return Err(DropReason::QueueFull);
        }
        Ok(self.depart_at(start, bytes))
    }

    /// When the last bit of a frame leaves whose first leaves at `start`.
    #[inline]
    pub(super) fn depart_at(&mut self, start: u64, bytes: usize) -> u64 {
        self.busy_until = start.saturating_add(self.wire.takes_ns(bytes as u64));
        self.busy_until
    }
}

fn wire(config: &LinkConfig) -> Wire {
    let more = config.impairments.as_deref();
    let cells = more.and_then(|more| more.cells);
    Wire {
        byte_ps: config.rate_bps.map_or(0, |bps| (8_000_000_000_000 / bps.max(1)).max(1)),
        overhead_bytes: more.and_then(|more| more.overhead_bytes).unwrap_or(OVERHEAD_BYTES).into(),
        cell_bytes: cells.map_or(0, |cells| cells.bytes.into()),
        cell_costs_bytes: cells
            .map_or(0, |cells| u64::from(cells.bytes).saturating_add_signed(cells.overhead_bytes.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::impair::Cells;

    /// What netem takes for a frame (sch_netem.c, packet_time_ns), with a division as whole numbers do it.
    fn netem_ns(len: u64, rate_bytes: u64, [packet_overhead, cell_size, cell_overhead]: [i64; 3]) -> u64 {
        let mut len = len as i64 + packet_overhead;
        if cell_size != 0 {
            let mut cells = len / cell_size;
            if len > cells * cell_size {
                cells += 1;
            }
            len = cells * (cell_size + cell_overhead);
        }
        len as u64 * 1_000_000_000 / rate_bytes
    }

    /// To the nanosecond, for rates whose picoseconds a byte are whole numbers.
    #[test]
    fn a_frame_takes_as_long_as_netem_says() {
        for rate_bytes in [12_500, 125_000, 1_000_000, 125_000_000] {
            for [overhead, cell, more] in
                [[0, 0, 0], [24, 0, 0], [-14, 0, 0], [8, 48, 5], [-14, 53, -5], [3, 1, 0], [0, 2_000, 9]]
            {
                let cells = (cell > 0).then_some(Cells { bytes: cell as u32, overhead_bytes: more as i32 });
                let impairments =
                    Impairments { overhead_bytes: Some(overhead as i32), cells, ..Impairments::default() };
                let config = LinkConfig {
                    rate_bps: Some(rate_bytes * 8),
                    impairments: Some(Box::new(impairments)),
                    ..LinkConfig::default()
                };
                for len in (14..1_514).step_by(7).chain([48, 53, 96, 106, 1_514]) {
                    let (takes, netem) =
                        (link(&config).depart_at(0, len), netem_ns(len as u64, rate_bytes, [overhead, cell, more]));
                    assert_eq!(takes, netem, "{len} B at {rate_bytes} B/s, {overhead} {cell} {more}");
                }
            }
        }
    }

    fn link(config: &LinkConfig) -> Link {
        Link::new("test/tx", config, Destination::Port { switch: SwitchId(0), port: 0 })
    }

    #[test]
    fn rate_spaces_frames_and_the_queue_is_bounded() {
        let mut link = link(&LinkConfig {
            latency: Duration::from_millis(5),
            rate_bps: Some(100_000_000),
            queue_bytes_max: Some(2 * 1_066),
            ..LinkConfig::default()
        });
        let times: Vec<_> = (0..4).map(|_| link.offer(0, 1_042)).collect();
        let wire_ns = 1_066 * 80;
        assert_eq!(times[..3], [1, 2, 3].map(|turn| Ok(5_000_000 + turn * wire_ns)));
        assert_eq!(times[3], Err(DropReason::QueueFull));
        assert_eq!(link.offer(wire_ns, 1_042), Ok(5_000_000 + 4 * wire_ns));
    }
}
