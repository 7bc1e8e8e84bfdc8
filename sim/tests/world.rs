//! A world's own laws: order, determinism, lives of nodes, work that takes time, faults.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use embassy_net_driver::{Driver, RxToken, TxToken};
use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::net::{LinkConfig, Mac, Nic, Plug};
use wavetank_sim::node::{ClockSpec, Exit, Node, NodeSpec, PoolSpec, ResetCause};
use wavetank_sim::prefetch::Foresight;
use wavetank_sim::random::Probability;
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::trace::Event;
use wavetank_sim::world::{Failure, NodeState, World, WorldConfig};

const MS: Duration = Duration::from_millis(1);

fn world(seed: u64) -> World {
    World::new(&WorldConfig { seed, ..WorldConfig::default() })
}

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

fn send(nic: &mut Nic, to: Mac, payload: &[u8]) {
    let from = nic.mac();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let token = nic.transmit(&mut context).expect("always room");
    token.consume(14 + payload.len(), |frame| {
        frame[..6].copy_from_slice(&to.0);
        frame[6..12].copy_from_slice(&from.0);
        frame[12..14].copy_from_slice(&[0x88, 0xB5]);
        frame[14..].copy_from_slice(payload);
    });
}

async fn receive(nic: &mut Nic) -> Vec<u8> {
    poll_fn(|context| match nic.receive(context) {
        Some((token, _)) => Poll::Ready(token.consume(|frame| frame[14..].to_vec())),
        None => Poll::Pending,
    })
    .await
}

const fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

/// Two nodes on a switch: one sends a numbered frame each millisecond, the other counts what comes.
fn talkers(world: &mut World, profile: &LinkConfig) -> [wavetank_sim::net::CableId; 2] {
    let switch = world.add_switch();
    let sender = world.add_node(NodeSpec::named("sender"), |node: Node| async move {
        let (mut nic, clock) = (node.nic(0).expect("plugged in"), node.clock());
        for number in 0..1_000_u64 {
            clock.sleep(MS).await;
            send(&mut nic, mac(2), &number.to_le_bytes());
        }
        Exit::Halt
    });
    let receiver = world.add_node(NodeSpec::named("receiver"), |node: Node| async move {
        let mut nic = node.nic(0).expect("plugged in");
        loop {
            receive(&mut nic).await;
            node.count("received", 1);
        }
    });
    [(sender, 1), (receiver, 2)].map(|(node, last)| {
        let nic = world.add_nic(node, mac(last));
        world.connect(&format!("lan/{last}"), Plug::Nic(nic), Plug::Switch(switch), profile, profile)
    })
}

fn received(world: &World) -> i64 {
    world.snapshot().metrics.iter().find(|metric| metric.name == "received").map_or(0, |metric| metric.value)
}

#[test]
fn one_seed_is_one_history() {
    let run = |seed| {
        let mut world = world(seed);
        let loss = Probability::from_parts_per_billion(100_000_000);
        talkers(&mut world, &LinkConfig { latency: MS, jitter: MS, loss, ..LinkConfig::default() });
        world.run_until(at(2_000));
        (world.fingerprint(), received(&world))
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
    assert!((700..900).contains(&run(1).1), "two links with 10 % loss each: {}", run(1).1);
}

#[test]
fn how_a_run_is_stepped_does_not_change_it() {
    let build = || {
        let mut world = world(7);
        talkers(&mut world, &LinkConfig { latency: MS, ..LinkConfig::default() });
        world
    };
    let (mut whole, mut stepped) = (build(), build());
    whole.run_until(at(500));
    while stepped.now() < at(500) {
        stepped.advance(at(500), 3);
        let _ = stepped.snapshot();
        stepped.run_until((stepped.now() + Duration::from_micros(10)).min(at(500)));
    }
    assert_eq!(whole.fingerprint(), stepped.fingerprint());
}

#[test]
fn a_cut_cable_loses_what_is_on_it() {
    let mut world = world(1);
    let [_, cable] = talkers(&mut world, &LinkConfig { latency: MS * 2 / 5, ..LinkConfig::default() });
    world.add_fault(Fault { at: at(100), duration: Some(100 * MS), kind: FaultKind::CutCable(cable) });
    world.run_until(at(2_000));
    assert_eq!(received(&world), 900);
}

#[test]
fn overlapping_faults_compose() {
    let mut world = world(1);
    let [cable, _] = talkers(&mut world, &LinkConfig::default());
    for start in [100, 150] {
        let kind = FaultKind::CutCable(cable);
        world.add_fault(Fault { at: at(start), duration: Some(Duration::from_micros(100_500)), kind });
    }
    world.run_until(at(2_000));
    assert_eq!(received(&world), 1_000 - 151, "cut from 100 to 250.5 ms");
}

#[test]
fn a_node_lives_again_after_a_power_cut() {
    let mut world = world(1);
    let lives = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&lives);
    let node = world.add_node(NodeSpec::named("node"), move |node: Node| {
        let log = Rc::clone(&log);
        async move {
            log.borrow_mut().push((node.reset_cause(), node.clock().now(), node.world_now()));
            node.clock().sleep(40 * MS).await;
            match node.reset_cause() {
                ResetCause::PowerOn if node.world_now() < at(100) => Exit::SleepUntil(at(70)),
                ResetCause::Wake => Exit::Reboot,
                _ => std::future::pending().await,
            }
        }
    });
    world.add_fault(Fault { at: at(200), duration: Some(50 * MS), kind: FaultKind::PowerCut(node) });
    world.run_until(at(240));
    assert_eq!(world.snapshot().nodes, [NodeState::Off]);
    world.run_until(at(1_000));
    let start = Instant::START;
    assert_eq!(
        *lives.borrow(),
        [
            (ResetCause::PowerOn, start, at(0)),
            (ResetCause::Wake, start, at(70)),
            (ResetCause::Software, start, at(110)),
            (ResetCause::PowerOn, start, at(250)),
        ]
    );
}

