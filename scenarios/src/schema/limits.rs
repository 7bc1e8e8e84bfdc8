//! What a node has only so much of.

use super::language::{Field, Shape, Table, optional};
use super::reader::Reader;
use crate::diagnose::Span;

/// What can be limited, and what that is.
pub(super) const POOLS: &[(&str, &str)] = &[
    ("connections", "TCP connections, those included that wait to be accepted or linger."),
    ("sockets", "UDP sockets, those for pings included."),
    ("stream_buffer", "Bytes of each of a new connection's two buffers; of a device from its next start on."),
    ("datagram_buffer", "Bytes of each of a new UDP socket's two buffers; of a device from its next start on."),
    ("names", "Answers of name servers that are remembered."),
];

/// `limits` of a node.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Where they are said.
    pub key: Span,
    /// Of what, and how much.
    pub all: Vec<(&'static str, usize)>,
}

pub(super) static LIMITS: Table = Table {
    doc: "How much a node's stack has of what can run out: what is beyond is refused, as by tables that are full. Servers \
          have no limit of their own; a device has the memory that it was written with, of which this can only leave less. A \
          gateway has as much in each of its networks.",
    fields: &[
        optional(
            "connections",
            Shape::Integer { min: 0, max: 1_000_000 },
            "How many TCP connections, those included that wait to be accepted or linger.",
            "connections = 4",
        ),
        optional(
            "sockets",
            Shape::Integer { min: 0, max: 1_000_000 },
            "How many UDP sockets, those for pings included.",
            "sockets = 2",
        ),
        optional(
            "neighbours",
            Shape::Integer { min: 1, max: 1_000_000 },
            "How many neighbours (ARP, neighbour discovery) it remembers; the one that it has not needed for longest gives way.",
            "neighbours = 4",
        ),
        optional(
            "waiting",
            Shape::Integer { min: 0, max: 1_000_000 },
            "How many packets wait at a time until it is known where their next hop is; those beyond are dropped.",
            "waiting = 2",
        ),
        optional(
            "reassembly",
            Shape::Size,
            "The longest payload of a packet that is put together of fragments; longer ones are dropped.",
            "reassembly = \"1500 B\"",
        ),
        optional(
            "names",
            Shape::Integer { min: 0, max: 1_000_000 },
            "How many answers of name servers it remembers; the one that it has not needed for longest gives way.",
            "names = 1",
        ),
        optional(
            "stream_buffer",
            Shape::Size,
            "The longest buffer of a connection, and so its window; each has one either way.",
            "stream_buffer = \"536 B\"",
        ),
        optional(
            "datagram_buffer",
            Shape::Size,
            "The longest buffer of a UDP socket; each has one either way.",
            "datagram_buffer = \"512 B\"",
        ),
    ],
};

pub(super) const POOL: Field =
    optional("pool", Shape::Word(POOLS), "Which of a node's `limits` shrinks.", "pool = \"connections\"");
pub(super) const LIMIT: Field = optional(
    "limit",
    Shape::Integer { min: 0, max: 1_000_000_000 },
    "How many there may be meanwhile, or how many bytes; what is in use beyond that stays.",
    "limit = 1",
);

pub(super) fn limits(node: &Reader<'_, '_>) -> Option<Limits> {
    let reader = node.table("limits")?;
    let all = LIMITS.fields.iter().filter_map(|field| {
        let room = match field.shape {
            Shape::Size => reader.size(field.key).map(|size| size.get_ref().as_bytes()),
            _ => reader.integer(field.key).and_then(|many| u64::try_from(*many.get_ref()).ok()),
        };
        Some((field.key, usize::try_from(room?).ok()?))
    });
    Some(Limits { key: node.key_span("limits").unwrap_or(reader.span()), all: all.collect() })
}

/// `pool` and `limit` of a fault.
pub(super) fn shrinks(fault: &Reader<'_, '_>) -> Option<(&'static str, usize)> {
    let (pool, limit) = (fault.word("pool"), fault.integer("limit"));
    Some((POOLS.get(pool?)?.0, usize::try_from(*limit?.get_ref()).ok()?))
}
