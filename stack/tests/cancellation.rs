//! Dropping any future at any await, and any handle at any time, leaves the stack sound.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use embedded_io_async::{Read, Write};
use futures_util::future::join;
use proptest::prelude::*;
use support::{Dice, Host, Sea};
use wavetank_stack::{
    Duration,
    tcp::{Listener, Options, Stream},
    udp,
};

/// Polls a future so many times, then drops it where it stands.
struct Patience<F> {
    future: Pin<Box<F>>,
    polls: u64,
}

impl<F: Future> Future for Patience<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.polls.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.polls = left;
        match self.future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn patience<F: Future>(dice: &Dice, future: F) -> Patience<F> {
    let polls = 1 + dice.below(6);
    Patience { future: Box::pin(future), polls }
}

fn options(dice: &Dice) -> Options {
    let mut options = Options::default();
    (options.receive_bytes, options.send_bytes) = (600, 600);
    options.nagle = dice.below(2) == 0;
    if dice.below(3) == 0 {
        options.keep_alive = Some(Duration::from_secs(5));
    }
    options
}

/// Does anything with a stream for a while, giving each operation up after a few polls, then lets go of it.
async fn toss(sea: &Sea, dice: &Dice, mut stream: Stream<'static>) {
    let mut buffer = [7; 300];
    for _ in 0..dice.below(6) {
        let choice = dice.below(8);
        match choice {
            0 | 1 => _ = patience(dice, stream.read(&mut buffer)).await,
            2 | 3 => _ = patience(dice, stream.write_all(&buffer)).await,
            4 => stream.shutdown(),
            5 => _ = patience(dice, stream.acknowledged()).await,
            6 => {
                let (mut read, mut write) = stream.split();
                let mut other = [0; 100];
                _ = patience(dice, join(read.read(&mut other), write.write(&buffer))).await;
            }
            _ => sea.sleep(Duration::from_micros(dice.below(3_000))).await,
        }
    }
    let choice = dice.below(4);
    match choice {
        0 => stream.abort(),
        1 => {
            let (read, write) = stream.into_split();
            drop(write);
            sea.sleep(Duration::from_micros(dice.below(2_000))).await;
            drop(read);
        }
        _ => drop(stream),
    }
}

async fn caller(sea: Sea, client: Rc<Host>, dice: Dice) {
    for _ in 0..6 {
        let call = Stream::connect(&client.stack, "192.0.2.1:80".parse().unwrap(), options(&dice));
        if let Some(Ok(stream)) = patience(&dice, call).await {
            toss(&sea, &dice, stream).await;
        }
        let socket = udp::Socket::bind(&client.stack, 0, udp::Options::default()).unwrap();
        let last = dice.below(4);
        _ = patience(&dice, socket.send_to(b"spray", format!("192.0.2.{last}:9").parse().unwrap())).await;
        _ = patience(&dice, socket.recv_from(&mut [0; 9])).await;
    }
}

async fn server(sea: Sea, server: Rc<Host>, dice: Dice) {
    loop {
        let backlog = 1 + dice.below(4) as usize;
        let listener = Listener::bind(&server.stack, 80, backlog, options(&dice)).unwrap();
        for _ in 0..dice.below(20) {
            if let Some(stream) = patience(&dice, listener.accept()).await {
                toss(&sea, &dice, stream).await;
            }
            sea.sleep(Duration::from_micros(500)).await;
        }
    }
}

fn schedule(seed: u64, storm: u64, narrow: Option<usize>, cut: bool) {
    let sea = Sea::new();
    let serving = Rc::new(sea.host(&["192.0.2.1/24"]));
    let calling = Rc::new(sea.host(&["192.0.2.2/24"]));
    if storm > 0 {
        sea.storm(seed, storm);
    }
    if let Some(room) = narrow {
        sea.narrow(serving.card, room);
        sea.narrow(calling.card, room);
    }
    let server_task = sea.spawn(server(sea.clone(), serving.clone(), Dice::new(seed)));
    let callers: Vec<usize> =
        (1..4).map(|i| sea.spawn(caller(sea.clone(), calling.clone(), Dice::new(seed ^ (i << 32))))).collect();
    // Whole tasks are dropped too, somewhere.
    sea.pass(Duration::from_millis(1 + seed % 200));
    sea.kill(callers[0]);
    sea.pass(Duration::from_millis(500));
    if cut {
        sea.plug(serving.card, false);
    }
    callers.into_iter().for_each(|task| sea.kill(task));
    sea.kill(server_task);
    sea.calm();
    // Everything lingers, waits and times out to its end: no slot is leaked.
    sea.pass(Duration::from_secs(120));
    sea.plug(serving.card, true);
    for host in [&serving, &calling] {
        assert_eq!((host.stack.connections(), host.stack.udp_sockets()), (0, 0));
    }
    let quiet = sea.polls();
    sea.pass(Duration::from_secs(3_600));
    assert_eq!(sea.polls(), quiet, "what is idle does nothing");
    sea.run(async move {
        let listener = Listener::bind(&serving.stack, 80, 1, Options::default()).unwrap();
        let call = Stream::connect(&calling.stack, "192.0.2.1:80".parse().unwrap(), Options::default());
        let (mut served, mut calling) = match join(listener.accept(), call).await {
            (served, Ok(calling)) => (served, calling),
            (_, Err(error)) => panic!("a fresh connection fails: {error}"),
        };
        calling.write_all(b"fresh").await.unwrap();
        let mut fresh = [0; 5];
        served.read_exact(&mut fresh).await.unwrap();
        assert_eq!(&fresh, b"fresh");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_schedule_of_drops_leaves_the_stack_sound(
        seed: u64,
        storm in prop_oneof![Just(0), 5_u64..40],
        narrow in proptest::option::of(1_usize..3),
        cut: bool,
    ) {
        schedule(seed, storm, narrow, cut);
    }
}

#[test]
fn a_stack_is_freed_with_its_last_handle() {
    let sea = Sea::new();
    let (one, other) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    let clock = sea.clone();
    sea.run(async move {
        let listener = Listener::bind(&one.stack, 80, 1, Options::default()).unwrap();
        let call = Stream::connect(&other.stack, "192.0.2.1:80".parse().unwrap(), Options::default());
        let (served, calling) = join(listener.accept(), call).await;
        // The runner goes first, as in a power cut; the handles stay usable, and nothing happens.
        clock.kill(one.task);
        clock.kill(other.task);
        drop(one);
        served.shutdown();
        drop((served, listener));
        calling.unwrap().abort();
        drop(other);
    });
}
