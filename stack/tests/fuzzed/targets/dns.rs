//! What a name server says to a resolver, which is heard if it repeats the question; and what somebody asks a server.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use wavetank_stack::Duration;
use wavetank_stack::dns::{Family, Name, Options, Rcode, Record, Reply, Resolver, parse_question, respond};

use super::hand::Hand;
use super::shore::{Asked, SERVER, Shore, draws};

/// Each piece is what stands in an answer besides the question: from the flags on to the counts, then the records.
pub fn send(bytes: &[u8]) {
    be_asked(bytes);
    let mut shore = Shore::new(&["192.0.2.1/24"]);
    let (stack, clock) = (shore.host.stack.clone(), shore.sea.clock());
    stack.set_dns_servers(&[SERVER.into()]);
    let done = Rc::new(Cell::new(false));
    let ended = done.clone();
    shore.sea.spawn(async move {
        let resolver: Resolver<'_, _, _, 2> = Resolver::new(&stack, clock, draws(), Options::default());
        for host in ["hub.lan", "www.lan", "hub.lan"] {
            if let Ok(addresses) = resolver.resolve(host, Family::V4).await {
                assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_ipv4));
            }
        }
        ended.set(true);
    });
    shore.answer(Hand(bytes), repeat);
    shore.fall_silent(Duration::from_secs(600));
    assert!(done.get(), "the resolver comes to its end");
}

fn repeat(asked: &Asked, piece: &[u8]) -> Vec<u8> {
    let (Some(id), Some(question)) = (asked.payload.get(..2), asked.payload.get(12..)) else {
        return piece.to_vec();
    };
    // The flags, and the counts of three sections: that of the questions is one.
    let (head, records) = piece.split_at(piece.len().min(8));
    let mut flags = [0; 8];
    flags[..head.len()].copy_from_slice(head);
    flags[0] |= 0x80;
    [id, &flags[..2], &[0, 1], &flags[2..], question, records].concat()
}

/// As a server: what is answered can be understood by whoever asked.
fn be_asked(bytes: &[u8]) {
    let Ok(question) = parse_question(bytes) else { return };
    let (own, other) = (question.name.clone(), Name::new("other.lan").unwrap());
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    let records = [(&own, Record::Alias(&other)), (&other, Record::Address(address))];
    let mut buffer = [0; 512];
    let reply = Reply { rcode: Rcode::NoError, records: &records, ttl: 60, truncated: false };
    let len = respond(bytes, &reply, &mut buffer).expect("there is room for an answer");
    // Its question is the same, byte for byte, and behind that stand as many records as it says.
    let mut asked_again = buffer;
    asked_again[2] &= 0x79;
    assert_eq!(parse_question(&asked_again[..len]), Ok(question));
    let records_len = |at: usize| 1 + usize::from(buffer[at]);
    let mut at = 12;
    while buffer[at] != 0 {
        at += records_len(at);
    }
    at += 5;
    for _ in 0..buffer[7] {
        while buffer[at] != 0 {
            at += records_len(at);
        }
        at += 11 + usize::from(u16::from_be_bytes([buffer[at + 9], buffer[at + 10]]));
    }
    assert_eq!(at, len, "the answer ends where its records do");
}
