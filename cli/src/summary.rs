//! A report as a person likes to read it: the verdict first, the replay line last.
//!
//! The text bears its colours; whoever prints it strips them where they are not wanted.

use std::fmt::{self, Display, Write};

use anstyle::{AnsiColor, Style};
use wavetank_scenarios::swarm::Setting;
use wavetank_sim::check;
use wavetank_sim::world::NodeState;

use crate::human::{count, exact_seconds, ratio, rough_time};
use crate::report::{Expectation, Report, Verdict};
use crate::verify::{Comparison, Difference};

/// How many nodes are told one by one.
const NODES_SHOWN: usize = 12;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const UNDECIDED: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The summary, with ANSI colours.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    write(report, &mut text).expect("writing to a string does not fail");
    text
}

fn write(report: &Report, to: &mut String) -> fmt::Result {
    let verdict = match report.verdict {
        Verdict::Pass if report.interrupted => styled(UNDECIDED, "STOP"),
        Verdict::Pass => styled(GOOD, "PASS"),
        Verdict::Fail => styled(BAD, "FAIL"),
    };
    let meant = match (report.meant, report.verdict) {
        _ if report.interrupted => &format!(", interrupted at {}", exact_seconds(report.virtual_ns)),
        (Verdict::Fail, Verdict::Fail) => ", as it is meant to",
        (Verdict::Fail, Verdict::Pass) => ", although it is meant to fail",
        (Verdict::Pass, _) => "",
    };
    writeln!(to, "{verdict}  {}{meant}", report.name)?;
    writeln!(to, "      {}", styled(FAINT, &format!("{}, seed {}", report.scenario, report.seed)))?;

    if !report.settled.is_empty() {
        writeln!(to, "\nsettled by the seed")?;
        let width = report.settled.iter().map(|setting| setting.path.len()).max().unwrap_or(0);
        for Setting { path, value, of } in &report.settled {
            writeln!(to, "  {path:width$}  {value}  {}", styled(FAINT, &format!("of {of}")))?;
        }
    }
    if !report.expectations.is_empty() {
        writeln!(to, "\nexpectations")?;
        expectations(&report.expectations, to)?;
    }
    if !report.failures.is_empty() {
        writeln!(to, "\nfailures")?;
        for failure in &report.failures {
            writeln!(to, "  {} {failure}", styled(BAD, "✗"))?;
        }
    }
    writeln!(to, "\nnodes")?;
    nodes(report, to)?;

    let idle: Vec<&str> = report.faults.iter().filter(|hits| hits.hits == 0).map(|hits| hits.fault.as_str()).collect();
    if !idle.is_empty() {
        writeln!(to, "\nfaults that hit nothing")?;
        for fault in idle.iter().take(NODES_SHOWN) {
            writeln!(to, "  {} {fault}", styled(UNDECIDED, "?"))?;
        }
        if idle.len() > NODES_SHOWN {
            writeln!(to, "  and {} more", idle.len() - NODES_SHOWN)?;
        }
    }

    writeln!(to)?;
    writeln!(to, "frames       {}", frames(report))?;
    writeln!(
        to,
        "time         {} virtual in {}, {} times the wall clock's",
        exact_seconds(report.virtual_ns),
        rough_time(report.wall_ns),
        ratio(report.virtual_ns, report.wall_ns)
    )?;
    writeln!(to, "events       {}", count(report.events))?;
    writeln!(to, "fingerprint  {}", report.fingerprint)?;
    if let Some(verified) = &report.verified {
        comparison(verified, to)?;
    }
    writeln!(to, "replay       {}", report.replay)
}

fn expectations(expectations: &[Expectation], to: &mut String) -> fmt::Result {
    let width = expectations.iter().map(|expectation| expectation.name.chars().count()).max().unwrap_or(0);
    for Expectation { name, verdict, at_ns, detail, .. } in expectations {
        let word = match verdict {
            check::Verdict::Held => styled(GOOD, "✓ held  "),
            check::Verdict::Broken => styled(BAD, "✗ broken"),
            check::Verdict::Open => styled(UNDECIDED, "? open  "),
            check::Verdict::Unseen => styled(UNDECIDED, "? unseen"),
        };
        match at_ns {
            Some(at_ns) => writeln!(to, "  {word}  {name:width$}  at {}", exact_seconds(*at_ns))?,
            None => writeln!(to, "  {word}  {name}")?,
        }
        if let Some(detail) = detail {
            writeln!(to, "            {}", styled(FAINT, detail))?;
        }
    }
    Ok(())
}

