//! What a profile says of a link besides latency, jitter, loss, rate and queue as single quantities.

use std::sync::Arc;

use super::reader::Reader;
use crate::diagnose::{Code, Problem};
use crate::units::{Probability, SignedSize, Time};

/// What a link does to frames besides passing them, as far as it is said. All quantities are integers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Impair {
    /// How the latency varies.
    pub delay: Option<Delay>,
    /// Which frames are lost, if not each with the same probability.
    pub loss: Option<Loss>,
    /// Whether packets that would be lost are marked if their ends understand it.
    pub marks_losses: Option<bool>,
    /// Which frames come twice.
    pub duplicate: Option<Duplicate>,
    /// Which frames are damaged.
    pub corrupt: Option<Corrupt>,
    /// Which frames overtake others.
    pub reorder: Option<Reorder>,
    /// When frames come out.
    pub slots: Option<Slots>,
    /// The longest packet, in bytes.
    pub mtu: Option<u32>,
    /// What each frame costs on top of its own bytes where there is a rate.
    pub overhead_bytes: Option<i32>,
    /// What carries frames in pieces of one length.
    pub cells: Option<Cells>,
    /// The queue, if it is not just so many bytes.
    pub queue: Option<Queue>,
}

/// A probability, and how much each chance resembles the last; in parts in a billion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Odds {
    /// How likely.
    pub probability_ppb: u32,
    /// How much alike.
    pub correlation_ppb: u32,
}

/// How the latency varies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delay {
    /// How it is distributed.
    pub shape: DelayShape,
    /// How much each resembles the last.
    pub correlation_ppb: u32,
    /// Whether frames may overtake each other by it.
    pub unordered: bool,
}

/// How delays are distributed; times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DelayShape {
    /// Evenly up to this much more.
    Uniform(u64),
    /// Around the latency with this deviation.
    Normal(u64),
    /// As netem's table of that name.
    Pareto(u64),
    /// As netem's table of that name.
    ParetoNormal(u64),
    /// This much more on average.
    Exponential(u64),
    /// One of these more.
    Table(Arc<[u64]>),
}

/// Which frames are lost; probabilities in parts in a billion.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Each alike.
    Random(Odds),
    /// A link that is good or bad.
    GilbertElliott {
        /// From good to bad.
        to_bad_ppb: u32,
        /// From bad to good.
        to_good_ppb: u32,
        /// Lost while it is bad.
        bad_ppb: u32,
        /// Lost while it is good.
        good_ppb: u32,
    },
    /// netem's four states: p13, p31, p32, p23, p14.
    FourStates([u32; 5]),
    /// These frames.
    Frames(Arc<[u64]>),
    /// The last of so many.
    Every(u64),
}

/// Frames that come twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Duplicate {
    /// How likely.
    pub odds: Odds,
    /// How much later the second comes.
    pub later_ns: u64,
}

/// Frames that are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Corrupt {
    /// How likely.
    pub odds: Odds,
    /// How.
    pub how: How,
}

/// How a frame is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// So many bits are flipped.
    Flip(u8),
    /// It is cut short.
    Truncate,
    /// So many bytes are garbage.
    Garble(u8),
}

/// Frames that overtake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reorder {
    /// How likely.
    pub odds: Odds,
    /// At most one in so many.
    pub gap: u32,
}

/// Cells that carry frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cells {
    /// How many bytes of frames each carries.
    pub bytes: u32,
    /// How many it costs on top of that.
    pub overhead_bytes: i32,
}

/// Instants at which frames come out; times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slots {
    /// The shortest time to the next one, or the one about which it varies.
    pub shortest_ns: u64,
    /// The longest one.
    pub longest_ns: u64,
    /// How it varies, if not evenly.
    pub shape: Option<DelayShape>,
    /// How many frames each lets pass.
    pub frames: Option<u32>,
    /// How many bytes.
    pub bytes: Option<u64>,
}

