//! The physical world: signals with the names of others resolved, and files read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wavetank_sim::hw::signal::{Micro, Seconds, Shape};

use super::roster::bad_name;
use crate::diagnose::{Code, Problem, did_you_mean, list};
use crate::schema::{Curve, Scenario, Signal as Told, Spanned, Text};
use crate::units::{Time, micro, nanos};

/// A quantity of the physical world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Unique in the plan.
    pub name: Arc<str>,
    /// How it changes.
    pub shape: Shape,
}

/// All signals, in the order of the file. What is wrong with one of them is noted, and it is left out.
pub(super) fn signals(scenario: &Scenario<'_>, folder: &Path, problems: &mut Vec<Problem>) -> Vec<Signal> {
    let told = &scenario.signals;
    problems.extend(told.iter().filter_map(|signal| bad_name(signal.name.as_str(), signal.name.span())));
    let own: Vec<Option<Shape>> = told.iter().map(|signal| own_shape(signal, folder, problems)).collect();
    let each = told.iter().enumerate().filter_map(|(index, signal)| {
        let mut sum = Sum { told, own: &own, above: Vec::new(), parts: 0 };
        let shape = sum.resolved(index, problems)?;
        Some(Signal { name: signal.name.as_str().into(), shape })
    });
    each.collect()
}

/// What a signal is by itself; an empty sum for one that adds up others.
fn own_shape(signal: &Told, folder: &Path, problems: &mut Vec<Problem>) -> Option<Shape> {
    let seconds = |time: Time| Seconds::from_nanos(time.as_nanos());
    let period = |period: &Option<Spanned<Time>>| period.as_ref().map(|period| seconds(*period.get_ref()));
    Some(match signal.curve.as_ref()? {
        Curve::Constant { value } => Shape::Constant { value: Micro(*value) },
        Curve::Ramp { from, to, start, over } => {
            Shape::Ramp { from: Micro(*from), to: Micro(*to), start_s: seconds(*start), duration_s: seconds(*over) }
        }
        Curve::Sine { mean, amplitude, period, offset } => Shape::Sine {
            mean: Micro(*mean),
            amplitude: Micro(*amplitude),
            period_s: seconds(*period),
            offset_s: seconds(*offset),
        },
        Curve::Noise { amplitude, interval, octaves } => {
            Shape::Noise { amplitude: Micro(*amplitude), interval_s: seconds(*interval), octaves: *octaves }
        }
        Curve::Sum { .. } => Shape::Sum { of: Vec::new() },
        Curve::Points { points, is_step, period: again, span } => {
            let mut before: Option<Time> = None;
            for (at, _) in points {
                if let Some(before) = before.filter(|before| at <= before) {
                    let what = format!("the points are not in the order of time: {at} comes after {before}");
                    problems.push(Problem::new(Code::OutOfRange, span.clone(), what, "here").help(ORDER_HELP));
                    return None;
                }
                before = Some(*at);
            }
            refuse_short(again.as_ref(), before.unwrap_or_default(), problems)?;
            let points = points.iter().map(|(at, value)| (seconds(*at), Micro(*value))).collect();
            Shape::Points { points, step: *is_step, period_s: period(again) }
        }
        Curve::Csv { file, column, is_step, period: again } => {
            let points = replayed(file, column.as_ref(), folder, problems)?;
            let last = points.last().map_or(0, |(at, _)| at.as_nanos());
            refuse_short(again.as_ref(), Time::from_nanos(last), problems)?;
            Shape::Points { points, step: *is_step, period_s: period(again) }
        }
    })
}

const ORDER_HELP: &str = "each point is later than the one before it";

/// Points that last longer than the time after which they begin anew.
fn refuse_short(period: Option<&Spanned<Time>>, last: Time, problems: &mut Vec<Problem>) -> Option<()> {
    let Some(period) = period.filter(|period| *period.get_ref() < last) else { return Some(()) };
    let what = format!("the points last until {last}, and begin anew after {}", period.get_ref());
    problems.push(Problem::new(Code::OutOfRange, period.span(), what, "too short").help("lengthen `period`"));
    None
}

