//! From messages to changes of the state, and to commands. Nothing here touches the terminal or the world.

use std::collections::BTreeSet;
use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use wavetank_sim::session::Pace;
use wavetank_sim::time::{Instant, nanos};
use wavetank_sim::world::Snapshot;

use crate::layout::Pane;
use crate::message::{Command, Deed, Message, Order, Place, Run, Sighting};
use crate::state::State;
use crate::text;

/// How long power and cables stay cut that are cut from the keyboard.
const CUT: Duration = Duration::from_secs(5);
/// How long a node is down that crashes from the keyboard.
const CRASH: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(1);
const LEAP: Duration = Duration::from_secs(1);
/// The longest time that can be typed, in characters.
const TYPED_MAX: usize = 20;
/// The paces that `+` and `-` go through, in thousandths of real time; after the last one the pace is free.
const PACES: [u32; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Takes a message in. Returned is what is to be done about it.
pub(crate) fn update(state: &mut State, message: Message) -> Option<Command> {
    let command = match message {
        Message::Key(key) if key.kind == KeyEventKind::Release => None,
        Message::Key(key) => press(state, key),
        Message::Resize(size) => {
            state.size = size;
            None
        }
        Message::Seen { sighting, wall } => {
            see(state, *sighting, wall);
            None
        }
    };
    if let Some(Command::Steer(_)) = command {
        state.outstanding += 1;
    }
    command
}

/// Wants a look at the world now, if one is worth its while.
pub(crate) fn look(state: &mut State) -> Option<Order> {
    let is_wanted = state.outstanding == 0 && (state.run == Run::Running || state.snapshot.is_none());
    is_wanted.then(|| {
        state.outstanding += 1;
        Order::Look
    })
}

fn see(state: &mut State, sighting: Sighting, wall: Duration) {
    let Sighting { mut snapshot, run, cost, notice, is_undone } = sighting;
    state.notice = notice.or(state.notice.take());
    if is_undone {
        state.marks.forget_after(&snapshot);
    }
    state.marks.add(&snapshot);
    state.outstanding = state.outstanding.saturating_sub(1);
    state.look_cost = cost;
    // An answer from before a key was pressed does not know what the key did.
    if state.outstanding == 0 || run.is_over() {
        state.run = run;
    }
    if state.outstanding == 0 {
        state.bound_for = None;
    }
    if run == Run::Running {
        state.rates.add(wall, snapshot.now, snapshot.events);
    }
    snapshot.metrics.sort_by(|a, b| a.node.cmp(&b.node).then_with(|| a.name.cmp(&b.name)));
    snapshot.uplinks.sort();
    name_metrics(state, &snapshot);
    state.snapshot = Some(snapshot);
}

/// Keeps the list of metrics' names. The metric that is shown stays, though others come before it.
fn name_metrics(state: &mut State, snapshot: &Snapshot) {
    let names: BTreeSet<&str> = snapshot.metrics.iter().map(|metric| &*metric.name).collect();
    if names.len() == state.metric_names.len() {
        return;
    }
    let shown = state.metric_names.get(state.metric).cloned();
    state.metric_names = names.into_iter().map(str::to_owned).collect();
    state.metric = shown.and_then(|shown| state.metric_names.binary_search(&shown).ok()).unwrap_or(0);
}

fn press(state: &mut State, key: KeyEvent) -> Option<Command> {
    state.notice = None;
    if state.typed.is_some() && !key.modifiers.contains(KeyModifiers::CONTROL) {
        return type_time(state, key.code);
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(quit(state)),
            KeyCode::Char('l') => Some(Command::Repaint),
            _ => None,
        };
    }
    match key.code {
        KeyCode::Char('q') => return Some(quit(state)),
        KeyCode::Esc if state.shows_help => state.shows_help = false,
        KeyCode::Esc if state.is_zoomed => state.is_zoomed = false,
        KeyCode::Esc => return Some(quit(state)),
        KeyCode::Char('?' | 'h') => state.shows_help = !state.shows_help,
        KeyCode::Enter | KeyCode::Char('z') => state.is_zoomed = !state.is_zoomed,
        KeyCode::Char('f') => state.is_filtered = !state.is_filtered,
        KeyCode::Char('F') => state.hides_frames = !state.hides_frames,
        KeyCode::Char('m') => shift_metric(state, 1),
        KeyCode::Char('M') => shift_metric(state, -1),
        KeyCode::Tab => shift_focus(state, 1),
        KeyCode::BackTab => shift_focus(state, -1),
        KeyCode::Char('t') => state.typed = Some(String::new()),
        KeyCode::Char(letter @ ('b' | 'B' | '[' | ']' | '{' | '}' | '<' | '>' | '!' | 'n' | 'N')) => {
            return travel(state, letter);
        }
        KeyCode::Char(letter @ (' ' | 's' | 'S' | '+' | '=' | '-' | '_' | 'x' | 'c' | 'r')) => {
            return steer(state, letter);
        }
        code => scroll(state, code),
    }
    None
}

