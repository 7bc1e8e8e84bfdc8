//! How much is added to a link's latency.

use std::sync::Arc;

use super::correlated::blend;
use super::dice::Dice;
use super::luck::GROUP;
use crate::random::{Probability, below};
use crate::time::{Duration, nanos};

/// A random share of the delay of each frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delay {
    /// How it is distributed.
    pub shape: Shape,
    /// How much each resembles the last one, by netem's formula.
    pub correlation: Probability,
}

/// How delays are distributed. What would make the whole delay negative makes it nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// Evenly from nothing to so much more than the latency.
    Uniform(Duration),
    /// Around the latency, with this standard deviation.
    Normal(Duration),
    /// netem's `pareto`: around the latency, with a long tail to later, in units of this deviation. The distribution is
    /// (u^(-1/3) - 1.5) · 4/3, cut at 4.
    Pareto(Duration),
    /// netem's `paretonormal`: a quarter normal and three quarters Pareto, cut at ±4 deviations.
    ParetoNormal(Duration),
    /// More than the latency by this much on average, memoryless.
    Exponential(Duration),
    /// More than the latency by one of these, all equally likely, in nanoseconds.
    Table(Arc<[u64]>),
}

/// A delay that draws from a stream.
pub(super) struct DelayModel {
    kind: Kind,
    dice: Dice,
}

/// What words become; the usual one is at hand.
enum Kind {
    /// Evenly something below this, each on its own.
    Even(u64),
    Other(Box<Other>),
}

/// A delay with the last value of its chance.
struct Other {
    delay: Delay,
    last: Option<u64>,
}

impl DelayModel {
    /// One that draws from the stream of that label.
    pub(super) fn new(delay: &Delay, label: &str) -> Self {
        let kind = match delay.shape {
            Shape::Uniform(most) if delay.correlation.is_never() => Kind::Even(even(most)),
            _ => Kind::Other(Box::new(Other { delay: delay.clone(), last: None })),
        };
        Self { dice: Dice::new(label, 2), kind }
    }

    /// Whether each is on its own, nothing or more, and below that many nanoseconds.
    pub(super) const fn is_even_below(&self, ns: u64) -> bool {
        matches!(self.kind, Kind::Even(bound) if bound <= ns)
    }

    /// What is added to the latency of each frame of a group, in nanoseconds, where it is [below](Self::is_even_below) what 32
    /// bits can say.
    pub(super) fn group_ns(&mut self, seed: u64, group: u64) -> [u32; GROUP] {
        let Kind::Even(bound) = self.kind else { return [0; GROUP] };
        self.dice.wide_group(seed, group).map(|word| below(word, bound) as u32)
    }

    /// What is added to the latency of a frame, in nanoseconds.
    #[inline]
    pub(super) fn extra_ns(&mut self, seed: u64, ordinal: u64) -> i64 {
        let word = self.dice.wide(seed, ordinal);
        match &mut self.kind {
            Kind::Even(bound) => below(word, *bound) as i64,
            Kind::Other(other) => other.extra_ns(word),
        }
    }
}

impl Other {
    fn extra_ns(&mut self, word: u64) -> i64 {
        let mut word = word;
        if !self.delay.correlation.is_never() {
            word = self.last.map_or(word, |last| blend(word, last, self.delay.correlation, 64));
            self.last = Some(word);
        }
        self.delay.shape.extra_ns(word)
    }
}

/// One more than the most that is added.
fn even(most: Duration) -> u64 {
    nanos(most).saturating_add(1).min(i64::MAX as u64)
}

impl Shape {
    pub(super) fn extra_ns(&self, word: u64) -> i64 {
        match self {
            Self::Uniform(most) => below(word, even(*most)) as i64,
            Self::Normal(deviation) => scaled(normal(unit(word)), *deviation),
            Self::Pareto(deviation) => scaled(pareto(unit(word)), *deviation),
            Self::ParetoNormal(deviation) => {
                let u = unit(word);
                scaled((0.25 * normal(u) + 0.75 * pareto(u)).clamp(-CUT, CUT), *deviation)
            }
            Self::Exponential(mean) => scaled(-libm::log(1.0 - unit(word)), *mean),
            Self::Table(table) => table
                .get(below(word, table.len() as u64) as usize)
                .map_or(0, |ns| i64::try_from(*ns).unwrap_or(i64::MAX)),
        }
    }
}

