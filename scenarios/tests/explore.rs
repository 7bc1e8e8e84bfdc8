//! Exploring, with nodes that break in every way: what each costs, and how it is named.

use std::env;
use std::io;
use std::ops::ControlFlow;
use std::process::{self, Command};
use std::sync::Arc;
use std::task::Poll;

use wavetank_scenarios::explore::pool::{self, News, Order, PoolError};
use wavetank_scenarios::explore::wire::Task;
use wavetank_scenarios::explore::{FailureKind, Heart, Limits, Outcome, run_guarded, run_seed, worker};
use wavetank_scenarios::registry::{Flow, Metric};
use wavetank_scenarios::shrink::{Case, ShrinkError, shrink};
use wavetank_scenarios::site::Site;
use wavetank_scenarios::{Registry, TypedKind};
use wavetank_sim::node::{Exit, Node};
use wavetank_sim::time::Duration;

/// How a node of the kind `troubled` breaks.
#[derive(Clone, Copy, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Troubled {
    /// Breaks with one seed in so many.
    one_in: u64,
    how: How,
}

#[derive(Clone, Copy, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum How {
    Panic,
    Spin,
    Abort,
    Overflow,
    Livelock,
    Crawl,
    Wait,
    Spawn,
    Chatter,
}

const DONE: [Metric; 1] = [Metric { name: "done", doc: "1 when the node has come to its end." }];
const REACHED: [Flow; 1] = [Flow { name: "end.reached", doc: "When the node has come to its end." }];

fn registry() -> Registry {
    let troubled = TypedKind::new("troubled", "Breaks.").metrics(&DONE).flows(&REACHED).program(
        |config: &Arc<Troubled>, site: &mut Site<'_>| {
            let (config, name) = (**config, site.name().to_owned());
            let breaks = site.stream("breaks").below(config.one_in) == 0;
            move |node: Node| {
                let name = name.clone();
                async move {
                    node.clock().sleep(Duration::from_secs(1)).await;
                    if breaks {
                        break_down(config.how, &node).await;
                    }
                    node.gauge("done", 1);
                    node.flow("end.reached", &name, 1);
                    Exit::Halt
                }
            }
        },
    );
    let mut registry = Registry::new();
    registry.add(troubled);
    registry
}

async fn break_down(how: How, node: &Node) {
    match how {
        How::Panic => panic!("{} cannot go on", node.name()),
        How::Spin => loop {
            std::hint::spin_loop();
        },
        How::Abort => process::abort(),
        How::Overflow => drop(dive(&[0; 1_024])),
        How::Livelock => loop {
            let mut yielded = false;
            let once = |context: &mut std::task::Context<'_>| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
            };
            std::future::poll_fn(once).await;
        },
        How::Crawl => loop {
            node.clock().sleep(Duration::from_nanos(1)).await;
        },
        How::Wait => std::future::pending().await,
        How::Spawn => drop(std::thread::Builder::new().spawn(|| ())),
        How::Chatter => {
            println!("a line of a node");
            print!("and half a line");
        }
    }
}

/// Never ends, and uses its stack.
#[expect(unconditional_recursion, reason = "it is to overflow")]
fn dive(above: &[u8; 1_024]) -> [u8; 1_024] {
    let mut here = *above;
    here[0] = here[0].wrapping_add(1);
    let below = dive(std::hint::black_box(&here));
    here[1] ^= below[0];
    here
}

fn scenario(how: &str, one_in: u64) -> String {
    format!(
        r#"version = 1
name = "Troubled"
duration = "10s"
[node.good]
kind = "troubled"
address = "10.0.0.10/24"
config = {{ how = "panic", one_in = 1_000_000_000_000 }}
[node.bad]
kind = "troubled"
count = 2
address = "10.0.0.20/24"
config = {{ how = "{how}", one_in = {one_in} }}
[network.lan]
kind = "switch"
members = ["good", "bad-*"]
[[expect]]
name = "all come to their end"
eventually = 'count("*", "done") == 3'
[[expect]]
name = "each once"
flow = {{ unique = "end.reached" }}
"#
    )
}