#[test]
fn a_dropped_node_drops_its_futures_and_timers() {
    struct Noted(Rc<Cell<u32>>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let mut world = world(1);
    let seen = Rc::clone(&dropped);
    let node = world.add_node(NodeSpec::named("node"), move |node: Node| {
        let seen = Rc::clone(&seen);
        async move {
            for _ in 0..3 {
                let (noted, clock) = (Noted(Rc::clone(&seen)), node.clock());
                node.spawn(async move {
                    clock.sleep(Duration::from_secs(3_600)).await;
                    drop(noted);
                });
            }
            std::future::pending().await
        }
    });
    world.add_fault(Fault { at: at(10), duration: None, kind: FaultKind::PowerCut(node) });
    world.run_until(at(20));
    assert_eq!(dropped.get(), 3);
    let events = world.events();
    world.run_until(at(10_000_000));
    assert_eq!(world.events(), events, "no timer of a dead node is left");
}

/// A waker that passes the call on to a task, and says so.
struct Bell {
    rung: AtomicU32,
    task: Mutex<Option<Waker>>,
}

impl Bell {
    fn new() -> Arc<Self> {
        Arc::new(Self { rung: AtomicU32::new(0), task: Mutex::new(None) })
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::Relaxed);
        if let Some(task) = self.task.lock().expect("nobody panics").take() {
            task.wake();
        }
    }
}

#[test]
fn a_timer_wakes_whom_it_was_polled_with_last() {
    let mut world = world(1);
    let done = Rc::new(Cell::new(false));
    let seen = Rc::clone(&done);
    world.add_node(NodeSpec::named("sleeper"), move |node: Node| {
        let seen = Rc::clone(&seen);
        async move {
            let bells = [Bell::new(), Bell::new()];
            let clock = node.clock();
            // By one bell, twice; the other; the task itself; and with which it ends.
            for polls in [&[0_usize, 0][..], &[0, 0, 1], &[1, 0, 0], &[0, 2, 0], &[0, 1, 2, 2]] {
                let mut timer = pin!(clock.sleep(MS));
                let before = bells.each_ref().map(|bell| bell.rung.load(Ordering::Relaxed));
                let until = clock.now() + MS;
                let mut polls_left = polls.iter();
                poll_fn(|context| {
                    for &who in polls_left.by_ref() {
                        let polled = match bells.get(who) {
                            Some(bell) => {
                                *bell.task.lock().expect("nobody panics") = Some(context.waker().clone());
                                timer.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell))))
                            }
                            None => timer.as_mut().poll(context),
                        };
                        assert!(polled.is_pending());
                    }
                    if clock.now() < until { Poll::Pending } else { timer.as_mut().poll(context) }
                })
                .await;
                let last = *polls.last().expect("each is polled");
                for (index, bell) in bells.iter().enumerate() {
                    let rings = bell.rung.load(Ordering::Relaxed) - before[index];
                    assert_eq!(rings, u32::from(index == last), "polled by {polls:?}: bell {index}");
                }
            }
            seen.set(true);
            Exit::Halt
        }
    });
    world.run_until(at(100));
    assert!(done.get());
}

