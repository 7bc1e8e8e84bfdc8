//! Ways between nodes, for storms that leave one.

use std::collections::BTreeMap;

use super::roster::Roster;
use super::wiring::Wiring;
use super::{End, FaultKind};
use crate::diagnose::{Code, Problem};
use crate::schema::{self, Text};

/// What joins what, and whom it is to join whatever else is hit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Paths {
    /// Two vertices each, and the link between them. The first vertices are the nodes.
    edges: Vec<([usize; 2], Option<usize>)>,
    /// Whether packets go through a vertex, or end there.
    through: Vec<bool>,
    /// Those that reach each other.
    terminals: Vec<usize>,
}

impl Paths {
    /// Whether the terminals reach each other without what these faults hit.
    pub(super) fn hold(&self, hit: &[FaultKind]) -> bool {
        let is_link = |kind: &FaultKind| kind.shape().target == schema::Target::Link;
        let (links, nodes): (Vec<&FaultKind>, Vec<&FaultKind>) = hit.iter().partition(|kind| is_link(kind));
        let is_cut = |link: usize| links.iter().any(|kind| kind.index() == link);
        let is_down = |vertex: usize| nodes.iter().any(|kind| kind.index() == vertex);
        let Some(&first) = self.terminals.first() else { return true };
        if self.terminals.iter().any(|terminal| is_down(*terminal)) {
            return false;
        }
        let mut reached = vec![false; self.through.len()];
        let mut next = vec![first];
        reached[first] = true;
        while let Some(vertex) = next.pop() {
            if vertex != first && !self.through[vertex] {
                continue;
            }
            for (ends, link) in &self.edges {
                let other = match *ends {
                    [one, other] if one == vertex => other,
                    [one, other] if other == vertex => one,
                    _ => continue,
                };
                if !reached[other] && !is_down(other) && !link.is_some_and(is_cut) {
                    reached[other] = true;
                    next.push(other);
                }
            }
        }
        self.terminals.iter().all(|terminal| reached[*terminal])
    }
}

/// The ways that a storm leaves between those that it names.
pub(super) fn paths(
    between: &[Text],
    roster: &Roster<'_, '_>,
    wiring: &Wiring,
    problems: &mut Vec<Problem>,
) -> Option<Paths> {
    let mut terminals: Vec<usize> = between.iter().flat_map(|glob| roster.select(glob, problems)).collect();
    terminals.sort_unstable();
    terminals.dedup();
    let first = between.first().filter(|_| wiring.complete && !terminals.is_empty())?;
    if terminals.len() < 2 {
        let problem = Problem::new(Code::NoMatch, first.span(), "a way is between two nodes at least", "only one");
        problems.push(problem.help("name another node, too"));
        return None;
    }
    let forwards = |node: usize| {
        let kind = roster.members[node].kind.as_ref();
        kind.is_some_and(|kind| kind.is_access_point() || kind.hears().contains(&"wrong-route"))
    };
    let mut through: Vec<bool> = (0..roster.members.len()).map(forwards).collect();
    let (mut others, mut edges) = (BTreeMap::new(), Vec::new());
    // An air, and a switch for each part of a network.
    let mut vertex = |end: &End, through: &mut Vec<bool>| match *end {
        End::Node { node, .. } | End::AccessPoint { node, .. } => node,
        End::Air { network } => *others.entry((network, usize::MAX)).or_insert_with(|| more(through)),
        End::Switch { network, part } | End::Trunk { network, part } => {
            *others.entry((network, part)).or_insert_with(|| more(through))
        }
    };
    for (index, link) in wiring.links.iter().enumerate() {
        let ends = [vertex(&link.ends[0], &mut through), vertex(&link.ends[1], &mut through)];
        edges.push((ends, Some(index)));
        if let End::AccessPoint { network, node } = link.ends[0] {
            edges.push(([node, vertex(&End::Air { network }, &mut through)], None));
        }
    }
    let paths = Paths { edges, through, terminals };
    if !paths.hold(&[]) {
        let names: Vec<&str> = paths.terminals.iter().map(|node| &*roster.members[*node].name).collect();
        let what = format!("there is no way between {}", crate::diagnose::list(names));
        let problem = Problem::new(Code::Topology, first.span(), what, "not even in calm weather");
        problems.push(problem.help("name nodes that links, routers and access points join"));
        return None;
    }
    Some(paths)
}

/// Another vertex that packets go through.
fn more(through: &mut Vec<bool>) -> usize {
    through.push(true);
    through.len() - 1
}
