//! Expectations over metrics and flows.

use std::sync::Arc;

use wavetank_sim::check::history::{Answer, Call};
use wavetank_sim::check::{Aggregate, Cell, Expectation, Mode, Overflow, Rule, Verdict};
use wavetank_sim::node::{Exit, Node, NodeId, NodeSpec};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{World, WorldConfig};

fn at(seconds: u64) -> Instant {
    Instant::START + Duration::from_secs(seconds)
}

/// Two nodes whose gauge `level` follows the same script of (second, value).
fn world(script: &'static [(u64, i64)]) -> (World, Vec<NodeId>) {
    let mut world = World::new(&WorldConfig::default());
    let nodes = ["a", "b"].map(|name| {
        world.add_node(NodeSpec::named(name), move |node: Node| async move {
            for &(second, value) in script {
                node.clock().timer(at(second)).await;
                node.gauge("level", value);
            }
            Exit::Halt
        })
    });
    (world, nodes.to_vec())
}

fn verdict(script: &'static [(u64, i64)], mode: Mode, from: u64, until: u64, end: u64) -> (Verdict, Instant) {
    let (mut world, nodes) = world(script);
    world.expect(Expectation {
        name: "the sum is above ten".into(),
        rule: Rule::Metrics {
            mode,
            from: at(from),
            until: at(until),
            cells: vec![Cell { nodes, metric: "level".into(), aggregate: Aggregate::Sum }],
            predicate: Arc::new(|cells| if cells[0] == 99 { Err(Overflow) } else { Ok(cells[0] > 10) }),
        },
    });
    world.run_until(at(end));
    let report = world.finish().expectations.remove(0);
    (report.verdict, report.at)
}

#[test]
fn metric_rules() {
    use Verdict::{Broken, Held, Open};
    let rise = &[(5, 6), (20, 0)];
    for (mode, from, until, end, expected) in [
        (Mode::Always, 0, 30, 30, (Broken, at(0))),
        (Mode::Always, 5, 19, 30, (Held, at(19))),
        (Mode::Always, 6, 30, 30, (Broken, at(20))),
        (Mode::Always, 40, 50, 30, (Open, at(30))),
        (Mode::Never, 0, 30, 30, (Broken, at(5))),
        (Mode::Never, 21, 30, 30, (Held, at(30))),
        (Mode::Eventually, 0, 10, 30, (Held, at(5))),
        (Mode::Eventually, 0, 4, 30, (Broken, at(4))),
        (Mode::Eventually, 0, 25, 3, (Open, at(3))),
        (Mode::Stable, 0, 10, 30, (Broken, at(20))),
        (Mode::Stable, 0, 10, 19, (Held, at(19))),
        (Mode::Stable, 0, 4, 30, (Broken, at(4))),
        (Mode::Stable, 0, 25, 30, (Broken, at(25))),
    ] {
        assert_eq!(verdict(rise, mode, from, until, end), expected, "{mode:?} from {from} until {until}");
    }
    assert_eq!(verdict(&[(5, 99)], Mode::Never, 0, 30, 30).0, Broken, "198 is above ten");
    assert_eq!(verdict(&[(5, 98), (6, 1)], Mode::Eventually, 6, 30, 30).0, Broken);
}

#[test]
fn a_silent_node_counts_as_zero_in_a_minimum() {
    let (mut world, mut nodes) = world(&[(5, 7)]);
    nodes.push(world.add_node(NodeSpec::named("silent"), |_| async { Exit::Halt }));
    for (name, aggregate, expected) in [("min", Aggregate::Min, 0), ("max", Aggregate::Max, 7)] {
        world.expect(Expectation {
            name: name.into(),
            rule: Rule::Metrics {
                mode: Mode::Stable,
                from: at(0),
                until: at(5),
                cells: vec![Cell { nodes: nodes.clone(), metric: "level".into(), aggregate }],
                predicate: Arc::new(move |cells| Ok(cells[0] == expected)),
            },
        });
    }
    world.run_until(at(10));
    assert!(world.finish().expectations.iter().all(|report| report.verdict == Verdict::Held));
}

