//! The keys of what links do besides passing frames.

use super::language::{Field, Shape, Table, optional, required};

pub(super) const DELAY: Field = optional(
    "delay",
    Shape::Table(&DELAYS),
    "How the latency varies, in place of `jitter`.",
    "delay = { shape = \"normal\", spread = \"5ms\" }",
);
pub(super) const DUPLICATE: Field = optional(
    "duplicate",
    Shape::ProbabilityOr(&DUPLICATES),
    "The probability that a frame comes twice.",
    "duplicate = \"1 %\"",
);
pub(super) const CORRUPT: Field = optional(
    "corrupt",
    Shape::ProbabilityOr(&CORRUPTS),
    "The probability that a frame is damaged; a bit of it is flipped if nothing else is said.",
    "corrupt = \"1 %\"",
);
pub(super) const REORDER: Field = optional(
    "reorder",
    Shape::ProbabilityOr(&REORDERS),
    "The probability that a frame does not wait for the latency, and so overtakes others.",
    "reorder = \"5 %\"",
);
pub(super) const SLOTS: Field = optional(
    "slots",
    Shape::Table(&SLOT),
    "When frames come out of the link, if not as soon as they are through.",
    "slots = { shortest = \"1ms\", longest = \"4ms\", frames = 8 }",
);
pub(super) const MTU: Field = optional(
    "mtu",
    Shape::Size,
    "The longest packet that the link carries, without the Ethernet header; longer ones vanish.",
    "mtu = \"1280 B\"",
);
pub(super) const OVERHEAD: Field = optional(
    "overhead",
    Shape::SignedSize,
    "What each frame costs on top of its own bytes where there is a rate; Ethernet's 24 B if left out, less than nothing where a \
        link goes without Ethernet's 14 B.",
    "overhead = \"24 B\"",
);
pub(super) const CELLS: Field = optional(
    "cells",
    Shape::Table(&CELL),
    "What carries frames in pieces of one length where there is a rate, as ATM does; a last one that is not full costs as much.",
    "cells = { bytes = \"48 B\", overhead = \"5 B\" }",
);

const PROBABILITY: Field = required("probability", Shape::Probability, "How likely.", "probability = \"1 %\"");
const CORRELATION: Field = optional(
    "correlation",
    Shape::Probability,
    "How much each chance resembles the last one.",
    "correlation = \"25 %\"",
);

const SHAPES: &[(&str, &str)] = &[
    ("uniform", "Evenly, up to `spread` more."),
    ("normal", "Around it, with `spread` as the standard deviation."),
    ("pareto", "Around it with a long tail, as netem's table of that name, in units of `spread`."),
    ("pareto-normal", "A quarter normal, three quarters Pareto, as netem's paretonormal."),
    ("exponential", "`spread` more on average."),
    ("table", "One of `times` more, all alike likely."),
];

pub(super) static DELAYS: Table = Table {
    doc: "How the latency varies.",
    fields: &[
        required("shape", Shape::Word(SHAPES), "How it is distributed.", "shape = \"normal\""),
        optional("spread", Shape::Time, "How much it varies.", "spread = \"5ms\""),
        optional(
            "times",
            Shape::Names,
            "What may be added, each alike likely.",
            "times = [\"0ms\", \"1ms\", \"20ms\"]",
        ),
        CORRELATION,
        optional(
            "order",
            Shape::Word(&[
                ("kept", "No frame arrives before an earlier one."),
                ("free", "Frames overtake each other where their delays differ."),
            ]),
            "Whether frames stay in order; `kept` if left out.",
            "order = \"free\"",
        ),
    ],
};

pub(super) static LOSSES: Table = Table {
    doc: "Which frames are lost.",
    fields: &[
        required(
            "model",
            Shape::Word(&[
                ("random", "Each with the same `probability`, perhaps with a `correlation`."),
                ("gilbert-elliott", "The link is good or bad: `to_bad`, `to_good`, `bad`, `good`."),
                ("four-states", "netem's four states: `p13`, `p31`, `p32`, `p23`, `p14`."),
                ("frames", "These `frames`."),
                ("every", "The last of `every` so many."),
            ]),
            "How it is decided.",
            "model = \"gilbert-elliott\"",
        ),
        optional("probability", Shape::Probability, "How likely each is lost.", "probability = \"1 %\""),
        CORRELATION,
        optional("to_bad", Shape::Probability, "From good to bad, with every frame.", "to_bad = \"1 %\""),
        optional("to_good", Shape::Probability, "From bad to good, with every frame.", "to_good = \"25 %\""),
        optional("bad", Shape::Probability, "Lost while it is bad; all if left out.", "bad = \"80 %\""),
        optional("good", Shape::Probability, "Lost while it is good; none if left out.", "good = \"0.1 %\""),
        optional("p13", Shape::Probability, "From good to a burst of losses.", "p13 = \"1 %\""),
        optional("p31", Shape::Probability, "From a burst to good.", "p31 = \"20 %\""),
        optional("p32", Shape::Probability, "From a burst to good within it; never if left out.", "p32 = \"10 %\""),
        optional("p23", Shape::Probability, "From good within a burst back; at once if left out.", "p23 = \"50 %\""),
        optional("p14", Shape::Probability, "From good to a single loss; never if left out.", "p14 = \"1 %\""),
        optional(
            "frames",
            Shape::Integers { min: 0, max: i64::MAX },
            "The frames that are lost, counted from 0 on each direction.",
            "frames = [3, 17]",
        ),
        optional("every", Shape::Integer { min: 1, max: i64::MAX }, "How many to the next loss.", "every = 10"),
        optional(
            "ecn",
            Shape::Word(&[("on", "Packets whose ends understand it are marked instead."), ("off", "All are lost.")]),
            "Whether to mark instead of losing; `off` if left out.",
            "ecn = \"on\"",
        ),
    ],
};

