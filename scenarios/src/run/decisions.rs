//! What chance decided in a run, as data: to be recorded, given to another run, and written as part of a scenario file.

use std::fmt::Write as _;
use std::sync::Arc;

use wavetank_sim::random::Stream;
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

use super::{RunError, RunOptions, driven};
use crate::build::planned;
use crate::plan::{Chance, Damage, Direction, Fault, Packet, Plan, What};
use crate::units::{SignedTime, Time};

/// Whether what chance does to frames is recorded. It changes nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Record {
    /// It costs nothing.
    #[default]
    Off,
    /// A few words for each frame that something happens to.
    On,
}

/// What went wrong in a run, whether the scenario says so or chance does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// The faults of the timeline and of storms.
    pub faults: Vec<Fault>,
    /// What happened to single frames.
    pub packets: Vec<Packet>,
}

/// What is given to a run in place of the plan's own faults and packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// What is not drawn from the seed: of these happens what is decided, and nothing else.
    pub instead_of: Vec<Chance>,
    /// What happens.
    pub decisions: Decisions,
}

impl Given {
    /// What a plan gives itself: its faults, as late as the seed draws, and its storms.
    pub(crate) fn own(plan: &Plan, seed: u64) -> Self {
        let mut faults = plan.faults.clone();
        for (index, late_ns) in &plan.late {
            let fault = &mut faults[*index];
            let mut stream = Stream::new(seed, &format!("fault/{index}/late"));
            let late_ns = stream.below(late_ns.saturating_add(1));
            fault.at_ns += late_ns;
            fault.until_ns = fault.until_ns.map(|until_ns| until_ns + late_ns);
        }
        if !plan.given.contains(&Chance::Storm) {
            faults.extend(plan.storms.iter().flat_map(|storm| storm.faults(seed)));
        }
        let decisions = Decisions { faults, packets: plan.packets.clone() };
        Self { instead_of: plan.given.clone(), decisions }
    }

    /// These decisions in place of all that chance would decide.
    #[must_use]
    pub fn all(decisions: Decisions) -> Self {
        Self { instead_of: Chance::ALL.to_vec(), decisions }
    }
}

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The world at its end.
    pub snapshot: Snapshot,
    /// What went wrong in it; without its packets unless they were recorded.
    pub decisions: Decisions,
}

/// Runs a plan to its end: with what it would draw, or with what is given.
///
/// # Errors
///
/// If no thread can be had, or the world's thread ends.
pub fn run(plan: &Arc<Plan>, seed: u64, record: Record, given: Option<Arc<Given>>) -> Result<Ran, RunError> {
    let plan = &plan.settled(seed)?;
    let faults =
        given.as_deref().map_or_else(|| Given::own(plan, seed).decisions.faults, |g| g.decisions.faults.clone());
    let options = RunOptions { seed: Some(seed), record, given, ..RunOptions::default() };
    let end = Instant::from_nanos(plan.duration_ns);
    let (_, snapshot) = driven(plan, options, None, move |world| world.run_until(end))?;
    let packets = snapshot.packets.iter().filter_map(planned).collect();
    Ok(Ran { snapshot, decisions: Decisions { faults, packets } })
}

impl Decisions {
    /// The entries `[[fault]]` and `[[packet]]` of a scenario file that say the same. They belong in a file with the
    /// same nodes and networks, whose `given` names what they take the place of.
    #[must_use]
    pub fn to_toml(&self, plan: &Plan) -> String {
        let mut text = String::new();
        for fault in &self.faults {
            text.push_str(&fault.to_toml(plan));
        }
        for packet in &self.packets {
            packet_to_toml(packet, plan, &mut text).expect("a string takes all");
        }
        text
    }
}

fn packet_to_toml(packet: &Packet, plan: &Plan, to: &mut String) -> std::fmt::Result {
    let direction = match packet.direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    let (link, frame) = (&plan.links[packet.link].name, packet.frame);
    writeln!(to, "\n[[packet]]\nlink = \"{link}\"\ndirection = \"{direction}\"\nframe = {frame}")?;
    match &packet.what {
        What::Lose => writeln!(to, "what = \"lose\""),
        What::Duplicate { later_ns: 0 } => writeln!(to, "what = \"duplicate\""),
        What::Duplicate { later_ns } => writeln!(to, "what = \"duplicate\"\nby = \"{}\"", Time::from_nanos(*later_ns)),
        What::Corrupt(damage) => {
            writeln!(to, "what = \"corrupt\"")?;
            match damage {
                Damage::Flip(bits) => writeln!(to, "flip = {bits:?}"),
                Damage::Truncate(left) => writeln!(to, "truncate = {left}"),
                Damage::Garble { at, bytes } => {
                    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    writeln!(to, "garble = {{ at = {at}, bytes = \"{digits}\" }}")
                }
            }
        }
        What::Delay { by_ns } => writeln!(to, "what = \"delay\"\nby = \"{}\"", SignedTime::from_nanos(*by_ns)),
        What::Overtake => writeln!(to, "what = \"overtake\""),
        What::EarlyDrop => writeln!(to, "what = \"early-drop\""),
    }
}