fn nodes(report: &Report, to: &mut String) -> fmt::Result {
    let shown = &report.nodes[..report.nodes.len().min(NODES_SHOWN)];
    let width = shown.iter().map(|node| node.name.chars().count()).max().unwrap_or(0);
    for node in shown {
        let state = match node.state {
            NodeState::Running => "running".to_owned(),
            NodeState::Paused => styled(UNDECIDED, "paused ").to_string(),
            NodeState::Off => styled(BAD, "off    ").to_string(),
        };
        let metrics: Vec<String> = report
            .metrics
            .get(&node.name)
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        let line = format!("  {:width$}  {state}  {}", node.name, styled(FAINT, &metrics.join(", ")));
        writeln!(to, "{}", if metrics.is_empty() { line.trim_end() } else { &line })?;
    }
    if report.nodes.len() > shown.len() {
        let rest = &report.nodes[shown.len()..];
        let running = rest.iter().filter(|node| node.state == NodeState::Running).count();
        writeln!(to, "  and {} more, {running} of them running", rest.len())?;
    }
    Ok(())
}

fn frames(report: &Report) -> String {
    let frames = &report.frames;
    let lost: u64 = frames.dropped.values().sum();
    let mut text = format!("{} sent over links, {} delivered", count(frames.sent), count(frames.delivered));
    if lost > 0 {
        let reasons: Vec<String> =
            frames.dropped.iter().map(|(reason, number)| format!("{} {reason}", count(*number))).collect();
        text.push_str(&format!(", {} lost: {}", count(lost), reasons.join(", ")));
    }
    text
}

fn comparison(comparison: &Comparison, to: &mut String) -> fmt::Result {
    let Comparison::Differ(Difference { fingerprint, first, second }) = comparison else {
        return writeln!(to, "verified     {} again in a second process", styled(GOOD, "the same"));
    };
    writeln!(to, "verified     {} in a second process: {fingerprint}", styled(BAD, "something else"))?;
    let ended = "the trace has ended";
    writeln!(to, "  the first event that differs")?;
    writeln!(to, "    here     {}", first.as_deref().unwrap_or(ended))?;
    writeln!(to, "    there    {}", second.as_deref().unwrap_or(ended))
}

pub(crate) fn styled(style: Style, text: &str) -> impl Display {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::report::Node;
    use crate::report::tests::stormy;

    fn plain(report: &Report) -> String {
        strip_str(&text(report)).to_string()
    }

    #[test]
    fn a_stormy_run_reads_well() {
        insta::assert_snapshot!(plain(&stormy()));
    }

    #[test]
    fn a_calm_run_reads_well() {
        let mut report = stormy();
        report.verdict = Verdict::Pass;
        report.failures.clear();
        report.faults.clear();
        report.expectations.truncate(1);
        report.frames.dropped.clear();
        report.metrics.clear();
        for node in &mut report.nodes {
            node.state = NodeState::Running;
        }
        insta::assert_snapshot!(plain(&report));
    }

    #[test]
    fn many_nodes_are_summed_up() {
        let mut report = stormy();
        report.nodes = (1..=100)
            .map(|index| Node {
                name: format!("thermostat-{index}"),
                state: if index == 50 { NodeState::Off } else { NodeState::Running },
            })
            .collect();
        assert!(plain(&report).contains("  and 88 more, 87 of them running\n"));
    }

    #[test]
    fn a_scenario_that_is_meant_to_fail_says_so() {
        let mut report = stormy();
        report.meant = Verdict::Fail;
        assert!(plain(&report).starts_with("FAIL  First light, as it is meant to\n"));
        report.verdict = Verdict::Pass;
        assert!(plain(&report).starts_with("PASS  First light, although it is meant to fail\n"));
    }

    #[test]
    fn an_interrupted_run_says_when() {
        let mut report = stormy();
        report.interrupted = true;
        assert!(plain(&report).starts_with("FAIL  First light, interrupted at 60 s\n"));
        report.verdict = Verdict::Pass;
        assert!(plain(&report).starts_with("STOP  First light, interrupted at 60 s\n"));
    }

    #[test]
    fn a_run_that_does_not_repeat_itself_shows_where_it_parts() {
        let mut report = stormy();
        report.verified = Some(Comparison::Differ(Difference {
            fingerprint: "ffeeddccbbaa99887766554433221100".to_owned(),
            first: Some(r#"{"index":12,"ns":1000,"event":"boot"}"#.to_owned()),
            second: None,
        }));
        let text = plain(&report);
        assert!(text.contains("verified     something else in a second process: ffee"), "{text}");
        assert!(text.contains("    here     {\"index\":12,"), "{text}");
        assert!(text.contains("    there    the trace has ended"), "{text}");
        report.verified = Some(Comparison::Same);
        assert!(plain(&report).contains("verified     the same again in a second process\n"));
    }

    #[test]
    fn colours_are_only_colours() {
        let report = stormy();
        assert!(text(&report).contains("\u{1b}["));
        assert!(!plain(&report).contains('\u{1b}'));
    }
}
