//! Numbers as people read them.

use wavetank_sim::time::Instant;

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `61.25 s`, with as many decimals as it has, of a virtual time.
pub(crate) fn exact_seconds(ns: u64) -> String {
    Instant::from_nanos(ns).exact().to_string()
}

/// `30s`, `250ms`: in the largest unit that it is a whole number of, as the command line and scenarios take it.
pub(crate) fn short_time(ns: u64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
    let (unit_ns, unit) = units.into_iter().find(|(unit_ns, _)| ns.is_multiple_of(*unit_ns)).unwrap_or((1, "ns"));
    format!("{}{unit}", ns / unit_ns)
}

/// Three figures of a measured time: `1.23 s`, `45.6 ms`, `789 µs`.
pub(crate) fn rough_time(ns: u64) -> String {
    let (unit_ns, unit) = match ns {
        0..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    format!("{} {unit}", three_figures(ns, unit_ns))
}

/// How many times as fast as the wall clock: `4,870`, `0.97`.
pub(crate) fn ratio(virtual_ns: u64, wall_ns: u64) -> String {
    three_figures(virtual_ns, wall_ns.max(1))
}

/// How many a second: `4,870`, `0.97`.
pub(crate) fn per_second(number: u64, elapsed: std::time::Duration) -> String {
    let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    three_figures(number.saturating_mul(1_000_000_000), elapsed_ns.max(1))
}

/// A quotient to three figures at least, every digit of its whole part among them.
fn three_figures(number: u64, by: u64) -> String {
    let (number, by) = (u128::from(number), u128::from(by));
    let decimals = match number / by {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let scale = 10u128.pow(decimals);
    let scaled = (number * scale + by / 2) / by;
    let whole = count(u64::try_from(scaled / scale).unwrap_or(u64::MAX));
    match decimals {
        0 => whole,
        _ => format!("{whole}.{:0width$}", scaled % scale, width = decimals as usize),
    }
}

/// `1 reading`, `2 readings`.
pub(crate) fn plural(number: u64, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn virtual_times_are_exact() {
        assert_eq!(exact_seconds(60_000_000_000), "60 s");
        assert_eq!(exact_seconds(31_250_000_000), "31.25 s");
        assert_eq!(exact_seconds(1), "0.000000001 s");
        assert_eq!(exact_seconds(3_600_000_000_000), "3,600 s");
    }

    #[test]
    fn short_times_are_what_the_command_line_takes() {
        for (ns, text) in
            [(30_000_000_000, "30s"), (250_000_000, "250ms"), (1_500, "1500ns"), (2_000, "2us"), (0, "0s")]
        {
            assert_eq!(short_time(ns), text);
            assert_eq!(crate::values::time(text).map(wavetank_scenarios::units::Time::as_nanos), Ok(ns));
        }
    }

    #[test]
    fn measured_times_are_rough() {
        assert_eq!(rough_time(1_234_567_890), "1.23 s");
        assert_eq!(rough_time(45_600_000), "45.6 ms");
        assert_eq!(rough_time(789_400), "789 µs");
        assert_eq!(rough_time(0), "0.00 µs");
    }

    #[test]
    fn ratios_keep_their_size() {
        assert_eq!(ratio(60_000_000_000, 12_320_000), "4,870");
        assert_eq!(ratio(970, 1_000), "0.97");
        assert_eq!(ratio(9_999, 1_000), "10.00");
        assert_eq!(ratio(5, 0), "5.00");
    }
}