pub(super) static DUPLICATES: Table = Table {
    doc: "Which frames come twice.",
    fields: &[
        PROBABILITY,
        CORRELATION,
        optional("by", Shape::Time, "How much later the second comes; right behind if left out.", "by = \"10ms\""),
    ],
};

pub(super) static CORRUPTS: Table = Table {
    doc: "Which frames are damaged, and how.",
    fields: &[
        PROBABILITY,
        CORRELATION,
        optional(
            "how",
            Shape::Word(&[
                ("flip", "`count` bits are flipped, 1 if left out."),
                ("truncate", "It ends too early."),
                ("garble", "`count` bytes are garbage, 8 if left out."),
            ]),
            "How; `flip` if left out.",
            "how = \"truncate\"",
        ),
        optional("count", Shape::Integer { min: 1, max: 64 }, "How many bits (up to 8) or bytes.", "count = 2"),
    ],
};

pub(super) static REORDERS: Table = Table {
    doc: "Which frames overtake others.",
    fields: &[
        PROBABILITY,
        CORRELATION,
        optional("gap", Shape::Integer { min: 1, max: 1_000_000 }, "At most one in so many; 1 if left out.", "gap = 5"),
    ],
};

pub(super) static SLOT: Table = Table {
    doc: "The instants at which frames come out, as of a medium whose stations take turns (netem's `slot`). The next slot opens so long \
        after a full one, or after a frame that comes when the last one has gone by.",
    fields: &[
        optional(
            "shortest",
            Shape::Time,
            "The shortest time to the next slot, where it is even.",
            "shortest = \"1ms\"",
        ),
        optional("longest", Shape::Time, "The longest one; `shortest` if left out.", "longest = \"4ms\""),
        optional(
            "around",
            Shape::Time,
            "The time to the next slot about which it varies by `shape`.",
            "around = \"2ms\"",
        ),
        optional("shape", Shape::Word(SHAPES), "How it is distributed, if not evenly.", "shape = \"normal\""),
        optional("spread", Shape::Time, "How much it varies.", "spread = \"500us\""),
        optional(
            "times",
            Shape::Names,
            "What may be added, each alike likely.",
            "times = [\"0ms\", \"1ms\", \"20ms\"]",
        ),
        optional(
            "frames",
            Shape::Integer { min: 1, max: 1_000_000 },
            "How many frames a slot lets pass; all if left out.",
            "frames = 8",
        ),
        optional("bytes", Shape::Size, "How many bytes; all if left out.", "bytes = \"4 KiB\""),
    ],
};

pub(super) static CELL: Table = Table {
    doc: "What carries frames, with their `overhead`, in pieces of one length.",
    fields: &[
        required("bytes", Shape::Size, "How much of frames each carries.", "bytes = \"48 B\""),
        optional(
            "overhead",
            Shape::SignedSize,
            "How much it costs on top of that; nothing if left out.",
            "overhead = \"5 B\"",
        ),
    ],
};

pub(super) static QUEUES: Table = Table {
    doc: "The queue in front of the link.",
    fields: &[
        required(
            "kind",
            Shape::Word(&[
                ("tail", "First in, first out, up to `frames` or `bytes`."),
                ("red", "Random early detection: `min`, `max`, `probability`, `weight`, `ecn`, `bytes`."),
                ("codel", "Controlled delay (RFC 8289): `target`, `interval`, `ecn`, `frames`."),
                ("fq-codel", "The same for each flow apart (RFC 8290), with `flows` and `quantum`."),
            ]),
            "How it decides.",
            "kind = \"fq-codel\"",
        ),
        optional("frames", Shape::Integer { min: 1, max: 10_000_000 }, "How many frames may wait.", "frames = 1000"),
        optional("bytes", Shape::Size, "How many bytes may wait.", "bytes = \"64 KiB\""),
        optional("min", Shape::Size, "RED: below so much on average nothing is dropped.", "min = \"15 kB\""),
        optional("max", Shape::Size, "RED: at so much on average `probability` is reached.", "max = \"45 kB\""),
        optional(
            "probability",
            Shape::Probability,
            "RED: the probability at `max`; 2 % if left out.",
            "probability = \"2 %\"",
        ),
        optional(
            "weight",
            Shape::Integer { min: 1, max: 16 },
            "RED: the average follows with 2 to the minus this; 9 if left out.",
            "weight = 9",
        ),
        optional(
            "target",
            Shape::Time,
            "CoDel: how long frames may wait for ever; 5ms if left out.",
            "target = \"5ms\"",
        ),
        optional(
            "interval",
            Shape::Time,
            "CoDel: for how long they may wait longer; 100ms if left out.",
            "interval = \"100ms\"",
        ),
        optional(
            "ecn",
            Shape::Word(&[("on", "Packets whose ends understand it are marked instead."), ("off", "All are dropped.")]),
            "Whether to mark instead of dropping; `on` if left out.",
            "ecn = \"off\"",
        ),
        optional("flows", Shape::Integer { min: 1, max: 65_536 }, "How many queues; 1024 if left out.", "flows = 1024"),
        optional(
            "quantum",
            Shape::Integer { min: 64, max: 65_536 },
            "How many bytes a flow sends in its turn; 1514 if left out.",
            "quantum = 1514",
        ),
    ],
};
