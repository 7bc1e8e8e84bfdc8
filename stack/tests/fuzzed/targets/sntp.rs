//! What a time server says.

use std::cell::Cell;
use std::rc::Rc;

use wavetank_stack::Duration;
use wavetank_stack::sntp::{Client, Error, Event, Options, Reply, respond};
use wavetank_stack::time::SetClock;

use super::hand::Hand;
use super::shore::{Asked, SERVER, Shore, draws};

/// Each piece is a packet, but for the number that it must repeat.
pub fn send(bytes: &[u8]) {
    let _ = respond(bytes, 1_800_000_000_000_000, &Reply::default());
    let mut shore = Shore::new(&["192.0.2.1/24"]);
    let (stack, clock) = (shore.host.stack.clone(), shore.sea.clock());
    let events = Rc::new(Cell::new(0_u32));
    let told = events.clone();
    let task = shore.sea.spawn(async move {
        let wall = SetClock::new(clock.clone());
        let mut client = Client::new(&stack, &clock, &wall, draws(), Options::default());
        client
            .run(&[SERVER.into()], |event| {
                told.set(told.get() + 1);
                if let Event::Set { sample, .. } | Event::Right(sample) = event {
                    assert!(sample.unix_micros / 1_000_000 >= Options::default().earliest);
                }
                assert!(!matches!(event, Event::Failed(_, Error::NotSent(_))), "{event:?}");
            })
            .await;
    });
    shore.answer(Hand(bytes), repeat);
    shore.fall_silent(Duration::from_secs(600));
    // A question takes two seconds, and there are four between two of them.
    assert!(events.get() < 600, "{} questions", events.get());
    shore.sea.kill(task);
}

fn repeat(asked: &Asked, piece: &[u8]) -> Vec<u8> {
    let mut packet = piece.to_vec();
    if let (Some(place), Some(number)) = (packet.get_mut(24..32), asked.payload.get(40..48)) {
        place.copy_from_slice(number);
    }
    packet
}