/// Where netem's tables end: 32,767 steps of 1/8192.
const CUT: f64 = 32_767.0 / 8_192.0;

/// In 0..1, both excluded.
pub(in crate::net) fn unit(word: u64) -> f64 {
    ((word >> 12) as f64 + 0.5) / 4_503_599_627_370_496.0
}

fn scaled(times: f64, deviation: Duration) -> i64 {
    // A cast from a float saturates.
    libm::rint(times * nanos(deviation) as f64) as i64
}

/// The quantile of netem's Pareto distribution: of three as its exponent.
fn pareto(u: f64) -> f64 {
    ((1.0 / libm::cbrt(1.0 - u) - 1.5) * 4.0 / 3.0).min(CUT)
}

/// The quantile of the normal distribution, by P. J. Acklam's rational approximation (relative error below 1.2e-9).
pub(in crate::net) fn normal(u: f64) -> f64 {
    const LOW: f64 = 0.02425;
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];
    let tail = |u: f64| {
        let q = libm::sqrt(-2.0 * libm::log(u));
        polynomial(&C, q) / polynomial(&D, q)
    };
    if u < LOW {
        tail(u)
    } else if u > 1.0 - LOW {
        -tail(1.0 - u)
    } else {
        let q = u - 0.5;
        let r = q * q;
        polynomial(&A, r) * q / polynomial(&B, r)
    }
}

