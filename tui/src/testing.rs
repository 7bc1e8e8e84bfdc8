//! A pond to look at, and what it takes to press keys.

#[path = "../examples/demo/pond.rs"]
mod pond;

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;
use wavetank_sim::session::{Ended, Pace, Session};
use wavetank_sim::time::Instant;
use wavetank_sim::world::{Snapshot, World, WorldConfig};

use crate::message::{Command, Message, Run, Sighting};
use crate::state::State;
use crate::style::Palette;
use crate::update::update;
use crate::{Opening, Start, Watch, view};

pub(crate) use pond::{good, worn};

pub(crate) const END: Instant = Instant::from_nanos(10_000_000_000);

pub(crate) fn watch(pace: Pace) -> Watch {
    Watch { title: "a pond".into(), seed: 42, end: END, pace, opening: Opening::Running }
}

pub(crate) fn session(fill: impl FnOnce(&mut World) + Send + 'static) -> Session {
    let config = WorldConfig { seed: 42, polls_per_instant_max: 1_000, ..WorldConfig::default() };
    Session::start(config, |world| {
        fill(world);
        Ok::<_, Ended>(())
    })
    .expect("builds")
}

pub(crate) fn starting(session: impl Fn() -> Session + Send + 'static) -> Start {
    Box::new(move || Ok(session()))
}

pub(crate) fn lossy_pond() -> Session {
    session(|world| pond::fill(world, 3, &worn()))
}

/// A pond without any chance in it, so that pictures of it stay when the drawing of chances changes. The fingerprint is
/// an empty world's.
pub(crate) fn snapshot(ms: u64) -> Snapshot {
    let empty = World::new(&WorldConfig::default());
    let mut world = World::new(&WorldConfig::default());
    pond::fill(&mut world, 3, &good());
    world.keep_recent(1_000);
    world.run_until(Instant::from_nanos(ms * 1_000_000));
    Snapshot { fingerprint: empty.fingerprint(), ..world.snapshot() }
}

/// A state that has seen a pond.
pub(crate) fn state(size: Size, run: Run, ms: u64) -> State {
    let mut state = State::new(watch(Pace::PerMille(1_000)), Palette { has_colours: true }, size);
    see(&mut state, run, snapshot(ms), Duration::ZERO);
    state
}

pub(crate) fn see(state: &mut State, run: Run, snapshot: Snapshot, wall: Duration) {
    let sighting = Box::new(Sighting { snapshot, run, cost: Duration::ZERO, notice: None, is_undone: false });
    state.outstanding = 1;
    assert_eq!(update(state, Message::Seen { sighting, wall }), None);
}

/// `"q"`, `"tab"`, `"ctrl-c"`: as a person would say it.
pub(crate) fn key(name: &str) -> KeyEvent {
    if let Some(letter) = name.strip_prefix("ctrl-") {
        return KeyEvent::new(key(letter).code, KeyModifiers::CONTROL);
    }
    let code = match name {
        "tab" => KeyCode::Tab,
        "back-tab" => KeyCode::BackTab,
        "esc" => KeyCode::Esc,
        "enter" => KeyCode::Enter,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "page-up" => KeyCode::PageUp,
        "page-down" => KeyCode::PageDown,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "space" => KeyCode::Char(' '),
        letter => KeyCode::Char(letter.parse().expect("one letter")),
    };
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// Presses keys one after the other, and says what the last one asks for.
pub(crate) fn press(state: &mut State, keys: &str) -> Option<Command> {
    let asked = keys.split(' ').map(|name| update(state, Message::Key(key(name))));
    asked.last().expect("at least one key")
}

pub(crate) fn picture(state: &State) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(state.size.width, state.size.height)).expect("cannot fail");
    terminal.draw(|frame| view::draw(frame, state)).expect("cannot fail");
    terminal.backend().clone()
}