/// Runs a node that lets ids pass points at given seconds, and says what becomes of `rule`.
fn flow(script: &'static [(u64, &'static str, u64)], rule: Rule, end: u64) -> (Verdict, Option<String>) {
    let mut world = World::new(&WorldConfig::default());
    world.add_node(NodeSpec::named("node"), move |node: Node| async move {
        for &(second, kind, sequence) in script {
            node.clock().timer(at(second)).await;
            node.flow(kind, "device", sequence);
        }
        Exit::Halt
    });
    world.expect(Expectation { name: "flow".into(), rule });
    world.run_until(at(end));
    let report = world.finish().expectations.remove(0);
    (report.verdict, report.detail)
}

#[test]
fn flow_rules() {
    let always = || Instant::START..=Instant::MAX;
    let reaches = |seconds| Rule::FlowReaches {
        from: "sent".into(),
        to: "got".into(),
        within: Duration::from_secs(seconds),
        window: always(),
        once: false,
    };
    let unique = || Rule::FlowUnique { at: "got".into(), window: always() };
    let verdict = |script, rule| flow(script, rule, 100).0;
    assert_eq!(verdict(&[(1, "got", 1), (2, "sent", 1)], reaches(0)), Verdict::Held);
    assert_eq!(verdict(&[(1, "sent", 1), (1, "got", 1)], reaches(0)), Verdict::Held, "in the same instant");
    assert_eq!(verdict(&[(1, "sent", 1), (2, "got", 1)], reaches(0)), Verdict::Broken);
    assert_eq!(verdict(&[(1, "sent", 1), (2, "sent", 2), (3, "got", 1), (4, "got", 2)], reaches(2)), Verdict::Held);
    assert_eq!(
        flow(&[(1, "sent", 1), (2, "sent", 2), (3, "got", 1)], reaches(2), 100),
        (Verdict::Broken, Some("(device, 2) did not get there in time".into()))
    );
    assert_eq!(
        flow(&[(1, "sent", 1), (2, "got", 1)], reaches(0), 100),
        (Verdict::Broken, Some("(device, 1) was not there by then: no time is given".into()))
    );
    assert_eq!(flow(&[(1, "sent", 1)], reaches(50), 10).0, Verdict::Open);
    assert_eq!(verdict(&[(1, "got", 1), (2, "got", 2)], unique()), Verdict::Held);
    assert_eq!(
        flow(&[(1, "sent", 1), (1, "got", 1), (2, "got", 1)], unique(), 10),
        (Verdict::Broken, Some("(device, 1) passed twice".into()))
    );
    // A loss and a duplicate do not cancel out.
    assert_eq!(verdict(&[(1, "sent", 1), (1, "sent", 2), (2, "got", 1), (3, "got", 1)], reaches(5)), Verdict::Broken);
    // Outside their windows, ids neither oblige nor count.
    let early = Rule::FlowUnique { at: "got".into(), window: at(0)..=at(1) };
    assert_eq!(verdict(&[(1, "got", 1), (2, "got", 1)], early), Verdict::Held);
    let late = Rule::FlowReaches {
        from: "sent".into(),
        to: "got".into(),
        within: Duration::ZERO,
        window: at(2)..=at(9),
        once: false,
    };
    assert_eq!(verdict(&[(1, "sent", 1)], late), Verdict::Held);
}

#[test]
fn exactly_once_is_neither_lost_nor_doubled_nor_invented() {
    let once = || Expectation::exactly_once("flow", "sent", "got", Duration::from_secs(5)).rule;
    let told = |script| flow(script, once(), 100);
    assert_eq!(told(&[(1, "sent", 1), (2, "sent", 2), (3, "got", 2), (4, "got", 1)]).0, Verdict::Held);
    for (script, detail) in [
        (&[(1, "sent", 1), (7, "got", 1)][..], "(device, 1) did not get there in time"),
        (&[(1, "sent", 1), (2, "got", 1), (3, "got", 1)], "(device, 1) passed twice"),
        (&[(1, "sent", 1), (2, "got", 1), (3, "got", 2)], "(device, 2) came from nowhere"),
    ] {
        assert_eq!(told(script), (Verdict::Broken, Some(detail.to_owned())), "{script:?}");
    }
}

