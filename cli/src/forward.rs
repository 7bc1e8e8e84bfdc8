//! `--forward` and `--inputs` of `wavetank run`: the tank with a door to the host, and what came in by it again.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use wavetank_scenarios::Plan;
use wavetank_scenarios::forward::{self, Door, Entry, Gate, Inputs, Pump, Target};
use wavetank_sim::session::{Ended, Session};
use wavetank_sim::time::Instant;

use crate::arguments::Run;
use crate::command::Trouble;

/// What enters a run, besides its seed.
pub(crate) enum Entrance {
    /// Nothing.
    Shut,
    /// What connections to these gates bring.
    Open { door: Door, gates: Vec<Gate>, targets: Vec<Target> },
    /// What entered a run before.
    Again { door: Door, inputs: Inputs },
}

impl Entrance {
    /// Reads what is asked for, adds the nodes that it takes to the plan, and listens.
    pub(crate) fn prepare(arguments: &Run, plan: &mut Plan) -> Result<Self, Trouble> {
        let door = Door::default();
        let input = |error: &dyn std::fmt::Display| Trouble::Input(error.to_string());
        if let Some(path) = &arguments.inputs {
            let inputs = read(path).map_err(|error| Trouble::Input(format!("{}: {error}", path.display())))?;
            door.add_to(plan, &inputs.targets).map_err(|error| input(&error))?;
            return Ok(Self::Again { door, inputs });
        }
        if arguments.forward.is_empty() {
            return Ok(Self::Shut);
        }
        let targets: Vec<Target> = arguments.forward.iter().map(|forward| forward.target.clone()).collect();
        door.add_to(plan, &targets).map_err(|error| input(&format!("--forward: {error}")))?;
        let mut gates = Vec::new();
        for forward in &arguments.forward {
            let gate = Gate::open(forward.address)
                .map_err(|error| Trouble::Input(format!("--forward: cannot listen at {}: {error}", forward.address)))?;
            let mut err = anstream::stderr().lock();
            // Nobody is left to tell if this fails.
            let _ = writeln!(err, "http://{} leads to {}", gate.address()?, forward.target);
            gates.push(gate);
        }
        Ok(Self::Open { door, gates, targets })
    }

    /// The seed and the end of a run that is had again.
    pub(crate) fn again(&self) -> Option<(u64, Instant)> {
        match self {
            Self::Again { inputs, .. } => Some((inputs.seed, Instant::from_nanos(inputs.end_ns))),
            Self::Shut | Self::Open { .. } => None,
        }
    }

    /// Lets in what is to enter while `wait` waits for the run's end, and returns what entered.
    pub(crate) fn during<T>(self, session: &Session, wait: impl FnOnce() -> T) -> Result<(T, Option<Inputs>), Ended> {
        match self {
            Self::Shut | Self::Again { .. } => Ok((wait(), None)),
            Self::Open { door, gates, targets } => {
                let done = AtomicBool::new(false);
                let (waited, entries) = thread::scope(|scope| {
                    let pump = scope.spawn(|| Pump::new(gates, door).run(session, || done.load(Relaxed)));
                    let waited = wait();
                    done.store(true, Relaxed);
                    (waited, pump.join().unwrap_or(Err(Ended)))
                });
                let entries: Vec<Entry> = entries?;
                // All of the instant that it was stopped at, so that it can be had again.
                let end = session.call(|world| {
                    world.run_until(world.now());
                    world.now()
                })?;
                Ok((waited, Some(Inputs { seed: 0, targets, entries, end_ns: end.as_nanos() })))
            }
        }
    }

    /// Has the same enter again that entered before; whether there is such.
    pub(crate) fn replay(&self, session: &Session) -> Result<bool, Ended> {
        match self {
            Self::Again { door, inputs } => forward::replay(session, door, inputs).map(|_| true),
            Self::Shut | Self::Open { .. } => Ok(false),
        }
    }
}

fn read(path: &Path) -> Result<Inputs, forward::InputsError> {
    Inputs::read(BufReader::new(File::open(path)?))
}

/// Writes down what entered.
pub(crate) fn record(inputs: &Inputs, path: &Path) -> Result<(), Trouble> {
    let written = File::create(path).and_then(|file| inputs.write(&mut BufWriter::new(file)));
    written.map_err(|error| Trouble::Input(format!("--record-inputs: cannot write {}: {error}", path.display())))
}