/// By Horner, the highest power first.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 1_000_000;
    const MS: Duration = Duration::from_millis(1);

    fn drawn(shape: &Shape) -> impl Iterator<Item = f64> {
        let delay = Delay { shape: shape.clone(), correlation: Probability::NEVER };
        let mut model = DelayModel::new(&delay, "test/jitter");
        (0..DRAWS).map(move |ordinal| model.extra_ns(9, ordinal as u64) as f64 / 1e6)
    }

    /// χ² over fifty bins of the same probability; 49 degrees of freedom, 85.4 at 0.1 %. What is cut off at the end lies
    /// in the last one.
    fn assert_is(name: &str, shape: &Shape, distribution: impl Fn(f64) -> f64) {
        let mut bins = [0.0; 50];
        for x in drawn(shape) {
            bins[((distribution(x) * 50.0) as usize).min(49)] += 1.0;
        }
        let expected = DRAWS as f64 / 50.0;
        let chi2: f64 = bins.iter().map(|seen| (seen - expected) * (seen - expected) / expected).sum();
        assert!(chi2 < 85.4, "{name}: {chi2}");
    }

    fn normal_distribution(x: f64) -> f64 {
        0.5 * libm::erfc(-x / 2.0_f64.sqrt())
    }

    fn pareto_distribution(x: f64) -> f64 {
        if x < -2.0 / 3.0 { 0.0 } else { 1.0 - (0.75 * x + 1.5).powi(-3) }
    }

    #[test]
    fn each_is_what_it_says() {
        assert_is("uniform", &Shape::Uniform(MS), |x| x.clamp(0.0, 1.0));
        assert_is("normal", &Shape::Normal(MS), normal_distribution);
        assert_is("exponential", &Shape::Exponential(MS), |x| 1.0 - (-x).exp());
        assert_is("pareto", &Shape::Pareto(MS), pareto_distribution);
    }

    /// Over a million draws each, a delay is to the one before as netem's formula says: a moving average, whose neighbours
    /// correlate by the share itself.
    #[test]
    fn delays_resemble_the_ones_before() {
        for percent in [0, 25, 50, 90] {
            let correlation = Probability::from_parts_per_billion(percent * 10_000_000);
            let mut model = DelayModel::new(&Delay { shape: Shape::Uniform(MS), correlation }, "test/jitter");
            let delays: Vec<f64> = (0..DRAWS).map(|ordinal| model.extra_ns(9, ordinal as u64) as f64).collect();
            let mean = delays.iter().sum::<f64>() / DRAWS as f64;
            let variance = delays.iter().map(|delay| (delay - mean).powi(2)).sum::<f64>();
            let covariance = delays.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>();
            let seen = covariance / variance;
            assert!((seen - percent as f64 / 100.0).abs() < 0.005, "{seen} for {percent} %");
        }
    }

    /// A mixture of quantiles has no closed distribution; the shares below its own quantiles are compared.
    #[test]
    fn a_quarter_normal_and_three_quarters_pareto() {
        let quantile = |u: f64| 0.25 * invert(normal_distribution, u) + 0.75 * invert(pareto_distribution, u).min(CUT);
        let bounds: Vec<f64> = (1..20).map(|at| quantile(f64::from(at) / 20.0)).collect();
        let mut bins = [0.0; 20];
        for x in drawn(&Shape::ParetoNormal(MS)) {
            bins[bounds.partition_point(|bound| *bound <= x)] += 1.0;
        }
        let expected = DRAWS as f64 / 20.0;
        let chi2: f64 = bins.iter().map(|seen| (seen - expected) * (seen - expected) / expected).sum();
        // 19 degrees of freedom, at 0.1 %.
        assert!(chi2 < 43.8, "{chi2}");
    }

    fn invert(distribution: impl Fn(f64) -> f64, u: f64) -> f64 {
        let (mut low, mut high) = (-10.0, 10.0);
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            if distribution(middle) < u {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// A table as iproute2 ships it for netem: deviations, in steps of 1/8192, sorted.
    fn shipped(name: &str) -> Option<Vec<f64>> {
        let folders = ["/usr/lib/tc", "/usr/lib/x86_64-linux-gnu/tc", "/usr/lib/aarch64-linux-gnu/tc"];
        let text = folders.iter().find_map(|folder| std::fs::read_to_string(format!("{folder}/{name}.dist")).ok())?;
        let numbers = text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
        let mut table: Vec<f64> = numbers.map(|number| number.parse::<f64>().expect("a number") / 8_192.0).collect();
        table.sort_by(f64::total_cmp);
        Some(table)
    }

    /// What the kernel's netem draws from these tables is distributed as what we draw from formulas: the distance of
    /// Kolmogorov and Smirnov over a million draws (0.002 at 0.1 %), and one step of a table of 4,096.
    #[test]
    fn tables_that_iproute2_ships_are_the_same_distributions() {
        let shapes =
            [("normal", Shape::Normal(MS)), ("pareto", Shape::Pareto(MS)), ("paretonormal", Shape::ParetoNormal(MS))];
        for (name, shape) in shapes {
            let Some(table) = shipped(name) else {
                println!("skipped: iproute2's tables are not on this machine");
                return;
            };
            let mut draws: Vec<f64> = drawn(&shape).collect();
            draws.sort_by(f64::total_cmp);
            let below =
                |values: &[f64], x: f64| values.partition_point(|value| *value < x) as f64 / values.len() as f64;
            let distance = |x: f64| (below(&table, x) - below(&draws, x)).abs();
            // Halfway between the steps, so that what is rounded to one is on the same side in both.
            let worst = (-40_000..40_000).step_by(7).map(|step| distance((f64::from(step) + 0.5) / 8_192.0));
            let worst = worst.fold(0.0, f64::max);
            println!("{name}: {} values, at most {worst} apart", table.len());
            assert!(worst < 0.004, "{name}: {worst}");
        }
    }

    #[test]
    fn a_table_gives_each_of_its_values_alike() {
        let table: Vec<u64> = (0..16).map(|at| at * at * 1_000_000).collect();
        let mut seen = [0.0; 16];
        for x in drawn(&Shape::Table(table.clone().into())) {
            seen[table.partition_point(|ns| (*ns as f64 / 1e6) < x)] += 1.0;
        }
        let expected = DRAWS as f64 / 16.0;
        let chi2: f64 = seen.iter().map(|seen| (seen - expected) * (seen - expected) / expected).sum();
        // 15 degrees of freedom, at 0.1 %.
        assert!(chi2 < 37.7, "{chi2}");
    }

    #[test]
    fn netems_pareto_is_cut_where_its_table_ends() {
        let cut = drawn(&Shape::Pareto(MS)).filter(|x| *x >= CUT - 1e-6).count() as f64;
        // (0.75 · 4 + 1.5)^-3 of them lie beyond; ± 4 deviations.
        let expected = DRAWS as f64 * (0.75 * CUT + 1.5).powi(-3);
        assert!((cut - expected).abs() < 4.0 * expected.sqrt(), "{cut} for {expected}");
        assert!(Shape::Normal(MS).extra_ns(0) < -7_000_000, "the normal one is not");
    }
}
