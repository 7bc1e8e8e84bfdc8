//! `[signal.NAME]`: quantities of the physical world, which several sensors of several nodes can share.

use toml::Spanned;

use super::language::{Field, Shape, Table, optional, required};
use super::reader::Reader;
use super::text::Text;
use crate::diagnose::{Code, Problem, Span, list};
use crate::units::Time;

pub(super) const SIGNAL: Field = optional(
    "signal",
    Shape::Map(&SIGNALS),
    "Quantities of the physical world by name, in their own units (°C, V, …). Sensors of any nodes can share them: where a \
     kind's configuration has a key for a signal, it takes such a name.",
    "[signal.room]",
);

static SIGNALS: Table = Table {
    doc: "How a quantity changes over the run.",
    fields: &[
        required("shape", Shape::Word(SHAPES), "How it changes.", "shape = \"sine\""),
        optional("value", Shape::Number, "Its value, where it is constant.", "value = 21.5"),
        optional("from", Shape::Number, "Where a ramp begins.", "from = 20.0"),
        optional("to", Shape::Number, "Where a ramp ends.", "to = 180.0"),
        optional("start", Shape::Time, "When a ramp begins; at once if left out.", "start = \"10s\""),
        optional("over", Shape::Time, "How long a ramp takes.", "over = \"2min\""),
        optional("mean", Shape::Number, "What a sine swings around.", "mean = 15.0"),
        optional(
            "amplitude",
            Shape::Number,
            "How far a sine is from its mean at most, and noise from zero.",
            "amplitude = 7.5",
        ),
        optional(
            "period",
            Shape::Time,
            "How long one swing of a sine takes; after how long points and files begin anew, which hold their last value \
             if it is left out.",
            "period = \"1d\"",
        ),
        optional(
            "offset",
            Shape::Time,
            "When a sine first passes its mean upwards; at the start if left out.",
            "offset = \"9h\"",
        ),
        optional("interval", Shape::Time, "From one value of noise that is drawn to the next.", "interval = \"1min\""),
        optional(
            "octaves",
            Shape::Integer { min: 1, max: 24 },
            "How many curves noise is made of, each twice as slow as the one before; 1 if left out.",
            "octaves = 6",
        ),
        optional("of", Shape::Names, "The signals that a sum adds up.", "of = [\"daily\", \"draught\"]"),
        optional(
            "points",
            Shape::Points,
            "Values by the time since the start, in the order of time.",
            "points = [[\"0s\", 20.0], [\"90s\", 21.5]]",
        ),
        optional(
            "file",
            Shape::Text,
            "A CSV file, beside the scenario: seconds since the start in its first column, a value in another; its first \
             line may name them.",
            "file = \"room.csv\"",
        ),
        optional(
            "column",
            Shape::Text,
            "Which column of the file, as its first line names it; the second if left out.",
            "column = \"temperature\"",
        ),
        optional(
            "between",
            Shape::Word(&[("line", "A straight line."), ("step", "The value of the point before.")]),
            "What there is between two points; a line if left out.",
            "between = \"step\"",
        ),
    ],
};

const SHAPES: &[(&str, &str)] = &[
    ("constant", "Always `value`."),
    ("ramp", "A straight line from one value to another, and level before and after it."),
    ("sine", "A sine wave, such as a day's temperature."),
    ("noise", "A smooth random curve around zero, as the seed draws."),
    ("sum", "The sum of other signals."),
    ("points", "What `points` say."),
    ("csv", "What a `file` says."),
];

/// The keys that go with each shape, in their order, and those of them that must be there.
const TAKES: [(&[&str], &[&str]); 7] = [
    (&["value"], &["value"]),
    (&["from", "to", "start", "over"], &["from", "to", "over"]),
    (&["mean", "amplitude", "period", "offset"], &["mean", "amplitude", "period"]),
    (&["amplitude", "interval", "octaves"], &["amplitude", "interval"]),
    (&["of"], &["of"]),
    (&["points", "between", "period"], &["points"]),
    (&["file", "column", "between", "period"], &["file"]),
];

