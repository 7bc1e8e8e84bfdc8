//! The keys that matter most, or what the last one did.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::layout::Pane;
use crate::message::Run;
use crate::state::State;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let palette = state.palette;
    if let Some(typed) = &state.typed {
        let prompt = format!(" to second {typed}▏ enter goes there, esc does not");
        return frame.render_widget(Line::styled(prompt, palette.caution()), area);
    }
    if let Some(notice) = &state.notice {
        return frame.render_widget(Line::styled(format!(" {notice}"), palette.caution()), area);
    }
    let mut keys =
        vec![("q", "quit"), ("?", "help"), ("tab", "pane"), ("↑↓", "move"), ("f", "filter"), ("m", "metric")];
    if !state.run.is_over() {
        let toggle = if state.run == Run::Running { "pause" } else { "run" };
        keys.splice(2..2, [("space", toggle), ("s", "event"), ("S", "1 ms"), ("+-", "pace")]);
        keys.push(("x", if state.focus == Pane::Links { "cut" } else { "cut power" }));
    }
    keys.splice(2..2, [("b", "back"), ("[ ]", "1 s"), ("!", "failure")]);
    keys.push(("z", "zoom"));
    let mut line = Line::default();
    for (key, does) in keys {
        let hint =
            [Span::styled(format!(" {key}"), palette.strong()), Span::styled(format!(" {does} "), palette.faint())];
        if line.width() + hint.iter().map(Span::width).sum::<usize>() > area.width.into() {
            break;
        }
        line.spans.extend(hint);
    }
    frame.render_widget(line, area);
}
