//! Which frames are lost.

use std::sync::Arc;

use super::correlated::Odds;
use super::dice::{Coin, Dice};
use super::luck::GROUP;
use crate::random::Probability;

/// Which frames a link loses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// Each with the same probability, perhaps correlated with the last.
    Random(Odds),
    /// A link that is good or bad (Gilbert and Elliott; netem's `loss gemodel`).
    GilbertElliott {
        /// From good to bad, looked at with every frame.
        to_bad: Probability,
        /// From bad to good.
        to_good: Probability,
        /// How likely a frame is lost while the link is bad: netem's 1 - h.
        loss_bad: Probability,
        /// How likely while it is good: netem's 1 - k.
        loss_good: Probability,
    },
    /// Four states (netem's `loss state`): good, a single loss, a burst of losses, good within a burst.
    FourStates {
        /// From good to a burst.
        p13: Probability,
        /// From a burst to good.
        p31: Probability,
        /// From a burst to good within it.
        p32: Probability,
        /// From good within a burst back to it.
        p23: Probability,
        /// From good to a single loss.
        p14: Probability,
    },
    /// These, counted from 0, in order.
    List(Arc<[u64]>),
    /// The last of every so many. It draws nothing.
    Every(u64),
}

/// A loss with the state that it is in.
pub(super) enum LossModel {
    Random(Coin),
    GilbertElliott(Box<GilbertElliott>),
    FourStates(Box<FourStates>),
    List(Arc<[u64]>),
    Every(u64),
}

pub(super) struct GilbertElliott {
    to_bad: Probability,
    to_good: Probability,
    /// While it is good, and while it is bad.
    loss: [Probability; 2],
    bad: bool,
    dice: Dice,
}

pub(super) struct FourStates {
    state: State,
    dice: Dice,
    p13: Probability,
    p31: Probability,
    p32: Probability,
    p23: Probability,
    p14: Probability,
}

/// Numbered as netem does, from 1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Good,
    GoodInBurst,
    Burst,
    Single,
}

impl LossModel {
    /// One that draws from the stream of that label.
    pub(super) fn new(loss: &Loss, label: &str) -> Self {
        match *loss {
            Loss::Random(odds) => Self::Random(Coin::new(label, odds)),
            Loss::GilbertElliott { to_bad, to_good, loss_bad, loss_good } => {
                let (loss, dice) = ([loss_good, loss_bad], Dice::new(label, 2));
                Self::GilbertElliott(Box::new(GilbertElliott { to_bad, to_good, loss, bad: false, dice }))
            }
            Loss::FourStates { p13, p31, p32, p23, p14 } => {
                let (state, dice) = (State::Good, Dice::new(label, 1));
                Self::FourStates(Box::new(FourStates { state, dice, p13, p31, p32, p23, p14 }))
            }
            Loss::List(ref list) => Self::List(Arc::clone(list)),
            Loss::Every(every) => Self::Every(every.max(1)),
        }
    }

    /// Whether none depends on the ones before.
    pub(super) fn is_forgetful(&self) -> bool {
        match self {
            Self::Random(coin) => coin.is_forgetful(),
            Self::List(_) | Self::Every(_) => true,
            Self::GilbertElliott(_) | Self::FourStates(_) => false,
        }
    }

    /// Which frames of a group it loses, a bit for each; the same as if it were asked of one after the other.
    pub(super) fn group(&mut self, seed: u64, group: u64) -> u8 {
        match self {
            Self::Random(coin) if coin.is_forgetful() => coin.group(seed, group),
            _ => {
                (0..GROUP).fold(0, |lost, at| lost | u8::from(self.loses(seed, group * GROUP as u64 + at as u64)) << at)
            }
        }
    }

    #[inline]
    pub(super) fn loses(&mut self, seed: u64, ordinal: u64) -> bool {
        match self {
            Self::Random(coin) => coin.decides(seed, ordinal),
            Self::GilbertElliott(link) => link.loses(seed, ordinal),
            Self::FourStates(link) => link.loses(seed, ordinal),
            Self::List(list) => list.binary_search(&ordinal).is_ok(),
            Self::Every(every) => (ordinal + 1).is_multiple_of(*every),
        }
    }
}

