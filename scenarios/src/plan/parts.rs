//! Which parts of which nodes a fault ails.

use wavetank_sim::hw::Ailment;

use super::FaultKind;
use super::roster::{Roster, matches};
use crate::diagnose::{Code, Problem, list};
use crate::expr::Scope as _;
use crate::registry::Part;
use crate::schema::{AilmentKind, Text};

fn parts<'r>(node: usize, roster: &'r Roster<'_, '_>) -> &'r [Part] {
    roster.members[node].kind.as_ref().map_or(&[], |kind| kind.parts())
}

fn ails(kind: AilmentKind, part: &Part) -> bool {
    kind.row().sorts.contains(&part.sort)
}

/// The parts of a node that can be ailing so, with what ails them when nothing more is said.
pub(super) fn ailing(kind: AilmentKind, node: usize, roster: &Roster<'_, '_>) -> Vec<FaultKind> {
    let ailment = kind.plain();
    let each = parts(node, roster).iter().enumerate().filter(|(_, part)| ails(kind, part));
    each.map(|(part, _)| FaultKind::Part { node, part, ailment }).collect()
}

/// The same part with what really ails it.
pub(super) fn told(plain: FaultKind, ailment: Ailment) -> FaultKind {
    match plain {
        FaultKind::Part { node, part, .. } => FaultKind::Part { node, part, ailment },
        other => other,
    }
}

/// Notes that none of the nodes that match has a part which can be ailing so.
pub(super) fn refuse_partless(kind: AilmentKind, glob: &Text, roster: &Roster<'_, '_>, problems: &mut Vec<Problem>) {
    let members = &roster.members;
    let mut hit = (0..members.len()).filter(|node| matches(glob.as_str(), &members[*node].name)).peekable();
    let known = |node: &usize| members[*node].kind.is_some();
    if hit.peek().is_none() || !roster.is_complete() || hit.clone().any(|node| !known(&node)) {
        return;
    }
    if hit.any(|node| parts(node, roster).iter().any(|part| ails(kind, part))) {
        return;
    }
    let sorts = list(kind.row().sorts.iter().map(|sort| sort.name()));
    let what = format!("\"{}\" has no part that \"{}\" can ail", glob.as_str(), kind.name());
    let mut having: Vec<&str> = members
        .iter()
        .filter(|member| {
            member.kind.as_ref().is_some_and(|kind_of| kind_of.parts().iter().any(|part| ails(kind, part)))
        })
        .map(|member| &*member.name)
        .collect();
    having.truncate(5);
    let help = match having.as_slice() {
        [] => format!("it ails {sorts}; `wavetank kinds` lists the parts of each kind"),
        having => format!("it ails {sorts}, which {} has", list(having.iter().copied())),
    };
    problems.push(Problem::new(Code::NoMatch, glob.span(), what, "no such part").help(help));
}

/// Leaves of the parts those whose name matches.
pub(super) fn keep_named(
    found: &mut Vec<FaultKind>,
    named: &Text,
    roster: &Roster<'_, '_>,
    problems: &mut Vec<Problem>,
) {
    let name = |kind: &FaultKind| match *kind {
        FaultKind::Part { node, part, .. } => parts(node, roster).get(part).map(|part| part.name),
        _ => None,
    };
    let mut names: Vec<&str> = found.iter().filter_map(name).collect();
    let before = found.len();
    found.retain(|kind| name(kind).is_some_and(|name| matches(named.as_str(), name)));
    if found.is_empty() && before > 0 {
        names.sort_unstable();
        names.dedup();
        let what = format!("no part that can be ailing so is called \"{}\"", named.as_str());
        let problem = Problem::new(Code::NoMatch, named.span(), what, "matches nothing");
        problems.push(problem.help(format!("there is {}", list(names))));
    }
}