/// A queue in front of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// First in, first out.
    Tail {
        /// At most so many frames.
        frames: Option<u32>,
        /// At most so many bytes.
        bytes: Option<u64>,
    },
    /// Random early detection.
    Red {
        /// The lower threshold, in bytes.
        min: u64,
        /// The upper threshold.
        max: u64,
        /// The probability there.
        probability_ppb: u32,
        /// The average's weight is 2 to the minus this.
        weight: u8,
        /// Whether to mark what can be marked.
        ecn: bool,
        /// The most that may wait.
        bytes: u64,
    },
    /// Controlled delay, for all frames or for each flow.
    CoDel {
        /// How long frames may wait for ever.
        target_ns: u64,
        /// For how long they may wait longer.
        interval_ns: u64,
        /// Whether to mark what can be marked.
        ecn: bool,
        /// The most that may wait.
        frames: u32,
        /// Flows apart: into how many queues, and how many bytes a turn.
        fair: Option<(u32, u32)>,
    },
}

impl Impair {
    pub(super) fn read(reader: &Reader<'_, '_>) -> Self {
        Self {
            delay: reader.table("delay").and_then(|table| delay(&table)),
            loss: reader.inner_table("loss").and_then(|table| loss(&table)),
            marks_losses: reader.inner_table("loss").and_then(|table| table.word("ecn")).map(|word| word == 0),
            duplicate: duplicate(reader),
            corrupt: corrupt(reader),
            reorder: reorder(reader),
            slots: reader.table("slots").and_then(|table| slots(&table)),
            mtu: mtu(reader),
            overhead_bytes: reader.signed_size("overhead").and_then(|size| overhead(reader, &size)),
            cells: reader.table("cells").and_then(|table| cells(&table)),
            queue: reader.inner_table("queue").and_then(|table| queue(&table)),
        }
    }

    /// What `change` says wins.
    pub(crate) fn overlay(&mut self, change: &Self) {
        fn put<T: Clone>(old: &mut Option<T>, new: Option<&T>) {
            if let Some(new) = new {
                *old = Some(new.clone());
            }
        }
        put(&mut self.delay, change.delay.as_ref());
        if change.loss.is_some() {
            self.marks_losses = None;
        }
        put(&mut self.loss, change.loss.as_ref());
        put(&mut self.marks_losses, change.marks_losses.as_ref());
        put(&mut self.duplicate, change.duplicate.as_ref());
        put(&mut self.corrupt, change.corrupt.as_ref());
        put(&mut self.reorder, change.reorder.as_ref());
        put(&mut self.slots, change.slots.as_ref());
        put(&mut self.mtu, change.mtu.as_ref());
        put(&mut self.overhead_bytes, change.overhead_bytes.as_ref());
        put(&mut self.cells, change.cells.as_ref());
        put(&mut self.queue, change.queue.as_ref());
    }
}

/// The longest packet that a link carries; one that carries nothing is cut.
pub(super) fn mtu(reader: &Reader<'_, '_>) -> Option<u32> {
    let size = reader.size("mtu")?;
    reader.nonzero("mtu", size.get_ref().as_bytes() == 0, size.span())?;
    short(reader, "mtu", &size, 65_535)
}

fn short(reader: &Reader<'_, '_>, key: &str, size: &super::Spanned<crate::units::Size>, max: u32) -> Option<u32> {
    let bytes = u32::try_from(size.get_ref().as_bytes()).ok().filter(|bytes| *bytes <= max);
    if bytes.is_none() {
        let problem = Problem::new(Code::OutOfRange, size.span(), format!("`{key}` is at most {max} B"), "too much");
        reader.sink().push(problem.help("write, for example, \"1280 B\""));
    }
    bytes
}

/// More than a frame can be long is a slip.
const OVERHEAD_BYTES_MAX: i64 = 65_535;

