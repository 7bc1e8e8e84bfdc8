//! What a sensor feels of a quantity, and what can be wrong with that: it sticks, drifts, lies, is noisy, saturates.
//!
//! The quantity itself ([`Signal`]) is what is so; several sensors may share it, and each feels it through a sense of
//! its own.

use std::cell::RefCell;
use std::rc::Rc;

use super::ailment::{Ailment, Case, Faulty, Ills, Onset};
use super::signal::Signal;

const HOUR_NS: i128 = 3_600_000_000_000;

/// One sensor's way to a quantity; a cheap handle.
#[derive(Clone, Debug)]
pub struct Sense(Rc<RefCell<Feeling>>);

#[derive(Debug)]
struct Feeling {
    signal: Signal,
    ills: Ills,
}

impl Sense {
    /// Feels the quantity as it is.
    #[must_use]
    pub fn new(signal: Signal) -> Self {
        Self(Rc::new(RefCell::new(Feeling { signal, ills: Ills::default() })))
    }

    /// What is felt at `now_ns`, in millionths of the quantity's unit.
    #[must_use]
    pub fn at(&self, now_ns: u64) -> i64 {
        let feeling = &mut *self.0.borrow_mut();
        let value = feeling.signal.at(now_ns);
        if feeling.ills.is_empty() { value } else { astray(value, now_ns, &mut feeling.ills) }
    }
}

impl From<Signal> for Sense {
    fn from(signal: Signal) -> Self {
        Self::new(signal)
    }
}

/// What ailments make of a value, the earliest first.
fn astray(mut value: i64, now_ns: u64, ills: &mut Ills) -> i64 {
    for ill in ills.iter_mut() {
        let felt = match ill.ailment {
            Ailment::SensorStuck => ill.note,
            Ailment::SensorDrift { micro_per_hour } => {
                let passed = i128::from(now_ns.saturating_sub(ill.since_ns)) * i128::from(micro_per_hour) / HOUR_NS;
                value.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
            }
            Ailment::SensorLie { micro } => value.saturating_add(micro),
            Ailment::SensorNoise { micro } => {
                let width = micro.unsigned_abs().saturating_mul(2).saturating_add(1);
                value.saturating_add(ill.stream.below(width) as i64 - micro.abs())
            }
            Ailment::SensorClip { least_micro, most_micro } => value.max(least_micro).min(most_micro),
            _ => continue,
        };
        if felt != value {
            ill.case.felt(felt.abs_diff(value));
        }
        value = felt;
    }
    value
}

impl Faulty for Sense {
    fn begin(&self, ailment: Ailment, onset: Onset) {
        let stuck_at = self.at(onset.now_ns);
        self.0.borrow_mut().ills.begin(ailment, onset, stuck_at);
    }

    fn end(&self, case: Case) {
        self.0.borrow_mut().ills.end(case);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    const SECOND_NS: u64 = 1_000_000_000;

    fn begin(sense: &Sense, number: u32, at_s: u64, ailment: Ailment) {
        let onset = Onset { now_ns: at_s * SECOND_NS, case: Case::detached(number), stream: Stream::new(1, "test") };
        sense.begin(ailment, onset);
    }

    #[test]
    fn it_sticks_drifts_lies_and_saturates() {
        let ramp = "shape = 'ramp'\nfrom = 0\nto = 100\nduration_s = 100";
        let shape = toml::from_str(ramp).unwrap();
        let sense = Sense::new(Signal::new(&shape, &mut Stream::new(1, "ramp")).unwrap());
        let at = |second: u64| sense.at(second * SECOND_NS) / 1_000_000;
        assert_eq!(at(10), 10);
        begin(&sense, 1, 10, Ailment::SensorLie { micro: 5_000_000 });
        begin(&sense, 2, 10, Ailment::SensorClip { least_micro: 0, most_micro: 40_000_000 });
        assert_eq!([at(20), at(80)], [25, 40]);
        begin(&sense, 3, 20, Ailment::SensorStuck);
        assert_eq!([at(20), at(80)], [25, 25]);
        (1..=3).for_each(|number| sense.end(Case::detached(number)));
        assert_eq!(at(80), 80);
        begin(&sense, 4, 0, Ailment::SensorDrift { micro_per_hour: -3_600_000_000 });
        assert_eq!(at(80), 0);
        sense.end(Case::detached(4));
        begin(&sense, 5, 0, Ailment::SensorNoise { micro: 2_000_000 });
        let noisy: Vec<i64> = (0..100).map(|_| at(50)).collect();
        assert!(noisy.iter().all(|value| (48..=52).contains(value)) && noisy.iter().any(|value| *value != 50));
    }
}
