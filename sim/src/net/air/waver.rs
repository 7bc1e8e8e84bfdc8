//! How a signal's strength varies about what its distance says: shadowing, and the many ways that it comes by.
//!
//! What two stations' signals gain or lose is drawn for the two of them, the same either way, and again once the coherence time
//! is over, if there is one. So who hears whom does not depend on who sends when.

use rand_core::Rng;

use crate::net::impair::{normal, unit};
use crate::random::Stream;
use crate::time::{Duration, nanos};

/// What signals gain or lose besides what the distance takes. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waver {
    /// By walls and furniture in the way.
    pub shadowing: Option<Shadowing>,
    /// By coming many ways at a time.
    pub multipath: Option<Multipath>,
}

/// Log-normal shadowing: so many decibels more or fewer, normally distributed about none (Rappaport, "Wireless Communications",
/// section 4.9.2). No more than four deviations either way, of which one draw in 16,000 would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shadowing {
    /// The standard deviation, in hundredths of a decibel.
    pub deviation_cdb: u32,
    /// How long it stays as it is; `None` is for good.
    pub coherence: Option<Duration>,
}

/// Nakagami fading: the power is gamma distributed with shape `m` about its mean (Nakagami, "The m-Distribution", 1960); with 1
/// that is Rayleigh's. It is ten times the mean at most, and a ten thousandth at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multipath {
    /// The shape: the greater, the less it varies. From 1 to 20.
    pub m: u32,
    /// How long it stays as it is; `None` is for good.
    pub coherence: Option<Duration>,
}

/// How many deviations shadowing comes to at most.
const DEVIATIONS_MAX: f64 = 4.0;
/// What many ways give at most, and take at most, in hundredths of a decibel.
const MULTIPATH_CDB: [i32; 2] = [-4_000, 1_000];

impl Waver {
    /// Whether there is none.
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The most that a signal can gain, in hundredths of a decibel.
    pub(super) fn most_cdb(&self) -> i32 {
        let shadowing = self.shadowing.map_or(0, |it| (f64::from(it.deviation_cdb) * DEVIATIONS_MAX) as i32);
        shadowing.saturating_add(self.multipath.map_or(0, |_| MULTIPATH_CDB[1]))
    }

    /// Until when what is drawn at an instant holds.
    pub(super) fn holds_until(&self, now: u64) -> u64 {
        let times = [self.shadowing.and_then(|it| it.coherence), self.multipath.and_then(|it| it.coherence)];
        let ends = times.into_iter().flatten().map(|time| (turn(now, time) + 1).saturating_mul(nanos(time).max(1)));
        ends.min().unwrap_or(u64::MAX)
    }

    /// What signals between two stations of the air of that name gain at an instant, in hundredths of a decibel. Stations are
    /// known by their addresses.
    pub(super) fn gain_cdb(&self, seed: u64, air: &str, one: u64, other: u64, now: u64) -> i32 {
        let between = |what: &str, coherence: Option<Duration>| {
            let (low, high) = (one.min(other), one.max(other));
            let turn = coherence.map_or(0, |coherence| turn(now, coherence));
            Stream::new(seed, &format!("air/{air}/{what}/{low:016x}/{high:016x}/{turn}"))
        };
        let shadowing = self.shadowing.map_or(0, |it| it.draw(&mut between("shadowing", it.coherence)));
        shadowing + self.multipath.map_or(0, |it| it.draw(&mut between("multipath", it.coherence)))
    }
}

fn turn(now: u64, coherence: Duration) -> u64 {
    now / nanos(coherence).max(1)
}

impl Shadowing {
    fn draw(&self, stream: &mut Stream) -> i32 {
        let deviations = normal(unit(stream.next_u64())).clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX);
        libm::rint(deviations * f64::from(self.deviation_cdb)) as i32
    }
}

