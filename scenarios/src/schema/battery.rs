//! What a node lives on: the keys of `battery`, and what a file says there.

use toml::Spanned;

use super::language::{Field, Shape, Table, optional, required};
use super::reader::Reader;
use super::text::Text;
use crate::diagnose::Span;
use crate::units::{Charge, Current, Probability, Rate, Resistance, Size, Time, Voltage};

pub(super) const BATTERY: Field = optional(
    "battery",
    Shape::Table(&BATTERIES),
    "What the node lives on; it has power whenever no fault takes it if left out. With it the node has the metrics \
     `energy.uj`, `energy.uj.per.message`, `battery.permille`, `battery.mv` and `brown.outs`, as of the last time that it \
     booted or said anything.",
    "battery = { capacity = \"220 mAh\", draw = { idle = \"2 mA\" } }",
);

pub(super) const CURRENT: Field =
    optional("current", Shape::Current, "How much is drawn from the battery on top.", "current = \"5 mA\"");

static BATTERIES: Table = Table {
    doc: "A battery, and the table of what draws from it.",
    fields: &[
        required("capacity", Shape::Charge, "What it holds when it is full.", "capacity = \"220 mAh\""),
        optional(
            "charge",
            Shape::Probability,
            "How much of that is there at the start; all if left out.",
            "charge = \"35 %\"",
        ),
        optional(
            "voltage",
            Shape::VoltageByCharge,
            "Its voltage without a load by the charge that is left, straight lines between; 3 V if left out.",
            "voltage = { \"0 %\" = \"2.0 V\", \"15 %\" = \"2.7 V\", \"100 %\" = \"3.0 V\" }",
        ),
        optional(
            "resistance",
            Shape::Resistance,
            "Its resistance, over which a load lowers the voltage; none if left out.",
            "resistance = \"15 Ohm\"",
        ),
        optional(
            "brown_out",
            Shape::Voltage,
            "Below this voltage under load the node loses its power; 1.8 V if left out.",
            "brown_out = \"2.2 V\"",
        ),
        optional(
            "recovers",
            Shape::Voltage,
            "From this voltage on under the load of an idle node it has it again; 100 mV above `brown_out` if left out.",
            "recovers = \"2.4 V\"",
        ),
        optional(
            "hold_up",
            Shape::Time,
            "How long the board's capacitors carry it while the voltage is too low; not at all if left out.",
            "hold_up = \"2ms\"",
        ),
        optional("restart", Shape::Time, "From then on until it boots; 100 ms if left out.", "restart = \"250ms\""),
        optional("draw", Shape::Table(&DRAW), "What the board draws in each state.", "draw = { idle = \"2 mA\" }"),
        optional(
            "radio",
            Shape::Table(&RADIO),
            "What its radio draws on top, for each frame of any of its interfaces.",
            "radio = { rate = \"250 kbit/s\", transmit = \"17 mA\", receive = \"18 mA\" }",
        ),
        optional(
            "parts",
            Shape::Currents,
            "What its parts draw on top while they are at work, by name; `wavetank kinds` lists the parts of each kind.",
            "parts = { flash = \"7 mA\" }",
        ),
        optional(
            "messages",
            Shape::Text,
            "The metric of the node that counts what it has delivered, for `energy.uj.per.message`.",
            "messages = \"records.delivered\"",
        ),
    ],
};

static DRAW: Table = Table {
    doc: "What a board draws in each state; nothing where nothing is said.",
    fields: &[
        optional("sleep", Shape::Current, "While no program runs.", "sleep = \"3 uA\""),
        optional("idle", Shape::Current, "While the program waits.", "idle = \"2 mA\""),
        optional("busy", Shape::Current, "While the processor is at work; as `idle` if left out.", "busy = \"6 mA\""),
    ],
};

