//! What is shown, at several sizes.

use std::time::Duration;

use ratatui::layout::Size;
use ratatui::style::Color;

use crate::layout::Pane;
use crate::message::{Message, Run};
use crate::state::State;
use crate::style::Palette;
use crate::testing::{picture, press, see, snapshot, state};
use crate::update::update;

const COMMON: Size = Size::new(80, 24);
const WIDE: Size = Size::new(140, 36);
const SMALL: Size = Size::new(60, 15);

#[test]
fn a_common_terminal_shows_a_dashboard() {
    let mut state = state(COMMON, Run::Running, 3_400);
    see(&mut state, Run::Running, snapshot(3_500), Duration::from_millis(200));
    insta::assert_snapshot!(picture(&state));
}

#[test]
fn a_wide_terminal_shows_everything_at_once() {
    let mut state = state(WIDE, Run::Paused, 7_000);
    press(&mut state, "down down");
    insta::assert_snapshot!(picture(&state));
}

#[test]
fn a_small_terminal_shows_one_pane_at_a_time() {
    let mut state = state(SMALL, Run::Paused, 1_000);
    let mut pictures = picture(&state).to_string();
    for _ in 1..Pane::ALL.len() - 1 {
        press(&mut state, "tab");
        pictures += &picture(&state).to_string();
    }
    insta::assert_snapshot!(pictures);
}

#[test]
fn the_trace_is_filtered_and_held() {
    let mut state = state(COMMON, Run::Running, 5_300);
    press(&mut state, "down down f tab tab tab tab enter");
    let followed = picture(&state);
    press(&mut state, "F up up");
    see(&mut state, Run::Running, snapshot(6_000), Duration::from_millis(200));
    insta::assert_snapshot!(format!("{followed}{}", picture(&state)));
}

#[test]
fn help_lies_over_everything() {
    let mut state = state(SMALL, Run::Paused, 1_000);
    press(&mut state, "?");
    insta::assert_snapshot!(picture(&state));
}

#[test]
fn a_run_that_is_over_says_how_it_ended() {
    let state = state(COMMON, Run::Stuck, 7_000);
    insta::assert_snapshot!(picture(&state));
}

#[test]
fn a_tiny_terminal_asks_for_room() {
    let state = state(Size::new(40, 5), Run::Running, 1_000);
    insta::assert_snapshot!(picture(&state));
}

#[test]
fn colours_are_left_out_on_request() {
    let mut state = state(WIDE, Run::Paused, 7_000);
    let coloured = |state: &State| {
        picture(state).buffer().content.iter().any(|cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset))
    };
    assert!(coloured(&state));
    let text = picture(&state).to_string();
    state.palette = Palette { has_colours: false };
    assert!(!coloured(&state));
    assert_eq!(picture(&state).to_string(), text, "nothing is said by colour alone");
}

#[test]
fn every_size_can_be_drawn() {
    let mut state = state(COMMON, Run::Paused, 7_000);
    for pane in Pane::ALL {
        for is_zoomed in [false, true] {
            for (width, height) in
                (1..150).step_by(7).flat_map(|width| (1..50).step_by(4).map(move |height| (width, height)))
            {
                (state.focus, state.is_zoomed, state.shows_help) = (pane, is_zoomed, width % 2 == 0);
                update(&mut state, Message::Resize(Size::new(width, height)));
                picture(&state);
            }
        }
    }
}
