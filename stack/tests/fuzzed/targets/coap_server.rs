//! What clients say to a server.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use wavetank_stack::coap::{Answer, Asked, Code, DATAGRAM_MAX, Kind, Message, OptionNumber, Resource, Server};
use wavetank_stack::{Duration, Instant};

use super::hand::Hand;

const BODY: usize = 1_200;
/// How long a message's number is its own (EXCHANGE_LIFETIME, RFC 7252, section 4.8.2).
const LIFETIME: Duration = Duration::from_secs(247);

/// Counts what it was told to do, and can be watched.
#[derive(Default)]
struct Counter {
    count: u32,
    /// Whether something was done since this was last asked.
    done: bool,
}

impl Resource for Counter {
    fn answer(&mut self, asked: &Asked<'_>, buffer: &mut [u8]) -> Answer {
        assert!(asked.payload.len() <= BODY);
        if asked.method != Code::GET {
            (self.count, self.done) = (self.count + 1, true);
            return Answer::just(Code::CHANGED);
        }
        let len = if asked.message.is_at("long") { buffer.len() } else { 4 };
        buffer[..len].fill(self.count as u8);
        Answer { code: Code::CONTENT, format: Some(0), len, observable: true }
    }

    fn edition(&self) -> u32 {
        self.count
    }
}

/// Before each piece, a datagram, stand who says it and how many quarters of a minute pass until it comes.
pub fn send(bytes: &[u8]) {
    let mut server: Server<Counter, BODY> = Server::new(Counter::default(), 7);
    let (mut hand, mut now) = (Hand(bytes), Instant::ZERO);
    let mut reply = [0; DATAGRAM_MAX];
    let mut done: BTreeSet<(u8, u16, Instant)> = BTreeSet::new();
    while let (Some(who), Some(waits)) = (hand.byte(), hand.byte()) {
        let Some(datagram) = hand.piece() else { break };
        now += Duration::from_secs(15) * u32::from(waits);
        let remote = SocketAddr::from(([192, 0, 2, who], 5_683));
        let len = server.handle(datagram, remote, now, &mut reply);
        if let Some(len) = len {
            let answer = Message::parse(&reply[..len]).expect("a message");
            assert!(matches!(answer.kind, Kind::Acknowledgement | Kind::NonConfirmable | Kind::Reset));
        }
        let executed = std::mem::take(&mut server.resource().done);
        if let Ok(message) = Message::parse(datagram) {
            assert!(message.options().all(|(_, value)| value.len() <= datagram.len()));
            let _ = (message.block(OptionNumber::Block1), message.number(OptionNumber::Size1));
            let known = done.iter().any(|&(before, id, at)| (before, id) == (who, message.id) && now < at + LIFETIME);
            assert!(!(executed && known), "what was asked once was done twice");
            if executed {
                done.insert((who, message.id, now));
            }
        }
        assert!(server.observers() <= 8);
        for turn in 0.. {
            assert!(turn < 100, "there is always somebody to be told");
            let Some((_, len)) = server.notify(now, &mut reply) else { break };
            Message::parse(&reply[..len]).expect("a message");
        }
        assert!(server.next_deadline().is_none_or(|deadline| deadline > now), "what is due was told");
    }
}