fn overhead(reader: &Reader<'_, '_>, size: &super::Spanned<SignedSize>) -> Option<i32> {
    let bytes = size.get_ref().as_bytes();
    let fits = i32::try_from(bytes).ok().filter(|_| bytes.abs() <= OVERHEAD_BYTES_MAX);
    if fits.is_none() {
        let what = format!("`overhead` is {OVERHEAD_BYTES_MAX} B at most, more or fewer");
        let problem = Problem::new(Code::OutOfRange, size.span(), what, "too much");
        reader.sink().push(problem.help("write, for example, \"24 B\""));
    }
    fits
}

fn cells(table: &Reader<'_, '_>) -> Option<Cells> {
    let size = table.size("bytes")?;
    let bytes = short(table, "bytes", &size, 65_535)?;
    table.nonzero("bytes", bytes == 0, size.span())?;
    let more = table.signed_size("overhead");
    let overhead_bytes = more.as_ref().map_or(Some(0), |more| overhead(table, more))?;
    if i64::from(overhead_bytes) + i64::from(bytes) <= 0 {
        let span = more.map_or(table.span(), |more| more.span());
        let what = format!("a cell of {bytes} B that costs {} B less costs nothing", overhead_bytes.unsigned_abs());
        table.sink().push(Problem::new(Code::OutOfRange, span, what, "too little").help("write, for example, \"5 B\""));
        return None;
    }
    Some(Cells { bytes, overhead_bytes })
}

fn ppb(reader: &Reader<'_, '_>, key: &str) -> Option<u32> {
    reader.probability(key).map(|read| read.get_ref().as_ppb())
}

fn ns(reader: &Reader<'_, '_>, key: &str) -> Option<u64> {
    reader.time(key).map(|read| read.get_ref().as_nanos())
}

/// A key that must be there for what another key says.
fn needed<T>(reader: &Reader<'_, '_>, key: &str, what_for: &str, read: Option<T>) -> Option<T> {
    if read.is_none() && !reader.has(key) {
        let problem = Problem::new(Code::MissingKey, reader.span(), format!("{what_for} needs `{key}`"), "here");
        reader.sink().push(problem.help(format!("for example: {}", reader.example(key))));
    }
    read
}

/// Notes the keys that mean nothing for what another key says.
fn unfit(reader: &Reader<'_, '_>, word: &str, fits: &[&str]) {
    for (key, span) in reader.present() {
        if !fits.contains(&key) {
            let what = format!("`{key}` has no meaning for \"{word}\"");
            let problem = Problem::new(Code::KeyConflict, span, what, "leave this out");
            let keys = crate::diagnose::list(fits.iter().copied());
            reader.sink().push(problem.help(format!("\"{word}\" takes {keys}")));
        }
    }
}

fn delay(table: &Reader<'_, '_>) -> Option<Delay> {
    let word = table.word("shape")?;
    let name = SHAPES[word];
    let key = if name == "table" { "times" } else { "spread" };
    unfit(table, name, &["shape", key, "correlation", "order"]);
    Some(Delay {
        shape: shape(table, word, name)?,
        correlation_ppb: ppb(table, "correlation").unwrap_or(0),
        unordered: table.word("order") == Some(1),
    })
}

fn shape(table: &Reader<'_, '_>, word: usize, name: &str) -> Option<DelayShape> {
    let spread = || needed(table, "spread", &format!("\"{name}\""), ns(table, "spread"));
    Some(match word {
        0 => DelayShape::Uniform(spread()?),
        1 => DelayShape::Normal(spread()?),
        2 => DelayShape::Pareto(spread()?),
        3 => DelayShape::ParetoNormal(spread()?),
        4 => DelayShape::Exponential(spread()?),
        _ => DelayShape::Table(needed(table, "times", "\"table\"", times(table))?),
    })
}

const SHAPES: [&str; 6] = ["uniform", "normal", "pareto", "pareto-normal", "exponential", "table"];

fn times(table: &Reader<'_, '_>) -> Option<Arc<[u64]>> {
    let texts = table.names("times")?;
    let read = texts.iter().map(|text| match Time::parse(text.as_str()) {
        Ok(time) => Some(time.as_nanos()),
        Err(malformed) => {
            let problem = Problem::new(Code::WrongUnit, text.span(), format!("`times`: {}", malformed.what), "here");
            table.sink().push(problem.help(malformed.help));
            None
        }
    });
    let read: Vec<Option<u64>> = read.collect();
    read.into_iter().collect()
}