/// This very test program, started again, is the worker.
#[test]
fn as_a_worker() {
    if env::var_os("WAVETANK_TEST_WORKER").is_some() {
        worker::serve(io::stdin().lock(), io::stdout(), &registry(), || process::exit(70)).expect("a supervisor");
    }
}

fn command() -> Command {
    let mut command = Command::new(env::current_exe().expect("a test is a file"));
    command.args(["--exact", "as_a_worker", "--nocapture"]).env("WAVETANK_TEST_WORKER", "1").env("RUST_BACKTRACE", "0");
    command
}

fn explore(text: String, seeds: u64, jobs: usize) -> Vec<Outcome> {
    let limits = Limits { events_max: 50_000, events_per_instant_max: 10_000, stall_s: 2 };
    let task = Task { name: "troubled.toml".into(), text, limits };
    let order = Order { first: 100, count: Some(seeds), jobs };
    let mut outcomes = Vec::new();
    let flow = pool::explore(&task, order, command, |news| {
        if let News::Outcome(outcome) = news {
            outcomes.push(outcome);
        }
        ControlFlow::<()>::Continue(())
    });
    assert!(flow.expect("workers start").is_continue());
    outcomes
}

/// All outcomes have their place; returns the only signature of those that failed, and how many did.
fn failed(how: &str, one_in: u64, seeds: u64) -> (FailureKind, String, usize) {
    let outcomes = explore(scenario(how, one_in), seeds, 2);
    assert!(outcomes.iter().map(|outcome| outcome.seed).eq(100..100 + seeds), "each seed once, in order");
    let failures: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.failure.as_ref()).collect();
    let first = failures.first().expect("some fail");
    assert!(failures.iter().all(|failure| failure.signature == first.signature), "{failures:?}");
    (first.kind, first.signature.to_string(), failures.len())
}

#[test]
fn the_scenario_is_sound() {
    if let Err(problems) = wavetank_scenarios::Plan::read("troubled.toml", &scenario("panic", 2), &registry()) {
        panic!("{:?}", problems.iter().collect::<Vec<_>>());
    }
}

#[test]
fn the_result_does_not_depend_on_how_many_work() {
    let one = explore(scenario("panic", 4), 60, 1);
    let three = explore(scenario("panic", 4), 60, 3);
    assert_eq!(one, three);
    assert!(one.iter().any(|outcome| outcome.failure.is_some()));
    assert!(one.iter().any(|outcome| outcome.failure.is_none()));
}

#[test]
fn a_panic_is_told_by_its_place() {
    let (kind, signature, failures) = failed("panic", 4, 40);
    assert_eq!(kind, FailureKind::Panic);
    assert!(signature.starts_with("panic: ") && signature.contains("explore.rs:"), "{signature}");
    assert!(signature.ends_with(" in troubled"), "{signature}");
    assert!((1..40).contains(&failures));
}

#[test]
fn a_wait_for_ever_is_a_deadlock() {
    let (kind, signature, _) = failed("wait", 2, 10);
    assert_eq!((kind, &*signature), (FailureKind::Deadlock, "deadlock: all come to their end"));
}

#[test]
fn time_that_stands_still_is_a_livelock() {
    assert_eq!(failed("livelock", 2, 6).1, "livelock: troubled");
}

#[test]
fn a_run_of_too_many_events_is_ended() {
    let (kind, signature, _) = failed("crawl", 2, 6);
    assert_eq!((kind, &*signature), (FailureKind::Timeout, "timeout: too many events, last troubled"));
}

#[test]
fn what_a_world_cannot_give_is_nondeterminism() {
    if wavetank_sim::guard::probe().is_err() {
        return;
    }
    let (kind, signature, _) = failed("spawn", 2, 6);
    assert_eq!((kind, &*signature), (FailureKind::Nondeterminism, "nondeterminism: troubled asked for a thread"));
}

