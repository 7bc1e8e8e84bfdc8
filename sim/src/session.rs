//! The handle that drives a world on a thread of its own.
//!
//! A world is born and dies on its thread, because the standard library and others keep state per thread: a second world
//! on a used thread would differ. A session is `Send`: it tells the world what to do and asks what it looks like. Worlds
//! side by side are sessions side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};

use rand_core::Rng;

use crate::fault::Fault;
use crate::guard;
use crate::random::Stream;
use crate::time::{Duration, Instant, nanos};
use crate::world::{Snapshot, Stop, World, WorldConfig};

/// How fast virtual time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the machine can.
    #[default]
    Free,
    /// So many virtual seconds in a thousand wall seconds: 1,000 is real time.
    PerMille(u32),
}

/// The session's thread has ended: the kernel panicked, which is a bug in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the world's thread has ended unexpectedly")]
pub struct Ended;

/// How far a session has come; read without disturbing it.
#[derive(Debug, Default)]
pub struct Progress {
    now_ns: AtomicU64,
    events: AtomicU64,
    late_slices: AtomicU64,
    lateness_ns_max: AtomicU64,
}

impl Progress {
    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_nanos(self.now_ns.load(Relaxed))
    }

    /// How many events have been handled.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.load(Relaxed)
    }

    /// How often a paced session was behind the wall clock, and by how much at worst.
    #[must_use]
    pub fn lateness(&self) -> (u64, Duration) {
        (self.late_slices.load(Relaxed), Duration::from_nanos(self.lateness_ns_max.load(Relaxed)))
    }
}

/// Deep enough for the deepest application code; only what is touched takes memory.
const THREAD_STACK_BYTES: usize = 8 << 20;

type Call = Box<dyn FnOnce(&mut Driver) + Send>;

/// Drives a world on a thread of its own.
pub struct Session {
    calls: Sender<Call>,
    thread: JoinHandle<Option<Snapshot>>,
    progress: Arc<Progress>,
}

impl Session {
    /// Makes a world on a fresh thread and lets `build` fill it.
    ///
    /// # Errors
    ///
    /// What `build` returns, or [`Ended`] if it panicked or no thread could be had.
    pub fn start<E>(
        config: WorldConfig,
        build: impl FnOnce(&mut World) -> Result<(), E> + Send + 'static,
    ) -> Result<Self, E>
    where
        E: From<Ended> + Send + 'static,
    {
        let (calls, inbox) = channel::<Call>();
        let (built, building) = channel();
        let progress = Arc::new(Progress::default());
        let seen = Arc::clone(&progress);
        let thread = on_thread(config, move |mut world| {
            let result = build(&mut world);
            let is_built = result.is_ok();
            // The starter waits for this; if it is gone, so is the inbox's other end.
            let _ = built.send(result);
            is_built.then(|| Driver { world, goal: None, waiting: Vec::new(), progress: seen }.serve(&inbox))
        })?;
        building.recv().map_err(|_| Ended)??;
        Ok(Self { calls, thread, progress })
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Calls `f` with the world between two events.
    ///
    /// # Errors
    ///
    /// If the thread has ended.
    pub fn call<R: Send + 'static>(&self, f: impl FnOnce(&mut World) -> R + Send + 'static) -> Result<R, Ended> {
        self.drive(move |driver| f(&mut driver.world))
    }