fn loss(table: &Reader<'_, '_>) -> Option<Loss> {
    let word = table.word("model")?;
    let (name, keys): (_, &[&str]) = [
        ("random", &["model", "probability", "correlation", "ecn"][..]),
        ("gilbert-elliott", &["model", "to_bad", "to_good", "bad", "good", "ecn"]),
        ("four-states", &["model", "p13", "p31", "p32", "p23", "p14", "ecn"]),
        ("frames", &["model", "frames", "ecn"]),
        ("every", &["model", "every", "ecn"]),
    ][word];
    unfit(table, name, keys);
    let must = |key| needed(table, key, &format!("\"{name}\""), ppb(table, key));
    Some(match word {
        0 => {
            must("probability")?;
            Loss::Random(odds(table)?)
        }
        1 => Loss::GilbertElliott {
            to_bad_ppb: must("to_bad")?,
            to_good_ppb: must("to_good")?,
            bad_ppb: ppb(table, "bad").unwrap_or(1_000_000_000),
            good_ppb: ppb(table, "good").unwrap_or(0),
        },
        2 => Loss::FourStates([
            must("p13")?,
            must("p31")?,
            ppb(table, "p32").unwrap_or(0),
            ppb(table, "p23").unwrap_or(1_000_000_000),
            ppb(table, "p14").unwrap_or(0),
        ]),
        3 => {
            let frames = needed(table, "frames", "\"frames\"", table.integers("frames"))?;
            let mut frames: Vec<u64> = frames.into_iter().map(i64::unsigned_abs).collect();
            frames.sort_unstable();
            Loss::Frames(frames.into())
        }
        _ => Loss::Every(needed(table, "every", "\"every\"", table.integer("every"))?.into_inner().unsigned_abs()),
    })
}

fn odds(table: &Reader<'_, '_>) -> Option<Odds> {
    let probability_ppb = ppb(table, "probability")?;
    Some(Odds { probability_ppb, correlation_ppb: ppb(table, "correlation").unwrap_or(0) })
}

/// A probability alone, or in a table with more.
fn plain_or_table<T>(
    reader: &Reader<'_, '_>,
    key: &str,
    make: impl Fn(Odds, Option<&Reader<'_, '_>>) -> T,
) -> Option<T> {
    if !reader.has(key) {
        return None;
    }
    match reader.inner_table(key) {
        Some(table) => odds(&table).map(|odds| make(odds, Some(&table))),
        None => {
            let plain: Probability = *reader.probability(key)?.get_ref();
            Some(make(Odds { probability_ppb: plain.as_ppb(), correlation_ppb: 0 }, None))
        }
    }
}

fn duplicate(reader: &Reader<'_, '_>) -> Option<Duplicate> {
    plain_or_table(reader, "duplicate", |odds, table| Duplicate {
        odds,
        later_ns: table.and_then(|table| ns(table, "by")).unwrap_or(0),
    })
}

fn corrupt(reader: &Reader<'_, '_>) -> Option<Corrupt> {
    plain_or_table(reader, "corrupt", |odds, table| {
        let count = |default| {
            let count = table.and_then(|table| table.integer("count")).map(super::Spanned::into_inner);
            count.and_then(|count| u8::try_from(count).ok()).unwrap_or(default)
        };
        let how = match table.and_then(|table| table.word("how")) {
            None | Some(0) => How::Flip(count(1).min(8)),
            Some(1) => How::Truncate,
            Some(_) => How::Garble(count(8)),
        };
        Corrupt { odds, how }
    })
}

fn reorder(reader: &Reader<'_, '_>) -> Option<Reorder> {
    plain_or_table(reader, "reorder", |odds, table| {
        let gap = table.and_then(|table| table.integer("gap")).map_or(1, super::Spanned::into_inner);
        Reorder { odds, gap: u32::try_from(gap).unwrap_or(1) }
    })
}

