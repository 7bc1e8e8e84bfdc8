//! Which frames are lost.

use std::sync::Arc;

use super::correlated::{Correlated, Odds};
use super::dice::Dice;
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

impl Loss {
    /// How many words each frame draws.
    pub(super) const fn words(&self) -> u32 {
        match self {
            Self::Random(_) | Self::FourStates { .. } => 1,
            Self::GilbertElliott { .. } => 2,
            Self::List(_) | Self::Every(_) => 0,
        }
    }
}

/// A loss with the state that it is in.
pub(super) enum LossModel {
    Random(Correlated),
    GilbertElliott { to_bad: Probability, to_good: Probability, loss: [Probability; 2], bad: bool },
    FourStates { p: FourStates, state: State },
    List(Arc<[u64]>),
    Every(u64),
}

#[derive(Clone, Copy)]
pub(super) struct FourStates {
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
    pub(super) fn new(loss: &Loss) -> Self {
        match *loss {
            Loss::Random(odds) => Self::Random(Correlated::new(odds)),
            Loss::GilbertElliott { to_bad, to_good, loss_bad, loss_good } => {
                Self::GilbertElliott { to_bad, to_good, loss: [loss_good, loss_bad], bad: false }
            }
            Loss::FourStates { p13, p31, p32, p23, p14 } => {
                Self::FourStates { p: FourStates { p13, p31, p32, p23, p14 }, state: State::Good }
            }
            Loss::List(ref list) => Self::List(Arc::clone(list)),
            Loss::Every(every) => Self::Every(every.max(1)),
        }
    }

    pub(super) fn loses(&mut self, dice: &mut Dice, seed: u64, ordinal: u64) -> bool {
        match self {
            Self::Random(odds) => odds.decides(dice.word(seed, ordinal)),
            Self::GilbertElliott { to_bad, to_good, loss, bad } => {
                let words = dice.wide(seed, ordinal);
                let (change, lost) = (words as u32, (words >> 32) as u32);
                // As netem: the state that the frame found decides, and changes for the next one.
                let was_bad = *bad;
                *bad = if was_bad { !to_good.decides(change) } else { to_bad.decides(change) };
                loss[usize::from(was_bad)].decides(lost)
            }
            Self::FourStates { p, state } => {
                *state = p.next(*state, dice.word(seed, ordinal));
                matches!(state, State::Single | State::Burst)
            }
            Self::List(list) => list.binary_search(&ordinal).is_ok(),
            Self::Every(every) => (ordinal + 1).is_multiple_of(*every),
        }
    }
}

impl FourStates {
    fn next(self, state: State, word: u32) -> State {
        match state {
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
        let (mut model, mut dice) = (LossModel::new(loss), Dice::new("test/loss".into(), loss.words()));
        (0..count).map(|ordinal| model.loses(&mut dice, 5, ordinal)).collect()
    }

    /// Runs of losses by their length, and their mean.
    fn bursts(losses: &[bool]) -> (f64, f64) {
        let lost = losses.iter().filter(|lost| **lost).count() as f64;
        let runs = losses.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        (lost / losses.len() as f64, lost / runs)
    }

    const DRAWS: u64 = 1_000_000;

    #[test]
    fn gilbert_elliott_loses_as_the_chain_says() {
        // p = 1 %, r = 20 %, 1 - h = 80 %, 1 - k = 0.5 %.
        let (p, r, bad, good) = (0.01, 0.2, 0.8, 0.005);
        let loss = Loss::GilbertElliott {
            to_bad: share(10_000),
            to_good: share(200_000),
            loss_bad: share(800_000),
            loss_good: share(5_000),
        };
        let (rate, _) = bursts(&losses(&loss, DRAWS));
        let in_bad = p / (p + r);
        let expected = in_bad * bad + (1.0 - in_bad) * good;
        assert!((rate / expected - 1.0).abs() < 0.03, "{rate} for {expected}");
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

    #[test]
    fn four_states_lose_as_the_chain_says() {
        let (p13, p31, p32, p23, p14) = (0.01, 0.15, 0.1, 0.3, 0.005);
        let loss = Loss::FourStates {
            p13: share(10_000),
            p31: share(150_000),
            p32: share(100_000),
            p23: share(300_000),
            p14: share(5_000),
        };
        let (rate, _) = bursts(&losses(&loss, DRAWS));
        // The balance of the four states: π3·p31 = π1·p13 (the way out of the burst), π2·p23 = π3·p32, π4 = π1·p14.
        let (burst, inner, single) = (p13 / p31, p13 / p31 * p32 / p23, p14);
        let expected = (burst + single) / (1.0 + burst + inner + single);
        assert!((rate / expected - 1.0).abs() < 0.03, "{rate} for {expected}");
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
