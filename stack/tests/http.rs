//! The HTTP client that has policy against the small server, over two stacks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/drops.rs"]
mod drops;
mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use drops::survives_drops;
use embedded_io_async::{Read, Write};
use futures_util::future::{Either, select};
use support::{Host, Sea, SeaClock, goes_on};
use wavetank_stack::http::server::{Answer, ServeOptions, serve};
use wavetank_stack::http::{Agent, AgentOptions, BodyError, Call, CallError, Dial, Method, TimedError, Url};
use wavetank_stack::tcp::{self, Listener, Options, Stream};
use wavetank_stack::{Duration, Stack};

/// Calls 192.0.2.1, whatever the host; counts how often.
struct ByNumber {
    stack: Stack<'static>,
    dialled: Rc<Cell<u32>>,
}

impl Dial for ByNumber {
    type Stream = Stream<'static>;
    type Error = tcp::Error;

    async fn dial(&mut self, url: &Url<'_>) -> Result<Stream<'static>, tcp::Error> {
        self.dialled.set(self.dialled.get() + 1);
        let hub = "192.0.2.1".parse().unwrap();
        Stream::connect(&self.stack, std::net::SocketAddr::new(hub, url.port), Options::default()).await
    }
}

struct Shore {
    sea: Sea,
    server: Host,
    client: Host,
    /// Every request as the server saw it: method, target, host, and whom it says that it is.
    seen: Rc<RefCell<Vec<String>>>,
    dialled: Rc<Cell<u32>>,
}

impl Shore {
    fn new() -> Self {
        let sea = Sea::new();
        let (server, client) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
        Self { sea, server, client, seen: Rc::default(), dialled: Rc::default() }
    }

    /// Serves at port 80: redirects, bodies, silence.
    fn serve(&self) {
        let (stack, clock, seen) = (self.server.stack.clone(), self.sea.clock(), self.seen.clone());
        self.sea.spawn(async move {
            let listener = Listener::bind(&stack, 80, 4, Options::default()).unwrap();
            let mut buffer = [0; 1_024];
            let options = ServeOptions::default();
            serve(&listener, &clock, &mut buffer, &options, async |mut asked| {
                let text = |header| String::from_utf8_lossy(asked.header(header).unwrap_or(b"-")).into_owned();
                let (host, who) = (text("host"), text("authorization"));
                seen.borrow_mut().push(format!("{} {} {host} {who}", asked.method().as_str(), asked.target()));
                let to = |status, location| (status, [("Location", location)]);
                let (status, location) = match asked.path() {
                    "/moved" => to(301, "/here"),
                    "/other" => to(302, "http://other.example/here"),
                    "/see" => to(303, "here?x"),
                    "/same" => to(307, "/echo"),
                    "/loop" => to(302, "/loop"),
                    "/odd" => to(302, "ftp://hub/"),
                    "/slow" => {
                        let mut reply = asked.begin(&Answer::new(200, "", b"")).await?;
                        let _ = reply.write(b"it comes").await;
                        let _ = reply.flush().await;
                        wavetank_stack::time::sleep(&clock, Duration::from_secs(9)).await;
                        return reply.finish().await;
                    }
                    "/mute" => {
                        wavetank_stack::time::sleep(&clock, Duration::from_secs(60)).await;
                        return Ok(());
                    }
                    "/echo" => {
                        let mut body = [0; 64];
                        let body = asked.read_to_end(&mut body).await.unwrap_or(b"?");
                        return asked.answer(&Answer::new(200, "text/plain", body)).await;
                    }
                    _ => return asked.answer(&Answer::new(200, "text/plain", b"ahoy")).await,
                };
                asked.answer(&Answer::new(status, "", b"elsewhere").with_headers(&location)).await
            })
            .await;
        });
    }

    /// What a client does that gives up after 5 s of silence.
    fn call<R: 'static>(&self, client: impl AsyncFnOnce(&mut Agent<'_, ByNumber, SeaClock>, Sea) -> R + 'static) -> R {
        let (dial, clock) =
            (ByNumber { stack: self.client.stack.clone(), dialled: self.dialled.clone() }, self.sea.clock());
        let sea = self.sea.clone();
        self.sea.run(async move {
            let mut buffer = [0; 1_024];
            let mut options = AgentOptions::default();
            (options.connect, options.answer, options.silence) =
                (Duration::from_secs(5), Duration::from_secs(5), Duration::from_secs(5));
            client(&mut Agent::new(dial, clock, &mut buffer, options), sea).await
        })
    }

    fn seen(&self) -> Vec<String> {
        self.seen.take()
    }
}

async fn text(agent: &mut Agent<'_, ByNumber, SeaClock>, call: &Call<'_>) -> (u16, String) {
    let mut response = agent.call(call).await.unwrap();
    let mut body = [0; 64];
    let body = response.read_to_end(&mut body).await.unwrap().to_vec();
    (response.status(), String::from_utf8(body).unwrap())
}

