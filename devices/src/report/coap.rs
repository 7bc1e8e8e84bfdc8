//! Records by CoAP: each is a confirmable `POST events/NAME` (RFC 7252).

use core::fmt::Write as _;
use core::net::SocketAddr;
use core::pin::pin;

use heapless::String;
use rand_core::Rng;
use wavetank_stack::coap::{Client, Code, Options, Request};
use wavetank_stack::{Clock, Duration};

use super::{Body, Line, Outbox, Report, Verdict};
use crate::DeviceId;

/// `events/`, and an id.
const PATH_MAX: usize = 7 + DeviceId::LEN_MAX;
/// The format of JSON (RFC 7252, section 12.3).
const JSON: u16 = 50;
/// What a server says beside how it went is not looked at.
const ANSWER_MAX: usize = 64;

/// By CoAP, confirmable, over a UDP socket.
#[derive(Clone, Debug)]
pub struct Coap {
    /// Where the server listens.
    pub server: SocketAddr,
    /// The shortest wait for an acknowledgement; CoAP doubles it four times before it gives up.
    pub ack_timeout: Duration,
}

impl Report for Coap {
    async fn bring<C: Clock, R: Rng>(&self, line: &Line<'_, '_, C>, rng: &mut R, outbox: &impl Outbox) -> bool {
        let mut options = Options::default();
        options.ack_timeout = self.ack_timeout;
        let Ok(mut client) = Client::new(line.stack, line.clock, rng, options) else { return false };
        let mut path = String::<PATH_MAX>::new();
        write!(path, "events/{}", line.id).expect("there is room for any id");
        let mut brought = false;
        loop {
            let mut body = Body::new();
            let number = outbox.next(&mut body).await;
            let answered = {
                let mut answer = [0; ANSWER_MAX];
                let request = Request::post(&path, JSON, body.as_bytes());
                let asking = pin!(client.request(self.server, &request, &mut answer));
                asking.await
            };
            let verdict = match answered {
                Ok(response) if response.code.is_success() => Verdict::Kept,
                Ok(response) if is_final(response.code) => Verdict::Refused,
                _ => return brought,
            };
            outbox.settle(number, verdict).await;
            brought = true;
        }
    }
}

/// Whether the record itself is what is wrong, and will be (RFC 7252, section 5.9.2; RFC 8132, section 2.2). A server that knows
/// no such path, asks for a key or has too much to do may take it later.
fn is_final(code: Code) -> bool {
    code.class() == 4 && matches!(code.detail(), 0 | 9 | 13 | 15 | 22)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_with_a_record_is_final() {
        assert!([0, 9, 13, 15, 22].into_iter().all(|detail| is_final(Code::new(4, detail))));
        // Unauthorized, not found, an incomplete entity, too many requests.
        assert!(![1, 4, 8, 29].into_iter().any(|detail| is_final(Code::new(4, detail))));
        assert!(!is_final(Code::CHANGED) && !is_final(Code::INTERNAL_ERROR) && !is_final(Code::new(5, 0)));
    }
}