fn quit(state: &mut State) -> Command {
    state.is_leaving = true;
    Command::Quit
}

/// Keys that do something to the run.
fn steer(state: &mut State, letter: char) -> Option<Command> {
    if state.run.is_over() {
        state.notice = Some("the run is over; b or < goes back, q leaves".into());
        return None;
    }
    let order = match letter {
        ' ' => toggle(state),
        's' => step(state, Order::StepEvent),
        'S' => step(state, Order::StepTime(STEP)),
        'x' if state.focus == Pane::Links => cut_cable(state)?,
        'x' | 'c' | 'r' => strike(state, letter)?,
        _ => change_pace(state, matches!(letter, '+' | '='))?,
    };
    state.bound_for = None;
    Some(Command::Steer(order))
}

/// Keys that go elsewhere in the run's history, be it over or not.
fn travel(state: &mut State, letter: char) -> Option<Command> {
    let snapshot = state.snapshot.as_ref()?;
    // Whoever presses a key several times goes several steps, though the first may take a while.
    let (now, events) = match state.bound_for {
        Some(Place::Time(at)) => (at.min(state.watch.end), snapshot.events),
        Some(Place::Event(event)) => (snapshot.now, event),
        _ => (snapshot.now, snapshot.events),
    };
    let back = |by: Duration| Place::Time(Instant::from_nanos(now.as_nanos().saturating_sub(nanos(by))));
    let place = match letter {
        'b' => Place::Event(events.saturating_sub(1)),
        'B' => back(STEP),
        '[' => back(LEAP),
        '{' => back(10 * LEAP),
        ']' => Place::Time(now + LEAP),
        '}' => Place::Time(now + 10 * LEAP),
        '<' => Place::Event(0),
        '>' => Place::Time(state.watch.end),
        'n' | 'N' => match state.marks.beside(now, letter == 'n') {
            Some(at) => Place::Time(at),
            None => {
                let side = if letter == 'n' { "after" } else { "before" };
                state.notice = Some(format!("no fault and no failure is known {side} this"));
                return None;
            }
        },
        _ => Place::Failure,
    };
    let leads_on = matches!(letter, ']' | '}' | '>');
    if leads_on && state.run.is_over() {
        state.notice = Some("the run is over; b or < goes back, q leaves".into());
        return None;
    }
    Some(go(state, place))
}

fn go(state: &mut State, place: Place) -> Command {
    state.rates.forget();
    state.run = Run::Paused;
    state.bound_for = Some(place);
    follow(state);
    Command::Steer(Order::Go(place))
}

/// Seconds are typed, to be gone to.
fn type_time(state: &mut State, code: KeyCode) -> Option<Command> {
    let typed = state.typed.as_mut()?;
    match code {
        KeyCode::Char(digit @ ('0'..='9' | '.')) if typed.len() < TYPED_MAX => typed.push(digit),
        KeyCode::Backspace => drop(typed.pop()),
        KeyCode::Esc => state.typed = None,
        KeyCode::Enter => {
            let typed = state.typed.take()?;
            if let Some(at) = text::parse_seconds(&typed) {
                return Some(go(state, Place::Time(at)));
            }
            state.notice = Some(format!("{typed:?} is no time: seconds, such as 31 or 31.25"));
        }
        _ => {}
    }
    None
}

fn toggle(state: &mut State) -> Order {
    state.rates.forget();
    if state.run == Run::Running {
        state.run = Run::Paused;
        Order::Pause
    } else {
        state.run = Run::Running;
        follow(state);
        Order::Run(state.watch.pace)
    }
}

fn step(state: &mut State, order: Order) -> Order {
    state.rates.forget();
    state.run = Run::Paused;
    follow(state);
    order
}

