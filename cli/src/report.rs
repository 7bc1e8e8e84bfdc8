//! What a run came to, as one plain value: `--json` prints it, the summary tells it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use wavetank_scenarios::Plan;
use wavetank_scenarios::plan;
use wavetank_scenarios::swarm::Setting;
use wavetank_sim::check;
use wavetank_sim::time::{Instant, nanos};
use wavetank_sim::world::{Failure, NodeState, Snapshot};

use crate::human::short_time;
use crate::input;
use crate::verify::Comparison;

/// A run that is over. Its names are those of the JSON object.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// The scenario's file, as it was given.
    pub(crate) scenario: String,
    /// The scenario's name for people.
    pub(crate) name: String,
    pub(crate) seed: u64,
    /// What the scenario leaves to the seed, as it is in this run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) settled: Vec<Setting>,
    /// 32 hexadecimal digits.
    pub(crate) fingerprint: String,
    pub(crate) verdict: Verdict,
    /// What the scenario means the verdict to be.
    pub(crate) meant: Verdict,
    pub(crate) virtual_ns: u64,
    pub(crate) wall_ns: u64,
    pub(crate) events: u64,
    pub(crate) frames: Frames,
    /// How often each fault of the timeline hit something, in its order; those that did not begin are absent.
    pub(crate) faults: Vec<Hits>,
    pub(crate) expectations: Vec<Expectation>,
    /// Whether Ctrl-C ended it before its time.
    pub(crate) interrupted: bool,
    /// What went wrong besides expectations.
    pub(crate) failures: Vec<Failure>,
    /// The file that could not be written, and why. That says nothing of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unwritten: Option<String>,
    /// The state of each node at the end, in the scenario's order.
    pub(crate) nodes: Vec<Node>,
    /// By node and by name.
    pub(crate) metrics: BTreeMap<String, BTreeMap<String, i64>>,
    /// The command that replays the run.
    pub(crate) replay: String,
    /// What a second run came to, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<Comparison>,
}

/// Whether everything held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Pass,
    Fail,
}

/// How frames fared, counted link by link.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Frames {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    /// By reason; reasons without a loss are absent.
    pub(crate) dropped: BTreeMap<&'static str, u64>,
}

/// A fault that began.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Hits {
    pub(crate) fault: String,
    /// Frames, or 1 for a node that was on.
    pub(crate) hits: u64,
}

/// What became of an expectation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Expectation {
    pub(crate) name: String,
    pub(crate) verdict: check::Verdict,
    /// When it was decided; none while it is open.
    pub(crate) at_ns: Option<u64>,
    /// The index of the trace's next event when it was decided.
    pub(crate) trace_index: Option<u64>,
    /// Why, if it is not plain.
    pub(crate) detail: Option<String>,
}

/// A node at the end of the run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) state: NodeState,
}

/// What a run was asked to be: with its plan, what the replay line needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// How this program was called: whoever has kinds of their own has a program of their own.
    pub(crate) program: &'a str,
    pub(crate) file: &'a Path,
    pub(crate) seed: u64,
    /// Where the run was ended before its time.
    pub(crate) until: Option<Instant>,
    /// What entered it from outside, if anything did.
    pub(crate) inputs: Entered<'a>,
}

/// What entered a run from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Entered<'a> {
    /// Nothing.
    #[default]
    Nothing,
    /// What this file has.
    Written(&'a Path),
    /// What nobody wrote down.
    Unwritten,
}

impl Report {
    /// Of a run that has ended at `snapshot` after `wall` of the wall clock.
    pub(crate) fn new(asked: Asked<'_>, plan: &Plan, snapshot: &Snapshot, wall: Duration) -> Self {
        let expectations: Vec<Expectation> = snapshot.expectations.iter().map(Expectation::new).collect();
        let broken = expectations.iter().any(|expectation| expectation.verdict == check::Verdict::Broken);
        let mut metrics: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
        for metric in &snapshot.metrics {
            let node = snapshot.names.node(metric.node).to_owned();
            metrics.entry(node).or_default().insert(metric.name.clone(), metric.value);
        }
        let nodes = snapshot.names.nodes().zip(&snapshot.nodes);
        let (mut failures, mut unwritten) = (Vec::new(), None);
        for failure in &snapshot.failures {
            match failure {
                Failure::Output { message } => unwritten = Some(message.clone()),
                failure => failures.push(failure.clone()),
            }
        }
        Self {
            scenario: input::name(asked.file),
            name: plan.name.to_string(),
            seed: asked.seed,
            settled: plan.settings.clone(),
            fingerprint: snapshot.fingerprint.to_string(),
            verdict: if broken || !failures.is_empty() { Verdict::Fail } else { Verdict::Pass },
            meant: match plan.verdict {
                plan::Verdict::Pass => Verdict::Pass,
                plan::Verdict::Fail => Verdict::Fail,
            },
            virtual_ns: snapshot.now.as_nanos(),
            wall_ns: nanos(wall),
            events: snapshot.events,
            frames: Frames {
                sent: snapshot.frames.sent,
                delivered: snapshot.frames.delivered,
                dropped: snapshot.frames.dropped.iter().map(|(reason, count)| (reason.name(), *count)).collect(),
            },
            faults: snapshot
                .faults
                .iter()
                .filter(|fault| fault.began)
                .map(|fault| Hits { fault: fault.name.clone(), hits: fault.hits })
                .collect(),
            expectations,
            interrupted: false,
            failures,
            unwritten,
            nodes: nodes.map(|((_, name), state)| Node { name: name.to_owned(), state: *state }).collect(),
            metrics,
            replay: asked.replay(),
            verified: None,
        }
    }
}

