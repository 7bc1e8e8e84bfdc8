//! Turns of tasks that faults and seeds make odd, code that hangs, and watchdogs.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::hw::Odds;
use wavetank_sim::node::{Node, NodeId, NodeSpec, ResetCause};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{Order, Snapshot, World, WorldConfig};

const MS: Duration = Duration::from_millis(1);

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

/// What tasks wrote down: which of them, and when in milliseconds.
type Diary = Rc<RefCell<Vec<(u32, u64)>>>;

/// A node with three tasks, each of which writes down every tenth millisecond that it has its turn.
fn three_tasks(world: &mut World) -> (NodeId, Diary) {
    let diary = Diary::default();
    let kept = Rc::clone(&diary);
    let node = world.add_node(NodeSpec::named("node"), move |node: Node| {
        let diary = Rc::clone(&kept);
        async move {
            for number in 0..3 {
                let (clock, diary) = (node.clock(), Rc::clone(&diary));
                node.spawn(async move {
                    loop {
                        clock.sleep(10 * MS).await;
                        diary.borrow_mut().push((number, clock.now().as_nanos() / 1_000_000));
                    }
                });
            }
            std::future::pending().await
        }
    });
    (node, diary)
}

fn ran(order: Order, seed: u64, faults: impl Fn(NodeId) -> Vec<Fault>, until_ms: u64) -> (Vec<(u32, u64)>, Snapshot) {
    let mut world = World::new(&WorldConfig { seed, order, ..WorldConfig::default() });
    let (node, diary) = three_tasks(&mut world);
    faults(node).into_iter().for_each(|fault| world.add_fault(fault));
    world.run_until(at(until_ms));
    let snapshot = world.finish();
    (Rc::try_unwrap(diary).map_or_else(|diary| diary.borrow().clone(), RefCell::into_inner), snapshot)
}

fn fault(from_ms: u64, for_ms: u32, kind: FaultKind) -> Vec<Fault> {
    vec![Fault { at: at(from_ms), duration: Some(for_ms * MS), kind }]
}

#[test]
fn a_seed_draws_the_order_and_another_one_another() {
    let turns = |order, seed| ran(order, seed, |_| Vec::new(), 35).0;
    let order_at = |turns: &[(u32, u64)], ms: u64| -> Vec<u32> {
        turns.iter().filter(|(_, at)| *at == ms).map(|(number, _)| *number).collect()
    };
    assert!([10, 20, 30].iter().all(|ms| order_at(&turns(Order::Fifo, 1), *ms) == [0, 1, 2]));
    assert_eq!(turns(Order::Seeded, 1), turns(Order::Seeded, 1));
    let orders: BTreeSet<Vec<u32>> = (0..40).map(|seed| order_at(&turns(Order::Seeded, seed), 20)).collect();
    assert_eq!(orders.len(), 6, "every order of three comes up: {orders:?}");
}

#[test]
fn a_starving_task_gets_no_turn_and_then_the_one_that_was_due() {
    let (turns, snapshot) = ran(Order::Fifo, 3, |node| fault(5, 100, FaultKind::Starve(node)), 150);
    let during = |number: u32| turns.iter().filter(|(who, at)| *who == number && (6..105).contains(at)).count();
    let counts: Vec<usize> = (0..3).map(during).collect();
    assert_eq!(counts.iter().filter(|count| **count == 0).count(), 1, "{counts:?}");
    assert!((0..3).all(|number| turns.iter().any(|(who, at)| *who == number && *at >= 105)));
    assert_eq!(snapshot.faults[0].hits, 1, "once due, it waits");
}

#[test]
fn late_turns_come_all_the_same() {
    let late =
        |node| fault(0, 1_000, FaultKind::LateWakes { node, odds: Odds::PartsPerBillion(500_000_000), by: 4 * MS });
    let (turns, snapshot) = ran(Order::Fifo, 3, late, 500);
    let off_beat = turns.iter().filter(|(_, at)| at % 10 != 0).count();
    assert!(off_beat > 20 && snapshot.faults[0].hits > 30, "{off_beat} of {turns:?}");
    let every = |number: u32| turns.iter().filter(|(who, _)| *who == number).count();
    assert!((0..3).all(|number| (35..=50).contains(&every(number))), "{turns:?}");
}

