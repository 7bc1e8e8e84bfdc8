//! Numbers and times as people read them.

use wavetank_sim::session::Pace;
use wavetank_sim::time::Instant;

/// A count in at most seven characters: `12,345`, `1.23M`.
pub(crate) fn count(value: u64) -> String {
    match value {
        0..1_000 => value.to_string(),
        1_000..1_000_000 => format!("{},{:03}", value / 1_000, value % 1_000),
        _ => scaled(value),
    }
}

fn scaled(value: u64) -> String {
    const UNITS: [(u64, char); 4] =
        [(1_000_000_000_000_000, 'P'), (1_000_000_000_000, 'T'), (1_000_000_000, 'G'), (1_000_000, 'M')];
    let (unit, letter) = UNITS.into_iter().find(|(unit, _)| value >= *unit).unwrap_or((1, ' '));
    format!("{}.{:02}{letter}", value / unit, value % unit / (unit / 100).max(1))
}

/// Lost of offered, as a percentage in at most five characters.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".into();
    }
    let per_mille = u128::from(part) * 1_000 / u128::from(whole);
    match per_mille {
        0 if part == 0 => "0%".into(),
        0 => "<0.1%".into(),
        1_000 => "100%".into(),
        _ => format!("{}.{}%", per_mille / 10, per_mille % 10),
    }
}

/// Text from elsewhere on one line: what would move the terminal's cursor is a space.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Seconds with milliseconds: `12.345s`.
pub(crate) fn seconds(at: Instant) -> String {
    let ms = at.as_nanos() / 1_000_000;
    format!("{}.{:03}s", ms / 1_000, ms % 1_000)
}

/// Reads `31`, `31.25`: seconds, to nine decimals.
pub(crate) fn parse_seconds(text: &str) -> Option<Instant> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && part.is_empty() || part.len() > 9 || !is_number(whole) || !is_number(part) {
        return None;
    }
    let seconds: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{part:0<9}").parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction).map(Instant::from_nanos)
}

/// The end of a run: without decimals if it has none, and in words if it has no end.
pub(crate) fn end(at: Instant) -> String {
    let ns = at.as_nanos();
    match at {
        Instant::MAX => "no end".into(),
        _ if ns.is_multiple_of(1_000_000_000) => format!("{}s", ns / 1_000_000_000),
        _ => seconds(at),
    }
}

/// `free`, `10x`, `0.1x`.
pub(crate) fn pace(pace: Pace) -> String {
    match pace {
        Pace::Free => "free".into(),
        Pace::PerMille(rate) => format!("{}x", decimal(rate)),
    }
}

fn decimal(per_mille: u32) -> String {
    let text = format!("{}.{:03}", per_mille / 1_000, per_mille % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stay_short() {
        let texts = [0, 999, 1_000, 999_999, 1_000_000, 12_345_678, 4_200_000_000, u64::MAX].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "999,999", "1.00M", "12.34M", "4.20G", "18446.74P"]);
    }

    #[test]
    fn a_loss_is_never_rounded_to_none() {
        let texts = [(0, 0), (0, 7), (1, 100_000), (1, 100), (999, 1_000), (7, 7)].map(|(lost, of)| percent(lost, of));
        assert_eq!(texts, ["-", "0%", "<0.1%", "1.0%", "99.9%", "100%"]);
    }

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(one_line("two\nlines\tand \x1b[2J"), "two lines and  [2J");
    }

    #[test]
    fn paces_read_as_factors() {
        let texts = [Pace::Free, Pace::PerMille(1_000), Pace::PerMille(2_500), Pace::PerMille(10)].map(pace);
        assert_eq!(texts, ["free", "1x", "2.5x", "0.01x"]);
    }

    #[test]
    fn typed_seconds_are_exact() {
        let read = |text| parse_seconds(text).map(Instant::as_nanos);
        assert_eq!(
            ["31", "31.25", "0.000000001", ".5", "7."].map(read),
            [31e9, 31.25e9, 1.0, 5e8, 7e9].map(|ns| Some(ns as u64))
        );
        assert_eq!(["", ".", "1.2.3", "-1", "1s", "0.0000000001", "99999999999999999999"].map(read), [None; 7]);
    }

    #[test]
    fn ends_without_decimals_have_none() {
        let texts = [60_000_000_000, 1_500_000_000, u64::MAX].map(|ns| end(Instant::from_nanos(ns)));
        assert_eq!(texts, ["60s", "1.500s", "no end"]);
    }
}