/// How many signals one may be made of, itself and sums within it counted: sums of sums of sums grow fast.
const PARTS_MAX: usize = 1_000;

/// A signal that is being put together.
struct Sum<'p> {
    told: &'p [Told],
    own: &'p [Option<Shape>],
    /// The sums that are not finished, each in the one before it.
    above: Vec<usize>,
    parts: usize,
}

impl Sum<'_> {
    /// A signal with those that it adds up.
    fn resolved(&mut self, index: usize, problems: &mut Vec<Problem>) -> Option<Shape> {
        let (told, own) = (self.told, self.own);
        self.parts += 1;
        if self.parts > PARTS_MAX {
            // Told once, where the whole of it is.
            if self.parts == PARTS_MAX + 1 {
                let name = &told[self.above[0]].name;
                let what = format!("the signal \"{}\" is made of more than {PARTS_MAX} others", name.as_str());
                let problem = Problem::new(Code::OutOfRange, name.span(), what, "adds up too many");
                problems.push(problem.help("add up fewer, or name none of them so often"));
            }
            return None;
        }
        let Some(Curve::Sum { of }) = &told[index].curve else { return own[index].clone() };
        self.above.push(index);
        let shapes: Option<Vec<Shape>> = of.iter().map(|name| self.part(name, problems)).collect();
        self.above.pop();
        Some(Shape::Sum { of: shapes? })
    }

    /// One that is added up.
    fn part(&mut self, name: &Text, problems: &mut Vec<Problem>) -> Option<Shape> {
        let told = self.told;
        let Some(part) = told.iter().position(|signal| signal.name.as_str() == name.as_str()) else {
            // A sum that others are made of is told of once, as itself.
            if self.above.len() == 1 {
                problems.push(unknown(name, told.iter().map(|signal| signal.name.as_str())));
            }
            return None;
        };
        if self.above.contains(&part) {
            if self.above[0] == part {
                let what = format!("the signal \"{}\" adds up to itself", told[part].name.as_str());
                let problem = Problem::new(Code::KeyConflict, name.span(), what, "here");
                problems.push(problem.help("leave one of them out of the sum"));
            }
            return None;
        }
        self.resolved(part, problems)
    }
}

/// That there is no signal of that name.
fn unknown<'a>(name: &Text, known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    let what = format!("there is no signal called \"{}\"", name.as_str());
    let help = match did_you_mean(name.as_str(), known.clone()) {
        Some(meant) => format!("did you mean \"{meant}\"? Signals are {}", list(known)),
        None => format!("signals are {}", list(known)),
    };
    Problem::new(Code::UnknownName, name.span(), what, "unknown").help(help)
}

/// The longest file that is read: a value a second for some two months.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What a file holds, unless that is more than so many bytes.
fn text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("it is longer than {bytes_max} bytes")));
    }
    Ok(text)
}

/// The points of a CSV file.
fn replayed(
    file: &Text,
    column: Option<&Text>,
    folder: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Vec<(Seconds, Micro)>> {
    let path: PathBuf = folder.join(file.as_str());
    let mut refuse = |span, what: String, help: String| {
        problems.push(Problem::new(Code::Config, span, what, "in this file").help(help));
        None
    };
    let text = match text(&path, FILE_BYTES_MAX) {
        Ok(text) => text,
        Err(error) => {
            let what = format!("`{}` cannot be read: {error}", path.display());
            let place = match folder.as_os_str().is_empty() {
                true => "in the working directory",
                false => "beside the scenario file",
            };
            return refuse(file.span(), what, format!("it is looked for {place}"));
        }
    };
    match points(&text, column.map(Text::as_str)) {
        Ok(points) => Some(points),
        Err(Wrong::Column { has }) => {
            let span = column.map_or(file.span(), Text::span);
            let name = column.map_or("", Text::as_str);
            let what = format!("`{}` has no column called \"{name}\" in its first line", path.display());
            refuse(span, what, format!("it has {}", list(has.iter().map(String::as_str))))
        }
        Err(Wrong::Empty) => refuse(
            file.span(),
            format!("`{}` has no values in it", path.display()),
            "a line is a number of seconds, a comma and a value: 12.5,21.3".to_owned(),
        ),
        Err(Wrong::Line { number, what, help }) => {
            refuse(file.span(), format!("`{}`, line {number}: {what}", path.display()), help)
        }
    }
}

/// What is wrong with a file of points.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    Empty,
    Column { has: Vec<String> },
    Line { number: usize, what: String, help: String },
}

