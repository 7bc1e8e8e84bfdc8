//! Runs that are like another one: its faults, changed a little.
//!
//! What is changed stays what the scenario allows: a storm's faults keep its bounds, a fault that may be late is no later
//! than it may, and frames are lost only where the link loses some.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use wavetank_sim::random::Stream;

use crate::plan::{Chance, Direction, Fault, Packet, Plan, Storm, What};
use crate::run::{Decisions, Given};

/// A run: a seed, and what is different from what it would draw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variation {
    /// What everything but the faults is drawn from.
    pub seed: u64,
    /// The seed whose faults it has.
    pub faults_of: u64,
    /// How they are changed, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
}

/// A change of a run's faults. Faults are counted in their order, and around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// A fault does not happen.
    Leave {
        /// Which.
        fault: u64,
    },
    /// A fault happens earlier or later.
    Move {
        /// Which.
        fault: u64,
        /// By so much.
        by_ns: i64,
    },
    /// A fault lasts so long.
    Last {
        /// Which.
        fault: u64,
        /// How long.
        ns: u64,
    },
    /// A storm strikes once more.
    Strike {
        /// Which storm.
        storm: u64,
        /// With what, and whom.
        strike: u64,
        /// When.
        at_ns: u64,
        /// For how long.
        ns: u64,
    },
    /// A frame is lost.
    Lose {
        /// On which link.
        link: u64,
        /// Whether from its first end to its second.
        up: bool,
        /// Which.
        frame: u64,
    },
}

impl Variation {
    /// What the seed itself draws.
    #[must_use]
    pub fn plain(seed: u64) -> Self {
        Self { seed, faults_of: seed, edits: Vec::new() }
    }

    /// In words, as short as can be: `17`, or `17 with the faults of 4 and 2 changes`.
    #[must_use]
    pub fn told(&self) -> String {
        let mut told = self.seed.to_string();
        if self.faults_of != self.seed {
            write!(told, " with the faults of {}", self.faults_of).expect("a string takes all");
        }
        match self.edits.len() {
            0 => {}
            1 => told.push_str(" and one change"),
            count => write!(told, " and {count} changes").expect("a string takes all"),
        }
        told
    }

    /// What is given to its run; `None` if that is not what the scenario allows.
    pub(super) fn given(&self, plan: &Plan) -> Option<Given> {
        let mut own = Given::own(plan, self.faults_of);
        let (mut faults, mut packets) = (own.decisions.faults, own.decisions.packets);
        for edit in &self.edits {
            edit.apply(plan, &mut faults, &mut packets);
        }
        let storms = &mut faults.split_off(plan.faults.len().min(faults.len()));
        let is_allowed = allowed_late(plan, &faults) && allowed_storms(plan, storms);
        faults.append(storms);
        if !own.instead_of.contains(&Chance::Storm) {
            own.instead_of.push(Chance::Storm);
        }
        is_allowed.then_some(Given { instead_of: own.instead_of, decisions: Decisions { faults, packets } })
    }
}

impl Edit {
    fn apply(self, plan: &Plan, faults: &mut Vec<Fault>, packets: &mut Vec<Packet>) {
        // The scenario's own faults always happen; those of storms come after them.
        let own = plan.faults.len();
        let place = |fault: u64, from: usize| {
            let count = (faults.len() - from) as u64;
            (count > 0).then(|| from + (fault % count) as usize)
        };
        match self {
            Self::Leave { fault } => {
                if let Some(place) = place(fault, own) {
                    faults.remove(place);
                }
            }
            Self::Move { fault, by_ns } => {
                if let Some(place) = place(fault, 0) {
                    let fault = &mut faults[place];
                    fault.at_ns = fault.at_ns.saturating_add_signed(by_ns);
                    fault.until_ns = fault.until_ns.map(|until_ns| until_ns.saturating_add_signed(by_ns));
                }
            }
            Self::Last { fault, ns } => {
                if let Some(place) = place(fault, own) {
                    let fault = &mut faults[place];
                    fault.until_ns = fault.until_ns.map(|_| fault.at_ns.saturating_add(ns));
                }
            }
            Self::Strike { storm, strike, at_ns, ns } => {
                let Some(storm) = pick(&plan.storms, storm) else { return };
                let Some(strike) = pick(&storm.strikes, strike) else { return };
                let lasts = !matches!(strike.kind, crate::plan::FaultKind::Restart { .. });
                let until_ns = lasts.then(|| at_ns.saturating_add(ns));
                faults.push(Fault { at_ns, until_ns, kind: strike.kind, entry: usize::MAX });
            }
            Self::Lose { link, up, frame } => {
                if plan.links.is_empty() {
                    return;
                }
                let link = (link % plan.links.len() as u64) as usize;
                let pipe = &plan.links[link].pipes[usize::from(!up)];
                if pipe.loss_ppb > 0 || pipe.more.as_ref().is_some_and(|more| more.loss.is_some()) {
                    let direction = if up { Direction::Up } else { Direction::Down };
                    packets.push(Packet { link, direction, frame, what: What::Lose });
                }
            }
        }
    }

