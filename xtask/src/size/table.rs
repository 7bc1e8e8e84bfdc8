//! The tables, as Markdown, and their place in a page.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use super::areas::Areas;
use super::firmware::Size;
use crate::Outcome;

const BEGIN: &str = "<!-- written by `cargo xtask size`: begin -->\n";
const END: &str = "<!-- written by `cargo xtask size`: end -->\n";

/// Both tables. A part is told as what it adds to the part whose place is in `above`; the first stands for itself.
pub(super) fn render(
    targets: &[&str; 2],
    sensors: &[(&str, [Size; 2])],
    parts: &[(&str, [Size; 2])],
    above: &[usize],
) -> String {
    let head = |first: &str| {
        let [one, other] = targets.map(|target| target.split('-').next().unwrap_or(target));
        format!("| {first} | {one}: flash | RAM | {other}: flash | RAM |\n|---|---|---|---|---|\n")
    };
    let mut text = head("a sensor: DHCP, DNS, HTTP POST");
    for (name, sizes) in sensors {
        _ = writeln!(text, "| {name} |{}", cells(sizes, &[Size::default(); 2]));
    }
    _ = write!(text, "\n{}", head("what it takes more"));
    for (place, (name, sizes)) in parts.iter().enumerate() {
        let below = if place == 0 { [Size::default(); 2] } else { parts[above[place]].1 };
        _ = writeln!(text, "| {name} |{}", cells(sizes, &below));
    }
    text
}

/// Areas that come to less than this on both sides are told together.
const AREA_LEAST: u64 = 400;

/// Where the flash of two sensors goes on the first target, what is most beyond the other one first.
pub(super) fn areas(ours: &Areas, theirs: &Areas) -> String {
    let mut rows: Vec<(&str, u64, u64)> = Vec::new();
    let mut rest = (0, 0);
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        let of = |areas: &Areas| areas.get(name).copied().unwrap_or(0);
        match (of(ours), of(theirs)) {
            (ours, theirs) if ours.max(theirs) < AREA_LEAST => rest = (rest.0 + ours, rest.1 + theirs),
            (ours, theirs) => rows.push((name, ours, theirs)),
        }
    }
    rows.sort_by_key(|(name, ours, theirs)| (theirs.cast_signed() - ours.cast_signed(), *name));
    rows.push(("what is less than 400 bytes in both", rest.0, rest.1));
    let sum = rows.iter().fold((0, 0), |sum, (_, ours, theirs)| (sum.0 + ours, sum.1 + theirs));
    rows.push(("all", sum.0, sum.1));
    let mut text = String::from(
        "\n| flash by where it is from, thumbv7m | wavetank without IPv6 | embassy-net without IPv6 | more |\n|---|---|---|---|\n",
    );
    for (name, ours, theirs) in rows {
        let (sign, more) = if ours < theirs { ("−", theirs - ours) } else { ("", ours - theirs) };
        let (ours, theirs, more) = (thousands(ours), thousands(theirs), thousands(more));
        _ = writeln!(text, "| {name} | {ours} | {theirs} | {sign}{more} |");
    }
    text
}

fn cells(sizes: &[Size; 2], below: &[Size; 2]) -> String {
    let mut text = String::new();
    for (size, below) in sizes.iter().zip(below) {
        let more = |here: u64, there: u64| thousands(here.saturating_sub(there));
        _ = write!(text, " {} | {} |", more(size.flash, below.flash), more(size.ram, below.ram));
    }
    text
}

fn thousands(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", thousands(number / 1_000), number % 1_000) }
}

/// Puts `text` between the marks of the page.
pub(super) fn write(page: &Path, text: &str) -> Outcome {
    let old = std::fs::read_to_string(page)?;
    let marks = old.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = marks.ok_or_else(|| format!("{} has no marks for the tables", page.display()))?;
    Ok(std::fs::write(page, format!("{before}{BEGIN}\n{text}\n{END}{after}"))?)
}