impl GilbertElliott {
    fn loses(&mut self, seed: u64, ordinal: u64) -> bool {
        let words = self.dice.wide(seed, ordinal);
        let (change, lost) = (words as u32, (words >> 32) as u32);
        // As netem: the state that the frame found decides, and changes for the next one.
        let was_bad = self.bad;
        self.bad = if was_bad { !self.to_good.decides(change) } else { self.to_bad.decides(change) };
        self.loss[usize::from(was_bad)].decides(lost)
    }
}

impl FourStates {
    fn loses(&mut self, seed: u64, ordinal: u64) -> bool {
        let word = self.dice.word(seed, ordinal);
        self.state = self.next(word);
        matches!(self.state, State::Single | State::Burst)
    }

    fn next(&self, word: u32) -> State {
        match self.state {
            State::Good if self.p14.decides(word) => State::Single,
            State::Good if self.p14.or(self.p13).decides(word) => State::Burst,
            State::Good => State::Good,
            State::Single => State::Good,
            State::GoodInBurst if self.p23.decides(word) => State::Burst,
            State::GoodInBurst => State::GoodInBurst,
            State::Burst if self.p32.decides(word) => State::GoodInBurst,
            State::Burst if self.p32.or(self.p31).decides(word) => State::Good,
            State::Burst => State::Burst,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(parts_per_million: u64) -> Probability {
        Probability::from_parts_per_billion(parts_per_million * 1_000)
    }

    fn losses(loss: &Loss, count: u64) -> Vec<bool> {
        let mut model = LossModel::new(loss, "test/loss");
        (0..count).map(|ordinal| model.loses(5, ordinal)).collect()
    }

    /// Runs of losses by their length, and their mean.
    fn bursts(losses: &[bool]) -> (f64, f64) {
        let lost = losses.iter().filter(|lost| **lost).count() as f64;
        let runs = losses.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        (lost / losses.len() as f64, lost / runs)
    }

    const DRAWS: u64 = 1_000_000;

    /// A chain of hidden states, in each of which a frame is lost with some probability.
    struct Chain<const N: usize> {
        /// From each state to each.
        moves: [[f64; N]; N],
        lost: [f64; N],
    }

    impl<const N: usize> Chain<N> {
        /// One step on, in which a frame is lost, or is not.
        fn step(&self, from: [f64; N], lost: bool) -> [f64; N] {
            let there: [f64; N] = std::array::from_fn(|to| (0..N).map(|at| from[at] * self.moves[at][to]).sum());
            self.seen(there, lost)
        }

        fn seen(&self, from: [f64; N], lost: bool) -> [f64; N] {
            std::array::from_fn(|at| from[at] * if lost { self.lost[at] } else { 1.0 - self.lost[at] })
        }

        /// How often it is in which state in the long run.
        fn balance(&self) -> [f64; N] {
            let step =
                |from: [f64; N], _| std::array::from_fn(|to| (0..N).map(|at| from[at] * self.moves[at][to]).sum());
            (0..10_000).fold([1.0 / N as f64; N], step)
        }

        /// At what share of all frames a run begins that is 1, 2, … long, the last entry standing for all that are longer; of
        /// losses, or of frames between them.
        fn runs(&self, lost: bool) -> [f64; LENGTHS] {
            let before = self.seen(self.balance(), !lost);
            let mut there = self.step(before, lost);
            std::array::from_fn(|length| {
                let all: f64 = there.iter().sum();
                let ended: f64 = self.step(there, !lost).iter().sum();
                there = self.step(there, lost);
                if length + 1 < LENGTHS { ended } else { all }
            })
        }
    }

    const LENGTHS: usize = 16;
    const BLOCKS: usize = 100;

    /// How many of its own deviations each length of runs is off, at most. Runs of a hidden chain are not independent, and χ²
    /// takes them to be: so the deviation of a count is taken from what it is in `BLOCKS` stretches of the same frames, each much
    /// longer than the chain's memory (batch means). The mean of them is off by a deviation of Student's t, of 99 degrees of
    /// freedom: by 4.5 once in 50,000 times, for each of 32 counts.
    fn worst<const N: usize>(chain: &Chain<N>, losses: &[bool]) -> f64 {
        let block = losses.len() / BLOCKS;
        let mut worst = 0.0_f64;
        for lost in [true, false] {
            let mut counts = [[0.0; BLOCKS]; LENGTHS];
            let mut from = 0;
            for run in losses.chunk_by(|one, next| one == next) {
                if run[0] == lost {
                    counts[run.len().min(LENGTHS) - 1][from / block] += 1.0;
                }
                from += run.len();
            }
            for (counts, share) in counts.iter().zip(chain.runs(lost)) {
                let mean = counts.iter().sum::<f64>() / BLOCKS as f64;
                let square = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (BLOCKS - 1) as f64;
                // What hardly ever is says nothing.
                if mean >= 1.0 {
                    worst = worst.max((mean - share * block as f64).abs() / (square / BLOCKS as f64).sqrt());
                }
            }
        }
        worst
    }

    const WORST: f64 = 4.5;

    fn elliott(p: f64, r: f64, bad: f64, good: f64) -> Chain<2> {
        Chain { moves: [[1.0 - p, p], [r, 1.0 - r]], lost: [good, bad] }
    }

    #[test]
    fn gilbert_elliott_loses_as_the_chain_says() {
        // p = 1 %, r = 20 %, 1 - h = 80 %, 1 - k = 0.5 %.
        let loss = Loss::GilbertElliott {
            to_bad: share(10_000),
            to_good: share(200_000),
            loss_bad: share(800_000),
            loss_good: share(5_000),
        };
        let losses = losses(&loss, DRAWS);
        let off = worst(&elliott(0.01, 0.2, 0.8, 0.005), &losses);
        assert!(off < WORST, "{off}");
        // And a chain of which one probability is a fifth another is told apart.
        for other in [elliott(0.012, 0.2, 0.8, 0.005), elliott(0.01, 0.24, 0.8, 0.005), elliott(0.01, 0.2, 0.7, 0.005)]
        {
            let off = worst(&other, &losses);
            assert!(off > WORST, "{off}");
        }
    }

    #[test]
    fn gilbert_and_elliotts_link_turns_bad_and_good_as_often_as_it_should() {
        let loss = Loss::GilbertElliott {
            to_bad: share(10_000),
            to_good: share(200_000),
            loss_bad: share(800_000),
            loss_good: share(5_000),
        };
        let mut model = LossModel::new(&loss, "test/loss");
        // By the state that a frame finds: frames, those after which it is the other, those that are lost.
        let mut seen = [[0.0; 3]; 2];
        for ordinal in 0..DRAWS {
            let bad = |model: &LossModel| matches!(model, LossModel::GilbertElliott(link) if link.bad);
            let found = bad(&model);
            let lost = model.loses(5, ordinal);
            let counts = &mut seen[usize::from(found)];
            for (count, one) in counts.iter_mut().zip([true, bad(&model) != found, lost]) {
                *count += f64::from(u8::from(one));
            }
        }
        // Given the states that frames find, what each does is independent: binomial, ± 4 deviations.
        for ([frames, turns, lost], shares) in seen.into_iter().zip([[0.01, 0.005], [0.2, 0.8]]) {
            for (count, share) in [turns, lost].into_iter().zip(shares) {
                let deviation = (frames * share * (1.0 - share)).sqrt();
                assert!((count - frames * share).abs() < 4.0 * deviation, "{count} of {frames} for {share}");
            }
        }
    }

    #[test]
    fn gilberts_bursts_are_as_long_as_the_way_back() {
        // The simple Gilbert model (h = 0, k = 1): bursts of 1/r frames, losses p/(p+r).
        let loss = Loss::GilbertElliott {
            to_bad: share(20_000),
            to_good: share(250_000),
            loss_bad: Probability::ALWAYS,
            loss_good: Probability::NEVER,
        };
        let (rate, burst) = bursts(&losses(&loss, DRAWS));
        assert!((rate / (0.02 / 0.27) - 1.0).abs() < 0.03, "{rate}");
        assert!((burst / 4.0 - 1.0).abs() < 0.03, "{burst}");
        // Lengths of bursts are geometric: χ² of 1, 2, …, 9 and longer, 9 degrees of freedom, 27.9 at 0.1 %.
        let losses = losses(&loss, DRAWS);
        let lengths: Vec<usize> = losses.split(|lost| !lost).map(<[bool]>::len).filter(|length| *length > 0).collect();
        let mut seen = [0.0; 10];
        lengths.iter().for_each(|length| seen[(*length).min(10) - 1] += 1.0);
        let count = lengths.len() as f64;
        let chi2: f64 = (0..10)
            .map(|at| {
                let share = if at < 9 { 0.25 * 0.75_f64.powi(at) } else { 0.75_f64.powi(9) };
                (seen[at as usize] - share * count).powi(2) / (share * count)
            })
            .sum();
        assert!(chi2 < 27.9, "{chi2}");
    }

    /// Good, good within a burst, burst, single loss: as they are numbered.
    fn four(p13: f64, p31: f64, p32: f64, p23: f64, p14: f64) -> Chain<4> {
        Chain {
            moves: [
                [1.0 - p13 - p14, 0.0, p13, p14],
                [0.0, 1.0 - p23, p23, 0.0],
                [p31, p32, 1.0 - p31 - p32, 0.0],
                [1.0, 0.0, 0.0, 0.0],
            ],
            lost: [0.0, 0.0, 1.0, 1.0],
        }
    }

    const FOUR: Loss = Loss::FourStates {
        p13: Probability::from_parts_per_billion(10_000_000),
        p31: Probability::from_parts_per_billion(150_000_000),
        p32: Probability::from_parts_per_billion(100_000_000),
        p23: Probability::from_parts_per_billion(300_000_000),
        p14: Probability::from_parts_per_billion(5_000_000),
    };

    #[test]
    fn four_states_lose_as_the_chain_says() {
        let losses = losses(&FOUR, DRAWS);
        let off = worst(&four(0.01, 0.15, 0.1, 0.3, 0.005), &losses);
        assert!(off < WORST, "{off}");
        // Chains of which one probability is a fifth more.
        let others = [
            four(0.012, 0.15, 0.1, 0.3, 0.005),
            four(0.01, 0.18, 0.1, 0.3, 0.005),
            four(0.01, 0.15, 0.12, 0.3, 0.005),
            four(0.01, 0.15, 0.1, 0.36, 0.005),
            four(0.01, 0.15, 0.1, 0.3, 0.006),
        ];
        for other in others {
            let off = worst(&other, &losses);
            assert!(off > WORST, "{off}");
        }
    }

    #[test]
    fn four_states_follow_each_other_as_often_as_they_should() {
        let mut model = LossModel::new(&FOUR, "test/loss");
        let state = |model: &LossModel| match model {
            LossModel::FourStates(link) => link.state as usize,
            _ => unreachable!("it has four states"),
        };
        let mut seen = [[0.0; 4]; 4];
        for ordinal in 0..DRAWS {
            let from = state(&model);
            model.loses(5, ordinal);
            seen[from][state(&model)] += 1.0;
        }
        for (seen, shares) in seen.into_iter().zip(four(0.01, 0.15, 0.1, 0.3, 0.005).moves) {
            let all: f64 = seen.iter().sum();
            for (count, share) in seen.into_iter().zip(shares) {
                let deviation = (all * share * (1.0 - share)).sqrt();
                assert!((count - all * share).abs() <= 4.0 * deviation, "{count} of {all} for {share}");
            }
        }
    }

    #[test]
    fn correlated_losses_come_in_rows() {
        let odds = |correlation| Loss::Random(Odds { probability: share(300_000), correlation });
        let (_, alone) = bursts(&losses(&odds(Probability::NEVER), DRAWS));
        let (rate, rows) = bursts(&losses(&odds(share(800_000)), DRAWS));
        assert!((alone - 1.0 / 0.7).abs() < 0.02, "{alone}");
        assert!(rows > 1.3 / (1.0 - rate), "{rows} at {rate}");
    }

    #[test]
    fn lists_and_patterns_are_exact() {
        let lost = |loss: &Loss| -> Vec<usize> {
            losses(loss, 12).iter().enumerate().filter(|(_, lost)| **lost).map(|(at, _)| at).collect()
        };
        assert_eq!(lost(&Loss::List([1, 2, 7].into())), [1, 2, 7]);
        assert_eq!(lost(&Loss::Every(5)), [4, 9]);
        assert_eq!(lost(&Loss::Every(1)).len(), 12);
    }
}
