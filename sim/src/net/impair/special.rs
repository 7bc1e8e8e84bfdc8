//! What a link does besides passing frames, while it does anything of the kind.

use super::chance::Early;
use super::damage::{Corrupt, How};
use super::delay::{Delay, DelayModel, Shape};
use super::dice::{Coin, Dice};
use super::line::{Line, Wire};
use super::loss::{Loss, LossModel};
use super::luck::{Foretold, GROUP, Luck, group};
use super::slot::SlotModel;
use super::{Chances, Duplicate, Fate, Impairments, Odds, Reorder};
use crate::net::vlan::{TAG_BYTES, tag};
use crate::net::{Frame, LinkConfig};
use crate::time::nanos;

/// What makes a link more than a plain one. What nearly every frame on most such links wants lies in the first line of the cache.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct Special {
    foretold: Foretold,
    impair: Impair,
    pub(crate) chances: Chances,
    /// The queue in front of the link, if it is not a plain one.
    pub(super) line: Option<Box<Line>>,
    /// How many faults hold frames back.
    pub(crate) clogs: u32,
    /// What they hold back, in order.
    pub(super) held: Vec<(Box<Frame>, Fate)>,
    /// What faults make of the link's configuration, by their places in the timeline, the latest last.
    pub(super) layers: Vec<(u32, Layer)>,
    /// Faults that tamper with the connections on it.
    pub(in crate::net) tampers: Vec<u32>,
}

/// Makes one configuration out of another.
pub(crate) type Layer = Box<dyn Fn(LinkConfig) -> LinkConfig>;

/// The impairments of a link with their states.
#[derive(Default)]
struct Impair {
    loss: Option<LossModel>,
    delay: Option<DelayModel>,
    seldom: Option<Box<Seldom>>,
    unordered: bool,
    mtu: Option<u32>,
}

const _: () = assert!(std::mem::offset_of!(Special, foretold) == 0 && size_of::<Foretold>() <= 64);

/// Impairments that few links have.
struct Seldom {
    duplicate: Option<(Coin, u64)>,
    corrupt: Option<(Coin, How, Dice)>,
    reorder: Option<Overtaking>,
    early: Option<Dice>,
    slots: Option<SlotModel>,
    marks_losses: bool,
}

struct Overtaking {
    coin: Coin,
    gap: u32,
    since: u32,
}

impl Special {
    /// Whether a link of this configuration needs one.
    pub(crate) fn is_needed(config: &LinkConfig) -> bool {
        !config.jitter.is_zero() || !config.loss.is_never() || config.impairments.is_some()
    }

    /// Does from now on what `config` says. Returns the frames that waited in the queue before.
    pub(crate) fn tune(&mut self, label: &str, config: &LinkConfig, wire: Wire) -> Vec<(Box<Frame>, Fate)> {
        (self.foretold, self.impair) = (Foretold::default(), Impair::new(label, config));
        let line = config.impairments.as_ref().and_then(|impairments| impairments.line.as_ref());
        let old = std::mem::replace(&mut self.line, line.map(|line| Box::new(Line::new(line, wire))));
        old.map_or_else(Vec::new, |line| line.into_waiting())
    }

    /// Whether it does no more to frames than to lose or to delay them, each on its own, and nothing but its draws decides.
    #[inline]
    pub(in crate::net) fn is_simple(&self) -> bool {
        let Self { impair, chances, line, clogs, tampers, .. } = self;
        impair.seldom.is_none()
            && line.is_none()
            && impair.mtu.is_none()
            && !impair.unordered
            && *clogs == 0
            && tampers.is_empty()
            && chances.is_nothing()
    }

    /// What is in store for a frame of a simple link.
    #[inline]
    pub(in crate::net) fn luck(&mut self, seed: u64, ordinal: u64) -> Luck {
        self.foretold.luck(ordinal).unwrap_or_else(|| self.foretell(seed, ordinal))
    }

    /// The same, and if it can be known for the other frames of its group, too.
    #[inline(never)]
    fn foretell(&mut self, seed: u64, ordinal: u64) -> Luck {
        if !self.impair.is_forgetful() {
            return self.impair.luck(seed, ordinal);
        }
        self.foretold = self.impair.foretell(seed, group(ordinal));
        self.foretold.luck(ordinal).expect("it is in that group")
    }

