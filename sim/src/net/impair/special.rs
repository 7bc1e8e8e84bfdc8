//! What a link does besides passing frames, while it does anything of the kind.

use super::chance::Early;
use super::correlated::Correlated;
use super::damage::How;
use super::delay::{Delay, DelayModel, Shape};
use super::dice::Dice;
use super::line::{Line, Wire};
use super::loss::{Loss, LossModel};
use super::{Chances, Duplicate, Fate, Impairments, Odds, Reorder};
use crate::net::{Frame, LinkConfig};
use crate::time::nanos;

/// What makes a link more than a plain one.
#[derive(Default)]
pub(crate) struct Special {
    impair: Impair,
    pub(crate) chances: Chances,
    /// The queue in front of the link, if it is not a plain one.
    pub(super) line: Option<Line>,
    /// How many faults hold frames back.
    pub(crate) clogs: u32,
    /// What they hold back, in order.
    pub(super) held: Vec<(Box<Frame>, Fate)>,
    /// What faults make of the link's configuration, by their places in the timeline, the latest last.
    pub(super) layers: Vec<(u32, Layer)>,
}

/// Makes one configuration out of another.
pub(crate) type Layer = Box<dyn Fn(LinkConfig) -> LinkConfig>;

/// The impairments of a link with their states.
#[derive(Default)]
struct Impair {
    delay: Option<(DelayModel, Dice)>,
    loss: Option<(LossModel, Dice)>,
    duplicate: Option<(Correlated, u64, Dice)>,
    corrupt: Option<(Correlated, How, Dice, Dice)>,
    reorder: Option<Overtaking>,
    early: Option<Dice>,
    unordered: bool,
    mtu: Option<u32>,
}

struct Overtaking {
    odds: Correlated,
    gap: u32,
    since: u32,
    dice: Dice,
}

impl Special {
    /// Whether a link of this configuration needs one.
    pub(crate) fn is_needed(config: &LinkConfig) -> bool {
        !config.jitter.is_zero() || !config.loss.is_never() || config.impairments.is_some()
    }

    /// Does from now on what `config` says. Returns the frames that waited in the queue before.
    pub(crate) fn tune(&mut self, label: &str, config: &LinkConfig, wire: Wire) -> Vec<(Box<Frame>, Fate)> {
        self.impair = Impair::new(label, config);
        let line = config.impairments.as_ref().and_then(|impairments| impairments.line.as_ref());
        let old = std::mem::replace(&mut self.line, line.map(|line| Line::new(line, wire)));
        old.map_or_else(Vec::new, Line::into_waiting)
    }

    /// What is in store for a frame. Every frame draws, whatever becomes of it.
    #[inline]
    pub(super) fn decide(&mut self, seed: u64, ordinal: u64, bytes: usize) -> Fate {
        let mut fate = self.impair.draw(seed, ordinal, bytes);
        self.chances.settle(ordinal, &mut fate);
        fate
    }

    pub(super) fn is_too_big(&self, bytes: usize) -> bool {
        const ETHERNET_HEADER_BYTES: usize = 14;
        self.impair.mtu.is_some_and(|mtu| bytes.saturating_sub(ETHERNET_HEADER_BYTES) > mtu as usize)
    }

    /// When a frame that leaves at `departure` arrives.
    #[inline]
    pub(super) fn arrival(&self, departure: u64, latency_ns: u64, fate: &Fate, last_arrival: &mut u64) -> u64 {
        if fate.overtake {
            return departure;
        }
        let arrival = departure.saturating_add(latency_ns.saturating_add_signed(fate.delay_ns));
        if self.impair.unordered {
            return arrival;
        }
        *last_arrival = arrival.max(*last_arrival);
        *last_arrival
    }
}

impl Impair {
    fn new(label: &str, config: &LinkConfig) -> Self {
        let nothing = Impairments::default();
        let more = config.impairments.as_deref().unwrap_or(&nothing);
        let dice = |name: &str, words| Dice::new(format!("link/{label}/{name}"), words);
        let jitter = || Delay { shape: Shape::Uniform(config.jitter), correlation: Default::default() };
        let delay = more.delay.clone().or_else(|| (!config.jitter.is_zero()).then(jitter));
        let random = || Loss::Random(Odds::independent(config.loss));
        let loss = more.loss.clone().or_else(|| (!config.loss.is_never()).then(random));
        Self {
            delay: delay.map(|delay| (DelayModel::new(&delay), dice("jitter", 2))),
            loss: loss.map(|loss| (LossModel::new(&loss), dice("loss", loss.words()))),
            duplicate: more
                .duplicate
                .map(|Duplicate { odds, later }| (Correlated::new(odds), nanos(later), dice("duplicate", 1))),
            corrupt: more.corrupt.map(|corrupt| {
                (Correlated::new(corrupt.odds), corrupt.how, dice("corrupt", 1), dice("damage", How::WORDS))
            }),
            reorder: more.reorder.map(|Reorder { odds, gap }| Overtaking {
                odds: Correlated::new(odds),
                gap,
                since: 0,
                dice: dice("reorder", 1),
            }),
            early: more.line.as_ref().is_some_and(super::LineConfig::draws).then(|| dice("early-drop", 1)),
            unordered: more.unordered,
            mtu: more.mtu,
        }
    }

