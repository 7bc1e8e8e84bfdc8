//! The sine in integers, the same on every machine.

/// What [`sine`] gives for the sine of a quarter turn.
pub(super) const ONE: i64 = 1 << 30;

/// `ONE * sin(2π · turn / 2³²)`, to within 4 of `ONE`'s 2³⁰.
pub(super) fn sine(turn: u32) -> i64 {
    let position = i64::from(turn & 0x3fff_ffff);
    match turn >> 30 {
        0 => quarter(position),
        1 => quarter(ONE - position),
        2 => -quarter(position),
        _ => -quarter(ONE - position),
    }
}

/// Taylor's series of `sin(π/2 · x)` for x in 0..=1, both in units of `ONE`, by Horner's rule.
fn quarter(x: i64) -> i64 {
    // (π/2)ⁿ / n! for n = 13, 11, … 1, in units of ONE.
    const TERMS: [i64; 7] = [61, -3_864, 172_272, -5_026_995, 85_569_306, -693_598_668, 1_686_629_713];
    let square = (x * x) >> 30;
    let series = TERMS.iter().fold(0, |sum, term| ((sum * square) >> 30) + term);
    ((series * x) >> 30).min(ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_real_one() {
        for step in 0..=100_000_u32 {
            let turn = step.wrapping_mul(42_949);
            let real = (f64::from(turn) / 4_294_967_296.0 * std::f64::consts::TAU).sin();
            #[expect(clippy::cast_precision_loss, reason = "2^30 fits")]
            let ours = sine(turn) as f64 / ONE as f64;
            assert!((ours - real).abs() < 1e-8, "{turn}: {ours} {real}");
        }
    }

    #[test]
    fn quarters_are_exact() {
        let quarters = [0, 1 << 30, 2 << 30, 3 << 30].map(sine);
        assert_eq!(quarters, [0, ONE, 0, -ONE]);
    }
}
