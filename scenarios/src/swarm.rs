//! Values that a scenario leaves to the seed: a range such as `"10ms..50ms"` or `"2..5"`, or `{ one_of = ["a", "b"] }`.
//!
//! They are settled in the text, before anything else reads it: what a run is then planned from is a scenario without
//! any. Each is drawn from a stream that its place names, so that another one shifts nobody's draws.

use std::borrow::Cow;
use std::ops::Range;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wavetank_sim::random::Stream;

use crate::diagnose::{Code, Problem};
use crate::units::{Charge, Current, Probability, Rate, Resistance, SignedSize, SignedTime, Size, Time, Voltage};

/// What a value was settled to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Where it stands: `profile.home.latency`, `fault.0.at`.
    pub path: String,
    /// What it is in this run.
    pub value: String,
    /// What the scenario says.
    pub of: String,
}

/// Who chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The seed.
    Seed(u64),
    /// The first of everything.
    First,
    /// The last of everything.
    Last,
}

/// A scenario's text with nothing left to choose.
#[derive(Clone, Debug)]
pub(crate) struct Settled<'t> {
    pub(crate) text: Cow<'t, str>,
    pub(crate) settings: Vec<Setting>,
}

/// The text of a scenario as it is with a seed.
///
/// # Errors
///
/// If a range or choice in it is none. What is no TOML is left as it is, for those who read it to complain about.
pub fn settled(text: &str, seed: u64) -> Result<Cow<'_, str>, Vec<Problem>> {
    settle(text, Choice::Seed(seed)).map(|settled| settled.text)
}

/// The seed that a text names for runs that are given none.
pub(crate) fn own_seed(text: &str) -> u64 {
    let (document, _) = DeTable::parse_recoverable(text);
    let seed = document.get_ref().iter().find(|(key, _)| *key.get_ref() == "seed").map(|(_, value)| value.get_ref());
    let read = match seed {
        Some(DeValue::Integer(number)) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        Some(DeValue::String(text)) => match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(&hex.replace('_', ""), 16).ok(),
            None => text.parse().ok(),
        },
        _ => None,
    };
    read.unwrap_or(0)
}

pub(crate) fn settle(text: &str, choice: Choice) -> Result<Settled<'_>, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut walk = Walk { text, choice, changes: Vec::new(), settings: Vec::new(), problems: Vec::new() };
    if errors.is_empty() {
        walk.table(document.get_ref(), "");
    }
    if !walk.problems.is_empty() {
        return Err(walk.problems);
    }
    let Walk { mut changes, settings, .. } = walk;
    if changes.is_empty() {
        return Ok(Settled { text: Cow::Borrowed(text), settings });
    }
    changes.sort_by_key(|(place, _)| place.start);
    let mut written = String::with_capacity(text.len());
    let mut at = 0;
    for (place, value) in changes {
        written.push_str(&text[at..place.start]);
        written.push_str(&value);
        at = place.end;
    }
    written.push_str(&text[at..]);
    Ok(Settled { text: Cow::Owned(written), settings })
}

struct Walk<'t> {
    text: &'t str,
    choice: Choice,
    changes: Vec<(Range<usize>, String)>,
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &str) {
        for (key, value) in table {
            let key: &str = key.get_ref();
            let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            self.value(value, &path);
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &str) {
        if let Some(chosen) = self.chosen(value, path) {
            let place = value.span();
            let of = self.text[place.clone()].trim_matches('"').to_owned();
            let setting = Setting { path: path.to_owned(), value: chosen.trim_matches('"').to_owned(), of };
            self.settings.push(setting);
            self.changes.push((place, chosen));
            return;
        }
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, path),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &format!("{path}.{index}"));
                }
            }
            _ => {}
        }
    }

    /// What a value is settled to, as it would be written; `None` if there is nothing to choose.
    fn chosen(&mut self, value: &Spanned<DeValue<'_>>, path: &str) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => match range(text)? {
                Ok(range) => Some(range.at(self.choice, path)),
                Err(problem) => {
                    let help = "write the smaller end first: \"10ms..50ms\"";
                    self.problems.push(Problem::new(Code::OutOfRange, value.span(), problem, "here").help(help));
                    None
                }
            },
            DeValue::Table(table) => {
                let mut entries = table.iter();
                let (key, all) = entries.next().filter(|(key, _)| *key.get_ref() == "one_of")?;
                let DeValue::Array(items) = all.get_ref() else {
                    let what = "`one_of` is a list of what a value may be";
                    let help = "for example: { one_of = [\"10ms\", \"1s\"] }";
                    self.problems.push(Problem::new(Code::WrongType, all.span(), what, "no list").help(help));
                    return None;
                };
                if items.is_empty() || entries.next().is_some() {
                    let what = "`one_of` stands alone, with one value at least";
                    let help = "for example: { one_of = [\"10ms\", \"1s\"] }";
                    self.problems.push(Problem::new(Code::KeyConflict, key.span(), what, "here").help(help));
                    return None;
                }
                let index = match self.choice {
                    Choice::First => 0,
                    Choice::Last => items.len() - 1,
                    Choice::Seed(seed) => {
                        Stream::new(seed, &format!("swarm/{path}")).below(items.len() as u64) as usize
                    }
                };
                let item = &items[index];
                Some(self.chosen(item, &format!("{path}.{index}")).unwrap_or_else(|| self.text[item.span()].to_owned()))
            }
            _ => None,
        }
    }
}

