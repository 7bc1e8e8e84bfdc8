//! What keys do.

use std::time::Duration;

use ratatui::crossterm::event::{KeyEvent, KeyEventKind};
use ratatui::layout::Size;
use wavetank_sim::session::Pace;
use wavetank_sim::time::Instant;

use crate::layout::Pane;
use crate::message::{Command, Deed, Message, Order, Place, Run};
use crate::testing::{END, key, press, see, snapshot, state};
use crate::update::{look, update};

const COMMON: Size = Size::new(80, 24);

fn steer(order: Order) -> Option<Command> {
    Some(Command::Steer(order))
}

#[test]
fn space_pauses_and_goes_on() {
    let mut state = state(COMMON, Run::Running, 1_000);
    assert_eq!(press(&mut state, "space"), steer(Order::Pause));
    assert_eq!(state.run, Run::Paused);
    assert_eq!(press(&mut state, "space"), steer(Order::Run(Pace::PerMille(1_000))));
    assert_eq!(state.run, Run::Running);
}

#[test]
fn an_answer_from_before_the_key_does_not_undo_it() {
    let mut state = state(COMMON, Run::Running, 1_000);
    assert_eq!(look(&mut state), Some(Order::Look));
    press(&mut state, "space");
    assert_eq!(state.outstanding, 2);
    let late = crate::message::Sighting {
        snapshot: snapshot(1_001),
        run: Run::Running,
        cost: Duration::ZERO,
        notice: None,
        is_undone: false,
    };
    update(&mut state, Message::Seen { sighting: Box::new(late), wall: Duration::ZERO });
    assert_eq!(state.run, Run::Paused);
}

#[test]
fn steps_pause() {
    let mut state = state(COMMON, Run::Running, 1_000);
    assert_eq!(press(&mut state, "s"), steer(Order::StepEvent));
    assert_eq!(state.run, Run::Paused);
    assert_eq!(press(&mut state, "S"), steer(Order::StepTime(Duration::from_millis(1))));
}

#[test]
fn the_pace_goes_up_to_free_and_down_to_a_thousandth() {
    let mut state = state(COMMON, Run::Running, 1_000);
    state.watch.pace = Pace::PerMille(2_500);
    assert_eq!(press(&mut state, "+"), steer(Order::Run(Pace::PerMille(10_000))));
    assert_eq!(press(&mut state, "+ + + +"), steer(Order::Run(Pace::Free)));
    assert_eq!(press(&mut state, "+"), None);
    assert_eq!(press(&mut state, "-"), steer(Order::Run(Pace::PerMille(10_000_000))));
    assert_eq!(press(&mut state, "- - - - - - -"), steer(Order::Run(Pace::PerMille(1))));
    assert_eq!(press(&mut state, "-"), None);
}

#[test]
fn a_paused_run_changes_its_pace_when_it_goes_on() {
    let mut state = state(COMMON, Run::Paused, 1_000);
    assert_eq!(press(&mut state, "-"), None);
    assert_eq!(press(&mut state, "space"), steer(Order::Run(Pace::PerMille(100))));
}

#[test]
fn the_selected_node_has_accidents() {
    let mut state = state(COMMON, Run::Running, 1_000);
    press(&mut state, "down");
    let node = state.selected_node().expect("four nodes");
    assert_eq!(press(&mut state, "x"), steer(Order::Do(Deed::CutPower(node, Duration::from_secs(5)))));
    assert_eq!(state.notice.as_deref(), Some("sensor-1 loses its power for 5 s of virtual time"));
    assert_eq!(press(&mut state, "c"), steer(Order::Do(Deed::Crash(node, Duration::from_secs(1)))));
    assert_eq!(state.notice.as_deref(), Some("sensor-1 crashes, and is down for 1 s of virtual time"));
    assert_eq!(press(&mut state, "r"), steer(Order::Do(Deed::Reset(node))));
    assert_eq!(state.notice.as_deref(), Some("sensor-1 is reset"));
    press(&mut state, "down");
    assert_eq!(state.notice, None, "it was read");
}

#[test]
fn the_selected_cable_is_cut() {
    let mut state = state(COMMON, Run::Running, 1_000);
    state.focus = Pane::Links;
    press(&mut state, "down");
    let (cable, name) = state.snapshot.as_ref().and_then(|seen| seen.names.cables().nth(1)).expect("two cables");
    let said = format!("{name} is cut for 5 s of virtual time");
    assert_eq!(press(&mut state, "x"), steer(Order::Do(Deed::CutCable(cable, Duration::from_secs(5)))));
    assert_eq!(state.notice, Some(said));
}

