//! Expectations with compiled conditions and absolute times.

use super::roster::Roster;
use super::{Demand, Expectation};
use crate::diagnose::{Code, Problem, did_you_mean, list};
use crate::expr::{self, Program};
use crate::registry::Kind;
use crate::schema::{self, FlowDemand, Moment, Scenario, Spanned, Text};
use crate::units::Time;

/// The moments of the run that expectations can name, as far as they are known.
pub(super) struct Moments {
    pub(super) end_ns: Option<u64>,
    pub(super) calm_ns: Option<u64>,
}

pub(super) fn demands(
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    moments: &Moments,
    problems: &mut Vec<Problem>,
) -> Vec<Expectation> {
    refuse_twins(scenario, problems);
    let planned = scenario.expectations.iter().filter_map(|expectation| {
        let demand = demand(expectation, roster, moments, problems);
        let name = expectation.name.as_ref()?;
        Some(Expectation { name: name.as_str().into(), demand: demand? })
    });
    planned.collect()
}

fn refuse_twins(scenario: &Scenario<'_>, problems: &mut Vec<Problem>) {
    let mut names: Vec<&Text> = Vec::new();
    for name in scenario.expectations.iter().filter_map(|expectation| expectation.name.as_ref()) {
        if let Some(first) = names.iter().find(|known| known.as_str() == name.as_str()) {
            let what = "two expectations have one name";
            let problem = Problem::new(Code::Duplicate, name.span(), what, "the second")
                .also(first.span(), "the first")
                .help("a report tells them apart by their names");
            problems.push(problem);
        } else {
            names.push(name);
        }
    }
}

fn demand(
    expectation: &schema::Expectation,
    roster: &Roster<'_, '_>,
    moments: &Moments,
    problems: &mut Vec<Problem>,
) -> Option<Demand> {
    let demand = expectation.demand.as_ref()?;
    // Everything is looked at before anything is given up, so that all problems are told.
    let condition = demand.expression().map(|text| condition(text, roster, problems));
    let window = window(expectation, demand, moments, problems);
    let flows = match demand {
        schema::Demand::Flow(flow) => Some(flow_demand(flow, roster, problems)),
        _ => None,
    };
    let Window { from_ns, by_ns, until_ns } = window?;
    if let Some(flows) = flows {
        return Some(match flows? {
            (FlowDemand::Unique(flow), _) => Demand::Unique { flow: flow.as_str().into(), from_ns, until_ns },
            (FlowDemand::Reaches { every, reaches, once, .. }, within_ns) => Demand::Reaches {
                every: every.as_str().into(),
                reaches: reaches.as_str().into(),
                within_ns,
                once: *once,
                from_ns,
                until_ns,
            },
        });
    }
    if let schema::Demand::Linearizable(history) = demand {
        let known = is_known(
            "history",
            history,
            roster,
            |kind| kind.histories().iter().map(|history| history.name).collect(),
            problems,
        );
        return known.then(|| Demand::Linearizable { history: history.as_str().into() });
    }
    let condition = condition??;
    Some(match demand {
        schema::Demand::Always(_) => Demand::Always { condition, from_ns, until_ns },
        schema::Demand::Never(_) => Demand::Never { condition, from_ns, until_ns },
        schema::Demand::Eventually(_) => Demand::Eventually { condition, from_ns, by_ns },
        schema::Demand::Sometimes(_) => Demand::Sometimes { condition, from_ns, until_ns },
        schema::Demand::Stable(_) => Demand::Stable { condition, after_ns: from_ns, by_ns },
        schema::Demand::Flow(_) | schema::Demand::Linearizable(_) => return None,
    })
}

fn condition(text: &Text, roster: &Roster<'_, '_>, problems: &mut Vec<Problem>) -> Option<Program> {
    match expr::compile(text.as_str(), roster) {
        Ok(program) => program,
        Err(refusals) => {
            problems.extend(refusals.into_iter().map(|refusal| {
                let span = text.place(&refusal.span);
                Problem::new(refusal.code, span, refusal.what, "here").maybe_help(refusal.help)
            }));
            None
        }
    }
}

