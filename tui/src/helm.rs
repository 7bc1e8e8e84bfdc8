//! Steers the run on a thread of its own, so that the screen never waits for the world.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant as WallInstant;

use wavetank_sim::check::Verdict;
use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::session::Session;
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{Failure, Snapshot, Stop};

use crate::message::{Deed, Order, Place, Run, Sighting};
use crate::{Error, Start, text};

/// How many events of the trace are kept to be shown. Filters choose among these, so there are more than fit a screen.
const RECENT_EVENTS: usize = 10_000;

/// The screen's side of the helm. Dropping `orders` leaves the run where it stands; the thread says how that is.
pub(crate) struct Helm {
    pub(crate) orders: Sender<Order>,
    pub(crate) sightings: Receiver<Sighting>,
    pub(crate) thread: JoinHandle<Result<Snapshot, Error>>,
}

impl Helm {
    /// Takes over a run, at its beginning.
    pub(crate) fn take(start: Start, end: Instant) -> std::io::Result<Self> {
        let (orders, inbox) = channel();
        let (outbox, sightings) = channel();
        let thread = thread::Builder::new().name("helm".into()).spawn(move || {
            let at = At::Sea(begin(&start)?);
            Steersman { start, at, end, run: Run::Paused, inputs: Vec::new() }.serve(&inbox, &outbox)
        })?;
        Ok(Self { orders, sightings, thread })
    }
}

fn begin(start: &Start) -> Result<Session, Error> {
    let session = start().map_err(Error::Start)?;
    session.call(|world| world.keep_recent(RECENT_EVENTS))?;
    Ok(session)
}

/// What the person did to the run.
#[derive(Clone)]
struct Input {
    /// After all that happened until then.
    now: Instant,
    fault: Fault,
}

/// What there is to be said about an order that was carried out.
#[derive(Default)]
struct Told {
    notice: Option<String>,
    /// How many of the person's inputs are no more.
    undone: usize,
}

/// What there is of the run.
enum At {
    Sea(Session),
    /// It is over; this is what came of it.
    Harbour(Box<Snapshot>),
}

struct Steersman {
    start: Start,
    at: At,
    end: Instant,
    run: Run,
    /// In the order of their times.
    inputs: Vec<Input>,
}

impl Steersman {
    fn serve(mut self, orders: &Receiver<Order>, sightings: &Sender<Sighting>) -> Result<Snapshot, Error> {
        for order in orders {
            let told = self.carry_out(order)?;
            let (snapshot, cost) = self.look()?;
            let Told { notice, undone } = told;
            let sighting = Sighting { snapshot, run: self.run, cost, notice, is_undone: undone > 0 };
            // If nobody looks any more, the orders have ended too.
            let _ = sightings.send(sighting);
        }
        // As it would be seen: what is still open where the person left it is not decided by that.
        self.look().map(|(last, _)| last)
    }

    /// What there is to be said about it.
    fn carry_out(&mut self, order: Order) -> Result<Told, Error> {
        if let Order::Go(place) = order {
            return self.go(place);
        }
        let At::Sea(session) = &self.at else { return Ok(Told::default()) };
        match order {
            Order::Look | Order::Go(_) => {}
            Order::Run(pace) => {
                session.run(self.end, pace)?;
                self.run = Run::Running;
            }
            Order::Pause => self.hold()?,
            Order::StepEvent => {
                self.hold()?;
                self.step(1)?;
            }
            Order::StepTime(duration) => {
                self.hold()?;
                self.run_until(self.now() + duration)?;
            }
            Order::Do(deed) => {
                let fault = fault_of(deed);
                let now = inject(session, None, fault.clone())?;
                self.inputs.push(Input { now, fault });
            }
        }
        Ok(Told::default())
    }

