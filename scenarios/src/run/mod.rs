//! Running a plan: a session of its own for every run.

mod captures;
mod decisions;

pub use decisions::{Decisions, Given, Ran, Record, run};

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wavetank_sim::session::{self, Ended, Session};
use wavetank_sim::time::Instant;
use wavetank_sim::trace::JsonLines;
use wavetank_sim::world::{Snapshot, World, WorldConfig};

use crate::build::build;
use crate::diagnose::Problems;
use crate::explore::guided::Watch;
use crate::plan::Plan;

/// What a run is asked to be, besides its plan.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// What every random choice is drawn from; the plan's seed if there is none.
    pub seed: Option<u64>,
    /// The folder that gets a pcapng file for every node and every link.
    pub pcap: Option<PathBuf>,
    /// The file that gets what all links carry, as pcapng.
    pub pcap_file: Option<PathBuf>,
    /// The file that gets every event, a JSON object a line.
    pub trace: Option<PathBuf>,
    /// How many polls one moment may have until the run is ended as a livelock; a million if there is none.
    pub polls_per_instant_max: Option<u64>,
    /// How many of the last events snapshots hold.
    pub recent_events: usize,
    /// Whether snapshots hold what chance did to frames.
    pub record: Record,
    /// What happens in place of what would be drawn, and of the plan's own faults and packets.
    pub given: Option<Arc<Given>>,
}

/// Why a run could not be started.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file or folder could not be made.
    #[error("cannot write {}: {error}", path.display())]
    Output {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The world's thread ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// What the seed chose of the scenario's ranges does not go together.
    #[error("{}", crate::testing::narrated(.0))]
    Unsettled(#[from] Problems),
}

impl RunError {
    fn output(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Output { path, error }
    }
}

/// Starts a run of a plan: a world on a thread of its own, at its beginning.
///
/// # Errors
///
/// If an output file cannot be made, or no thread can be had.
pub fn start(plan: &Arc<Plan>, options: &RunOptions) -> Result<Session, RunError> {
    start_with(plan, options, |_| ())
}

/// As [`start`], and `prepare` does something to the world that is built before it runs, such as adding a sink.
///
/// # Errors
///
/// As for [`start`].
pub fn start_with(
    plan: &Arc<Plan>,
    options: &RunOptions,
    prepare: impl FnOnce(&mut World) + Send + 'static,
) -> Result<Session, RunError> {
    let (plan, config) = settled(plan, options)?;
    let options = options.clone();
    Session::start(config.clone(), move |world| {
        fill(&plan, &config, &options, None, world)?;
        prepare(world);
        Ok(())
    })
}

/// Runs a plan as `drive` has it, on a thread of its own, and `watch` sees what it does.
pub(crate) fn driven<R: Send + 'static>(
    plan: &Arc<Plan>,
    options: RunOptions,
    watch: Option<Watch>,
    drive: impl FnOnce(&mut World) -> R + Send + 'static,
) -> Result<(R, Snapshot), RunError> {
    let (plan, config) = settled(plan, &options)?;
    session::whole(config.clone(), move |world| fill(&plan, &config, &options, watch.as_ref(), world), drive)
}

/// Runs a plan from its beginning to its end on the calling thread: for where there are no threads.
///
/// A thread of its own gives a world its hash keys and a stack that is deep enough, and the calling one neither: code
/// whose doings hang on the order of an unordered map differs from run to run.
///
/// # Errors
///
/// If an output file cannot be made, or what the seed chose does not go together.
pub fn here(plan: &Arc<Plan>, options: &RunOptions) -> Result<Snapshot, RunError> {
    let (plan, config) = settled(plan, options)?;
    let mut world = World::new(&config);
    fill(&plan, &config, options, None, &mut world)?;
    world.run_until(Instant::from_nanos(plan.duration_ns));
    Ok(world.finish())
}

/// The plan as its seed has it, and how a world of it begins.
fn settled(plan: &Arc<Plan>, options: &RunOptions) -> Result<(Arc<Plan>, WorldConfig), RunError> {
    let seed = options.seed.unwrap_or(plan.seed);
    let plan = plan.settled(seed)?;
    let mut config = WorldConfig { seed, order: plan.order, ..WorldConfig::default() };
    if let Some(polls_max) = options.polls_per_instant_max {
        config.polls_per_instant_max = polls_max;
    }
    Ok((plan, config))
}

/// Builds all that a plan lists into an empty world, and what is to be seen of it.
fn fill(
    plan: &Arc<Plan>,
    config: &WorldConfig,
    options: &RunOptions,
    watch: Option<&Watch>,
    world: &mut World,
) -> Result<(), RunError> {
    let own = options.given.is_none().then(|| Given::own(plan, config.seed));
    let given = own.as_ref().or(options.given.as_deref()).expect("one of them is there");
    let built = build(plan, config.seed, given, watch, world);
    if let Some(watch) = watch {
        world.add_sink(watch.sink(plan));
    }
    if options.record == Record::On {
        world.record_packets();
    }
    if options.recent_events > 0 {
        world.keep_recent(options.recent_events);
    }
    if let Some(path) = &options.trace {
        add_trace(world, path)?;
    }
    if let Some(folder) = &options.pcap {
        fs::create_dir_all(folder).map_err(RunError::output(folder))?;
        captures::add(plan, &built, world, folder, config.epoch_ns)?;
    }
    if let Some(path) = &options.pcap_file {
        captures::add_file(plan, &built, world, path, config.epoch_ns)?;
    }
    Ok(())
}

fn add_trace(world: &mut World, path: &Path) -> Result<(), RunError> {
    let file = File::create(path).map_err(RunError::output(path))?;
    world.add_sink(Box::new(JsonLines::new(BufWriter::new(Named { path: path.to_owned(), file }))));
    Ok(())
}

/// A file whose errors say which file it is.
struct Named {
    path: PathBuf,
    file: File,
}

impl Write for Named {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(named(&self.path))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(named(&self.path))
    }
}

fn named(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| match error.kind() {
        // Whoever writes tries again by itself.
        io::ErrorKind::Interrupted => error,
        kind => io::Error::new(kind, format!("{}: {error}", path.display())),
    }
}