impl Multipath {
    /// A gamma distribution of a whole shape is a sum of exponential ones (Erlang's).
    fn draw(&self, stream: &mut Stream) -> i32 {
        let sum: f64 = (0..self.m).map(|_| -libm::log(unit(stream.next_u64()))).sum();
        let cdb = libm::rint(1_000.0 * libm::log10(sum / f64::from(self.m.max(1))));
        (cdb as i32).clamp(MULTIPATH_CDB[0], MULTIPATH_CDB[1])
    }
}

/// What an air knows of how its signals vary.
#[derive(Clone, Copy, Default)]
pub(super) struct Variation {
    pub(super) waver: Waver,
    pub(super) seed: u64,
}

impl Variation {
    pub(super) fn gain_cdb(&self, air: &str, one: u64, other: u64, now: u64) -> i32 {
        if self.waver.is_nothing() { 0 } else { self.waver.gain_cdb(self.seed, air, one, other, now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u64 = 1_000_000;

    /// The largest distance between what is drawn and what should be (Kolmogorov and Smirnov), which exceeds
    /// 1.95 / sqrt(draws) in one case of 1,000. Draws are in hundredths, so each counts half at its own place.
    fn assert_is(draw: impl Fn(&mut Stream) -> i32, cumulative: impl Fn(f64) -> f64) {
        let mut stream = Stream::new(11, "test/waver");
        let mut draws: Vec<i32> = (0..DRAWS).map(|_| draw(&mut stream)).collect();
        draws.sort_unstable();
        let mut farthest = 0.0_f64;
        let mut from = 0;
        while from < draws.len() {
            let to = from + draws[from..].partition_point(|other| *other == draws[from]);
            let upper = cumulative(f64::from(draws[from]) + 0.5);
            farthest = farthest.max((to as f64 / DRAWS as f64 - upper).abs());
            from = to;
        }
        assert!(farthest < 1.95 / (DRAWS as f64).sqrt(), "{farthest}");
    }

    #[test]
    fn shadowing_is_normal_in_decibels() {
        let shadowing = Shadowing { deviation_cdb: 800, coherence: None };
        assert_is(|stream| shadowing.draw(stream), |cdb| 0.5 * libm::erfc(-cdb / 800.0 / std::f64::consts::SQRT_2));
    }

    /// The gamma distribution of whole shape: one less the first terms of Poisson's.
    #[test]
    fn multipath_is_gamma_in_power() {
        for m in [1, 4] {
            let erlang = |power: f64| {
                let x = power * f64::from(m);
                let (mut term, mut sum) = (1.0, 1.0);
                for k in 1..m {
                    term *= x / f64::from(k);
                    sum += term;
                }
                1.0 - sum * (-x).exp()
            };
            let multipath = Multipath { m, coherence: None };
            assert_is(|stream| multipath.draw(stream), |cdb| erlang(10_f64.powf(cdb / 1_000.0)));
        }
    }

    #[test]
    fn two_stations_have_one_draw_and_each_time_its_own() {
        let coherence = Some(Duration::from_millis(10));
        let waver = Waver {
            shadowing: Some(Shadowing { deviation_cdb: 600, coherence: None }),
            multipath: Some(Multipath { m: 1, coherence }),
        };
        let gain = |one, other, ms: u64| waver.gain_cdb(5, "loft", one, other, ms * 1_000_000);
        assert_ne!(gain(1, 2, 0), waver.gain_cdb(5, "cellar", 1, 2, 0), "of another air");
        assert_eq!(gain(1, 2, 0), gain(2, 1, 9), "either way, and for as long as it holds");
        assert_ne!(gain(1, 2, 0), gain(1, 2, 10));
        assert_ne!(gain(1, 2, 0), gain(1, 3, 0));
        assert_eq!((waver.holds_until(0), waver.holds_until(25_000_000)), (10_000_000, 30_000_000));
        assert_eq!(Waver::default().holds_until(7), u64::MAX);
        let most = (0..10_000).map(|ms| gain(1, 2, ms * 10)).max();
        assert!(most.is_some_and(|most| most <= waver.most_cdb()), "{most:?}");
    }
}