    fn drive<R: Send + 'static>(&self, f: impl FnOnce(&mut Driver) -> R + Send + 'static) -> Result<R, Ended> {
        let (reply, answer) = channel();
        let call: Call = Box::new(move |driver| {
            let result = f(driver);
            driver.publish();
            // Nobody listens if the caller was dropped; that is its right.
            let _ = reply.send(result);
        });
        self.calls.send(call).map_err(|_| Ended)?;
        answer.recv().map_err(|_| Ended)
    }

    /// Lets the world run until `limit` and returns at once. See [`Session::wait`].
    ///
    /// # Errors
    ///
    /// If the thread has ended.
    pub fn run(&self, limit: Instant, pace: Pace) -> Result<(), Ended> {
        self.drive(move |driver| driver.goal = Some(Goal::new(limit, pace, driver.world.now())))
    }

    /// Waits until the world has reached what it was told to run to.
    ///
    /// # Errors
    ///
    /// If the thread has ended.
    pub fn wait(&self) -> Result<Stop, Ended> {
        self.stopped(|_| ())
    }

    /// Runs until `limit` as fast as it goes, and waits.
    ///
    /// # Errors
    ///
    /// If the thread has ended.
    pub fn run_until(&self, limit: Instant) -> Result<Stop, Ended> {
        self.stopped(move |driver| driver.goal = Some(Goal::new(limit, Pace::Free, driver.world.now())))
    }

    /// Waits, once `f` has been called, until the world has reached what it was told to run to.
    ///
    /// One message each way, not two: waking a thread takes longer than a small world's first events.
    fn stopped(&self, f: impl FnOnce(&mut Driver) + Send + 'static) -> Result<Stop, Ended> {
        let (reply, answer) = channel();
        let call: Call = Box::new(move |driver| {
            f(driver);
            match driver.goal {
                Some(_) => driver.waiting.push(reply),
                // The caller waits for this answer.
                None => drop(reply.send(Stop::Limit)),
            }
        });
        self.calls.send(call).map_err(|_| Ended)?;
        answer.recv().map_err(|_| Ended)
    }

    /// Holds the world between two events.
    ///
    /// # Errors
    ///
    /// If the thread has ended.
    pub fn pause(&self) -> Result<(), Ended> {
        self.drive(|driver| driver.arrive(Stop::Steps))
    }

    /// Takes at most `steps` events.
    ///
    /// # Errors
    ///
    /// If the thread has ended.
    pub fn step(&self, steps: u64, limit: Instant) -> Result<Stop, Ended> {
        self.call(move |world| world.advance(limit, steps))
    }

    /// Begins a fault now. It becomes an input of the run.
    ///
    /// # Errors
    ///
    /// If the thread has ended.
    pub fn inject(&self, fault: Fault) -> Result<(), Ended> {
        self.call(move |world| world.inject(fault))
    }

    /// The world as it stands.
    ///
    /// # Errors
    ///
    /// If the thread has ended.
    pub fn snapshot(&self) -> Result<Snapshot, Ended> {
        self.call(|world| world.snapshot())
    }

    /// Ends the run where it stands and says what came of it.
    ///
    /// # Errors
    ///
    /// If the thread has ended.
    pub fn finish(self) -> Result<Snapshot, Ended> {
        drop(self.calls);
        self.thread.join().map_err(|_| Ended)?.ok_or(Ended)
    }
}

/// Makes a world on a fresh thread, lets `build` fill it and `drive` run it, and waits for what came of it: a session that
/// nobody looks into. Threads wait for each other once.
///
/// # Errors
///
/// As for [`Session::start`]; also if `drive` panicked.
pub fn whole<E, R>(
    config: WorldConfig,
    build: impl FnOnce(&mut World) -> Result<(), E> + Send + 'static,
    drive: impl FnOnce(&mut World) -> R + Send + 'static,
) -> Result<(R, Snapshot), E>
where
    E: From<Ended> + Send + 'static,
    R: Send + 'static,
{
    let thread = on_thread(config, |mut world| {
        build(&mut world)?;
        let driven = drive(&mut world);
        Ok((driven, world.finish()))
    })?;
    thread.join().map_err(|_| Ended)?
}

/// A world has a thread of its own, whose hash keys come from the seed.
fn on_thread<T: Send + 'static>(
    config: WorldConfig,
    life: impl FnOnce(World) -> T + Send + 'static,
) -> Result<JoinHandle<T>, Ended> {
    let begin = move || {
        let mut keys = [0; 16];
        Stream::new(config.seed, "thread/hash-keys").fill_bytes(&mut keys);
        guard::prepare_thread(keys).expect("a thread that has just been made");
        life(World::new(&config))
    };
    thread::Builder::new().name("world".into()).stack_size(THREAD_STACK_BYTES).spawn(begin).map_err(|_| Ended)
}

/// What the world has been told to run to.
struct Goal {
    limit: Instant,
    pace: Pace,
    started: std::time::Instant,
    start: Instant,
}

impl Goal {
    #[expect(clippy::disallowed_methods, reason = "a paced session follows the wall clock, outside of any poll")]
    fn new(limit: Instant, pace: Pace, start: Instant) -> Self {
        Self { limit, pace, started: std::time::Instant::now(), start }
    }

    /// Until when virtual time may have come by now.
    fn allowed(&self) -> Instant {
        let Pace::PerMille(rate) = self.pace else {
            return self.limit;
        };
        let elapsed_ns = u128::from(nanos(self.started.elapsed()));
        let allowed_ns = u64::try_from(elapsed_ns * u128::from(rate) / 1_000).unwrap_or(u64::MAX);
        (self.start + Duration::from_nanos(allowed_ns)).min(self.limit)
    }
}