#[test]
fn an_abort_costs_its_seed_and_its_worker() {
    let (kind, signature, failures) = failed("abort", 8, 24);
    assert_eq!(kind, FailureKind::Abort);
    assert!(signature.contains("SIGABRT") || cfg!(not(unix)), "{signature}");
    assert!((1..24).contains(&failures));
}

#[test]
fn an_overflowing_stack_is_named() {
    let (kind, signature, failures) = failed("overflow", 8, 12);
    assert_eq!(kind, FailureKind::Abort);
    assert!(signature == "abort: stack overflow" || cfg!(not(unix)), "{signature}");
    assert!((1..12).contains(&failures));
}

#[test]
fn a_poll_that_never_ends_is_ended() {
    let outcomes = explore(scenario("spin", 1), 2, 2);
    let [a, b] = &outcomes[..] else { panic!("{outcomes:?}") };
    let failures = [a, b].map(|outcome| outcome.failure.clone().expect("it hangs"));
    assert!(failures.iter().all(|failure| failure.signature.as_str() == "hang: a poll of troubled"), "{failures:?}");
}

#[test]
fn a_run_with_a_watchdog_comes_to_an_end() {
    let plan =
        Arc::new(wavetank_scenarios::Plan::read("t.toml", &scenario("spin", 1), &registry()).expect("it is sound"));
    let limits = Limits { stall_s: 1, ..Limits::default() };
    let hung = run_guarded(&plan, 3, None, &limits).expect("a thread can be had").failure.expect("it hangs");
    assert_eq!(hung.signature.as_str(), "hang: a poll of troubled");
    let registry = registry();
    let case = Case { name: "t.toml", text: &scenario("spin", 1), registry: &registry, seed: 3, limits, jobs: 1 };
    assert!(matches!(shrink(&case, |_| ControlFlow::Continue(())), Err(ShrinkError::Hangs { .. })));
    let calm =
        Arc::new(wavetank_scenarios::Plan::read("t.toml", &scenario("panic", 4), &registry).expect("it is sound"));
    // On a busy machine the backtrace of its panic alone may take a second.
    let patient = Limits::default();
    let [guarded, plain] =
        [run_guarded(&calm, 3, None, &patient), run_seed(&calm, 3, &patient, &Heart::default()).map(|ran| ran.outcome)];
    assert_eq!(guarded.expect("a thread can be had"), plain.expect("a thread can be had"));
}

#[test]
fn a_node_that_prints_disturbs_nobody() {
    let outcomes = explore(scenario("chatter", 1), 4, 1);
    assert!(outcomes.len() == 4 && outcomes.iter().all(|outcome| outcome.failure.is_none()), "{outcomes:?}");
}

#[test]
fn whoever_has_seen_enough_breaks_off() {
    let task = Task { name: "t.toml".into(), text: scenario("panic", 2), limits: Limits::default() };
    let order = Order { first: 0, count: None, jobs: 2 };
    let flow = pool::explore(&task, order, command, |news| match news {
        News::Outcome(outcome) if outcome.seed == 9 => ControlFlow::Break(outcome.seed),
        _ => ControlFlow::Continue(()),
    });
    assert_eq!(flow.expect("workers start"), ControlFlow::Break(9));
}

#[test]
fn a_worker_that_cannot_be_is_an_error() {
    let task = Task { name: "t.toml".into(), text: scenario("panic", 2), limits: Limits::default() };
    let order = Order { first: 0, count: Some(3), jobs: 2 };
    let ignore = |_| ControlFlow::<()>::Continue(());
    let missing = pool::explore(&task, order, || Command::new("no/such/program"), ignore);
    assert!(matches!(missing, Err(PoolError::Start(_))), "{missing:?}");
    let mute = || {
        let mut command = command();
        command.env_remove("WAVETANK_TEST_WORKER");
        command
    };
    let mute = pool::explore(&task, order, mute, ignore);
    assert!(matches!(mute, Err(PoolError::Stillborn { .. })), "{mute:?}");
    let broken = Task { text: "version = 1".into(), ..task };
    let broken = pool::explore(&broken, order, command, ignore);
    assert!(matches!(broken, Err(PoolError::Refused(_))), "{broken:?}");
}
