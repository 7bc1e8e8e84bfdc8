//! `growth`: what one thing costs as there is more of another, as curves, in `bench/GROWTH.md` and `bench/growth/*.svg`.

mod chart;

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::{Outcome, release, shell};

/// How often each point is measured; the median counts.
const ROUNDS: usize = 3;

/// What `bench/examples/growth.rs` says of a curve.
#[derive(Debug, Deserialize)]
struct Curve {
    name: String,
    what: String,
    item: String,
    grows: String,
    sizes: Vec<u32>,
    weighs: bool,
}

#[derive(Debug, Deserialize)]
struct Measured {
    items: u64,
    cpu_ns: u64,
    memory: u64,
}

/// What an item costs at a size, in nanoseconds of processor time, and what memory there is of it all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    size: u32,
    cost_ns: f64,
    bytes: u64,
}

/// Measures the curves named, or all; all of them are written down.
pub(crate) fn run(names: &[&str]) -> Outcome {
    let program = release::example("growth")?;
    let list = shell::read(&mut Command::new(&program))?;
    let curves = list.lines().map(serde_json::from_str).collect::<Result<Vec<Curve>, _>>()?;
    if let Some(stranger) = names.iter().find(|name| curves.iter().all(|curve| curve.name != **name)) {
        let known: Vec<_> = curves.iter().map(|curve| curve.name.as_str()).collect();
        return Err(format!("no curve is called {stranger}; there are {}", known.join(", ")).into());
    }
    let folder = shell::root().join("bench/growth");
    let mut page = format!(
        "Written by `cargo xtask growth`: processor time an item, the median of {ROUNDS} rounds. The exponent is that of the \
         power of the size that fits best: 0 is a cost that does not grow, 1 one that grows in proportion.\n\n{}\n",
        shell::machine()
    );
    for curve in curves.iter().filter(|curve| names.is_empty() || names.contains(&curve.name.as_str())) {
        let points = measure(&program, curve)?;
        _ = write!(page, "\n{}", section(curve, &points));
        if names.is_empty() {
            std::fs::create_dir_all(&folder)?;
            let drawn = chart::draw(&points, &curve.grows, &curve.item);
            std::fs::write(folder.join(format!("{}.svg", curve.name)), drawn)?;
        }
    }
    println!("\n{page}");
    if names.is_empty() {
        std::fs::write(shell::root().join("bench/GROWTH.md"), page)?;
    }
    Ok(())
}

/// Goes over the sizes round by round, so that what else the machine does hits all of them.
fn measure(program: &Path, curve: &Curve) -> Outcome<Vec<Point>> {
    let mut costs = vec![Vec::new(); curve.sizes.len()];
    let mut weights = vec![0; curve.sizes.len()];
    for _ in 0..ROUNDS {
        for ((size, costs), weight) in curve.sizes.iter().zip(&mut costs).zip(&mut weights) {
            let text = shell::read(Command::new(program).args([&curve.name, &size.to_string()]))?;
            let Measured { items, cpu_ns, memory } = serde_json::from_str(&text)?;
            *weight = memory;
            let cost_ns = cpu_ns as f64 / items as f64;
            println!("{:24} {size:>7} {}: {cost_ns:.1} ns per {}", curve.name, curve.grows, curve.item);
            costs.push(cost_ns);
        }
    }
    let medians = costs.iter_mut().map(|costs| {
        costs.sort_by(f64::total_cmp);
        costs[costs.len() / 2]
    });
    let points = curve.sizes.iter().zip(medians).zip(weights);
    Ok(points.map(|((size, cost_ns), bytes)| Point { size: *size, cost_ns, bytes }).collect())
}

fn section(curve: &Curve, points: &[Point]) -> String {
    let Curve { name, what, item, grows, weighs, .. } = curve;
    let least = points[0].cost_ns;
    let mut text = format!("## {name}\n\nWhat is done: {what}. Exponent {:.2}.\n\n", exponent(points));
    let (memory, line) = if *weighs { (" bytes each |", "---|") } else { ("", "") };
    _ = writeln!(
        text,
        "![{name}](growth/{name}.svg)\n\n| {grows} | ns per {item} | to the first |{memory}\n|---|---|---|{line}"
    );
    for Point { size, cost_ns, bytes } in points {
        _ = write!(text, "| {size} | {cost_ns:.0} | {:.2} × |", cost_ns / least);
        if *weighs {
            _ = write!(text, " {} |", bytes / u64::from(*size));
        }
        text.push('\n');
    }
    text
}

/// The slope of the straight line that fits the logarithms best (least squares).
fn exponent(points: &[Point]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|point| (f64::from(point.size).ln(), point.cost_ns.ln())).collect();
    let count = logs.len() as f64;
    let (mean_x, mean_y) = logs.iter().fold((0.0, 0.0), |(x, y), log| (x + log.0 / count, y + log.1 / count));
    let covariance: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    covariance / variance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_is_that_of_a_power() {
        for power in [0.0, 0.5, 1.0] {
            let points = [1, 10, 100].map(|size| Point { size, cost_ns: 7.0 * f64::from(size).powf(power), bytes: 0 });
            assert!((exponent(&points) - power).abs() < 1e-9);
        }
    }
}
