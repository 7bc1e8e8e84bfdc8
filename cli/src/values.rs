//! Values of arguments: seeds, times, paces.

use std::net::SocketAddr;
use std::str::FromStr;

use wavetank_scenarios::forward::Target;
use wavetank_scenarios::units::Time;
use wavetank_sim::session::Pace;

/// What `--seed` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seed {
    /// This one.
    Fixed(u64),
    /// Any, to be drawn and told.
    Random,
}

impl FromStr for Seed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "random" {
            return Ok(Self::Random);
        }
        let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None => (text, 10),
        };
        // The standard library would take a sign.
        let number = digits.chars().all(|digit| digit.is_digit(radix)).then(|| u64::from_str_radix(digits, radix));
        match number {
            Some(Ok(seed)) => Ok(Self::Fixed(seed)),
            _ => Err("a seed is a number below 2^64, in decimal or as 0x and hex digits, or `random`"),
        }
    }
}

impl Seed {
    /// The seed of a run whose scenario has `own`.
    ///
    /// # Errors
    /// If the system has no entropy to draw from.
    pub(crate) fn or_own(seed: Option<Self>, own: u64) -> Result<u64, getrandom_04::Error> {
        match seed {
            None => Ok(own),
            Some(Self::Fixed(seed)) => Ok(seed),
            Some(Self::Random) => getrandom_04::u64(),
        }
    }
}

/// What `--forward` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    /// Where the host listens.
    pub(crate) address: SocketAddr,
    /// Where its connections go.
    pub(crate) target: Target,
}

/// Reads `127.0.0.1:8080=hub:80`.
pub(crate) fn forward(text: &str) -> Result<Forward, String> {
    let (address, target) =
        text.split_once('=').ok_or("write an address, `=` and a node's port: 127.0.0.1:8080=hub:80")?;
    let address =
        address.parse().map_err(|_| format!("`{address}` is not an address and a port, such as 127.0.0.1:8080"))?;
    Ok(Forward { address, target: target.parse()? })
}

/// Reads `660`, or `0660`.
#[cfg(feature = "serve")]
pub(crate) fn mode(text: &str) -> Result<u32, &'static str> {
    let is_octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = is_octal.then(|| u32::from_str_radix(text, 8).ok()).flatten().filter(|mode| *mode <= 0o777);
    mode.ok_or("a mode is three digits from 0 to 7: 600 is for the user alone, 660 for the group, too, 666 for all")
}

/// Reads 64 hex digits.
#[cfg(feature = "serve")]
pub(crate) fn public_key(text: &str) -> Result<wavetank_scenarios::hub::firmware::PublicKey, &'static str> {
    text.parse().map_err(|_| "a key is 64 hex digits")
}

/// Reads `250ms`.
pub(crate) fn time(text: &str) -> Result<Time, String> {
    Time::parse(text).map_err(|error| error.to_string())
}

/// Reads `10min`, and `10m` as well: a scenario would rather be told which unit that is, a person at a terminal would not.
pub(crate) fn wall_time(text: &str) -> Result<Time, String> {
    let minutes = text.strip_suffix('m').filter(|number| number.ends_with(|c: char| c.is_ascii_digit()));
    let time = match minutes {
        Some(number) => time(&format!("{number}min")),
        None => time(text),
    }?;
    if time.as_nanos() == 0 { Err("no time at all leaves nothing to find".to_owned()) } else { Ok(time) }
}

/// Reads how many seeds: `1000`, and `1_000` or `1,000` as well.
pub(crate) fn seeds(text: &str) -> Result<u64, &'static str> {
    let digits: String = text.chars().filter(|c| !matches!(c, '_' | ',')).collect();
    match digits.parse() {
        Ok(0) => Err("no seeds find nothing"),
        Ok(number) => Ok(number),
        Err(_) => Err("this is a number of seeds, such as 1000"),
    }
}

/// Where a run is looked at.
#[cfg(feature = "tui")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// At that virtual time.
    Time(Time),
    /// Where it first goes wrong.
    Failure,
}

/// Reads `31.25s`, `failure`.
#[cfg(feature = "tui")]
pub(crate) fn sight(text: &str) -> Result<Sight, String> {
    if text == "failure" { Ok(Sight::Failure) } else { time(text).map(Sight::Time) }
}