    /// A change of a run, as `dice` fall. `frames` is about how many frames a link carried.
    pub(super) fn drawn(plan: &Plan, dice: &mut Stream, frames: u64) -> Self {
        let any = |dice: &mut Stream| dice.below(1 << 32);
        // Small steps are as likely as great ones.
        let some_ns = |dice: &mut Stream| 1_000_i64 << dice.below(23);
        let storm = any(dice);
        let bounds = pick(&plan.storms, storm)
            .map_or((0, plan.duration_ns, (0, 0)), |storm| (storm.from_ns, storm.until_ns, storm.lasts_ns));
        let (from_ns, until_ns, (least_ns, most_ns)) = bounds;
        let ns = least_ns + dice.below((most_ns - least_ns).saturating_add(1));
        let can_storm = !plan.storms.is_empty();
        match dice.below(8) {
            0 if can_storm => Self::Leave { fault: any(dice) },
            1 if can_storm => Self::Last { fault: any(dice), ns },
            2 | 3 if can_storm => {
                let at_ns = from_ns + dice.below((until_ns - from_ns).max(1));
                Self::Strike { storm, strike: any(dice), at_ns, ns }
            }
            0..=5 if can_storm || !plan.late.is_empty() => {
                let by_ns = some_ns(dice);
                Self::Move { fault: any(dice), by_ns: if dice.below(2) == 0 { by_ns } else { -by_ns } }
            }
            _ => Self::Lose { link: any(dice), up: dice.below(2) == 0, frame: dice.below(frames.max(1)) },
        }
    }
}

fn pick<T>(of: &[T], index: u64) -> Option<&T> {
    of.get(index.checked_rem(of.len() as u64)? as usize)
}

/// The scenario's own faults are where they are, or a little late where they may be.
fn allowed_late(plan: &Plan, faults: &[Fault]) -> bool {
    let late = |index: usize| plan.late.iter().find(|(late, _)| *late == index).map_or(0, |(_, late_ns)| *late_ns);
    faults
        .iter()
        .zip(&plan.faults)
        .enumerate()
        .all(|(index, (is, planned))| (planned.at_ns..=planned.at_ns.saturating_add(late(index))).contains(&is.at_ns))
}

/// Whether storms could have brought these faults: each is of one that has room for it.
fn allowed_storms(plan: &Plan, faults: &[Fault]) -> bool {
    let mut faults = faults.to_vec();
    faults.sort_by_key(|fault| fault.at_ns);
    let mut suffering: Vec<Vec<(usize, u64)>> = vec![Vec::new(); plan.storms.len()];
    faults
        .iter()
        .all(|fault| plan.storms.iter().zip(&mut suffering).any(|(storm, suffering)| strikes(storm, suffering, fault)))
}

fn strikes(storm: &Storm, suffering: &mut Vec<(usize, u64)>, fault: &Fault) -> bool {
    let Some(strike) = storm.strikes.iter().find(|strike| strike.kind == fault.kind) else { return false };
    let until_ns = fault.until_ns.unwrap_or(fault.at_ns);
    let lasts_ns = until_ns - fault.at_ns.min(until_ns);
    let (least_ns, most_ns) = storm.lasts_ns;
    // A storm that ends cuts its faults short.
    let is_long_enough = fault.until_ns.is_none() || lasts_ns >= least_ns || until_ns == storm.until_ns;
    suffering.retain(|(_, until_ns)| *until_ns >= fault.at_ns);
    let fits = (storm.from_ns..storm.until_ns).contains(&fault.at_ns)
        && until_ns <= storm.until_ns
        && is_long_enough
        && lasts_ns <= most_ns
        && suffering.len() < storm.at_once
        && suffering.iter().all(|(victim, _)| *victim != strike.victim);
    if fits {
        suffering.push((strike.victim, until_ns));
    }
    fits
}