/// Something goes wrong with the selected node.
fn strike(state: &mut State, letter: char) -> Option<Order> {
    let node = state.selected_node()?;
    let name = state.snapshot.as_ref()?.names.node(node).to_owned();
    let (deed, what) = match letter {
        'c' => (Deed::Crash(node, CRASH), format!("{name} crashes, and is down{}", lasting(CRASH))),
        'r' => (Deed::Reset(node), format!("{name} is reset")),
        _ => (Deed::CutPower(node, CUT), format!("{name} loses its power{}", lasting(CUT))),
    };
    Some(done(state, deed, what))
}

fn cut_cable(state: &mut State) -> Option<Order> {
    let (cable, name) = state.snapshot.as_ref()?.names.cables().nth(state.cursor(Pane::Links))?;
    let what = format!("{name} is cut{}", lasting(CUT));
    Some(done(state, Deed::CutCable(cable, CUT), what))
}

fn done(state: &mut State, deed: Deed, what: String) -> Order {
    if let Some(snapshot) = &state.snapshot {
        state.marks.forget_after(snapshot);
    }
    state.notice = Some(what);
    Order::Do(deed)
}

fn lasting(duration: Duration) -> String {
    format!(" for {} s of virtual time", duration.as_secs())
}

fn change_pace(state: &mut State, is_faster: bool) -> Option<Order> {
    let pace = if is_faster { faster(state.watch.pace) } else { slower(state.watch.pace) };
    if pace == state.watch.pace {
        return None;
    }
    state.watch.pace = pace;
    state.rates.forget();
    (state.run == Run::Running).then_some(Order::Run(pace))
}

fn faster(pace: Pace) -> Pace {
    let Pace::PerMille(rate) = pace else { return Pace::Free };
    PACES.into_iter().find(|faster| *faster > rate).map_or(Pace::Free, Pace::PerMille)
}

fn slower(pace: Pace) -> Pace {
    let rate = match pace {
        Pace::Free => u32::MAX,
        Pace::PerMille(rate) => rate,
    };
    PACES.into_iter().rev().find(|slower| *slower < rate).map_or(pace, Pace::PerMille)
}

fn shift_metric(state: &mut State, by: isize) {
    let count = state.metric_names.len().max(1);
    state.metric = (state.metric as isize + by).rem_euclid(count as isize) as usize;
}

fn shift_focus(state: &mut State, by: isize) {
    let panes: Vec<_> =
        Pane::ALL.into_iter().filter(|pane| *pane != Pane::Failures || state.length(*pane) > 0).collect();
    let at = panes.iter().position(|pane| *pane == state.focus).unwrap_or(0);
    let to = (at as isize + by).rem_euclid(panes.len() as isize);
    state.focus = panes[to as usize];
}

/// Keys that move within the focused pane.
fn scroll(state: &mut State, code: KeyCode) {
    let pane = state.focus;
    let page = state.arrangement().map_or(1, |arrangement| arrangement.lines(pane)).max(1) as isize;
    let by = match code {
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::PageUp => -page,
        KeyCode::PageDown => page,
        KeyCode::Home | KeyCode::Char('g') => isize::MIN,
        KeyCode::End | KeyCode::Char('G') => isize::MAX,
        _ => return,
    };
    if pane == Pane::Trace {
        return scroll_trace(state, by, page as usize);
    }
    // Lists have a line that is selected; texts move as a whole, and stop when their last line is in sight.
    let lines_kept = if pane == Pane::Details { page as usize } else { 1 };
    let last = state.length(pane).saturating_sub(lines_kept);
    let cursor = &mut state.cursors[pane as usize];
    *cursor = (*cursor).min(last).saturating_add_signed(by).min(last);
    if pane == Pane::Nodes {
        state.cursors[Pane::Details as usize] = 0;
        if state.is_filtered {
            state.cursors[Pane::Trace as usize] = 0;
        }
    }
}

/// Scrolling back holds the events that are there; reaching the end lets them follow the run again.
fn scroll_trace(state: &mut State, by: isize, page: usize) {
    if by < 0 && state.held.is_none() {
        state.held = state.snapshot.as_ref().map(|snapshot| snapshot.recent.clone());
    }
    let most = state.length(Pane::Trace).saturating_sub(page);
    let back = state.cursor(Pane::Trace).min(most);
    let back = if by < 0 { back.saturating_add(by.unsigned_abs()) } else { back.saturating_sub(by.unsigned_abs()) };
    state.cursors[Pane::Trace as usize] = back.min(most);
    if by > 0 && back == 0 {
        follow(state);
    }
}

fn follow(state: &mut State) {
    state.held = None;
    state.cursors[Pane::Trace as usize] = 0;
}