#[test]
fn work_takes_time_and_a_power_cut_undoes_it() {
    let run = |cut_at: u64| {
        let mut world = world(1);
        let node = world.add_node(NodeSpec::named("node"), |node: Node| async move {
            node.clock().sleep(10 * MS).await;
            node.count("begun", 1);
            node.busy(5 * MS);
            assert_eq!(node.clock().now(), at(15), "the poll itself sees the time pass");
            node.clock().timer(at(12)).await;
            node.gauge("resumed_ms", node.clock().now().as_nanos() as i64 / 1_000_000);
            std::future::pending().await
        });
        world.add_fault(Fault { at: at(cut_at), duration: None, kind: FaultKind::PowerCut(node) });
        world.run_until(at(14));
        assert!(
            world.snapshot().metrics.iter().all(|metric| metric.value == 0),
            "nothing is seen before it is paid for"
        );
        world.run_until(at(100));
        world.snapshot().metrics.iter().map(|metric| metric.value).collect::<Vec<_>>()
    };
    assert_eq!(run(50), [1, 15]);
    assert_eq!(run(13), [0, 0], "what was not paid for did not happen");
}

#[test]
fn a_paused_node_misses_nothing_but_time() {
    let mut world = world(1);
    let node = world.add_node(NodeSpec::named("node"), |node: Node| async move {
        for _ in 0..10 {
            node.clock().sleep(10 * MS).await;
            node.gauge("last_ms", node.world_now().as_nanos() as i64 / 1_000_000);
        }
        Exit::Halt
    });
    world.add_fault(Fault { at: at(15), duration: Some(50 * MS), kind: FaultKind::Pause(node) });
    world.run_until(at(64));
    assert_eq!(world.snapshot().metrics[0].value, 10);
    assert_eq!(world.snapshot().nodes, [NodeState::Paused]);
    world.run_until(at(65));
    assert_eq!(world.snapshot().metrics[0].value, 65);
}

#[test]
fn a_panic_ends_the_node_and_not_the_world() {
    let mut world = world(1);
    world.add_node(NodeSpec::named("fragile"), |node: Node| async move {
        node.clock().sleep(10 * MS).await;
        panic!("the flux is gone");
    });
    talkers(&mut world, &LinkConfig::default());
    world.run_until(at(2_000));
    assert_eq!(received(&world), 1_000);
    let failure = Failure::Panic { node: "fragile".into(), at: at(10), message: "the flux is gone".into() };
    assert_eq!(world.finish().failures, [failure]);
}