    fn go(&mut self, place: Place) -> Result<Told, Error> {
        let (place, notice) = match place {
            Place::Failure => match self.scout()? {
                Some((at, what)) => (Place::Time(at), Some(what)),
                None => (Place::Time(self.end), Some("nothing goes wrong in this run".into())),
            },
            place => (place, None),
        };
        let is_behind = match (&self.at, place) {
            (At::Harbour(_), _) => true,
            (At::Sea(session), Place::Event(event)) => {
                session.pause()?;
                event < session.progress().events()
            }
            (At::Sea(session), Place::Time(at)) => {
                session.pause()?;
                at < session.progress().now()
            }
            (At::Sea(_), Place::Failure) => false,
        };
        let mut undone = 0;
        if is_behind {
            undone = self.begin_anew(place)?;
        }
        self.run = Run::Paused;
        match place {
            Place::Event(event) => self.step(event.saturating_sub(self.events()))?,
            Place::Time(at) => self.run_until(at)?,
            Place::Failure => {}
        }
        let said = match undone {
            0 => None,
            1 => Some("what you did after this is undone".to_owned()),
            count => Some(format!("the {count} things that you did after this are undone")),
        };
        Ok(Told { notice: notice.or(said), undone })
    }

    /// Starts anew, and goes on to the last of what was done before `place`. How much was done after it, and is undone.
    fn begin_anew(&mut self, place: Place) -> Result<usize, Error> {
        let session = begin(&self.start)?;
        let known = std::mem::take(&mut self.inputs);
        let count = known.len();
        for input in known {
            match place {
                Place::Time(at) if at <= input.now => break,
                // The event comes before the input if the run does not get to the input's time without it.
                Place::Event(event) => {
                    let steps = event.saturating_sub(session.progress().events());
                    if session.step(steps, input.now)? != Stop::Limit {
                        break;
                    }
                }
                _ => {}
            }
            inject(&session, Some(input.now), input.fault.clone())?;
            self.inputs.push(input);
        }
        self.at = At::Sea(session);
        Ok(count - self.inputs.len())
    }

    /// Runs another world to the end, with all that was done to this one: when it first goes wrong, and how.
    fn scout(&self) -> Result<Option<(Instant, String)>, Error> {
        let session = begin(&self.start)?;
        for input in &self.inputs {
            inject(&session, Some(input.now), input.fault.clone())?;
        }
        session.run_until(self.end)?;
        let last = session.finish()?;
        let broken = last.expectations.iter().filter(|report| report.verdict == Verdict::Broken);
        let broken = broken.map(|report| (report.at, format!("“{}” breaks here", report.name)));
        let failed = last.failures.iter().filter_map(|failure| Some((time_of(failure)?, failure.to_string())));
        Ok(broken.chain(failed).min_by_key(|(at, _)| *at).map(|(at, what)| (at, text::one_line(&what))))
    }

    fn hold(&mut self) -> Result<(), Error> {
        if let At::Sea(session) = &self.at {
            session.pause()?;
        }
        self.run = Run::Paused;
        Ok(())
    }

    fn now(&self) -> Instant {
        match &self.at {
            At::Sea(session) => session.progress().now(),
            At::Harbour(last) => last.now,
        }
    }

    fn events(&self) -> u64 {
        match &self.at {
            At::Sea(session) => session.progress().events(),
            At::Harbour(last) => last.events,
        }
    }

    fn step(&mut self, events: u64) -> Result<(), Error> {
        let At::Sea(session) = &self.at else { return Ok(()) };
        if session.step(events, self.end)? == Stop::Limit {
            self.run = Run::Ended;
        }
        Ok(())
    }

    fn run_until(&mut self, at: Instant) -> Result<(), Error> {
        let At::Sea(session) = &self.at else { return Ok(()) };
        let limit = at.min(self.end);
        if session.run_until(limit)? == Stop::Limit && limit == self.end {
            self.run = Run::Ended;
        }
        Ok(())
    }

