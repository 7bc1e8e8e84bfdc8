//! A curve as SVG: both axes logarithmic, readable on light and on dark ground.

use std::fmt::Write;

use super::Point;

const WIDTH: f64 = 660.0;
const HEIGHT: f64 = 320.0;
/// Left, top, right and bottom of the plot.
const PLOT: [f64; 4] = [64.0, 24.0, 620.0, 270.0];

/// Costs in nanoseconds over sizes.
pub(super) fn draw(points: &[Point], grows: &str, item: &str) -> String {
    let decades = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) =
            values.fold((f64::MAX, 0_f64), |(low, high), value| (low.min(value.log10()), high.max(value.log10())));
        (low.floor(), high.ceil().max(low.floor() + 1.0))
    };
    let sizes = decades(&mut points.iter().map(|point| f64::from(point.size)));
    let costs = decades(&mut points.iter().map(|point| point.cost_ns));
    let [left, top, right, bottom] = PLOT;
    let x = |size: f64| left + (right - left) * (size.log10() - sizes.0) / (sizes.1 - sizes.0);
    let y = |cost: f64| bottom - (bottom - top) * (cost.log10() - costs.0) / (costs.1 - costs.0);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\" fill=\"#787878\">\n<title>Nanoseconds a {item} over {grows}</title>\n"
    );
    for decade in steps(sizes) {
        let at = x(10_f64.powi(decade));
        _ = writeln!(svg, "<path d=\"M{at:.1} {top}V{bottom}\" stroke=\"#78787840\"/>");
        _ = writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 18.0,
            power(decade)
        );
    }
    for decade in steps(costs) {
        let at = y(10_f64.powi(decade));
        _ = writeln!(svg, "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#78787840\"/>");
        _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            at + 4.0,
            power(decade)
        );
    }
    let middle = f64::midpoint(left, right);
    _ = writeln!(svg, "<text x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">{grows}</text>", bottom + 40.0);
    _ = writeln!(svg, "<text x=\"{left}\" y=\"{:.1}\">ns per {item}</text>", top - 8.0);
    let places = points.iter().map(|point| (x(f64::from(point.size)), y(point.cost_ns)));
    let line: Vec<_> = places.clone().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"#2f7fd1\" stroke-width=\"2\"/>", line.join(" "));
    for ((x, y), point) in places.zip(points) {
        _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"#2f7fd1\"/>");
        let above = y - 10.0;
        _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{above:.1}\" text-anchor=\"middle\">{:.0}</text>", point.cost_ns);
    }
    svg.push_str("</svg>\n");
    svg
}

fn steps((low, high): (f64, f64)) -> std::ops::RangeInclusive<i32> {
    low as i32..=high as i32
}

/// A power of ten in words that are short.
fn power(decade: i32) -> String {
    match decade {
        6.. => format!("{} M", 10_u64.pow((decade - 6) as u32)),
        3.. => format!("{},000", 10_u64.pow((decade - 3) as u32)),
        0.. => 10_u64.pow(decade as u32).to_string(),
        _ => format!("{:.*}", decade.unsigned_abs() as usize, 10_f64.powi(decade)),
    }
}