fn slots(table: &Reader<'_, '_>) -> Option<Slots> {
    let frames = table.integer("frames").and_then(|read| u32::try_from(read.into_inner()).ok());
    let bytes = table.size("bytes").map(|read| read.get_ref().as_bytes());
    if let Some(word) = table.word("shape") {
        let name = SHAPES[word];
        let key = if name == "table" { "times" } else { "spread" };
        unfit(table, name, &["around", "shape", key, "frames", "bytes"]);
        let around_ns = needed(table, "around", &format!("\"{name}\""), ns(table, "around"));
        let shape = Some(shape(table, word, name)?);
        return around_ns.map(|ns| Slots { shortest_ns: ns, longest_ns: ns, shape, frames, bytes });
    }
    for key in ["around", "spread", "times"] {
        if let Some(span) = table.key_span(key) {
            let problem = Problem::new(Code::KeyConflict, span, format!("`{key}` needs a `shape`"), "how?");
            table.sink().push(problem.help("add, for example: shape = \"normal\""));
        }
    }
    let shortest_ns = needed(table, "shortest", "what has no `shape`", ns(table, "shortest"))?;
    let longest_ns = ns(table, "longest").unwrap_or(shortest_ns);
    let wrong = if longest_ns < shortest_ns {
        Some(("longest", "`longest` is shorter than `shortest`", "make it as long at least"))
    } else if shortest_ns == 0 {
        Some(("shortest", "slots are at different times", "write, for example, \"1ms\""))
    } else {
        None
    };
    if let Some((key, what, help)) = wrong {
        let span = table.key_span(key).unwrap_or(table.span());
        table.sink().push(Problem::new(Code::OutOfRange, span, what, "here").help(help));
    }
    Some(Slots { shortest_ns, longest_ns, shape: None, frames, bytes })
}

fn queue(table: &Reader<'_, '_>) -> Option<Queue> {
    let word = table.word("kind")?;
    let (name, keys): (_, &[&str]) = [
        ("tail", &["kind", "frames", "bytes"][..]),
        ("red", &["kind", "min", "max", "probability", "weight", "ecn", "bytes"]),
        ("codel", &["kind", "target", "interval", "ecn", "frames"]),
        ("fq-codel", &["kind", "target", "interval", "ecn", "frames", "flows", "quantum"]),
    ][word];
    unfit(table, name, keys);
    let integer = |key: &str| table.integer(key).and_then(|read| u32::try_from(read.into_inner()).ok());
    let bytes = |key: &str| table.size(key).map(|read| read.get_ref().as_bytes());
    let ecn = table.word("ecn") != Some(1);
    Some(match word {
        0 => Queue::Tail { frames: integer("frames"), bytes: bytes("bytes") },
        1 => {
            let min = needed(table, "min", "\"red\"", bytes("min"))?;
            let max = needed(table, "max", "\"red\"", bytes("max"))?;
            if min >= max {
                let span = table.key_span("max").unwrap_or(table.span());
                let problem = Problem::new(Code::OutOfRange, span, "`max` is not above `min`", "here");
                table.sink().push(problem.help("make `max` two or three times `min`"));
            }
            Queue::Red {
                min,
                max,
                probability_ppb: ppb(table, "probability").unwrap_or(20_000_000),
                weight: integer("weight").and_then(|weight| u8::try_from(weight).ok()).unwrap_or(9),
                ecn,
                bytes: bytes("bytes").unwrap_or(max.saturating_mul(4)),
            }
        }
        _ => Queue::CoDel {
            target_ns: ns(table, "target").unwrap_or(5_000_000),
            interval_ns: ns(table, "interval").unwrap_or(100_000_000),
            ecn,
            frames: integer("frames").unwrap_or(if word == 2 { 1_000 } else { 10_240 }),
            fair: (word == 3).then(|| (integer("flows").unwrap_or(1_024), integer("quantum").unwrap_or(1_514))),
        },
    })
}