/// From the least to the most, in the units that a quantity is counted in.
struct Bounds {
    least: i128,
    most: i128,
    write: Box<dyn Fn(i128) -> String>,
}

impl Bounds {
    /// Drawn in steps that are easy to read, a thousand of them at least where there are so many.
    fn at(&self, choice: Choice, path: &str) -> String {
        let size = self.most - self.least;
        let offset = match choice {
            Choice::First => 0,
            Choice::Last => size,
            Choice::Seed(seed) => {
                let mut step = 1;
                while size / (step * 10) >= 1_000 {
                    step *= 10;
                }
                let steps = u64::try_from(size / step).unwrap_or(u64::MAX - 1);
                let drawn = Stream::new(seed, &format!("swarm/{path}")).below(steps + 1);
                step * i128::from(drawn)
            }
        };
        (self.write)(self.least + offset)
    }
}

/// `None` if it is no range at all, an error if it is an empty one.
fn range(text: &str) -> Option<Result<Bounds, String>> {
    let (least, most) = text.split_once("..")?;
    let (least, most) = (least.trim(), most.trim());
    fn both<T>(
        (least, most): (&str, &str),
        read: impl Fn(&str) -> Option<T>,
        count: impl Fn(T) -> i128,
        write: impl Fn(i128) -> String + 'static,
    ) -> Option<Bounds> {
        Some(Bounds { least: count(read(least)?), most: count(read(most)?), write: Box::new(write) })
    }
    let ends = (least, most);
    let quoted_time = |ns: i128| format!("\"{}\"", SignedTime::from_nanos(ns as i64));
    let bounds = both(ends, |text| text.parse::<i64>().ok(), i128::from, |number| number.to_string())
        .or_else(|| fractions(least, most))
        .or_else(|| both(ends, |text| Time::parse(text).ok(), |time| time.as_nanos().into(), quoted_time))
        .or_else(|| both(ends, |text| SignedTime::parse(text).ok(), |time| time.as_nanos().into(), quoted_time))
        .or_else(|| {
            let write = |bps: i128| format!("\"{bps} bit/s\"");
            both(ends, |text| Rate::parse(text).ok(), |rate| rate.as_bits_per_second().into(), write)
        })
        .or_else(|| {
            let write = |bytes: i128| format!("\"{bytes} B\"");
            both(ends, |text| Size::parse(text).ok(), |size| size.as_bytes().into(), write)
                .or_else(|| both(ends, |text| SignedSize::parse(text).ok(), |size| size.as_bytes().into(), write))
        })
        .or_else(|| {
            let write = |na: i128| format!("\"{na} nA\"");
            both(ends, |text| Current::parse(text).ok(), |current| current.as_nanoamperes().into(), write)
        })
        .or_else(|| {
            let write = |nc: i128| format!("\"{nc} nC\"");
            both(ends, |text| Charge::parse(text).ok(), |charge| charge.as_nanocoulombs().into(), write)
        })
        .or_else(|| {
            let write = |uv: i128| format!("\"{uv} uV\"");
            both(ends, |text| Voltage::parse(text).ok(), |voltage| voltage.as_microvolts().into(), write)
        })
        .or_else(|| {
            let write = |mohm: i128| format!("\"{mohm} mOhm\"");
            both(ends, |text| Resistance::parse(text).ok(), |resistance| resistance.as_milliohms().into(), write)
        })
        .or_else(|| {
            let read = |text: &str| Probability::parse(text).or_else(|_| Probability::parse_number(text)).ok();
            both(ends, read, |share| share.as_ppb().into(), |ppb| format!("\"{} %\"", percent(ppb)))
        })?;
    if bounds.least > bounds.most {
        return Some(Err(format!("`{text}` ends before it begins")));
    }
    Some(Ok(bounds))
}

/// Numbers of which one has a fraction: in steps as fine as the finer one is spelled, or finer where there would be few.
fn fractions(least: &str, most: &str) -> Option<Bounds> {
    const STEPS_MIN: i128 = 100;
    const PLACES_MAX: u32 = 9;
    let (least, most) = (digits(least)?, digits(most)?);
    let mut places = least.1.max(most.1);
    let at = |(number, own): (i128, u32), places: u32| number.checked_mul(10_i128.checked_pow(places - own)?);
    while places < PLACES_MAX && at(most, places)?.checked_sub(at(least, places)?)?.abs() < STEPS_MIN {
        places += 1;
    }
    let write = move |number: i128| {
        let (sign, unit) = (if number < 0 { "-" } else { "" }, 10_u128.pow(places));
        let (whole, rest) = (number.unsigned_abs() / unit, number.unsigned_abs() % unit);
        let fraction = format!("{rest:0width$}", width = places as usize);
        format!("{sign}{whole}.{}{}", &fraction[..1], fraction[1..].trim_end_matches('0'))
    };
    Some(Bounds { least: at(least, places)?, most: at(most, places)?, write: Box::new(write) })
}

