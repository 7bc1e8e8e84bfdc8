//! A path as a space-time diagram in SVG: a column for each node and network, time downwards.
//!
//! Each event has a line of its own, so that what happens close together can be read; its time stands beside it. A frame
//! is a line from where it was sent to where it arrived, or ends in a cross where it was lost.

use std::fmt::{self, Write};

use super::Explained;
use super::mermaid::{at, ends};
use crate::plan::Plan;
use crate::trace::Entry;

const COLUMN: usize = 180;
const LEFT: usize = 130;
const TOP: usize = 60;
const LINE: usize = 22;

/// The diagram's text.
pub(super) fn diagram(explained: &Explained, plan: &Plan) -> String {
    let names = plan.nodes.iter().map(|node| &*node.name).chain(plan.networks.iter().map(|network| &*network.name));
    let is_met = |name: &&str| {
        let met =
            |entry: &Entry| ends(entry, plan).is_some_and(|ends| ends.contains(name)) || at(entry, plan) == Some(name);
        explained.path.iter().any(met)
    };
    let diagram = Diagram { explained, plan, columns: names.filter(is_met).collect() };
    let mut text = String::new();
    diagram.write(&mut text).expect("a string takes all");
    text
}

struct Diagram<'e> {
    explained: &'e Explained,
    plan: &'e Plan,
    columns: Vec<&'e str>,
}

impl Diagram<'_> {
    fn x(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| *column == name).map(|column| LEFT + COLUMN / 2 + column * COLUMN)
    }

    /// Where the event of this place in the path stands; what is left out takes a line.
    fn y(&self, place: usize) -> usize {
        TOP + LINE * (place + 1 + usize::from(place >= self.explained.gap))
    }

    fn write(&self, to: &mut String) -> fmt::Result {
        let (path, bottom) = (&self.explained.path, self.y(self.explained.path.len()));
        let (width, height) = (LEFT + COLUMN * self.columns.len().max(2), bottom + LINE);
        writeln!(
            to,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="11">"#
        )?;
        writeln!(to, "<title>{}</title>", quiet(self.explained.failure.signature.as_str()))?;
        writeln!(to, r#"<rect width="100%" height="100%" fill="white"/>"#)?;
        for column in &self.columns {
            let x = self.x(column).unwrap_or(LEFT);
            writeln!(
                to,
                r#"<text x="{x}" y="{}" text-anchor="middle" font-weight="bold">{}</text>"#,
                TOP - 20,
                quiet(column)
            )?;
            writeln!(to, r##"<line x1="{x}" y1="{}" x2="{x}" y2="{bottom}" stroke="#bbb"/>"##, TOP - 10)?;
        }
        if self.explained.left_out > 0 {
            let y = TOP + LINE * (self.explained.gap + 1);
            writeln!(
                to,
                r##"<text x="{LEFT}" y="{y}" fill="#888">… {} events are left out …</text>"##,
                self.explained.left_out
            )?;
        }
        for (place, entry) in path.iter().enumerate() {
            self.event(place, entry, to)?;
        }
        writeln!(to, "</svg>")
    }

    fn event(&self, place: usize, entry: &Entry, to: &mut String) -> fmt::Result {
        let y = self.y(place);
        writeln!(to, r##"<text x="4" y="{}" fill="#888">{}</text>"##, y + 4, entry.at().exact())?;
        let columns = ends(entry, self.plan).map(|[from, dest]| (self.x(from), self.x(dest)));
        match (columns, entry.event.as_str()) {
            // A line is drawn when it is known how the frame fared.
            (Some((Some(from), Some(dest))), "frame-delivered" | "frame-dropped") => {
                let is_lost = entry.event == "frame-dropped";
                let (colour, end) = if is_lost { ("#c00", from.midpoint(dest)) } else { ("#06c", dest) };
                writeln!(
                    to,
                    r#"<line x1="{from}" y1="{}" x2="{end}" y2="{y}" stroke="{colour}"/>"#,
                    self.y(self.sent(place, entry))
                )?;
                let mark = if is_lost { "✕" } else { "●" };
                writeln!(to, r#"<text x="{end}" y="{}" text-anchor="middle" fill="{colour}">{mark}</text>"#, y + 4)
            }
            (Some(_), "frame-sent") => Ok(()),
            _ => {
                let x = at(entry, self.plan).and_then(|name| self.x(name)).unwrap_or(LEFT);
                let colour = match entry.event.as_str() {
                    "fault-began" | "panic" | "refusal" | "power-cut" | "crash" => "#c00",
                    "verdict" if entry.text("verdict") == Some("broken") => "#c00",
                    _ => "#333",
                };
                let (y, what) = (y + 4, quiet(&entry.what()));
                writeln!(to, r#"<text x="{}" y="{y}" fill="{colour}">{what}</text>"#, x + 5)
            }
        }
    }

    /// Where the frame of the event at `place` was sent, if the path still has that.
    fn sent(&self, place: usize, entry: &Entry) -> usize {
        let is_it = |other: &Entry| {
            other.event == "frame-sent"
                && other.link == entry.link
                && other.number("ordinal") == entry.number("ordinal")
        };
        self.explained.path[..place].iter().rposition(is_it).unwrap_or(place)
    }
}

/// Without what XML would read as its own.
fn quiet(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', " ")
}
