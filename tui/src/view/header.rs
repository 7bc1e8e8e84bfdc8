//! What runs, how far it is, how fast it goes.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

use crate::marks::Mark;
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
    let [label_area, line, _] = Layout::horizontal([
        Constraint::Length(label.chars().count() as u16),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(label, label_area);
    frame.render_widget(time_line(state, snapshot.now, line.width), line);
}

/// What is over, what is to come, and what stands out in either as far as it is known.
fn time_line(state: &State, now: Instant, width: u16) -> Line<'static> {
    let (palette, end) = (state.palette, state.watch.end.as_nanos());
    // A column is of the stretch from its own share of the time on; the last one has the end, too.
    let begins = |column: u16| (u128::from(end) * u128::from(column) / u128::from(width.max(1))) as u64;
    let columns = (0..width).map(|column| {
        let (from, to) = (begins(column), if column + 1 == width { u64::MAX } else { begins(column + 1) });
        let is_over = now.as_nanos() > from || end == 0;
        match state.marks.within(Instant::from_nanos(from), Instant::from_nanos(to)) {
            Some(Mark::Broken) => Span::styled("✗", palette.bad()),
            Some(Mark::Failed) => Span::styled("!", palette.bad()),
            Some(Mark::Fault) => Span::styled("▲", palette.caution()),
            None if is_over => Span::styled("━", palette.accent()),
            None => Span::styled("┄", palette.faint()),
        }
    });
    Line::from_iter(columns)
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