    /// What is in store for a frame. Every frame draws, whatever becomes of it.
    pub(super) fn decide(&mut self, seed: u64, ordinal: u64, bytes: usize) -> Fate {
        let mut fate = self.impair.draw(seed, ordinal, bytes);
        self.chances.settle(ordinal, &mut fate);
        fate
    }

    /// Whether frames that would be lost are marked.
    pub(super) fn marks_losses(&self) -> bool {
        self.impair.seldom.as_ref().is_some_and(|seldom| seldom.marks_losses)
    }

    /// Whether a frame's packet is longer than the link carries; a tag does not count.
    #[inline]
    pub(super) fn is_too_big(&self, frame: &Frame) -> bool {
        const ETHERNET_HEADER_BYTES: usize = 14;
        self.impair.mtu.is_some_and(|mtu| {
            let head = ETHERNET_HEADER_BYTES + tag(frame.bytes()).map_or(0, |_| TAG_BYTES);
            frame.len().saturating_sub(head) > mtu as usize
        })
    }

    /// When a frame of `bytes` that leaves at `departure` arrives.
    pub(super) fn arrival(
        &mut self,
        departure: u64,
        latency_ns: u64,
        bytes: usize,
        fate: &Fate,
        last_arrival: &mut u64,
    ) -> u64 {
        let mut due = departure;
        if !fate.overtake {
            due = departure.saturating_add(latency_ns.saturating_add_signed(fate.delay_ns));
            if !self.impair.unordered {
                due = due.max(*last_arrival);
                *last_arrival = due;
            }
        }
        self.slot(due, bytes, fate)
    }

    /// When a frame comes out that is through at `due`.
    pub(super) fn slot(&mut self, due: u64, bytes: usize, fate: &Fate) -> u64 {
        let slots = self.impair.seldom.as_mut().and_then(|seldom| seldom.slots.as_mut());
        slots.map_or(due, |slots| slots.pass(due, bytes, fate.waits))
    }
}

impl Impair {
    fn new(label: &str, config: &LinkConfig) -> Self {
        let nothing = Impairments::default();
        let more = config.impairments.as_deref().unwrap_or(&nothing);
        let stream = |name: &str| format!("link/{label}/{name}");
        let jitter = || Delay { shape: Shape::Uniform(config.jitter), correlation: Default::default() };
        let delay = more.delay.clone().or_else(|| (!config.jitter.is_zero()).then(jitter));
        let random = || Loss::Random(Odds::independent(config.loss));
        let loss = more.loss.clone().or_else(|| (!config.loss.is_never()).then(random));
        Self {
            delay: delay.map(|delay| DelayModel::new(&delay, &stream("jitter"))),
            loss: loss.map(|loss| LossModel::new(&loss, &stream("loss"))),
            seldom: Seldom::new(more, stream).map(Box::new),
            unordered: more.unordered,
            mtu: more.mtu,
        }
    }

    #[inline]
    fn luck(&mut self, seed: u64, ordinal: u64) -> Luck {
        let delay_ns = self.delay.as_mut().map_or(0, |model| model.extra_ns(seed, ordinal));
        Luck { lose: self.loss.as_mut().is_some_and(|model| model.loses(seed, ordinal)), delay_ns }
    }

    /// Whether what befalls a frame is a matter of its ordinal alone, and fits what is foretold.
    fn is_forgetful(&self) -> bool {
        self.delay.as_ref().is_none_or(|model| model.is_even_below(Foretold::DELAY_NS_MAX))
            && self.loss.as_ref().is_none_or(LossModel::is_forgetful)
    }

    /// What is in store for the frames of a group, where it is a matter of their ordinals.
    fn foretell(&mut self, seed: u64, group: u64) -> Foretold {
        let delays_ns = self.delay.as_mut().map_or([0; GROUP], |model| model.group_ns(seed, group));
        let lost = self.loss.as_mut().map_or(0, |model| model.group(seed, group));
        Foretold::new(group, delays_ns, lost)
    }

    fn draw(&mut self, seed: u64, ordinal: u64, bytes: usize) -> Fate {
        let Luck { lose, delay_ns } = self.luck(seed, ordinal);
        let mut fate = Fate { lose, delay_ns, ..Fate::default() };
        if let Some(seldom) = &mut self.seldom {
            seldom.draw(seed, ordinal, bytes, &mut fate);
        }
        fate
    }
}