    /// The world as it stands, and how long it was held up for that. If nothing will happen any more the verdicts fall, and
    /// the last picture stays.
    fn look(&mut self) -> Result<(Snapshot, Duration), Error> {
        let session = match &self.at {
            At::Sea(session) => session,
            At::Harbour(last) => return Ok(((**last).clone(), Duration::ZERO)),
        };
        let (snapshot, cost) = session.call(|world| {
            let begun = WallInstant::now();
            (world.snapshot(), begun.elapsed())
        })?;
        if snapshot.failures.iter().any(|failure| matches!(failure, Failure::Livelock { .. })) {
            self.run = Run::Stuck;
        } else if self.run == Run::Running && snapshot.now >= self.end {
            // What is left happens at the end's own instant.
            session.run_until(self.end)?;
            self.run = Run::Ended;
        }
        if !self.run.is_over() {
            return Ok((snapshot, cost));
        }
        let over = std::mem::replace(&mut self.at, At::Harbour(Box::new(snapshot)));
        let At::Sea(session) = over else { unreachable!("it was looked at above") };
        let last = session.finish()?;
        self.at = At::Harbour(Box::new(last.clone()));
        Ok((last, cost))
    }
}

/// Begins a fault when everything has happened that happens until `now`, or until the time that it is: so that it can be
/// done again at the same place. When that is.
/// A fault that begins when it is handed to a world.
fn fault_of(deed: Deed) -> Fault {
    let (kind, duration) = match deed {
        Deed::CutPower(node, duration) => (FaultKind::PowerCut(node), Some(duration)),
        Deed::Crash(node, duration) => (FaultKind::Crash(node), Some(duration)),
        Deed::Reset(node) => (FaultKind::Reset(node), None),
        Deed::CutCable(cable, duration) => (FaultKind::CutCable(cable), Some(duration)),
    };
    Fault { at: Instant::START, duration, kind }
}

fn inject(session: &Session, now: Option<Instant>, fault: Fault) -> Result<Instant, Error> {
    let paused = session.call(move |world| {
        let now = now.unwrap_or(world.now());
        world.run_until(now);
        world.inject(fault);
        now
    });
    Ok(paused?)
}

