//! What a server says to a client, and what clients say to a server.

use std::net::Ipv4Addr;

use wavetank_stack::dhcp::{Client, Event, MESSAGE_MAX, Message, Options, Pool, Server, ServerConfig};
use wavetank_stack::{Duration, Instant};

use super::hand::Hand;
use super::shore::{Asked, SERVER, Shore, draws};

/// Each piece is a message. To the client it comes under the number and for the address that it said.
pub fn send(bytes: &[u8]) {
    be_asked(Hand(bytes));
    let mut shore = Shore::new(&[]);
    let (stack, clock) = (shore.host.stack.clone(), shore.sea.clock());
    let task = shore.sea.spawn(async move {
        let mut options = Options::default();
        options.link_local_after = Some(Duration::from_secs(30));
        let mut client = Client::new(&stack, &clock, draws(), options);
        let ran = client.run(|event| {
            if let Event::Bound(lease) | Event::Renewed(lease) = event {
                assert!(lease.renew_at <= lease.rebind_at && lease.rebind_at <= lease.expires_at);
            }
        });
        let _ = ran.await;
    });
    shore.answer(Hand(bytes), repeat);
    shore.fall_silent(Duration::from_secs(300));
    shore.sea.kill(task);
    assert_eq!(shore.host.stack.addresses().count(), 0, "whoever drops the client takes back what it set");
    assert_eq!(shore.host.stack.routes().count(), 0);
}

fn repeat(asked: &Asked, piece: &[u8]) -> Vec<u8> {
    let mut message = piece.to_vec();
    for place in [4..8, 28..34] {
        if let (Some(to), Some(from)) = (message.get_mut(place.clone()), asked.payload.get(place)) {
            to.copy_from_slice(from);
        }
    }
    message
}

fn be_asked(mut pieces: Hand<'_>) {
    let mut server: Server<3> = Server::new(ServerConfig {
        own: SERVER,
        prefix: 24,
        pool: Pool { first: Ipv4Addr::new(192, 0, 2, 100), count: 4 },
        lease_secs: 600,
        router: Some(SERVER),
        dns: [SERVER].into_iter().collect(),
        ntp: [SERVER].into_iter().collect(),
    });
    let mut at = 0;
    while let Some(piece) = pieces.piece() {
        let Ok(message) = Message::parse(piece) else { continue };
        let mut buffer = [0; MESSAGE_MAX];
        assert_eq!(Message::parse(message.emit(Some("lamp"), &mut buffer)), Ok(message.clone()));
        at += 20;
        let now = Instant::from_secs(at);
        if let Some(answer) = server.answer(&message, now) {
            assert!(answer.kind.is_reply() && answer.xid == message.xid && answer.mac == message.mac);
            assert_eq!(Message::parse(answer.emit(None, &mut buffer)), Ok(answer));
        }
        assert!(server.in_use(now) <= 3);
    }
}
