//! What clients say to a broker, and what it finds where it kept what it has to remember.

use std::collections::BTreeMap;

use wavetank_stack::mqtt::broker::{Broker, Limits};
use wavetank_stack::mqtt::packet::packet_len;
use wavetank_stack::{Duration, Instant};

use super::hand::Hand;

const CONNECTIONS: usize = 3;
const PACKET_MAX: usize = 1_024;

fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.packet_max, limits.queue_max, limits.in_flight_max) = (PACKET_MAX, 4, 2);
    limits
}

/// Before each piece stands what happens: it comes over one of three connections, that connection ends, or time passes; or it is
/// a record of a broker before.
pub fn send(bytes: &[u8]) {
    let mut kept: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let (mut hand, mut now) = (Hand(bytes), Instant::ZERO);
    let mut broker = Broker::new(limits());
    let mut connections = [None; CONNECTIONS];
    while let (Some(what), Some(piece)) = (hand.byte(), hand.piece()) {
        let place = usize::from(what >> 3) % CONNECTIONS;
        match what & 7 {
            // What it has to remember is as somebody else left it, and the broker begins anew.
            7 => {
                let (key, value) = piece.split_at(piece.len() / 2);
                kept.insert(key.to_vec(), value.to_vec());
                let records = kept.iter().map(|(key, value)| (&key[..], &value[..]));
                broker = Broker::restored(limits(), records, now);
                connections = [None; CONNECTIONS];
            }
            6 => {
                now += Duration::from_secs(20) * u32::from(what >> 3);
                broker.overdue(now);
                assert!(broker.deadline().is_none_or(|deadline| deadline > now));
            }
            5 => {
                if let Some(id) = connections[place].take() {
                    broker.disconnected(id, now);
                }
            }
            _ => {
                let id = *connections[place].get_or_insert_with(|| broker.connected(now));
                broker.received(id, piece, now);
            }
        }
        for (key, value) in broker.changes() {
            match value {
                Some(value) => drop(kept.insert(key, value)),
                None => drop(kept.remove(&key)),
            }
        }
        let _ = (broker.told(), broker.touched().count());
        for connection in &mut connections {
            let Some(id) = *connection else { continue };
            look(&broker.to_send(id));
            if broker.is_closing(id) {
                broker.disconnected(id, now);
                *connection = None;
            }
        }
        assert!(broker.clients() <= CONNECTIONS);
    }
}

/// What is sent is packets, whole ones.
fn look(mut sent: &[u8]) {
    while !sent.is_empty() {
        let len = packet_len(sent).expect("a length").expect("a whole packet");
        sent = sent.get(len..).expect("a whole packet");
    }
}
