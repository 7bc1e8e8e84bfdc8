//! With which numbers connections begin, seen on the wire (RFC 9293, section 3.4.1; RFC 6528).

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use futures_util::future::join;
use smoltcp::wire::{IpProtocol, Ipv4Packet, TcpPacket};
use wavetank_stack::{
    Duration,
    tcp::{Listener, Options, Stream},
};

use crate::{
    at, pair,
    support::{Card, Sea, Verdict},
};

/// A segment that opens: when, from which card, from which port to which, and with which number.
type Opening = (Duration, usize, [u16; 2], u32);

/// Has each segment that opens be noted.
fn openings(sea: &Sea) -> Rc<RefCell<Vec<Opening>>> {
    let log: Rc<RefCell<Vec<Opening>>> = Rc::default();
    let (clock, notes) = (sea.clone(), log.clone());
    sea.filter(move |from, frame| {
        if frame[12..14] == [8, 0]
            && let Ok(packet) = Ipv4Packet::new_checked(&frame[14..])
            && packet.next_header() == IpProtocol::Tcp
        {
            let segment = TcpPacket::new_checked(packet.payload()).unwrap();
            if segment.syn() {
                let ports = [segment.src_port(), segment.dst_port()];
                notes.borrow_mut().push((clock.now(), from, ports, segment.seq_number().0.cast_unsigned()));
            }
        }
        Verdict::Pass
    });
    log
}

/// Calls that nobody takes, until some flows have been called again: of a flow the numbers are a clock; from flow to flow, from
/// stack to stack, and seen from afar, they are random.
#[test]
fn of_a_flow_they_are_a_clock_and_from_flow_to_flow_they_are_random() {
    let (sea, _server, client) = pair();
    let log = openings(&sea);
    let story = sea.clone();
    sea.run(async move {
        for _ in 0..1_500 {
            assert!(Stream::connect(&client.stack, at(80), Options::default()).await.is_err());
            story.sleep(Duration::from_millis(70)).await;
        }
    });
    let log = log.take();
    let mut flows: BTreeMap<[u16; 2], (Duration, u32)> = BTreeMap::new();
    let (mut again, mut highest_bits, mut last, mut further) = (0, 0, 0, 0);
    for &(at, _, ports, number) in &log {
        highest_bits += number >> 31;
        further += u32::from(number.wrapping_sub(last) < 1 << 31);
        last = number;
        if let Some((before, begun)) = flows.insert(ports, (at, number)) {
            again += 1;
            // Who calls beside the stack's turns has the time of the last one.
            let (since, clock) = (number.wrapping_sub(begun), (at - before).as_micros() as u32);
            assert!(since.abs_diff(clock) < 71_000 && since > 0, "{ports:?}: {since} in {clock}");
        }
    }
    assert_eq!(log.len(), 1_500);
    assert!(again > 20, "{again} flows were called again");
    // Of fair coins so few and so many are 8 standard deviations away.
    assert!((595..=905).contains(&highest_bits) && (595..=905).contains(&further), "{highest_bits} {further}");
}

/// The same, of whom is called, who answers the same call twice; and what it answers to another.
#[test]
fn who_is_called_again_begins_behind_as_well() {
    let (sea, server, client) = pair();
    let log = openings(&sea);
    let (server_card, story) = (server.card, sea.clone());
    sea.run(async move {
        let listener = Listener::bind(&server.stack, 80, 4, Options::default()).unwrap();
        for _ in 0..1_500 {
            let (called, calling) =
                join(listener.accept(), Stream::connect(&client.stack, at(80), Options::default())).await;
            calling.unwrap().abort();
            drop(called);
            story.sleep(Duration::from_millis(70)).await;
        }
    });
    let mut flows: BTreeMap<[u16; 2], (Duration, u32)> = BTreeMap::new();
    let mut again = 0;
    for (at, _, ports, number) in log.take().into_iter().filter(|(_, from, ..)| *from == server_card) {
        if let Some((before, begun)) = flows.insert(ports, (at, number)) {
            again += 1;
            assert_eq!(number.wrapping_sub(begun), (at - before).as_micros() as u32, "{ports:?}");
        }
    }
    assert!(again > 20, "{again} flows were called again");
}

/// With another seed, as after a restart, all is different.
#[test]
fn another_secret_gives_other_numbers() {
    let number = |seed: u64| {
        let sea = Sea::new();
        let log = openings(&sea);
        let card: Card = sea.card();
        let addresses = ["192.0.2.9/24".parse().unwrap()];
        let config = wavetank_stack::Config::new(&addresses, &[]);
        let (stack, mut runner) = wavetank_stack::Stack::shared(card, sea.clock(), &config, seed);
        let _other = sea.host(&["192.0.2.1/24"]);
        sea.run(async move { runner.run_with(Stream::connect(&stack, at(80), Options::default())).await.is_err() });
        let (.., number) = log.borrow()[0];
        number
    };
    let numbers: std::collections::BTreeSet<u32> = (0..50).map(number).collect();
    assert_eq!(numbers.len(), 50);
    assert_eq!(number(7), number(7));
}
