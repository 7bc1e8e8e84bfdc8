//! The last events, one line each.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use wavetank_sim::check::Verdict;
use wavetank_sim::net::LinkId;
use wavetank_sim::node::{Exit, ResetCause};
use wavetank_sim::trace::{Event, Names, Record};
use wavetank_sim::world::Snapshot;

use super::border;
use crate::layout::Pane;
use crate::state::State;
use crate::style::Palette;
use crate::text;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, snapshot: &Snapshot) {
    let records: Vec<_> = state.trace().collect();
    let height = usize::from(area.height.saturating_sub(2));
    let end = records.len() - state.cursor(Pane::Trace).min(records.len().saturating_sub(height));
    let shown = &records[end.saturating_sub(height)..end];
    let described: Vec<_> =
        shown.iter().map(|record| (record, describe(record, &snapshot.names, state.palette))).collect();
    let longest = described.iter().map(|(_, line)| line.subject.chars().count()).max().unwrap_or(0);
    let column = longest.clamp(8, usize::from(area.width / 3).max(8));
    let mut lines: Vec<_> = described
        .into_iter()
        .map(|(record, Description { subject, text, style })| {
            Line::from(vec![
                Span::styled(format!("{:>14} ", record.at), state.palette.faint()),
                Span::styled(format!("{subject:<column$} "), state.palette.accent()),
                Span::styled(text, style),
            ])
        })
        .collect();
    let all = state.held.as_ref().unwrap_or(&snapshot.recent).len();
    if lines.is_empty() && all > 0 {
        let text = format!(" the last {} events are all filtered out", text::count(all as u64));
        lines.push(Line::styled(text, state.palette.faint()));
    }
    let mut title = Line::from("trace");
    if let Some(node) = state.selected_node().filter(|_| state.is_filtered) {
        title.push_span(Span::styled(format!(" of {}", snapshot.names.node(node)), state.palette.caution()));
    }
    if state.hides_frames {
        title.push_span(Span::styled(" without frames", state.palette.caution()));
    }
    let right = match &state.held {
        Some(_) => Span::styled(format!("held at {}/{}, End follows", end, records.len()), state.palette.caution()),
        None => Span::styled("follows", state.palette.faint()),
    };
    frame.render_widget(Paragraph::new(lines).block(border(state, Pane::Trace, title, right)), area);
}

struct Description {
    subject: String,
    text: String,
    style: Style,
}

fn describe(record: &Record, names: &Names, palette: Palette) -> Description {
    let subject = match (record.event.node(), record.event.link()) {
        (Some(node), _) => names.node(node).to_owned(),
        (None, Some(link)) => direction(link, names),
        (None, None) => String::new(),
    };
    let (text, style) = words(&record.event, names, palette);
    Description { subject, text: text::one_line(&text), style }
}

/// A cable with an arrow instead of the link's own name.
fn direction(link: LinkId, names: &Names) -> String {
    let arrow = if link == link.cable().tx() { '→' } else { '←' };
    format!("{} {arrow}", names.cable(link.cable()))
}

fn words(event: &Event, names: &Names, palette: Palette) -> (String, Style) {
    let plain = Style::new();
    match *event {
        Event::FrameSent { ordinal, bytes, .. } => (format!("frame {ordinal} sent, {bytes} bytes"), palette.faint()),
        Event::FrameDelivered { ordinal, .. } => (format!("frame {ordinal} arrived"), palette.faint()),
        Event::FrameDropped { ordinal, reason, .. } => {
            (format!("frame {ordinal} lost: {}", reason.name()), palette.caution())
        }
        Event::Boot { cause, .. } => (format!("boots: {}", cause_words(cause)), palette.good()),
        Event::Exit { exit, .. } => (exit_words(exit), palette.caution()),
        Event::PowerCut { .. } => ("loses its power".into(), palette.bad()),
        Event::BrownOut { .. } => ("browns out".into(), palette.bad()),
        Event::Crash { .. } => ("crashes".into(), palette.bad()),
        Event::Bitten { .. } => ("is reset by its watchdog".into(), palette.bad()),
        Event::Panic { message, .. } => (format!("panics: {}", names.symbol(message)), palette.bad()),
        Event::Refusal { what, .. } => (format!("is refused {}", names.symbol(what)), palette.bad()),
        Event::FaultBegan { fault } => (format!("fault begins: {}", names.fault(fault)), palette.caution()),
        Event::FaultEnded { fault } => (format!("fault ends: {}", names.fault(fault)), palette.caution()),
        Event::FaultFelt { fault, what } => (format!("fault felt: {}, {what}", names.fault(fault)), palette.caution()),
        Event::Flow { kind, source, sequence, .. } => {
            (format!("{} {} {sequence}", names.symbol(kind), names.symbol(source)), plain)
        }
        Event::Called { history, what, .. } => {
            (format!("calls {}, {}", names.symbol(history), names.symbol(what)), plain)
        }
        Event::Answered { history, what, .. } => {
            (format!("is told by {}: {}", names.symbol(history), names.symbol(what)), plain)
        }
        Event::Verdict { expectation, verdict } => {
            let (word, style) = match verdict {
                Verdict::Held => ("held", palette.good()),
                Verdict::Broken => ("broken", palette.bad()),
                Verdict::Open => ("left open", palette.caution()),
                Verdict::Unseen => ("not seen", palette.faint()),
            };
            (format!("expectation {word}: {}", names.expectation(expectation)), style)
        }
        Event::Input { what } => (format!("input: {}", names.symbol(what)), palette.accent()),
        ref other => (other.name().to_owned(), plain),
    }
}

fn cause_words(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::PowerOn => "power on",
        ResetCause::Software => "asked for it",
        ResetCause::External => "reset from outside",
        ResetCause::Wake => "its sleep is over",
        ResetCause::Panic => "after a panic",
        ResetCause::Watchdog => "bitten by its watchdog",
        ResetCause::BrownOut => "its supply sagged",
        _ => "reset",
    }
}

fn exit_words(exit: Exit) -> String {
    match exit {
        Exit::Halt => "halts".into(),
        Exit::Reboot => "reboots".into(),
        Exit::SleepUntil(at) => format!("sleeps until {at} of its own clock"),
    }
}
