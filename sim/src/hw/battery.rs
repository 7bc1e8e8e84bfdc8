//! A battery, and what draws from it.
//!
//! Charge is counted in attocoulombs, which a nanoampere moves in a nanosecond: all of it is integers, and what is left
//! at an instant does not depend on how often anybody looked before. Nothing runs in between: a battery is settled when
//! something about its load changes, and says itself when it will sag below what its node runs at.
//!
//! The model is a voltage by the charge that is left, and a resistance in series. Not here: temperature, recovery after a
//! load, and capacity that depends on the current.

use std::collections::VecDeque;
use std::time::Duration;

/// What a node with a battery says of it, beside what its kind says: the name and what it is.
pub const METRICS: &[(&str, &str)] = &[
    ("energy.uj", "energy drawn from its battery so far, in microjoules"),
    ("energy.uj.per.message", "the same for each message of `messages`, once there is one"),
    ("battery.permille", "what is left of its battery's capacity, in thousandths"),
    ("battery.mv", "its battery's voltage under load, in millivolts"),
    ("brown.outs", "times that it lost its power because its battery sagged"),
];

/// A battery and the table of what draws from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatterySpec {
    /// What it holds when it is full, in nanocoulombs: 1 mAh is 3,600,000,000.
    pub capacity_nc: u64,
    /// How much of that is there at the start, in parts in 10⁹.
    pub charge_ppb: u32,
    /// Its voltage without a load, in microvolts, by the parts in 10⁹ of charge that are left: straight lines between
    /// these points, level beyond them. In the order of the charge, no voltage below the one before it, and none above
    /// [`VOLTAGE_UV_MAX`].
    pub curve: Vec<(u32, u64)>,
    /// Its resistance, in milliohms: a load lowers the voltage by as much as the current drops over it.
    pub resistance_mohm: u64,
    /// Below this voltage under load the node loses its power, in microvolts.
    pub brown_out_uv: u64,
    /// From this voltage on under the load of an idle node it gets it back.
    pub recovers_uv: u64,
    /// How long the board's capacitors carry it while the voltage is too low.
    pub hold_up: Duration,
    /// How long the voltage has to be back before the node boots.
    pub restart: Duration,
    /// What the board draws.
    pub draw: Draw,
    /// What its radio draws on top, if it has one.
    pub radio: Option<Radio>,
    /// What its parts draw on top while they are at work, by name, in nanoamperes.
    pub parts: Vec<(String, u64)>,
    /// The metric of the node that counts what it has delivered, for the energy that one costs.
    pub messages: Option<String>,
}

/// A kilovolt, in microvolts: the most that a battery's curve has.
pub const VOLTAGE_UV_MAX: u64 = 1_000_000_000;

/// What a board draws in each state, in nanoamperes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draw {
    /// No program runs: it sleeps until an instant, has halted, or is about to boot.
    pub sleep_na: u64,
    /// The program runs and waits.
    pub idle_na: u64,
    /// The processor is at work: while a poll's time passes, and while code hangs.
    pub busy_na: u64,
}

/// What a radio draws, in nanoamperes, and how fast it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Radio {
    /// In bits a second; above zero.
    pub rate_bps: u64,
    /// What goes over the air with each frame on top of its bytes.
    pub overhead_bytes: u32,
    /// While it sends.
    pub transmit_na: u64,
    /// While it receives a frame for the node.
    pub receive_na: u64,
    /// All the time while the node's program runs.
    pub listen_na: u64,
}

impl Radio {
    fn airtime_ns(&self, bytes: usize) -> u64 {
        let bits = (bytes as u128 + u128::from(self.overhead_bytes)) * 8;
        u64::try_from(bits * 1_000_000_000 / u128::from(self.rate_bps.max(1))).unwrap_or(u64::MAX)
    }
}

/// What a node is doing all the time, as far as its battery knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// It has no power.
    #[default]
    Off,
    /// It has power, and no program runs.
    Sleep,
    /// Its program runs.
    Idle,
    /// Its program goes round in circles.
    Busy,
}

/// What can be said of when a battery sags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// At this instant, in the world's nanoseconds.
    Sags(u64),
    /// Not before this one.
    Unknown(u64),
    /// Never, if nothing changes.
    Lasts,
}

