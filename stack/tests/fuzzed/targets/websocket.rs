//! What a WebSocket server answers to the handshake, and what it says after it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use wavetank_stack::websocket::{Assembler, Event, Memory, Options, Request, open};

use super::hand::Hand;
use super::script::{Script, Still, run};

const ROOM: usize = 300;

/// The first byte says how many come at a read; the rest is what the server says, as its answer and as its frames.
pub fn send(bytes: &[u8]) {
    let mut hand = Hand(bytes);
    let Some(portion) = hand.byte() else { return };
    shake(hand.0, portion);
    hear(hand.0, portion);
}

/// Nobody can answer a key that nobody knows.
fn shake(said: &[u8], portion: u8) {
    let mut memory: Memory<ROOM, 256> = Memory::new();
    let (request, rng) = (Request::new("/tide", "hub.lan"), ChaCha8Rng::seed_from_u64(1));
    let opened = run(open(Script::new(said, portion), &mut memory, &request, Still, rng, Options::default()));
    assert!(opened.is_err());
}

/// What is put together is no longer than what came, nor than there is room for, and text is text.
fn hear(mut said: &[u8], portion: u8) {
    let portion = if portion == 0 { usize::MAX } else { portion.into() };
    let (mut buffer, mut brought) = ([0; ROOM], 0);
    let mut assembler = Assembler::new(&mut buffer);
    loop {
        match assembler.poll_event() {
            Ok(Some(Event::Message(kind))) => {
                let message = assembler.message();
                assert!(message.len() <= ROOM && message.len() <= brought);
                if kind == wavetank_stack::websocket::Kind::Text {
                    assert!(core::str::from_utf8(message).is_ok());
                }
            }
            Ok(Some(Event::Ping)) => assert!(assembler.control().len() <= 125),
            Ok(Some(Event::Pong)) => {}
            Ok(Some(Event::Close(code))) => {
                assert!(code.is_none_or(|code| (1_000..5_000).contains(&code)));
                assert!(assembler.reason().len() <= 123);
                return;
            }
            Ok(None) => {
                let room = assembler.room();
                assert!(!room.is_empty(), "there is room for what comes next");
                let len = said.len().min(room.len()).min(portion);
                if len == 0 {
                    return;
                }
                room[..len].copy_from_slice(&said[..len]);
                assembler.came(len);
                (said, brought) = (&said[len..], brought + len);
            }
            Err(fault) => return assert!((1_002..=1_009).contains(&fault.close_code())),
        }
    }
}
