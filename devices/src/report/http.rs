//! Records by HTTP: each is a `POST /readings`, as the telemetry hub takes them.

use core::fmt::Write as _;
use core::net::SocketAddr;
use core::pin::pin;

use embedded_io_async::{Read, Write};
use heapless::String;
use rand_core::Rng;
use wavetank_stack::http::{Connection, Request};
use wavetank_stack::time::timeout;
use wavetank_stack::{Clock, Duration};

use super::{BODY_MAX, Body, Line, Outbox, Report, Verdict};
use crate::dial::connect;

/// The head of the hub's longest answer.
const HEAD_BYTES: usize = 512;
/// An IPv6 address in brackets, a scope and a port.
const HOST_MAX: usize = 64;

/// By HTTP/1.1, over one connection that is kept open.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where the hub listens.
    pub hub: SocketAddr,
    /// How long opening a connection may take, and the answer to a record.
    pub patience: Duration,
}

impl Report for Http {
    async fn bring<C: Clock, R: Rng>(&self, line: &Line<'_, '_, C>, _: &mut R, outbox: &impl Outbox) -> bool {
        let dialled = {
            let dialling = pin!(connect(line.stack, line.clock, self.hub));
            timeout(line.clock, self.patience, dialling).await
        };
        let Ok(Some(mut stream)) = dialled else { return false };
        let mut host = String::<HOST_MAX>::new();
        write!(host, "{}", self.hub).expect("there is room for any address");
        let (mut head, mut brought) = ([0; HEAD_BYTES], false);
        let mut connection = Connection::new(&mut stream, &mut head);
        loop {
            let mut body = Body::new();
            let number = outbox.next(&mut body).await;
            let answered = {
                let posting = pin!(post(&mut connection, &host, &body));
                timeout(line.clock, self.patience, posting).await
            };
            let Ok(Some(verdict)) = answered else { break };
            outbox.settle(number, verdict).await;
            brought = true;
            if !connection.is_ready() {
                // The hub closes it, as it may.
                return true;
            }
        }
        stream.abort();
        brought
    }
}

/// `None` if the hub has not said what became of it.
async fn post<S: Read + Write>(connection: &mut Connection<'_, S>, host: &str, body: &Body) -> Option<Verdict> {
    const { assert!(BODY_MAX <= 1_024, "the hub's limit is far above that") };
    let mut response = {
        let request = Request::post("/readings", host, body.as_bytes());
        connection.send(&request.with_headers(&[("Content-Type", "application/json")])).await.ok()?
    };
    let verdict = match response.status() {
        200 | 201 => Verdict::Kept,
        409 | 422 => Verdict::Refused,
        _ => return None,
    };
    // The word is given; a body that breaks off costs the connection, which then says so itself.
    let _ = response.drain().await;
    Some(verdict)
}
