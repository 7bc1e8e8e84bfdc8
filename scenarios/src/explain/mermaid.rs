//! A path as a Mermaid sequence diagram: nodes and networks in columns, frames as arrows, faults as notes.

use std::fmt::{self, Write};

use super::Explained;
use crate::plan::{End, Plan};
use crate::trace::Entry;

/// The diagram's text.
pub(super) fn diagram(explained: &Explained, plan: &Plan) -> String {
    let mut text = String::new();
    write(explained, plan, &mut text).expect("a string takes all");
    text
}

fn write(explained: &Explained, plan: &Plan, to: &mut String) -> fmt::Result {
    writeln!(to, "sequenceDiagram")?;
    let names = plan.nodes.iter().map(|node| &*node.name).chain(plan.networks.iter().map(|network| &*network.name));
    let mut columns = Vec::new();
    for (index, name) in names.enumerate() {
        if explained
            .path
            .iter()
            .any(|entry| ends(entry, plan).is_some_and(|ends| ends.contains(&name)) || at(entry, plan) == Some(name))
        {
            writeln!(to, "    participant p{index} as {}", quiet(name))?;
            columns.push((name, index));
        }
    }
    let column = |name: &str| columns.iter().find(|(known, _)| *known == name).map(|(_, index)| *index);
    for (place, entry) in explained.path.iter().enumerate() {
        if place == explained.gap
            && let (Some((_, first)), Some((_, last))) = (columns.first(), columns.last())
        {
            writeln!(to, "    Note over p{first},p{last}: {} events are left out", explained.left_out)?;
        }
        let what = quiet(&format!("{} {}", entry.at(), entry.what()));
        match (ends(entry, plan).map(|[from, to]| (column(from), column(to))), at(entry, plan).and_then(column)) {
            (Some((Some(from), Some(dest))), _) => match entry.event.as_str() {
                // A frame is drawn when it arrives, or when it does not.
                "frame-delivered" => writeln!(to, "    p{from}->>p{dest}: {what}")?,
                "frame-dropped" => writeln!(to, "    p{from}-xp{dest}: {what}")?,
                _ => {}
            },
            (_, Some(at)) => writeln!(to, "    Note over p{at}: {what}")?,
            _ => {
                if let (Some((_, first)), Some((_, last))) = (columns.first(), columns.last()) {
                    writeln!(to, "    Note over p{first},p{last}: {what}")?;
                }
            }
        }
    }
    Ok(())
}

/// From whom to whom the event's link leads.
pub(super) fn ends<'p>(entry: &Entry, plan: &'p Plan) -> Option<[&'p str; 2]> {
    let (name, direction) = entry.link.as_deref()?.rsplit_once('/')?;
    let link = &plan.links[plan.link(name)?];
    let [a, b] = link.ends.map(|end| match end {
        End::Node { node, .. } | End::AccessPoint { node, .. } => &*plan.nodes[node].name,
        End::Switch { network, .. } | End::Air { network } | End::Trunk { network, .. } => {
            &*plan.networks[network].name
        }
    });
    Some(if direction == "tx" { [a, b] } else { [b, a] })
}

/// The node that the event is about.
pub(super) fn at<'p>(entry: &Entry, plan: &'p Plan) -> Option<&'p str> {
    let place = entry.place()?;
    place.split('/').rev().find_map(|part| plan.node(part)).map(|node| &*plan.nodes[node].name)
}

/// Without what Mermaid would read as its own.
fn quiet(text: &str) -> String {
    text.replace([';', '#', '\n'], " ").replace(':', "\u{2236}")
}