#[test]
fn a_poll_that_nobody_woke_for_is_one_poll_and_no_more() {
    let polls = Rc::new(RefCell::new(0_u32));
    let mut world = World::new(&WorldConfig { polls_per_instant_max: 1_000, ..WorldConfig::default() });
    let counted = Rc::clone(&polls);
    let node = world.add_node(NodeSpec::named("node"), move |node: Node| {
        let polls = Rc::clone(&counted);
        async move {
            node.spawn(std::future::poll_fn(move |_| {
                *polls.borrow_mut() += 1;
                std::task::Poll::Pending
            }));
            loop {
                node.clock().sleep(10 * MS).await;
            }
        }
    });
    let kind = FaultKind::SpuriousPolls { node, odds: Odds::Always };
    world.add_fault(Fault { at: at(1), duration: Some(1_000 * MS), kind });
    world.run_until(at(2_000));
    let snapshot = world.finish();
    assert_eq!(snapshot.failures, []);
    assert!((20..=101).contains(&*polls.borrow()), "{}", polls.borrow());
    assert!((98..=101).contains(&snapshot.faults[0].hits), "{:?}", snapshot.faults);
}

/// Why a node was started, and when in milliseconds.
type Boots = Rc<RefCell<Vec<(ResetCause, u64)>>>;

/// A node that says why it was started, and whether its watchdog is fed.
fn guarded(world: &mut World, is_fed: bool) -> (NodeId, Boots) {
    let boots = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&boots);
    let node = world.add_node(NodeSpec::named("node"), move |node: Node| {
        let boots = Rc::clone(&told);
        async move {
            boots.borrow_mut().push((node.reset_cause(), node.world_now().as_nanos() / 1_000_000));
            let mut watchdog = node.watchdog(100 * MS);
            loop {
                node.clock().sleep(30 * MS).await;
                if is_fed {
                    watchdog.feed();
                }
            }
        }
    });
    (node, boots)
}

#[test]
fn a_watchdog_ends_what_nobody_feeds_it_in() {
    let mut world = World::new(&WorldConfig::default());
    let (_, boots) = guarded(&mut world, false);
    world.run_until(at(250));
    let expected = [(ResetCause::PowerOn, 0), (ResetCause::Watchdog, 100), (ResetCause::Watchdog, 200)];
    assert_eq!(*boots.borrow(), expected);
}

#[test]
fn only_its_watchdog_ends_a_hang_before_its_time() {
    let mut world = World::new(&WorldConfig::default());
    let (node, boots) = guarded(&mut world, true);
    world.add_fault(Fault { at: at(1_000), duration: Some(10_000 * MS), kind: FaultKind::Hang(node) });
    // A debugger that holds the node holds its watchdog, too.
    world.add_fault(Fault { at: at(3_000), duration: Some(500 * MS), kind: FaultKind::Pause(node) });
    world.run_until(at(5_000));
    assert_eq!(*boots.borrow(), [(ResetCause::PowerOn, 0), (ResetCause::Watchdog, 1_090)]);

    let mut world = World::new(&WorldConfig::default());
    let (node, diary) = three_tasks(&mut world);
    world.add_fault(Fault { at: at(15), duration: Some(100 * MS), kind: FaultKind::Hang(node) });
    world.run_until(at(200));
    let silent = diary.borrow().iter().all(|(_, at)| !(16..115).contains(at));
    assert!(silent && diary.borrow().iter().any(|(_, at)| *at > 115));
}

#[test]
fn tasks_are_dropped_but_never_the_program_itself() {
    let drop = |node| fault(25, 20, FaultKind::DropTasks { node, odds: Odds::Next(2) });
    let (turns, snapshot) = ran(Order::Fifo, 3, drop, 100);
    let at = |ms: u64| turns.iter().filter(|(_, at)| *at == ms).count();
    assert_eq!([20, 30, 40, 90].map(at), [3, 1, 1, 1], "two of three are gone: {turns:?}");
    assert_eq!(snapshot.faults[0].hits, 2);
    assert_eq!(snapshot.nodes, [wavetank_sim::world::NodeState::Running]);
}

/// What is dropped in place of a turn is begun anew, and only while the fault lasts.
#[test]
fn operations_are_cancelled_at_awaits() {
    let mut world = World::new(&WorldConfig::default());
    let begun = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&begun);
    let node = world.add_node(NodeSpec::named("node"), move |node: Node| {
        let begun = Rc::clone(&kept);
        async move {
            for _ in 0..4 {
                let clock = node.clock();
                node.cancellable(async || {
                    begun.borrow_mut().push(clock.now().as_nanos() / 1_000_000);
                    clock.sleep(10 * MS).await;
                    clock.sleep(10 * MS).await;
                })
                .await;
            }
            std::future::pending().await
        }
    });
    let odds = Odds::Next(2);
    for fault in fault(25, 100, FaultKind::Cancel { node, odds }) {
        world.add_fault(fault);
    }
    world.run_until(at(200));
    // The second is dropped at 30 ms, and the one in its place at 40 ms.
    assert_eq!(*begun.borrow(), [0, 20, 30, 40, 60, 80]);
    assert_eq!(world.finish().faults[0].hits, 2);
}