/// A writer writes 1 at second 1 and 2 at second 3, each taking a second; a reader is told what `told` says.
fn read_as(told: &'static [(u64, Option<u64>)]) -> (Verdict, Instant, Option<String>) {
    let mut world = World::new(&WorldConfig::default());
    world.add_node(NodeSpec::named("writer"), |node: Node| async move {
        for (second, value) in [(1, 1), (3, 2)] {
            node.clock().timer(at(second)).await;
            let write = node.call("store", "x", Call::Write(Some(value)));
            node.clock().sleep(Duration::from_secs(1)).await;
            write.answered(Answer::Written);
        }
        // Nobody knows what becomes of this one, and this is known to have become of nothing.
        drop(node.call("store", "x", Call::Write(Some(3))));
        node.call("store", "x", Call::Write(Some(4))).refused();
        Exit::Halt
    });
    world.add_node(NodeSpec::named("reader"), move |node: Node| async move {
        for &(second, value) in told {
            node.clock().timer(at(second)).await;
            node.call("store", "x", Call::Read).answered(Answer::Read(value));
        }
        Exit::Halt
    });
    world.expect(Expectation::linearizable("one store", "store"));
    world.run_until(at(20));
    let report = world.finish().expectations.remove(0);
    (report.verdict, report.at, report.detail)
}

#[test]
fn a_history_is_judged_when_the_run_ends_and_tells_the_answer_that_broke_it() {
    assert_eq!(
        read_as(&[(0, None), (2, Some(1)), (3, Some(1)), (5, Some(2)), (9, Some(3)), (10, Some(3))]).0,
        Verdict::Held
    );
    assert_eq!(
        read_as(&[(5, Some(2)), (6, Some(1)), (7, Some(2))]),
        (
            Verdict::Broken,
            at(6),
            Some("reader called “x: read” and was told “it holds 1”, which no order explains".into())
        )
    );
    assert_eq!(read_as(&[(9, Some(4))]).0, Verdict::Broken, "it was refused");
}

#[test]
fn sometimes_is_held_by_a_run_that_has_it_and_broken_by_none() {
    let (mut world, nodes) = world(&[(5, 6), (20, 0)]);
    world.expect(Expectation::sometimes("high", [Cell::sum(&nodes, "level")], |[level]| level > 10));
    world.expect(Expectation::sometimes("higher", [Cell::sum(&nodes, "level")], |[level]| level > 12));
    world.run_until(at(30));
    let [high, higher] = &world.finish().expectations[..] else { panic!("two are expected") };
    assert_eq!((high.verdict, high.at), (Verdict::Held, at(5)));
    assert_eq!((higher.verdict, higher.at), (Verdict::Unseen, at(30)));
}

#[test]
fn expectations_are_declared_in_a_line() {
    let (mut world, nodes) = world(&[(5, 6), (20, 0)]);
    let (level, sum) = (|| Cell::of(nodes[0], "level"), || Cell::sum(&nodes, "level"));
    world.expect(Expectation::always("both alike", [level(), sum()], |[one, both]| both == 2 * one || both == one));
    world.expect(Expectation::never("high late", [sum()], |[sum]| sum > 10).from(at(21)));
    world.expect(Expectation::eventually("high", Duration::from_secs(10), [sum()], |[sum]| sum > 10));
    world.expect(Expectation::stable("low", at(10), Duration::from_secs(10), [sum()], |[sum]| sum == 0));
    world.expect(Expectation::always("low early", [sum()], |[sum]| sum == 0).until(at(4)));
    world.run_until(at(30));
    let verdicts: Vec<Verdict> = world.finish().expectations.iter().map(|report| report.verdict).collect();
    assert_eq!(verdicts, [Verdict::Held; 5]);
}