/// A number as it is spelled, without its point, and how many of its digits stand behind that.
fn digits(text: &str) -> Option<(i128, u32)> {
    let (sign, plain) = text.strip_prefix('-').map_or((1, text), |plain| (-1, plain));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let is_spelled = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    let is_number = !whole.is_empty() && is_spelled(whole) && is_spelled(fraction) && fraction.len() <= 9;
    let number: i128 = is_number.then(|| format!("{whole}{fraction}").parse().ok())??;
    Some((sign * number, fraction.len() as u32))
}

/// Parts in a billion as a number of per cent.
fn percent(ppb: i128) -> String {
    let digits = format!("{}.{:07}", ppb / 10_000_000, ppb % 10_000_000);
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a = \"10ms..50ms\"\nb = 3\n[c]\nd = { one_of = [\"x\", \"1..9\", true] }\n[[e]]\nf = \"1 %..5 %\"\ng = [\"2..5\"]\n";

    fn at(seed: u64) -> (String, Vec<Setting>) {
        let settled = settle(TEXT, Choice::Seed(seed)).expect("sound");
        (settled.text.into_owned(), settled.settings)
    }

    #[test]
    fn every_place_has_a_draw_of_its_own() {
        let (text, settings) = at(7);
        let paths: Vec<&str> = settings.iter().map(|setting| &*setting.path).collect();
        assert_eq!(paths, ["a", "c.d", "e.0.f", "e.0.g.0"]);
        assert!(toml::from_str::<toml::Table>(&text).is_ok(), "{text}");
        assert!(settle(&text, Choice::Seed(7)).expect("sound").settings.is_empty(), "nothing is left");
        let other = TEXT.replace("b = 3", "b = \"1s..2s\"");
        let more = settle(&other, Choice::Seed(7)).expect("sound").settings;
        assert!(settings.iter().all(|setting| more.contains(setting)), "another one shifts nobody's");
        assert_ne!(at(8).1, settings);
        assert_eq!(settle("x = \"1..\"\ny = \"..\"\nz = \"a..b\"", Choice::First).expect("none").settings, []);
    }

    #[test]
    fn a_range_is_drawn_evenly_from_end_to_end() {
        let values = (0..4_000).map(|seed| {
            let value = at(seed).1[0].value.clone();
            Time::parse(&value).expect("a time").as_nanos()
        });
        let values: Vec<u64> = values.collect();
        assert!(values.iter().all(|ns| (10_000_000..=50_000_000).contains(ns)));
        let mut counts = [0_f64; 10];
        values.iter().for_each(|ns| counts[((ns - 10_000_000) * 10 / 40_000_001) as usize] += 1.0);
        let chi2: f64 = counts.iter().map(|count| (count - 400.0).powi(2) / 400.0).sum();
        // 9 degrees of freedom, at 0.1 %.
        assert!(chi2 < 27.9, "{chi2}");
        let [first, last] = [Choice::First, Choice::Last].map(|choice| settle(TEXT, choice).expect("sound").settings);
        assert_eq!((&*first[0].value, &*first[1].value, &*first[2].value), ("10ms", "x", "1 %"));
        assert_eq!((&*last[0].value, &*last[1].value, &*last[3].value), ("50ms", "true", "5"));
    }

    /// What has no unit is a number again, from end to end, as fine as it is spelled or in a hundred steps.
    #[test]
    fn numbers_with_fractions_and_signs_are_ranges_too() {
        for (of, first, last, steps) in [
            ("-2.5..2.5", "-2.5", "2.5", 500),
            ("-0.05..20.5", "-0.05", "20.5", 2_055),
            ("0..0.05", "0.0", "0.05", 500),
            ("0.123456789..0.2", "0.123456789", "0.2", 1_000),
            ("-4 B..12 B", "-4 B", "12 B", 16),
            ("-3..3", "-3", "3", 6),
        ] {
            let text = format!("a = \"{of}\"");
            let drawn = |choice| settle(&text, choice).expect("sound").settings.remove(0).value;
            assert_eq!((&*drawn(Choice::First), &*drawn(Choice::Last)), (first, last));
            let number = |value: String| value.trim_end_matches(" B").parse::<f64>().expect("a number");
            let ends = number(first.into())..=number(last.into());
            let all: Vec<f64> = (0..3_000).map(|seed| number(drawn(Choice::Seed(seed)))).collect();
            assert!(all.iter().all(|value| ends.contains(value)), "{of}");
            let mut values: Vec<String> = all.iter().map(f64::to_string).collect();
            values.sort_unstable();
            values.dedup();
            assert!(values.len() > steps / 3, "{of}: {}", values.len());
        }
    }

    #[test]
    fn what_is_no_choice_is_told() {
        for text in ["a = \"50ms..10ms\"", "a = { one_of = [] }", "a = { one_of = 3 }", "a = { one_of = [1], b = 2 }"] {
            let problems = settle(text, Choice::Seed(1)).expect_err(text);
            assert!(problems.len() == 1 && problems[0].remedy().is_some(), "{text}");
        }
    }
}