impl Expectation {
    fn new(report: &check::VerdictReport) -> Self {
        let decided = matches!(report.verdict, check::Verdict::Held | check::Verdict::Broken);
        Self {
            name: report.name.clone(),
            verdict: report.verdict,
            at_ns: decided.then(|| report.at.as_nanos()),
            trace_index: decided.then_some(report.event),
            detail: report.detail.clone(),
        }
    }
}

impl Asked<'_> {
    /// The command that replays the run.
    pub(crate) fn replay(&self) -> String {
        let (program, file) = (quoted(self.program), quoted(&self.file.display().to_string()));
        if let Entered::Written(inputs) = self.inputs {
            return format!("{program} run {file} --inputs {}", quoted(&inputs.display().to_string()));
        }
        let mut line = format!("{program} run {file} --seed {}", self.seed);
        if let Some(until) = self.until {
            line.push_str(&format!(" --until {}", short_time(until.as_nanos())));
        }
        if self.inputs == Entered::Unwritten {
            line.push_str(" # without what entered: --record-inputs FILE writes that down");
        }
        line
    }
}

/// As a shell takes it for one word.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run in which something of everything happened.
    pub(crate) fn stormy() -> Report {
        let expectation = |name: &str, verdict, at_ns, detail: Option<&str>| Expectation {
            name: name.to_owned(),
            verdict,
            at_ns,
            trace_index: at_ns.map(|_| 4711),
            detail: detail.map(str::to_owned),
        };
        let node = |name: &str, state| Node { name: name.to_owned(), state };
        Report {
            scenario: "scenarios/gallery/first-light.toml".to_owned(),
            name: "First light".to_owned(),
            seed: 42,
            settled: Vec::new(),
            fingerprint: "00112233445566778899aabbccddeeff".to_owned(),
            verdict: Verdict::Fail,
            meant: Verdict::Pass,
            virtual_ns: 60_000_000_000,
            wall_ns: 12_320_000,
            events: 123_456,
            frames: Frames {
                sent: 12_345,
                delivered: 12_200,
                dropped: BTreeMap::from([("link-down", 22), ("loss", 123)]),
            },
            faults: vec![
                Hits { fault: "cut-link lan/thermostat-2".to_owned(), hits: 22 },
                Hits { fault: "partition hub -> thermostat-3".to_owned(), hits: 0 },
            ],
            expectations: vec![
                expectation("every reading is stored", check::Verdict::Held, Some(60_000_000_000), None),
                expectation(
                    "none is stored twice",
                    check::Verdict::Broken,
                    Some(31_250_000_000),
                    Some("thermostat-2 17 came twice"),
                ),
                expectation("all are heard again", check::Verdict::Open, None, None),
            ],
            interrupted: false,
            unwritten: None,
            failures: vec![Failure::Panic {
                node: "thermostat-3".to_owned(),
                at: Instant::from_nanos(40_000_000_000),
                message: "index out of bounds".to_owned(),
            }],
            nodes: vec![
                node("hub", NodeState::Running),
                node("thermostat-1", NodeState::Paused),
                node("thermostat-3", NodeState::Off),
            ],
            metrics: BTreeMap::from([
                ("hub".to_owned(), BTreeMap::from([("readings.stored".to_owned(), 177)])),
                (
                    "thermostat-1".to_owned(),
                    BTreeMap::from([("backlog".to_owned(), 0), ("readings.taken".to_owned(), 59)]),
                ),
            ]),
            replay: "wavetank run scenarios/gallery/first-light.toml --seed 42".to_owned(),
            verified: None,
        }
    }

    #[test]
    fn the_json_object_has_its_keys() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&stormy()).unwrap());
    }

    #[test]
    fn the_replay_line_can_be_typed() {
        let file = Path::new("my storms/it's.toml");
        let asked = Asked {
            program: "target/tank",
            file,
            seed: 7,
            until: Some(Instant::from_nanos(1_500)),
            inputs: Entered::Nothing,
        };
        assert_eq!(asked.replay(), r"target/tank run 'my storms/it'\''s.toml' --seed 7 --until 1500ns");
    }
}
