//! How a device is, in the page's table.

use std::fmt::{self, Write as _};

use super::{Grouped, Span};
use crate::health::{Condition, Network};

/// By how much a device's clock may be off before the page says so: half of that is what a report takes on a bad line.
const CLOCK_MS: u64 = 1_000;

/// What a device has said of itself, if it has, and what has gone wrong.
pub(super) struct Health<'a>(pub(super) Option<&'a Condition>);

impl fmt::Display for Health<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(condition) = self.0 else { return f.write_str("–") };
        let report = &condition.report;
        f.write_str("<dl class=\"quantities\">")?;
        write!(f, "<div><dt>up</dt><dd>{}</dd></div>", Span(report.up_ms))?;
        if let Some(version) = report.version {
            write!(f, "<div><dt>version</dt><dd>{version}</dd></div>")?;
        }
        if let Some(millivolts) = report.battery_mv {
            let (volts, hundredths) = (millivolts / 1_000, millivolts % 1_000 / 10);
            write!(f, "<div><dt>battery</dt><dd>{volts}.{hundredths:02} V</dd></div>")?;
        }
        if report.waiting > 0 {
            write!(f, "<div><dt>waiting</dt><dd>{}</dd></div>", Grouped(report.waiting.into()))?;
        }
        f.write_str("</dl>")?;
        let mut ails = String::new();
        write_ails(&mut ails, condition)?;
        match ails.is_empty() {
            true => f.write_str("<p class=\"ails quiet\">nothing wrong</p>"),
            false => write!(f, "<ul class=\"ails\">{ails}</ul>"),
        }
    }
}

/// All that is or was wrong, each an item of a list.
fn write_ails(html: &mut String, condition: &Condition) -> fmt::Result {
    let report = &condition.report;
    if report.cut_off {
        html.push_str("<li class=\"missing\">cut off from its server</li>");
    }
    let bad = " class=\"missing\"";
    write_count(html, bad, report.lost, ["loss", "losses"])?;
    write_count(html, bad, report.sensor_errors, ["sensor error", "sensor errors"])?;
    write_count(html, bad, report.flash_errors, ["flash error", "flash errors"])?;
    let restarts = condition.restarts();
    if restarts > 0 {
        let what = if restarts == 1 { "restart" } else { "restarts" };
        write!(html, "<li>{} {what} ({})</li>", Grouped(restarts.into()), name(condition))?;
    }
    write_count(html, "", report.link_failures, ["failed call", "failed calls"])?;
    // A device ends connections by resets of its own, and drops what comes for them afterwards: that is nothing to complain of.
    let Network { retransmissions, resets_received, timeouts, slots_wanting, .. } = report.network;
    write_count(html, "", retransmissions, ["segment sent again", "segments sent again"])?;
    write_count(html, "", resets_received, ["connection reset", "connections reset"])?;
    write_count(html, "", timeouts, ["connection timed out", "connections timed out"])?;
    write_count(html, "", slots_wanting, ["connection without a slot", "connections without a slot"])?;
    let ahead_ms = condition.clock_ahead_ms();
    if ahead_ms.unsigned_abs() >= CLOCK_MS {
        let which = if ahead_ms > 0 { "fast" } else { "slow" };
        write!(html, "<li>clock {} s {which}</li>", Grouped(ahead_ms.unsigned_abs() / 1_000))?;
    }
    Ok(())
}

/// An item, if there are any, in the singular or the plural.
fn write_count(html: &mut String, class: &str, count: u32, [one, many]: [&str; 2]) -> fmt::Result {
    match count {
        0 => Ok(()),
        1 => write!(html, "<li{class}>1 {one}</li>"),
        _ => write!(html, "<li{class}>{} {many}</li>", Grouped(count.into())),
    }
}

/// What its present life was started by, for people.
fn name(condition: &Condition) -> String {
    let cause = serde_json::to_value(condition.report.cause).expect("a cause is a word");
    cause.as_str().unwrap_or_default().replace('-', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Health as Report, ResetCause};

    fn shown(report: Report, before: Option<&Condition>) -> String {
        Health(Some(&Condition::after(before, report, 10_000))).to_string()
    }

    #[test]
    fn a_device_that_is_well_has_nothing_to_complain_of() {
        assert_eq!(Health(None).to_string(), "–");
        let report = Report { up_ms: 7_200_000, battery_mv: Some(2_905), ..Report::new(1, ResetCause::PowerOn) };
        let html = shown(Report { version: Some("1.2.0".parse().expect("a version")), ..report }, None);
        let facts = "<div><dt>up</dt><dd>2 h</dd></div><div><dt>version</dt><dd>1.2.0</dd></div>\
                     <div><dt>battery</dt><dd>2.90 V</dd></div>";
        assert_eq!(html, format!("<dl class=\"quantities\">{facts}</dl><p class=\"ails quiet\">nothing wrong</p>"));
    }

    #[test]
    fn what_is_wrong_is_counted_in_words() {
        let before = Condition::after(None, Report::new(1, ResetCause::PowerOn), 0);
        let mut report =
            Report { cut_off: true, sensor_errors: 1, lost: 1_234, ..Report::new(2, ResetCause::BrownOut) };
        (report.link_failures, report.waiting) = (2, 40);
        (report.network.retransmissions, report.network.resets_received, report.network.resets_sent) = (3, 2, 5);
        let html = shown(report, Some(&before));
        for item in [
            "<li class=\"missing\">cut off from its server</li>",
            "<li class=\"missing\">1,234 losses</li>",
            "<li class=\"missing\">1 sensor error</li>",
            "<li>1 restart (brown out)</li>",
            "<li>2 failed calls</li>",
            "<li>3 segments sent again</li><li>2 connections reset</li></ul>",
        ] {
            assert!(html.contains(item), "{item}: {html}");
        }
        assert!(html.contains("<dt>waiting</dt><dd>40</dd>") && !html.contains("clock"), "{html}");
        let fast = Condition::after(None, Report::new(1, ResetCause::PowerOn), 0);
        let html = shown(Report { up_ms: 13_500, ..fast.report }, Some(&fast));
        assert!(html.contains("<li>clock 3 s fast</li>"), "{html}");
    }
}
