//! A world of which a part is measured.

use wavetank_sim::session::{Ended, Session};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{World, WorldConfig};

use crate::measured::{Done, Measured, Stopwatch, Tally, allocated};

/// Which part of a world's time is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tank {
    /// How long it runs before: until neighbours have been asked for, connections are open and windows have grown.
    pub(crate) prepared: Duration,
    /// How long it runs then.
    pub(crate) measured: Duration,
}

impl Tank {
    /// Builds a world on a fresh thread, so that every run is the same run, and measures its part.
    pub(crate) fn measure(self, build: impl FnOnce(&mut World, &Tally) + Send + 'static) -> Measured {
        let tally = Tally::default();
        let seen = tally.clone();
        let (empty, preparing) = (allocated(), Stopwatch::start());
        let session = Session::start(WorldConfig::default(), move |world| {
            build(world, &tally);
            Ok::<(), Ended>(())
        });
        let session = session.expect("a world that can be built");
        let measured =
            session.call(move |world| self.run(world, &seen, empty, &preparing)).expect("the kernel does not panic");
        let snapshot = session.finish().expect("the kernel does not panic");
        assert_eq!(snapshot.failures, [], "a node's code failed");
        measured
    }

    fn run(self, world: &mut World, tally: &Tally, empty: u64, preparing: &Stopwatch) -> Measured {
        let start = Instant::START + self.prepared;
        world.run_until(start);
        let prepared = preparing.stop(Done::default()).cpu;
        let memory = allocated().saturating_sub(empty);
        let before = count(world, tally);
        let watch = Stopwatch::start();
        world.run_until(start + self.measured);
        let measured = watch.stop(Done::default());
        let after = count(world, tally);
        let done = Done {
            items: after.items - before.items,
            events: after.events - before.events,
            frames: after.frames - before.frames,
            ..after
        };
        Measured { done: Done { virtual_time: self.measured, ..done }, prepared, memory, ..measured }
    }
}

fn count(world: &World, tally: &Tally) -> Done {
    Done {
        items: tally.count(),
        events: world.events(),
        frames: world.snapshot().frames.delivered,
        virtual_time: Duration::ZERO,
        fingerprint: Some(world.fingerprint()),
    }
}
