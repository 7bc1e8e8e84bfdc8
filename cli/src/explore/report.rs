//! What a search came to, as one plain value: `--json` prints it, the summary tells it.

use std::fmt::{self, Write};

use serde::Serialize;
use wavetank_scenarios::explore::{FailureKind, Group, Signature};
use wavetank_scenarios::{Plan, plan};

use super::{Search, took};
use crate::arguments::Explore;
use crate::human::{count, exact_seconds, per_second, plural};
use crate::input;
use crate::summary::{BAD, FAINT, GOOD, styled};

/// A search that is over. Its names are those of the JSON object.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report<'a> {
    /// The scenario's file, as it was given.
    scenario: String,
    /// The scenario's name for people.
    name: &'a str,
    /// How many seeds were run.
    seeds: u64,
    /// The first of them.
    from: u64,
    /// How many of them failed.
    failures: u64,
    /// What broke, in the order in which each was found.
    groups: Vec<Told<'a>>,
    /// What must hold with some seed, and has held with none.
    untested: Vec<&'a str>,
    events: u64,
    wall_ns: u64,
    jobs: usize,
    /// Whether it was ended before its time.
    interrupted: bool,
    #[serde(skip)]
    meant_to_fail: bool,
}

/// A group with what is known of it besides.
#[derive(Clone, Debug, Serialize)]
struct Told<'a> {
    signature: Signature,
    kind: FailureKind,
    count: u64,
    first_seed: u64,
    smallest_seed: u64,
    at_ns: Option<u64>,
    message: &'a str,
    /// The line that has the first seed again.
    replay: String,
    /// The first seed came out differently when it was run once more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    wanders: bool,
}

impl<'a> Report<'a> {
    /// `wandering` are the groups that did not repeat.
    pub(super) fn new(
        arguments: &Explore,
        plan: &'a Plan,
        search: &'a Search,
        wandering: &[usize],
        interrupted: bool,
        replay: impl Fn(&Group) -> String,
    ) -> Self {
        let told = |(index, group): (usize, &'a Group)| Told {
            signature: group.signature.clone(),
            kind: group.kind,
            count: group.count,
            first_seed: group.first_seed,
            smallest_seed: group.smallest_seed,
            at_ns: group.at_ns,
            message: &group.message,
            replay: replay(group),
            wanders: wandering.contains(&index),
        };
        Self {
            scenario: input::name(&arguments.file),
            name: &plan.name,
            seeds: search.seeds,
            from: search.order.first,
            failures: search.groups.failures(),
            untested: search.untested.unmet().iter().map(|index| &*plan.expectations[*index].name).collect(),
            groups: search.groups.all().iter().enumerate().map(told).collect(),
            events: search.events,
            wall_ns: u64::try_from(search.began.elapsed().as_nanos()).unwrap_or(u64::MAX),
            jobs: search.order.jobs,
            interrupted,
            meant_to_fail: plan.verdict == plan::Verdict::Fail,
        }
    }

    /// For people, with ANSI colours: the verdict first, then each group with the line that replays it.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("writing to a string does not fail");
        text
    }

    fn write(&self, to: &mut String) -> fmt::Result {
        let seeds = plural(self.seeds, "seed");
        let ended = if self.interrupted { ", ended by Ctrl-C" } else { "" };
        match self.failures {
            0 if !self.untested.is_empty() => writeln!(
                to,
                "{}  {}: nothing broke with {seeds}, but not all is tested{ended}",
                styled(BAD, "FAIL"),
                self.name
            )?,
            0 => writeln!(to, "{}  {}: nothing broke with {seeds}{ended}", styled(GOOD, "PASS"), self.name)?,
            failures => {
                let groups =
                    if self.groups.len() == 1 { "one way".to_owned() } else { format!("{} ways", self.groups.len()) };
                let meant = if self.meant_to_fail { ", as they are meant to" } else { "" };
                let failures = count(failures);
                let verdict = styled(BAD, "FAIL");
                writeln!(to, "{verdict}  {}: {failures} of {seeds} failed, in {groups}{meant}{ended}", self.name)?;
            }
        }
        for group in &self.groups {
            group.write(to)?;
        }
        for name in &self.untested {
            writeln!(to, "\n  {} untested: {name}", styled(BAD, "?"))?;
            writeln!(to, "    {}", styled(FAINT, "it is to hold sometimes, and did with no seed"))?;
        }
        let wall = std::time::Duration::from_nanos(self.wall_ns);
        let rate = per_second(self.seeds, wall);
        let jobs = plural(self.jobs as u64, "worker");
        writeln!(to, "\nseeds        {} from {}", count(self.seeds), self.from)?;
        writeln!(to, "time         {}, {rate} seeds a second with {jobs}", took(wall))?;
        writeln!(to, "events       {}", count(self.events))
    }
}

impl Told<'_> {
    fn write(&self, to: &mut String) -> fmt::Result {
        writeln!(to, "\n  {} {} × {}", styled(BAD, "✗"), count(self.count), self.signature)?;
        writeln!(to, "    {}", styled(FAINT, self.message))?;
        let at = self.at_ns.map(|at| format!(" at {}", exact_seconds(at))).unwrap_or_default();
        let smallest = match self.smallest_seed == self.first_seed {
            true => String::new(),
            false => format!(", the smallest is {}", self.smallest_seed),
        };
        writeln!(to, "    first with seed {}{at}{smallest}", self.first_seed)?;
        if self.wanders {
            writeln!(
                to,
                "    {}",
                styled(BAD, "that seed came out differently when it was run once more: not deterministic")
            )?;
        }
        writeln!(to, "    {}", self.replay)
    }
}