/// Something on a board that works for a while.
#[derive(Clone, Copy, Debug)]
struct Work {
    from_ns: u64,
    until_ns: u64,
    na: u64,
    /// It ends with the program.
    of_cpu: bool,
}

/// A battery in use. Its times are the world's nanoseconds, and never run backwards.
#[derive(Clone, Debug)]
pub struct Battery {
    spec: BatterySpec,
    /// The curve by attocoulombs.
    curve: Vec<(u128, u64)>,
    /// What is left, in attocoulombs, at `since_ns`.
    left_ac: u128,
    /// The energy in what was there at the start, in 10⁻²⁴ joules.
    whole_yj: u128,
    since_ns: u64,
    level: Level,
    /// Since when the voltage is too low, at `since_ns`.
    low_since_ns: Option<u64>,
    works: Vec<Work>,
    /// What the radio sends and receives, one after the other.
    on_air: VecDeque<Work>,
    /// What faults draw.
    drains: Vec<(u32, u64)>,
}

const AC_PER_NC: u128 = 1_000_000_000;

impl Battery {
    /// A battery that nothing draws from yet.
    ///
    /// # Panics
    /// If its curve is above [`VOLTAGE_UV_MAX`].
    #[must_use]
    pub fn new(spec: BatterySpec) -> Self {
        assert!(spec.curve.iter().all(|(_, uv)| *uv <= VOLTAGE_UV_MAX), "a battery has a kilovolt at most");
        let share = |ppb: u32| u128::from(spec.capacity_nc) * AC_PER_NC / 1_000_000_000 * u128::from(ppb);
        let curve = spec.curve.iter().map(|(ppb, uv)| (share(*ppb), *uv)).collect();
        let left_ac = share(spec.charge_ppb);
        let mut battery = Self {
            curve,
            left_ac,
            whole_yj: 0,
            since_ns: 0,
            level: Level::Off,
            low_since_ns: None,
            works: Vec::new(),
            on_air: VecDeque::new(),
            drains: Vec::new(),
            spec,
        };
        battery.whole_yj = battery.energy_yj(left_ac);
        battery
    }

    /// What it was made of.
    #[must_use]
    pub fn spec(&self) -> &BatterySpec {
        &self.spec
    }

    /// What a part of that name draws while it works, in nanoamperes.
    #[must_use]
    pub fn part_na(&self, name: &str) -> u64 {
        self.spec.parts.iter().find(|(part, _)| part == name).map_or(0, |(_, na)| *na)
    }

    /// Takes away what has been drawn up to `now_ns`.
    pub fn settle(&mut self, now_ns: u64) {
        while self.since_ns < now_ns {
            let (na, until_ns) = self.stretch(self.since_ns);
            let until_ns = until_ns.min(now_ns);
            self.low_since_ns = self.low_since_ns(self.low_since_ns, self.since_ns, self.left_ac, na, until_ns);
            let drawn_ac = u128::from(na) * u128::from(until_ns - self.since_ns);
            self.left_ac = self.left_ac.saturating_sub(drawn_ac);
            self.since_ns = until_ns;
        }
        self.works.retain(|work| work.until_ns > now_ns);
        while self.on_air.front().is_some_and(|work| work.until_ns <= now_ns) {
            self.on_air.pop_front();
        }
    }

    /// From now on the node does this.
    pub fn enter(&mut self, level: Level) {
        self.level = level;
        match level {
            Level::Off => {
                self.works.clear();
                self.on_air.clear();
                self.low_since_ns = None;
            }
            // What a part has begun, it ends.
            Level::Sleep => {
                self.works.retain(|work| !work.of_cpu && work.from_ns <= self.since_ns);
                self.on_air.retain(|work| work.from_ns <= self.since_ns);
            }
            Level::Idle | Level::Busy => {}
        }
    }

