//! An analogue-to-digital converter: a voltage becomes a number of steps of its reference.
//!
//! embedded-hal has no trait for converters, so that a [`Channel`] has plain methods: [`sample`](Channel::sample) blocks for a
//! conversion, [`read`](Channel::read) waits for it. Code that is to run on boards too takes a closure that gives a reading.
//! A converter without noise of its own rounds down, and saturates at the reference; its noise, and a reference that drifts,
//! come as ailments.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::ailment::{Ailment, Case, Faulty, Ills, Onset};
use super::bench::{Bench, Cost};
use super::sense::Sense;

const HOUR_NS: i128 = 3_600_000_000_000;

/// What a converter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdcSpec {
    /// How many bits a reading has; 1 to 24.
    pub bits: u8,
    /// The voltage at which it saturates, in microvolts; above zero.
    pub reference_uv: u64,
    /// How long a conversion takes.
    pub conversion: Duration,
}

/// One input of a converter on a board; a cheap handle that outlives the node's restarts.
#[derive(Clone, Debug)]
pub struct Input(Rc<RefCell<Converter>>);

#[derive(Debug)]
struct Converter {
    spec: AdcSpec,
    /// In volts, whose millionths are microvolts.
    voltage: Sense,
    ills: Ills,
}

impl Input {
    /// An input at which this voltage is, in volts.
    ///
    /// # Panics
    /// If there is no such converter.
    #[must_use]
    pub fn new(spec: AdcSpec, voltage: Sense) -> Self {
        assert!((1..=24).contains(&spec.bits) && spec.reference_uv > 0, "a converter has bits and a reference");
        Self(Rc::new(RefCell::new(Converter { spec, voltage, ills: Ills::default() })))
    }

    /// What a conversion at `now_ns` gives.
    #[must_use]
    pub fn convert(&self, now_ns: u64) -> u32 {
        let Converter { spec, voltage, ills } = &mut *self.0.borrow_mut();
        let steps = 1_i128 << spec.bits;
        let voltage_uv = i128::from(voltage.at(now_ns));
        let reading = |reference_uv: i128| (voltage_uv * steps).div_euclid(reference_uv.max(1));
        let mut code = reading(spec.reference_uv.into());
        if !ills.is_empty() {
            code = astray(code, now_ns, ills, spec.reference_uv.into(), &reading);
        }
        code.clamp(0, steps - 1) as u32
    }

    fn conversion(&self) -> Duration {
        self.0.borrow().spec.conversion
    }
}

/// What ailments make of a reading, the earliest first.
#[cold]
fn astray(plain: i128, now_ns: u64, ills: &mut Ills, reference_uv: i128, reading: &dyn Fn(i128) -> i128) -> i128 {
    let (mut reference_uv, mut noise) = (reference_uv, 0);
    for ill in ills.iter_mut() {
        match ill.ailment {
            Ailment::AdcReference { micro_per_hour } => {
                let passed = i128::from(now_ns.saturating_sub(ill.since_ns));
                let off_uv = passed * i128::from(micro_per_hour) / HOUR_NS;
                reference_uv += off_uv;
                let steps = reading(reference_uv).abs_diff(plain);
                if steps > 0 {
                    ill.case.felt(u64::try_from(steps).unwrap_or(u64::MAX));
                }
            }
            Ailment::AdcNoise { steps } => {
                let drawn = i128::from(ill.stream.below(2 * u64::from(steps) + 1)) - i128::from(steps);
                noise += drawn;
                if drawn != 0 {
                    ill.case.felt(u64::try_from(drawn.unsigned_abs()).unwrap_or(u64::MAX));
                }
            }
            _ => {}
        }
    }
    reading(reference_uv) + noise
}

impl Faulty for Input {
    fn begin(&self, ailment: Ailment, onset: Onset) {
        self.0.borrow_mut().ills.begin(ailment, onset, 0);
    }

    fn end(&self, case: Case) {
        self.0.borrow_mut().ills.end(case);
    }
}

/// A node's converter at an [`Input`].
#[derive(Clone, Debug)]
pub struct Channel<B> {
    input: Input,
    bench: B,
}

impl<B: Cost> Channel<B> {
    /// The channel of a node that has just booted.
    pub fn new(input: Input, bench: B) -> Self {
        Self { input, bench }
    }

    fn start_ns(&self) -> u64 {
        self.bench.now_ns() + self.bench.debt_ns()
    }

    /// A reading, for which the node waits: what was there as the conversion began.
    pub fn sample(&mut self) -> u32 {
        let (start_ns, conversion) = (self.start_ns(), self.input.conversion());
        self.bench.works(start_ns, start_ns + crate::time::nanos(conversion));
        self.bench.busy(conversion);
        self.input.convert(start_ns)
    }
}

impl<B: Bench> Channel<B> {
    /// A reading, while the node's other tasks run: what was there as the conversion began.
    pub async fn read(&mut self) -> u32 {
        let start_ns = self.start_ns();
        let end_ns = start_ns + crate::time::nanos(self.input.conversion());
        self.bench.works(start_ns, end_ns);
        let code = self.input.convert(start_ns);
        self.bench.sleep_until_ns(end_ns).await;
        code
    }
}

#[cfg(test)]
mod tests {
    use super::super::signal::Signal;
    use super::*;
    use crate::hw::Meter;
    use crate::random::Stream;

    fn input(micro: i64) -> Input {
        let spec = AdcSpec { bits: 12, reference_uv: 3_300_000, conversion: Duration::from_micros(10) };
        Input::new(spec, Sense::new(Signal::constant(micro)))
    }

    fn begin(input: &Input, number: u32, ailment: Ailment) {
        input.begin(ailment, Onset { now_ns: 0, case: Case::detached(number), stream: Stream::new(1, "test") });
    }

    #[test]
    fn it_counts_steps_and_saturates() {
        let codes = [-1, 0, 805, 806, 1_650_000, 3_299_999, 9_000_000].map(|micro| input(micro).convert(0));
        assert_eq!(codes, [0, 0, 0, 1, 2_048, 4_095, 4_095]);
    }

    #[test]
    fn a_conversion_takes_its_time() {
        let meter = Rc::new(Meter::new());
        let mut channel = Channel::new(input(1_650_000), Rc::clone(&meter));
        assert_eq!(channel.sample(), 2_048);
        assert_eq!(meter.take_debt(), Duration::from_micros(10));
    }

    #[test]
    fn it_is_noisy_and_its_reference_drifts() {
        let noisy = input(1_650_000);
        begin(&noisy, 1, Ailment::AdcNoise { steps: 3 });
        let codes: Vec<u32> = (0..200).map(|_| noisy.convert(0)).collect();
        assert!((2_045..=2_051).all(|code| codes.contains(&code)), "{codes:?}");
        assert!(codes.iter().all(|code| (2_045..=2_051).contains(code)));
        noisy.end(Case::detached(1));
        // A tenth more of the reference after an hour: a reading of ten elevenths.
        begin(&noisy, 2, Ailment::AdcReference { micro_per_hour: 330_000 });
        assert_eq!([0, HOUR_NS as u64].map(|now_ns| noisy.convert(now_ns)), [2_048, 1_861]);
    }
}
