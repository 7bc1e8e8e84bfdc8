//! What a server says to a client: answers, blocks and news.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use wavetank_stack::Duration;
use wavetank_stack::coap::{Client, Options, PORT, Request};
use wavetank_stack::time::timeout;

use super::hand::Hand;
use super::shore::{Asked, SERVER, Shore, draws};

/// Each piece is what a message has besides id and token: kind, code, then options and payload.
pub fn send(bytes: &[u8]) {
    let mut shore = Shore::new(&["192.0.2.1/24"]);
    let (stack, clock) = (shore.host.stack.clone(), shore.sea.clock());
    let done = Rc::new(Cell::new(false));
    let ended = done.clone();
    shore.sea.spawn(async move {
        let server = SocketAddr::new(SERVER.into(), PORT);
        let mut client = Client::new(&stack, clock.clone(), draws(), Options::default()).unwrap();
        let mut buffer = [0; 1_024];
        for request in [Request::get("tide/now"), Request::post("tide", 0, &[7; 1_300])] {
            if let Ok(response) = client.request(server, &request, &mut buffer).await {
                assert!(response.len <= buffer.len());
            }
        }
        if let Ok((mut observation, _)) = client.observe(server, "tide", &mut buffer).await {
            for _ in 0..3 {
                let news = client.next(&mut observation, &mut buffer);
                let _ = timeout(&clock, Duration::from_secs(10), news).await;
            }
            let _ = client.forget(observation, "tide", &mut buffer).await;
        }
        ended.set(true);
    });
    shore.answer(Hand(bytes), repeat);
    shore.fall_silent(Duration::from_secs(1_200));
    assert!(done.get(), "the client comes to its end");
}

/// The kind is the two lowest bits of the first byte; others than the lowest leave the id as it is.
fn repeat(asked: &Asked, piece: &[u8]) -> Vec<u8> {
    let [first, code, rest @ ..] = piece else {
        return piece.to_vec();
    };
    let token_len = asked.payload.first().map_or(0, |first| usize::from(first & 0xf));
    let (Some(id), Some(token)) = (asked.payload.get(2..4), asked.payload.get(4..4 + token_len)) else {
        return piece.to_vec();
    };
    let token = if *code == 0 { &[][..] } else { token };
    [&[0x40 | (first & 3) << 4 | token.len() as u8, *code], id, token, rest].concat()
}
