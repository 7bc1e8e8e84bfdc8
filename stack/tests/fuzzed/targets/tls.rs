//! What a TLS server says to a client that has just called it: records, and the handshake in them (RFC 8446, sections 4 and 5).
//!
//! The client draws the same each time, so that what rustls once answered it ([`FLIGHT`]) is an answer whenever it comes: to the group that it is asked for, by a server for which [`ROOT`] vouches, encrypted for this client and no
//! other. Whoever changes one bit of what is encrypted is found out; so beyond a server's first word and its records, which are
//! not, the fuzzer sees how the client bears that.

use embedded_io_async::Read as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use wavetank_stack::time::{SetClock, WallClock as _};
use wavetank_stack::tls::{Memory, Trust, connect};

use super::hand::Hand;
use super::script::{Script, Still, run};

/// Noon of the first of July 2026.
const NOW: u64 = 1_782_907_200;

const ROOT: &[u8] = include_bytes!("tls/root.der");
const FLIGHT: &[u8] = include_bytes!("../../../fuzz/corpus/tls/handshake");

/// Of a record, what says how long it is, and that what is in it is encrypted.
const HEADER: usize = 5;
const ENCRYPTED: u8 = 23;

/// The first byte says how many come at a read; the rest is what the server says.
pub fn send(bytes: &[u8]) {
    let mut hand = Hand(bytes);
    let Some(portion) = hand.byte() else { return };
    let said = hand.0;
    if shakes_hands(said, portion) {
        // What only the server can have said, it has.
        assert!(encrypted(&FLIGHT[1..]).iter().all(|record| said.windows(record.len()).any(|at| at == *record)));
    }
}

/// Has the client hear it out, and says whether it came through the handshake.
fn shakes_hands(said: &[u8], portion: u8) -> bool {
    let wall = SetClock::new(Still);
    wall.set_unix_micros(NOW * 1_000_000);
    let trust = Trust::Roots { certificates: &[ROOT], name: "hub.example", clock: &wall };
    let mut memory: Box<Memory> = Box::new(Memory::new());
    run(async {
        let Ok(mut tls) = connect(Script::new(said, portion), &mut memory, &trust, ChaCha8Rng::seed_from_u64(3)).await
        else {
            return false;
        };
        let mut plain = [0; 64];
        // What is read is shorter than what was said.
        for _ in 0..=said.len() {
            if !tls.read(&mut plain).await.is_ok_and(|len| len > 0) {
                return true;
            }
        }
        panic!("the client reads more than there is");
    })
}

/// The encrypted records.
fn encrypted(mut said: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while let [kind, _, _, high, low, ..] = *said {
        let (record, rest) = said.split_at(HEADER + usize::from(u16::from_be_bytes([high, low])));
        if kind == ENCRYPTED {
            records.push(record);
        }
        said = rest;
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_it_was_answered_it_is_an_answer() {
        assert!(shakes_hands(&FLIGHT[1..], FLIGHT[0]));
        assert!(!encrypted(&FLIGHT[1..]).is_empty());
    }
}