#[test]
fn what_stands_out_is_gone_to_from_either_side() {
    let mut state = state(COMMON, Run::Paused, 9_000);
    let now = state.snapshot.as_ref().expect("a look").now;
    let before = state.marks.beside(now, false).expect("the pond has faults");
    assert_eq!(press(&mut state, "N"), steer(Order::Go(Place::Time(before))));
    state.snapshot.as_mut().expect("a look").now = before;
    assert!(state.marks.beside(before, false).is_none_or(|earlier| earlier < before));
    let after = state.marks.beside(before, true);
    assert_eq!(press(&mut state, "n"), after.map(|at| Command::Steer(Order::Go(Place::Time(at)))));
    state.snapshot.as_mut().expect("a look").now = Instant::MAX;
    assert_eq!(press(&mut state, "n"), None);
    assert_eq!(state.notice.as_deref(), Some("no fault and no failure is known after this"));
}

#[test]
fn a_run_that_is_over_is_not_steered() {
    let mut state = state(COMMON, Run::Ended, 1_000);
    for name in ["space", "s", "S", "+", "-", "x", "c", "r"] {
        assert_eq!(press(&mut state, name), None);
        assert!(state.notice.is_some());
    }
    assert_eq!(look(&mut state), None);
    assert_eq!(press(&mut state, "q"), Some(Command::Quit));
}

#[test]
fn escape_goes_back_before_it_quits() {
    let mut state = state(COMMON, Run::Running, 1_000);
    press(&mut state, "z ?");
    assert_eq!(press(&mut state, "esc"), None);
    assert!(!state.shows_help && state.is_zoomed);
    assert_eq!(press(&mut state, "esc"), None);
    assert!(!state.is_zoomed);
    assert_eq!(press(&mut state, "esc"), Some(Command::Quit));
    assert_eq!(press(&mut state, "ctrl-c"), Some(Command::Quit));
    assert_eq!(press(&mut state, "ctrl-l"), Some(Command::Repaint));
}

#[test]
fn a_released_key_does_nothing() {
    let mut state = state(COMMON, Run::Running, 1_000);
    let released = KeyEvent { kind: KeyEventKind::Release, ..key("q") };
    assert_eq!(update(&mut state, Message::Key(released)), None);
}

#[test]
fn tab_goes_through_the_panes_that_say_something() {
    let mut state = state(COMMON, Run::Running, 1_000);
    press(&mut state, "back-tab");
    assert_eq!(state.focus, Pane::Trace, "nothing has failed yet");
    see(&mut state, Run::Running, snapshot(7_000), Duration::ZERO);
    press(&mut state, "tab");
    assert_eq!(state.focus, Pane::Failures);
    press(&mut state, "tab");
    assert_eq!(state.focus, Pane::Nodes);
}

#[test]
fn the_cursor_stays_among_the_nodes() {
    let mut state = state(COMMON, Run::Running, 1_000);
    let mut at = |keys| {
        press(&mut state, keys);
        state.cursor(Pane::Nodes)
    };
    assert_eq!(
        [at("up"), at("down"), at("end"), at("down"), at("home"), at("page-down"), at("k")],
        [0, 1, 3, 3, 0, 3, 2]
    );
}

#[test]
fn another_metric_is_shown_beside_the_nodes() {
    let mut state = state(COMMON, Run::Running, 1_000);
    let mut shown = |keys| {
        press(&mut state, keys);
        state.metric_names[state.metric].clone()
    };
    assert_eq!(shown("m"), "readings.acknowledged");
    assert_eq!(shown("M M"), "readings.taken");
}

#[test]
fn scrolling_back_holds_the_trace_until_its_end_is_reached() {
    let mut state = state(COMMON, Run::Running, 1_000);
    press(&mut state, "back-tab");
    let last = |state: &crate::state::State| state.trace().last().expect("events").index;
    let before = last(&state);
    press(&mut state, "up page-up");
    see(&mut state, Run::Running, snapshot(1_200), Duration::ZERO);
    assert_eq!(last(&state), before, "what is read stays where it is");
    press(&mut state, "down");
    assert!(state.held.is_some());
    press(&mut state, "end");
    assert!(state.held.is_none());
    assert!(last(&state) > before);
    press(&mut state, "home s");
    assert!(state.held.is_none(), "a step shows what it did");
}

