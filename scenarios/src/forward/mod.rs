//! Forwarding: sockets of the host lead to a server in the tank.
//!
//! A node that no scenario mentions stands for everybody outside. It is plugged into the server's own network, with a free
//! address, and opens a connection for each that the host accepts: so what comes from outside is frames on a wire like any
//! other's, and can be captured. All that enters is an [`Input`] of the run, with its virtual time. The run is the same when
//! the same inputs enter at the same times, which [`replay`] does; what leaves the tank decides nothing in it.

mod door;
mod input;
mod outside;
mod pump;

pub use door::Door;
pub use input::{Entry, Input, Inputs, InputsError, What};
pub use outside::{Target, Unreachable};
pub use pump::{Gate, Pump};

use wavetank_sim::session::{Ended, Session};
use wavetank_sim::time::Instant;

/// Lets these inputs enter at their times, runs on to the end of the run that they were written down in, and says when that
/// is. A session that has come further than the first of them makes another run.
///
/// # Errors
/// If the world's thread has ended.
pub fn replay(session: &Session, door: &Door, inputs: &Inputs) -> Result<Instant, Ended> {
    for entry in &inputs.entries {
        session.run_until(Instant::from_nanos(entry.at_ns))?;
        let (door, input) = (door.clone(), entry.input.clone());
        session.call(move |world| {
            world.input(&input.to_string(), || door.enter(&input));
            // What leaves has nowhere to go.
            door.leave();
        })?;
    }
    let end = Instant::from_nanos(inputs.end_ns);
    session.run_until(end)?;
    Ok(end)
}
