//! What a server answers, and where it says that something is.

use wavetank_stack::http::{Agent, AgentOptions, BodyError, Call, Connection, Dial, Method, Range, Request, Url};

use super::hand::Hand;
use super::script::{Script, Still, run};

/// The first byte says how many come at a read, the second what is asked for; the rest is what the server says.
pub fn send(bytes: &[u8]) {
    let mut hand = Hand(bytes);
    let (Some(portion), Some(asks)) = (hand.byte(), hand.byte()) else { return };
    follow(hand.0, portion);
    let mut buffer = [0; 512];
    let mut connection = Connection::new(Script::new(hand.0, portion), &mut buffer);
    let method = if asks & 1 == 0 { Method::Get } else { Method::Head };
    let mut request = Request::new(method, "/tide", "hub.lan");
    request.range = (asks & 2 != 0).then_some(Range::piece(0, 16));
    for _ in 0..4 {
        let Some(read) = run(exchange(&mut connection, &request, asks)) else { break };
        assert!(read <= hand.0.len(), "a body is a part of what came");
    }
}

/// Asks once; how long the body was, if it came to its end.
async fn exchange(connection: &mut Connection<'_, Script<'_>>, request: &Request<'_>, asks: u8) -> Option<usize> {
    let mut response = connection.send(request).await.ok()?;
    assert!(response.status() >= 100);
    assert!(response.headers().all(|(name, _)| !name.is_empty()));
    let _ = (response.part(), response.content_range(), response.etag(), response.last_modified());
    if asks & 4 != 0 {
        return match response.read_to_end(&mut [0; 48]).await {
            Ok(body) => Some(body.len()),
            Err(BodyError::TooLong) => Some(48),
            Err(_) => None,
        };
    }
    let (mut whole, mut out) = (0, [0; 7]);
    loop {
        match response.read(&mut out).await.ok()? {
            0 => return Some(whole),
            len => whole += len,
        }
    }
}

/// Whoever follows redirects comes to an end, and calls nobody but whom a URL names.
struct Redirects<'a> {
    said: &'a [u8],
    portion: u8,
    calls: usize,
}

impl<'a> Dial for Redirects<'a> {
    type Stream = Script<'a>;
    type Error = ();

    async fn dial(&mut self, url: &Url<'_>) -> Result<Script<'a>, ()> {
        self.calls += 1;
        assert!(self.calls <= 12, "redirects without end");
        assert!(url.target.starts_with('/') && !url.host.is_empty() && url.port > 0);
        Ok(Script::new(self.said, self.portion))
    }
}

fn follow(said: &[u8], portion: u8) {
    let mut buffer = [0; 512];
    let dial = Redirects { said, portion, calls: 0 };
    let mut agent = Agent::new(dial, Still, &mut buffer, AgentOptions::default());
    if let Ok(response) = run(agent.call(&Call::post("http://hub.lan:81/a/b?c", b"tide"))) {
        assert!(response.status() >= 100);
    }
}