#[test]
fn the_trace_of_one_node_has_its_frames_and_its_faults() {
    let mut state = state(COMMON, Run::Running, 5_040);
    let all = state.trace().count();
    press(&mut state, "down down f");
    let own: Vec<_> = state.trace().map(|record| record.event.name()).collect();
    assert!(own.len() < all);
    for name in ["fault-began", "power-cut", "frame-sent", "frame-delivered", "flow"] {
        assert!(own.contains(&name), "{name} in {own:?}");
    }
    press(&mut state, "F");
    assert!(state.trace().all(|record| record.event.link().is_none()));
}

#[test]
fn a_smaller_terminal_keeps_the_focus() {
    let mut state = state(Size::new(140, 40), Run::Running, 1_000);
    press(&mut state, "tab tab");
    for size in [Size::new(80, 24), Size::new(60, 15), Size::new(20, 5), Size::new(100, 30)] {
        update(&mut state, Message::Resize(size));
        assert_eq!(state.focus, Pane::Links);
        assert_eq!(state.arrangement().is_some(), size.width > 20);
    }
}

#[test]
fn a_paused_run_is_not_looked_at() {
    let mut state = state(COMMON, Run::Paused, 1_000);
    assert_eq!(look(&mut state), None);
    press(&mut state, "space");
    assert_eq!(look(&mut state), None, "the helm will answer anyway");
    see(&mut state, Run::Running, snapshot(1_001), Duration::ZERO);
    assert_eq!(look(&mut state), Some(Order::Look));
}

#[test]
fn keys_travel_in_time() {
    let mut state = state(COMMON, Run::Running, 1_500);
    let events = state.snapshot.as_ref().expect("seen").events;
    let at = |ms: u64| Place::Time(Instant::from_nanos(ms * 1_000_000));
    for (name, place) in [
        ("b", Place::Event(events - 1)),
        ("B", at(1_499)),
        ("[", at(500)),
        ("{", at(0)),
        ("]", at(2_500)),
        ("}", at(11_500)),
        ("<", Place::Event(0)),
        (">", Place::Time(END)),
        ("!", Place::Failure),
    ] {
        (state.run, state.bound_for) = (Run::Running, None);
        assert_eq!(press(&mut state, name), steer(Order::Go(place)), "{name}");
        assert_eq!(state.run, Run::Paused);
    }
    (state.run, state.bound_for) = (Run::Ended, None);
    assert_eq!(press(&mut state, "]"), None);
    assert_eq!(press(&mut state, "["), steer(Order::Go(at(500))), "the end is no end");
}

#[test]
fn a_key_that_is_pressed_again_before_anything_is_seen_goes_further() {
    let mut state = state(COMMON, Run::Running, 5_500);
    let events = state.snapshot.as_ref().expect("seen").events;
    let at = |ms: u64| Place::Time(Instant::from_nanos(ms * 1_000_000));
    assert_eq!(press(&mut state, "[ [ ["), steer(Order::Go(at(2_500))));
    assert_eq!(press(&mut state, "]"), steer(Order::Go(at(3_500))));
    for _ in 0..4 {
        see(&mut state, Run::Paused, snapshot(2_500), Duration::ZERO);
    }
    assert_eq!(press(&mut state, "["), steer(Order::Go(at(1_500))), "from what is seen");
    state.bound_for = None;
    let here = state.snapshot.as_ref().expect("seen").events;
    assert!(here < events);
    assert_eq!(press(&mut state, "b b b"), steer(Order::Go(Place::Event(here - 3))));
    assert_eq!(
        press(&mut state, "> ["),
        steer(Order::Go(Place::Time(Instant::from_nanos(END.as_nanos() - 1_000_000_000))))
    );
}

#[test]
fn a_time_is_typed() {
    let mut state = state(COMMON, Run::Paused, 1_500);
    assert_eq!(press(&mut state, "t q 3 1 . 5"), None, "letters are no digits, nor commands");
    assert_eq!(state.typed.as_deref(), Some("31.5"));
    assert_eq!(press(&mut state, "enter"), steer(Order::Go(Place::Time(Instant::from_nanos(31_500_000_000)))));
    assert_eq!(press(&mut state, "t . enter"), None);
    assert_eq!(state.notice.as_deref(), Some("\".\" is no time: seconds, such as 31 or 31.25"));
    assert_eq!(press(&mut state, "t 1 esc"), None);
    assert_eq!(state.typed, None);
    assert_eq!(press(&mut state, "q"), Some(Command::Quit));
}