fn points(text: &str, column: Option<&str>) -> Result<Vec<(Seconds, Micro)>, Wrong> {
    let text = text.trim_start_matches('\u{feff}');
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).peekable();
    let names: Vec<String> = match lines.peek() {
        // A first line that does not begin with a number names the columns.
        Some((_, first)) if nanos(field(first, 0).unwrap_or("")).is_err() => {
            let names = first.split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect();
            lines.next();
            names
        }
        _ => Vec::new(),
    };
    let place = match column {
        None => 1,
        Some(column) => match names.iter().position(|name| name == column) {
            Some(place) => place,
            None => return Err(Wrong::Column { has: names }),
        },
    };
    let mut points: Vec<(Seconds, Micro)> = Vec::new();
    for (number, line) in lines {
        let wrong = |what: String, help: &str| Wrong::Line { number, what, help: help.to_owned() };
        let at = field(line, 0).unwrap_or("");
        let at_ns = nanos(at).ok().and_then(|ns| u64::try_from(ns).ok());
        let at_ns = at_ns.ok_or_else(|| wrong(format!("`{at}` is no number of seconds"), "write 12.5, for example"))?;
        let Some(value) = field(line, place) else {
            let what = format!("there is no column {}", place + 1);
            return Err(wrong(what, "columns are parted by commas"));
        };
        let value = micro(value).map_err(|malformed| wrong(malformed.what, &malformed.help))?;
        if points.last().is_some_and(|(before, _)| before.as_nanos() >= at_ns) {
            return Err(wrong(format!("{at} s is not later than the line before"), ORDER_HELP));
        }
        points.push((Seconds::from_nanos(at_ns), Micro(value)));
    }
    if points.is_empty() { Err(Wrong::Empty) } else { Ok(points) }
}

fn field(line: &str, place: usize) -> Option<&str> {
    line.split(',').nth(place).map(|field| field.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_with_or_without_names() {
        let one = [(Seconds::from_secs(0), Micro(20_500_000)), (Seconds::from_nanos(1_500_000_000), Micro(-3_000_000))];
        assert_eq!(points("0,20.5\n1.5, -3\n", None).as_deref(), Ok(&one[..]));
        let named = "\u{feff}time,\"humidity\", room\r\n# a note\r\n\r\n0,40,20.5\r\n1.5,41,-3e0\r\n";
        assert_eq!(points(named, Some("room")).as_deref(), Ok(&one[..]));
        assert_eq!(points(named, None).map(|points| points[1].1), Ok(Micro(41_000_000)));
    }

    #[test]
    fn a_file_without_an_end_is_refused() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert!(text(&file, 1 << 20).is_ok_and(|text| text.contains("[package]")));
        assert_eq!(text(&file, 100).expect_err("refused").to_string(), "it is longer than 100 bytes");
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        let line = |text: &str| match points(text, None) {
            Err(Wrong::Line { number, what, .. }) => (number, what),
            other => panic!("{other:?}"),
        };
        assert_eq!(line("t,v\n0,1\n\n1,x"), (4, "`x` is not a number that can be held".to_owned()));
        assert_eq!(line("0,1\n1"), (2, "there is no column 2".to_owned()));
        assert_eq!(line("0,1\n-1,2"), (2, "`-1` is no number of seconds".to_owned()));
        assert_eq!(line("0,1\n0,2"), (2, "0 s is not later than the line before".to_owned()));
        assert_eq!(points("t,v\n", None), Err(Wrong::Empty));
        assert_eq!(points("t,v\n0,1", Some("w")), Err(Wrong::Column { has: vec!["t".to_owned(), "v".to_owned()] }));
    }
}
