//! The lamp over CoAP.

use embedded_hal::digital::OutputPin;
use wavetank_stack::Probe;
use wavetank_stack::coap::{Answer, Asked, Code, Resource};

use super::command::{Command, JSON_MAX, Said};
use super::shared::{Shared, Verdict, Waiter};

/// Where the lamp is.
pub(super) const PATH: &str = "lamp";
/// A command, in either direction.
pub(super) const BODY_MAX: usize = 64;
/// The format of JSON (RFC 7252, section 12.3).
const JSON: u16 = 50;
/// The request contradicts what the resource is by now (RFC 8132, section 2.1).
const CONFLICT: Code = Code::new(4, 9);

/// What the lamp shows to whoever asks.
pub(super) struct Face<'a, O, P> {
    shared: &'a Shared<'a, O, P>,
}

impl<'a, O: OutputPin, P: Probe> Face<'a, O, P> {
    pub(super) const fn new(shared: &'a Shared<'a, O, P>) -> Self {
        Self { shared }
    }

    fn put(&self, payload: &[u8], buffer: &mut [u8]) -> Answer {
        let Some(said) = Said::read(payload) else {
            self.shared.unreadable();
            return Answer::just(Code::BAD_REQUEST);
        };
        match self.shared.command(said) {
            Verdict::Obeyed => Answer::just(Code::CHANGED),
            // With what is newer, so that whoever commands knows which number to beat.
            Verdict::Stale => state(CONFLICT, self.shared.state(), buffer),
        }
    }
}

impl<O: OutputPin, P: Probe> Resource for Face<'_, O, P> {
    fn answer(&mut self, asked: &Asked<'_>, buffer: &mut [u8]) -> Answer {
        if !asked.message.is_at(PATH) {
            return Answer::just(Code::NOT_FOUND);
        }
        match asked.method {
            Code::GET => Answer { observable: true, ..state(Code::CONTENT, self.shared.state(), buffer) },
            Code::PUT => self.put(asked.payload, buffer),
            _ => Answer::just(Code::METHOD_NOT_ALLOWED),
        }
    }

    fn edition(&self) -> u32 {
        self.shared.edition()
    }

    async fn settle(&mut self) {
        self.shared.settled(Waiter::Answer).await;
    }
}

fn state(code: Code, state: Command, buffer: &mut [u8]) -> Answer {
    let mut json = [0; JSON_MAX];
    let json = state.json(&mut json);
    buffer[..json.len()].copy_from_slice(json);
    Answer { code, format: Some(JSON), len: json.len(), observable: false }
}