#[test]
fn tasks_that_never_let_time_pass_are_named() {
    let mut world = world(1);
    world.add_node(NodeSpec::named("spinner"), |node: Node| async move {
        node.clock().sleep(MS).await;
        poll_fn(|context| -> Poll<Exit> {
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    });
    world.run_until(at(10));
    assert_eq!(world.finish().failures, [Failure::Livelock { at: at(1) }]);
}

#[test]
fn a_drifting_clock_waits_its_own_time() {
    let mut world = world(1);
    let clock = ClockSpec { drift_ppb: 1_000_000, wall_offset_ns: 0 };
    let spec = NodeSpec { clock, ..NodeSpec::named("fast") };
    world.add_node(spec, |node: Node| async move {
        node.clock().sleep(Duration::from_secs(1_001)).await;
        node.gauge("world_ns", node.world_now().as_nanos() as i64);
        Exit::Halt
    });
    world.run_until(Instant::from_nanos(2_000_000_000_000));
    assert_eq!(world.snapshot().metrics[0].value, 1_000_000_000_000);
}

#[test]
fn an_idle_hour_costs_nothing() {
    let mut world = world(1);
    for index in 0..100 {
        world.add_node(NodeSpec::named(format!("idle-{index}")), |node: Node| async move {
            node.clock().sleep(Duration::from_secs(3_600)).await;
            Exit::Halt
        });
    }
    world.run_until(at(3_599_000));
    assert_eq!(world.events(), 100, "the boots");
}

/// Whom a frame is foretold to, and how often.
#[derive(Default)]
struct Foretold([Cell<u64>; 2]);

impl Foresight for Foretold {
    fn fetch(&self, port: usize, frame: &[u8], step: u8, memo: &mut u64) -> bool {
        assert!(frame.len() >= 14 && step < 2, "{step}");
        let told = &self.0[usize::from(step)];
        told.set(told.get() + u64::from(port == 7 && *memo == u64::from(step) * 7_777));
        *memo = 7_777;
        step == 0
    }
}

/// Among so many nodes what events to come will read is fetched before: of tasks that end meanwhile, too, whose places
/// others take, and of frames that are lost. A program that knows what it will read is asked in time.
#[test]
fn many_nodes_hear_each_other() {
    const NODES: u32 = 17_000;
    const NETWORK: u32 = 20;
    let run = || {
        let foretold = Rc::new(Foretold::default());
        let mut world = world(3);
        let switches: Vec<_> = (0..NODES / NETWORK).map(|_| world.add_switch()).collect();
        let address = |index: u32| {
            let [_, a, b, c] = index.to_be_bytes();
            Mac([2, 0, 0, a, b, c])
        };
        for index in 0..NODES {
            let by = Rc::clone(&foretold);
            let program = move |node: Node, by: Rc<Foretold>| async move {
                let (mut nic, clock) = (node.nic(0).expect("plugged in"), node.clock());
                nic.foresee(by, 7);
                for round in 0..3 {
                    clock.sleep(Duration::from_micros(10) * index + MS * 10 * round).await;
                    let neighbour = index - index % NETWORK + (index + 1) % NETWORK;
                    send(&mut nic, address(neighbour), &index.to_le_bytes());
                }
                let ear = node.clone();
                node.spawn(async move {
                    for _ in 0..3 {
                        receive(&mut nic).await;
                        ear.count("received", 1);
                    }
                });
                clock.sleep(Duration::from_secs(1)).await;
                if index % 7 == 0 { Exit::Halt } else { Exit::Reboot }
            };
            let spec = NodeSpec::named(format!("node-{index}"));
            let node = world.add_node(spec, move |node| program(node, Rc::clone(&by)));
            let nic = world.add_nic(node, address(index));
            let profile = LinkConfig { latency: MS * (1 + index % 3), ..LinkConfig::default() };
            let switch = Plug::Switch(switches[(index / NETWORK) as usize]);
            world.connect(&format!("lan/{index}"), Plug::Nic(nic), switch, &profile, &profile);
        }
        world.run_until(at(1_500));
        let received: i64 = world.snapshot().metrics.iter().map(|metric| metric.value).sum();
        let [begun, gone_on] = foretold.0.each_ref().map(Cell::get);
        assert!(begun > u64::from(2 * NODES) && gone_on > begun / 2, "{begun}, {gone_on}");
        (received, world.snapshot().fingerprint)
    };
    let (received, fingerprint) = run();
    assert!(received >= i64::from(3 * NODES) - 3, "{received}");
    assert_eq!((received, fingerprint), run());
}

/// The strictest of a node's own limits and those of faults counts, and running out is told with what it ran into.
#[test]
fn pools_shrink_while_faults_last_and_say_when_they_have_run_out() {
    let mut world = world(1);
    world.keep_recent(100);
    let limit = |name: &str, room| PoolSpec { name: name.to_owned(), room };
    let spec = NodeSpec { pools: Some(vec![limit("lines", 3), limit("lines", 5)]), ..NodeSpec::named("server") };
    let server = world.add_node(spec, |node: Node| async move {
        for _ in 0..5 {
            node.clock().sleep(10 * MS).await;
            node.gauge("room", i64::try_from(node.pool_room("lines")).unwrap_or(i64::MAX));
            assert_eq!((node.has_pools(), node.pool_room("others")), (true, usize::MAX));
            if node.pool_room("lines") < 3 {
                node.pool_ran_out("lines");
            }
        }
        Exit::Halt
    });
    let free = world.add_node(NodeSpec::named("free"), |node: Node| async move {
        assert_eq!((node.has_pools(), node.pool_room("lines")), (false, usize::MAX));
        Exit::Halt
    });
    let shrink = |node, from, lasts, room| Fault {
        at: at(from),
        duration: Some(lasts * MS),
        kind: FaultKind::Limit { node, pool: "lines".to_owned(), room },
    };
    for fault in
        [shrink(server, 15, 20, 1), shrink(server, 25, 20, 2), shrink(server, 15, 10, 9), shrink(free, 1, 1, 0)]
    {
        world.add_fault(fault);
    }
    let mut rooms = Vec::new();
    for ms in [11, 21, 31, 41, 51] {
        world.run_until(at(ms));
        rooms.push(world.snapshot().metrics.iter().find(|metric| metric.name == "room").map(|metric| metric.value));
    }
    assert_eq!(rooms, [3, 1, 1, 2, 3].map(Some));
    let snapshot = world.finish();
    let ran_out = snapshot.recent.iter().filter_map(|record| match record.event {
        Event::RanOut { node, pool, room } => Some((record.at, node, snapshot.names.symbol(pool).to_owned(), room)),
        _ => None,
    });
    let expected = [(20, 1), (30, 1), (40, 2)].map(|(ms, room)| (at(ms), server, "lines".to_owned(), room));
    assert_eq!(ran_out.collect::<Vec<_>>(), expected);
    assert_eq!(snapshot.faults.iter().map(|fault| fault.hits).collect::<Vec<_>>(), [2, 1, 0, 0]);
}