struct Window {
    from_ns: u64,
    by_ns: u64,
    until_ns: u64,
}

/// When an expectation counts. `None` if it depends on what could not be read.
fn window(
    expectation: &schema::Expectation,
    demand: &schema::Demand,
    moments: &Moments,
    problems: &mut Vec<Problem>,
) -> Option<Window> {
    let end_ns = moments.end_ns?;
    let stable = matches!(demand, schema::Demand::Stable(_));
    let told = |ns: u64| Time::from_nanos(ns);
    let resolve = |moment: &Spanned<Moment>| match moment.get_ref() {
        Moment::At(time) => Some(time.as_nanos()),
        Moment::Calm => moments.calm_ns,
    };
    let begin = if stable { &expectation.after } else { &expectation.from };
    let from_ns = match begin {
        Some(begin) => resolve(begin)?,
        None if stable => moments.calm_ns?,
        None => 0,
    };
    let until_ns = expectation.until.as_ref().map_or(Some(end_ns), resolve)?;
    let mut late = |span, what: String, help: &str| {
        problems.push(Problem::new(Code::OutOfRange, span, what, "too late").help(help));
    };
    if let Some(until) = &expectation.until
        && until_ns > end_ns
    {
        let what = format!("`until` is {}, but the run ends at {}", told(until_ns), told(end_ns));
        late(until.span(), what, "leave `until` out to mean the end");
        return None;
    }
    if from_ns >= until_ns {
        let span = begin.as_ref().map_or(expectation.span.clone(), Spanned::span);
        let what = format!("this expectation begins at {} and ends at {}", told(from_ns), told(until_ns));
        late(span, what, "it would demand nothing: begin before the end");
        return None;
    }
    let by_ns = match &expectation.within {
        Some(within) => {
            let by_ns = from_ns.saturating_add(within.get_ref().as_nanos());
            if by_ns > until_ns {
                let what =
                    format!("`within` reaches to {}, but this expectation ends at {}", told(by_ns), told(until_ns));
                late(within.span(), what, "it could never break: shorten `within`, or lengthen `duration`");
                return None;
            }
            by_ns
        }
        None if stable => from_ns,
        None => until_ns,
    };
    Some(Window { from_ns, by_ns, until_ns })
}

/// The flows of a demand, looked up, with the time that is given.
fn flow_demand<'f>(
    flow: &'f FlowDemand,
    roster: &Roster<'_, '_>,
    problems: &mut Vec<Problem>,
) -> Option<(&'f FlowDemand, u64)> {
    let (names, within) = match flow {
        FlowDemand::Unique(name) => (vec![name], None),
        FlowDemand::Reaches { every, reaches, within, .. } => (vec![every, reaches], within.as_ref()),
    };
    for name in names {
        is_known("flow", name, roster, |kind| kind.flows().iter().map(|flow| flow.name).collect(), problems);
    }
    Some((flow, within.map_or(0, |within| within.get_ref().as_nanos())))
}

/// Whether some node reports a flow or history of this name. With an unknown kind, any could be its.
fn is_known(
    what: &str,
    name: &Text,
    roster: &Roster<'_, '_>,
    of_kind: fn(&dyn Kind) -> Vec<&'static str>,
    problems: &mut Vec<Problem>,
) -> bool {
    let mut known = Vec::new();
    for member in &roster.members {
        let Some(kind) = &member.kind else { return true };
        for name in of_kind(&**kind) {
            if !known.contains(&name) {
                known.push(name);
            }
        }
    }
    if known.contains(&name.as_str()) {
        return true;
    }
    let plural = if what == "flow" { "flows" } else { "histories" };
    let all = match known.is_empty() {
        true => format!("no node here reports {plural}"),
        false => format!("{plural} are {}", list(known.iter().copied())),
    };
    let help = match did_you_mean(name.as_str(), known.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"? {}{}", all[..1].to_uppercase(), &all[1..]),
        None => all,
    };
    let label = format!("unknown {what}");
    let what = format!("no node reports the {what} \"{}\"", name.as_str());
    problems.push(Problem::new(Code::UnknownMetric, name.span(), what, label).help(help));
    false
}
