//! What a scenario file may say about a quantity, and its evaluation.

use rand_core::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::noise::Noise;
use super::quantity::{Micro, Seconds};
use super::sine::{ONE, sine};

/// How a quantity changes over time. Values are in the quantity's own unit (°C, %RH, …).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "shape", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Shape {
    /// Always the same value.
    Constant {
        /// The value.
        value: Micro,
    },
    /// A straight line between two values; level before and after it.
    Ramp {
        /// The value until `start_s`.
        from: Micro,
        /// The value from `start_s + duration_s` on.
        to: Micro,
        /// When the line begins, after the world's start.
        #[serde(default)]
        start_s: Seconds,
        /// How long it takes; zero is a step.
        duration_s: Seconds,
    },
    /// A sine wave, such as a day's temperature.
    Sine {
        /// The value around which it swings.
        mean: Micro,
        /// The greatest distance from the mean.
        amplitude: Micro,
        /// One full swing; a day if not said.
        #[serde(default = "day")]
        period_s: Seconds,
        /// When it first passes the mean upwards, after the world's start.
        #[serde(default)]
        offset_s: Seconds,
    },
    /// A smooth random curve around zero, drawn from the seed, never further from zero than its amplitude.
    Noise {
        /// The greatest distance from zero.
        amplitude: Micro,
        /// The time between two values that are drawn independently; between them the curve is smooth.
        interval_s: Seconds,
        /// How many curves are added up, each twice as slow and √2 as strong as the one before it: 1 is mere
        /// noise, 8 wanders as a bounded random walk does. The whole keeps to the amplitude.
        #[serde(default = "one")]
        octaves: u8,
    },
    /// Values at given times, such as those of a measurement that is replayed.
    Points {
        /// Times after the world's start, each later than the one before, and the values there.
        points: Vec<(Seconds, Micro)>,
        /// Whether the value stays as it is until the next point, and does not go there in a straight line.
        #[serde(default)]
        step: bool,
        /// After how long they begin anew; no sooner than the last of them. The last value stays if it is not said.
        #[serde(default)]
        period_s: Option<Seconds>,
    },
    /// The sum of several shapes.
    Sum {
        /// What is added up.
        of: Vec<Shape>,
    },
}

fn day() -> Seconds {
    Seconds::from_secs(86_400)
}

fn one() -> u8 {
    1
}

/// Why a [`Shape`] cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// A sine repeats after no time at all.
    #[error("`period_s` of a sine must be above zero")]
    Period,
    /// Noise has new values after no time at all.
    #[error("`interval_s` of noise must be above zero")]
    Interval,
    /// Octaves out of range.
    #[error("`octaves` of noise must be 1 to {}, not {octaves}", Noise::OCTAVES_MAX)]
    Octaves {
        /// What was asked for.
        octaves: u8,
    },
    /// No points, or points that are not in the order of time, or last longer than their period.
    #[error("`points` must be in the order of time, at least one of them, and none later than `period_s`")]
    Points,
    /// An amplitude below zero.
    #[error("`amplitude` must not be negative")]
    Amplitude,
}

/// A shape whose chance is settled.
#[derive(Clone, Debug)]
pub(super) enum Curve {
    Constant(i64),
    Ramp { from: i64, to: i64, start_ns: u64, duration_ns: u64 },
    Sine { mean: i64, amplitude: i64, period_ns: u64, offset_ns: u64 },
    Noise(Noise),
    Points { points: Vec<(u64, i64)>, is_step: bool, period_ns: Option<u64> },
    Sum(Vec<Curve>),
}

