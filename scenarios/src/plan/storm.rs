//! Storms: faults that the seed draws within bounds, before the run begins, so that they are faults like any others.

use wavetank_sim::random::Stream;

use super::paths::{Paths, paths};
use super::roster::Roster;
use super::timeline::targets_of;
use super::wiring::Wiring;
use super::{Fault, FaultKind};
use crate::diagnose::{Code, Problem};
use crate::schema::{self, Scenario};
use crate::units::Time;

/// A storm, with all that it can hit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Storm {
    /// What can happen, and to which victim: a victim is hit by one thing at a time.
    pub strikes: Vec<Strike>,
    /// When it begins.
    pub from_ns: u64,
    /// When it is over: no fault of it ends later.
    pub until_ns: u64,
    /// How long it takes from one strike to the next, on average.
    pub every_ns: u64,
    /// How long faults last at least and at most.
    pub lasts_ns: (u64, u64),
    /// How many victims suffer at once at most.
    pub at_once: usize,
    /// The ways that it leaves, if it is to leave any.
    pub paths: Option<Paths>,
    /// Which `[[storm]]` of the file it is, counted from 0.
    pub entry: usize,
}

/// One thing that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strike {
    /// What.
    pub kind: FaultKind,
    /// To whom: an index of all that the storm can hit.
    pub victim: usize,
}

impl Storm {
    /// The faults of this storm with this seed, in their order.
    #[must_use]
    pub fn faults(&self, seed: u64) -> Vec<Fault> {
        let mut stream = Stream::new(seed, &format!("storm/{}", self.entry));
        let (mut at_ns, mut faults, mut suffering) = (self.from_ns, Vec::new(), Vec::<(Strike, u64)>::new());
        if self.strikes.is_empty() {
            return faults;
        }
        loop {
            // Every strike draws the same, whatever comes of it.
            at_ns = at_ns.saturating_add(stream.below(self.every_ns.saturating_mul(2)).max(1));
            let strike = self.strikes[stream.below(self.strikes.len() as u64) as usize];
            let (least, most) = self.lasts_ns;
            let lasts_ns = least + stream.below((most - least).saturating_add(1));
            if at_ns >= self.until_ns {
                return faults;
            }
            suffering.retain(|(_, until_ns)| *until_ns >= at_ns);
            let is_hit = suffering.iter().any(|(other, _)| other.victim == strike.victim);
            if is_hit || suffering.len() >= self.at_once {
                continue;
            }
            if let Some(paths) = &self.paths {
                let all = suffering.iter().map(|(other, _)| other.kind).chain([strike.kind]);
                if !paths.hold(&all.collect::<Vec<_>>()) {
                    continue;
                }
            }
            let until_ns = at_ns.saturating_add(lasts_ns).min(self.until_ns);
            let lasts = !strike.kind.is_momentary();
            suffering.push((strike, if lasts { until_ns } else { at_ns }));
            let until_ns = lasts.then_some(until_ns);
            faults.push(Fault { at_ns, until_ns, kind: strike.kind, entry: usize::MAX });
        }
    }
}

pub(super) fn storms(
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    wiring: &Wiring,
    problems: &mut Vec<Problem>,
) -> Vec<Storm> {
    let storms = scenario.storms.iter().enumerate();
    storms.filter_map(|(entry, storm)| planned(entry, storm, scenario, roster, wiring, problems)).collect()
}