fn time_of(failure: &Failure) -> Option<Instant> {
    match failure {
        Failure::Panic { at, .. } | Failure::Refusal { at, .. } | Failure::Livelock { at } => Some(*at),
        Failure::Output { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{END, lossy_pond, starting};

    const SECOND: Duration = Duration::from_secs(1);

    /// A helm that is told one order after the other.
    fn told(orders: &[Order]) -> (Vec<Sighting>, Snapshot) {
        let helm = Helm::take(starting(lossy_pond), END).expect("a thread");
        let seen = orders.iter().map(|order| {
            helm.orders.send(*order).expect("it listens");
            helm.sightings.recv().expect("it answers")
        });
        let seen = seen.collect();
        drop(helm.orders);
        (seen, helm.thread.join().expect("it ends").expect("well"))
    }

    fn at(tenths: u32) -> Order {
        Order::Go(Place::Time(Instant::START + SECOND / 10 * tenths))
    }

    fn picture(sighting: &Sighting) -> impl PartialEq + std::fmt::Debug {
        let Snapshot { now, events, fingerprint, metrics, links, recent, .. } = &sighting.snapshot;
        (*now, *events, *fingerprint, metrics.clone(), links.clone(), recent.clone())
    }

    #[test]
    fn what_is_seen_again_is_what_was_seen_before() {
        let end = Order::Go(Place::Time(END));
        let (seen, last) = told(&[at(33), at(61), end, at(33), at(61), at(10), at(33), end]);
        let runs: Vec<_> = seen.iter().map(|sighting| sighting.run).collect();
        assert_eq!((runs[1], runs[2], runs[3]), (Run::Paused, Run::Ended, Run::Paused));
        for (first, again) in [(0, 3), (1, 4), (0, 6), (2, 7)] {
            assert_eq!(picture(&seen[first]), picture(&seen[again]));
        }
        assert_eq!(last.fingerprint, seen[2].snapshot.fingerprint);
        assert_eq!(last.expectations, seen[2].snapshot.expectations);
    }

    #[test]
    fn back_by_an_event_and_on_by_one_is_the_same_place() {
        let (seen, _) = told(&[at(33)]);
        let event = seen[0].snapshot.events;
        let (seen, _) = told(&[
            Order::Go(Place::Event(event)),
            Order::Go(Place::Event(event - 1)),
            Order::StepEvent,
            Order::Go(Place::Event(0)),
        ]);
        assert_eq!(seen[1].snapshot.events, event - 1);
        assert_eq!(picture(&seen[0]), picture(&seen[2]));
        assert_eq!((seen[3].snapshot.events, seen[3].snapshot.now), (0, Instant::START));
    }

    #[test]
    fn what_the_person_did_is_done_again_unless_it_lies_ahead() {
        let (seen, _) = told(&[at(20)]);
        let (hub, _) = seen[0].snapshot.names.nodes().next().expect("there are nodes");
        let cut = Order::Do(Deed::CutPower(hub, 2 * SECOND));
        let (seen, _) = told(&[at(20), cut, at(45), at(30), at(45), at(20), at(45)]);
        assert_eq!(picture(&seen[2]), picture(&seen[4]), "it was done again");
        assert_eq!(seen[4].notice, None);
        let undone = "what you did after this is undone";
        assert_eq!((seen[5].notice.as_deref(), seen[5].is_undone), (Some(undone), true));
        let (plain, _) = told(&[at(45)]);
        assert_eq!(picture(&seen[6]), picture(&plain[0]), "it is no more");
    }

    #[test]
    fn all_that_can_be_done_to_a_run_is_done_again() {
        let (seen, _) = told(&[at(20)]);
        let names = &seen[0].snapshot.names;
        let (node, _) = names.nodes().last().expect("there are nodes");
        let (cable, _) = names.cables().next().expect("there are cables");
        for deed in [Deed::Crash(node, SECOND), Deed::Reset(node), Deed::CutCable(cable, SECOND)] {
            let (seen, _) = told(&[at(20), Order::Do(deed), at(45), at(30), at(45)]);
            assert_eq!(picture(&seen[2]), picture(&seen[4]), "{deed:?}");
            let (plain, _) = told(&[at(45)]);
            assert_ne!(picture(&seen[2]), picture(&plain[0]), "{deed:?} does something");
        }
    }

    #[test]
    fn the_failure_is_found_from_anywhere() {
        let (seen, last) = told(&[Order::Go(Place::Failure), Order::Go(Place::Time(END)), Order::Go(Place::Failure)]);
        let broken =
            last.expectations.iter().filter(|report| report.verdict == Verdict::Broken).map(|report| report.at);
        let failed = last.failures.iter().filter_map(time_of);
        let first = broken.chain(failed).min().expect("something fails in the pond");
        assert_eq!((seen[0].snapshot.now, seen[2].snapshot.now), (first, first));
        assert!(seen[0].notice.is_some());
        let Snapshot { expectations, failures, .. } = &seen[0].snapshot;
        assert!(
            !failures.is_empty() || expectations.iter().any(|report| report.verdict == Verdict::Broken),
            "it shows"
        );
        assert_eq!(picture(&seen[0]), picture(&seen[2]));
    }

    #[test]
    fn where_a_run_is_left_is_what_was_seen_of_it() {
        let (seen, last) = told(&[at(33)]);
        let shown = &seen[0].snapshot;
        assert!(shown.expectations.iter().any(|report| report.verdict == Verdict::Open), "something is still open");
        assert_eq!((last.fingerprint, &last.expectations), (shown.fingerprint, &shown.expectations));
        assert_eq!((last.now, last.events), (shown.now, shown.events));
    }

    #[test]
    fn a_run_that_cannot_be_started_says_why() {
        let helm = Helm::take(Box::new(|| Err("no such node".into())), END).expect("a thread");
        let error = helm.thread.join().expect("it ends").expect_err("there is no run");
        assert_eq!(error.to_string(), "no such node");
    }
}