impl Curve {
    pub(super) fn new(shape: &Shape, stream: &mut impl Rng) -> Result<Self, ShapeError> {
        Ok(match *shape {
            Shape::Constant { value } => Curve::Constant(value.0),
            Shape::Ramp { from, to, start_s, duration_s } => {
                Curve::Ramp { from: from.0, to: to.0, start_ns: start_s.as_nanos(), duration_ns: duration_s.as_nanos() }
            }
            Shape::Sine { mean, amplitude, period_s, offset_s } => {
                if period_s.as_nanos() == 0 {
                    return Err(ShapeError::Period);
                }
                Curve::Sine {
                    mean: mean.0,
                    amplitude: not_negative(amplitude)?,
                    period_ns: period_s.as_nanos(),
                    offset_ns: offset_s.as_nanos() % period_s.as_nanos(),
                }
            }
            Shape::Noise { amplitude, interval_s, octaves } => {
                let amplitude = not_negative(amplitude)?;
                if interval_s.as_nanos() == 0 {
                    return Err(ShapeError::Interval);
                }
                if !(1..=Noise::OCTAVES_MAX).contains(&octaves) {
                    return Err(ShapeError::Octaves { octaves });
                }
                Curve::Noise(Noise::new(stream.next_u64(), amplitude, interval_s.as_nanos(), octaves))
            }
            Shape::Points { ref points, step, period_s } => {
                let in_order = points.windows(2).all(|pair| pair[0].0 < pair[1].0);
                let (Some((last, _)), true) = (points.last(), in_order) else { return Err(ShapeError::Points) };
                if period_s.is_some_and(|period| period < *last || period.as_nanos() == 0) {
                    return Err(ShapeError::Points);
                }
                Curve::Points {
                    points: points.iter().map(|(at, value)| (at.as_nanos(), value.0)).collect(),
                    is_step: step,
                    period_ns: period_s.map(Seconds::as_nanos),
                }
            }
            Shape::Sum { ref of } => {
                let curves: Result<_, _> = of.iter().map(|part| Curve::new(part, stream)).collect();
                Curve::Sum(curves?)
            }
        })
    }

    pub(super) fn at(&self, now_ns: u64) -> i64 {
        match self {
            Curve::Constant(value) => *value,
            Curve::Ramp { from, to, start_ns, duration_ns } => {
                let passed_ns = now_ns.saturating_sub(*start_ns);
                if now_ns < *start_ns {
                    *from
                } else if passed_ns >= *duration_ns {
                    *to
                } else {
                    let climbed = (i128::from(*to) - i128::from(*from)) * i128::from(passed_ns);
                    narrow(i128::from(*from) + climbed / i128::from(*duration_ns))
                }
            }
            Curve::Sine { mean, amplitude, period_ns, offset_ns } => {
                let phase_ns = (u128::from(now_ns) + u128::from(period_ns - offset_ns)) % u128::from(*period_ns);
                let turn = (phase_ns << 32) / u128::from(*period_ns);
                let turn = u32::try_from(turn).expect("a phase is below its period");
                let swing = i128::from(*amplitude) * i128::from(sine(turn)) / i128::from(ONE);
                narrow(i128::from(*mean) + swing)
            }
            Curve::Noise(noise) => noise.at(now_ns),
            Curve::Points { points, is_step, period_ns } => {
                let at_ns = period_ns.map_or(now_ns, |period_ns| now_ns % period_ns);
                between(points, *is_step, at_ns)
            }
            Curve::Sum(of) => of.iter().fold(0, |sum, part| sum.saturating_add(part.at(now_ns))),
        }
    }
}

/// The value at an instant; that of the first point before it, and of the last one after it.
fn between(points: &[(u64, i64)], is_step: bool, at_ns: u64) -> i64 {
    let next = points.partition_point(|(point_ns, _)| *point_ns <= at_ns);
    match (next.checked_sub(1).map(|before| points[before]), points.get(next)) {
        (None, Some((_, first))) => *first,
        (Some((before_ns, before)), Some((after_ns, after))) if !is_step => {
            let climbed = (i128::from(*after) - i128::from(before)) * i128::from(at_ns - before_ns);
            narrow(i128::from(before) + climbed / i128::from(after_ns - before_ns))
        }
        (Some((_, before)), _) => before,
        (None, None) => 0,
    }
}

fn not_negative(amplitude: Micro) -> Result<i64, ShapeError> {
    if amplitude.0 < 0 {
        return Err(ShapeError::Amplitude);
    }
    Ok(amplitude.0)
}

fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::super::Signal;
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn signal(toml: &str, seed: u64) -> Signal {
        let shape: Shape = toml::from_str(toml).unwrap();
        Signal::new(&shape, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
    }

    #[test]
    fn a_day_reads_as_it_is_written() {
        let outdoors = signal("shape = 'sine'\nmean = 15\namplitude = 7.5\noffset_s = 32400", 1);
        let at_hour = |hour: u64| outdoors.at(hour * 3_600 * SECOND_NS);
        assert_eq!(at_hour(9), 15_000_000);
        assert_eq!(at_hour(15), 22_500_000);
        assert_eq!(at_hour(21), 15_000_000);
        assert_eq!(at_hour(24 + 3), 7_500_000);
    }

    #[test]
    fn a_ramp_is_level_before_and_after() {
        let oven = signal("shape = 'ramp'\nfrom = 20.0\nto = 180\nstart_s = 10\nduration_s = 160", 1);
        let values = [0, 10, 11, 90, 170, 10_000].map(|second| oven.at(second * SECOND_NS));
        assert_eq!(values, [20_000_000, 20_000_000, 21_000_000, 100_000_000, 180_000_000, 180_000_000]);
    }

    #[test]
    fn points_are_replayed() {
        let values = |more: &str| {
            let text = format!("shape = 'points'\npoints = [[1, 10.0], [3, 20.0], [4, 20.5]]\n{more}");
            let signal = signal(&text, 1);
            [0, 1_000, 2_000, 3_500, 4_000, 9_000].map(|ms| signal.at(ms * 1_000_000) / 1_000)
        };
        assert_eq!(values(""), [10_000, 10_000, 15_000, 20_250, 20_500, 20_500]);
        assert_eq!(values("step = true"), [10_000, 10_000, 10_000, 20_000, 20_500, 20_500]);
        assert_eq!(values("period_s = 7"), [10_000, 10_000, 15_000, 20_250, 20_500, 15_000]);
        for wrong in ["points = []", "points = [[1, 1], [1, 2]]", "points = [[1, 1], [2, 2]]\nperiod_s = 1.5"] {
            let shape: Shape = toml::from_str(&format!("shape = 'points'\n{wrong}")).unwrap();
            assert_eq!(Signal::new(&shape, &mut ChaCha8Rng::seed_from_u64(1)).unwrap_err(), ShapeError::Points);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |toml: &str| toml::from_str::<Shape>(toml).unwrap_err().to_string();
        assert!(refused("shape = 'sine'\nmean = 1\namplitude = 1\nperiod = 5").contains("unknown field `period`"));
        assert!(refused("shape = 'ramp'\nfrom = 1\nto = 2\nduration_s = -1").contains("a number of seconds"));
        assert!(refused("shape = 'constant'\nvalue = 1e300").contains("a number between"));

        let shape: Shape = toml::from_str("shape = 'sine'\nmean = 1\namplitude = 1\nperiod_s = 0").unwrap();
        let stream = &mut ChaCha8Rng::seed_from_u64(1);
        assert_eq!(Signal::new(&shape, stream).unwrap_err(), ShapeError::Period);
    }

    #[test]
    fn what_is_written_reads_back() {
        let shape = Shape::Sum {
            of: vec![
                Shape::Constant { value: Micro(-21_375_001) },
                Shape::Noise { amplitude: Micro(250_000), interval_s: Seconds::from_nanos(1_500_000_000), octaves: 3 },
            ],
        };
        let text = toml::to_string(&shape).unwrap();
        assert_eq!(toml::from_str::<Shape>(&text).unwrap(), shape, "{text}");
    }

    #[test]
    fn a_wandering_room_is_pinned() {
        let room = signal(
            "shape = 'sum'\n[[of]]\nshape = 'constant'\nvalue = 21\n\
             [[of]]\nshape = 'noise'\namplitude = 2\ninterval_s = 60\noctaves = 6",
            42,
        );
        let minutes = [0, 1, 2, 3, 4, 60, 1_440].map(|minute| room.at(minute * 60 * SECOND_NS));
        let pinned = [20_226_204, 20_312_920, 20_317_668, 20_495_175, 20_550_686, 20_108_356, 20_591_224];
        assert_eq!(minutes, pinned);
    }

    proptest! {
        #[test]
        fn noise_keeps_to_its_amplitude_and_does_not_jump(
            seed: u64, now_ns in 0..u64::MAX / 2, amplitude in 0..1_000_000_000_i64, octaves in 1_u8..=16,
        ) {
            let shape = Shape::Noise { amplitude: Micro(amplitude), interval_s: Seconds::from_secs(1), octaves };
            let noise = Signal::new(&shape, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
            let value = noise.at(now_ns);
            prop_assert!(value.abs() <= amplitude);
            // The steepest that smoothstep gets is 1.5 times the straight line between the extremes.
            let later = noise.at(now_ns + 1_000_000);
            prop_assert!((later - value).abs() <= 3 * amplitude / 1_000 + 2, "{value} {later}");
        }
    }
}
