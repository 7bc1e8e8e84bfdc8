//! Stacks as a flame graph: a box for each function that called another, as wide as it was seen often.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::Outcome;

const WIDTH: f64 = 1_400.0;
const ROW: f64 = 17.0;
/// Boxes that are narrower are left out.
const NARROWEST: f64 = 0.5;
/// The width of a letter, about.
const LETTER: f64 = 6.5;

/// A function, and what it called.
#[derive(Debug, Default)]
struct Frame {
    samples: u64,
    calls: BTreeMap<String, Frame>,
}

impl Frame {
    fn depth(&self) -> usize {
        1 + self.calls.values().map(Frame::depth).max().unwrap_or(0)
    }
}

/// Draws what `perf script --fields ip,sym` prints: a block for each sample, the innermost function first.
pub(super) fn draw(work: &str, script: &str) -> Outcome<String> {
    let mut root = Frame::default();
    for sample in script.split("\n\n") {
        let stack: Vec<_> = sample.lines().filter_map(symbol).collect();
        if !stack.is_empty() {
            add(&mut root, stack.iter().rev().copied());
        }
    }
    if root.samples == 0 {
        return Err("perf saw nothing: the work was over too soon, or its events are not to be had here".into());
    }
    let height = ROW * (root.depth() as f64 + 1.0) + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let scale = WIDTH / root.samples as f64;
    put(&mut svg, &format!("{work}: {} samples", root.samples), &root, 0.0, height - ROW - 5.0, (scale, root.samples));
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// The function's name in a line of a sample, without the hash that tells versions apart.
fn symbol(line: &str) -> Option<&str> {
    let name = line.trim().split_once(' ')?.1.trim();
    Some(name.split_once("::h").filter(|(_, hash)| hash.len() == 16).map_or(name, |(name, _)| name))
}

fn add<'s>(root: &mut Frame, stack: impl Iterator<Item = &'s str>) {
    root.samples += 1;
    let mut at = root;
    for name in stack {
        at = at.calls.entry(name.to_owned()).or_default();
        at.samples += 1;
    }
}

fn put(svg: &mut String, name: &str, frame: &Frame, x: f64, y: f64, (scale, all): (f64, u64)) {
    let width = frame.samples as f64 * scale;
    if width < NARROWEST {
        return;
    }
    let share = frame.samples as f64 * 100.0 / all as f64;
    let letters = (width / LETTER) as usize;
    let label: String = if letters < 3 { String::new() } else { name.chars().take(letters).collect() };
    _ = writeln!(
        svg,
        "<g><title>{} {share:.1} %</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" \
         fill=\"hsl({},75%,{}%)\" stroke=\"#fff\" stroke-width=\".5\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        escaped(name),
        ROW - 1.0,
        20 + name.len() % 25,
        65 + name.len() % 12,
        x + 2.0,
        y + 12.0,
        escaped(&label),
    );
    let mut x = x;
    for (name, call) in &frame.calls {
        put(svg, name, call, x, y - ROW, (scale, all));
        x += call.samples as f64 * scale;
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_that_begin_alike_share_a_box() {
        let script = "\
            \t1 leaf::h0123456789abcdef\n\t2 mid<T>\n\t3 main\n\n\
            \t4 mid<T>\n\t3 main\n\n";
        let svg = draw("work", script).expect("two samples");
        let titles: Vec<_> = svg.split("<title>").skip(1).filter_map(|rest| rest.split("</title>").next()).collect();
        assert_eq!(titles, ["work: 2 samples 100.0 %", "main 100.0 %", "mid&lt;T&gt; 100.0 %", "leaf 50.0 %"]);
        assert!(draw("work", "\n\n").is_err());
    }
}