static RADIO: Table = Table {
    doc: "What a radio draws, and how fast it is.",
    fields: &[
        required("rate", Shape::Rate, "How fast it sends and receives.", "rate = \"250 kbit/s\""),
        optional(
            "overhead",
            Shape::Size,
            "What goes over the air with each frame on top of its bytes.",
            "overhead = \"6 B\"",
        ),
        optional("transmit", Shape::Current, "While it sends a frame.", "transmit = \"17 mA\""),
        optional("receive", Shape::Current, "While it receives a frame for the node.", "receive = \"18 mA\""),
        optional("listen", Shape::Current, "All the time while the program runs.", "listen = \"500 uA\""),
    ],
};

/// Voltages by the share of the capacity that is left, as a file lists them.
pub type VoltageByCharge = Vec<(Spanned<Probability>, Spanned<Voltage>)>;

/// What a file says of a battery.
#[derive(Clone, Debug)]
pub struct Battery {
    /// The whole of it.
    pub span: Span,
    /// What it holds.
    pub capacity: Option<Spanned<Charge>>,
    /// What is there at the start.
    pub charge: Option<Spanned<Probability>>,
    /// Its voltage by the charge that is left, as the file lists it; `Err` if something of it could not be read.
    pub curve: Result<VoltageByCharge, ()>,
    /// Its resistance.
    pub resistance: Option<Spanned<Resistance>>,
    /// Where the node loses its power.
    pub brown_out: Option<Spanned<Voltage>>,
    /// Where it has it again.
    pub recovers: Option<Spanned<Voltage>>,
    /// How long the board does without.
    pub hold_up: Option<Time>,
    /// How long that takes.
    pub restart: Option<Time>,
    /// While no program runs.
    pub sleep: Option<Current>,
    /// While the program waits.
    pub idle: Option<Current>,
    /// While the processor works.
    pub busy: Option<Current>,
    /// The radio.
    pub radio: Option<Radio>,
    /// Its parts.
    pub parts: Vec<(Text, Current)>,
    /// The metric that counts what was delivered.
    pub messages: Option<Text>,
}

/// What a file says of a radio.
#[derive(Clone, Debug)]
pub struct Radio {
    /// How fast it is.
    pub rate: Option<Rate>,
    /// What goes over the air with a frame.
    pub overhead: Option<Size>,
    /// While it sends.
    pub transmit: Option<Current>,
    /// While it receives.
    pub receive: Option<Current>,
    /// All the time.
    pub listen: Option<Current>,
}

impl Battery {
    pub(super) fn read(node: &Reader<'_, '_>) -> Option<Self> {
        let reader = node.table("battery")?;
        let draw = reader.table("draw");
        let state = |key| draw.as_ref().and_then(|draw| draw.current(key)).map(Spanned::into_inner);
        let capacity = reader.charge("capacity").filter(|capacity| {
            let is_zero = capacity.get_ref().as_nanocoulombs() == 0;
            reader.nonzero("capacity", is_zero, capacity.span()).is_some()
        });
        Some(Self {
            span: reader.span(),
            capacity,
            charge: reader.probability("charge"),
            curve: reader.voltages_by_charge("voltage"),
            resistance: reader.resistance("resistance"),
            brown_out: reader.voltage("brown_out"),
            recovers: reader.voltage("recovers"),
            hold_up: reader.time("hold_up").map(Spanned::into_inner),
            restart: reader.time("restart").map(Spanned::into_inner),
            sleep: state("sleep"),
            idle: state("idle"),
            busy: state("busy"),
            radio: reader.table("radio").map(|radio| Radio::read(&radio)),
            parts: reader.currents("parts"),
            messages: reader.filled("messages"),
        })
    }
}

impl Radio {
    fn read(reader: &Reader<'_, '_>) -> Self {
        let current = |key| reader.current(key).map(Spanned::into_inner);
        Self {
            rate: reader.rate("rate").map(Spanned::into_inner),
            overhead: reader.size("overhead").map(Spanned::into_inner),
            transmit: current("transmit"),
            receive: current("receive"),
            listen: current("listen"),
        }
    }
}