/// The thread's side of a session.
struct Driver {
    world: World,
    goal: Option<Goal>,
    waiting: Vec<Sender<Stop>>,
    progress: Arc<Progress>,
}

/// How many events are handled between two looks at the inbox.
const SLICE_EVENTS: u64 = 8_192;
/// How long a paced session sleeps when it is ahead of the wall clock.
const PACE_SLICE: Duration = Duration::from_millis(2);

impl Driver {
    fn serve(mut self, inbox: &Receiver<Call>) -> Snapshot {
        loop {
            let call = if self.goal.is_none() {
                inbox.recv().map_err(|_| TryRecvError::Disconnected)
            } else {
                inbox.try_recv()
            };
            match call {
                Ok(call) => call(&mut self),
                Err(TryRecvError::Empty) => self.slice(),
                Err(TryRecvError::Disconnected) => return self.world.finish(),
            }
        }
    }

    fn publish(&self) {
        self.progress.now_ns.store(self.world.now().as_nanos(), Relaxed);
        self.progress.events.store(self.world.events(), Relaxed);
    }

    fn slice(&mut self) {
        let Some(goal) = &self.goal else { return };
        let allowed = goal.allowed();
        let stop = self.world.advance(allowed, SLICE_EVENTS);
        self.publish();
        match stop {
            Stop::Limit if allowed < goal.limit => thread::park_timeout(PACE_SLICE),
            Stop::Steps => {
                let lateness_ns = nanos(allowed - self.world.now());
                if goal.pace != Pace::Free && lateness_ns > nanos(PACE_SLICE) {
                    self.progress.late_slices.fetch_add(1, Relaxed);
                    self.progress.lateness_ns_max.fetch_max(lateness_ns, Relaxed);
                }
            }
            stop => self.arrive(stop),
        }
    }

    fn arrive(&mut self, stop: Stop) {
        self.goal = None;
        for waiter in self.waiting.drain(..) {
            // A waiter that was dropped no longer cares.
            let _ = waiter.send(stop);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Exit, Node, NodeSpec};

    const SECOND: Duration = Duration::from_secs(1);

    fn ticking(world: &mut World) -> Result<(), Ended> {
        world.add_node(NodeSpec::named("ticker"), |node: Node| async move {
            for _ in 0..100 {
                node.clock().sleep(SECOND).await;
                node.flow("tick", "ticker", 1);
            }
            Exit::Halt
        });
        Ok(())
    }

    #[test]
    fn a_watched_run_is_the_headless_run() {
        let end = Instant::START + 200 * SECOND;
        let headless = Session::start(WorldConfig::default(), ticking).expect("builds");
        headless.run_until(end).expect("runs");
        let headless = headless.finish().expect("ends");
        let watched = Session::start(WorldConfig::default(), ticking).expect("builds");
        watched.run(end, Pace::Free).expect("runs");
        for _ in 0..10 {
            watched.pause().expect("pauses");
            let _ = watched.snapshot().expect("looks");
            watched.step(3, end).expect("steps");
            watched.run(end, Pace::Free).expect("goes on");
        }
        assert_eq!(watched.wait(), Ok(Stop::Limit));
        assert_eq!(watched.progress().now(), end);
        assert_eq!(watched.finish().expect("ends").fingerprint, headless.fingerprint);
    }

    #[test]
    fn a_run_that_nobody_looks_into_is_the_same_run() {
        let end = Instant::START + 200 * SECOND;
        let session = Session::start(WorldConfig::default(), ticking).expect("builds");
        session.run_until(end).expect("runs");
        let seen = session.finish().expect("ends");
        let run = move |world: &mut World| world.run_until(end);
        let (stop, snapshot) = whole(WorldConfig::default(), ticking, run).expect("runs");
        assert_eq!((stop, snapshot.fingerprint, snapshot.now), (Stop::Limit, seen.fingerprint, seen.now));
        let broken = whole(WorldConfig::default(), ticking, |_| -> () { panic!("broken") });
        assert_eq!(broken.err(), Some(Ended));
    }

    #[test]
    fn a_world_that_cannot_be_built_says_why() {
        #[derive(Debug, PartialEq)]
        enum Error {
            Mine,
            Ended,
        }
        impl From<Ended> for Error {
            fn from(_: Ended) -> Self {
                Self::Ended
            }
        }
        fn start(build: fn(&mut World) -> Result<(), Error>) -> Result<Session, Error> {
            Session::start(WorldConfig::default(), build)
        }
        assert_eq!(start(|_| Err(Error::Mine)).err(), Some(Error::Mine));
        assert_eq!(start(|_| panic!("broken")).err(), Some(Error::Ended));
    }
}