/// A quantity as far as a file says what it is.
#[derive(Clone, Debug)]
pub struct Signal {
    /// Its name.
    pub name: Text,
    /// What it is; `None` if that could not be read.
    pub curve: Option<Curve>,
}

/// How a quantity changes. Values are in millionths of its unit.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are the keys of the language, which says what they mean")]
pub enum Curve {
    Constant { value: i64 },
    Ramp { from: i64, to: i64, start: Time, over: Time },
    Sine { mean: i64, amplitude: i64, period: Time, offset: Time },
    Noise { amplitude: i64, interval: Time, octaves: u8 },
    Sum { of: Vec<Text> },
    Points { points: Vec<(Time, i64)>, is_step: bool, period: Option<Spanned<Time>>, span: Span },
    Csv { file: Text, column: Option<Text>, is_step: bool, period: Option<Spanned<Time>> },
}

pub(super) fn signals(root: &Reader<'_, '_>) -> Vec<Signal> {
    let tables = root.map("signal", "signal").into_iter();
    tables.map(|(name, reader)| Signal { name, curve: reader.and_then(|reader| curve(&reader)) }).collect()
}

fn curve(reader: &Reader<'_, '_>) -> Option<Curve> {
    let shape = reader.word("shape")?;
    refuse_keys(reader, shape);
    let time = |key| reader.time(key).map(Spanned::into_inner);
    let lasting = |key| {
        let time = reader.time(key)?;
        reader.nonzero(key, time.get_ref().as_nanos() == 0, time.span())?;
        Some(time)
    };
    let amplitude = || {
        let amplitude = reader.micro("amplitude")?;
        if amplitude < 0 {
            let span = reader.key_span("amplitude").unwrap_or_else(|| reader.span());
            let problem = Problem::new(Code::OutOfRange, span, "`amplitude` cannot be negative", "here");
            reader.sink().push(problem.help("it is how far the quantity is off at most, either way"));
            return None;
        }
        Some(amplitude)
    };
    let is_step = reader.word("between") == Some(1);
    Some(match shape {
        0 => Curve::Constant { value: reader.micro("value")? },
        1 => Curve::Ramp {
            from: reader.micro("from")?,
            to: reader.micro("to")?,
            start: time("start").unwrap_or_default(),
            over: time("over")?,
        },
        2 => Curve::Sine {
            mean: reader.micro("mean")?,
            amplitude: amplitude()?,
            period: lasting("period")?.into_inner(),
            offset: time("offset").unwrap_or_default(),
        },
        3 => Curve::Noise {
            amplitude: amplitude()?,
            interval: lasting("interval")?.into_inner(),
            octaves: reader.integer("octaves").and_then(|many| u8::try_from(*many.get_ref()).ok()).unwrap_or(1),
        },
        4 => Curve::Sum { of: reader.names("of")? },
        5 => Curve::Points {
            points: reader.points("points")?,
            is_step,
            period: lasting("period"),
            span: reader.key_span("points")?,
        },
        _ => Curve::Csv {
            file: reader.filled("file")?,
            column: reader.filled("column"),
            is_step,
            period: lasting("period"),
        },
    })
}

/// Notes keys that this shape does not take, and those that it needs.
fn refuse_keys(reader: &Reader<'_, '_>, shape: usize) {
    let ((takes, needs), name) = (TAKES[shape], SHAPES[shape].0);
    for (key, span) in reader.present().into_iter().filter(|(key, _)| *key != "shape" && !takes.contains(key)) {
        let what = format!("`{key}` has no meaning for a signal whose shape is \"{name}\"");
        let problem = Problem::new(Code::KeyConflict, span, what, "leave this out");
        reader.sink().push(problem.help(format!("\"{name}\" takes {}", list(takes.iter().copied()))));
    }
    for key in needs.iter().filter(|key| !reader.has(key)) {
        let what = format!("a signal whose shape is \"{name}\" needs `{key}`");
        let problem = Problem::new(Code::MissingKey, reader.span(), what, "here");
        reader.sink().push(problem.help(format!("for example: {}", reader.example(key))));
    }
}
