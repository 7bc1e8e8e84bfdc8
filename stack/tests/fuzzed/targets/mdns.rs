//! What stations of a link say to one who looks for services. What they say to one that offers some is `frames`.

use std::cell::Cell;
use std::rc::Rc;

use wavetank_stack::Duration;
use wavetank_stack::mdns::{FOUND_TEXT_MAX, browse, resolve};

use super::hand::Hand;
use super::shore::{Asked, Shore, draws};

/// Each piece is a message but for its number.
pub fn send(bytes: &[u8]) {
    let mut shore = Shore::new(&["192.0.2.1/24"]);
    let (stack, clock) = (shore.host.stack.clone(), shore.sea.clock());
    let done = Rc::new(Cell::new(false));
    let ended = done.clone();
    shore.sea.spawn(async move {
        let mut draws = draws();
        let asked = browse(&stack, &clock, &mut draws, "_http._tcp", Duration::from_secs(5), |found| {
            assert!(found.port > 0 && !found.addresses.is_empty() && found.text.len() <= FOUND_TEXT_MAX);
        });
        let _ = asked.await;
        if let Ok(addresses) = resolve(&stack, &clock, &mut draws, "lamp", Duration::from_secs(3)).await {
            assert!(!addresses.is_empty());
        }
        ended.set(true);
    });
    shore.answer(Hand(bytes), repeat);
    shore.fall_silent(Duration::from_secs(20));
    assert!(done.get(), "whoever looks for something stops");
}

fn repeat(asked: &Asked, piece: &[u8]) -> Vec<u8> {
    let mut message = piece.to_vec();
    if let (Some(place), Some(number)) = (message.get_mut(..2), asked.payload.get(..2)) {
        place.copy_from_slice(number);
    }
    message
}