    #[inline]
    fn draw(&mut self, seed: u64, ordinal: u64, bytes: usize) -> Fate {
        let mut fate = Fate::default();
        if let Some((model, dice)) = &mut self.delay {
            fate.delay_ns = model.extra_ns(dice.wide(seed, ordinal));
        }
        if let Some((model, dice)) = &mut self.loss {
            fate.lose = model.loses(dice, seed, ordinal);
        }
        if let Some((odds, later_ns, dice)) = &mut self.duplicate {
            fate.duplicate = odds.decides(dice.word(seed, ordinal)).then_some(*later_ns);
        }
        if let Some((odds, how, dice, places)) = &mut self.corrupt
            && odds.decides(dice.word(seed, ordinal))
            && bytes > 0
        {
            fate.damage = Some(how.damage(bytes, places.some(seed, ordinal)));
        }
        if let Some(overtaking) = &mut self.reorder {
            fate.overtake = overtaking.decides(seed, ordinal);
        }
        if let Some(dice) = &mut self.early {
            fate.early = Early::Word(dice.word(seed, ordinal));
        }
        fate
    }
}

impl Overtaking {
    fn decides(&mut self, seed: u64, ordinal: u64) -> bool {
        let hit = self.odds.decides(self.dice.word(seed, ordinal));
        let due = self.since >= self.gap.saturating_sub(1);
        self.since = if due && hit { 0 } else { self.since.saturating_add(1) };
        due && hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Probability;
    use crate::time::Duration;

    fn special(impairments: Impairments) -> Special {
        let mut special = Special::default();
        let config = LinkConfig { impairments: Some(Box::new(impairments)), ..LinkConfig::default() };
        special.tune("test/tx", &config, Wire { byte_ps: 0, overhead_bytes: 0 });
        special
    }

    fn percent(percent: u64) -> Odds {
        Odds::independent(Probability::from_parts_per_billion(percent * 10_000_000))
    }

    #[test]
    fn overtaking_keeps_the_gap_and_the_share() {
        let mut every_fifth = special(Impairments {
            reorder: Some(Reorder { odds: Odds::independent(Probability::ALWAYS), gap: 5 }),
            ..Impairments::default()
        });
        let overtake: Vec<u64> = (0..20).filter(|at| every_fifth.decide(1, *at, 60).overtake).collect();
        assert_eq!(overtake, [4, 9, 14, 19]);

        let mut some =
            special(Impairments { reorder: Some(Reorder { odds: percent(25), gap: 5 }), ..Impairments::default() });
        let overtake = (0..1_000_000).filter(|at| some.decide(1, *at, 60).overtake).count() as f64;
        // One in each cycle of 4 frames and a geometric wait of 4 more on average: 125,000 ± 4 deviations.
        assert!((overtake - 125_000.0).abs() < 4.0 * 125_000.0_f64.sqrt(), "{overtake}");
    }

    #[test]
    fn duplicates_come_as_often_as_they_should() {
        let mut twice = special(Impairments {
            duplicate: Some(Duplicate { odds: percent(5), later: Duration::from_millis(1) }),
            ..Impairments::default()
        });
        let duplicates = (0..1_000_000).filter(|at| twice.decide(1, *at, 60).duplicate.is_some()).count() as f64;
        assert!((duplicates - 50_000.0).abs() < 4.0 * 218.0, "{duplicates}");
    }

    /// What is decided for a frame depends on its ordinal alone.
    #[test]
    fn one_impairment_or_frame_less_shifts_no_other() {
        let all = || Impairments {
            delay: Some(Delay { shape: Shape::Normal(Duration::from_millis(1)), correlation: Probability::NEVER }),
            loss: Some(Loss::Random(percent(10))),
            duplicate: Some(Duplicate { odds: percent(10), later: Duration::ZERO }),
            corrupt: Some(super::super::Corrupt { odds: percent(10), how: How::Flip(2) }),
            reorder: Some(Reorder { odds: percent(10), gap: 1 }),
            ..Impairments::default()
        };
        let mut whole = special(all());
        let fates: Vec<_> = (0..1_000).map(|at| format!("{:?}", whole.decide(3, at, 100))).collect();
        let mut sparse = special(all());
        for at in (0..1_000).step_by(7) {
            assert_eq!(format!("{:?}", sparse.decide(3, at, 100)), fates[at as usize]);
        }
        let mut fewer = special(Impairments { corrupt: None, delay: None, ..all() });
        for at in 0..1_000 {
            let fate = fewer.decide(3, at, 100);
            let full = &fates[at as usize];
            assert!(full.contains(&format!("lose: {}, duplicate: {:?}", fate.lose, fate.duplicate)));
        }
    }
}