#[test]
fn redirects_lead_to_the_answer() {
    let shore = Shore::new();
    shore.serve();
    shore.call(async |agent, _| {
        let ahoy = (200, "ahoy".to_owned());
        let secret = [("Authorization", "me")];
        let with_secret = |url| Call { headers: &secret, ..Call::get(url) };
        assert_eq!(text(agent, &with_secret("http://hub.example/moved")).await, ahoy);
        assert_eq!(text(agent, &with_secret("http://hub.example/other")).await, ahoy);
        assert_eq!(text(agent, &Call::post("http://hub.example/see", b"x")).await, ahoy);
        assert_eq!(text(agent, &Call::post("http://hub.example/moved", b"x")).await, ahoy);
        assert_eq!(text(agent, &Call::post("http://hub.example/same", b"again")).await, (200, "again".to_owned()));
        let fails = |error| Err(error);
        let status = async |agent: &mut Agent<'_, _, _>, url| agent.call(&Call::get(url)).await.map(|it| it.status());
        assert_eq!(status(agent, "http://hub.example/loop").await, fails(CallError::Redirects));
        assert!(matches!(status(agent, "http://hub.example/odd").await, Err(CallError::Url(_))));
    });
    let seen = shore.seen();
    let expected = [
        "GET /moved hub.example me",
        "GET /here hub.example me",
        "GET /other hub.example me",
        "GET /here other.example -",
        "POST /see hub.example -",
        "GET /here?x hub.example -",
        "POST /moved hub.example -",
        "GET /here hub.example -",
        "POST /same hub.example -",
        "POST /echo hub.example -",
    ];
    assert_eq!(seen[..10], expected);
    assert_eq!(seen.len(), 10 + 6 + 1, "five redirects are followed, and no sixth");
}

#[test]
fn a_connection_is_kept_and_a_stale_one_replaced() {
    let shore = Shore::new();
    shore.serve();
    shore.call(async |agent, sea| {
        for _ in 0..3 {
            assert_eq!(text(agent, &Call::get("http://hub.example/")).await.0, 200);
        }
        // The server keeps nobody for so long.
        sea.sleep(Duration::from_secs(30)).await;
        assert_eq!(text(agent, &Call::get("http://hub.example/")).await.0, 200);
    });
    assert_eq!((shore.seen().len(), shore.dialled.get()), (4, 2));
}

#[test]
fn what_takes_too_long_is_given_up() {
    let shore = Shore::new();
    shore.serve();
    shore.call(async |agent, sea| {
        let began = sea.now();
        let mute = agent.call(&Call::get("http://hub.example/mute")).await.map(|it| it.status());
        assert_eq!(mute, Err(CallError::TimedOut));
        assert_eq!((sea.now() - began).as_secs(), 5);
        // The server cuts that one off after 10 s in all, and serves the next.
        sea.sleep(Duration::from_secs(10)).await;
        let mut response = agent.call(&Call::get("http://hub.example/slow")).await.unwrap();
        let mut body = [0; 64];
        let body = response.read_to_end(&mut body).await.map(<[u8]>::len);
        assert_eq!(body, Err(BodyError::Io(TimedError::TimedOut)));
        // Nobody listens there; and where nobody is, opening a connection takes too long.
        let nobody = agent.call(&Call::get("http://hub.example:81/")).await.map(|it| it.status());
        assert_eq!(nobody, Err(CallError::Dial(tcp::Error::Refused)));
    });
}

#[test]
fn a_client_that_dawdles_keeps_nobody_else_for_long() {
    let shore = Shore::new();
    shore.serve();
    let (stack, sea) = (shore.client.stack.clone(), shore.sea.clone());
    shore.sea.run(async move {
        let hub = "192.0.2.1:80".parse().unwrap();
        let mut slow = Stream::connect(&stack, hub, Options::default()).await.unwrap();
        let began = sea.now();
        let mut next = Stream::connect(&stack, hub, Options::default()).await.unwrap();
        next.write_all(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n").await.unwrap();
        let dawdle = async {
            for byte in b"GET / HTTP/1.1\r\nHost: hub\r\nX: aaaaaaaaaaaaaaaaaaaaaa" {
                if slow.write_all(&[*byte]).await.is_err() {
                    break;
                }
                sea.sleep(Duration::from_secs(1)).await;
            }
        };
        let answered = async {
            let mut answer = [0; 12];
            next.read_exact(&mut answer).await.unwrap();
            answer
        };
        let Either::Right((answer, _)) = select(Box::pin(dawdle), Box::pin(answered)).await else {
            panic!("whoever dawdles was served to the end");
        };
        assert_eq!(&answer, b"HTTP/1.1 200");
        assert!((sea.now() - began).as_secs() <= 10);
    });
}

#[test]
fn a_head_request_has_no_body() {
    let shore = Shore::new();
    shore.serve();
    let told = shore.call(async |agent, _| {
        let response = agent.call(&Call::new(Method::Head, "http://hub.example/")).await.unwrap();
        (response.remaining(), response.header("content-length").map(<[u8]>::to_vec))
    });
    assert_eq!(told, (Some(0), Some(b"4".to_vec())));
}

#[test]
fn a_call_that_is_dropped_can_be_made_again() {
    let make = || {
        let shore = Shore::new();
        shore.serve();
        let (dial, clock) =
            (ByNumber { stack: shore.client.stack.clone(), dialled: shore.dialled.clone() }, shore.sea.clock());
        let (sea, buffer) = (shore.sea.clone(), Box::leak(Box::new([0; 1_024])));
        (
            (Agent::new(dial, clock, buffer, AgentOptions::default()), shore),
            goes_on(&sea, Duration::from_micros(200), Duration::from_secs(60)),
        )
    };
    let call = async |(agent, _): &mut (Agent<'static, ByNumber, SeaClock>, Shore)| {
        // By a redirect, over a connection that is kept.
        text(agent, &Call::get("http://hub.example/moved")).await
    };
    survives_drops(make, call, (2, 40));
}
