//! Every key of the language: its shape, whether it must be there, what it means, an example.

use super::ailments::{
    BITS, COUNT, ERASES, EXTRA, FACTOR, FREE, LEAST, LEVEL, MOST, NTH, OFF, OPERATION, PART, PROBABILITY, STEPS, VALUE,
};
use super::battery::{BATTERY, CURRENT};
use super::sea::{CELLS, CORRUPT, DELAY, DUPLICATE, LOSSES, MTU, OVERHEAD, QUEUES, REORDER, SLOTS};
use super::signal::SIGNAL;

/// The version of the language that this crate reads.
pub const VERSION: u32 = 1;

/// What a value looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Text,
    Integer {
        min: i64,
        max: i64,
    },
    Seed,
    Time,
    SignedTime,
    /// A size with its unit, perhaps negative.
    SignedSize,
    Rate,
    Size,
    Probability,
    Drift,
    Charge,
    Current,
    Voltage,
    Resistance,
    /// A table of currents by name.
    Currents,
    /// A table of voltages by charge.
    VoltageByCharge,
    /// A list of times and numbers.
    Points,
    /// A number of some unit, to six decimals.
    Number,
    /// One of these words.
    Word(&'static [(&'static str, &'static str)]),
    /// A list of some of these words.
    Words(&'static [(&'static str, &'static str)]),
    /// A list of integers.
    Integers {
        min: i64,
        max: i64,
    },
    /// A time, or the word `calm`.
    Moment,
    Fault,
    Kind,
    Config,
    Expression,
    /// A list of names or globs.
    Names,
    /// One address, several, or a table of them by network.
    Addresses,
    /// One subnet or several.
    Subnets,
    /// A table of names or globs by name.
    NamesByKey,
    Table(&'static Table),
    /// A probability, or a table that says more.
    ProbabilityOr(&'static Table),
    /// A size, or a table that says more.
    SizeOr(&'static Table),
    /// A table of tables by name.
    Map(&'static Table),
    /// An array of tables.
    List(&'static Table),
}

/// A table of the language.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) doc: &'static str,
    pub(crate) fields: &'static [Field],
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) key: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    pub(crate) doc: &'static str,
    /// A whole line (or header) that is right.
    pub(crate) example: &'static str,
}

impl Table {
    pub(crate) fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|field| field.key)
    }
}

pub(super) const fn optional(key: &'static str, shape: Shape, doc: &'static str, example: &'static str) -> Field {
    Field { key, shape, required: false, doc, example }
}

pub(super) const fn required(key: &'static str, shape: Shape, doc: &'static str, example: &'static str) -> Field {
    Field { key, shape, required: true, doc, example }
}

pub(crate) static SCENARIO: Table = Table {
    doc: "A wavetank scenario: nodes, the networks between them, what goes wrong, and what must hold all the same.",
    fields: &[
        required(
            "version",
            Shape::Integer { min: 1, max: VERSION as i64 },
            "The version of the scenario language.",
            "version = 1",
        ),
        required("name", Shape::Text, "A short name for people.", "name = \"First light\""),
        optional(
            "description",
            Shape::Text,
            "What this scenario shows, and why.",
            "description = \"Three thermostats report to a hub.\"",
        ),
        required("duration", Shape::Time, "How long the run lasts, in virtual time.", "duration = \"60s\""),
        optional("seed", Shape::Seed, "The seed of a run that is given none; 0 if left out.", "seed = 42"),
        optional(
            "calm_after",
            Shape::Time,
            "When the storm is over: no fault begins or ends later. The last such moment if left out.",
            "calm_after = \"40s\"",
        ),
        optional(
            "verdict",
            Shape::Word(&[
                ("pass", "Every expectation holds."),
                ("fail", "At least one expectation breaks: this scenario shows what failing looks like."),
            ]),
            "What a run of this scenario is meant to come to; `pass` if left out.",
            "verdict = \"fail\"",
        ),
        optional(
            "scheduler",
            Shape::Table(&SCHEDULER),
            "In which order tasks run that are ready at the same instant.",
            "scheduler = { order = \"seeded\" }",
        ),
        optional("profile", Shape::Map(&PROFILE), "Link profiles by name.", "[profile.home]"),
        SIGNAL,
        required("node", Shape::Map(&NODE), "Nodes by name.", "[node.hub]"),
        optional("network", Shape::Map(&NETWORK), "Networks by name.", "[network.lan]"),
        optional("fault", Shape::List(&FAULT), "What goes wrong, and when.", "[[fault]]"),
        optional("storm", Shape::List(&STORM), "What goes wrong at random.", "[[storm]]"),
        optional("packet", Shape::List(&PACKET), "What happens to single frames.", "[[packet]]"),
        optional(
            "given",
            Shape::Words(GIVEN),
            "What is not drawn from the seed: of these happens what the entries [[packet]] and [[fault]] say, and nothing else.",
            "given = [\"lose\", \"storm\"]",
        ),
        optional("expect", Shape::List(&EXPECT), "What must hold.", "[[expect]]"),
    ],
};

pub(crate) static SCHEDULER: Table = Table {
    doc: "In which order tasks run that are ready at the same instant, on all nodes together.",
    fields: &[required(
        "order",
        Shape::Word(&[
            ("fifo", "As they were woken; so it is if nothing is said."),
            ("seeded", "As the seed draws: other interleavings with every seed."),
        ]),
        "Whose turn it is.",
        "order = \"seeded\"",
    )],
};

/// What chance decides, as `given` names it.
pub(crate) const GIVEN: &[(&str, &str)] = &[
    ("lose", "Which frames links lose."),
    ("duplicate", "Which frames come twice."),
    ("corrupt", "Which frames are damaged, and where."),
    ("delay", "How much is added to each frame's latency."),
    ("overtake", "Which frames overtake others."),
    ("early-drop", "Which frames a RED queue drops or marks before it is full."),
    ("storm", "When storms strike, and whom."),
];

pub(crate) static PACKET: Table = Table {
    doc: "What happens to one frame of a link.",
    fields: &[
        required(
            "link",
            Shape::Text,
            "The link: `network/node`, or the network's name between two nodes.",
            "link = \"lan/thermostat-2\"",
        ),
        required(
            "direction",
            Shape::Word(&[
                ("up", "From the node to the switch, or from the first member to the second."),
                ("down", "From the switch to the node, or from the second member to the first."),
            ]),
            "Which way.",
            "direction = \"up\"",
        ),
        required(
            "frame",
            Shape::Integer { min: 0, max: i64::MAX },
            "Which of the frames that are offered to the link that way, counted from 0.",
            "frame = 17",
        ),
        required(
            "what",
            Shape::Word(&[
                ("lose", "It is lost."),
                ("duplicate", "It comes twice, the second time `by` later."),
                ("corrupt", "It is damaged: `flip`, `truncate` or `garble` says how."),
                ("delay", "Its latency is longer by `by`, or shorter."),
                ("overtake", "It does not wait for the latency."),
                ("early-drop", "The queue in front of the link drops or marks it before it is full."),
            ]),
            "What happens to it.",
            "what = \"lose\"",
        ),
        optional("by", Shape::SignedTime, "How much later it comes; a delay may be negative.", "by = \"12ms\""),
        optional(
            "flip",
            Shape::Integers { min: 0, max: 12_287 },
            "The bits that are flipped, counted from the first byte's highest.",
            "flip = [112, 300]",
        ),
        optional("truncate", Shape::Integer { min: 0, max: 1_535 }, "How many bytes are left of it.", "truncate = 60"),
        optional(
            "garble",
            Shape::Table(&GARBLE),
            "Where its bytes are replaced, and by what.",
            "garble = { at = 20, bytes = \"5aff00\" }",
        ),
    ],
};

pub(crate) static GARBLE: Table = Table {
    doc: "Where bytes are replaced, and by what.",
    fields: &[
        required("at", Shape::Integer { min: 0, max: 1_535 }, "The first byte that is replaced.", "at = 20"),
        required("bytes", Shape::Text, "What stands there instead, in hexadecimal digits.", "bytes = \"5aff00\""),
    ],
};

const LATENCY: Field = optional(
    "latency",
    Shape::Time,
    "How long a frame is under way, one way; nothing if left out.",
    "latency = \"1ms\"",
);
const JITTER: Field = optional(
    "jitter",
    Shape::Time,
    "The most that is added to the latency of each frame, evenly drawn.",
    "jitter = \"200us\"",
);
const LOSS: Field = optional(
    "loss",
    Shape::ProbabilityOr(&LOSSES),
    "The probability that a frame is lost, or a table with a `model`.",
    "loss = \"1 %\"",
);
const RATE: Field =
    optional("rate", Shape::Rate, "How fast frames are sent; without limit if left out.", "rate = \"10 Mbit/s\"");
const QUEUE: Field = optional(
    "queue",
    Shape::SizeOr(&QUEUES),
    "How many bytes may wait to be sent where there is a rate, what comes on top is dropped; or a table with a `kind`.",
    "queue = \"64 KiB\"",
);

const UP: Field = optional(
    "up",
    Shape::Table(&WAY),
    "What is different from the node to the switch, or from the first member to the second.",
    "up = { rate = \"1 Mbit/s\" }",
);
const DOWN: Field = optional(
    "down",
    Shape::Table(&WAY),
    "What is different from the switch to the node, or from the second member to the first.",
    "down = { rate = \"16 Mbit/s\" }",
);

pub(crate) static WAY: Table = Table {
    doc: "What a link does to each frame one way.",
    fields: &[LATENCY, JITTER, DELAY, LOSS, DUPLICATE, CORRUPT, REORDER, SLOTS, RATE, OVERHEAD, CELLS, QUEUE, MTU],
};

pub(crate) static PROFILE: Table = Table {
    doc: "What a link does to each frame, either way.",
    fields: &[
        LATENCY, JITTER, DELAY, LOSS, DUPLICATE, CORRUPT, REORDER, SLOTS, RATE, OVERHEAD, CELLS, QUEUE, MTU, UP, DOWN,
    ],
};

const VLAN: Field = optional(
    "vlan",
    Shape::Integer { min: 1, max: 4_094 },
    "The virtual network that the switch's port is in (IEEE 802.1Q); 1 if others say theirs. On a `trunk`, the one without tags.",
    "vlan = 10",
);
const TRUNK: Field = optional(
    "trunk",
    Shape::Integers { min: 1, max: 4_094 },
    "The virtual networks that it carries with their tags.",
    "trunk = [10, 20]",
);

pub(crate) static LINK: Table = Table {
    doc: "What is different on the links of some members.",
    fields: &[
        optional(
            "profile",
            Shape::Text,
            "The profile of these links, instead of the network's.",
            "profile = \"lossy\"",
        ),
        LATENCY,
        JITTER,
        DELAY,
        LOSS,
        DUPLICATE,
        CORRUPT,
        REORDER,
        SLOTS,
        RATE,
        OVERHEAD,
        CELLS,
        QUEUE,
        MTU,
        VLAN,
        TRUNK,
        UP,
        DOWN,
    ],
};

pub(crate) static NODE: Table = Table {
    doc: "One node, or several that are alike.",
    fields: &[
        required("kind", Shape::Kind, "What the node is; `wavetank kinds` lists all kinds.", "kind = \"thermostat\""),
        optional(
            "count",
            Shape::Integer { min: 1, max: 1_000_000 },
            "How many nodes to make, numbered from 1. Their addresses count up from the given one.",
            "count = 3",
        ),
        optional(
            "name",
            Shape::Text,
            "The name, with `{n}` for the number; the table's name, with `-{n}` if there is a count, if left out.",
            "name = \"thermostat-{n}\"",
        ),
        optional(
            "address",
            Shape::Addresses,
            "The address with its prefix length; several in a list; by network in a table; \"dhcp\" if it asks for one.",
            "address = \"10.0.0.10/24\"",
        ),
        optional(
            "gateway",
            Shape::Subnets,
            "The router, a neighbour, that packets for other networks are handed to; one of each address family.",
            "gateway = \"10.0.0.1\"",
        ),
        optional(
            "position",
            Shape::Table(&POSITION),
            "Where the node is, in metres: on networks whose kind is `radio` or `wifi` it decides who hears whom.",
            "position = { x = 10, y = 25 }",
        ),
        optional(
            "moves",
            Shape::List(&MOVE),
            "Where the node goes: straight and at an even pace from one place to the next.",
            "moves = [{ at = \"20s\", x = 50, y = 0 }]",
        ),
        optional(
            "ring",
            Shape::Integer { min: 1, max: 65_536 },
            "How many received frames wait at each of its interfaces until it takes them; 256 if left out. More are dropped.",
            "ring = 8",
        ),
        optional(
            "clock",
            Shape::Table(&CLOCK),
            "How the node's own clock differs from true time.",
            "clock = { offset = \"-3s\", drift_ppm = 20 }",
        ),
        BATTERY,
        optional(
            "limits",
            Shape::Table(&super::limits::LIMITS),
            "How much the node has of what its stack opens; without limit if left out.",
            "limits = { connections = 4, sockets = 2 }",
        ),
        optional(
            "config",
            Shape::Config,
            "What this kind of node can be told; `wavetank kinds` shows it.",
            "config = { period = \"1s\" }",
        ),
    ],
};

const X: Field = required("x", Shape::Number, "To the east, in metres.", "x = 12.5");
const Y: Field = required("y", Shape::Number, "To the north, in metres.", "y = -4");
const Z: Field = optional("z", Shape::Number, "Up, in metres; 0 if left out.", "z = 2.5");

pub(crate) static POSITION: Table = Table {
    doc: "Where a node is, and where others are of the same entry.",
    fields: &[
        X,
        Y,
        Z,
        optional("step_x", Shape::Number, "How much further to the east each next one is.", "step_x = 20"),
        optional("step_y", Shape::Number, "How much further to the north each next one is.", "step_y = 20"),
        optional(
            "columns",
            Shape::Integer { min: 1, max: 1_000_000 },
            "After so many a new row begins: `step_x` is from one column to the next then, `step_y` from one row to the next.",
            "columns = 10",
        ),
    ],
};

pub(crate) static MOVE: Table = Table {
    doc: "A place that a node comes to.",
    fields: &[required("at", Shape::Time, "When it is there.", "at = \"20s\""), X, Y, Z],
};

pub(crate) static CLOCK: Table = Table {
    doc: "How a node's own clock differs from true time.",
    fields: &[
        optional("offset", Shape::SignedTime, "How far ahead it is at the start.", "offset = \"-3s\""),
        optional("drift_ppm", Shape::Drift, "How much too fast it runs, in parts in a million.", "drift_ppm = 20"),
    ],
};

pub(crate) static NETWORK: Table = Table {
    doc: "A network and the nodes on it.",
    fields: &[
        required(
            "kind",
            Shape::Word(&[
                ("switch", "A learning switch with one link to each member."),
                ("point-to-point", "One link between two members."),
                ("regions", "A switch in each `region`, and a `path` between any two of them: a wide-area cloud."),
                ("radio", "The air that radios of IEEE 802.15.4 share, with IPv6 on them (6LoWPAN); see `radio`."),
                ("wifi", "Access points (IEEE 802.11) at a switch, and stations that roam between them; see `wifi`."),
            ]),
            "What joins the members.",
            "kind = \"switch\"",
        ),
        required("members", Shape::Names, "The nodes on it, by name or glob.", "members = [\"thermostat-*\", \"hub\"]"),
        optional("profile", Shape::Text, "The profile of its links; perfect links if left out.", "profile = \"home\""),
        optional(
            "subnet",
            Shape::Subnets,
            "The subnets that its members' addresses must lie in.",
            "subnet = \"10.0.0.0/24\"",
        ),
        optional(
            "link",
            Shape::Map(&LINK),
            "What is different on the links of some members, by name or glob; later ones win.",
            "[network.lan.link.\"thermostat-2\"]",
        ),
        optional(
            "radio",
            Shape::Table(&super::radio::RADIO),
            "How radios reach each other and take turns, where the kind is `radio`.",
            "radio = { band = \"868 MHz\", exponent = 3.5, duty_cycle = \"1 %\" }",
        ),
        optional(
            "wifi",
            Shape::Table(&super::wifi::WIFI),
            "How stations reach access points, join them and roam, where the kind is `wifi`.",
            "wifi = { band = \"5 GHz\", wired = [\"hub\"] }",
        ),
        optional(
            "table",
            Shape::Integer { min: 1, max: 10_000_000 },
            "How many addresses a switch keeps; what it has no room for it floods. Any number if left out.",
            "table = 1024",
        ),
        optional(
            "ageing",
            Shape::Time,
            "After how long a switch forgets an address that it has not heard; never if left out.",
            "ageing = \"5min\"",
        ),
        optional(
            "region",
            Shape::NamesByKey,
            "The members of each region, by name or glob, where the kind is `regions`.",
            "region = { europe = [\"hub\"], asia = \"sensor-*\" }",
        ),
        optional(
            "path",
            Shape::Map(&PATH),
            "What lies between two regions, both ways; `*` is every region, and later ones win.",
            "[network.cloud.path.\"europe/asia\"]",
        ),
    ],
};

pub(crate) static PATH: Table = Table {
    doc: "What lies between two regions.",
    fields: &[
        optional("profile", Shape::Text, "The profile of the path.", "profile = \"transatlantic\""),
        LATENCY,
        JITTER,
        DELAY,
        LOSS,
        DUPLICATE,
        CORRUPT,
        REORDER,
        SLOTS,
        RATE,
        OVERHEAD,
        CELLS,
        QUEUE,
        MTU,
        VLAN,
        TRUNK,
        UP,
        DOWN,
    ],
};

pub(crate) static FAULT: Table = Table {
    doc: "Something that goes wrong.",
    fields: &[
        required("at", Shape::Time, "When it begins.", "at = \"10s\""),
        optional("for", Shape::Time, "How long it lasts; to the end of the run if left out.", "for = \"5s\""),
        required("kind", Shape::Fault, "What goes wrong; `wavetank faults` lists all kinds.", "kind = \"cut-link\""),
        required(
            "target",
            Shape::Names,
            "What it happens to, by name or glob. A link is named `network/node`, one between two nodes as its network; a node's name means all its links.",
            "target = \"thermostat-2\"",
        ),
        optional(
            "direction",
            Shape::Word(&[
                (
                    "up",
                    "From the node to the switch, or from the first member to the second; what a partition's targets send.",
                ),
                ("down", "The other way."),
            ]),
            "Which way only; both if left out.",
            "direction = \"up\"",
        ),
        optional(
            "others",
            Shape::Names,
            "Whom a partition separates the targets from; all others if left out.",
            "others = \"hub\"",
        ),
        optional("profile", Shape::Text, "What the link does meanwhile.", "profile = \"storm\""),
        optional("mtu", Shape::Size, "The longest packet that the link carries meanwhile.", "mtu = \"576 B\""),
        optional("poll", Shape::Time, "How much longer every poll of the node's code takes.", "poll = \"5ms\""),
        optional("by", Shape::SignedTime, "How far the wall clock steps.", "by = \"-1h\""),
        optional(
            "drift_ppm",
            Shape::Drift,
            "How much too fast the wall clock runs, in parts in a million.",
            "drift_ppm = 500",
        ),
        PART,
        OPERATION,
        FACTOR,
        EXTRA,
        COUNT,
        PROBABILITY,
        FREE,
        NTH,
        OFF,
        BITS,
        optional("address", Shape::Text, "Whose place is forged.", "address = \"10.0.0.1\""),
        optional(
            "interval",
            Shape::Time,
            "From one forged frame to the next while it lasts; 1s if left out.",
            "interval = \"200ms\"",
        ),
        optional("to", Shape::Text, "The network whose packets go astray.", "to = \"10.9.0.0/16\""),
        optional("via", Shape::Text, "The neighbour that they are handed to.", "via = \"10.0.0.7\""),
        ERASES,
        VALUE,
        LEAST,
        MOST,
        CURRENT,
        LEVEL,
        STEPS,
        super::limits::POOL,
        super::limits::LIMIT,
        super::tamper::PORT,
        super::tamper::BYTES,
        super::tamper::END,
        super::tamper::VARIATION,
        super::tamper::AFTER,
        optional(
            "noise_db",
            Shape::Number,
            "By how many decibels the air is noisier; 29 dB and more keep stations of IEEE 802.11 from sending, 20 dB those of 802.15.4.",
            "noise_db = 25",
        ),
        optional(
            "every",
            Shape::Time,
            "It happens again and again, so long from one beginning to the next.",
            "every = \"10s\"",
        ),
        optional(
            "times",
            Shape::Integer { min: 2, max: 1_000_000 },
            "How many times in all, where there is `every`.",
            "times = 3",
        ),
        optional("jitter", Shape::Time, "How much later it may begin each time, as the seed draws.", "jitter = \"2s\""),
    ],
};

pub(crate) static STORM: Table = Table {
    doc: "Faults that the seed draws.",
    fields: &[
        required(
            "kinds",
            Shape::Names,
            "Which faults: those of [[fault]] that need no more than a target.",
            "kinds = [\"cut-link\", \"power-cut\"]",
        ),
        required("target", Shape::Names, "What they happen to, by name or glob.", "target = \"thermostat-*\""),
        optional("from", Shape::Time, "When it begins; at once if left out.", "from = \"5s\""),
        optional(
            "until",
            Shape::Time,
            "When it is over; at `calm_after`, or at the end, if left out.",
            "until = \"40s\"",
        ),
        required("every", Shape::Time, "How long from one fault to the next, on average.", "every = \"3s\""),
        required("shortest", Shape::Time, "How long a fault lasts at least.", "shortest = \"500ms\""),
        optional("longest", Shape::Time, "How long at most; as long as `shortest` if left out.", "longest = \"5s\""),
        optional(
            "at_once",
            Shape::Integer { min: 1, max: 1_000_000 },
            "How many targets suffer at once at most; 1 if left out.",
            "at_once = 2",
        ),
        optional(
            "spare",
            Shape::Integer { min: 0, max: 1_000_000 },
            "How many targets are spared at any moment.",
            "spare = 1",
        ),
        optional(
            "keep",
            Shape::Word(&[
                ("majority", "More than half of the targets are spared at any moment."),
                ("path", "Those named in `between` reach each other at any moment, by what is not hit."),
            ]),
            "What survives at any moment.",
            "keep = \"majority\"",
        ),
        optional(
            "between",
            Shape::Names,
            "Whom a `path` is kept between, by name or glob: by links, routers and access points that are not hit, as they are plugged.",
            "between = [\"hub\", \"gateway\"]",
        ),
    ],
};

pub(crate) static EXPECT: Table = Table {
    doc: "Something that must hold: exactly one of always, never, eventually, stable, sometimes, flow and linearizable.",
    fields: &[
        required("name", Shape::Text, "What is expected, in words.", "name = \"every acknowledged reading is stored\""),
        optional(
            "always",
            Shape::Expression,
            "A condition that holds at every moment from `from` to `until`.",
            "always = 'metric(\"hub\", \"readings.duplicate\") == 0'",
        ),
        optional(
            "never",
            Shape::Expression,
            "A condition that holds at no moment from `from` to `until`.",
            "never = 'max(\"thermostat-*\", \"backlog\") > 100'",
        ),
        optional(
            "eventually",
            Shape::Expression,
            "A condition that comes to hold between `from` and `until`, or `within` a time after `from`.",
            "eventually = 'metric(\"hub\", \"devices.known\") == 3'",
        ),
        optional(
            "stable",
            Shape::Expression,
            "A condition that comes to hold `within` a time after `after`, and then holds to the end.",
            "stable = 'metric(\"hub\", \"devices.online\") == 3'",
        ),
        optional(
            "sometimes",
            Shape::Expression,
            "A condition that holds at some moment of at least one run of many; `wavetank explore` says if it never did.",
            "sometimes = 'metric(\"hub\", \"readings.duplicate\") > 0'",
        ),
        optional(
            "flow",
            Shape::Table(&FLOW),
            "A demand on events that carry ids (source and sequence number).",
            "flow = { unique = \"reading.stored\" }",
        ),
        optional(
            "linearizable",
            Shape::Text,
            "A history of a shared object: what it says can be explained by one that does one thing after the other.",
            "linearizable = \"store\"",
        ),
        optional("within", Shape::Time, "How long `eventually` and `stable` may take.", "within = \"15s\""),
        optional(
            "after",
            Shape::Moment,
            "What `stable` waits for first: a time, or `calm`, which it is if left out.",
            "after = \"calm\"",
        ),
        optional(
            "from",
            Shape::Moment,
            "When the expectation begins to count: a time, or `calm`; the start if left out.",
            "from = \"10s\"",
        ),
        optional(
            "until",
            Shape::Moment,
            "When the expectation ceases to count: a time, or `calm`; the end if left out.",
            "until = \"50s\"",
        ),
    ],
};

pub(crate) static FLOW: Table = Table {
    doc: "`every` with `reaches` or `once`, or `unique`.",
    fields: &[
        optional("every", Shape::Text, "Whenever an id is seen in this flow …", "every = \"reading.acknowledged\""),
        optional(
            "reaches",
            Shape::Text,
            "… the same id has been seen in this flow, or is seen `within` a time.",
            "reaches = \"reading.stored\"",
        ),
        optional(
            "once",
            Shape::Text,
            "… the same id is seen in this flow exactly once, `within` a time, and no other id is.",
            "once = \"reading.stored\"",
        ),
        optional("within", Shape::Time, "How much later it may be; at once if left out.", "within = \"2s\""),
        optional("unique", Shape::Text, "No id is seen twice in this flow.", "unique = \"reading.stored\""),
    ],
};

pub use super::faults::{FAULTS, FaultShape, Lasting, Target};
