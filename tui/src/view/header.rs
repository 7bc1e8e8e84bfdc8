//! What runs, how far it is, how fast it goes.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Paragraph};
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

use crate::message::Run;
use crate::state::State;
use crate::text;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, snapshot: &Snapshot) {
    let [first, second, third] = Layout::vertical([Constraint::Length(1); 3]).areas(area);
    let right = run(state);
    let [left, corner] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(right.width() as u16)]).areas(first);
    frame.render_widget(title(state), left);
    frame.render_widget(right, corner);
    gauge(frame, second, state, snapshot);
    counts(frame, third, state, snapshot);
}

fn title(state: &State) -> Line<'_> {
    let palette = state.palette;
    Line::from(vec![
        Span::raw(" "),
        Span::styled(&*state.watch.title, palette.strong()),
        Span::styled("  seed ", palette.faint()),
        Span::raw(state.watch.seed.to_string()),
    ])
}

fn run(state: &State) -> Line<'static> {
    let palette = state.palette;
    let (text, style) = match state.run {
        _ if state.is_leaving => ("leaving", palette.caution()),
        _ if state.is_silent => ("the world is busy", palette.caution()),
        Run::Running => ("▶ running", palette.good()),
        Run::Paused => ("‖ paused", palette.caution()),
        Run::Ended => ("■ ended", palette.accent()),
        Run::Stuck => ("■ stuck: tasks keep waking each other", palette.bad()),
    };
    let mut line = Line::from(Span::styled(text, style.bold()));
    if !state.run.is_over() {
        line.push_span(Span::styled("  pace ", palette.faint()));
        line.push_span(text::pace(state.watch.pace));
    }
    line.push_span(" ");
    line
}

fn gauge(frame: &mut Frame<'_>, area: Rect, state: &State, snapshot: &Snapshot) {
    let end = state.watch.end;
    let label = format!(" {} of {} ", text::seconds(snapshot.now), text::end(end));
    if end == Instant::MAX {
        return frame.render_widget(label, area);
    }
    let ratio = if end == Instant::START { 1.0 } else { snapshot.now.as_nanos() as f64 / end.as_nanos() as f64 };
    let gauge = LineGauge::default()
        .ratio(ratio.clamp(0.0, 1.0))
        .label(label)
        .filled_symbol("━")
        .unfilled_symbol("┄")
        .filled_style(state.palette.accent())
        .unfilled_style(state.palette.faint());
    let [inner, _] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    frame.render_widget(gauge, inner);
}

fn counts(frame: &mut Frame<'_>, area: Rect, state: &State, snapshot: &Snapshot) {
    let palette = state.palette;
    let mut line = Line::from(vec![Span::raw(format!(" {}", text::count(snapshot.events))), label(state, " events")]);
    if state.run == Run::Running {
        if let Some(rate) = state.rates.events_per_second() {
            line.push_span(format!("  {}", text::count(rate)));
            line.push_span(label(state, "/s"));
        }
        if let Some(speed) = state.rates.speed() {
            line.push_span(format!("  {}", factor(speed)));
            line.push_span(label(state, " real time"));
        }
    }
    let room = usize::from(area.width).saturating_sub(line.width());
    let print = snapshot.fingerprint.to_string();
    // In full, or its beginning: enough to tell two runs apart by eye.
    let shown = if room > print.len() + 15 { print } else { format!("{}…", &print[..8]) };
    let right = Line::from(vec![label(state, "fingerprint "), Span::styled(shown, palette.accent()), Span::raw(" ")]);
    frame.render_widget(line, area);
    if room > right.width() {
        frame.render_widget(Paragraph::new(right).alignment(Alignment::Right), area);
    }
}

fn label(state: &State, text: &'static str) -> Span<'static> {
    Span::styled(text, state.palette.faint())
}

/// `0.98x`, `1,234x`.
fn factor(speed: f64) -> String {
    if speed < 100.0 { format!("{speed:.2}x") } else { format!("{}x", text::count(speed as u64)) }
}
