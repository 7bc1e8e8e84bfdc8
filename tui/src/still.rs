//! One picture of a run, as text: for logs, documents and whoever has no terminal.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;
use wavetank_sim::session::Ended;
use wavetank_sim::world::Snapshot;

use crate::helm::Helm;
use crate::message::{Message, Run, Sighting};
use crate::state::State;
use crate::style::Palette;
use crate::update::update;
use crate::{Error, Start, Watch, view};

/// Lets a run go to its opening ([`Watch::opening`]; where it is to run from its beginning, that is there), and draws what
/// [`watch`](crate::watch) would show, on so many columns and rows. Returned are the lines and the world as it stood.
///
/// # Errors
///
/// If the run cannot be started, or its world fails.
pub fn still(start: Start, view: Watch, columns: u16, rows: u16) -> Result<(String, Snapshot), Error> {
    let Helm { orders, sightings, thread } = Helm::take(start, view.end)?;
    // If the helm is gone already, its end says why.
    let _ = orders.send(view.opening.still());
    let seen = sightings.recv();
    drop(orders);
    let ended = thread.join().unwrap_or(Err(Ended.into()));
    let Ok(sighting) = seen else { return Err(ended.err().unwrap_or_else(|| Ended.into())) };
    let snapshot = sighting.snapshot.clone();
    Ok((text(&state(view, sighting, Size::new(columns, rows))), snapshot))
}

/// Draws a world that stands still as [`watch`](crate::watch) would show it, on so many columns and rows.
#[must_use]
pub fn picture(view: Watch, snapshot: Snapshot, columns: u16, rows: u16) -> String {
    let run = if snapshot.now < view.end { Run::Paused } else { Run::Ended };
    let sighting = Sighting { snapshot, run, cost: Duration::ZERO, notice: None, is_undone: false };
    text(&state(view, sighting, Size::new(columns, rows)))
}

fn state(view: Watch, sighting: Sighting, size: Size) -> State {
    let mut state = State::new(view, Palette { has_colours: false }, size);
    state.outstanding = 1;
    update(&mut state, Message::Seen { sighting: Box::new(sighting), wall: Duration::ZERO });
    state
}

/// The lines, without the blanks at their ends.
fn text(state: &State) -> String {
    let backend = TestBackend::new(state.size.width, state.size.height);
    let mut terminal = Terminal::new(backend).unwrap_or_else(|never| match never {});
    terminal.draw(|frame| view::draw(frame, state)).unwrap_or_else(|never| match never {});
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(state.size.width).max(1));
    rows.fold(String::new(), |mut text, row| {
        let begins = text.len();
        text.extend(row.iter().map(ratatui::buffer::Cell::symbol));
        text.truncate(begins + text[begins..].trim_end().len());
        text.push('\n');
        text
    })
}
