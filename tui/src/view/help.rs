//! All keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use crate::state::State;

const KEYS: [(&str, &str); 13] = [
    ("space  s S", "pause or go on; take one event, 1 ms"),
    ("b  B", "back by one event, by 1 ms"),
    ("[ ]  { }", "back or on by 1 s, by 10 s"),
    ("<  >", "to the beginning, to the end"),
    ("!  t  n  N", "to a failure, typed time, next or last mark"),
    ("+  -", "pace: faster, slower; the last is free"),
    ("x  c  r", "node: power cut, crash, reset; x cuts links"),
    ("tab  ⇧tab", "next pane, previous pane"),
    ("↑ ↓  j k", "move; PgUp PgDn by pages, Home End to ends"),
    ("m  M", "next, previous metric beside the nodes"),
    ("f  F", "trace: the node's only, without frames"),
    ("z  enter", "the focused pane alone"),
    ("q  esc", "quit; ctrl-l repaints what was spoilt"),
];

pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let palette = state.palette;
    let lines =
        KEYS.map(|(keys, does)| Line::from(vec![Span::styled(format!(" {keys:<11}"), palette.strong()), does.into()]));
    let [area] = Layout::vertical([Constraint::Length(KEYS.len() as u16 + 2)]).flex(Flex::Center).areas(frame.area());
    let [area] = Layout::horizontal([Constraint::Length(58)]).flex(Flex::Center).areas(area);
    let block = Block::bordered().border_type(BorderType::Double).border_style(palette.accent()).title(" keys ");
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines.to_vec()).block(block), area);
}