impl Seldom {
    fn new(more: &Impairments, stream: impl Fn(&str) -> String) -> Option<Self> {
        let draws_early = more.line.as_ref().is_some_and(super::LineConfig::draws);
        let changes_frames = more.duplicate.is_some() || more.corrupt.is_some();
        let keeps_time = more.reorder.is_some() || more.slots.is_some();
        let is_needed = changes_frames || keeps_time || draws_early || more.marks_losses;
        is_needed.then(|| Self {
            duplicate: more
                .duplicate
                .map(|Duplicate { odds, later }| (Coin::new(&stream("duplicate"), odds), nanos(later))),
            corrupt: more.corrupt.map(|Corrupt { odds, how }| {
                (Coin::new(&stream("corrupt"), odds), how, Dice::new(&stream("damage"), How::WORDS))
            }),
            reorder: more.reorder.map(|Reorder { odds, gap }| Overtaking {
                coin: Coin::new(&stream("reorder"), odds),
                gap,
                since: 0,
            }),
            early: draws_early.then(|| Dice::new(&stream("early-drop"), 1)),
            slots: more.slots.as_ref().map(|slots| SlotModel::new(slots, &stream("slot"))),
            marks_losses: more.marks_losses,
        })
    }

    fn draw(&mut self, seed: u64, ordinal: u64, bytes: usize, fate: &mut Fate) {
        if let Some((coin, later_ns)) = &mut self.duplicate {
            fate.duplicate = coin.decides(seed, ordinal).then_some(*later_ns);
        }
        if let Some((coin, how, places)) = &mut self.corrupt
            && coin.decides(seed, ordinal)
            && bytes > 0
        {
            fate.damage = Some(Box::new(how.damage(bytes, &mut places.some(seed, ordinal))));
        }
        if let Some(overtaking) = &mut self.reorder {
            fate.overtake = overtaking.decides(seed, ordinal);
        }
        if let Some(dice) = &mut self.early {
            fate.early = Early::Word(dice.word(seed, ordinal));
        }
        if let Some(slots) = &mut self.slots {
            fate.waits = slots.draw(seed, ordinal);
        }
    }
}

impl Overtaking {
    fn decides(&mut self, seed: u64, ordinal: u64) -> bool {
        let hit = self.coin.decides(seed, ordinal);
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
        special.tune("test/tx", &config, Wire::default());
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

    /// What is found out for a group of frames at once is what each of them draws.
    #[test]
    fn luck_in_groups_is_luck_one_by_one() {
        let jitter = || Delay { shape: Shape::Uniform(Duration::from_micros(100)), correlation: Probability::NEVER };
        let long = || Delay { shape: Shape::Uniform(Duration::from_secs(5)), correlation: Probability::NEVER };
        let resembling = Odds { probability: percent(30).probability, correlation: percent(50).probability };
        let states = Loss::GilbertElliott {
            to_bad: percent(10).probability,
            to_good: percent(50).probability,
            loss_bad: percent(80).probability,
            loss_good: Probability::NEVER,
        };
        for (delay, loss) in [
            (Some(jitter()), Some(Loss::Random(percent(10)))),
            (Some(jitter()), None),
            (None, Some(Loss::Random(percent(10)))),
            (None, Some(Loss::List([3, 9, 10, 400].into()))),
            (Some(jitter()), Some(Loss::Every(7))),
            (Some(jitter()), Some(Loss::Random(resembling))),
            (Some(jitter()), Some(states)),
            (Some(long()), Some(Loss::Random(percent(10)))),
        ] {
            let config = || special(Impairments { delay: delay.clone(), loss: loss.clone(), ..Impairments::default() });
            let (mut grouped, mut single) = (config(), config());
            let lost = (5..500).filter(|&ordinal| {
                let (luck, fate) = (grouped.luck(3, ordinal), single.decide(3, ordinal, 60));
                assert_eq!(luck.lose, fate.lose, "{loss:?} {ordinal}");
                assert!(luck.lose || luck.delay_ns == fate.delay_ns, "{delay:?} {ordinal}");
                luck.lose
            });
            assert_eq!(lost.count() > 0, loss.is_some());
        }
    }

    /// What is decided for a frame depends on its ordinal alone.
    #[test]
    fn one_impairment_or_frame_less_shifts_no_other() {
        let all = || Impairments {
            delay: Some(Delay { shape: Shape::Normal(Duration::from_millis(1)), correlation: Probability::NEVER }),
            loss: Some(Loss::Random(percent(10))),
            duplicate: Some(Duplicate { odds: percent(10), later: Duration::ZERO }),
            corrupt: Some(Corrupt { odds: percent(10), how: How::Flip(2) }),
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