/// Reads `100x30`: columns and rows of a picture.
#[cfg(feature = "tui")]
pub(crate) fn size(text: &str) -> Result<(u16, u16), String> {
    const SIDE_MAX: u16 = 500;
    let (columns_min, rows_min) = wavetank_tui::SMALLEST;
    let side = |text: &str, least| text.parse().ok().filter(|side| (least..=SIDE_MAX).contains(side));
    let sides =
        text.split_once('x').and_then(|(columns, rows)| Some((side(columns, columns_min)?, side(rows, rows_min)?)));
    sides.ok_or_else(|| {
        format!("a size is {columns_min} to {SIDE_MAX} columns and {rows_min} to {SIDE_MAX} rows, such as 100x30")
    })
}

/// Reads `1x`, `0.5x`: virtual seconds a wall second, to three decimals.
pub(crate) fn pace(text: &str) -> Result<Pace, &'static str> {
    const WRONG: &str =
        "a pace is a number of virtual seconds a wall second, from 0.001x to 1000000x, such as 1x or 0.5x";
    let number = text.strip_suffix('x').ok_or(WRONG)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 3 {
        return Err(WRONG);
    }
    let per_mille: u64 = format!("{whole}{part:0<3}").parse().map_err(|_| WRONG)?;
    match u32::try_from(per_mille) {
        Ok(rate @ 1..=1_000_000_000) => Ok(Pace::PerMille(rate)),
        _ => Err(WRONG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "tui")]
    fn a_picture_has_columns_and_rows() {
        assert_eq!(size("60x15"), Ok((60, 15)));
        for wrong in ["", "100", "59x15", "60x14", "501x15", "100X30", "-1x20", "100x30x2"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seeds_are_decimal_or_hex() {
        assert_eq!("42".parse(), Ok(Seed::Fixed(42)));
        assert_eq!("0x2A".parse(), Ok(Seed::Fixed(42)));
        assert_eq!("18446744073709551615".parse(), Ok(Seed::Fixed(u64::MAX)));
        assert_eq!("0xffffffffffffffff".parse(), Ok(Seed::Fixed(u64::MAX)));
        assert_eq!("random".parse(), Ok(Seed::Random));
    }

    #[test]
    fn what_is_no_seed_is_refused() {
        for text in ["", "0x", "-1", "+1", "1.5", "2a", "0x+1", "18446744073709551616", "Random"] {
            assert!(text.parse::<Seed>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_scenarios_seed_is_taken_unless_told_otherwise() {
        assert_eq!(Seed::or_own(None, 7), Ok(7));
        assert_eq!(Seed::or_own(Some(Seed::Fixed(8)), 7), Ok(8));
        let [a, b] = [(); 2].map(|()| Seed::or_own(Some(Seed::Random), 7).unwrap());
        assert_ne!(a, b);
    }

    #[test]
    fn paces_are_factors() {
        assert_eq!(pace("1x"), Ok(Pace::PerMille(1_000)));
        assert_eq!(pace("0.5x"), Ok(Pace::PerMille(500)));
        assert_eq!(pace("12.345x"), Ok(Pace::PerMille(12_345)));
        assert_eq!(pace("0.001x"), Ok(Pace::PerMille(1)));
        for text in ["1", "x", "0x", "0.0001x", "-1x", "1.x", ".5x", "1e3x", "1000001x"] {
            assert!(pace(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_wall_clocks_minutes_are_short() {
        assert_eq!(wall_time("10m"), Ok(Time::from_secs(600)));
        assert_eq!(wall_time("10min"), wall_time("600s"));
        assert_eq!(wall_time("250ms"), time("250ms"));
        assert!(wall_time("0s").is_err() && wall_time("10").is_err() && wall_time("m").is_err());
    }

    #[test]
    fn seeds_are_counted() {
        assert_eq!(seeds("10_000"), Ok(10_000));
        assert_eq!(seeds("1,000"), Ok(1_000));
        assert!(seeds("0").is_err() && seeds("-1").is_err() && seeds("").is_err());
    }

    #[test]
    fn times_bear_their_unit() {
        assert_eq!(time("30s"), Ok(Time::from_secs(30)));
        assert!(time("30").is_err());
    }
}
