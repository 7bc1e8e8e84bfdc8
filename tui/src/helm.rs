//! Steers the session on a thread of its own, so that the screen never waits for the world.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant as WallInstant;

use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::session::{Ended, Session};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{Failure, Snapshot, Stop};

use crate::message::{Order, Run, Sighting};

/// How many events of the trace are kept to be shown. Filters choose among these, so there are more than fit a screen.
const RECENT_EVENTS: usize = 10_000;

/// The screen's side of the helm. Dropping `orders` ends the run where it stands.
pub(crate) struct Helm {
    pub(crate) orders: Sender<Order>,
    pub(crate) sightings: Receiver<Sighting>,
    pub(crate) thread: JoinHandle<Result<Snapshot, Ended>>,
}

impl Helm {
    /// Takes over a session.
    pub(crate) fn take(session: Session, end: Instant) -> std::io::Result<Self> {
        let (orders, inbox) = channel();
        let (outbox, sightings) = channel();
        let thread = thread::Builder::new().name("helm".into()).spawn(move || {
            session.call(|world| world.keep_recent(RECENT_EVENTS))?;
            Steersman { session, end, run: Run::Paused }.serve(&inbox, &outbox)
        })?;
        Ok(Self { orders, sightings, thread })
    }
}

struct Steersman {
    session: Session,
    end: Instant,
    run: Run,
}

impl Steersman {
    fn serve(mut self, orders: &Receiver<Order>, sightings: &Sender<Sighting>) -> Result<Snapshot, Ended> {
        for order in orders {
            self.carry_out(order)?;
            let (snapshot, cost) = self.look()?;
            if self.run.is_over() {
                return self.conclude(orders, sightings);
            }
            // If nobody looks any more, the orders have ended too.
            let _ = sightings.send(Sighting { snapshot, run: self.run, cost });
        }
        self.session.finish()
    }

    fn carry_out(&mut self, order: Order) -> Result<(), Ended> {
        match order {
            Order::Look => {}
            Order::Run(pace) => {
                self.session.run(self.end, pace)?;
                self.run = Run::Running;
            }
            Order::Pause => self.hold()?,
            Order::StepEvent => {
                self.hold()?;
                let stop = self.session.step(1, self.end)?;
                self.arrived(stop, self.end);
            }
            Order::StepTime(duration) => {
                self.hold()?;
                let limit = (self.session.progress().now() + duration).min(self.end);
                let stop = self.session.run_until(limit)?;
                self.arrived(stop, limit);
            }
            Order::PowerCut(node, duration) => {
                let fault = Fault { at: Instant::START, duration: Some(duration), kind: FaultKind::PowerCut(node) };
                self.session.inject(fault)?;
            }
        }
        Ok(())
    }

    fn hold(&mut self) -> Result<(), Ended> {
        self.session.pause()?;
        self.run = Run::Paused;
        Ok(())
    }

    fn arrived(&mut self, stop: Stop, limit: Instant) {
        if stop == Stop::Limit && limit == self.end {
            self.run = Run::Ended;
        }
    }

    /// The world as it stands, and how long it was held up for that.
    fn look(&mut self) -> Result<(Snapshot, Duration), Ended> {
        let (snapshot, cost) = self.session.call(|world| {
            let begun = WallInstant::now();
            (world.snapshot(), begun.elapsed())
        })?;
        if snapshot.failures.iter().any(|failure| matches!(failure, Failure::Livelock { .. })) {
            self.run = Run::Stuck;
        } else if self.run == Run::Running && snapshot.now >= self.end {
            // What is left happens at the end's own instant.
            self.session.run_until(self.end)?;
            self.run = Run::Ended;
        }
        Ok((snapshot, cost))
    }

    /// Nothing will happen any more: the verdicts fall, and the last picture stays.
    fn conclude(self, orders: &Receiver<Order>, sightings: &Sender<Sighting>) -> Result<Snapshot, Ended> {
        let last = self.session.finish()?;
        // Nobody looks any more if the person has quit meanwhile.
        let _ = sightings.send(Sighting { snapshot: last.clone(), run: self.run, cost: Duration::ZERO });
        // Orders that were under way are too late.
        orders.iter().for_each(drop);
        Ok(last)
    }
}
