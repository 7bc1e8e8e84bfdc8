//! Real sessions, watched from beginning to end by a script that looks at the screen before it presses a key.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::Event;
use wavetank_sim::node::NodeSpec;
use wavetank_sim::session::{Pace, Session};
use wavetank_sim::trace;
use wavetank_sim::world::{Failure, NodeState, Snapshot};

use crate::Error;
use crate::message::Run;
use crate::state::State;
use crate::style::Palette;
use crate::term::{Input, watch_on};
use crate::testing::{END, key, lossy_pond, session, starting, watch};

type When = fn(&State) -> bool;

/// What is done, each as soon as the screen shows what it waits for.
struct Script {
    steps: VecDeque<(When, Event)>,
}

impl Script {
    fn new(steps: &[(When, &str)]) -> Self {
        Self { steps: steps.iter().map(|(when, name)| (*when, Event::Key(key(name)))).collect() }
    }
}

impl Input for Script {
    fn next(&mut self, state: &State, _: Duration) -> io::Result<Option<Event>> {
        thread::yield_now();
        Ok(self.steps.pop_front_if(|(when, _)| when(state)).map(|(_, event)| event))
    }
}

const SEEN: When = |state| state.snapshot.is_some() && state.outstanding == 0;
const OVER: When = |state| state.run.is_over();

fn watched(start: impl Fn() -> Session + Send + 'static, pace: Pace, mut script: Script) -> Result<Snapshot, Error> {
    let mut terminal = Terminal::new(TestBackend::new(100, 30)).expect("cannot fail");
    watch_on(&mut terminal, &mut script, starting(start), watch(pace), Palette { has_colours: true })
}

fn headless() -> Snapshot {
    let session = lossy_pond();
    session.run_until(END).expect("runs");
    session.finish().expect("ends")
}

#[test]
fn a_watched_run_has_the_headless_runs_fingerprint() {
    let mut script = Script::new(&[
        (SEEN, "space"),
        (SEEN, "s"),
        (SEEN, "s"),
        (SEEN, "S"),
        (SEEN, "f"),
        (SEEN, "tab"),
        (SEEN, "+"),
        (SEEN, "space"),
        (SEEN, "+"),
        (SEEN, "space"),
        (SEEN, "s"),
        (SEEN, "+"),
        (SEEN, "+"),
        (SEEN, "+"),
        (SEEN, "+"),
        (SEEN, "+"),
        (SEEN, "+"),
        (SEEN, "space"),
        (OVER, "?"),
        (OVER, "q"),
    ]);
    script.steps.insert(4, (SEEN, Event::Resize(60, 15)));
    let (watched, headless) = (watched(lossy_pond, Pace::PerMille(1), script).expect("is watched"), headless());
    assert_eq!(watched.fingerprint, headless.fingerprint);
    assert_eq!((watched.now, watched.events), (END, headless.events));
    assert_eq!(watched.expectations, headless.expectations);
    assert_eq!(watched.failures, headless.failures);
}

#[test]
fn quitting_ends_the_run_where_it_stands() {
    let last = watched(lossy_pond, Pace::PerMille(1), Script::new(&[(SEEN, "space"), (SEEN, "q")]));
    assert!(last.expect("is watched").now < END);
}

#[test]
fn a_power_cut_from_the_keyboard_is_an_input_of_the_run() {
    let is_off: When = |state| SEEN(state) && state.snapshot.as_ref().is_some_and(|s| s.nodes[0] == NodeState::Off);
    let script = Script::new(&[(SEEN, "space"), (SEEN, "x"), (SEEN, "S"), (is_off, "q")]);
    let last = watched(lossy_pond, Pace::PerMille(1), script).expect("is watched");
    let inputs: Vec<_> = last
        .recent
        .iter()
        .filter_map(|record| match record.event {
            trace::Event::Input { what } => Some(last.names.symbol(what)),
            _ => None,
        })
        .collect();
    assert_eq!(inputs, ["inject power-cut hub"]);
}

#[test]
fn a_world_that_is_stuck_says_so() {
    let stuck = || {
        session(|world| {
            world.add_node(NodeSpec::named("spinner"), |_| {
                poll_fn(|context| {
                    context.waker().wake_by_ref();
                    Poll::Pending
                })
            });
        })
    };
    let is_stuck: When = |state| state.run == Run::Stuck;
    let last = watched(stuck, Pace::Free, Script::new(&[(is_stuck, "space"), (is_stuck, "q")])).expect("is watched");
    assert!(matches!(last.failures[..], [Failure::Livelock { .. }]));
}

#[test]
fn a_world_that_has_died_is_an_error() {
    let dead = || {
        let session = lossy_pond();
        session.call(|_| panic!("on purpose")).expect_err("its thread has panicked");
        session
    };
    let error = watched(dead, Pace::Free, Script::new(&[])).expect_err("there is nothing to watch");
    assert!(matches!(error, Error::World { .. }));
    assert_eq!(error.to_string(), "the world's thread has ended unexpectedly");
}

#[test]
fn the_end_is_no_end_for_who_goes_back() {
    let is_back: When = |state| SEEN(state) && state.run == Run::Paused;
    let script =
        Script::new(&[(OVER, "b"), (is_back, "<"), (is_back, "t"), (SEEN, "3"), (SEEN, "enter"), (is_back, "q")]);
    let last = watched(lossy_pond, Pace::Free, script).expect("is watched");
    assert_eq!(last.now.as_nanos(), 3_000_000_000);
}
