//! `wavetank replay`: a seed's run once more, its events as text.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::ControlFlow;

use wavetank_scenarios::trace::{Ended, Entry, Filter, Window, of_run};
use wavetank_scenarios::units::Time;
use wavetank_scenarios::{Plan, Registry, RunOptions};
use wavetank_sim::check::Verdict;
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

use crate::arguments::{Replay, Shown};
use crate::command::Trouble;
use crate::exit::Exit;
use crate::explore::{meant, replay_line};
use crate::human::{count, short_time};
use crate::input;
use crate::summary::{BAD, GOOD, styled};
use crate::values::Seed;

/// Runs it, and prints every event that is asked for and what it came to.
pub(crate) fn run(arguments: &Replay, registry: &Registry, out: &mut impl Write) -> Result<Exit, Trouble> {
    let (file, seed) = meant(&arguments.file, arguments.seed)?;
    let plan = input::plan(&file, registry)?;
    let seed = Seed::or_own(seed, plan.seed)?;
    let plan = input::settled(plan, seed)?;
    let limit = limit(&plan, arguments.to)?;
    let filter = filter(&arguments.shown);
    let mut window = arguments.around.map(|around| Window::new(around, arguments.context));
    let (mut events, mut told) = (0, 0);
    let mut seen = Seen::default();
    let mut broken: Option<(u64, String)> = None;
    let mut written = Ok(());
    let options = RunOptions { seed: Some(seed), ..RunOptions::default() };
    let ended = of_run(&plan, &options, limit, |entry| {
        events += 1;
        if broken.is_none() && is_trouble(&entry) {
            broken = Some((entry.index, entry.what()));
        }
        seen.note(&entry);
        if !filter.passes(&entry) {
            return ControlFlow::Continue(());
        }
        let shown = match &mut window {
            Some(window) => window.take(entry),
            None => vec![entry],
        };
        told += shown.len() as u64;
        written = shown.iter().try_for_each(|entry| line(entry, out));
        if written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    written?;
    for entry in window.iter_mut().flat_map(Window::rest) {
        line(&entry, out)?;
        told += 1;
    }
    let Ended::AtItsEnd(snapshot) = ended else { return Ok(Exit::Pass) };
    writeln!(out, "\n{} of {} events shown, seed {seed}", count(told), count(events))?;
    if told == 0 {
        seen.tell(&filter, out)?;
    }
    verdict(&snapshot, out)?;
    writeln!(out, "fingerprint  {}", snapshot.fingerprint)?;
    if let Some((index, what)) = broken {
        writeln!(out, "first        {what}\n             {} --around {index}", replay_line(&file, seed))?;
    }
    Ok(if is_broken(&snapshot) { Exit::Fail } else { Exit::Pass })
}

/// What there would have been to ask for, for whoever asked for nothing that there is.
#[derive(Default)]
struct Seen {
    nodes: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

/// So many names are told.
const NAMES_MAX: usize = 30;

impl Seen {
    fn note(&mut self, entry: &Entry) {
        for (names, name) in [(&mut self.nodes, entry.node.as_deref()), (&mut self.kinds, Some(&*entry.event))] {
            if let Some(name) = name.filter(|name| !names.contains(*name)) {
                names.insert(name.to_owned());
            }
        }
        if let Some(flow) = entry.text("kind").filter(|flow| entry.event == "flow" && !self.kinds.contains(*flow)) {
            self.kinds.insert(flow.to_owned());
        }
    }

    fn tell(&self, filter: &Filter, out: &mut impl Write) -> io::Result<()> {
        let asked =
            [("--node", &filter.node, "nodes", &self.nodes), ("--kind", &filter.kind, "kinds of events", &self.kinds)];
        for (option, _, what, names) in asked.iter().filter(|(_, asked, ..)| asked.is_some()) {
            let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
            let more = match names.len().saturating_sub(NAMES_MAX) {
                0 => String::new(),
                more => format!(" and {} more", count(more as u64)),
            };
            writeln!(out, "for {option}: {what} of this run are {}{more}", shown.join(", "))?;
        }
        Ok(())
    }
}

/// When a run of the plan ends that may be told an earlier end.
pub(crate) fn limit(plan: &Plan, to: Option<Time>) -> Result<Instant, String> {
    let end = Instant::from_nanos(plan.duration_ns);
    let to = to.map(|to| Instant::from_nanos(to.as_nanos()));
    match to {
        Some(to) if to > end => {
            Err(format!("--to is later than the end of the run, which is at {}", short_time(plan.duration_ns)))
        }
        to => Ok(to.unwrap_or(end)),
    }
}

pub(crate) fn filter(shown: &Shown) -> Filter {
    let Shown { node, kind, grep } = shown;
    Filter { node: node.clone(), kind: kind.clone(), grep: grep.clone() }
}

fn is_trouble(entry: &Entry) -> bool {
    matches!(entry.event.as_str(), "panic" | "refusal") || entry.text("verdict") == Some("broken")
}

fn is_broken(snapshot: &Snapshot) -> bool {
    !snapshot.failures.is_empty() || snapshot.expectations.iter().any(|report| report.verdict == Verdict::Broken)
}

fn line(entry: &Entry, out: &mut impl Write) -> io::Result<()> {
    let line = entry.to_string();
    let bad =
        is_trouble(entry) || matches!(entry.event.as_str(), "frame-dropped" | "fault-began" | "power-cut" | "crash");
    if bad { writeln!(out, "{}", styled(BAD, &line)) } else { writeln!(out, "{line}") }
}

fn verdict(snapshot: &Snapshot, out: &mut impl Write) -> io::Result<()> {
    for failure in &snapshot.failures {
        writeln!(out, "{}            {failure}", styled(BAD, "✗"))?;
    }
    for report in snapshot.expectations.iter().filter(|report| report.verdict == Verdict::Broken) {
        let detail = report.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
        writeln!(
            out,
            "{} broken     {}, at {}, event {}{detail}",
            styled(BAD, "✗"),
            report.name,
            report.at,
            report.event
        )?;
    }
    if !is_broken(snapshot) {
        writeln!(out, "{} nothing broke", styled(GOOD, "✓"))?;
    }
    Ok(())
}
