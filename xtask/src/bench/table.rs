//! The table of results, as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::contestants::Contestant;
use super::{Entry, ROUNDS, Row};
use crate::shell;

/// The whole page.
pub(super) fn render(rows: &[Row<'_>], peers: &BTreeMap<String, Contestant>) -> String {
    let mut page = format!(
        "Written by `cargo xtask bench`. {ROUNDS} rounds, in each of which everybody had a turn, on one core; the \
         median of the rates, in items a second of processor time, and between what they lay. \"Ours\" is how many \
         times a rate ours is, as the median of the ratios within a round.\n\n{}\n",
        shell::machine()
    );
    for contestant in peers.values() {
        _ = writeln!(page, "- {}", contestant.version);
    }
    for row in rows {
        _ = write!(page, "\n## {}\n\n{}\n\n", row.work.name, capitalised(&row.work.what));
        _ = writeln!(page, "| | {}/s | from | to | ours | of wall |\n|---|---|---|---|---|---|", row.work.item);
        for entry in &row.entries {
            page.push_str(&line(entry, &row.entries[0]));
        }
        page.push_str(&aims(row));
    }
    page
}

fn line(entry: &Entry, ours: &Entry) -> String {
    let rates = sorted(entry.rounds.iter().map(|round| round.rate()));
    let walls = sorted(entry.rounds.iter().map(|round| round.items as f64 * 1e9 / round.wall_ns as f64));
    format!(
        "| {} | {} | {} | {} | {:.2} × | {} |\n",
        entry.who,
        amount(median(&rates)),
        amount(rates[0]),
        amount(rates[rates.len() - 1]),
        times(ours, entry),
        amount(median(&walls)),
    )
}

/// What is aimed at, and whether it is met.
fn aims(row: &Row<'_>) -> String {
    let ours = &row.entries[0];
    let mut aims = Vec::new();
    if let Some(aim) = row.work.aim {
        let rate = median(&sorted(ours.rounds.iter().map(|round| round.rate())));
        aims.push(format!("{} {}/s: {:.2} of it", amount(aim), row.work.item, rate / aim));
    }
    for entry in &row.entries {
        if let Some(aim) = row.work.times.get(&entry.who) {
            aims.push(format!("{aim} × {}: {:.2} of it", entry.who, times(ours, entry) / aim));
        }
    }
    if aims.is_empty() { String::new() } else { format!("\nAimed at: {}.\n", aims.join("; ")) }
}

/// How many times another's rate ours is.
fn times(ours: &Entry, theirs: &Entry) -> f64 {
    median(&sorted(ours.rounds.iter().zip(&theirs.rounds).map(|(ours, theirs)| ours.rate() / theirs.rate())))
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

/// Three digits and a unit.
fn amount(value: f64) -> String {
    let (value, unit) = match value {
        1e6.. => (value / 1e6, " M"),
        1e3.. => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$}{unit}")
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_three_digits() {
        assert_eq!(amount(1_234_567.0), "1.23 M");
        assert_eq!(amount(12_345.0), "12.3 k");
        assert_eq!(amount(123.4), "123");
    }
}
