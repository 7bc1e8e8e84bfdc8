//! A schedule: what is drawn, and what came of it.

use std::backtrace::Backtrace;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Something that a schedule did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The future is polled.
    Poll,
    /// It is polled again without having been woken.
    Spurious,
    /// Its waker was woken.
    Wake,
    /// It is dropped while it waits.
    Drop,
    /// A stream gives so many bytes.
    Read(usize),
    /// A stream takes so many bytes.
    Written(usize),
    /// A stream is not ready.
    NotNow,
    /// An executor polls the task of this number.
    TaskPolled(usize),
    /// The waker of the task of this number is woken.
    TaskWoken(usize),
    /// The task of this number has ended.
    TaskEnded(usize),
}

/// A schedule, as it is drawn from its number; a handle to it. Schedule 0 disturbs nothing.
#[derive(Clone, Debug)]
pub struct Script(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    number: u64,
    state: u64,
    steps: Vec<Step>,
    /// Who waits for a stream that was not ready.
    waiting: Vec<Waker>,
    /// Where the last of them came from, if somebody wants to know.
    place: Option<Vec<String>>,
}

impl Script {
    pub(crate) fn new(number: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner { number, state: number, steps: Vec::new(), waiting: Vec::new(), place: None })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // What a panic left behind is whole: nothing of it is half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn number(&self) -> u64 {
        self.inner().number
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.inner().steps.clone()
    }

    pub(crate) fn note(&self, step: Step) {
        self.inner().steps.push(step);
    }

    /// A number below `bound`; the greatest there is in schedule 0.
    pub fn below(&self, bound: u64) -> u64 {
        let inner = &mut *self.inner();
        if inner.number == 0 {
            return bound.saturating_sub(1);
        }
        // SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
        inner.state = inner.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = inner.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((u128::from(mixed ^ (mixed >> 31)) * u128::from(bound)) >> 64) as u64
    }

    /// Whether something happens that does so once in `one_in` times; never in schedule 0.
    pub fn happens(&self, one_in: u64) -> bool {
        self.below(one_in.max(2)) == 0
    }

    /// The same future, and where it is awaited is told if dropping it there loses something. Waiting for a
    /// [`Stream`](crate::Stream) is told without.
    #[track_caller]
    pub fn here<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let (script, place) = (self.clone(), Location::caller());
        async move {
            let mut future = pin!(future);
            poll_fn(|cx| {
                let polled = future.as_mut().poll(cx);
                if polled.is_pending() {
                    script.waits_at(|| vec![format!("{}:{}", place.file(), place.line())]);
                }
                polled
            })
            .await
        }
    }

    /// From now on it is noted where a stream is waited for.
    pub(crate) fn look(&self) {
        self.inner().place = Some(Vec::new());
    }

    /// Where a stream was last waited for: files and lines, the innermost first.
    pub(crate) fn place(&self) -> Vec<String> {
        self.inner().place.clone().unwrap_or_default()
    }

    /// `waker` waits for a stream.
    pub(crate) fn wait(&self, waker: &Waker) {
        self.inner().waiting.push(waker.clone());
        self.waits_at(|| callers(&Backtrace::force_capture()));
    }

    /// Notes where it waits, if somebody wants to know.
    fn waits_at(&self, at: impl FnOnce() -> Vec<String>) {
        let inner = &mut *self.inner();
        if let Some(place) = &mut inner.place
            && !inner.steps.contains(&Step::Drop)
        {
            *place = at();
        }
    }

    /// Lets streams that were not ready be so again. Whether any was waited for.
    pub(crate) fn stir(&self) -> bool {
        let waiting = std::mem::take(&mut self.inner().waiting);
        let any = !waiting.is_empty();
        waiting.into_iter().for_each(Waker::wake);
        any
    }
}

/// The files and lines of a backtrace that are not the standard library's, from the stream that was waited for to the
/// driver; none where programs are built without debug information, in which case only the system's C is named. Paths may be relative,
/// so our own files are told by how they end.
fn callers(backtrace: &Backtrace) -> Vec<String> {
    let text = backtrace.to_string();
    let places = text.lines().filter_map(|line| line.trim().strip_prefix("at "));
    let places =
        places.filter(|place| !["/rustc/", "/library/", "/.cargo/registry/"].iter().any(|part| place.contains(part)));
    // The column changes nothing.
    let places = places.map(|place| place.rsplit_once(':').map_or(place, |(place, _)| place));
    let places = places.filter(|place| place.rsplit_once(':').is_some_and(|(path, _)| path.ends_with(".rs")));
    let is_in = |place: &str, file: &str| place.rsplit_once(':').is_some_and(|(path, _)| path.ends_with(file));
    let callers = places
        .skip_while(|place| is_in(place, "src/script.rs") || is_in(place, "src/stream.rs"))
        .take_while(|place| !is_in(place, "src/drive.rs"));
    let mut callers: Vec<String> = callers.map(str::to_owned).collect();
    callers.dedup();
    callers
}
