//! HTTP: a client that speaks bytes, a server that is a `wavetank-web` app, TCP between them.

use std::future::{pending, poll_fn};
use std::net::SocketAddr;

use embedded_io_async::{Read, Write};
use wavetank_scenarios::runtime::{TankListener, TankRuntime};
use wavetank_sim::net::NicId;
use wavetank_sim::time::Duration;
use wavetank_sim::world::World;
use wavetank_stack::Stack;
use wavetank_stack::tcp::{Listener, Stream};
use wavetank_web::App;

use crate::crowd::{self, Caller as _, Load};
use crate::hosts;
use crate::measured::Measured;
use crate::tank::Tank;

const REQUEST: &[u8] = b"GET /body HTTP/1.1\r\nhost: server\r\n\r\n";
const BODY: &str = "sixty-four bytes of text, as short answers of devices often are.";

/// One connection that is kept alive; host and server are 1 ms apart. Counts the requests that were answered.
#[must_use]
pub fn keep_alive(requests: u64) -> Measured {
    let tank = Tank { prepared: Duration::from_micros(100_250), measured: Duration::from_millis(2 * requests) };
    let measured = tank.measure(|world, tally| {
        let server = add_server(world);
        let tally = tally.clone();
        let client = hosts::add(world, 1, move |_, stack| {
            let tally = tally.clone();
            async move { crowd::ask_for_ever(Caller::connect(&stack).await, &tally).await }
        });
        hosts::pair(world, "wire", server, client, &hosts::wire(Duration::from_millis(1)));
    });
    assert_eq!(measured.done.items, requests);
    assert_eq!(measured.done.frames, 2 * requests, "acknowledgements travel with data");
    measured
}

/// `connections` at one server, open all the time, on which `requests` are made: see [`crowd::growth`].
#[must_use]
pub fn growth(load: Load, connections: u32, requests: u64) -> Measured {
    crowd::growth::<Caller>(add_server, load, connections, requests)
}

fn add_server(world: &mut World) -> NicId {
    hosts::add(world, 0, |node, stack| async move {
        let listener = Listener::bind(&stack, 80, 64, hosts::prompt()).expect("the port is free");
        let mut app = App::new();
        app.at("/body").get(async || BODY);
        let service = app.into_service().expect("one route");
        let runtime = TankRuntime::new(node.clock());
        wavetank_web::serve(TankListener(listener), service, runtime, pending()).await;
    })
}

/// A client's connection, and how long an answer is. Answers are looked at where they have come: that a client keeps them
/// is no part of what a request costs at a server.
struct Caller {
    stream: Stream<'static>,
    length: usize,
}

impl crowd::Caller for Caller {
    /// Connects, asks once, and so learns how long an answer is.
    async fn connect(stack: &Stack<'static>) -> Self {
        let server = SocketAddr::new(hosts::address(0), 80);
        let mut stream = Stream::connect(stack, server, hosts::prompt()).await.expect("the server listens");
        stream.write_all(REQUEST).await.expect("the server reads");
        let mut answer = vec![0; 1_024];
        let mut length = 0;
        while !answer[..length].ends_with(BODY.as_bytes()) {
            let count = stream.read(&mut answer[length..]).await.expect("the server answers");
            assert_ne!(count, 0, "the server keeps the connection");
            length += count;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        Self { stream, length }
    }

    async fn ask(&mut self) {
        self.stream.write_all(REQUEST).await.expect("the server reads");
        let mut missing = self.length;
        while missing > 0 {
            let read = poll_fn(|cx| {
                self.stream.poll_read_with(cx, |bytes| {
                    let is_last = bytes.len() == missing;
                    assert!(!is_last || bytes.ends_with(&BODY.as_bytes()[BODY.len().saturating_sub(missing)..]));
                    bytes.len()
                })
            });
            let count = read.await.expect("the server answers");
            assert_ne!(count, 0, "the server keeps the connection");
            missing = missing.checked_sub(count).expect("one answer to one request");
        }
    }
}