fn planned(
    entry: usize,
    storm: &schema::Storm,
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    wiring: &Wiring,
    problems: &mut Vec<Problem>,
) -> Option<Storm> {
    let (mut strikes, mut victims) = (Vec::new(), Vec::new());
    for kind in &storm.kinds {
        for target in targets_of(*kind, storm.targets.as_deref()?, roster, wiring, problems) {
            // A node and a link of it are two victims; two faults of one node are of the same.
            let victim = (kind.shape().target == schema::Target::Link, target.index());
            let place = victims.iter().position(|other| *other == victim).unwrap_or(victims.len());
            if place == victims.len() {
                victims.push(victim);
            }
            strikes.push(Strike { kind: target, victim: place });
        }
    }
    let end = scenario.calm_after.as_ref().or(scenario.duration.as_ref())?;
    let from_ns = storm.from.as_ref().map_or(0, |from| from.get_ref().as_nanos());
    let until = storm.until.as_ref().unwrap_or(end);
    let until_ns = until.get_ref().as_nanos();
    let refuse = |problems: &mut Vec<Problem>, span, what: String, help: String| {
        problems.push(Problem::new(Code::FaultTime, span, what, "too late").help(help));
    };
    if until_ns > end.get_ref().as_nanos() {
        let what = format!("this storm lasts to {}, but it is to be calm at {}", until.get_ref(), end.get_ref());
        refuse(problems, until.span(), what, format!("end it by {}, or let it be calm later", end.get_ref()));
    }
    if from_ns >= until_ns {
        let what = format!("this storm begins at {} and is over at {}", Time::from_nanos(from_ns), until.get_ref());
        let span = storm.from.as_ref().map_or(storm.span.clone(), schema::Spanned::span);
        refuse(problems, span, what, "begin earlier".to_owned());
    }
    let least_ns = storm.shortest.as_ref()?.get_ref().as_nanos();
    let most_ns = storm.longest.as_ref().map_or(least_ns, |longest| longest.get_ref().as_nanos());
    if let (Some(longest), true) = (&storm.longest, most_ns < least_ns) {
        let problem = Problem::new(Code::OutOfRange, longest.span(), "`longest` is less than `shortest`", "here");
        problems.push(problem.help("make it at least as long"));
        return None;
    }
    let spare = storm.spare.unwrap_or(0).max(if storm.keep_majority { victims.len() / 2 + 1 } else { 0 });
    if spare >= victims.len() && !victims.is_empty() {
        let what = format!("of {} that it can hit, this storm is to spare {spare}", victims.len());
        let problem = Problem::new(Code::OutOfRange, storm.span.clone(), what, "it hits nobody");
        problems.push(problem.help("name more targets, or spare fewer"));
    }
    let paths = match storm.between.as_deref().filter(|_| storm.keep_path) {
        Some(between) => Some(paths(between, roster, wiring, problems)?),
        None => None,
    };
    if let Some(paths) = &paths
        && !strikes.is_empty()
        && !strikes.iter().any(|strike| paths.hold(&[strike.kind]))
    {
        let what = "whatever this storm hits, no way would be left";
        let problem = Problem::new(Code::Topology, storm.span.clone(), what, "it hits nobody");
        problems.push(problem.help("let there be a second way, or name targets that are not on the only one"));
    }
    Some(Storm {
        paths,
        strikes,
        from_ns,
        until_ns,
        every_ns: storm.every.as_ref()?.get_ref().as_nanos(),
        lasts_ns: (least_ns, most_ns),
        at_once: storm.at_once.unwrap_or(1).min(victims.len().saturating_sub(spare)),
        entry,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storm(at_once: usize) -> Storm {
        let strikes = (0..5).flat_map(|node| {
            [FaultKind::PowerCut { node }, FaultKind::Pause { node }].map(|kind| Strike { kind, victim: node })
        });
        Storm {
            strikes: strikes.collect(),
            from_ns: 1_000,
            until_ns: 1_000_000,
            every_ns: 500,
            lasts_ns: (100, 5_000),
            at_once,
            paths: None,
            entry: 0,
        }
    }

    #[test]
    fn no_more_suffer_at_once_than_it_may_hit() {
        for seed in 0..50 {
            let faults = storm(2).faults(seed);
            assert!(faults.len() > 100, "{}", faults.len());
            assert!(faults.iter().all(|fault| fault.at_ns >= 1_000 && fault.until_ns <= Some(1_000_000)));
            for fault in &faults {
                let at_once = faults.iter().filter(|other| {
                    other.at_ns <= fault.at_ns && other.until_ns.is_some_and(|until_ns| until_ns >= fault.at_ns)
                });
                let mut victims: Vec<usize> = at_once.map(|other| other.kind.index()).collect();
                let count = victims.len();
                victims.sort_unstable();
                victims.dedup();
                assert!(count <= 2 && victims.len() == count, "one thing at a time, two at once");
            }
        }
    }

    #[test]
    fn every_victim_is_hit_alike_and_the_mean_wait_is_what_is_said() {
        let quiet = Storm { lasts_ns: (1, 1), at_once: 5, until_ns: 50_000_000, ..storm(5) };
        let faults = quiet.faults(3);
        let expected = 50_000_000.0 / 500.0;
        assert!((faults.len() as f64 / expected - 1.0).abs() < 0.02, "{}", faults.len());
        let seen = (0..5).map(|node| faults.iter().filter(|fault| fault.kind.index() == node).count() as f64);
        let each = faults.len() as f64 / 5.0;
        let chi2: f64 = seen.map(|seen| (seen - each).powi(2) / each).sum();
        // 4 degrees of freedom, at 0.1 %.
        assert!(chi2 < 18.5, "{chi2}");
    }
}