    /// Whether its node has no power.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.level == Level::Off
    }

    /// The processor works so long from now on.
    pub fn compute(&mut self, for_ns: u64) {
        let na = self.spec.draw.busy_na.saturating_sub(self.spec.draw.idle_na);
        let from_ns = self.since_ns;
        self.works.push(Work { from_ns, until_ns: from_ns.saturating_add(for_ns), na, of_cpu: true });
    }

    /// A part works for a while, and draws so much.
    pub fn work(&mut self, from_ns: u64, until_ns: u64, na: u64) {
        if until_ns > from_ns && na > 0 {
            self.works.push(Work { from_ns, until_ns, na, of_cpu: false });
        }
    }

    /// The radio sends a frame, once it has dealt with those before.
    pub fn transmit(&mut self, bytes: usize) {
        if let Some(radio) = self.spec.radio {
            self.on_air(bytes, &radio, radio.transmit_na);
        }
    }

    /// The radio has received a frame. What that took is drawn from here on.
    pub fn receive(&mut self, bytes: usize) {
        if let Some(radio) = self.spec.radio {
            self.on_air(bytes, &radio, radio.receive_na);
        }
    }

    fn on_air(&mut self, bytes: usize, radio: &Radio, na: u64) {
        let from_ns = self.on_air.back().map_or(self.since_ns, |last| last.until_ns);
        let until_ns = from_ns.saturating_add(radio.airtime_ns(bytes));
        self.on_air.push_back(Work { from_ns, until_ns, na, of_cpu: false });
    }

    /// A fault begins to draw.
    pub fn drain(&mut self, fault: u32, na: u64) {
        self.drains.push((fault, na));
    }

    /// It ceases to.
    pub fn undrain(&mut self, fault: u32) {
        self.drains.retain(|(drain, _)| *drain != fault);
    }

    /// Since it was made, in microjoules.
    #[must_use]
    pub fn drawn_uj(&self) -> u64 {
        let drawn_yj = self.whole_yj - self.energy_yj(self.left_ac);
        u64::try_from(drawn_yj / 1_000_000_000_000_000_000).unwrap_or(u64::MAX)
    }

    /// What is left, in nanocoulombs.
    #[must_use]
    pub fn left_nc(&self) -> u64 {
        u64::try_from(self.left_ac / AC_PER_NC).unwrap_or(u64::MAX)
    }

    /// What is left of what it holds when it is full, in thousandths.
    #[must_use]
    pub fn left_permille(&self) -> u64 {
        let whole_ac = u128::from(self.spec.capacity_nc).max(1) * AC_PER_NC;
        u64::try_from(self.left_ac * 1_000 / whole_ac).unwrap_or(u64::MAX)
    }

    /// Its voltage under its present load, in microvolts.
    #[must_use]
    pub fn voltage_uv(&self) -> u64 {
        let (na, _) = self.stretch(self.since_ns);
        self.open_uv(self.left_ac).saturating_sub(self.sag_uv(na))
    }

    /// Whether a node that has lost its power would have it again.
    #[must_use]
    pub fn recovers(&self) -> bool {
        let na = self.idle_na().saturating_add(self.drained_na());
        let needed_uv = self.spec.recovers_uv.saturating_add(self.sag_uv(na));
        self.left_ac > 0 && self.open_uv(self.left_ac) >= needed_uv
    }

    /// When a node that has power loses it, if nothing changes: at the instant of the last settling if it does so then.
    #[must_use]
    pub fn sags_at_ns(&self) -> Option<u64> {
        match self.outlook(usize::MAX) {
            Outlook::Sags(at_ns) => Some(at_ns),
            Outlook::Lasts | Outlook::Unknown(_) => None,
        }
    }

    /// What is seen of that by looking at so many stretches of even load, of which each piece of work ahead makes one.
    pub(crate) fn outlook(&self, stretches: usize) -> Outlook {
        if self.level == Level::Off {
            return Outlook::Lasts;
        }
        let hold_up_ns = u64::try_from(self.spec.hold_up.as_nanos()).unwrap_or(u64::MAX);
        let (mut at_ns, mut left_ac, mut low_since_ns) = (self.since_ns, self.left_ac, self.low_since_ns);
        for _ in 0..stretches {
            let (na, until_ns) = self.stretch(at_ns);
            low_since_ns = self.low_since_ns(low_since_ns, at_ns, left_ac, na, until_ns);
            let ends_ns = low_since_ns.map(|low_ns| low_ns.saturating_add(hold_up_ns).max(at_ns));
            // At the end of a stretch the load is another one, and the voltage may be back.
            if let Some(ends_ns) = ends_ns.filter(|ends_ns| *ends_ns < until_ns) {
                return Outlook::Sags(ends_ns);
            }
            if until_ns == u64::MAX {
                return Outlook::Lasts;
            }
            left_ac = left_ac.saturating_sub(u128::from(na) * u128::from(until_ns - at_ns));
            at_ns = until_ns;
        }
        Outlook::Unknown(at_ns)
    }

    /// Since when the voltage is too low at the end of a stretch that begins at `at_ns` with so much left, if it is.
    fn low_since_ns(&self, before: Option<u64>, at_ns: u64, left_ac: u128, na: u64, until_ns: u64) -> Option<u64> {
        let least_ac = self.least_ac(self.spec.brown_out_uv.saturating_add(self.sag_uv(na)));
        if left_ac < least_ac {
            return before.or(Some(at_ns));
        }
        let lasts_ns = (left_ac - least_ac).checked_div(u128::from(na))? + 1;
        u64::try_from(u128::from(at_ns) + lasts_ns).ok().filter(|low_ns| *low_ns < until_ns)
    }

    /// What is drawn at an instant, and until when that stays so.
    fn stretch(&self, at_ns: u64) -> (u64, u64) {
        let base_na = match self.level {
            Level::Off => 0,
            Level::Sleep => self.spec.draw.sleep_na,
            Level::Idle => self.idle_na(),
            Level::Busy => self.idle_na().max(self.spec.draw.busy_na.saturating_add(self.listen_na())),
        };
        let mut na = base_na.saturating_add(self.drained_na());
        let mut until_ns = u64::MAX;
        // Those on the air stand one behind the other: only the first that is not over yet counts.
        let next_on_air = self.on_air.partition_point(|work| work.until_ns <= at_ns);
        for work in self.works.iter().chain(self.on_air.get(next_on_air)) {
            if work.from_ns > at_ns {
                until_ns = until_ns.min(work.from_ns);
            } else if work.until_ns > at_ns {
                na = na.saturating_add(work.na);
                until_ns = until_ns.min(work.until_ns);
            }
        }
        (na, until_ns)
    }

    fn idle_na(&self) -> u64 {
        self.spec.draw.idle_na.saturating_add(self.listen_na())
    }

    fn listen_na(&self) -> u64 {
        self.spec.radio.map_or(0, |radio| radio.listen_na)
    }

    fn drained_na(&self) -> u64 {
        self.drains.iter().fold(0, |sum, (_, na)| sum.saturating_add(*na))
    }

    /// What a current drops over the battery's resistance, rounded up.
    fn sag_uv(&self, na: u64) -> u64 {
        let picovolts = u128::from(na) * u128::from(self.spec.resistance_mohm);
        u64::try_from(picovolts.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    /// The voltage without a load when so much is left.
    fn open_uv(&self, left_ac: u128) -> u64 {
        let above = self.curve.partition_point(|(ac, _)| *ac <= left_ac);
        match (above.checked_sub(1).and_then(|below| self.curve.get(below)), self.curve.get(above)) {
            (Some(&(low_ac, low_uv)), Some(&(high_ac, high_uv))) => {
                let climbed = u128::from(high_uv - low_uv) * (left_ac - low_ac) / (high_ac - low_ac);
                low_uv + u64::try_from(climbed).expect("less than the whole climb")
            }
            (Some((_, uv)), None) | (None, Some((_, uv))) => *uv,
            (None, None) => 0,
        }
    }

    /// The least charge with which the voltage without a load is `uv`, and no less than the last bit.
    fn least_ac(&self, uv: u64) -> u128 {
        let mut below: Option<(u128, u64)> = None;
        for &(ac, at_uv) in &self.curve {
            if at_uv >= uv {
                let least_ac = below.map_or(0, |(low_ac, low_uv)| {
                    low_ac + (u128::from(uv - low_uv) * (ac - low_ac)).div_ceil(u128::from(at_uv - low_uv))
                });
                return least_ac.max(1);
            }
            below = Some((ac, at_uv));
        }
        u128::MAX
    }

    /// The energy in so much charge, in 10⁻²⁴ joules: a function of the charge alone, so that it adds up however often
    /// anybody looks.
    fn energy_yj(&self, left_ac: u128) -> u128 {
        let (mut sum_yj, mut from_ac) = (0, 0);
        let ends = self.curve.iter().map(|(ac, _)| *ac).chain([u128::MAX]);
        for end_ac in ends {
            let until_ac = end_ac.min(left_ac);
            if until_ac > from_ac {
                let middle_ac = from_ac + (until_ac - from_ac) / 2;
                sum_yj += u128::from(self.open_uv(middle_ac)) * (until_ac - from_ac);
                from_ac = until_ac;
            }
        }
        sum_yj
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MA: u64 = 1_000_000;
    const S: u64 = 1_000_000_000;

    /// 1 mAh between 2 and 3 V.
    fn spec() -> BatterySpec {
        BatterySpec {
            capacity_nc: 3_600_000_000,
            charge_ppb: 1_000_000_000,
            curve: vec![(0, 2_000_000), (200_000_000, 2_800_000), (1_000_000_000, 3_000_000)],
            resistance_mohm: 0,
            brown_out_uv: 2_400_000,
            recovers_uv: 2_500_000,
            hold_up: Duration::ZERO,
            restart: Duration::from_millis(100),
            draw: Draw { sleep_na: 1_000, idle_na: MA, busy_na: 5 * MA },
            radio: Some(Radio {
                rate_bps: 250_000,
                overhead_bytes: 6,
                transmit_na: 10 * MA,
                receive_na: 8 * MA,
                listen_na: 0,
            }),
            parts: vec![("flash".to_owned(), 7 * MA)],
            messages: None,
        }
    }

    fn idle(spec: BatterySpec) -> Battery {
        let mut battery = Battery::new(spec);
        battery.enter(Level::Idle);
        battery
    }

    #[test]
    fn an_idle_node_lasts_as_long_as_the_arithmetic_says() {
        // 1 mA out of 1 mAh: 2.4 V are there with a tenth of it, which is left after 0.9 hours.
        let mut battery = idle(spec());
        assert_eq!(battery.sags_at_ns(), Some(3_240 * S + 1));
        battery.settle(3_240 * S);
        assert_eq!((battery.left_permille(), battery.voltage_uv()), (100, 2_400_000));
        assert_eq!(battery.sags_at_ns(), Some(3_240 * S + 1));
        assert!(!battery.recovers());
        // 0.8 × 2.9 V + 0.1 × 2.6 V of 3.6 C.
        assert_eq!(battery.drawn_uj(), 9_288_000);
    }

    #[test]
    fn work_draws_for_as_long_as_it_takes() {
        let mut battery = idle(spec());
        battery.compute(S);
        battery.work(2 * S, 3 * S, battery.part_na("flash"));
        battery.transmit(119);
        battery.receive(119);
        battery.settle(10 * S);
        let drawn_nc = 10 * MA + 4 * MA + 7 * MA + 4 * (10 + 8) * MA / 1_000;
        assert_eq!(battery.left_nc(), 3_600_000_000 - drawn_nc);
        assert_eq!(battery.part_na("radio"), 0);
    }

    #[test]
    fn a_load_sags_and_ends_what_it_is_at() {
        let mut battery = idle(BatterySpec { resistance_mohm: 50_000, charge_ppb: 150_000_000, ..spec() });
        // 2.6 V, of which 1 mA takes 50 mV; seven more take 350.
        assert_eq!(battery.voltage_uv(), 2_550_000);
        assert!(battery.recovers());
        battery.work(S, 2 * S, 7 * MA);
        assert_eq!(battery.sags_at_ns(), Some(S));
        battery.settle(S);
        battery.enter(Level::Off);
        assert_eq!(battery.sags_at_ns(), None);
        assert!(battery.recovers(), "without the load it is back");
        battery.drain(3, 5 * MA);
        assert!(!battery.recovers());
        battery.undrain(3);
        assert!(battery.recovers());
    }

    #[test]
    fn capacitors_carry_it_for_a_while() {
        let hold_up = Duration::from_millis(2);
        let spec = BatterySpec { resistance_mohm: 50_000, charge_ppb: 150_000_000, hold_up, ..spec() };
        let mut battery = idle(spec.clone());
        battery.work(S, S + 2 * MA, 7 * MA);
        assert!(battery.sags_at_ns() > Some(100 * S), "it was over in time");
        battery.work(S + MA, S + 3 * MA, 7 * MA);
        assert_eq!(battery.sags_at_ns(), Some(S + 2 * MA));
        battery.settle(S + MA + MA / 2);
        assert_eq!(battery.sags_at_ns(), Some(S + 2 * MA));
        let mut off = idle(spec);
        off.enter(Level::Off);
        assert_eq!(off.sags_at_ns(), None);
    }

    #[test]
    fn what_is_drawn_ends_within_a_stretch_of_work() {
        let mut battery = idle(BatterySpec { charge_ppb: 100_000_500, ..spec() });
        // 1,800 nC above the least: 900 µs at 2 mA.
        battery.work(0, S, MA);
        assert_eq!(battery.sags_at_ns(), Some(900_001));
        battery.settle(900_001);
        assert_eq!(battery.sags_at_ns(), Some(900_001));
    }

    #[test]
    fn a_program_that_ends_lets_its_parts_end_what_they_began() {
        let mut battery = idle(spec());
        battery.compute(10 * S);
        battery.work(0, 2 * S, 7 * MA);
        battery.work(5 * S, 6 * S, 7 * MA);
        battery.settle(S);
        battery.enter(Level::Sleep);
        battery.settle(11 * S);
        assert_eq!(battery.left_nc(), 3_600_000_000 - 5 * MA - 2 * 7 * MA - 10 * 1_000);
    }

    #[test]
    fn a_program_that_ends_takes_with_it_what_its_radio_has_not_begun() {
        let mut battery = idle(spec());
        // 4 ms each; the second one begins when the program is gone.
        battery.transmit(119);
        battery.receive(119);
        battery.settle(MA);
        battery.enter(Level::Sleep);
        battery.enter(Level::Idle);
        battery.transmit(119);
        battery.settle(10 * MA);
        assert_eq!(battery.left_nc(), 3_600_000_000 - 10 * MA / 1_000 - 2 * 4 * 10 * MA / 1_000);
    }

    /// Who sends and hears more than its radio gets done does not look at all of that each time.
    #[test]
    fn a_radio_that_falls_behind_is_looked_at_a_little_at_a_time() {
        let mut battery = idle(spec());
        for _ in 0..5_000 {
            battery.transmit(119);
            battery.receive(119);
            assert_ne!(battery.outlook(64), Outlook::Lasts);
        }
        assert_eq!(battery.outlook(64), Outlook::Unknown(64 * 4 * MA));
        battery.settle(10_000 * 4 * MA);
        assert_eq!(battery.left_nc(), 3_600_000_000 - 40 * MA - 20 * 10 * MA - 20 * 8 * MA);
        assert!(battery.on_air.is_empty());
    }

    #[test]
    fn the_extremes_can_be_counted() {
        let curve = vec![(0, 0), (1_000_000_000, VOLTAGE_UV_MAX)];
        let extreme =
            BatterySpec { capacity_nc: u64::MAX, curve, resistance_mohm: u64::MAX, brown_out_uv: u64::MAX, ..spec() };
        let mut battery = idle(extreme);
        battery.drain(1, u64::MAX);
        assert_eq!(battery.sags_at_ns(), Some(0));
        battery.settle(u64::MAX);
        assert_eq!((battery.voltage_uv(), battery.left_permille() < 1_000), (0, true));
        assert!(battery.drawn_uj() > 0);
    }

    proptest! {
        #[test]
        fn looking_changes_nothing(
            works in prop::collection::vec((0..1_000_u64, 1..500_u64, 0..9 * MA), 0..6),
            looks in prop::collection::vec(0..2_000_u64, 0..20),
            charge in 100_000_000..200_000_000_u32, hold_up in 0..300_u64, mohm in 0..90_000_u64,
        ) {
            let fresh = || {
                let mut battery = idle(BatterySpec {
                    charge_ppb: charge,
                    capacity_nc: 3_600_000,
                    hold_up: Duration::from_millis(hold_up),
                    resistance_mohm: mohm,
                    ..spec()
                });
                works.iter().for_each(|(from, lasts, na)| battery.work(from * MA, (from + lasts) * MA, *na));
                battery
            };
            let (mut watched, mut alone) = (fresh(), fresh());
            let sags_at_ns = alone.sags_at_ns();
            let mut looks = looks.clone();
            looks.sort_unstable();
            for look in looks {
                watched.settle(look * MA);
                if sags_at_ns.is_none_or(|at_ns| at_ns >= look * MA) {
                    prop_assert_eq!(watched.sags_at_ns(), sags_at_ns);
                }
            }
            alone.settle(2_000 * MA);
            watched.settle(2_000 * MA);
            prop_assert_eq!((watched.left_ac, watched.drawn_uj()), (alone.left_ac, alone.drawn_uj()));
        }
    }
}
