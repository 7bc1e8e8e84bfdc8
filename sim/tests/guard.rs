//! The guard in a whole world: node code that asks for everything has one history, in every process.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "what is disallowed is what the guard answers")]

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::io;
use std::pin::Pin;
use std::process::Command;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, body};
use wavetank_sim::guard::{self, refusal};
use wavetank_sim::node::{Exit, Node, NodeSpec};
use wavetank_sim::session::{Ended, Session};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{Failure, Snapshot, World, WorldConfig};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a world of `nodes` for ten seconds, on a thread of its own.
fn run(seed: u64, build: impl FnOnce(&mut World) + Send + 'static) -> Snapshot {
    let config = WorldConfig { seed, ..WorldConfig::default() };
    let session = Session::start(config, |world| {
        build(world);
        Ok::<(), Ended>(())
    });
    let session = session.expect("the world is built");
    session.run_until(Instant::START + 10 * SECOND).expect("the world runs");
    session.finish().expect("the world ends")
}

/// Code that uses every source of disorder, and tells all it sees to the trace.
async fn everything(node: Node) -> Exit {
    let started = std::time::Instant::now();
    for round in 0..5 {
        node.clock().sleep(SECOND).await;
        tell(&node, "time", (started.elapsed(), SystemTime::now()));

        let mut key = [0; 24];
        getrandom_02::getrandom(&mut key[..8]).expect("there is entropy");
        getrandom_03::fill(&mut key[8..16]).expect("there is entropy");
        getrandom_04::fill(&mut key[16..]).expect("there is entropy");
        tell(&node, "entropy", key);

        let words: HashMap<String, u64> = (0..20).map(|n| (format!("word {n}"), n)).collect();
        for number in words.values() {
            node.flow("order", "words", round << 8 | number);
        }

        tell(&node, "machine", (std::thread::available_parallelism().ok(), std::process::id()));
        let response = answer_of_hyper().await;
        let date = response.lines().find(|line| line.starts_with("date: ")).expect("hyper dates its responses");
        assert!(date.starts_with("date: Thu, 01 Jan 2026 00:00:0"), "{date}");
        tell(&node, "response", response);
    }
    Exit::Halt
}

/// Puts a digest of what was seen into the trace.
fn tell(node: &Node, what: &str, seen: impl Hash) {
    // This hasher has fixed keys.
    let mut hasher = DefaultHasher::new();
    seen.hash(&mut hasher);
    node.flow("saw", what, hasher.finish());
}

/// What hyper's server answers to one request. It reads the wall clock for the date by itself.
async fn answer_of_hyper() -> String {
    let wire = Wire { request: b"GET / HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n", response: Rc::default() };
    let response = Rc::clone(&wire.response);
    let service =
        service_fn(|_: Request<body::Incoming>| async { Ok::<_, Infallible>(Response::new("high tide".to_owned())) });
    http1::Builder::new().serve_connection(wire, service).await.expect("a good request");
    String::from_utf8(response.take()).expect("text")
}

/// A connection on which one request has come.
struct Wire {
    request: &'static [u8],
    response: Rc<RefCell<Vec<u8>>>,
}

impl Read for Wire {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.request.is_empty() {
            return Poll::Pending;
        }
        let (now, later) = self.request.split_at(self.request.len().min(into.remaining()));
        into.put_slice(now);
        self.request = later;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.response.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn run_everything(seed: u64) -> String {
    let world = run(seed, |world| {
        world.add_node(NodeSpec::named("first"), everything);
        world.add_node(NodeSpec::named("second"), everything);
    });
    assert_eq!(world.failures, []);
    world.fingerprint.to_string()
}

const CHILD: &str = "WAVETANK_GUARD_CHILD";
const MARK: &str = "the run's fingerprint and an address: ";

/// Not a test by itself: what the processes below run.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_some() {
        let stack = 0;
        println!("{MARK}{} {:p} {:p}", run_everything(7), &raw const stack, child as fn());
    }
}

#[test]
fn one_seed_is_one_history_in_every_process() {
    if let Err(off) = guard::probe() {
        return eprintln!("skipped: {off}");
    }
    let process = |environment_bytes: usize| {
        let mut command = Command::new(std::env::current_exe().expect("a test has a file"));
        command.args(["--exact", "child", "--nocapture"]).env(CHILD, "x".repeat(environment_bytes));
        let output = String::from_utf8(command.output().expect("the process runs").stdout).expect("text");
        let (_, said) = output.split_once(MARK).unwrap_or_else(|| panic!("no fingerprint in {output:?}"));
        let (fingerprint, addresses) = said.lines().next().expect("a line").split_once(' ').expect("two words");
        (fingerprint.to_owned(), addresses.to_owned())
    };
    let processes = [process(1), process(3_000), process(70_000)];
    let layouts: BTreeSet<_> = processes.iter().map(|(_, addresses)| addresses).collect();
    assert!(layouts.len() > 1, "the processes have different address layouts: {layouts:?}");
    let here = run_everything(7);
    for (fingerprint, _) in &processes {
        assert_eq!(fingerprint, &here);
    }
    assert_ne!(here, run_everything(8));
}

/// Runs one node and returns how the world says that it failed.
fn failure_of<F: Future<Output = Exit> + 'static>(node: fn(Node) -> F) -> String {
    let world = run(0, move |world| {
        world.add_node(NodeSpec::named("hub"), node);
    });
    let [failure @ Failure::Refusal { what, .. }] = &world.failures[..] else {
        panic!("a refusal is the only failure: {:?}", world.failures)
    };
    format!("{failure}: {}", refusal::instead(what).expect("every refusal has an alternative"))
}

#[test]
fn a_refusal_names_node_and_deed() {
    if let Err(off) = guard::probe() {
        return eprintln!("skipped: {off}");
    }
    let spawns = failure_of(|node| async move {
        node.clock().sleep(SECOND).await;
        let refused = std::thread::Builder::new().spawn(|| ()).is_err();
        assert!(refused);
        std::future::pending().await
    });
    assert_eq!(
        spawns,
        "1 s: hub asked for a thread, which cannot be had in a deterministic world: \
         a node has one thread: run a future on it"
    );
    let sleeps = failure_of(|_| async {
        std::thread::sleep(SECOND);
        Exit::Halt
    });
    assert_eq!(
        sleeps,
        "0 s: hub asked for a sleep of the thread, which cannot be had in a deterministic world: \
         the thread carries the whole world: await a timer or a wake-up"
    );
}

#[test]
fn a_refusal_that_becomes_a_panic_is_still_the_refusal() {
    if let Err(off) = guard::probe() {
        return eprintln!("skipped: {off}");
    }
    let spawns = failure_of(|_| async {
        drop(std::thread::spawn(|| ()));
        Exit::Halt
    });
    assert!(spawns.starts_with("0 s: hub asked for a thread, "), "{spawns}");
}

#[test]
fn a_refused_wait_comes_to_its_deadline() {
    if let Err(off) = guard::probe() {
        return eprintln!("skipped: {off}");
    }
    let waits = failure_of(|_| async {
        let (_sender, receiver) = std::sync::mpsc::channel::<()>();
        assert!(receiver.recv_timeout(SECOND).is_err());
        Exit::Halt
    });
    assert!(waits.starts_with("0 s: hub asked for a wait of the thread with a timeout, "), "{waits}");
}
