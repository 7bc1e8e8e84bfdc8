//! A one-way link: queue → rate → delay → loss.

use std::rc::Rc;

use rand_core::Rng;
use serde::Serialize;

use super::{NicCore, SwitchId};
use crate::random::{Probability, Stream};
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
    /// It was longer than a link can carry.
    TooLong,
}

impl DropReason {
    /// All reasons, in the order of their discriminants.
    pub const ALL: [Self; 7] =
        [Self::Loss, Self::QueueFull, Self::LinkDown, Self::NodeDown, Self::RingFull, Self::Unplugged, Self::TooLong];

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
}

/// Where a link leads.
pub(crate) enum Destination {
    Nic(Rc<NicCore>),
    Port { switch: SwitchId, port: u32 },
}

/// Preamble (8 bytes), frame check sequence (4) and inter-packet gap (12) that each frame costs on Ethernet
/// (IEEE 802.3, clauses 3 and 4).
const OVERHEAD_BYTES: u64 = 24;

pub(crate) struct Link {
    latency_ns: u64,
    jitter_ns: u64,
    /// Picoseconds a byte; 0 is without limit.
    byte_ps: u64,
    queue_ns_max: u64,
    loss: Probability,
    /// When the last bit of the last accepted frame leaves.
    busy_until: u64,
    last_arrival: u64,
    /// How many faults hold it cut.
    pub(crate) cuts: u32,
    /// When it was last cut; a frame sent before that never arrives.
    pub(crate) cut_at: u64,
    pub(crate) counters: LinkCounters,
    pub(crate) tap: Option<u32>,
    pub(crate) to: Destination,
    label: Box<str>,
    jitter_stream: Option<Box<Stream>>,
    loss_stream: Option<Box<Stream>>,
}

impl Link {
    pub(crate) fn new(label: &str, config: &LinkConfig, to: Destination) -> Self {
        let byte_ps = config.rate_bps.map_or(0, |bps| (8_000_000_000_000 / bps.max(1)).max(1));
        Self {
            latency_ns: nanos(config.latency),
            jitter_ns: nanos(config.jitter),
            byte_ps,
            queue_ns_max: config.queue_bytes_max.map_or(u64::MAX, |bytes| bytes.saturating_mul(byte_ps) / 1_000),
            loss: config.loss,
            busy_until: 0,
            last_arrival: 0,
            cuts: 0,
            cut_at: 0,
            counters: LinkCounters::default(),
            tap: None,
            to,
            label: label.into(),
            jitter_stream: None,
            loss_stream: None,
        }
    }

    /// When a frame of `bytes` that is offered now arrives, or why it never does.
    #[inline]
    pub(crate) fn offer(&mut self, now: u64, bytes: usize, seed: u64) -> Result<u64, DropReason> {
        // Every frame draws, whatever becomes of it, so that one frame's fate never shifts another's.
        let jitter_ns = self.draw_jitter(seed);
        let lost = self.draw_loss(seed);
        if self.cuts > 0 {
            return Err(DropReason::LinkDown);
        }
        let mut departure = now;
        if self.byte_ps > 0 {
            let start = self.busy_until.max(now);
            if start - now > self.queue_ns_max {
                return Err(DropReason::QueueFull);
            }
            departure = start + (bytes as u64 + OVERHEAD_BYTES) * self.byte_ps / 1_000;
            self.busy_until = departure;
        }
        if lost {
            return Err(DropReason::Loss);
        }
        let arrival = departure.saturating_add(self.latency_ns).saturating_add(jitter_ns).max(self.last_arrival);
        self.last_arrival = arrival;
        Ok(arrival)
    }

    #[inline]
    fn draw_jitter(&mut self, seed: u64) -> u64 {
        if self.jitter_ns == 0 {
            return 0;
        }
        let label = &self.label;
        let stream =
            self.jitter_stream.get_or_insert_with(|| Box::new(Stream::new(seed, &format!("link/{label}/jitter"))));
        stream.below(self.jitter_ns.saturating_add(1))
    }

    #[inline]
    fn draw_loss(&mut self, seed: u64) -> bool {
        if self.loss.is_never() {
            return false;
        }
        let label = &self.label;
        let stream = self.loss_stream.get_or_insert_with(|| Box::new(Stream::new(seed, &format!("link/{label}/loss"))));
        self.loss.decides(stream.next_u32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let times: Vec<_> = (0..4).map(|_| link.offer(0, 1_042, 1)).collect();
        let wire_ns = 1_066 * 80;
        assert_eq!(times[..3], [1, 2, 3].map(|turn| Ok(5_000_000 + turn * wire_ns)));
        assert_eq!(times[3], Err(DropReason::QueueFull));
        assert_eq!(link.offer(wire_ns, 1_042, 1), Ok(5_000_000 + 4 * wire_ns));
    }

    #[test]
    fn a_cut_changes_no_later_draw() {
        let config = LinkConfig { loss: Probability::from_parts_per_billion(500_000_000), ..LinkConfig::default() };
        let (mut whole, mut cut) = (link(&config), link(&config));
        let fates: Vec<_> = (0..100).map(|at| whole.offer(at, 64, 7)).collect();
        for at in 0..100 {
            cut.cuts = u32::from((20..40).contains(&at));
            let fate = cut.offer(at, 64, 7);
            if cut.cuts == 0 {
                assert_eq!(fate, fates[at as usize]);
            }
        }
    }

    #[test]
    fn jitter_keeps_the_order() {
        let mut link = link(&LinkConfig { jitter: Duration::from_millis(3), ..LinkConfig::default() });
        let arrivals: Vec<_> = (0..1_000_u64).map(|at| link.offer(at * 1_000, 64, 7).expect("lossless")).collect();
        assert!(arrivals.is_sorted());
        assert!((0..1_000).any(|at| arrivals[at] - at as u64 * 1_000 > 1_000_000));
    }
}
